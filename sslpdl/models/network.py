"""The two networks of SSLPDL: reconstruction of hidden tokens and segmentation into rain classes, with one encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.base import Reconstructed, Reconstructor, Segmenter, clean
from sslpdl.models.config import ModelConfig
from sslpdl.models.embedding import PatchEmbedding, pad, random_mask
from sslpdl.models.internimage import InternImage
from sslpdl.models.upernet import UPerNet

__all__ = ["SSLPDL", "Encoder", "Reconstruction"]


class Encoder(nn.Module):
    """Patch embedding with masking, then InternImage.

    Parameters
    ----------
    config : ModelConfig
        Architecture.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = PatchEmbedding(config)
        self.backbone = InternImage(config)

    def prepare(self, x: Tensor) -> Tensor:
        """Return scaled fields (B, C, H, W) with missing values zeroed, filled up to whole patches.

        Raises
        ------
        ModelError
            If the number of channels is not the configured one.
        """
        return pad(clean(x, self.config.channels), self.config.patch)

    def draw_mask(self, padded: Tensor, ratio: float, *, generator: torch.Generator | None = None) -> Tensor | None:
        """Return a random token mask (B, N) for padded fields, or None for a ratio of zero."""
        if ratio == 0.0:
            return None
        device = padded.device if generator is None else generator.device
        tokens = self.embedding.tokens(padded)
        mask = random_mask(padded.shape[0], tokens, ratio, generator=generator, device=device)
        return mask.to(padded.device)

    def forward(self, padded: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """Return features fine to coarse from padded fields (B, C, H, W) and a token mask (B, N)."""
        levels: list[Tensor] = self.backbone(self.embedding(padded, mask))
        return levels


class SSLPDL(Segmenter):
    """Rain-class logits from scaled NWP fields; the network of the second stage.

    Parameters
    ----------
    config : ModelConfig
        Architecture; see `build` for presets.
    encoder : Encoder, optional
        A pre-trained encoder to share; a new one by default.

    Examples
    --------
    >>> network = build("tiny", classes=3, shape=(32, 32)).eval()
    >>> network(torch.zeros(1, 16, 32, 32)).shape
    torch.Size([1, 3, 32, 32])
    """

    def __init__(self, config: ModelConfig, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.config: ModelConfig = config
        self.encoder = Encoder(config) if encoder is None else encoder
        self.decoder = UPerNet(config, config.classes)

    @property
    def pretrained_part(self) -> Encoder:
        """The encoder."""
        return self.encoder

    @property
    def head(self) -> UPerNet:
        """The decoder."""
        return self.decoder

    def forward(self, x: Tensor, *, mask_ratio: float | None = None) -> Tensor:
        """Return logits.

        Parameters
        ----------
        x : Tensor (B, C, H, W)
            Scaled fields; NaN counts as the mean.  Any H and W.
        mask_ratio : float, optional
            Share of tokens to hide.  By default the configured share in training mode and none otherwise, so that
            forecasts are deterministic.

        Returns
        -------
        Tensor (B, classes, H, W)
            Logits for the loss; with ``stage2_head="double_softmax"`` probabilities in their place, as released.
        """
        if mask_ratio is None:
            mask_ratio = self.config.finetuning_mask_ratio if self.training else 0.0
        padded = self.encoder.prepare(x)
        coarse = self.decoder(self.encoder(padded, self.encoder.draw_mask(padded, mask_ratio)))
        logits = F.interpolate(coarse, padded.shape[-2:], mode="bilinear", align_corners=False)
        logits = logits[..., : x.shape[-2], : x.shape[-1]]
        return logits.softmax(dim=1) if self.config.stage2_head == "double_softmax" else logits

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Return log-probabilities (B, classes, H, W) of what `forward` returned, before any calibration."""
        if self.config.stage2_head == "double_softmax":
            return output.clamp_min(torch.finfo(output.dtype).tiny).log()
        return super().log_probabilities(output)

    def pretraining(self) -> Reconstruction:
        """Return the reconstruction network of the first stage, sharing this encoder and its weights."""
        return Reconstruction(self.config, self.encoder)


class Reconstruction(Reconstructor):
    """All fields from those tokens that were not hidden; the network of the first stage.

    Parameters
    ----------
    config : ModelConfig
        Architecture.
    encoder : Encoder, optional
        An encoder to share; a new one by default.
    """

    def __init__(self, config: ModelConfig, encoder: Encoder | None = None) -> None:
        super().__init__()
        channels = config.padded_channels
        self.config: ModelConfig = config
        self.encoder = Encoder(config) if encoder is None else encoder
        self.decoder = UPerNet(config, channels)
        self.refine = nn.Conv2d(channels, channels, 3, padding=1)

    @property
    def pretrained_part(self) -> Encoder:
        """The encoder."""
        return self.encoder

    def forward(
        self,
        x: Tensor,
        *,
        mask_ratio: float | None = None,
        generator: torch.Generator | None = None,
        mask: Tensor | None = None,
    ) -> Reconstructed:
        """Return the reconstruction and what was hidden; see `Reconstructor.forward`.

        A `mask` (B, N) of the tokens to hide may be given in place of a random one.
        """
        padded = self.encoder.prepare(x)
        if mask is None:
            ratio = self.config.pretraining_mask_ratio if mask_ratio is None else mask_ratio
            mask = self.encoder.draw_mask(padded, ratio, generator=generator)
        coarse = self.decoder(self.encoder(padded, mask))
        if self.config.recon_head == "logsoftmax":
            coarse = coarse.log_softmax(dim=1)
        fields = self.refine(F.interpolate(coarse, padded.shape[-2:], mode="bilinear", align_corners=False))
        hidden = torch.zeros_like(padded, dtype=torch.bool)
        if mask is not None:
            hidden = self.encoder.embedding.cells(mask, padded)
        _, C, H, W = x.shape
        return Reconstructed(fields[:, :C, :H, :W], hidden[:, :C, :H, :W])
