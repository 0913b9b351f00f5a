"""The table of scores: every score with its sample size, its interval, and its difference from the raw forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.pooling import (
    LEAST_BLOCKS,
    Sums,
    block_length,
    daily_sums,
    hour_groups,
    interval,
    lead_groups,
    resampling_weights,
)
from sslpdl.verify.scoring import ONE_CELL, RAW, Names, Scores, all_scores, three_classes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["RAW", "check_identities", "score_limits", "scores", "stratified", "three_classes"]


def scores(
    counts: xr.Dataset,
    *,
    groups: Mapping[str, Sequence[int]] | None = None,
    hours: Mapping[str, Sequence[int]] | None = None,
    classes: tuple[float, float] | None = None,
    references: Sequence[str] | None = None,
    replicates: int = 1000,
    block_days: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the tidy table of all scores.

    Parameters
    ----------
    counts : Dataset
        From `count`, with as many models as wanted; ``raw`` and ``climatology`` serve as references where present.
    groups : mapping of str to lead times, optional
        Lead times to pool; by default all of them, and each one or spans of six hours.
    hours : mapping of str to hours, optional
        Hours of the day, UTC, at which rain windows end, to pool within each group of lead times, such as those of
        `hour_groups`; by default all of them together.
    classes : (float, float), optional
        The thresholds of the three classes of mIoU and the other class scores; see `three_classes`.
    references : sequence of str, optional
        Models against which the skill scores BSS and RPSS are given; climatology and raw by default.
    replicates : int, default 1000
        Bootstrap replicates; 0 for none.
    block_days : int, optional
        Days of runs that are drawn together; by default four times as many as the valid times of one day's runs span,
        because runs that forecast the same weather are not independent.
    seed : int, default 0
        Of the resampling; the same days are drawn for all models, so that differences are paired.

    Returns
    -------
    DataFrame
        One row per region, lead-time group, group of hours, threshold (NaN for class scores and RPS), model and score:
        ``value``, ``lower`` and ``upper`` of the 95 % interval, ``difference`` to the raw forecast with its own
        interval, ``n`` cells (over all cases), ``events`` observed, ``blocks`` resampled, and ``undefined``, the share
        of replicates without a value (0/0).  Intervals are NaN where there are fewer than five blocks.

    Raises
    ------
    VerifyError
        If an identity between scores does not hold (a defect, not a user's mistake), or a reference was not counted.
    """
    import pandas as pd

    groups = groups or {name: leads.tolist() for name, leads in lead_groups(counts).items()}
    names = Names(counts, classes, references)
    days = block_length(counts) if block_days is None else block_days
    parts_of_day: Mapping[str, Sequence[int] | None] = hours or {"all": None}
    frames: list[pd.DataFrame] = []
    for group, leads in groups.items():
        for hour, wanted in parts_of_day.items():
            blocks = daily_sums(counts, np.asarray(leads, np.int64), hours=wanted, block_days=days)
            frames.append(_scored(blocks, names, replicates, seed).assign(lead_time=group, hour=hour))
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)
    first = ["region", "lead_time", "hour"]
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    check_identities(table)
    return table


