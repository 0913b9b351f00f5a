"""Reliability: whether events happen as often as forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.verify.bins import ONE, RELIABILITY_EDGES
from sslpdl.verify.formulas import ratio
from sslpdl.verify.pooling import LEAST_BLOCKS, daily_sums, interval, lead_groups, resampling_weights

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["reliability_by_lead", "reliability_table"]


def reliability_table(
    counts: xr.Dataset,
    *,
    region: str | None = None,
    leads: Sequence[int] | None = None,
    replicates: int = 1000,
    block_days: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the reliability of every model and threshold by bins of probability.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    region : str, optional
        The first one by default.
    leads : sequence of int, optional
        Lead times to pool, all by default.
    replicates, block_days, seed
        Of the resampling, as in `scores`.

    Returns
    -------
    DataFrame
        One row per model, threshold and bin: ``bin`` (lower edge, closed; a bin ends below the next edge, the last one
        at 1 with 1), ``n`` cells, ``events`` observed, mean forecast ``probability``, observed ``frequency``,
        consistency bar ``low`` to ``high``, and ``base_rate``.

    Notes
    -----
    The consistency bar is where the frequency of a reliable forecast would be found in 95 % of samples like this one:
    the resampled deviations of frequency from probability, by days of runs, centred on the diagonal (after Bröcker and
    Smith 2007, doi 10.1175/WAF993.1, who resample single forecasts; cells of one day are too alike for that).  NaN
    where there are fewer than five blocks of days.
    """
    import pandas as pd

    part = counts.isel(region=[0]) if region is None else counts.sel(region=[region])
    wanted = part["lead_time"].values if leads is None else np.asarray(leads)
    days = daily_sums(part, wanted, block_days=block_days)
    n, events, chance = (_model_first(a.sum(axis=0)) for a in (*days.reliability(), days.probability_sum))
    probability, frequency = ratio(chance / ONE, n), ratio(events, n)
    low, high = np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    if len(days.table) >= LEAST_BLOCKS and replicates:
        sample = days.weighted(resampling_weights(len(days.table), replicates, seed))
        cells, observed = sample.reliability()
        deviation = ratio(observed - sample.probability_sum / ONE, cells)[:, 0]
        defined = np.where(np.isfinite(deviation), deviation, np.nan)
        centred = np.moveaxis(defined, 1, 2) - (frequency - probability)  # (replicates, model, threshold, bin)
        known = n > 0
        limits = interval(centred[:, known], len(days.table))[:2]
        low[known], high[known] = np.clip(probability[known] + np.stack(limits), 0.0, 1.0)
    axes = [part["model"].values.tolist(), part["threshold"].values.tolist(), list(RELIABILITY_EDGES)]
    index = pd.MultiIndex.from_product(axes, names=["model", "threshold", "bin"])
    base_rate = np.broadcast_to(ratio(events.sum(-1), n.sum(-1))[..., None], n.shape)
    columns = {
        "n": n, "events": events, "probability": probability, "frequency": frequency, "low": low, "high": high,
        "base_rate": base_rate,
    }  # fmt: skip
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index()


def reliability_by_lead(
    counts: xr.Dataset,
    *,
    region: str | None = None,
    groups: Mapping[str, Sequence[int]] | None = None,
    replicates: int = 1000,
    block_days: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the reliability of every model and threshold by groups of lead times.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    region : str, optional
        The first one by default.
    groups : mapping of str to lead times, optional
        Lead times to pool; by default those of `scores`: all of them, and each one or spans of six hours.
    replicates, block_days, seed
        Of the resampling, as in `scores`.

    Returns
    -------
    DataFrame
        The columns of `reliability_table` with ``lead_time``, the name of the group, after the threshold.
    """
    import pandas as pd

    groups = groups or {name: leads.tolist() for name, leads in lead_groups(counts).items()}
    tables = []
    for name, leads in groups.items():
        table = reliability_table(
            counts, region=region, leads=leads, replicates=replicates, block_days=block_days, seed=seed
        )
        table.insert(2, "lead_time", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _model_first(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn (one region, threshold, model, bin) into (model, threshold, bin)."""
    return np.moveaxis(values[0], 0, 1)
