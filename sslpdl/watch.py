"""A folder that is watched: new files go into the archive, and the runs that they complete are forecast.

Every step is stored whole before it is noted, and what is stored is recognised again: the process may be killed at any
moment, and running it twice does nothing twice.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sslpdl.archive import open_archive
from sslpdl.errors import ConfigError, ReaderError, SslpdlError
from sslpdl.files import explain_os_error, write_json_atomic
from sslpdl.readers import ingest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sslpdl.models import TrainedModel
    from sslpdl.readers.inventory import Run

__all__ = ["Journal", "Watcher", "watch"]

log = logging.getLogger(__name__)
_ON_THEIR_WAY = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".lock", ".swp")
_OLD = 60.0
_NOT_THE_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EAGAIN, errno.EIO}

Stamp: TypeAlias = tuple[int, int]
"""Size and time of change of a file."""


class Journal:
    """Which files have been dealt with, and why some were refused; kept beside the archive."""

    def __init__(self, archive: Path) -> None:
        import json

        self.path = archive.with_name(f".{archive.name}.watch.json")
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self._files = {name: (tuple(stamp), str(reason)) for name, (stamp, reason) in stored["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._files = {}  # what is stored already is recognised without it

    def knows(self, path: Path, stamp: Stamp) -> bool:
        """Whether a file in this state has been dealt with."""
        return str(path) in self._files and self._files[str(path)][0] == stamp

    def note(self, files: Iterable[tuple[Path, Stamp]], reason: str = "") -> None:
        """Note files as dealt with; a reason says why they were refused."""
        self._files |= {str(path): (stamp, reason) for path, stamp in files}
        gone = [name for name in self._files if not Path(name).exists()]
        for name in gone:
            del self._files[name]
        write_json_atomic(self.path, {"files": {name: list(entry) for name, entry in self._files.items()}})


@dataclass
class Watcher:
    """What is watched, and what becomes of it.

    Attributes
    ----------
    folder, archive : Path
        Where files arrive, also in folders below it, and the archive they go to.
    model, forecast : Path or None
        Model folder, and the Zarr forecast that gets the new runs; without a model nothing is forecast.
    profile, grid, statistics
        As for :func:`sslpdl.readers.ingest`.
    patience : float
        Seconds without a new file after which a run is taken as it is.  A run that has all fields of the run before it
        is taken at once.
    settle : float
        Seconds that a young file must keep its size.
    """

    folder: Path
    archive: Path
    model: Path | None = None
    forecast: Path | None = None
    profile: str = "auto"
    grid: str | None = None
    statistics: Path | None = None
    patience: float = 600.0
    settle: float = 2.0
    _read: dict[tuple[Path, Stamp], dict[np.datetime64, Run]] = field(default_factory=dict, repr=False)
    _trained: TrainedModel | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ConfigError(f"there is no folder {self.folder} to watch; check the path.")
        if self.model is not None and not (self.model / "config.yaml").is_file():
            raise ConfigError(f"there is no model in {self.model}; correct --model.")
        if self.model is None and self.forecast is not None:
            raise ConfigError("a forecast needs a model; give --model too.")
        if self.model is not None and self.forecast is None:
            self.forecast = self.archive.with_name(f"{self.archive.stem}-forecast.zarr")
        self.archive.parent.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(self.archive)

    def look(self) -> int:
        """Do everything that there is to do now, and return how many files were refused.

        Raises
        ------
        SslpdlError
            If something else than a file is wrong: a full disk, another writer, a model that does not fit.
        """
        files = self._complete()
        bad = self._legacy(files) if self.profile == "legacy" else self._ingest(files)
        self._forecast_new_runs()
        return bad

    # ---- files -----------------------------------------------------------------------------------------------------

    def _complete(self) -> dict[Path, Stamp]:
        """Return the files that are new and whole: old enough, or with the same size at two looks."""
        first = self._listed()
        young = [path for path, stamp in first.items() if time.time() - stamp[1] / 1e9 < _OLD]
        if not young:
            return first
        time.sleep(self.settle)
        again = self._listed()
        return {
            path: stamp
            for path, stamp in first.items()
            if again.get(path) == stamp and (stamp[0] > 0 or path not in young)
        }

    def _listed(self) -> dict[Path, Stamp]:
        from sslpdl.readers.sources import is_data

        found = {}
        for parent, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and not name.endswith(".zarr"))
            for name in sorted(names):
                path = Path(parent, name)
                if not is_data(path) or path.suffix.lower() in _ON_THEIR_WAY:
                    continue
                try:
                    status = path.stat()
                except OSError:
                    continue  # it was moved away meanwhile
                stamp = status.st_size, status.st_mtime_ns
                if not self.journal.knows(path, stamp):
                    found[path] = stamp
        return found

    def _refuse(self, path: Path, stamp: Stamp, reason: str) -> None:
        log.warning("bad file %s: %s", path.name, reason)
        self.journal.note([(path, stamp)], reason)

    # ---- archive ---------------------------------------------------------------------------------------------------

    def _ingest(self, files: dict[Path, Stamp]) -> int:
        bad = 0
        runs: dict[np.datetime64, list[Path]] = {}
        headers: dict[np.datetime64, list[Run]] = {}
        for path, stamp in files.items():
            try:
                found = self._headers(path, stamp)
            except (ReaderError, OSError) as error:
                self._refuse(path, stamp, str(error))
                bad += 1
                continue
            for init, run in found.items():
                runs.setdefault(init, []).append(path)
                headers.setdefault(init, []).append(run)
        stored = _stored_runs(self.archive)
        for init in sorted(runs):
            if init in stored:
                log.info("run %s is stored already: %d files passed over", _time(init), len(runs[init]))
                self.journal.note((path, files[path]) for path in runs[init])
        ripe = [init for init in sorted(runs) if init not in stored and self._ripe(init, headers[init], files)]
        # the first runs say together which lead times and channels the archive has
        for group in [ripe] if ripe and not stored else [[init] for init in ripe]:
            bad += self._ingest_group(group, runs, files)
        return bad

    def _headers(self, path: Path, stamp: Stamp) -> dict[np.datetime64, Run]:
        from sslpdl.readers.inventory import take_inventory

        if (path, stamp) not in self._read:
            found = take_inventory([path], profile=self.profile)
            self._read[path, stamp] = {run.init_time: run for run in found.runs}
        return self._read[path, stamp]

    def _ripe(self, init: np.datetime64, parts: list[Run], files: dict[Path, Stamp]) -> bool:
        """Whether a run has all that the last stored run has, or nothing more has come for a while."""
        missing = _expected(self.archive) - _fields_of(parts)
        newest = max(files[path][1] for part in parts for path in part.files) / 1e9
        left = self.patience - (time.time() - newest)
        if (_stored_runs(self.archive) and not missing) or left <= 0:
            return True
        log.info("run %s is not taken yet: %d files so far, at most %.0f s to wait", _time(init), len(parts), left)
        return False

    def _ingest_group(
        self, group: list[np.datetime64], runs: dict[np.datetime64, list[Path]], files: dict[Path, Stamp]
    ) -> int:
        paths = sorted({path for init in group for path in runs[init]})
        begun = time.perf_counter()
        try:
            report = ingest(
                paths, self.archive, profile=self.profile, grid=self.grid, skip_bad=True, progress=False
            )  # fmt: skip
        except SslpdlError as error:
            if _is_not_the_file(error):
                raise
            if len(group) > 1:
                return sum(self._ingest_group([init], runs, files) for init in group)
            for path in paths:
                self._refuse(path, files[path], str(error))
            return len(paths)
        skipped = dict(report.skipped)
        for path, reason in skipped.items():
            self._refuse(path, files[path], reason)
        stored = _stored_runs(self.archive)
        for init in group:
            if init in stored:
                seconds = time.perf_counter() - begun
                log.info("run %s stored in %s: %d files, %.1f s", _time(init), self.archive, len(runs[init]), seconds)
            else:
                log.warning("run %s cannot be stored: nothing in it can be read", _time(init))
        self.journal.note((path, files[path]) for path in paths if path not in skipped)
        return len(skipped) + sum(init not in stored for init in group)

    def _legacy(self, files: dict[Path, Stamp]) -> int:
        """Ingest the layout of the published code, a folder as a whole, once nothing more comes."""
        arrays = {path: stamp for path, stamp in files.items() if path.suffix == ".npy"}
        if not arrays or time.time() - max(stamp[1] for stamp in arrays.values()) / 1e9 < self.patience:
            return 0
        try:
            report = ingest(
                self.folder, self.archive, profile="legacy", statistics=self.statistics, skip_bad=True, progress=False
            )
        except SslpdlError as error:
            if _is_not_the_file(error):
                raise
            log.warning("the arrays in %s cannot be read: %s", self.folder, error)
            self.journal.note(arrays.items(), str(error))
            return 1
        if report.runs_written:
            log.info("%d runs stored in %s: %d files", report.runs_written, self.archive, len(arrays))
        for path, reason in report.skipped:
            log.warning("bad file %s: %s", path.name, reason)
        self.journal.note(arrays.items())
        return len(report.skipped)

    # ---- forecast --------------------------------------------------------------------------------------------------

    def _forecast_new_runs(self) -> None:
        from sslpdl import forecast, models

        if self.model is None or self.forecast is None or not _stored_runs(self.archive):
            return
        missing = forecast.missing_runs(self.archive, self.forecast)
        if missing and self._trained is None:
            self._trained = models.load(self.model)
        for init in missing:
            assert self._trained is not None
            begun = time.perf_counter()
            forecast.append(open_archive(self.archive).sel(init_time=[init]), self._trained, self.forecast)
            log.info("run %s forecast into %s: %.1f s", _time(init), self.forecast, time.perf_counter() - begun)


def watch(watcher: Watcher, *, once: bool = False, interval: float = 60.0) -> int:
    """Watch a folder until interrupted, or look once.

    Parameters
    ----------
    watcher : Watcher
        What is watched.
    once : bool
        Whether to look once, as a timer does.
    interval : float
        Seconds between two looks.

    Returns
    -------
    int
        How many files were refused at the last look.

    Raises
    ------
    SslpdlError
        If another process watches for the same archive, or, with `once`, if something else than a file is wrong.
    """
    with _alone(watcher.archive):
        trouble = ""
        while True:
            try:
                bad = watcher.look()
                trouble = ""
            except (SslpdlError, OSError) as error:
                if once:
                    raise
                if str(error) != trouble:  # the same trouble every minute needs no line every minute
                    log.error("stopped for now: %s", error)
                trouble = str(error)
            if once:
                return bad
            time.sleep(interval)


@contextmanager
def _alone(archive: Path) -> Iterator[None]:
    """Hold the right to watch for an archive; it ends with the process, however that ends."""
    import fcntl

    path = archive.with_name(f".{archive.name}.watch.lock")
    try:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(f"another process watches for {archive}; one is enough.") from error
            yield
    except OSError as error:
        raise ConfigError(f"the folder cannot be watched: {explain_os_error(error, path)}.") from error


def _is_not_the_file(error: BaseException) -> bool:
    """Whether an error comes from the disk or from another process, so that the same file may do later."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _NOT_THE_FILE


def _stored_runs(archive: Path) -> set[np.datetime64]:
    if not (archive / "zarr.json").exists():
        return set()
    return set(open_archive(archive)["init_time"].values.astype("datetime64[s]"))


def _expected(archive: Path) -> set[tuple[str, int]]:
    """Return channel and lead time of the fields that the last stored run has."""
    if not _stored_runs(archive):
        return set()
    ds = open_archive(archive)
    there = ds["fields_coverage"].isel(init_time=-1).transpose("channel", "lead_time").values > 0
    channels, leads = ds["channel"].values, ds["lead_time"].values
    return {(str(channels[i]), int(leads[k])) for i, k in zip(*np.nonzero(there), strict=True)}


def _fields_of(parts: list[Run]) -> set[tuple[str, int]]:
    found = {(name, lead) for part in parts for name, leads in part.leads.items() for lead in leads}
    return found | {("rain", round(end)) for part in parts for _, end in part.rain}


def _time(init: Any) -> str:
    return f"{np.datetime_as_string(init, unit='h').replace('T', ' ')} UTC"