def stratified(
    counts: xr.Dataset, *, replicates: int = 1000, block_days: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the scores of a report: every region, and in the first one every group of lead times and of hours.

    Parameters are those of `scores`; so is the table.  The other combinations follow from the counts at any time.
    """
    import pandas as pd

    days = block_length(counts) if block_days is None else block_days
    leads = {name: group.tolist() for name, group in lead_groups(counts).items()}
    whole = {"all": leads.pop("all")}
    first = counts.isel(region=[0])
    hours = hour_groups(counts)
    parts: list[tuple[xr.Dataset, dict[str, Any]]] = [(counts, {"groups": whole})]
    if leads:
        parts.append((first, {"groups": leads}))
    if len(hours) > 1:
        parts.append((first, {"groups": whole, "hours": hours}))
    tables = [scores(c, **how, replicates=replicates, block_days=days, seed=seed) for c, how in parts]
    return pd.concat(tables, ignore_index=True)


def _scored(blocks: Sums, names: Names, replicates: int, seed: int) -> pd.DataFrame:
    """Return the rows of one stratum, region by region, so that replicates of few regions are held at a time."""
    import pandas as pd

    number = len(blocks.table)
    weights = _weights(number, replicates, seed)
    frames = []
    for k, region in enumerate(names.regions):
        part = blocks.region(k)
        total = part.total()
        estimate, resampled = _with_replicates(part, total, names, weights)
        frames.append(_rows(region, estimate, resampled, total, names, number))
    return pd.concat(frames, ignore_index=True)


def _weights(blocks: int, replicates: int, seed: int) -> NDArray[np.float64] | None:
    return resampling_weights(blocks, replicates, seed) if blocks >= LEAST_BLOCKS and replicates else None


def _with_replicates(
    blocks: Sums, total: Sums, names: Names, weights: NDArray[np.float64] | None
) -> tuple[Scores, Scores]:
    """Return the scores of the whole, and of its replicates, NaN where there are none."""
    estimate = all_scores(total, names)
    if weights is None:
        return estimate, {name: np.full((1, *value.shape[1:]), np.nan) for name, value in estimate.items()}
    return estimate, all_scores(blocks.weighted(weights), names)


def score_limits(
    blocks: Sums, names: Names, wanted: Sequence[str], *, replicates: int = 1000, seed: int = 0
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return some scores of one region and threshold, as `scores` gives them, without its table: for quick answers.

    Parameters
    ----------
    blocks : Sums
        From `daily_sums` of counts with one region and one threshold.
    names : Names
        Of those counts.
    wanted : sequence of str
        Scores; those that there are not are left out.
    replicates, seed
        See `scores`.

    Returns
    -------
    dict
        For each score the columns of `scores` from ``value`` to ``difference_upper``, each of shape (model,).
    """
    weights = _weights(len(blocks.table), replicates, seed)
    estimate, resampled = _with_replicates(blocks, blocks.total(), names, weights)
    found = {}
    for name in (name for name in wanted if name in estimate):
        value, replicas = estimate[name][0, 0, 0], resampled[name][:, 0, 0]
        columns = {"value": value}
        columns["lower"], columns["upper"], _ = interval(replicas, len(blocks.table))
        if names.raw is not None:
            columns["difference"] = value - value[names.raw]
            difference = interval(replicas - replicas[:, names.raw, None], len(blocks.table))
            columns["difference_lower"], columns["difference_upper"], _ = difference
        found[name] = columns
    return found


def _rows(region: str, estimate: Scores, resampled: Scores, total: Sums, names: Names, blocks: int) -> pd.DataFrame:
    """Return the rows of one region."""
    import pandas as pd

    n = total.table[0, 0].sum(axis=-1)  # (threshold, model)
    events = total.events[0, 0].sum(axis=-1)
    frames: list[pd.DataFrame] = []
    for per_threshold in (True, False):
        chosen = [name for name, value in estimate.items() if (value.ndim == 4) == per_threshold]
        value: NDArray[Any] = np.stack([estimate[name][0, 0] for name in chosen])  # (score, [threshold,] model)
        replicas = np.stack([resampled[name][:, 0] for name in chosen], axis=1)
        lower, upper, undefined = interval(replicas, blocks)
        columns: dict[str, Any] = {"value": value, "lower": lower, "upper": upper}
        if names.raw is not None:
            columns["difference"] = value - value[..., names.raw, None]
            difference = interval(replicas - replicas[..., names.raw, None], blocks)
            columns["difference_lower"], columns["difference_upper"], _ = difference
        columns["n"] = np.broadcast_to(n if per_threshold else n[0], value.shape)
        columns["events"] = np.broadcast_to(events if per_threshold else np.full(n[0].shape, -1), value.shape)
        columns["undefined"] = undefined
        axes: list[list[Any]] = [chosen, names.thresholds if per_threshold else [np.nan], names.models]
        index: Any = pd.MultiIndex.from_product(axes, names=["score", "threshold", "model"])
        frame = pd.DataFrame({key: np.ravel(column) for key, column in columns.items()}, index=index).reset_index()
        frames.append(frame)
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)
    table["events"] = table["events"].astype("Int64").where(table["events"] >= 0)
    table.insert(list(table.columns).index("events") + 1, "blocks", blocks)
    table.insert(0, "region", region)
    order = ["region", "threshold", "model", "score"]
    return table[[*order, *(name for name in table.columns if name not in order)]]


def check_identities(table: pd.DataFrame, *, tolerance: float = 1e-12) -> None:
    """Check the identities between scores on a table of them.

    CSI = F1 / (2 - F1), FAR = 1 - precision, POD = recall, bias = recall / precision, Peirce = POD - POFD and, where
    neighbourhoods were counted, FSS of one cell = F1.

    Published tables break these identities (the workshop paper's in seven of twelve groups); no table is written
    unchecked.

    Raises
    ------
    VerifyError
        Naming the first row that breaks one.
    """
    keys = ["region", "lead_time", "hour", "threshold", "model"]
    wide = table[table["threshold"].notna()].pivot(index=keys, columns="score", values="value")
    pairs = {
        "CSI = F1 / (2 - F1)": (wide["csi"], wide["f1"] / (2 - wide["f1"])),
        "FAR = 1 - precision": (wide["far"], 1 - wide["precision"]),
        "POD = recall": (wide["pod"], wide["recall"]),
        "bias = recall / precision": (wide["frequency_bias"], wide["recall"] / wide["precision"].where(wide["f1"] > 0)),
        "Peirce = POD - POFD": (wide["peirce"], wide["pod"] - wide["pofd"]),
    }
    if ONE_CELL in wide:
        pairs["FSS of one cell = F1"] = (wide[ONE_CELL], wide["f1"])
    for identity, (left, right) in pairs.items():
        wrong = (left - right).abs() > tolerance * right.abs().clip(lower=1)
        if wrong.any():
            where: Any = wrong.idxmax()
            raise VerifyError(f"the scores break {identity} at {dict(zip(keys, where, strict=True))}.")
