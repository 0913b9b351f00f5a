"""What the twin's statistics are made of: running sums, contingency tables, spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc

from sslpdl.twin.noise import Field

__all__ = [
    "CUTS",
    "RAIN_EDGES",
    "Ceiling",
    "Gamma",
    "Moments",
    "Table",
    "folding_time",
    "gamma_body",
    "peak_distance",
    "ring_mean",
    "slope",
    "tapered",
]

CUTS = {0.1: np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2]), 10.0: np.array([1, 2, 3, 4, 6, 8, 10, 14, 20])}
"""Forecast thresholds in mm that are tried for each observed one."""

RAIN_EDGES = 0.1 * 10 ** (np.arange(34) / 10)
"""Edges in mm/h of the classes in which hourly rain is counted: ten a decade from 0.1 to 200."""

_BODY = int(np.searchsorted(RAIN_EDGES, 20)) - 1  # the last edge below 20 mm/h: 19.95

_DRIVER_EDGES = np.arange(-10, 12, 0.02)


@dataclass
class Moments:
    """Running sums for a correlation."""

    sums: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))

    def add(self, a: Field, b: Field) -> None:
        """Add pairs of values."""
        x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
        self.sums += (x.size, x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())

    def correlation(self) -> float:
        """Return Pearson's correlation of all pairs so far."""
        n, x, y, xx, yy, xy = self.sums
        return float((n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y)))


@dataclass
class Table:
    """Hits, false alarms and misses for several forecast thresholds, by lead group."""

    threshold: float
    counts: npt.NDArray[np.int64]

    def add(self, group: int, forecast_rain: Field, true_rain: Field) -> None:
        """Count one pair of maps."""
        event = true_rain >= self.threshold
        for row, cut in enumerate(CUTS[self.threshold]):
            said = forecast_rain >= cut
            hits = np.count_nonzero(said & event)
            self.counts[group, row] += (hits, np.count_nonzero(said) - hits, np.count_nonzero(event) - hits)

    def csi(self, groups: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return the CSI for each forecast threshold."""
        totals = self.counts[list(groups)].sum(axis=0)
        score: npt.NDArray[np.float64] = totals[:, 0] / np.maximum(totals.sum(axis=1), 1)
        return score

    def biases(self, groups: Sequence[int]) -> npt.NDArray[np.float64]:
        """Return the frequency bias for each forecast threshold."""
        hits, alarms, misses = self.counts[list(groups)].sum(axis=0).T
        bias: npt.NDArray[np.float64] = (hits + alarms) / np.maximum(hits + misses, 1)
        return bias

    def csi_by_group(self) -> npt.NDArray[np.float64]:
        """Return the CSI of each lead group at the observed threshold."""
        return np.array([self.csi([group])[self.row] for group in range(len(self.counts))])

    def mapped(self, groups: Sequence[int]) -> float:
        """Return the CSI at the forecast threshold that is exceeded as often as the observed one, by interpolation."""
        return float(np.interp(1.0, self.biases(groups)[::-1], self.csi(groups)[::-1]))

    @property
    def row(self) -> int:
        """Row of the forecast threshold that equals the observed one."""
        return int(np.flatnonzero(CUTS[self.threshold] == self.threshold)[0])


def tapered(rain: Field) -> Field:
    """Return a map that falls to zero at its edges, so that its spectrum has no step there."""
    rows, columns = (np.hanning(size)[:, None] for size in rain.shape)
    tapered: Field = rain * rows * columns.T
    return tapered


def ring_mean(spectrum: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return wave number (per km) and mean density of rings."""
    number = np.hypot(np.fft.fftfreq(spectrum.shape[0], 5.0)[:, None], np.fft.fftfreq(spectrum.shape[1], 5.0))
    edges = np.arange(0.5, 64) / (128 * 5.0)
    ring = np.digitize(number.ravel(), edges)
    density = (
        np.bincount(ring, spectrum.ravel(), len(edges) + 1)[1:-1] / np.bincount(ring, minlength=len(edges) + 1)[1:-1]
    )
    return 0.5 * (edges[1:] + edges[:-1]), density


def slope(density: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], shortest: float, longest: float) -> float:
    """Return the slope of log density over log wave number between two wavelengths in km."""
    number, power = density
    inside = (number >= 1 / longest) & (number <= 1 / shortest)
    return float(np.polyfit(np.log(number[inside]), np.log(power[inside]), 1)[0])


