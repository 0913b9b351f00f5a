"""The values of a run in full precision, read lead time by lead time from archive and forecast."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.probabilities import NoForecast, Planes, StoredForecast
from sslpdl.errors import ForecastError
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslpdl.dashboard.source import Source

__all__ = ["Run"]


class Run:
    """One run of a source; NaN where something is missing.

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
        fields = self.archive["fields"].sel(channel="rain")
        return np.asarray(fields.isel(init_time=self.index, lead_time=lead).values, np.float32)

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
        fields = self.archive["fields"].isel(init_time=self.index).values
        planes = self.source.probabilities.stored(self.init_time, fields)
        if planes is None:
            raise ForecastError(
                "the probabilities of this run are still being computed; ask again when they are shown."
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
