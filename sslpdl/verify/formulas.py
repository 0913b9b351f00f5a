"""Scores as functions of pooled counts.

All take arrays of any one shape and return that shape in double precision; 0/0 is NaN.  Where nothing else is said,
definitions follow Wilks, Statistical Methods in the Atmospheric Sciences, 4th ed., chapter 9.  ``a`` are hits, ``b``
false alarms, ``c`` misses, ``d`` correct negatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CATEGORICAL",
    "average_precision",
    "brier_parts",
    "calibration_error",
    "economic_value",
    "gerrity",
    "iou",
    "multi_heidke",
    "multi_peirce",
    "ratio",
    "roc_area",
]

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


def _sedi(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Symmetric extremal dependence index (Ferro and Stephenson 2011); undefined where a rate is 0 or 1."""
    hit_rate, alarm_rate = ratio(a, a + c), ratio(b, b + d)
    with np.errstate(divide="ignore", invalid="ignore"):
        h, f, not_h, not_f = (np.log(x) for x in (hit_rate, alarm_rate, 1 - hit_rate, 1 - alarm_rate))
        return np.asarray((f - h - not_f + not_h) / (f + h + not_f + not_h))


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
    "pofd": lambda a, b, c, d: ratio(b, b + d),
    "peirce": lambda a, b, c, d: ratio(a * d - b * c, (a + c) * (b + d)),
    "sedi": _sedi,
    "accuracy": lambda a, b, c, d: ratio(a + d, a + b + c + d),
    "base_rate": lambda a, b, c, d: ratio(a + c, a + b + c + d),
}
"""Scores of a yes/no forecast by name.

``far`` is the false alarm ratio b / (a + b); ``pofd`` is the false alarm rate b / (b + d).
"""


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


def multi_heidke(confusion: Floats) -> Floats:
    """Return the Heidke skill score of several classes from tables (..., forecast class, observed class)."""
    right, chance, _, n = _agreement(confusion)
    return ratio(n * right - chance, n * n - chance)


def multi_peirce(confusion: Floats) -> Floats:
    """Return the Peirce skill score of several classes from tables (..., forecast class, observed class)."""
    right, chance, observed, n = _agreement(confusion)
    return ratio(n * right - chance, n * n - (observed**2).sum(axis=-1))


def _agreement(confusion: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the right forecasts, n times those expected by chance, the observed classes, and n."""
    said, observed = confusion.sum(axis=-1), confusion.sum(axis=-2)
    right = np.einsum("...ii->...", confusion)
    return right, (said * observed).sum(axis=-1), observed, observed.sum(axis=-1)


def gerrity(confusion: Floats) -> Floats:
    """Return the Gerrity score of ordered classes from tables (..., forecast class, observed class).

    Gerrity (1992, Mon. Wea. Rev. 120, 2709-2712) showed that it is the mean of the Peirce scores of the yes/no
    forecasts "above the k-th border", which is how it is computed here; NaN where one of them is (a class at either
    end that never occurs).
    """
    parts = []
    for k in range(1, confusion.shape[-1]):
        a = confusion[..., k:, k:].sum(axis=(-2, -1))
        b, c = confusion[..., k:, :k].sum(axis=(-2, -1)), confusion[..., :k, k:].sum(axis=(-2, -1))
        d = confusion[..., :k, :k].sum(axis=(-2, -1))
        parts.append(CATEGORICAL["peirce"](a, b, c, d))
    return np.asarray(np.mean(parts, axis=0))


def brier_parts(forecasts: Floats, events: Floats, probability_sum: Floats) -> tuple[Floats, Floats, Floats]:
    """Return reliability, resolution and uncertainty of the Brier score from bins on the last axis (Murphy 1973).

    With n_k cells in bin k, mean probability p_k and observed frequency o_k there, and o overall, they are
    sum n_k (p_k - o_k)^2 / n, sum n_k (o_k - o)^2 / n and o (1 - o).  The Brier score is reliability - resolution +
    uncertainty + residual, where the residual is the variance of the probabilities within bins less twice their
    covariance with the outcomes there (Stephenson, Coelho and Jolliffe 2008, doi 10.1175/2007WAF2006116.1); it is what
    is left, exactly.
    """
    n, all_events = forecasts.sum(axis=-1), events.sum(axis=-1)
    base = ratio(all_events, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = forecasts > 0
        reliability = np.where(known, (probability_sum - events) ** 2 / forecasts, 0.0).sum(axis=-1)
        resolution = np.where(known, (events - forecasts * base[..., None]) ** 2 / forecasts, 0.0).sum(axis=-1)
    return ratio(reliability, n), ratio(resolution, n), base * (1 - base)


def roc_area(forecasts: Floats, events: Floats) -> Floats:
    """Return the area under the ROC curve from bins on the last axis, by trapezoids.

    It is the probability that an event got a higher bin than a non-event, ties counted half.
    """
    others = forecasts - events
    below = np.cumsum(others, axis=-1) - others
    return ratio((events * (below + others / 2)).sum(axis=-1), events.sum(axis=-1) * others.sum(axis=-1))


def average_precision(forecasts: Floats, events: Floats) -> Floats:
    """Return the average precision from bins on the last axis: the mean of precision over recall, by steps."""
    hits = np.flip(np.cumsum(np.flip(events, -1), axis=-1), -1)
    said = np.flip(np.cumsum(np.flip(forecasts, -1), axis=-1), -1)
    precision = hits / np.maximum(said, 1e-300)  # a bin without a forecast has no event, so that it does not matter
    return ratio((events * precision).sum(axis=-1), events.sum(axis=-1))


def economic_value(hits: Floats, false_alarms: Floats, events: Any, n: Any, cost_loss: Floats | float) -> Floats:
    """Return the relative economic value for users with a ratio of cost to loss (Richardson 2000).

    1 saves as much as a perfect forecast, 0 as climatology (always or never protecting, whichever costs less).
    """
    base = ratio(events, n)
    protecting, perfect = np.minimum(cost_loss, base), base * cost_loss
    misses = events - hits
    return ratio(protecting - ratio(cost_loss * (hits + false_alarms) + misses, n), protecting - perfect)
