"""What SSLPDL is compared with: networks of the literature, each from its published definition, and quantile mapping.

The networks go through the same training, storage and verification as SSLPDL; only the network differs.
"""

from __future__ import annotations

from sslpdl.models.baselines.convlstm import ConvLSTM, ConvLSTMConfig
from sslpdl.models.baselines.logistic import Logistic, LogisticConfig
from sslpdl.models.baselines.metnet import MetNet, MetNetConfig
from sslpdl.models.baselines.quantile_mapping import QuantileMapping
from sslpdl.models.baselines.smaat_unet import SmaAtUNet, SmaAtUNetConfig
from sslpdl.models.baselines.spark import SparK, SparKConfig
from sslpdl.models.baselines.unet import UNet, UNetConfig

__all__ = [
    "ConvLSTM",
    "ConvLSTMConfig",
    "Logistic",
    "LogisticConfig",
    "MetNet",
    "MetNetConfig",
    "QuantileMapping",
    "SmaAtUNet",
    "SmaAtUNetConfig",
    "SparK",
    "SparKConfig",
    "UNet",
    "UNetConfig",
]
