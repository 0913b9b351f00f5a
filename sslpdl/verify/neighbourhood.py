"""Fractions in square neighbourhoods, for the fractions skill score (Roberts and Lean 2008, doi 10.1175/2007MWR2123.1).

A fraction is the mean over the valid cells of the neighbourhood alone: cells outside the verification mask, beyond the
edge of the grid or without a value count neither in the sum nor in the size.  Fractions are rounded to 1/65535, and the
sums of their squares are whole numbers that add up exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SCALES", "Neighbourhoods"]

SCALES = (1, 3, 5, 9, 17, 33, 65)
"""Widths of neighbourhoods in cells: 5 to 325 km on the 5-km grid."""

_WIDEST = 255  # 255^2 probabilities of 65535 add up to less than 2^32


class Neighbourhoods:
    """Box sums of many fields at once, taken from one integral image.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the grid.
    cells : ndarray of int, shape (cells,)
        Flat indices of the cells that can count.
    scales : sequence of int
        Odd widths of the neighbourhoods in cells.

    Raises
    ------
    VerifyError
        If a width is not an odd number from 1 to 255, or the widths do not ascend.
    """

    def __init__(self, shape: tuple[int, int], cells: NDArray[np.int64], scales: Sequence[int]) -> None:
        self.scales = tuple(int(n) for n in scales)
        if max(self.scales, default=1) > _WIDEST:
            raise VerifyError(f"neighbourhoods can be {_WIDEST} cells wide at most; got {max(self.scales)}.")
        if list(self.scales) != sorted(set(self.scales)) or any(n < 1 or n % 2 == 0 for n in self.scales):
            raise VerifyError(
                f"neighbourhoods need ascending odd widths in cells, such as 1, 3, 9; got {list(scales)}."
            )
        self._shape, self._cells = shape, cells
        rows, columns = shape
        row, column = np.divmod(cells, columns)
        self._corners = []
        for width in self.scales:
            half = width // 2
            south, north = np.maximum(row - half, 0), np.minimum(row + half + 1, rows)
            west, east = np.maximum(column - half, 0), np.minimum(column + half + 1, columns)
            ends = [(north, east), (south, east), (north, west), (south, west)]
            self._corners.append([r * (columns + 1) + c for r, c in ends])

    def fractions(self, values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the mean of each field over the valid cells around each cell, rounded to a whole number.

        Parameters
        ----------
        values : ndarray, shape (fields, cells)
            Whole numbers from 0 to 65535; what they are where not `valid` does not matter.
        valid : ndarray of bool, shape (cells,)

        Returns
        -------
        ndarray, shape (scales, fields, cells)
            Whole numbers.
        """
        sizes = [np.maximum(boxes, 1.0) for boxes in self._boxes(valid)]  # a cell that does not count may be alone
        result = np.empty((len(self.scales), *values.shape))
        for i, field in enumerate(values):  # one by one, so that an image stays in the cache
            for k, boxes in enumerate(self._boxes(np.where(valid, field, 0))):
                np.divide(boxes, sizes[k], out=result[k, i])
        return np.rint(result, out=result)

    def _boxes(self, field: NDArray[Any]) -> Iterator[NDArray[np.uint32]]:
        """Yield the sum of a field (cells,) of whole numbers in the neighbourhood of each cell, scale by scale."""
        rows, columns = self._shape
        whole = np.zeros(rows * columns, np.uint32)
        whole[self._cells] = field
        # sums of a large grid pass 2^32 and begin anew at 0; their differences, the box sums, are right all the same
        image = np.zeros((rows + 1, columns + 1), np.uint32)
        np.cumsum(whole.reshape(rows, columns), axis=0, out=image[1:, 1:])
        np.cumsum(image[1:, 1:], axis=1, out=image[1:, 1:])
        flat = image.reshape(-1)
        for north_east, south_east, north_west, south_west in self._corners:
            yield flat[north_east] - flat[south_east] - flat[north_west] + flat[south_west]
