"""SparK: a ResNet pre-trained by masked fields, as SSLPDL's encoder is, with the same decoder for rain classes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.errors import ConfigError, ModelError
from sslpdl.models.base import BatchNorm2d, Reconstructed, Reconstructor, Segmenter, clean
from sslpdl.models.baselines.grids import pad_to_multiple
from sslpdl.models.baselines.resnet import STRIDE, ResNet, SparseNorm, at_resolution
from sslpdl.models.config import NetworkConfig
from sslpdl.models.embedding import random_mask
from sslpdl.models.upernet import UPerNet

__all__ = ["SparK", "SparKConfig", "SparKReconstruction"]


@dataclass(frozen=True)
class SparKConfig(NetworkConfig):
    """Architecture of `SparK`.

    Parameters
    ----------
    channels, classes, shape
        See `NetworkConfig`.
    width, depths
        Channels of the first stage (doubled at each further one) and blocks of each stage; the defaults give ResNet-18.
    pretraining_mask_ratio : float
        Share of the patches of 32 by 32 cells, over all channels, that pre-training hides.
    reconstruction_width : int
        Channels of the decoder of pre-training at its coarsest level, a multiple of 32; halved at each finer one.
    fpn_channels, pool_channels, fusion_kernel, decoder_norm
        Decoder of the second stage, as in SSLPDL; see `ModelConfig`.
    """

    network: ClassVar[str] = "spark"

    width: int = 64
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    pretraining_mask_ratio: float = 0.6
    reconstruction_width: int = 256
    fpn_channels: int = 256
    pool_channels: int = 512
    fusion_kernel: Literal[1, 3] = 3
    decoder_norm: Literal["layer", "batch"] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reconstruction_width % 32:
            raise ConfigError(f"reconstruction_width is {self.reconstruction_width}, give a multiple of 32.")

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        return (self.width, 2 * self.width, 4 * self.width, 8 * self.width)

    def prepare(self, x: Tensor) -> Tensor:
        """Return scaled fields (B, C, H, W) without NaN, filled up to whole patches."""
        return pad_to_multiple(clean(x, self.channels), STRIDE)


class SparK(Segmenter):
    """Rain-class logits from a ResNet and UPerNet; the second stage of the masked pre-training of a plain network.

    Parameters
    ----------
    config : SparKConfig
        Architecture.

    References
    ----------
    Tian et al. 2023 (arXiv 2301.03580); on radar rain, Lee et al. 2024 (arXiv 2412.15917).
    """

    def __init__(self, config: SparKConfig) -> None:
        super().__init__()
        self.config: SparKConfig = config
        self.encoder = ResNet(config.channels, config.widths, config.depths)
        self.decoder = UPerNet(config, config.classes)

    @property
    def pretrained_part(self) -> ResNet:
        """The encoder."""
        return self.encoder

    @property
    def head(self) -> UPerNet:
        """The decoder."""
        return self.decoder

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W); nothing is hidden."""
        padded = self.config.prepare(x)
        coarse = self.decoder(self.encoder(padded))
        logits = F.interpolate(coarse, padded.shape[-2:], mode="bilinear", align_corners=False)
        return logits[..., : x.shape[-2], : x.shape[-1]]

    def pretraining(self) -> SparKReconstruction:
        """Return the reconstruction network of the first stage, sharing this encoder and its weights."""
        return SparKReconstruction(self.config, self.encoder)


class SparKReconstruction(Reconstructor):
    """All fields from the visible patches: sparse encoder, learned stand-ins at hidden sites, light decoder.

    SparK normalises each patch of the target and hides the same patches of all channels.  The latter holds here; the
    target is not normalised by patch, so that the loss is that of SSLPDL's pre-training.

    Parameters
    ----------
    config : SparKConfig
        Architecture.
    encoder : ResNet, optional
        An encoder to share; a new one by default.
    """

    def __init__(self, config: SparKConfig, encoder: ResNet | None = None) -> None:
        super().__init__()
        self.config: SparKConfig = config
        self.encoder = ResNet(config.channels, config.widths, config.depths) if encoder is None else encoder
        coarse_first = config.widths[::-1]
        # 1/32 of the resolution has `reconstruction_width` channels, full resolution 1/32 of them
        widths = [config.reconstruction_width >> level for level in range(6)]
        self.densify = nn.ModuleList(
            Densify(inputs, outputs, kernel=1 if level == 0 else 3)
            for level, (inputs, outputs) in enumerate(zip(coarse_first, widths, strict=False))
        )
        self.enlarge = nn.ModuleList(_enlarge(inputs, outputs) for inputs, outputs in itertools.pairwise(widths))
        self.project = nn.Conv2d(widths[-1], config.channels, 1)

    @property
    def pretrained_part(self) -> ResNet:
        """The encoder."""
        return self.encoder

    def forward(
        self, x: Tensor, *, mask_ratio: float | None = None, generator: torch.Generator | None = None
    ) -> Reconstructed:
        """Return the reconstruction and what was hidden; see `Reconstructor.forward`."""
        padded = self.config.prepare(x)
        ratio = self.config.pretraining_mask_ratio if mask_ratio is None else mask_ratio
        visible = self.draw_visible(padded, ratio, generator=generator)
        levels = self.encoder(padded, visible)[::-1]
        y = self.densify[0](levels[0], visible)
        for number, enlarge in enumerate(self.enlarge):
            y = enlarge(y if number in (0, len(levels)) else y + self.densify[number](levels[number], visible))
        H, W = x.shape[2:]
        hidden = ~at_resolution(visible, padded).expand_as(padded)
        return Reconstructed(self.project(y)[..., :H, :W], hidden[..., :H, :W])

    def draw_visible(self, padded: Tensor, ratio: float, *, generator: torch.Generator | None = None) -> Tensor:
        """Return a random mask of visible patches (B, 1, rows, columns); at least one is visible.

        Raises
        ------
        ModelError
            If there is but one patch, and so nothing to hide.
        """
        rows, columns = padded.shape[2] // STRIDE, padded.shape[3] // STRIDE
        patches = rows * columns
        if patches < 2 and ratio > 0.0:
            raise ModelError(
                f"a grid of one patch of {STRIDE} by {STRIDE} cells has nothing to hide; pre-train on a larger grid."
            )
        device = padded.device if generator is None else generator.device
        # int(N (1 - ratio)) patches stay
        most = max(0.0, 1.0 - 1.5 / patches)
        hidden = random_mask(len(padded), patches, min(ratio, most), generator=generator, device=device)
        return ~hidden.reshape(-1, 1, rows, columns).to(padded.device)


class Densify(nn.Module):
    """From a sparse map to a dense one of the decoder's width, with a learned vector where nothing was visible."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int) -> None:
        super().__init__()
        self.norm = SparseNorm(inputs)
        self.stand_in = nn.Parameter(torch.zeros(inputs))
        self.convolve = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        nn.init.trunc_normal_(self.stand_in, std=0.02, a=-0.02, b=0.02)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        filled = torch.where(at_resolution(visible, x), self.norm(x, visible), self.stand_in[:, None, None])
        result: Tensor = self.convolve(filled)
        return result


def _enlarge(inputs: int, outputs: int) -> nn.Sequential:
    """Return a step of the decoder: twice the resolution, then two normalised 3x3 convolutions."""
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, inputs, 4, stride=2, padding=1),
        nn.Conv2d(inputs, inputs, 3, padding=1, bias=False),
        BatchNorm2d(inputs),
        nn.ReLU6(),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        BatchNorm2d(outputs),
    )
