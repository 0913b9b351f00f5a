"""ResNet of basic blocks that also runs sparsely: on those sites alone that a mask leaves visible."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.base import BatchNorm2d

__all__ = ["ResNet", "SparseNorm", "at_resolution", "sparse"]

STRIDE = 32


class ResNet(nn.Module):
    """Stem and four stages of basic blocks (He et al. 2016, arXiv 1512.03385); 18 layers with two blocks a stage.

    With a mask, a convolution or pooling is computed densely and then set to zero where nothing is visible, and batch
    normalisation counts visible sites alone: that is a sparse convolution, at dense cost (Tian et al. 2023, SparK).

    Parameters
    ----------
    channels : int
        Channels of the input.
    widths : tuple of int
        Channels of the stages, at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    depths : tuple of int
        Blocks of the stages.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = Unit(channels, widths[0], 7, stride=2)
        inputs = (widths[0], *widths[:-1])
        self.stages = nn.ModuleList(
            nn.ModuleList(
                Block(first if i == 0 else width, width, stride=2 if i == 0 and number > 0 else 1) for i in range(depth)
            )
            for number, (first, width, depth) in enumerate(zip(inputs, widths, depths, strict=True))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, visible: Tensor | None = None) -> list[Tensor]:
        """Return the output of each stage, fine to coarse.

        Parameters
        ----------
        x : Tensor (B, C, H, W)
            Fields; H and W are multiples of 32.
        visible : Tensor (B, 1, H / 32, W / 32) bool, optional
            Patches that may be seen; all by default.
        """
        x = F.relu(self.stem(sparse(x, visible), visible))
        x = sparse(F.max_pool2d(x, 3, stride=2, padding=1), visible)
        levels = []
        for stage in self.stages:
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x, visible)
            levels.append(x)
        return levels


class Block(nn.Module):
    """Two 3x3 convolutions beside the identity, or beside a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = Unit(inputs, outputs, 3, stride=stride)
        self.second = Unit(outputs, outputs, 3)
        self.shortcut = Unit(inputs, outputs, 1, stride=stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        y = self.second(F.relu(self.first(x, visible)), visible)
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x, visible)))


class Unit(nn.Module):
    """Convolution without bias and batch normalisation, of visible sites alone where there is a mask."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = SparseNorm(outputs)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        result: Tensor = self.norm(self.convolve(x), visible)
        return result


class SparseNorm(BatchNorm2d):
    """Batch normalisation over visible sites; hidden sites become zero."""

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Return (B, C, h, w) normalised; `visible` is a mask of patches."""
        if visible is None:
            return super().forward(x)
        sites = at_resolution(visible, x)[:, 0]
        seen = x.movedim(1, -1)[sites]  # (n, C)
        normalised = super().forward(seen[..., None, None])[..., 0, 0]
        result = torch.zeros_like(x.movedim(1, -1))
        result[sites] = normalised
        return result.movedim(-1, 1)


def sparse(x: Tensor, visible: Tensor | None) -> Tensor:
    """Return (B, C, h, w) with zeros where nothing is visible."""
    return x if visible is None else x * at_resolution(visible, x)


def at_resolution(visible: Tensor, x: Tensor) -> Tensor:
    """Return a mask of patches (B, 1, rows, columns) at the resolution of `x`: (B, 1, h, w) bool."""
    rows, columns = x.shape[2] // visible.shape[2], x.shape[3] // visible.shape[3]
    return visible.repeat_interleave(rows, dim=2).repeat_interleave(columns, dim=3)
