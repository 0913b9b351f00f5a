"""Quantile mapping: NWP rain with the climate of the observed rain, the usual correction without a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl import labels
from sslpdl.errors import ModelError
from sslpdl.models.trained import check_archive

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RAIN_EDGES", "QuantileMapping"]

RAIN_EDGES = np.concatenate([np.arange(0.0, 1.0, 0.01), np.geomspace(1.0, 500.0, 400)])
"""Lower edges of the rain bins [mm per window] in which the training data are counted: steps of 0.01 mm, then 1.6 %."""


@dataclass(frozen=True)
class QuantileMapping:
    """Rain of the NWP, replaced by the observed rain of the same rank in the training data.

    A forecast with it is yes or no: all probability lies on the class of the corrected rain.

    Parameters
    ----------
    leads : tuple of int
        Lead times [h] that it was fitted to and is for.
    forecast, observed : tuple of float
        Increasing rain amounts of the forecast, and the corrected amounts that take their place [mm per window].
    thresholds : tuple of float
        Lower bounds of the rain classes but the first [mm per window].
    rain_window : float
        Hours over which rain is summed.
    provenance : mapping
        What it was fitted to.

    References
    ----------
    Panofsky and Brier 1968, Some applications of statistics to meteorology; Maraun 2013, J. Climate 26, 2137-2143, on
    what it cannot do: it moves no rain and corrects no timing.
    """

    leads: tuple[int, ...]
    forecast: tuple[float, ...]
    observed: tuple[float, ...]
    thresholds: tuple[float, ...]
    rain_window: float = 1.0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    channels = ("rain",)

    @classmethod
    def fit(
        cls, forecast_counts: NDArray[np.int64], observed_counts: NDArray[np.int64], **settings: Any
    ) -> QuantileMapping:
        """Return the mapping between two histograms of the same cells and times.

        Parameters
        ----------
        forecast_counts, observed_counts : ndarray of int
            Number of values in each bin of `RAIN_EDGES`; the last bin has no upper end, dry values are in the first.
        **settings
            The other fields.

        Raises
        ------
        ModelError
            If there is no value.
        """
        if not forecast_counts.sum() or not observed_counts.sum():
            raise ModelError("there is no rain to fit a quantile mapping to; give training runs with observations.")
        amounts, rank = _distribution(forecast_counts)
        levels, share = _distribution(observed_counts)
        # several amounts have the same rank where nothing was observed between them: the smallest of them is taken
        corrected = np.interp(rank - 1e-12, share, levels, left=0.0)
        return cls(forecast=tuple(amounts.tolist()), observed=tuple(corrected.tolist()), **settings)

    @property
    def decision(self) -> dict[float, float]:
        """Probability from which on the answer is yes, by threshold: the forecast knows only 0 and 1."""
        return dict.fromkeys(self.thresholds, 0.5)

    def correct(self, rain: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return corrected rain [mm] of any shape; dry stays dry, NaN stays NaN, and the order of amounts is kept.

        Above the largest amount in the training data, its correction is added.
        """
        values = np.asarray(rain, "float64")
        excess = np.maximum(values - self.forecast[-1], 0.0)
        corrected: NDArray[np.float64] = np.interp(values, self.forecast, self.observed, left=0.0) + excess
        return corrected

    def probabilities(self, fields: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return class probabilities (B, K, H, W), zeros and ones, from rain (B, 1, H, W); NaN where it is missing."""
        known = labels.one_hot(self.correct(np.asarray(fields)[:, 0]), self.thresholds)
        return np.moveaxis(known, -1, 1).astype("float32")

    def check(self, archive: xr.Dataset) -> None:
        """Refuse an archive that this mapping cannot correct.

        Raises
        ------
        ModelError
            If the archive has no rain of the NWP, or rain of another window.
        """
        check_archive(archive, self.channels, self.rain_window)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping as plain values for JSON."""
        return dataclasses.asdict(self)


def _distribution(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the edges above dry, up to the first that no value reaches, and the share of values below each."""
    last = min(int(np.flatnonzero(counts)[-1]) + 1, len(counts) - 1)
    share: NDArray[np.float64] = counts.cumsum()[:last] / counts.sum()
    return RAIN_EDGES[1 : last + 1], share
