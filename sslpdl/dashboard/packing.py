"""Frames of a run as small integers for the browser, rounded so that no value ever changes its colour class.

Rain travels in 0.01 mm as 16-bit and probabilities in half per cent as 8-bit integers.  Plain rounding would lift
0.098 mm over the edge at 0.1 mm; here the class is decided first, with the full precision of the data, and the integer
is kept inside the class.  The browser then finds the class by comparing integers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PROBABILITY_CODE", "RAIN_CODE", "Code", "pack_lead", "pool", "split_bytes", "unpack_lead"]


@dataclass(frozen=True)
class Code:
    """Integer code of one quantity.

    Attributes
    ----------
    unit : float
        Value of one step, in the unit of the quantity.
    dtype : str
        ``"uint8"`` or ``"uint16"``, little-endian in the browser; its largest value says "missing".
    offset : float
        Value of the integer 0.
    """

    unit: float
    dtype: str
    offset: float = 0.0

    @property
    def missing(self) -> int:
        """The integer that stands for a missing value."""
        return int(np.iinfo(self.dtype).max)

    def edges(self, edges: Sequence[float]) -> list[int]:
        """Return the smallest integer on or above each edge: ``code >= integer`` means ``value >= edge``."""
        # the subtraction absorbs the rounding of the division: 0.1 / 0.01 must be 10, not 11
        return [math.ceil((edge - self.offset) / self.unit - 1e-6) for edge in edges]

    def encode(self, values: NDArray[Any], edges: Sequence[float]) -> NDArray[np.uint8 | np.uint16]:
        """Return integers within half a step of the values, each in the same class as its value.

        Parameters
        ----------
        values : ndarray of float, any shape
            NaN where missing; values beyond the range of the integers are held at its end.
        edges : sequence of float
            Closed lower edges of the classes that must survive, ascending, at least one step apart.

        Raises
        ------
        ValueError
            If two edges lie closer than one step.

        Examples
        --------
        >>> RAIN_CODE.encode(np.array([0.0, 0.0999, 0.1, 12.345, np.nan]), [0.1, 10])
        array([    0,     9,    10,  1234, 65535], dtype=uint16)
        """
        last = self.missing - 1
        first_of_class = np.array([0, *self.edges(edges)])
        if (np.diff(first_of_class) < 1).any() or first_of_class[-1] > last:
            raise ValueError(f"edges {list(edges)} cannot be told apart in steps of {self.unit}")
        last_of_class = np.append(first_of_class[1:] - 1, last)
        missing = np.isnan(values)
        known = np.where(missing, 0, values)
        # compared in the precision of the data, as Palette.classify does
        index = np.searchsorted(np.asarray(edges, known.dtype), known, side="right")
        steps = np.rint(np.clip(known - self.offset, 0, last * self.unit) / self.unit)
        steps = np.clip(steps, first_of_class[index], last_of_class[index])
        return np.where(missing, self.missing, steps).astype(self.dtype)

    def decode(self, codes: NDArray[np.uint8 | np.uint16]) -> NDArray[np.float64]:
        """Return the values that integers stand for, NaN where missing; each is in the class of its integer."""
        # divided, not multiplied: 70 steps of 0.01 must be 0.7, not 0.7000000000000001
        return np.where(codes == self.missing, np.nan, codes / round(1 / self.unit))


RAIN_CODE = Code(0.01, "uint16")
PROBABILITY_CODE = Code(0.005, "uint8")


def pack_lead(
    rain: NDArray[Any],
    qpe: NDArray[Any] | None,
    probabilities: NDArray[Any] | None,
    *,
    rain_edges: Sequence[float],
    probability_edges: Sequence[float],
) -> bytes:
    """Return one lead time as a zlib stream: NWP rain, QPE, then one plane per threshold.

    Parameters
    ----------
    rain : ndarray, shape (y, x)
        NWP rain [mm in the window], NaN where missing.
    qpe : ndarray, shape (y, x), or None
        Observed rain [mm in its window]; None leaves the plane out.
    probabilities : ndarray, shape (threshold, y, x), or None
        Exceedance probabilities in [0, 1]; None leaves the planes out.
    rain_edges, probability_edges : sequence of float
        Class edges that must survive, see `Code.encode`.

    Returns
    -------
    bytes
        Of each 16-bit plane the low bytes, then the high bytes: these compress far better apart.
    """
    planes = [RAIN_CODE.encode(rain, rain_edges)]
    if qpe is not None:
        planes.append(RAIN_CODE.encode(qpe, rain_edges))
    parts = [split_bytes(plane) for plane in planes]
    if probabilities is not None:
        parts.append(PROBABILITY_CODE.encode(probabilities, probability_edges).tobytes())
    return zlib.compress(b"".join(parts), 4)


def unpack_lead(
    block: bytes, shape: tuple[int, int], *, qpe: bool, probabilities: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Return what `pack_lead` packed, as the page shows it: to half a step, each value in its class.

    Parameters
    ----------
    block : bytes
        From `pack_lead`.
    shape : tuple of int
        Rows and columns.
    qpe, probabilities : bool
        Whether the block holds them.

    Returns
    -------
    rain : ndarray, shape (y, x)
    qpe : ndarray, shape (y, x), or None
    probabilities : ndarray, shape (threshold, y, x), or None
    """
    cells = shape[0] * shape[1]
    raw = np.frombuffer(zlib.decompress(block), np.uint8)
    words, rest = np.split(raw, [2 * cells * (1 + qpe)])
    planes = words.reshape(-1, 2, cells).swapaxes(1, 2).copy().view("<u2").reshape(-1, *shape)
    chances = PROBABILITY_CODE.decode(rest.reshape(-1, *shape)) if probabilities else None
    return RAIN_CODE.decode(planes[0]), RAIN_CODE.decode(planes[1]) if qpe else None, chances


def split_bytes(plane: NDArray[Any]) -> bytes:
    """Return the low bytes of 16-bit integers, then the high bytes; 8-bit integers as they are."""
    if plane.dtype.itemsize == 1:
        return plane.tobytes()
    return plane.astype("<u2").view("u1").reshape(-1, 2).T.tobytes()


def pool(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the largest value of each block of `factor` x `factor` cells; missing only where the whole block is.

    Parameters
    ----------
    values : ndarray, shape (..., y, x)
        Blocks start at row 0 and column 0; those at the far edges may be cut short.
    factor : int
        1 returns the values as they are.

    Returns
    -------
    ndarray, shape (..., ceil(y / factor), ceil(x / factor))
    """
    if factor == 1:
        return values
    *lead, rows, columns = values.shape
    padding = [(0, 0)] * len(lead) + [(0, -rows % factor), (0, -columns % factor)]
    padded = np.pad(values, padding, constant_values=np.nan)
    blocks = padded.reshape(*lead, padded.shape[-2] // factor, factor, padded.shape[-1] // factor, factor)
    pooled: NDArray[Any] = np.fmax.reduce(np.fmax.reduce(blocks, axis=-1), axis=-2)
    return pooled
