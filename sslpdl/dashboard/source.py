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
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.frames import Frames, codes, pack_run, unreadable
from sslpdl.dashboard.probabilities import (
    ComputedForecast,
    NoForecast,
    Planes,
    Probabilities,
    StoredForecast,
    fits,
    metadata_of,
)
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

    Raises
    ------
    ArchiveError
        If the archive holds no runs.
    """

    def __init__(self, archive: xr.Dataset, probabilities: Probabilities) -> None:
        from sslpdl.grid import Grid

        if 0 in (archive.sizes["init_time"], archive.sizes["lead_time"]):
            raise ArchiveError("the archive holds no runs, so there is nothing to show; ingest some files first.")
        self.archive = archive
        self.probabilities = probabilities
        self.times: NDArray[np.datetime64] = archive["init_time"].values.astype("datetime64[ns]")
        self.init_times = [np.datetime_as_string(time, unit="m") for time in self.times]
        self.lead_times = [int(lead) for lead in archive["lead_time"].values]
        rows, columns = archive.sizes["y"], archive.sizes["x"]
        self.pooling = max(1, math.ceil(math.sqrt(rows * columns / _MAX_CELLS)))
        self.grid = _pooled_grid(Grid.from_dataset(archive), self.pooling)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._waiting: list[tuple[int, NDArray[np.float32], _Entry]] = []
        self._lock = threading.Lock()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="sslpdl-read")
        self._models = ThreadPoolExecutor(1, thread_name_prefix="sslpdl-model")

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
        index = self.init_times.index(init_time)
        try:
            fields = self.archive["fields"].isel(init_time=index).values
            frames, ready = self._first(index, fields)
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            log.exception("The run %s cannot be read.", init_time)
            self._forget(init_time)
            frames, ready = unreadable(init_time, len(self.lead_times), str(error)), True
        self._publish(entry, frames, finished=ready)
        if not ready:
            with self._lock:
                self._waiting.append((index, fields, entry))
            self._models.submit(self._compute_latest)

    def _first(self, index: int, fields: NDArray[np.float32]) -> tuple[Frames, bool]:
        """Return what can be shown at once, and whether it is all."""
        try:
            probabilities = self.probabilities.stored(self.times[index], fields)
            if probabilities is None:
                return self._pack(index, fields, None, status="computing"), False
            return self._pack(index, fields, probabilities), True
        except (ForecastError, ModelError) as error:
            return self._pack(index, fields, None, status="failed", problem=str(error)), True

    def _compute_latest(self) -> None:
        """Compute the run that was asked for last: somebody is looking at it now."""
        with self._lock:
            index, fields, entry = self._waiting.pop()
        try:
            probabilities = self.probabilities.compute(self.times[index], fields)
            frames = self._pack(index, fields, probabilities)
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            log.error("There are no probabilities for the run %s: %s", self.init_times[index], error)
            frames = self._pack(index, fields, None, status="failed", problem=str(error))
            self._forget(self.init_times[index])  # the next visitor tries again
        self._publish(entry, frames, finished=True)

    def _pack(self, index: int, fields: NDArray[np.float32], probabilities: Planes | None, **state: str) -> Frames:
        return pack_run(self.archive, index, fields, probabilities, pooling=self.pooling, **state)

    def _publish(self, entry: _Entry, frames: Frames, *, finished: bool) -> None:
        with self._lock:
            entry.frames, entry.finished = frames, finished
            listeners = list(entry.listeners)
            if finished:
                entry.listeners.clear()
        for listener in listeners:
            listener(frames)

    def _forget(self, init_time: str) -> None:
        with self._lock:
            self._entries.pop(init_time, None)

    def describe(self) -> dict[str, Any]:
        """Return what does not change from run to run, for the browser."""
        attrs = self.archive.attrs
        window = attrs.get("qpe_window")
        return {
            "title": str(attrs.get("title", "")) or "Rain forecast",
            "source": str(attrs.get("source", "")),
            "nwp": str(attrs.get("nwp", "NWP")),
            "synthetic": str(attrs.get("synthetic", "false")).lower() == "true",
            "variables": [str(name) for name in self.archive["channel"].values],
            "init_times": self.init_times,
            "lead_times": self.lead_times,
            "qpe_window": float(window) if window is not None else 1.0,
            "model": self.probabilities.title,
            "thresholds": list(self.probabilities.thresholds),
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


_opening = threading.Lock()


def open_source(settings: Settings) -> Source:
    """Return the source of these settings, opened once per process.

    Raises
    ------
    SslpdlError
        If the archive or the stored forecast is missing or damaged.
    """
    with _opening:
        return _open(settings)


@lru_cache(maxsize=4)
def _open(settings: Settings) -> Source:
    from sslpdl.archive import open_archive
    from sslpdl.forecast import open_forecast

    if not settings.archive.exists():
        raise ArchiveError(
            f"there is no archive at {settings.archive}; give one with `sslpdl app --archive` or SSLPDL_ARCHIVE, "
            "or make one with `sslpdl ingest` or `sslpdl twin`."
        )
    archive = open_archive(settings.archive)
    probabilities: Probabilities
    if settings.forecast is not None:
        probabilities = StoredForecast(open_forecast(settings.forecast))
    else:
        probabilities = _modelled(settings, archive)
    return Source(archive, probabilities)


def _modelled(settings: Settings, archive: xr.Dataset) -> Probabilities:
    """Return the forecast of the model, or why there is none: a model of other rain is not shown beside this."""
    from sslpdl.dashboard.settings import SAMPLE_MODEL

    try:
        if fits(settings.model, archive):
            return ComputedForecast(settings.archive, settings.model, settings.cache, metadata_of(archive))
    except ModelError as error:
        return NoForecast(str(error))
    if settings.model == SAMPLE_MODEL:
        return NoForecast("no model was given, and the sample model is made for other channels or another rain window.")
    return NoForecast(f"the model in {settings.model} is made for other channels or another rain window.")
