"""The network of SSLPDL: patch masking, InternImage encoder, UPerNet decoder; building, storing and using it."""

from __future__ import annotations

from sslpdl.models.calibration import Calibration, deweight
from sslpdl.models.config import PRESETS, ModelConfig, preset
from sslpdl.models.network import SSLPDL, Reconstructed, Reconstruction, build
from sslpdl.models.storage import WEIGHTS, load, save
from sslpdl.models.trained import TrainedModel

__all__ = [
    "PRESETS",
    "SSLPDL",
    "WEIGHTS",
    "Calibration",
    "ModelConfig",
    "Reconstructed",
    "Reconstruction",
    "TrainedModel",
    "build",
    "deweight",
    "load",
    "preset",
    "save",
]
