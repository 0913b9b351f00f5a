"""Verification counts for the page: those that were given, those of the model, or else of the archive on screen.

They are opened once per process, added up to blocks of days, and shared by all sessions.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.probabilities import decision_of
from sslpdl.dashboard.settings import SAMPLE_MODEL
from sslpdl.errors import ForecastError, ModelError, SslpdlError, VerifyError

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.dashboard.settings import Settings
    from sslpdl.dashboard.source import Source

__all__ = ["MODEL_COUNTS", "ArchiveCounts", "Stored", "counts_path", "preload", "read_stored", "stored_counts"]

MODEL_COUNTS = "test_counts.npz"
"""Name of the counts in a model folder: those of its own test data."""

HOW_TO = (
    "make some with `sslpdl evaluate TEST.zarr --model MODEL --out REPORT` "
    "and give them with `sslpdl app --counts REPORT` or SSLPDL_COUNTS"
)
RAW, CLIMATOLOGY = "raw", "climatology"
_MOST_RUNS = 60
_LOOK_SOON, _LOOK_AGAIN = 5.0, 60.0  # seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Stored:
    """Counts as the page uses them.

    Attributes
    ----------
    counts : Dataset
        From `sslpdl.verify.condense`: the model, raw NWP where counted, and climatology.
    model : str
        Name of the probabilistic model among them.
    kind : str
        ``"file"``, ``"model"`` (of the model's test data) or ``"archive"`` (of the archive on screen).
    where : str
        Name of the file, or of the data.
    period : tuple of str
        First and last run, UTC.
    """

    counts: xr.Dataset
    model: str
    kind: str
    where: str
    period: tuple[str, str]


def stored_counts(source: Source, settings: Settings) -> Stored | ArchiveCounts:
    """Return the counts to show, or those of the archive while they are being counted.

    Raises
    ------
    VerifyError
        If there are none, with what to do.
    """
    stored = preload(settings)
    if stored is not None:
        return stored
    with _opening:
        of_archive = _of_archive(source)
    return of_archive.current() or of_archive


def preload(settings: Settings) -> Stored | None:
    """Return the counts of a file, read now or before; None where there is no file and the archive is to be counted.

    Raises
    ------
    VerifyError
        If the file that was given is missing or holds no counts.
    """
    path, kind = counts_path(settings)
    if path is None:
        return None
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise VerifyError(f"there are no verification counts at {path}; {HOW_TO}.", kind="no_counts") from error
    with _opening:
        return read_stored(path, kind, settings.model.name, changed)


def counts_path(settings: Settings) -> tuple[Path | None, str]:
    """Return the file of the counts and its kind (see `Stored`), or None where only the archive can be counted."""
    if settings.counts is not None:
        return (settings.counts / "counts.npz" if settings.counts.is_dir() else settings.counts), "file"
    own = settings.model / MODEL_COUNTS
    # the sample model is a default that has nothing to do with a forecast that was given
    foreign = settings.forecast is not None and settings.model == SAMPLE_MODEL
    return (own, "model") if own.is_file() and not foreign else (None, "archive")


_opening = threading.Lock()


@lru_cache(maxsize=4)
def _of_archive(source: Source) -> ArchiveCounts:
    return ArchiveCounts(source)


@lru_cache(maxsize=4)
def read_stored(path: Path, kind: str, wanted: str, changed: int) -> Stored:
    """Read counts once; a file that `changed` is read again.

    Raises
    ------
    VerifyError
        If the file holds no counts, or none of a probabilistic model.
    """
    from sslpdl.verify import read_counts

    where = path.name if kind == "model" else f"{path.parent.name}/{path.name}"
    return prepare(read_counts(path), kind=kind, where=where, wanted=wanted)


def prepare(counts: xr.Dataset, *, kind: str, where: str, wanted: str = "") -> Stored:
    """Return counts made ready for the page.

    Parameters
    ----------
    counts : Dataset
        From `sslpdl.verify.count` or `read_counts`.
    kind, where : str
        See `Stored`.
    wanted : str
        The model to take where there are several; otherwise the first probabilistic one.

    Raises
    ------
    VerifyError
        If no probabilistic model was counted.
    """
    from sslpdl.verify import condense, with_climatology

    kinds = zip(counts["model"].values.tolist(), counts["kind"].values.tolist(), strict=True)
    models = [name for name, its_kind in kinds if its_kind == "probability"]
    if not models:
        raise VerifyError(f"the counts of {where} hold no probability forecast; {HOW_TO}.")
    model = wanted if wanted in models else models[0]
    others = [name for name in (RAW, CLIMATOLOGY) if name in counts["model"].values]
    small = condense(counts, models=[model, *others])
    if CLIMATOLOGY not in others:
        small = with_climatology(small)
    days = counts["init_time"].values.astype("datetime64[m]")
    first, last = (str(counts.attrs.get(name) or at) for name, at in (("first_run", days[0]), ("last_run", days[-1])))
    return Stored(small, model, kind, where, (first, last))


@dataclass(eq=False)
class ArchiveCounts:
    """Counts of the archive on screen, from the runs whose probabilities are at hand; counted in the background.

    Runs that have been opened since are counted when somebody asks again, after a minute or more: to look for them
    takes reading fields, and should not keep the machine busy.
    """

    source: Source
    done: int = 0
    of: int = 0
    _parts: dict[int, xr.Dataset | None] = field(default_factory=dict)
    _stored: Stored | None = None
    _problem: str = ""
    _kind: str = ""
    _running: bool = False
    _look_again: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> Stored | None:
        """Return what has been counted, or None while nothing has been; begin to count what is new.

        Raises
        ------
        VerifyError
            If there is nothing to count, and why.
        """
        with self._lock:
            if time.monotonic() >= self._look_again and not self._running:
                self._running = True
                _worker().submit(self._work)
            if self._stored is None and not self._running:
                raise VerifyError(self._problem, kind=self._kind)
            return self._stored

    def _work(self) -> None:
        stored, problem, kind, started = None, "", "", time.monotonic()
        try:
            stored = self._count()
            if stored is None and self._stored is None:
                reason = "no run with QPE has its probabilities at hand yet, so nothing can be verified"
                problem, kind = f"{reason}; open a run that has QPE, or {HOW_TO}.", "nothing_to_verify"
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            log.exception("The archive cannot be verified.")
            problem = str(error)
        with self._lock:
            self._stored, self._problem, self._kind = stored or self._stored, problem, kind
            now = time.monotonic()
            pause = _LOOK_AGAIN if self._stored else _LOOK_SOON
            self._running, self._look_again = False, now + max(pause, 20 * (now - started))

    def _count(self) -> Stored | None:
        """Count the latest runs that are not counted yet; return None if there was nothing new."""
        from sslpdl.archive import pairs
        from sslpdl.verify import merge

        table = pairs(self.source.archive)
        latest = sorted({int(i) for i in table["init"]})[-_MOST_RUNS:]
        new = [i for i in latest if i not in self._parts]
        self.done, self.of = 0, len(new)
        regions = _regions(self.source)
        for index in reversed(new):
            cases = table[table["init"] == index][["lead", "qpe"]].itertuples(index=False)
            counted = self._run(index, [(int(lead), int(qpe)) for lead, qpe in cases], regions)
            if counted is not None:
                self._parts[index] = counted[0]
            self.done += 1
        parts = [part for part in self._parts.values() if part is not None]
        if not parts or (not any(i in self._parts for i in new) and self._stored is not None):
            return None
        return prepare(merge(parts), kind="archive", where=str(self.source.archive.attrs.get("title", "")))

    def _run(
        self, index: int, cases: list[tuple[int, int]], regions: dict[str, Any]
    ) -> tuple[xr.Dataset | None] | None:
        """Return the counts of one run (None without a valid cell), or None if its probabilities are not at hand."""
        from sslpdl.verify import Counter

        source, archive = self.source, self.source.archive
        channels = archive["channel"].values.tolist()
        fields = archive["fields"].isel(init_time=index).values
        try:
            planes = source.probabilities.stored(source.times[index], fields)
        except (ForecastError, ModelError):
            return None  # a stored forecast need not hold every run
        if planes is None:
            return None
        raw = (RAW,) if "rain" in channels else ()
        counter = Counter(
            thresholds=source.probabilities.thresholds,
            models=("sslpdl", *raw),
            regions=regions,
            decision={"sslpdl": decision_of(source.probabilities)},
            attrs={
                "title": archive.attrs.get("title", ""),
                "synthetic": str(archive.attrs.get("synthetic", "false")),
                "rain_window": source.probabilities.window,
            },
        )
        cells = 0
        for lead, qpe in cases:
            chance = planes.get(source.lead_times[lead])
            if chance is not None:
                forecasts = {"sslpdl": chance} | {name: fields[lead, channels.index("rain")] for name in raw}
                observed = archive["qpe"].isel(valid_time=qpe).values
                cells += counter.add(source.times[index], source.lead_times[lead], observed, forecasts)
        return ((counter.counts() if cells else None),)


def _regions(source: Source) -> dict[str, Any]:
    from sslpdl.verify import standard_regions

    return standard_regions(source.archive, provinces=True)


@lru_cache(maxsize=1)
def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="sslpdl-count")
