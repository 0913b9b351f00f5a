"""What the operator is measured at and against: the levels of the `paper` encoder, InternImage's core, DCNv4."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# rows, columns, channels, groups
LEVELS = {"L1": (112, 64, 64, 4), "L2": (56, 32, 128, 8), "L3": (28, 16, 256, 16), "L4": (14, 8, 512, 32)}
POINTS = 9


def core(value: Tensor, offset: Tensor, modulation: Tensor, groups: int) -> Tensor:
    """InternImage's PyTorch core in the same steps: pad, normalised positions, `grid_sample`, weighted sum."""
    batch, rows, columns, channels = value.shape
    padded = F.pad(value, [0, 0, 1, 1, 1, 1])
    _, height, width, _ = padded.shape
    like = {"device": value.device, "dtype": value.dtype}
    y, x = torch.meshgrid(torch.arange(rows, **like) + 1.5, torch.arange(columns, **like) + 1.5, indexing="ij")
    centre = torch.stack((x / width, y / height), -1).reshape(1, rows, columns, 1, 2)
    step_x, step_y = torch.meshgrid(torch.arange(-1, 2, **like), torch.arange(-1, 2, **like), indexing="ij")
    window = torch.stack((step_x / width, step_y / height), -1).reshape(-1, 2).repeat(groups, 1)
    size = torch.tensor([width, height], **like).repeat(groups * POINTS).reshape(1, 1, 1, -1)
    position = (centre + window).repeat(batch, 1, 1, 1, 1).flatten(3, 4) + offset / size
    grid = (2 * position - 1).view(batch, rows * columns, groups, POINTS, 2).transpose(1, 2).flatten(0, 1)
    image = padded.view(batch, height * width, channels).transpose(1, 2)
    image = image.reshape(batch * groups, channels // groups, height, width)
    sampled = F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    weight = modulation.view(batch, rows * columns, groups, POINTS).transpose(1, 2)
    result = (sampled * weight.reshape(batch * groups, 1, rows * columns, POINTS)).sum(-1)
    return result.view(batch, channels, rows * columns).transpose(1, 2).reshape(batch, rows, columns, -1).contiguous()


def with_softmax(modulation: Tensor, groups: int) -> Tensor:
    return modulation.unflatten(-1, (groups, POINTS)).softmax(-1).flatten(-2)


def packed(offset: Tensor, modulation: Tensor, groups: int) -> Tensor:
    """Offsets and modulation as DCNv4 takes them: group by group in one tensor, filled up to a multiple of eight."""
    both = torch.cat((offset.unflatten(-1, (groups, -1)), modulation.unflatten(-1, (groups, -1))), -1).flatten(-2)
    return F.pad(both, [0, -both.shape[-1] % 8]).contiguous()


def dcnv4(value: Tensor, both: Tensor, groups: int) -> Tensor:
    """DCNv4's own operator, which must be installed; modulation as it is, without softmax."""
    from DCNv4.functions.dcnv4_func import DCNv4Function

    window = (3, 3, 1, 1, 1, 1, 1, 1)  # kernel, stride, padding, dilation
    return DCNv4Function.apply(value, both, *window, groups, value.shape[-1] // groups, 1.0, 256, False)
