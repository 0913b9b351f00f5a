"""The data of the page: one archive with its probabilities, read once per process and shared by all sessions.

Everything slow happens in threads of this module; a session asks for a run and is told when it, or more of it, is
there.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.frames import Frames, codes, pack_run, unreadable
from sslpdl.dashboard.opening import Files
from sslpdl.dashboard.probabilities import Planes, Probabilities, StoredForecast, decision_of
from sslpdl.errors import ArchiveError, ForecastError, ModelError, SslpdlError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.dashboard.settings import Settings
    from sslpdl.grid import Grid

__all__ = ["Source", "open_source"]

log = logging.getLogger(__name__)
_MAX_CELLS = 300_000
_RUNS_IN_MEMORY = 24
_SOURCES_OPEN = 8
_FIELDS_LOOKED_AT = 200


@dataclass
class _Entry:
    """A run on its way from the disk to the sessions that wait for it."""

    frames: Frames | None = None
    finished: bool = False
    listeners: list[Callable[[Frames], None]] = field(default_factory=list)


class Source:
    """One archive and its probabilities.

    Parameters
    ----------
    archive : Dataset
        From `sslpdl.open_archive`.
    probabilities : Probabilities
        Where the probabilities come from.
    files : Files, optional
        Where both lie on the disk, for `news`.

    Attributes
    ----------
    generation : int
        Grows when more has been added on the disk, so that what was made from less is not taken from a cache.

    Raises
    ------
    ArchiveError
        If the archive holds no runs.
    """

    generation = 0

    def __init__(self, archive: xr.Dataset, probabilities: Probabilities, files: Files | None = None) -> None:
        from sslpdl.grid import Grid

        if 0 in (archive.sizes["init_time"], archive.sizes["lead_time"]):
            raise ArchiveError(
                "the archive holds no runs, so there is nothing to show; ingest some files first.", kind="no_runs"
            )
        self.files = files
        self._mark = files.mark() if files else None
        self._trouble = ""
        self._take(archive, probabilities)
        self.lead_times = [int(lead) for lead in archive["lead_time"].values]
        rows, columns = archive.sizes["y"], archive.sizes["x"]
        self.pooling = max(1, math.ceil(math.sqrt(rows * columns / _MAX_CELLS)))
        self.grid = _pooled_grid(Grid.from_dataset(archive), self.pooling)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._waiting: list[tuple[str, NDArray[np.float32], _Entry]] = []
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="sslpdl-read")

    def _take(self, archive: xr.Dataset, probabilities: Probabilities) -> None:
        self.archive = archive
        self.probabilities = probabilities
        self.generation += 1
        self.times: NDArray[np.datetime64] = archive["init_time"].values.astype("datetime64[ns]")
        self.init_times = [str(np.datetime_as_string(time, unit="m")) for time in self.times]

    @cached_property
    def first_view(self) -> tuple[str, int]:
        """The latest run with rain and its first rainy lead time [h]; else with a rain field; else the last run."""
        found = self.init_times[-1], self.lead_times[0]
        if "rain" not in self.archive["channel"].values:
            return found
        rain = self.archive["fields"].sel(channel="rain")
        steps = [(i, k) for i in reversed(range(len(self.init_times))) for k in range(len(self.lead_times))]
        any_field = False
        for i, k in steps[:_FIELDS_LOOKED_AT]:
            try:
                plane = rain.isel(init_time=i, lead_time=k).values
            except (SslpdlError, OSError, ValueError):
                return found  # the page says what is wrong with the run
            if (plane >= 0.1).any():
                return self.init_times[i], self.lead_times[k]
            if not any_field and np.isfinite(plane).any():
                any_field, found = True, (self.init_times[i], self.lead_times[k])
        return found

    def at_hand(self, init_time: str) -> Frames | None:
        """Return a run if it is in memory already."""
        with self._lock:
            entry = self._entries.get(init_time)
            return entry.frames if entry else None

    def request(self, init_time: str, listener: Callable[[Frames], None]) -> None:
        """Ask for a run, one of `init_times`.

        Parameters
        ----------
        init_time : str
            As in `init_times`.
        listener : callable
            Called with `Frames`, from another thread: once when all is at hand, twice when probabilities have to be
            computed first.
        """
        with self._lock:
            entry = self._entries.get(init_time)
            if entry is None:
                entry = self._entries[init_time] = _Entry()
                self._readers.submit(self._load, init_time, entry)
                while len(self._entries) > _RUNS_IN_MEMORY:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(init_time)
            frames = entry.frames
            if not entry.finished:
                entry.listeners.append(listener)
        if frames is not None:
            listener(frames)

    def _load(self, init_time: str, entry: _Entry) -> None:
        """Read a run and its probabilities; hand the slow part, the model, to the thread that runs models."""
        try:
            with self._lock:
                archive, index = self.archive, self.init_times.index(init_time)
            fields = archive["fields"].isel(init_time=index).values
            frames, ready = self._first(init_time, fields)
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            log.exception("The run %s cannot be read.", init_time)
            self.forget(init_time)
            frames, ready = unreadable(init_time, len(self.lead_times), str(error)), True
        self._publish(entry, frames, finished=ready)
        if not ready:
            from sslpdl.dashboard.jobs import WORKER

            with self._lock:
                self._waiting.append((init_time, fields, entry))
            WORKER.urgent(self._compute_latest)

    def _first(self, init_time: str, fields: NDArray[np.float32]) -> tuple[Frames, bool]:
        """Return what can be shown at once, and whether it is all."""
        try:
            probabilities = self.probabilities.stored(np.datetime64(init_time, "ns"), fields)
            if probabilities is None:
                return self._pack(init_time, fields, None, status="computing"), False
            return self._pack(init_time, fields, probabilities), True
        except (ForecastError, ModelError) as error:
            return self._pack(init_time, fields, None, status="failed", problem=str(error), kind=error.kind), True

    def _compute_latest(self) -> None:
        """Compute the run that was asked for last: somebody is looking at it now."""
        with self._lock:
            init_time, fields, entry = self._waiting.pop()
        try:
            probabilities = self.probabilities.compute(np.datetime64(init_time, "ns"), fields)
            frames = self._pack(init_time, fields, probabilities)
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            log.error("There are no probabilities for the run %s: %s", init_time, error)
            frames = self._pack(init_time, fields, None, status="failed", problem=str(error))
            self.forget(init_time)  # the next visitor tries again
        self._publish(entry, frames, finished=True)

    def _pack(self, init_time: str, fields: NDArray[np.float32], found: Planes | None, **state: str) -> Frames:
        with self._lock:  # a run that comes in meanwhile may move the others
            archive, index = self.archive, self.init_times.index(init_time)
        return pack_run(archive, index, fields, found, pooling=self.pooling, **state)

    def _publish(self, entry: _Entry, frames: Frames, *, finished: bool) -> None:
        with self._lock:
            entry.frames, entry.finished = frames, finished
            listeners = list(entry.listeners)
            if finished:
                entry.listeners.clear()
        for listener in listeners:
            listener(frames)

    def forget(self, init_time: str) -> None:
        """Drop a run from memory, so that it is read again for whoever asks next."""
        with self._lock:
            self._entries.pop(init_time, None)

    def news(self) -> dict[str, Any] | None:
        """Take up what has been added on the disk since the last look.

        Returns
        -------
        dict or None
            A message for the sessions: ``runs`` with all ``init_times`` and those that have ``changed`` (more observed
            rain, or probabilities), or ``replaced`` where something else lies there now; None if all is as before.
        """
        if self.files is None or (mark := self.files.mark()) == self._mark:
            return None
        try:
            archive, probabilities = self.files.open()
        except (SslpdlError, OSError, ValueError, KeyError) as error:
            if str(error) != self._trouble:
                log.warning("What was shown so far stays, for the data cannot be opened again: %s", error)
            self._trouble = str(error)
            return None
        self._mark, self._trouble = mark, ""
        if not self._continued_by(archive, probabilities):
            _close(self)
            return {"kind": "replaced"}
        before, after = _content(self.archive, self.probabilities), _content(archive, probabilities)
        changed = [time for time in self.init_times if before[time] != after[time]]
        with self._lock:
            self._take(archive, probabilities)
            self.__dict__.pop("first_view", None)
            for time in changed:
                self._entries.pop(time, None)
        if not changed and len(before) == len(after):
            return None
        return {"kind": "runs", "init_times": self.init_times, "changed": changed}

    def _continued_by(self, archive: xr.Dataset, probabilities: Probabilities) -> bool:
        """Whether another state of the data is the same with more in it."""
        same = all(np.array_equal(archive[name].values, self.archive[name].values) for name in _FIXED)
        held = {str(np.datetime_as_string(time, unit="m")) for time in archive["init_time"].values}
        return same and held.issuperset(self.init_times) and probabilities.thresholds == self.probabilities.thresholds

    @property
    def title(self) -> str:
        """What the archive calls itself."""
        return str(self.archive.attrs.get("title", "")) or "Rain forecast"

    def describe(self) -> dict[str, Any]:
        """Return what does not change from run to run, for the browser."""
        attrs = self.archive.attrs
        window = attrs.get("qpe_window")
        return {
            "title": self.title,
            "source": str(attrs.get("source", "")),
            "nwp": str(attrs.get("nwp", "NWP")),
            "synthetic": str(attrs.get("synthetic", "false")).lower() == "true",
            "variables": [str(name) for name in self.archive["channel"].values],
            "init_times": self.init_times,
            "lead_times": self.lead_times,
            "qpe_window": float(window) if window is not None else 1.0,
            "model": self.probabilities.title,
            "thresholds": list(self.probabilities.thresholds),
            "decision": _decision(self.probabilities),
            "probability_window": self.probabilities.window,
            "pooling": self.pooling,
        } | codes()


def _pooled_grid(grid: Grid, factor: int) -> Grid:
    """Return the grid of blocks of `factor` x `factor` cells that start at row 0 and column 0."""
    if factor == 1:
        return grid
    rows, columns = (math.ceil(size / factor) for size in grid.shape)
    middle = (factor - 1) / 2
    return replace(
        grid,
        name=f"{grid.name}/{factor}",
        x0=grid.x0 + middle * grid.dx,
        y0=grid.y0 + middle * grid.dy,
        dx=grid.dx * factor,
        dy=grid.dy * factor,
        shape=(rows, columns),
    )


_FIXED = ("lead_time", "channel", "y", "x")


def _content(archive: xr.Dataset, probabilities: Probabilities) -> dict[str, tuple[bool, ...]]:
    """Return for each run where it has fields and observed rain, and whether a stored forecast holds it."""
    init = archive["init_time"].values.astype("datetime64[s]")
    observed = archive["valid_time"].values if "valid_time" in archive else np.zeros(0, "datetime64[s]")
    valid = init[:, None] + archive["lead_time"].values.astype("timedelta64[h]")
    found = np.isin(valid, observed.astype("datetime64[s]"))
    fields = np.zeros((len(init), 0), bool)
    if "fields_coverage" in archive:
        fields = archive["fields_coverage"].max("channel").transpose("init_time", "lead_time").values > 0
    held = np.zeros(len(init), bool)
    if isinstance(probabilities, StoredForecast):
        held = np.isin(init, probabilities.forecast["init_time"].values.astype("datetime64[s]"))
    names = [str(np.datetime_as_string(time, unit="m")) for time in init]
    rows = np.concatenate([held[:, None], found, fields], axis=1)
    return {name: tuple(map(bool, row)) for name, row in zip(names, rows, strict=True)}


_opening = threading.Lock()
_open: OrderedDict[Settings, Source] = OrderedDict()


def open_source(settings: Settings) -> Source:
    """Return the source of these settings, opened once per process.

    Raises
    ------
    SslpdlError
        If the archive or the stored forecast is missing or damaged.
    """
    with _opening:
        if settings not in _open:
            files = Files(settings)
            mark = files.mark()
            source = Source(*files.open(), files)
            source._mark = mark  # what is added while it is opened is news
            _open[settings] = source
            while len(_open) > _SOURCES_OPEN:
                _open.popitem(last=False)
        _open.move_to_end(settings)
        return _open[settings]


def _decision(probabilities: Probabilities) -> list[float | None]:
    """Return p* at each threshold, None where none is stored."""
    stored = decision_of(probabilities)
    near = {f"{threshold:g}": p for threshold, p in stored.items()}
    return [near.get(f"{threshold:g}") for threshold in probabilities.thresholds]


def _close(source: Source) -> None:
    """Let the next visitor open anew what lies where this source was."""
    with _opening:
        for settings in [key for key, value in _open.items() if value is source]:
            del _open[settings]