def folding_time(lags: npt.NDArray[np.float64]) -> float:
    """Return the lag in hours at which a correlation known at 0, 1, 2 and 3 h falls to 1/e, extrapolated beyond."""
    target = -1.0
    logs = np.log(np.maximum(lags, 1e-6))
    below = np.flatnonzero(logs <= target)
    after = int(below[0]) if below.size else len(lags) - 1
    step = logs[after] - logs[after - 1]
    return float(after - 1 + (target - logs[after - 1]) / step)


def peak_distance(cross: npt.NDArray[np.float64]) -> float:
    """Return the distance in cells from no shift to the maximum of a circular cross-correlation, to parts of a cell."""
    place = np.unravel_index(int(np.argmax(cross)), cross.shape)
    shifts = []
    for axis, (index, size) in enumerate(zip(place, cross.shape, strict=True)):
        line = np.take(np.moveaxis(cross, axis, 0)[:, place[1 - axis]], (index - 1, index, index + 1), mode="wrap")
        # the top of the parabola through the maximum and its neighbours
        part = 0.5 * (line[0] - line[2]) / (line[0] - 2 * line[1] + line[2])
        shifts.append((index if index <= size // 2 else index - size) + part)
    return float(np.hypot(*shifts))


@dataclass
class Ceiling:
    """The CSI that thresholding a driver of rain can reach, the best threshold found afterwards."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, _DRIVER_EDGES.size + 1), np.int64))

    def add(self, driver: Field, event: npt.NDArray[np.bool_]) -> None:
        """Count where the driver lies, apart for cells with and without the event."""
        bins = np.digitize(driver, _DRIVER_EDGES)
        for row, chosen in enumerate((~event, event)):
            self.counts[row] += np.bincount(bins[chosen], minlength=self.counts.shape[1])

    def csi(self) -> float:
        """Return the best CSI."""
        alarms, hits = np.cumsum(self.counts[:, ::-1], axis=1)
        return float(np.max(hits / np.maximum(alarms + self.counts[1].sum(), 1)))


@dataclass(frozen=True)
class Gamma:
    """A gamma distribution fitted to the body of hourly rain, and how far the rain is from it.

    Attributes
    ----------
    shape, scale : float
        Of the distribution, the scale in mm/h; fitted by maximum likelihood to the counts from 0.1 to 20 mm/h alone.
    distance : float
        Largest difference of the cumulative shares within that body (the statistic of Kolmogorov and Smirnov).
    tail : float
        Times that rain of at least 50 mm/h is more frequent than the distribution has it.
    """

    shape: float
    scale: float
    distance: float
    tail: float

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the share of each class of :data:`RAIN_EDGES` in units of the body's."""
        below = gammainc(self.shape, RAIN_EDGES / self.scale)
        found: npt.NDArray[np.float64] = np.diff(below) / (below[_BODY] - below[0])
        return found


def gamma_body(counts: npt.NDArray[np.int64]) -> Gamma:
    """Fit a gamma distribution to wet cells counted between :data:`RAIN_EDGES`."""
    from scipy.optimize import minimize

    inside = counts[:_BODY] / counts[:_BODY].sum()

    def fitted(logs: npt.NDArray[np.float64]) -> Gamma:
        return Gamma(float(np.exp(logs[0])), float(np.exp(logs[1])), np.nan, np.nan)

    def surprise(logs: npt.NDArray[np.float64]) -> float:
        return -float(np.sum(inside * np.log(fitted(logs).shares()[:_BODY] + 1e-300)))

    best = fitted(minimize(surprise, [-0.5, 1.0], method="Nelder-Mead").x)
    distance = np.max(np.abs(np.cumsum(inside - best.shares()[:_BODY])))
    heavy = RAIN_EDGES[:-1] >= 50
    tail = counts[heavy].sum() / counts[:_BODY].sum() / best.shares()[heavy].sum()
    return Gamma(best.shape, best.scale, float(distance), float(tail))
