"""The U-Net of KoMet: residual blocks, a learned map by position, three halvings of the resolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.base import BatchNorm2d, Segmenter, clean
from sslpdl.models.baselines.grids import fit_table
from sslpdl.models.config import NetworkConfig

__all__ = ["UNet", "UNetConfig"]

LEVELS = 3


@dataclass(frozen=True)
class UNetConfig(NetworkConfig):
    """Architecture of `UNet`.

    Parameters
    ----------
    channels, classes, shape
        See `NetworkConfig`.
    width : int
        Channels at full resolution, doubled at each halving; an even number.  16 is published, 42 gives the size of
        SSLPDL's preset ``small``.
    """

    network: ClassVar[str] = "unet"

    width: int = 16


class UNet(Segmenter):
    """Encoder and decoder with skip connections (Kim et al. 2022, KoMet benchmark; after Ronneberger et al. 2015).

    Two points differ from the benchmark's code.  It keeps a map for each lead time and adds the embedding to itself
    along with it; here one map serves all lead times.  Its batch normalisation uses the statistics of the batch in
    forecasts as well, so that a forecast depends on what else is in the batch; here it is the ordinary one.

    Parameters
    ----------
    config : UNetConfig
        Architecture.

    References
    ----------
    arXiv 1505.04597; KoMet: a precipitation post-processing benchmark, NeurIPS 2022, datasets and benchmarks.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config: UNetConfig = config
        widths = [config.width << level for level in range(LEVELS + 1)]
        embedding = max(1, config.width // 2)
        self.embed = nn.Conv2d(config.channels, embedding, 1)
        self.position = nn.Parameter(torch.zeros(embedding, *config.shape))
        self.entrance = Entrance(embedding, widths[0])
        self.down = nn.ModuleList(DoubleConvolution(width, 2 * width) for width in widths[:-1])
        self.bridge = Entrance(widths[-1], widths[-1])
        self.up = nn.ModuleList(Up(2 * width, width) for width in reversed(widths[:-1]))
        self.classify = nn.Conv2d(config.width, config.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W)."""
        x = self.embed(clean(x, self.config.channels))
        x = self.entrance(x + fit_table(self.position, (x.shape[2], x.shape[3])))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(F.max_pool2d(x, 2, ceil_mode=True))
        x = self.bridge(x)
        for up in self.up:
            x = up(x, skips.pop())
        logits: Tensor = self.classify(x)
        return logits


class Entrance(nn.Module):
    """Two 3x3 convolutions, the first normalised, beside a normalised 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            _convolution(inputs, outputs, 3),
            BatchNorm2d(outputs),
            nn.LeakyReLU(),
            _convolution(outputs, outputs, 3),
        )
        self.residual = nn.Sequential(_convolution(inputs, outputs, 1), BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.residual(x) + self.main(x)
        return result


class DoubleConvolution(nn.Module):
    """Two normalised and rectified 3x3 convolutions beside a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = double_convolution(inputs, outputs, convolution=_convolution)
        self.residual = _convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.residual(x) + self.main(x)
        return result


class Up(nn.Module):
    """Double the resolution, cut to that of the skip connection, and join both."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.join = DoubleConvolution(inputs, outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        # pooling rounds up, so that what comes back is as large or one cell larger
        x = self.enlarge(x)[..., : skip.shape[2], : skip.shape[3]]
        result: Tensor = self.join(torch.cat([skip, x], dim=1))
        return result


def double_convolution(
    inputs: int, outputs: int, *, convolution: Callable[[int, int, int], nn.Module], between: int | None = None
) -> nn.Sequential:
    """Return [3x3 convolution, batch normalisation, ReLU] twice, with so many channels between the two."""
    between = outputs if between is None else between
    parts: list[nn.Module] = []
    for first, last in ((inputs, between), (between, outputs)):
        parts += [convolution(first, last, 3), BatchNorm2d(last), nn.ReLU()]
    return nn.Sequential(*parts)


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
