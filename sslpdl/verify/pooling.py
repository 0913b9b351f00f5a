"""From counts per case to sums per day of runs, and to resampled sums.

Scores of single cases are never averaged: counts are added first.  Resampling draws whole days of runs, because the
cells and hours of one day are not independent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import RELIABILITY_EDGES, quantise
from sslpdl.verify.layout import DIMS

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "LEAST_BLOCKS",
    "Sums",
    "block_length",
    "contingency",
    "daily_sums",
    "decisions",
    "hour_groups",
    "interval",
    "lead_groups",
    "resampling_weights",
    "valid_hours",
]

# with fewer blocks a tenth of all resamples hold one and the same block, and their spread says nothing
LEAST_BLOCKS = 5
# so many lead times, or hours of the day, are shown one by one; more are grouped
_SINGLE, _SINGLE_HOURS = 12, 8


@dataclass(frozen=True)
class Sums:
    """Pooled counts; the first axis (blocks of days, or replicates) is free.

    Attributes
    ----------
    table : ndarray, shape (..., region, threshold, model, 4)
        Hits, false alarms, misses and correct negatives by the decision thresholds.
    squared_error : ndarray, shape (..., region, threshold, model)
        Sum of (probability - outcome)^2 in 1/65535^2.
    log_loss : ndarray, shape (..., region, threshold, model)
        Sum of -ln(probability of the outcome) in `sslpdl.verify.sums.LOG_UNIT`.
    forecasts, events : ndarray, shape (..., region, threshold, model, bin)
        By the fine bins of probability.
    probability_sum : ndarray, shape (..., region, threshold, model, reliability bin)
        In 1/65535.
    confusion : ndarray, shape (..., region, model, forecast class, observed class)
    fraction_error, fraction_power : ndarray, shape (..., region, threshold, model, field, scale)
        In 1/65535^2.
    first_bin : ndarray of int
        The first fine bin of each reliability bin.
    """

    table: NDArray[Any]
    squared_error: NDArray[Any]
    log_loss: NDArray[Any]
    forecasts: NDArray[Any]
    events: NDArray[Any]
    probability_sum: NDArray[Any]
    confusion: NDArray[Any]
    fraction_error: NDArray[Any]
    fraction_power: NDArray[Any]
    first_bin: NDArray[np.int64]

    def weighted(self, weights: NDArray[np.float64]) -> Sums:
        """Return weighted sums over the first axis, one set per row of `weights` (replicates, blocks)."""
        return self._each(lambda values: np.tensordot(weights, values.astype(np.float64), axes=(1, 0)))

    def total(self) -> Sums:
        """Return the exact sums over the first axis, which keeps length one."""
        return self._each(lambda values: _exact_sum(values, 0)[None])

    def region(self, index: int) -> Sums:
        """Return the sums of one region, whose axis keeps length one."""
        return self._each(lambda values: values[:, index : index + 1])

    def reliability(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return forecasts and events by reliability bins."""
        coarse = (np.add.reduceat(values, self.first_bin, axis=-1) for values in (self.forecasts, self.events))
        return next(coarse), next(coarse)

    def _each(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Sums:
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "first_bin"}
        return Sums(**{name: change(values) for name, values in arrays.items()}, first_bin=self.first_bin)


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

    yes = xr.DataArray(_says_yes(counts, decision), dims=("threshold", "model", "bin"))
    forecasts, events = counts["forecasts"], counts["events"]
    hits = (events * yes).sum("bin", dtype=np.int64)
    false_alarms = (forecasts * yes).sum("bin", dtype=np.int64) - hits
    misses = events.sum("bin", dtype=np.int64) - hits
    negatives = forecasts.sum("bin", dtype=np.int64) - hits - false_alarms - misses
    outcome = xr.Variable("outcome", ["hits", "false_alarms", "misses", "correct_negatives"])
    dims = ("init_time", "lead_time", "region", "threshold", "model", "outcome")
    return xr.concat([hits, false_alarms, misses, negatives], outcome).transpose(*dims).rename("contingency")


def _says_yes(counts: xr.Dataset, decision: Mapping[str, Mapping[float, float]] | None = None) -> NDArray[np.bool_]:
    """Return which bins say yes by the decision thresholds, shape (threshold, model, bin)."""
    limits = decisions(counts)
    for m, model in enumerate(counts["model"].values):
        for t, r in enumerate(counts["threshold"].values):
            limits[t, m] = (decision or {}).get(str(model), {}).get(float(r), limits[t, m])
    lower, least = quantise(counts["bin"].values), quantise(limits)
    if not np.isin(least, lower).all():
        wrong = limits[~np.isin(least, lower)][0]
        raise VerifyError(f"p* = {wrong:g} is not an edge of the counted bins; count again with this decision.")
    return np.asarray(lower >= least[..., None])


