"""SmaAt-UNet: a U-Net of depthwise-separable convolutions whose skip connections pass an attention module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.errors import ConfigError
from sslpdl.models.base import BatchNorm2d, Segmenter, clean
from sslpdl.models.baselines.grids import pad_to_multiple
from sslpdl.models.baselines.unet import double_convolution
from sslpdl.models.config import NetworkConfig

__all__ = ["SmaAtUNet", "SmaAtUNetConfig"]

HALVINGS = 4


@dataclass(frozen=True)
class SmaAtUNetConfig(NetworkConfig):
    """Architecture of `SmaAtUNet`.

    Parameters
    ----------
    channels, classes, shape
        See `NetworkConfig`.
    width : int
        Channels at full resolution, a multiple of 16.  64 is published, 80 gives the size of SSLPDL's preset ``small``.
    """

    network: ClassVar[str] = "smaat_unet"

    width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 16:
            raise ConfigError(f"the width of a SmaAt-UNet is {self.width}, give a multiple of 16.")


class SmaAtUNet(Segmenter):
    """Five levels with attention on each skip connection (Trebing et al. 2021).

    Only the skip connections, and the bottom, use the attended maps; the way down uses those before attention.

    Parameters
    ----------
    config : SmaAtUNetConfig
        Architecture.

    References
    ----------
    Pattern Recognition Letters 145, 178-186 (arXiv 2007.04417).
    """

    def __init__(self, config: SmaAtUNetConfig) -> None:
        super().__init__()
        self.config: SmaAtUNetConfig = config
        w = config.width
        widths = [w, 2 * w, 4 * w, 8 * w, 8 * w]
        self.down = nn.ModuleList(
            double_convolution(inputs, outputs, convolution=Separable)
            for inputs, outputs in zip([config.channels, *widths], widths, strict=False)
        )
        self.attend = nn.ModuleList(Attention(width) for width in widths)
        self.up = nn.ModuleList(
            double_convolution(inputs, outputs, between=inputs // 2, convolution=Separable)
            for inputs, outputs in ((16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w), (2 * w, w))
        )
        self.classify = nn.Conv2d(w, config.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W)."""
        H, W = x.shape[2:]
        x = pad_to_multiple(clean(x, self.config.channels), 2**HALVINGS)
        attended = []
        for level, (down, attend) in enumerate(zip(self.down, self.attend, strict=True)):
            x = down(x if level == 0 else F.max_pool2d(x, 2))
            attended.append(attend(x))
        x = attended.pop()
        for up in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = up(torch.cat([attended.pop(), x], dim=1))
        logits: Tensor = self.classify(x)[..., :H, :W]
        return logits


class Separable(nn.Sequential):
    """Depthwise convolution with two kernels for each channel, then a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, 2 * inputs, kernel, padding=kernel // 2, groups=inputs), nn.Conv2d(2 * inputs, outputs, 1)
        )


class Attention(nn.Module):
    """Convolutional block attention: weights of the channels, then of the cells (Woo et al. 2018, arXiv 1807.06521).

    Parameters
    ----------
    width : int
        Channels, a multiple of 16.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(nn.Linear(width, width // 16), nn.ReLU(), nn.Linear(width // 16, width))
        self.cells = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted map, shaped as the input (B, width, H, W)."""
        weight = self.channels(x.mean(dim=(2, 3))) + self.channels(x.amax(dim=(2, 3)))
        x = x * weight.sigmoid()[:, :, None, None]
        summary = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        result: Tensor = x * self.cells(summary).sigmoid()
        return result
