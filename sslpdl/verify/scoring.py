"""All scores of pooled counts at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import ONE, RELIABILITY_EDGES, quantise
from sslpdl.verify.climatology import CLIMATOLOGY
from sslpdl.verify.formulas import (
    CATEGORICAL,
    average_precision,
    brier_parts,
    calibration_error,
    economic_value,
    gerrity,
    iou,
    multi_heidke,
    multi_peirce,
    ratio,
    roc_area,
)
from sslpdl.verify.sums import LOG_UNIT

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.verify.pooling import Sums

__all__ = ["COST_LOSS", "ONE_CELL", "RAW", "Names", "Scores", "all_scores", "scale_labels", "three_classes"]

RAW = "raw"
ONE_CELL = "fss 1 cell"
COST_LOSS = (0.02, 0.1, 0.5)
"""Ratios of cost to loss whose economic value is in the table; each is an edge of the bins."""

_FIVE_PERCENT = RELIABILITY_EDGES.index(0.05)

Scores = dict[str, "NDArray[np.float64]"]


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


class Names:
    """Labels of the axes of pooled sums."""

    def __init__(
        self, counts: xr.Dataset, classes: tuple[float, float] | None = None, references: Sequence[str] | None = None
    ) -> None:
        self.regions = [str(region) for region in counts["region"].values]
        self.thresholds = [float(r) for r in counts["threshold"].values]
        self.models = [str(model) for model in counts["model"].values]
        self.references = self._references(references)
        self.raw = self.models.index(RAW) if RAW in self.models else None
        low, high = three_classes(self.thresholds, classes)
        cut = [0, self.thresholds.index(low) + 1, self.thresholds.index(high) + 1]
        self.class_starts = sorted(set(cut))
        label = {0: f"< {low:g}", cut[1]: f"{low:g}-{high:g}" if low < high else f">= {low:g}", cut[2]: f">= {high:g}"}
        self.class_labels = [label[k] for k in self.class_starts]
        self.scales = scale_labels(counts)
        lower = quantise(counts["bin"].values)
        self.protecting = {ratio: int(np.searchsorted(lower, quantise(ratio))) for ratio in COST_LOSS}

    def _references(self, wanted: Sequence[str] | None) -> dict[str, int]:
        names = [r for r in (CLIMATOLOGY, RAW) if r in self.models] if wanted is None else list(wanted)
        for name in names:
            if name not in self.models:
                raise VerifyError(f"there are no counts of {name} to compare with; they hold {self.models}.")
        return {name: self.models.index(name) for name in names}


def scale_labels(counts: xr.Dataset) -> list[str]:
    """Return the widths of neighbourhoods in words: beyond one cell in km, where the counts know the size of a cell."""
    size = counts.attrs.get("cell_km")
    widths = counts["scale"].values.tolist()
    return ["1 cell" if n == 1 else f"{n} cells" if size is None else f"{n * float(size):g} km" for n in widths]


def all_scores(sums: Sums, names: Names) -> Scores:
    """Return scores by name: (..., region, threshold, model), or (..., region, model) for those of all thresholds."""
    a, b, c, d = np.moveaxis(sums.table.astype(np.float64), -1, 0)
    result = {name: formula(a, b, c, d) for name, formula in CATEGORICAL.items()}
    result |= _of_probabilities(sums, a + b + c + d, names)
    result |= _of_fractions(sums, result["base_rate"], names)
    result["rps"] = result["brier"].sum(axis=-2)
    for reference, index in names.references.items():
        brier, rps = result["brier"], result["rps"]
        result[f"bss_{reference}"] = 1 - ratio(brier, brier[..., index, None])
        result[f"rpss_{reference}"] = 1 - ratio(rps, rps[..., index, None])
    return result | _of_classes(sums, names)


def _of_probabilities(sums: Sums, n: NDArray[np.float64], names: Names) -> Scores:
    brier = ratio(sums.squared_error / ONE**2, n)
    coarse, happened = sums.reliability()
    chance = sums.probability_sum / ONE
    reliability, resolution, uncertainty = brier_parts(coarse, happened, chance)
    likely = slice(_FIVE_PERCENT, None)
    result = {
        "brier": brier,
        "brier_reliability": reliability,
        "brier_resolution": resolution,
        "brier_uncertainty": uncertainty,
        "brier_residual": brier - (reliability - resolution + uncertainty),
        "log_score": ratio(sums.log_loss * LOG_UNIT, n),
        "ece": calibration_error(coarse, happened, chance),
        "ece_from_5_percent": calibration_error(coarse[..., likely], happened[..., likely], chance[..., likely]),
        "roc_area": roc_area(sums.forecasts, sums.events),
        "average_precision": average_precision(sums.forecasts, sums.events),
    }
    events = sums.events.sum(axis=-1)
    for cost_loss, first in names.protecting.items():
        hits, said = (values[..., first:].sum(axis=-1) for values in (sums.events, sums.forecasts))
        result[f"economic_value_{cost_loss:g}"] = economic_value(hits, said - hits, events, n, cost_loss)
    return result


def _of_fractions(sums: Sums, base_rate: NDArray[np.float64], names: Names) -> Scores:
    """Return the fractions skill score by scale, and the least that is useful: 0.5 + f / 2 with the base rate f."""
    if not names.scales:
        return {}
    skill = 1 - ratio(sums.fraction_error, sums.fraction_power)  # (..., field, scale)
    result: Scores = {"fss_useful": 0.5 + base_rate / 2}
    for k, label in enumerate(names.scales):
        result[f"fss {label}"] = skill[..., 0, k]
        result[f"fss of probability {label}"] = skill[..., 1, k]
    return result


def _of_classes(sums: Sums, names: Names) -> Scores:
    confusion: NDArray[Any] = np.add.reduceat(sums.confusion.astype(np.float64), names.class_starts, axis=-1)
    confusion = np.add.reduceat(confusion, names.class_starts, axis=-2)
    by_class = iou(confusion)  # (..., region, model, class)
    classes = len(names.class_labels)
    result = {f"iou {label} mm": by_class[..., k] for k, label in enumerate(names.class_labels)}
    result[f"miou_{classes}"] = by_class.mean(axis=-1)
    result["miou_wet"] = by_class[..., 1:].mean(axis=-1)
    result[f"gerrity_{classes}"] = gerrity(confusion)
    result[f"heidke_{classes}"] = multi_heidke(confusion)
    result[f"peirce_{classes}"] = multi_peirce(confusion)
    return result
