"""UPerNet decoder: pooled context on the coarsest level, a feature pyramid, and one map out (arXiv 1807.10221)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.base import BatchNorm2d

__all__ = ["UPerNet"]

POOLED_SIZES = (1, 2, 3, 6)


class Pyramid(Protocol):
    """Settings of the decoder, as the configuration of a network with four stages holds them."""

    @property
    def widths(self) -> tuple[int, int, int, int]: ...
    @property
    def fpn_channels(self) -> int: ...
    @property
    def pool_channels(self) -> int: ...
    @property
    def fusion_kernel(self) -> Literal[1, 3]: ...
    @property
    def decoder_norm(self) -> Literal["layer", "batch"]: ...


class LayerNorm2d(nn.LayerNorm):
    """Normalise each cell of (B, C, H, W) over its channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _unit(inputs: int, outputs: int, kernel: int, norm: str) -> nn.Sequential:
    """Convolution without bias, normalisation, GELU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    normalisation = BatchNorm2d(outputs) if norm == "batch" else LayerNorm2d(outputs, eps=1e-6)
    return nn.Sequential(convolution, normalisation, nn.GELU())


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    if x.shape[-2:] == tuple(size):
        return x
    result = F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
    if result.requires_grad and not torch.compiler.is_compiling():
        # the gradient is a part of that of several maps: laid out as the map, it is worked off seven times as fast
        result.register_hook(_channels_last)  # type: ignore[no-untyped-call]
    return result


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class UPerNet(nn.Module):
    """Four levels of features to one map at the resolution of the finest.

    Parameters
    ----------
    config : Pyramid
        Uses ``widths``, ``fpn_channels``, ``pool_channels``, ``fusion_kernel`` and ``decoder_norm``.
    outputs : int
        Channels of the map.
    """

    def __init__(self, config: Pyramid, outputs: int) -> None:
        super().__init__()
        *finer, coarsest = config.widths
        norm, pyramid, pooled = config.decoder_norm, config.fpn_channels, config.pool_channels
        self.pooled = nn.ModuleList(_unit(coarsest, pooled, 1, norm) for _ in POOLED_SIZES)
        self.context = _unit(coarsest + len(POOLED_SIZES) * pooled, pyramid, 3, norm)
        self.laterals = nn.ModuleList(_unit(width, pyramid, 1, norm) for width in finer)
        self.smooth = nn.ModuleList(_unit(pyramid, pyramid, 3, norm) for _ in finer)
        self.fusion = _unit(len(config.widths) * pyramid, pyramid, config.fusion_kernel, norm)
        self.head = nn.Conv2d(pyramid, outputs, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Return (B, outputs, h, w) from features fine to coarse, each (B, width_i, h_i, w_i)."""
        top = self._context(levels[-1])
        maps = [top]
        for i in reversed(range(len(self.laterals))):
            lateral = self.laterals[i](levels[i])
            top = lateral + _resize(top, lateral.shape[-2:])
            maps.append(self.smooth[i](top))
        finest = levels[0].shape[-2:]
        stacked = torch.cat([_resize(level, finest) for level in reversed(maps)], dim=1)
        result: Tensor = self.head(self.fusion(stacked))
        return result

    def _context(self, x: Tensor) -> Tensor:
        # pooling first and enlarging before the 1x1 convolution, as released; the order matters to the normalisation
        branches = [
            branch(_resize(F.adaptive_avg_pool2d(x, size), x.shape[-2:]))
            for size, branch in zip(POOLED_SIZES, self.pooled, strict=True)
        ]
        result: Tensor = self.context(torch.cat([x, *branches], dim=1))
        return result
