"""Any grid for networks that halve the resolution or hold a table by position."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["fit_table", "pad_to_multiple"]


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Return (B, C, H, W) with its last rows and columns repeated up to a multiple of so many cells.

    Repeated, not zero: a step at the edge of the domain would look like a front.
    """
    rows, columns = -x.shape[2] % multiple, -x.shape[3] % multiple
    return F.pad(x, (0, columns, 0, rows), mode="replicate") if rows or columns else x


def fit_table(table: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a table (C, H, W) of the training grid on another grid (C, *shape), interpolated bilinearly."""
    if tuple(table.shape[1:]) == shape:
        return table
    return F.interpolate(table[None], shape, mode="bilinear", align_corners=False)[0]
