"""Scores as functions of pooled counts.

All take arrays of any one shape and return that shape in double precision; 0/0 is NaN.  Definitions follow Wilks,
Statistical Methods in the Atmospheric Sciences, 4th ed., chapter 9.  ``a`` hits, ``b`` false alarms, ``c`` misses,
``d`` correct negatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CATEGORICAL", "calibration_error", "iou", "ratio"]

Floats = NDArray[np.float64]


def ratio(numerator: Any, denominator: Any) -> Floats:
    """Return numerator / denominator, NaN where the denominator is zero."""
    top, bottom = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom == 0, np.nan, top / bottom)


def _ets(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    by_chance = ratio((a + b) * (a + c), a + b + c + d)
    return ratio(a - by_chance, a + b + c - by_chance)


def _hss(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    return ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d))


CATEGORICAL: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "csi": lambda a, b, c, d: ratio(a, a + b + c),
    "f1": lambda a, b, c, d: ratio(2 * a, 2 * a + b + c),
    "precision": lambda a, b, c, d: ratio(a, a + b),
    "recall": lambda a, b, c, d: ratio(a, a + c),
    "pod": lambda a, b, c, d: ratio(a, a + c),
    "far": lambda a, b, c, d: ratio(b, a + b),
    "frequency_bias": lambda a, b, c, d: ratio(a + b, a + c),
    "ets": _ets,
    "hss": _hss,
    "accuracy": lambda a, b, c, d: ratio(a + d, a + b + c + d),
    "base_rate": lambda a, b, c, d: ratio(a + c, a + b + c + d),
}
"""Scores of a yes/no forecast by name.  ``far`` is the false alarm ratio b / (a + b), not the rate b / (b + d)."""


def calibration_error(forecasts: Floats, events: Floats, probability_sum: Floats) -> Floats:
    """Return the expected calibration error from bins on the last axis.

    The mean over cells of the distance between the mean forecast probability and the observed frequency of the cell's
    bin; `probability_sum` in units of one.
    """
    return ratio(np.abs(probability_sum - events).sum(axis=-1), forecasts.sum(axis=-1))


def iou(confusion: Floats) -> Floats:
    """Return the intersection over union of each class from tables (..., forecast class, observed class)."""
    both = np.einsum("...ii->...i", confusion)
    return ratio(both, confusion.sum(axis=-1) + confusion.sum(axis=-2) - both)
