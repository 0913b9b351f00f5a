"""Deformable convolution in plain PyTorch: the oracle of the compiled kernels and the fallback without a compiler.

It states the operator in the fewest words: a sampling point lies between four pixels, so one output of one group is a
weighted sum of ``4 * points`` rows of a table of pixels, which is what ``embedding_bag`` computes. Coordinates keep the
whole pixel apart from the fraction, so float32 is as exact in a wide image as in a narrow one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sslpdl.ops.window import Window

__all__ = ["deform_conv_reference"]

# positions beyond this count as this far away: outside any image, and still exact in float32
_FAR = float(2**22)


def deform_conv_reference(
    value: Tensor, offset: Tensor, modulation: Tensor, window: Window, *, groups: int, scale: float, softmax: bool
) -> Tensor:
    """Return the deformable convolution of `value`; see `sslpdl.ops.deform_conv` for the arguments and conventions."""
    batch, height, width, channels = value.shape
    rows, columns = window.output_size(height, width)
    if value.numel() == 0 or rows * columns == 0:
        # keep the result in the graph of all three inputs
        return value.new_zeros((batch, rows, columns, channels)) + 0.0 * (value.sum() + offset.sum() + modulation.sum())
    dtype = torch.promote_types(value.dtype, torch.float32)
    points = (batch, rows, columns, groups, window.points)
    weight = modulation.to(dtype).reshape(points)
    if softmax:
        weight = weight.softmax(-1)

    # the window's own positions, split into whole pixels and rest: with scale 1 the fraction is that of the offset
    grid = scale * torch.tensor(window.grid(), dtype=torch.float64, device=value.device).flip(-1)  # (K, 2) as (x, y)
    shift = scale * offset.to(dtype).reshape(*points, 2) + (grid - grid.floor()).to(dtype)  # (N, Ho, Wo, G, K, 2)
    whole = shift.detach().floor()
    fraction = shift - whole  # NaN for an infinite offset
    # a NaN has no pixel; its weight is NaN wherever the index points
    left, top = (whole.clamp(-_FAR, _FAR).nan_to_num() + grid.floor().to(dtype)).long().unbind(-1)
    left = left + (torch.arange(columns, device=value.device) * window.stride[1] + window.origin[1])[:, None, None]
    top = top + (torch.arange(rows, device=value.device) * window.stride[0] + window.origin[0])[:, None, None, None]

    image = torch.arange(batch, device=value.device)[:, None, None, None, None] * height
    group = torch.arange(groups, device=value.device)[:, None]
    index, share = [], []
    for below in (0, 1):
        for right in (0, 1):
            x, y = left + right, top + below
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            share_x = fraction[..., 0] if right else 1.0 - fraction[..., 0]
            share_y = fraction[..., 1] if below else 1.0 - fraction[..., 1]
            share.append(weight * share_x * share_y * inside)
            pixel = (image + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
            index.append(pixel * groups + group)
    bags = batch * rows * columns * groups
    result = F.embedding_bag(
        torch.cat(index, -1).reshape(bags, -1),
        value.to(dtype).reshape(batch * height * width * groups, channels // groups),
        mode="sum",
        per_sample_weights=torch.cat(share, -1).reshape(bags, -1),
    )
    return result.reshape(batch, rows, columns, channels).to(value.dtype)
