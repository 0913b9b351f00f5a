"""Probabilities as whole numbers, and the bins they are counted in.

Sums of whole numbers do not depend on the order of adding, so that every split, filter and resampling of a verification
gives the same score to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.errors import VerifyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["EDGES", "ONE", "RELIABILITY_EDGES", "bin_edges", "quantise"]

ONE = 65535
"""The whole number that stands for probability one; the quantum is 1/65535."""

EDGES: tuple[float, ...] = (
    *(0.0, 0.005, 0.01, 0.015, 0.02, 0.025),
    *(k / 100 for k in range(3, 10)),
    *(k / 100 for k in range(10, 30, 2)),
    *(k / 100 for k in range(30, 100, 5)),
)
"""Lower edges of the bins in which forecasts are counted, and the candidates for a decision threshold p*.

Finer where the probabilities of heavy rain live.  A bin holds ``edge <= p < next edge``; the last one holds p = 1 too.
"""

RELIABILITY_EDGES: tuple[float, ...] = (0.0, 0.05, *(k / 10 for k in range(1, 10)))
"""Lower edges of the eleven bins of reliability diagrams and of the calibration error; the same edge rule."""


def quantise(probability: ArrayLike) -> NDArray[np.uint16]:
    """Return probabilities as whole numbers of 1/65535, rounded to the nearest.

    Every probability passes through single precision first, so that 0.9 in single and in double precision, from a
    forecast, an edge or a decision threshold, is the same number.  NaN has no meaning here: mask it beforehand.

    Raises
    ------
    VerifyError
        If a value is below 0 or above 1 by more than rounding (1e-5).

    Examples
    --------
    >>> quantise([0.0, 0.5, 1.0])
    array([    0, 32768, 65535], dtype=uint16)
    """
    single = np.asarray(probability, np.float32)
    if single.size and not (single.min() >= -1e-5 and single.max() <= 1 + 1e-5):
        raise VerifyError(
            f"probabilities reach from {single.min():g} to {single.max():g}; they must lie between 0 and 1."
        )
    # the product is exact in double precision; rint breaks ties towards even numbers, the same everywhere
    scaled = np.rint(single.astype(np.float64) * ONE)
    return np.clip(scaled, 0, ONE).astype(np.uint16)


def bin_edges(decisions: Iterable[float] = ()) -> NDArray[np.float64]:
    """Return the lower bin edges: `EDGES`, `RELIABILITY_EDGES` and the decision thresholds in use, ascending.

    A decision threshold that is an edge makes its contingency table an exact sum of bins.
    """
    wanted = np.array([*EDGES, *RELIABILITY_EDGES, *decisions], np.float64)
    _, first = np.unique(quantise(wanted), return_index=True)
    return wanted[first]
