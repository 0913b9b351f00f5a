"""What every network of this package offers, so that training, storage and forecasts need not know which one it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.errors import ConfigError, ModelError
from sslpdl.models.config import NetworkConfig

__all__ = ["BatchNorm2d", "Reconstructed", "Reconstructor", "Segmenter", "clean"]


class Reconstructed(NamedTuple):
    """Result of a `Reconstructor`."""

    fields: Tensor
    """(B, C, H, W) reconstruction in scaled units."""
    hidden: Tensor
    """(B, C, H, W) bool, True where the cell was hidden from the network."""


class Segmenter(nn.Module):
    """A network of the second stage: rain-class logits (B, classes, H, W) from scaled NWP fields (B, C, H, W).

    Subclasses take NaN in the input for the mean, accept any H and W, and are deterministic in evaluation mode.
    """

    config: NetworkConfig

    @property
    def pretrained_part(self) -> nn.Module | None:
        """The part that the first stage provides; None for a network that has no first stage."""
        return None

    @property
    def head(self) -> nn.Module:
        """All other parts."""
        return self

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Return log-probabilities (B, classes, H, W) of what `forward` returned, before any calibration."""
        return output.log_softmax(dim=1)

    def pretraining(self) -> Reconstructor:
        """Return the network of the first stage, which shares the pre-trained part.

        Raises
        ------
        ConfigError
            For a network that has no first stage.
        """
        raise ConfigError(f"the network {self.config.network} has no pre-training; leave out the section pretrain.")


class Reconstructor(nn.Module):
    """A network of the first stage: all fields from those parts that were not hidden."""

    config: NetworkConfig

    @property
    def pretrained_part(self) -> nn.Module:
        """The part that the second stage takes over."""
        raise NotImplementedError

    def forward(
        self, x: Tensor, *, mask_ratio: float | None = None, generator: torch.Generator | None = None
    ) -> Reconstructed:
        """Return the reconstruction and what was hidden.

        Parameters
        ----------
        x : Tensor (B, C, H, W)
            Scaled fields; NaN counts as the mean.
        mask_ratio : float, optional
            Share to hide; the configured share by default.
        generator : torch.Generator, optional
            Source of the random mask.
        """
        raise NotImplementedError


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that uses its running statistics where a batch has one value per channel.

    That happens in a pooled 1x1 branch, or at the bottom of a U-Net on a small grid, with a batch of one, where batch
    statistics do not exist.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) normalised."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def clean(x: Tensor, channels: int) -> Tensor:
    """Return scaled fields (B, C, H, W) with missing values zeroed, which is their mean.

    Raises
    ------
    ModelError
        If the number of channels is not the configured one.
    """
    if x.ndim != 4 or x.shape[1] != channels:
        raise ModelError(
            f"the network needs fields of shape (B, {channels}, H, W), got {tuple(x.shape)}; "
            "select the model's channels first."
        )
    return torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)
