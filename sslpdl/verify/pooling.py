"""From counts per case to sums per day of runs, and to resampled sums.

Scores of single cases are never averaged: counts are added first.  Resampling draws whole days of runs, because the
cells and hours of one day are not independent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import RELIABILITY_EDGES, quantise

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["Sums", "contingency", "daily_sums", "decisions", "interval", "lead_groups", "resampling_weights"]

# so many lead times are shown one by one; more are grouped
_SINGLE = 12


@dataclass(frozen=True)
class Sums:
    """Pooled counts; the first axis (days or replicates) is free.

    Attributes
    ----------
    table : ndarray, shape (..., region, threshold, model, 4)
        Hits, false alarms, misses and correct negatives by the decision thresholds.
    squared_error : ndarray, shape (..., region, threshold, model)
        Sum of (probability - outcome)^2 in 1/65535^2.
    forecasts, events, probability_sum : ndarray, shape (..., region, threshold, model, reliability bin)
        For reliability; probabilities in 1/65535.
    confusion : ndarray, shape (..., region, model, forecast class, observed class)
    """

    table: NDArray[Any]
    squared_error: NDArray[Any]
    forecasts: NDArray[Any]
    events: NDArray[Any]
    probability_sum: NDArray[Any]
    confusion: NDArray[Any]

    def weighted(self, weights: NDArray[np.float64]) -> Sums:
        """Return weighted sums over the first axis, one set per row of `weights` (replicates, days)."""
        return Sums(*(np.tensordot(weights, values.astype(np.float64), axes=(1, 0)) for values in self._arrays()))

    def total(self) -> Sums:
        """Return the exact sums over the first axis, which keeps length one."""
        return Sums(*(_exact_sum(values, 0)[None] for values in self._arrays()))

    def _arrays(self) -> list[NDArray[Any]]:
        return [getattr(self, f.name) for f in fields(self)]


def lead_groups(counts: xr.Dataset) -> dict[str, NDArray[np.int64]]:
    """Return the groups of lead times to score: all, and each one or spans of six hours (twelve beyond 72 h)."""
    leads = np.sort(counts["lead_time"].values.astype(np.int64))
    groups = {"all": leads}
    if len(leads) == 1:
        return groups
    if len(leads) <= _SINGLE:
        return groups | {f"{lead} h": np.array([lead]) for lead in leads}
    step = 6 if leads[-1] <= 72 else 12
    for start in range(0, int(leads[-1]) + 1, step):
        inside = leads[(leads > start) & (leads <= start + step)]
        if inside.size:
            groups[f"{start + 1}-{start + step} h"] = inside
    return groups


def decisions(counts: xr.Dataset) -> NDArray[np.float64]:
    """Return the decision threshold p* of each (threshold, model); 0.5 where none was given."""
    given: dict[str, dict[str, float]] = json.loads(counts.attrs.get("decision", "{}"))
    return np.array(
        [
            [given.get(str(model), {}).get(f"{float(r):g}", 0.5) for model in counts["model"].values]
            for r in counts["threshold"].values
        ]
    )


def contingency(counts: xr.Dataset, decision: Mapping[str, Mapping[float, float]] | None = None) -> xr.DataArray:
    """Return contingency tables of every case by the decision thresholds.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    decision : mapping, optional
        Other decision thresholds, ``{model: {threshold: p*}}``; each must be one of ``counts.bin``.

    Returns
    -------
    DataArray
        Whole numbers (init_time, lead_time, region, threshold, model, outcome) with the outcomes ``hits``,
        ``false_alarms``, ``misses`` and ``correct_negatives``.

    Raises
    ------
    VerifyError
        If a decision threshold is not a lower bin edge.
    """
    import xarray as xr

    limits = decisions(counts)
    for m, model in enumerate(counts["model"].values):
        for t, r in enumerate(counts["threshold"].values):
            limits[t, m] = (decision or {}).get(str(model), {}).get(float(r), limits[t, m])
    lower, least = quantise(counts["bin"].values), quantise(limits)
    if not np.isin(least, lower).all():
        wrong = limits[~np.isin(least, lower)][0]
        raise VerifyError(f"p* = {wrong:g} is not an edge of the counted bins; count again with this decision.")
    yes = xr.DataArray(lower >= least[..., None], dims=("threshold", "model", "bin"))
    forecasts, events = counts["forecasts"], counts["events"]
    hits = (events * yes).sum("bin", dtype=np.int64)
    false_alarms = (forecasts * yes).sum("bin", dtype=np.int64) - hits
    misses = events.sum("bin", dtype=np.int64) - hits
    negatives = forecasts.sum("bin", dtype=np.int64) - hits - false_alarms - misses
    outcome = xr.Variable("outcome", ["hits", "false_alarms", "misses", "correct_negatives"])
    dims = ("init_time", "lead_time", "region", "threshold", "model", "outcome")
    return xr.concat([hits, false_alarms, misses, negatives], outcome).transpose(*dims).rename("contingency")


def daily_sums(counts: xr.Dataset, leads: NDArray[np.int64], *, block_days: int = 1) -> Sums:
    """Return exact sums over lead times for each block of days of runs, days first.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    leads : ndarray of int
        The lead times to add up.
    block_days : int, default 1
        Length of a block; days are UTC days of `init_time`.
    """
    part = counts.sel(lead_time=leads)
    day = part["init_time"].values.astype("datetime64[D]").astype(np.int64)
    _, block = np.unique((day - day.min()) // block_days, return_inverse=True)
    starts = np.searchsorted(block, np.arange(block[-1] + 1))  # runs are in order of time

    def by_block(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.add.reduceat(_exact_sum(values, 1), starts, axis=0))

    place = np.searchsorted(quantise(RELIABILITY_EDGES), quantise(part["bin"].values), side="right") - 1
    first_bin = np.searchsorted(place, np.arange(len(RELIABILITY_EDGES)))
    return Sums(
        table=by_block(contingency(part).values),
        squared_error=by_block(part["squared_error"].values),
        forecasts=np.add.reduceat(by_block(part["forecasts"].values), first_bin, axis=-1),
        events=np.add.reduceat(by_block(part["events"].values), first_bin, axis=-1),
        probability_sum=by_block(part["probability_sum"].values),
        confusion=by_block(part["confusion"].values),
    )


def resampling_weights(blocks: int, replicates: int, seed: int) -> NDArray[np.float64]:
    """Return how often each block is drawn in each replicate, shape (replicates, blocks)."""
    draws = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    return draws.astype(np.float64)


def interval(replicas: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 and 97.5 percentiles over the first axis, and the share of undefined replicates."""
    ordered = np.sort(replicas, axis=0)  # NaN last
    defined = np.isfinite(ordered).sum(axis=0)
    limits = []
    for quantile in (0.025, 0.975):
        place = quantile * (np.maximum(defined, 1) - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(defined, 1) - 1)
        low, high = (np.take_along_axis(ordered, k[None], axis=0)[0] for k in (below, above))
        limits.append(low + (place - below) * (high - low))
    return limits[0], limits[1], 1 - defined / len(replicas)


def _exact_sum(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the sum in 64-bit integers, refusing one that would leave their range."""
    if values.dtype == np.int64 and float(values.sum(axis=axis, dtype=np.float64).max(initial=0.0)) > 2.0**62:
        raise VerifyError("there are too many cells for exact 64-bit sums; evaluate in parts, such as by season.")
    return np.asarray(values.sum(axis=axis, dtype=np.int64))
