"""Pixel-wise multinomial logistic regression: what the fields of one cell know about its rain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from sslpdl.models.base import Segmenter, clean
from sslpdl.models.config import NetworkConfig

__all__ = ["Logistic", "LogisticConfig"]


@dataclass(frozen=True)
class LogisticConfig(NetworkConfig):
    """Settings of `Logistic`: those that all networks have."""

    network: ClassVar[str] = "logistic"


class Logistic(Segmenter):
    """One 1x1 convolution from fields to logits, the floor that every network with context must beat.

    Parameters
    ----------
    config : LogisticConfig
        Architecture.
    """

    def __init__(self, config: LogisticConfig) -> None:
        super().__init__()
        self.config: LogisticConfig = config
        self.classify = nn.Conv2d(config.channels, config.classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, H, W) from scaled fields (B, channels, H, W)."""
        logits: Tensor = self.classify(clean(x, self.config.channels))
        return logits
