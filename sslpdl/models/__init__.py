"""Networks for rain classes: SSLPDL and what it is compared with; building, storing and using them.

SSLPDL itself is patch masking, an InternImage encoder and an UPerNet decoder; the others are in `baselines`.
"""

from __future__ import annotations

from sslpdl.models.base import Reconstructed, Reconstructor, Segmenter
from sslpdl.models.calibration import Calibration, deweight
from sslpdl.models.config import PRESETS, ModelConfig, NetworkConfig, preset
from sslpdl.models.network import SSLPDL, Reconstruction
from sslpdl.models.registry import NETWORKS, architecture, build, create, describe
from sslpdl.models.storage import WEIGHTS, load, save
from sslpdl.models.trained import TrainedModel

__all__ = [
    "NETWORKS",
    "PRESETS",
    "SSLPDL",
    "WEIGHTS",
    "Calibration",
    "ModelConfig",
    "NetworkConfig",
    "Reconstructed",
    "Reconstruction",
    "Reconstructor",
    "Segmenter",
    "TrainedModel",
    "architecture",
    "build",
    "create",
    "describe",
    "deweight",
    "load",
    "preset",
    "save",
]
