"""The table of scores: every score with its sample size, its interval, and its difference from the raw forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import ONE, RELIABILITY_EDGES
from sslpdl.verify.climatology import CLIMATOLOGY
from sslpdl.verify.formulas import CATEGORICAL, calibration_error, iou, ratio
from sslpdl.verify.pooling import Sums, daily_sums, interval, lead_groups, resampling_weights

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["check_identities", "scores", "three_classes"]

RAW = "raw"
_FIVE_PERCENT = RELIABILITY_EDGES.index(0.05)


def scores(
    counts: xr.Dataset,
    *,
    groups: Mapping[str, Sequence[int]] | None = None,
    classes: tuple[float, float] | None = None,
    replicates: int = 1000,
    block_days: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the tidy table of all scores.

    Parameters
    ----------
    counts : Dataset
        From `count`, with as many models as wanted; ``raw`` and ``climatology`` serve as references where present.
    groups : mapping of str to lead times, optional
        Lead times to pool; by default all of them, and each one or spans of six hours.
    classes : (float, float), optional
        The thresholds of the three classes of mIoU; see `three_classes`.
    replicates : int, default 1000
        Bootstrap replicates; 0 for none.
    block_days : int, default 1
        Days of runs that are drawn together.
    seed : int, default 0
        Of the resampling; the same days are drawn for all models, so that differences are paired.

    Returns
    -------
    DataFrame
        One row per region, lead-time group, threshold (NaN for class scores and RPS), model and score: ``value``,
        ``lower`` and ``upper`` of the 95 % interval, ``difference`` to the raw forecast with its own interval, ``n``
        cells (over all cases), ``events`` observed, ``blocks`` resampled, and ``undefined``, the share of replicates
        without a value (0/0).  Intervals are NaN where there is but one block.

    Raises
    ------
    VerifyError
        If an identity between scores does not hold (a defect, not a user's mistake).
    """
    import pandas as pd

    groups = groups or {name: leads.tolist() for name, leads in lead_groups(counts).items()}
    names = _Names(counts, classes)
    frames: list[pd.DataFrame] = []
    for group, leads in groups.items():
        days = daily_sums(counts, np.asarray(leads, np.int64), block_days=block_days)
        blocks = len(days.table)
        total = days.total()
        estimate = _all_scores(total, names)
        if blocks > 1 and replicates:
            resampled = _all_scores(days.weighted(resampling_weights(blocks, replicates, seed)), names)
        else:
            resampled = {name: np.full((1, *value.shape[1:]), np.nan) for name, value in estimate.items()}
        frames.append(_rows(group, estimate, resampled, total, names, blocks))
    table = pd.concat(frames, ignore_index=True)
    check_identities(table)
    return table


def three_classes(thresholds: Sequence[float], classes: tuple[float, float] | None = None) -> tuple[float, float]:
    """Return the two thresholds that part dry, rain and heavy rain: the lowest and 10 mm, else the lowest and highest.

    Raises
    ------
    VerifyError
        If a wanted threshold was not counted.
    """
    values = [float(r) for r in thresholds]
    wanted = classes or (values[0], 10.0 if 10.0 in values[1:] else values[-1])
    for r in wanted:
        if r not in values:
            raise VerifyError(f"the classes of mIoU need the threshold {r:g} mm; counted were {values}.")
    return wanted


class _Names:
    """Labels of the axes of pooled sums."""

    def __init__(self, counts: xr.Dataset, classes: tuple[float, float] | None) -> None:
        self.regions = [str(region) for region in counts["region"].values]
        self.thresholds = [float(r) for r in counts["threshold"].values]
        self.models = [str(model) for model in counts["model"].values]
        low, high = three_classes(self.thresholds, classes)
        cut = [0, self.thresholds.index(low) + 1, self.thresholds.index(high) + 1]
        self.class_starts = sorted(set(cut))
        label = {0: f"< {low:g}", cut[1]: f"{low:g}-{high:g}" if low < high else f">= {low:g}", cut[2]: f">= {high:g}"}
        self.class_labels = [label[k] for k in self.class_starts]

    def reference(self, name: str) -> int | None:
        return self.models.index(name) if name in self.models else None


