"""Geometry of a sampling window: which points an output pixel looks at before the learned offsets move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Pair", "Window"]

Pair = int | Sequence[int]


@dataclass(frozen=True)
class Window:
    """Sampling window of a convolution; every pair is (rows, columns).

    Output pixel (i, j) looks around input position (i * stride - padding + centre). Point k = ix * rows + iy: the
    column varies slowest. An even window is centred low, as in a dilated convolution with ``(kernel - 1) // 2``.

    Parameters
    ----------
    kernel, stride, padding, dilation : (int, int)
        As in a convolution.
    remove_center : bool
        Leave out the central point; needs an odd kernel on both axes.

    Raises
    ------
    ValueError
        If a size is not positive, the padding is negative, or an even kernel has its centre removed.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    remove_center: bool = False

    def __post_init__(self) -> None:
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(f"kernel, stride and dilation must be positive and padding not negative, got {self}")
        if self.remove_center and (self.kernel[0] % 2 == 0 or self.kernel[1] % 2 == 0):
            raise ValueError(f"remove_center needs an odd kernel size, got {self.kernel}")

    @classmethod
    def of(cls, kernel: Pair, *, stride: Pair, padding: Pair, dilation: Pair, remove_center: bool = False) -> Window:
        """Return the window of sizes given as one number for both axes or as (rows, columns)."""
        return cls(_pair(kernel), _pair(stride), _pair(padding), _pair(dilation), bool(remove_center))

    @property
    def points(self) -> int:
        """Number of sampling points."""
        return self.kernel[0] * self.kernel[1] - int(self.remove_center)

    @property
    def origin(self) -> tuple[int, int]:
        """Input position (row, column) of the centre of the window of output pixel (0, 0)."""
        row, column = ((d * (k - 1)) // 2 - p for k, p, d in zip(self.kernel, self.padding, self.dilation, strict=True))
        return row, column

    def grid(self) -> list[tuple[int, int]]:
        """Return (row, column) of each point relative to the centre, in the order of the offsets."""
        rows, columns = (
            [i * d - (d * (k - 1)) // 2 for i in range(k)] for k, d in zip(self.kernel, self.dilation, strict=True)
        )
        points = [(row, column) for column in columns for row in rows]
        if self.remove_center:
            points.remove((0, 0))
        return points

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (rows, columns) of the result for an input of that size, as a convolution has it."""
        row, column = (
            max(0, (size + 2 * p - d * (k - 1) - 1) // s + 1)
            for size, k, s, p, d in zip(
                (height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return row, column


def _pair(value: Pair) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    row, column = value
    return int(row), int(column)