def block_length(counts: xr.Dataset) -> int:
    """Return the length of a block of days that makes blocks nearly independent, at least one day.

    The runs of one day share their weather with the runs of the days that follow, as far as their valid times span.
    Blocks four times as long keep eleven twelfths of the variance that this adds; blocks as long as the span only two
    thirds.  Weather that itself remembers for days needs longer ones still.
    """
    hour = counts["init_time"].values.astype("datetime64[h]").astype(np.int64) % 24
    leads = counts["lead_time"].values.astype(np.int64)
    span = int(np.ptp(leads) + np.ptp(hour))
    return max(1, -(-4 * span // 24))


def daily_sums(
    counts: xr.Dataset, leads: NDArray[np.int64], *, hours: Sequence[int] | None = None, block_days: int | None = None
) -> Sums:
    """Return exact sums over lead times for each block of days of runs, blocks first.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    leads : ndarray of int
        The lead times to add up.
    hours : sequence of int, optional
        Only cases whose rain window ends at these hours of the day, UTC.
    block_days : int, optional
        Length of a block; days are UTC days of `init_time`.  `block_length` by default.
    """
    days = block_length(counts) if block_days is None else block_days
    part = counts.sel(lead_time=leads)
    day = part["init_time"].values.astype("datetime64[D]").astype(np.int64)
    _, block = np.unique((day - day.min()) // days, return_inverse=True)
    starts = np.searchsorted(block, np.arange(block[-1] + 1))  # runs are in order of time
    wanted = None if hours is None else np.isin(valid_hours(part), list(hours))  # (init, lead)

    def by_block(name: str) -> NDArray[Any]:
        values = part[name].values
        if wanted is not None:
            values = values * wanted.reshape(wanted.shape + (1,) * (values.ndim - 2))
        return np.asarray(np.add.reduceat(_exact_sum(values, 1), starts, axis=0))

    place = np.searchsorted(quantise(RELIABILITY_EDGES), quantise(part["bin"].values), side="right") - 1
    sums = {name: by_block(name) for name in DIMS}
    return Sums(
        table=_table(sums["forecasts"], sums["events"], _says_yes(part)),
        first_bin=np.searchsorted(place, np.arange(len(RELIABILITY_EDGES))),
        **sums,
    )


def valid_hours(counts: xr.Dataset) -> NDArray[np.int64]:
    """Return the hour of the day, UTC, at which the rain window of each case (init, lead) ends."""
    start = counts["init_time"].values.astype("datetime64[h]").astype(np.int64)
    return np.asarray((start[:, None] + counts["lead_time"].values.astype(np.int64)) % 24)


def hour_groups(counts: xr.Dataset) -> dict[str, list[int]]:
    """Return the hours of the day to score, UTC, by names that tell KST too: each one, or spans of three hours.

    Examples
    --------
    >>> hour_groups(counts)  # doctest: +SKIP
    {'01-03 UTC (10-12 KST)': [1, 2, 3], ...}
    """
    there = np.unique(valid_hours(counts)).tolist()
    if len(there) <= _SINGLE_HOURS:
        return {f"{h:02d} UTC ({(h + 9) % 24:02d} KST)": [h] for h in there}
    groups = {}
    for first in range(1, 25, 3):
        hours = [h % 24 for h in range(first, first + 3)]
        kst = [(h + 9) % 24 for h in hours]
        inside = [h for h in hours if h in there]
        if inside:
            groups[f"{hours[0]:02d}-{hours[-1]:02d} UTC ({kst[0]:02d}-{kst[-1]:02d} KST)"] = inside
    return groups


def _table(forecasts: NDArray[Any], events: NDArray[Any], yes: NDArray[np.bool_]) -> NDArray[Any]:
    """Return hits, false alarms, misses and correct negatives on a last axis, from bins on the last axis."""
    hits, said = (np.einsum("...tmb,tmb->...tm", values, yes.astype(np.int64)) for values in (events, forecasts))
    misses = events.sum(axis=-1) - hits
    return np.stack([hits, said - hits, misses, forecasts.sum(axis=-1) - said - misses], axis=-1)


def resampling_weights(blocks: int, replicates: int, seed: int) -> NDArray[np.float64]:
    """Return how often each block is drawn in each replicate, shape (replicates, blocks)."""
    draws = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=replicates)
    return draws.astype(np.float64)


def interval(
    replicas: NDArray[np.float64], blocks: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the limits of the 95 % interval over the first axis, and the share of undefined replicates.

    Parameters
    ----------
    replicas : ndarray, shape (replicates, ...)
        NaN where undefined.
    blocks : int, optional
        How many blocks were resampled.  The percentiles are then moved outwards as Student's t with so many blocks
        exceeds the normal distribution (the expanded percentile interval of Hesterberg 2015, doi
        10.1080/00031305.2015.1089789): plain percentiles of few blocks are too narrow.
    """
    ordered = np.sort(replicas, axis=0)  # NaN last
    defined = np.isfinite(ordered).sum(axis=0)
    limits = []
    tail = 0.025 if blocks is None else _tail(blocks)
    for quantile in (tail, 1 - tail):
        place = quantile * (np.maximum(defined, 1) - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(defined, 1) - 1)
        low, high = (np.take_along_axis(ordered, k[None], axis=0)[0] for k in (below, above))
        limits.append(low + (place - below) * (high - low))
    return limits[0], limits[1], 1 - defined / len(replicas)


@lru_cache(maxsize=64)
def _tail(blocks: int) -> float:
    from scipy.special import ndtr, stdtrit

    if blocks < 2:
        return 0.025
    return float(ndtr(np.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, 0.025)))


def _exact_sum(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the sum in 64-bit integers, refusing one that would leave their range."""
    if values.dtype == np.int64 and float(values.sum(axis=axis, dtype=np.float64).max(initial=0.0)) > 2.0**62:
        raise VerifyError("there are too many cells for exact 64-bit sums; evaluate in parts, such as by season.")
    return np.asarray(values.sum(axis=axis, dtype=np.int64))