def _all_scores(sums: Sums, names: _Names) -> dict[str, NDArray[np.float64]]:
    """Return scores by name: (..., region, threshold, model), or (..., region, model) for those of all thresholds."""
    a, b, c, d = np.moveaxis(sums.table.astype(np.float64), -1, 0)
    n = a + b + c + d
    result = {name: formula(a, b, c, d) for name, formula in CATEGORICAL.items()}
    result["brier"] = ratio(sums.squared_error / ONE**2, n)
    chance = sums.probability_sum / ONE
    result["ece"] = calibration_error(sums.forecasts, sums.events, chance)
    likely = slice(_FIVE_PERCENT, None)
    result["ece_from_5_percent"] = calibration_error(
        sums.forecasts[..., likely], sums.events[..., likely], chance[..., likely]
    )
    result["rps"] = result["brier"].sum(axis=-2)
    for reference in (CLIMATOLOGY, RAW):
        index = names.reference(reference)
        if index is not None:
            brier, rps = result["brier"], result["rps"]
            result[f"bss_{reference}"] = 1 - ratio(brier, brier[..., index, None])
            result[f"rpss_{reference}"] = 1 - ratio(rps, rps[..., index, None])
    confusion = np.add.reduceat(sums.confusion.astype(np.float64), names.class_starts, axis=-1)
    confusion = np.add.reduceat(confusion, names.class_starts, axis=-2)
    by_class = iou(confusion)  # (..., region, model, class)
    for k, label in enumerate(names.class_labels):
        result[f"iou {label} mm"] = by_class[..., k]
    result[f"miou_{len(names.class_labels)}"] = by_class.mean(axis=-1)
    result["miou_wet"] = by_class[..., 1:].mean(axis=-1)
    return result


def _rows(
    group: str,
    estimate: dict[str, NDArray[np.float64]],
    resampled: dict[str, NDArray[np.float64]],
    total: Sums,
    names: _Names,
    blocks: int,
) -> pd.DataFrame:
    """Return the rows of one lead-time group."""
    import pandas as pd

    raw = names.reference(RAW)
    n = total.table[0].sum(axis=-1)  # (region, threshold, model)
    events = total.events[0].sum(axis=-1)
    frames: list[pd.DataFrame] = []
    for name, value in estimate.items():
        replicas = resampled[name]
        lower, upper, undefined = interval(replicas)
        columns: dict[str, Any] = {"value": value[0], "lower": lower, "upper": upper}
        if raw is not None:
            columns["difference"] = value[0] - value[0][..., raw, None]
            difference = interval(replicas - replicas[..., raw, None])
            columns["difference_lower"], columns["difference_upper"], _ = difference
        per_threshold = value[0].ndim == 3
        columns["n"] = n if per_threshold else n[:, 0]
        columns["events"] = events if per_threshold else np.full(n[:, 0].shape, -1)
        columns["undefined"] = undefined
        axes: list[list[Any]] = [names.regions, names.thresholds if per_threshold else [np.nan], names.models]
        index: Any = pd.MultiIndex.from_product(axes, names=["region", "threshold", "model"])
        frame = pd.DataFrame({key: np.ravel(column) for key, column in columns.items()}, index=index).reset_index()
        frame.insert(1, "lead_time", group)
        frame.insert(4, "score", name)
        frames.append(frame)
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)
    table["events"] = table["events"].astype("Int64").where(table["events"] >= 0)
    table.insert(list(table.columns).index("events") + 1, "blocks", blocks)
    return table


def check_identities(table: pd.DataFrame, *, tolerance: float = 1e-12) -> None:
    """Check CSI = F1 / (2 - F1), FAR = 1 - precision, POD = recall and bias = recall / precision on a table of scores.

    Published tables break these identities (the workshop paper's in seven of twelve groups); no table is written
    unchecked.

    Raises
    ------
    VerifyError
        Naming the first row that breaks one.
    """
    keys = ["region", "lead_time", "threshold", "model"]
    wide = table.pivot_table(index=keys, columns="score", values="value", dropna=False)
    pairs = {
        "CSI = F1 / (2 - F1)": (wide["csi"], wide["f1"] / (2 - wide["f1"])),
        "FAR = 1 - precision": (wide["far"], 1 - wide["precision"]),
        "POD = recall": (wide["pod"], wide["recall"]),
        "bias = recall / precision": (wide["frequency_bias"], wide["recall"] / wide["precision"].where(wide["f1"] > 0)),
    }
    for identity, (left, right) in pairs.items():
        wrong = (left - right).abs() > tolerance * right.abs().clip(lower=1)
        if wrong.any():
            where: Any = wrong.idxmax()
            raise VerifyError(f"the scores break {identity} at {dict(zip(keys, where, strict=True))}.")
