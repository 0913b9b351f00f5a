"""The MetNet of KoMet: halved resolution, convolutional LSTM, axial attention over the whole domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.errors import ConfigError
from sslpdl.models.base import BatchNorm2d, Segmenter
from sslpdl.models.baselines.convlstm import RecurrentConfig, RecurrentStack
from sslpdl.models.baselines.grids import pad_to_multiple

__all__ = ["MetNet", "MetNetConfig"]

GROUPS = 16


@dataclass(frozen=True)
class MetNetConfig(RecurrentConfig):
    """Architecture of `MetNet`.

    Parameters
    ----------
    channels, classes, shape, window
        See `RecurrentConfig`.
    width : int
        Channels at full resolution, a multiple of 8; twice as many at half the resolution, and four times as many in
        the attention.
    """

    network: ClassVar[str] = "metnet"

    width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % 8:
            raise ConfigError(f"the width of a MetNet is {self.width}, give a multiple of 8.")


class MetNet(Segmenter):
    """Downsampler, temporal encoder and axial attention (KoMet benchmark; after Soenderby et al. 2020).

    KoMet's version is far smaller than the original (one halving for two, two attention blocks for eight, width 64 for
    2048) and has no lead time as input.

    Parameters
    ----------
    config : MetNetConfig
        Architecture.

    References
    ----------
    arXiv 2003.12140; KoMet: a precipitation post-processing benchmark, NeurIPS 2022, datasets and benchmarks.
    """

    def __init__(self, config: MetNetConfig) -> None:
        super().__init__()
        self.config: MetNetConfig = config
        width, fields = config.width, config.channels // config.window
        half = (-(-config.shape[0] // 2), -(-config.shape[1] // 2))
        self.downsample = nn.Sequential(
            *_unit(fields, width, padding=1), nn.MaxPool2d(2), *_unit(width, 2 * width, padding=1)
        )
        self.temporal = RecurrentStack(2 * width, 2 * width, shape=half, window=config.window)
        self.spatial = nn.Sequential(*(AxialBlock(2 * width, half) for _ in range(2)))
        self.enlarge = nn.ConvTranspose2d(2 * width, 2 * width, 2, stride=2)
        self.refine = nn.Sequential(*_unit(2 * width, width, padding=0))
        self.classify = nn.Conv2d(width, config.classes, 1)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W)."""
        H, W = x.shape[2:]
        frames = [self.downsample(pad_to_multiple(frame, 2)) for frame in self.config.frames(x)]
        features = self.enlarge(self.spatial(self.temporal(frames)))
        # stretched by one cell on each side, which the convolution without padding takes off again
        rows, columns = features.shape[2:]
        features = F.interpolate(features, (rows + 2, columns + 2), mode="bilinear", align_corners=True)
        logits: Tensor = self.classify(self.refine(features))[..., :H, :W]
        return logits


class AxialBlock(nn.Module):
    """Residual block: attention along columns, then along rows, at twice the channels.

    Parameters
    ----------
    width : int
        Channels of the input and the result.
    shape : (int, int)
        Rows and columns of the training grid at this resolution.
    """

    def __init__(self, width: int, shape: tuple[int, int]) -> None:
        super().__init__()
        inner = 2 * width
        self.widen = nn.Sequential(nn.Conv2d(width, inner, 1, bias=False), BatchNorm2d(inner), nn.ReLU())
        self.vertical = AxialAttention(inner, shape[0])
        self.horizontal = AxialAttention(inner, shape[1])
        self.narrow = nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return refined features, shaped as the input (B, width, H, W)."""
        y = self.widen(x)  # (B, C, H, W)
        y = self.vertical(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = self.horizontal(y.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)
        result: Tensor = F.relu(x + self.narrow(F.relu(y)))
        return result


class AxialAttention(nn.Module):
    """Position-sensitive attention along one axis (Wang et al. 2020, arXiv 2003.07853), normalised over the batch.

    Parameters
    ----------
    width : int
        Channels, in 16 groups.
    length : int
        Length of the axis on the training grid.  On a longer axis, distances beyond it share the last table entry.
    """

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        self.size, self.length = width // GROUPS, length
        self.project = nn.Conv1d(width, 2 * width, 1, bias=False)
        self.project_norm = nn.BatchNorm1d(2 * width)
        self.similarity_norm = BatchNorm2d(3 * GROUPS)
        self.output_norm = nn.BatchNorm1d(2 * width)
        self.relative_position = nn.Parameter(torch.empty(2 * self.size, 2 * length - 1))
        nn.init.normal_(self.project.weight, std=width**-0.5)
        nn.init.normal_(self.relative_position, std=self.size**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, S, C, L) from (B, S, C, L): each of the B S lines attends to its own L cells."""
        B, S, C, L = x.shape
        lines = self.project_norm(self.project(x.reshape(B * S, C, L)))
        half = self.size // 2
        sizes = [half, half, self.size]
        query, key, value = torch.split(lines.reshape(B * S, GROUPS, 2 * self.size, L), sizes, dim=2)
        by_query, by_key, by_value = torch.split(self._table(L), sizes)
        similarity = torch.cat(
            [
                torch.einsum("ngci,ngcj->ngij", query, key),
                torch.einsum("ngci,cij->ngij", query, by_query),
                torch.einsum("ngcj,cji->ngij", key, by_key),
            ],
            dim=1,
        )  # (B S, 3 G, L, L)
        weights = self.similarity_norm(similarity).reshape(B * S, 3, GROUPS, L, L).sum(dim=1).softmax(dim=-1)
        content = torch.einsum("ngij,ngcj->ngci", weights, value).reshape(B * S, C, L)
        place = torch.einsum("ngij,cij->ngci", weights, by_value).reshape(B * S, C, L)
        result: Tensor = self.output_norm(torch.cat([content, place], dim=1)).reshape(B, S, 2, C, L)
        return result.sum(dim=2)

    def _table(self, length: int) -> Tensor:
        """Return the embedding (2 size, length, length) of the distance between each two cells."""
        cells = torch.arange(length, device=self.relative_position.device)
        farthest = self.length - 1
        distance = (cells[:, None] - cells[None, :]).clamp(-farthest, farthest) + farthest
        return self.relative_position[:, distance]


def _unit(inputs: int, outputs: int, *, padding: int) -> tuple[nn.Module, ...]:
    """Return 3x3 convolution, batch normalisation, ReLU."""
    return nn.Conv2d(inputs, outputs, 3, padding=padding), BatchNorm2d(outputs), nn.ReLU()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
