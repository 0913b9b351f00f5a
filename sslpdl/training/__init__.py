"""Training in two stages: masked pre-training and fine-tuning to rain classes, from an archive to a model folder."""

from __future__ import annotations

from sslpdl.training.config import DataConfig, Experiment, FinetuneConfig, PretrainConfig
from sslpdl.training.experiment import experiment
from sslpdl.training.reading import load_config
from sslpdl.training.stages import finetune, pretrain

__all__ = [
    "DataConfig",
    "Experiment",
    "FinetuneConfig",
    "PretrainConfig",
    "experiment",
    "finetune",
    "load_config",
    "pretrain",
]
