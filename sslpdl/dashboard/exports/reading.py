"""The values of a run lead time by lead time: in full precision for data, or as the page shows them for pictures."""

from __future__ import annotations

import queue
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.dashboard import fields
from sslpdl.dashboard.packing import pool, unpack_lead
from sslpdl.dashboard.probabilities import NoForecast, Planes, StoredForecast
from sslpdl.errors import ForecastError
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslpdl.dashboard.frames import Frames
    from sslpdl.dashboard.source import Source

__all__ = ["Reader", "Run", "Shown", "earlier"]

_PATIENCE = 120.0  # seconds for a run to be read


class Reader(Protocol):
    """What `Run` and `Shown` have in common; fields are None, or NaN all over, where there is none."""

    source: Source
    index: int

    def window(self, lead: int) -> float:
        """Return the hours over which the rain of a lead time is summed."""

    def rain(self, lead: int) -> NDArray[Any] | None:
        """Return the rain of the NWP (y, x) [mm]."""

    def qpe(self, lead: int) -> NDArray[Any] | None:
        """Return the observed rain (y, x) [mm]."""

    def probabilities(self, lead: int) -> NDArray[Any] | None:
        """Return the probabilities of reaching each threshold (threshold, y, x), in [0, 1]."""

    def field(self, name: str, lead: int) -> NDArray[Any] | None:
        """Return an input or an accumulation (y, x), see `fields.planes`."""

    def problem(self, lead: int) -> str:
        """Return why there are no probabilities, or nothing: ``"computing"``, ``"none"`` or a sentence."""

    def other(self, index: int) -> Reader:
        """Return another run of the same source."""


def earlier(source: Source, index: int, lead: int) -> tuple[int, int] | None:
    """Return the latest earlier run that forecasts the valid time of a lead time, and its lead time.

    Parameters
    ----------
    source : Source
        Where both are.
    index, lead : int
        Positions of run and lead time.
    """
    valid = source.times[index] + np.timedelta64(source.lead_times[lead], "h")
    for before in reversed(range(index)):
        hours = (valid - source.times[before]) / np.timedelta64(1, "h")
        if hours in source.lead_times:
            return before, source.lead_times.index(int(hours))
    return None


class Shown:
    """One run of a source as the page shows it: pooled where the page does, rounded as its frames are.

    Parameters
    ----------
    source : Source
        Where from.
    index : int
        Position of the run.

    Raises
    ------
    ForecastError
        If the run cannot be read.
    """

    def __init__(self, source: Source, index: int) -> None:
        self.source, self.index = source, index
        self.frames = _frames(source, source.init_times[index])
        self.meta = self.frames.meta
        self._unpacked = lru_cache(maxsize=4)(self._unpack)
        self._fields = lru_cache(maxsize=4)(lambda name: fields.planes(source, index, name))

    def window(self, lead: int) -> float:
        """Return the hours over which the rain of a lead time is summed."""
        window = self.meta["rain_window"][lead]
        return float(self.source.describe()["qpe_window"] if window is None else window)

    def rain(self, lead: int) -> NDArray[np.float64] | None:
        """Return the rain of the NWP (y, x) [mm]."""
        return self._unpacked(lead)[0] if self.meta["nwp"][lead] else None

    def qpe(self, lead: int) -> NDArray[np.float64] | None:
        """Return the observed rain (y, x) [mm]."""
        return self._unpacked(lead)[1]

    def probabilities(self, lead: int) -> NDArray[np.float64] | None:
        """Return the probabilities of reaching each threshold (threshold, y, x), in [0, 1]."""
        return self._unpacked(lead)[2]

    def _unpack(self, lead: int) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.float64] | None]:
        here = {"qpe": self.meta["qpe"][lead], "probabilities": self.meta["probability"][lead]}
        return unpack_lead(self.frames.blocks[lead], self.source.grid.shape, **here)

    def field(self, name: str, lead: int) -> NDArray[np.float64] | None:
        """Return an input or an accumulation (y, x), see `fields.planes`."""
        plane = self._fields(name)[lead]
        return None if plane is None else pool(plane, self.source.pooling)

    def problem(self, lead: int) -> str:
        """Return why there are no probabilities, or nothing: ``"computing"``, ``"none"`` or a sentence."""
        if self.meta["probability"][lead]:
            return ""
        return "computing" if self.meta["status"] == "computing" else str(self.meta["problem"]) or "none"

    def other(self, index: int) -> Shown:
        """Return another run of the same source."""
        return Shown(self.source, index)


def _frames(source: Source, init_time: str) -> Frames:
    """Return what the page shows of a run; it is at hand unless many others were looked at since."""
    arrived: queue.SimpleQueue[Frames] = queue.SimpleQueue()
    source.request(init_time, arrived.put)
    try:
        frames = arrived.get(timeout=_PATIENCE)
    except queue.Empty:
        raise ForecastError("the run is still being read; ask again when it is shown.", kind="reading") from None
    if frames.meta["status"] == "unreadable":
        raise ForecastError(str(frames.meta["problem"]), kind="unreadable")
    return frames


