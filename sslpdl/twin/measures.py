"""What the twin's statistics are made of: running sums, contingency tables, spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sslpdl.twin.noise import Field

__all__ = ["CUTS", "Moments", "Table", "folding_time", "peak_distance", "ring_mean", "slope", "tapered"]

CUTS = {0.1: np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2]), 10.0: np.array([1, 2, 3, 4, 6, 8, 10, 14, 20])}
"""Forecast thresholds in mm that are tried for each observed one."""


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
    """Return the distance in cells from no shift to the maximum of a circular cross-correlation."""
    row, column = divmod(int(np.argmax(cross)), cross.shape[1])
    wrapped = [
        index if index <= size // 2 else index - size for index, size in zip((row, column), cross.shape, strict=True)
    ]
    return float(np.hypot(wrapped[0], wrapped[1]))
