"""The sums over cells that one case leaves behind, all of whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.verify.bins import ONE

__all__ = ["BLOCK", "LOG_LOSS", "LOG_UNIT", "certain", "highest", "histogram", "reached"]

# weighted bincounts are sums of whole numbers below 2^33 in double precision: exact for up to 2^20 cells at a time
BLOCK = 1 << 20

LOG_UNIT = 2.0**-28
"""Unit of the sums of the log score, in nats; a year on the 5-km grid stays below 2^62 of them."""

LOG_LOSS: NDArray[np.int64] = np.rint(-np.log(np.maximum(np.arange(ONE + 1), 0.5) / ONE) / LOG_UNIT).astype(np.int64)
"""-ln(p) of every quantised probability p; p = 0, which would cost infinitely much, counts as half a quantum."""
# the same clipping from above: certainty is a probability of one less half a quantum
LOG_LOSS[ONE] = np.rint(-np.log1p(-0.5 / ONE) / LOG_UNIT)
LOG_LOSS.setflags(write=False)

_LOG_LOSS_OF_NO, _LOG_LOSS_OF_YES = LOG_LOSS[::-1].astype(np.float64), LOG_LOSS.astype(np.float64)

Integers = NDArray[np.int64]


def reached(rain: NDArray[Any], thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Return rain >= threshold, shape (thresholds, cells), compared in the precision of the rain."""
    return np.asarray(rain[None] >= np.asarray(thresholds, rain.dtype)[:, None])


def highest(events: NDArray[np.bool_]) -> Integers:
    """Return the highest class that is reached, 0 for none, shape (cells,), from (thresholds, cells)."""
    found = np.zeros(events.shape[1], np.int64)
    for t, row in enumerate(events):
        found[row] = t + 1
    return found


def certain(confusion: Integers, bins: int, reliability_bins: int) -> dict[str, Integers]:
    """Return the sums of a forecast that knows only probabilities 0 and 1, from its class confusion.

    Parameters
    ----------
    confusion : ndarray, shape (region, class, class)
        By forecast and observed class.
    bins, reliability_bins : int
        Numbers of bins.

    Returns
    -------
    dict
        Arrays (region, threshold, ...) named as in `sslpdl.verify.layout.SUMS`.
    """
    regions, classes, _ = confusion.shape
    shape = (regions, classes - 1)
    hits, misses, said, n = (np.zeros(shape, np.int64) for _ in range(4))
    for t in range(classes - 1):
        no, yes = confusion[:, : t + 1], confusion[:, t + 1 :]
        hits[:, t], misses[:, t] = yes[:, :, t + 1 :].sum(axis=(1, 2)), no[:, :, t + 1 :].sum(axis=(1, 2))
        said[:, t], n[:, t] = yes.sum(axis=(1, 2)), confusion.sum(axis=(1, 2))
    forecasts, events = np.zeros((*shape, bins), np.int64), np.zeros((*shape, bins), np.int64)
    chance = np.zeros((*shape, reliability_bins), np.int64)
    forecasts[..., 0], forecasts[..., -1] = n - said, said
    events[..., 0], events[..., -1] = misses, hits
    chance[..., -1] = said * ONE
    wrong = said - hits + misses
    return {
        "forecasts": forecasts,
        "events": events,
        "probability_sum": chance,
        "squared_error": wrong * ONE**2,
        "log_loss": wrong * LOG_LOSS[0] + (n - wrong) * LOG_LOSS[ONE],
    }


def histogram(
    patch: Integers, q: NDArray[np.uint16], events: NDArray[np.bool_], bin_of: Integers, sizes: tuple[int, int]
) -> dict[str, Integers]:
    """Return the sums of probabilities by patch.

    Parameters
    ----------
    patch : ndarray, shape (cells,)
        Where each cell lies.
    q : ndarray, shape (thresholds, cells)
        Quantised probabilities.
    events : ndarray of bool, shape (thresholds, cells)
        Whether the thresholds were reached.
    bin_of : ndarray, shape (65536,)
        The bin of every quantised probability.
    sizes : (int, int)
        Numbers of patches and bins.

    Returns
    -------
    dict
        Arrays (threshold, patch, ...): ``forecasts``, ``events`` and ``probability_sum`` with all bins as their last
        axis, ``squared_error`` and ``log_loss``.
    """
    patches, bins = sizes
    shape = (len(q), patches, bins, 2)
    place = np.arange(len(q))[:, None] * patches + patch  # (thresholds, cells)
    code = ((place * bins + bin_of[q]) * 2 + events).ravel()
    size = int(np.prod(shape))
    flat = q.ravel()
    weight = flat.astype(np.float64)
    count = np.bincount(code, minlength=size).reshape(shape)
    first = np.bincount(code, weight, size).astype(np.int64).reshape(shape)
    second = np.bincount(code, weight * weight, size).astype(np.int64).reshape(shape)
    loss = np.where(events.ravel(), _LOG_LOSS_OF_YES[flat], _LOG_LOSS_OF_NO[flat])
    # (q - 65535 o)^2 = q^2 - 2 * 65535 q o + 65535^2 o for an outcome o of 0 or 1
    error = second.sum(axis=(2, 3)) - 2 * ONE * first[..., 1].sum(axis=2) + ONE**2 * count[..., 1].sum(axis=2)
    return {
        "forecasts": count.sum(axis=3),
        "events": count[..., 1],
        "probability_sum": first.sum(axis=3),
        "squared_error": error,
        "log_loss": np.bincount(place.ravel(), loss, len(q) * patches).astype(np.int64).reshape(len(q), patches),
    }