class Run:
    """One run of a source in full precision; NaN where something is missing.

    Parameters
    ----------
    source : Source
        Where from.
    index : int
        Position of the run.
    """

    def __init__(self, source: Source, index: int) -> None:
        self.source, self.index = source, index
        self.archive = source.archive
        self.grid = Grid.from_dataset(self.archive)
        self.init_time = source.times[index]
        self.thresholds = source.probabilities.thresholds
        self._fields = lru_cache(maxsize=4)(lambda name: fields.planes(source, index, name))

    def valid_time(self, lead: int) -> np.datetime64:
        """Return the end of the rain window of a lead time, given by its position."""
        return np.datetime64(self.init_time + np.timedelta64(self.source.lead_times[lead], "h"))

    def window(self, lead: int) -> float:
        """Return the hours over which the rain of a lead time is summed."""
        return float(np.broadcast_to(self.archive["rain_window"].values, len(self.source.lead_times))[lead])

    @property
    def qpe_window(self) -> float:
        """Hours over which the observed rain is summed."""
        return float(self.source.describe()["qpe_window"])

    def rain(self, lead: int) -> NDArray[np.float32]:
        """Return the rain of the NWP (y, x) [mm]."""
        if "rain" not in self.archive["channel"].values:
            return np.full(self.grid.shape, np.nan, np.float32)
        return self.channel("rain", lead)

    def channel(self, name: str, lead: int) -> NDArray[np.float32]:
        """Return a field of the archive (y, x) in the archive's units."""
        plane = self.archive["fields"].sel(channel=name).isel(init_time=self.index, lead_time=lead)
        return np.asarray(plane.values, np.float32)

    def field(self, name: str, lead: int) -> NDArray[Any] | None:
        """Return an input or an accumulation (y, x), see `fields.planes`."""
        if name in CHANNELS:  # read what is asked for, and not the whole run
            return fields.for_forecasters(name, self.channel(name, lead))
        return self._fields(name)[lead]

    def problem(self, lead: int) -> str:
        """Return nothing: what is missing is NaN here."""
        return ""

    def other(self, index: int) -> Run:
        """Return another run of the same source."""
        return Run(self.source, index)

    def qpe(self, lead: int) -> NDArray[np.float32]:
        """Return the observed rain (y, x) [mm]."""
        times = self.archive["valid_time"].values if "qpe" in self.archive else np.empty(0, "datetime64[ns]")
        found = np.flatnonzero(times == self.valid_time(lead))
        if not found.size:
            return np.full(self.grid.shape, np.nan, np.float32)
        return np.asarray(self.archive["qpe"].isel(valid_time=int(found[0])).values, np.float32)

    def probabilities(self, lead: int) -> NDArray[np.float32]:
        """Return the probabilities of reaching each threshold (threshold, y, x), in [0, 1].

        Raises
        ------
        ForecastError
            If they are still being computed.
        """
        hours = self.source.lead_times[lead]
        missing = np.full((len(self.thresholds), *self.grid.shape), np.nan, np.float32)
        provider = self.source.probabilities
        if isinstance(provider, NoForecast):
            return missing
        if isinstance(provider, StoredForecast):  # read what is asked for, and not the whole run
            forecast = provider.forecast
            runs = np.flatnonzero(forecast["init_time"].values == self.init_time)
            leads = np.flatnonzero(forecast["lead_time"].values == hours)
            if not (runs.size and leads.size):
                return missing
            return np.asarray(forecast[EXCEEDANCE].isel(init_time=int(runs[0]), lead_time=int(leads[0])).values)
        return self._planes.get(hours, missing)

    @cached_property
    def _planes(self) -> Planes:
        inputs = self.archive["fields"].isel(init_time=self.index).values
        planes = self.source.probabilities.stored(self.init_time, inputs)
        if planes is None:
            raise ForecastError(
                "the probabilities of this run are still being computed; ask again when they are shown.",
                kind="computing",
            )
        return planes

    def cell(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Return row and column of the cell that a place lies in, or None beside the grid."""
        row, column = (float(value) for value in self.grid.cell(lon, lat))
        rows, columns = self.grid.shape
        inside = -0.5 <= row < rows - 0.5 and -0.5 <= column < columns - 0.5  # also false beyond the projection
        return (min(int(row + 0.5), rows - 1), min(int(column + 0.5), columns - 1)) if inside else None

    def about(self) -> dict[str, Any]:
        """Return what `Source.describe` says: title, source, model, and whether the data are synthetic."""
        return self.source.describe()
