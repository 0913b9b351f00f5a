"""Settings of both training stages, with the checks that a value must pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sslpdl.errors import ConfigError
from sslpdl.labels import LabelConfig
from sslpdl.models.registry import architecture

__all__ = ["DataConfig", "Experiment", "FinetuneConfig", "PretrainConfig", "check_box"]


@dataclass(frozen=True)
class DataConfig:
    """Which part of an archive is used, and how it reaches the network.

    Parameters
    ----------
    train, validation : tuple of int or str
        Runs by their initial time: a year (2019), a month ("2019-07"), a day, an hour ("2019-07-03T12"), or a range of
        these with both ends included ("2019-06-01/2019-07-15").
    channels : tuple of str
        Fields to use, all of the archive by default.
    without : tuple of str
        Fields to leave out of these.
    lead_time : tuple of int
        Lead times in hours, all of the archive by default.
    region : tuple of float
        West, south, east and north end in degrees of the part whose rain is learned from and validated with, inside
        the verification mask; all of the mask by default.  The fields of the whole grid are seen all the same.
    log_rain : bool
        Let rain enter by log(1 + mm).
    validation_samples : int
        At most so many samples, evenly spread, are used to validate.
    cache_gib : float
        Memory for samples already read, in GiB; only without worker processes.
    workers : int
        Processes that read ahead; 0 reads in the main process.
    """

    train: tuple[int | str, ...] = ()
    validation: tuple[int | str, ...] = ()
    channels: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    lead_time: tuple[int, ...] = ()
    region: tuple[float, ...] = ()
    log_rain: bool = True
    validation_samples: int = 1000
    cache_gib: float = 4.0
    workers: int = 0

    def __post_init__(self) -> None:
        if not self.train:
            raise ConfigError(
                "data.train is empty; name the years or ranges of runs to learn from, such as [2019, 2020]."
            )
        if self.region:
            check_box(self.region, name="data.region")
        _check_positive(self, "validation_samples")
        _check_positive(self, "cache_gib", "workers", zero=True)


@dataclass(frozen=True)
class _StageConfig:
    """What both stages share.

    Parameters
    ----------
    data : DataConfig
        Split and input.
    model : mapping
        ``network`` and its settings, see `sslpdl.models.architecture`; for SSLPDL, the default, ``preset`` and
        overrides of `sslpdl.models.ModelConfig`.  Channels, classes and shape follow from the data.
    seed : int
        Start of weights, order of samples and masks.
    epochs, steps_per_epoch : int
        Validations, and optimiser steps before each; 0 steps means one pass over the samples.
    minutes : float
        Stop at the end of the epoch in which so much time is up; 0 sets no such limit.  The learning rate follows the
        time then, where that is ahead of the steps, so that it ends near zero.  How far a training gets, and so its
        result, depends on the machine.
    batch_size : int
        Samples per step.
    learning_rate, weight_decay, betas
        AdamW; matrices alone decay.
    warmup : float
        Share of all steps over which the rate rises from zero; then it falls to zero by a cosine.
    clip : float
        Largest norm of the gradient; 0 does not clip.
    patience : int
        Stop after so many validations without a better score; 0 never does.
    accelerator : str
        Device of the Lightning trainer: ``"cpu"``, ``"gpu"`` or ``"auto"``.
    precision : {"float32", "bfloat16"}
        Arithmetic of the network while it trains; weights, losses and the model stay float32.  ``"bfloat16"``
        (PyTorch's autocast) is faster where the processor has matrix units for it: GPUs, and CPUs with AMX.
    """

    data: DataConfig
    model: Mapping[str, Any] = field(default_factory=lambda: {"preset": "tiny"})
    seed: int = 0
    epochs: int = 10
    steps_per_epoch: int = 0
    minutes: float = 0.0
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.05
    clip: float = 1.0
    patience: int = 0
    accelerator: str = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("channels", "classes", "shape"):
            if name in self.model:
                raise ConfigError(f"model.{name} follows from the archive and the thresholds; leave it out.")
        architecture(self.model)
        _check_positive(self, "epochs", "batch_size", "learning_rate")
        _check_positive(self, "steps_per_epoch", "minutes", "weight_decay", "clip", "patience", zero=True)
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"precision is {self.precision!r}, give one of float32, bfloat16.")
        if not 0.0 <= self.warmup < 1.0:
            raise ConfigError(f"warmup is {self.warmup}, give a share of all steps in [0, 1).")


@dataclass(frozen=True)
class PretrainConfig(_StageConfig):
    """Settings of masked pre-training; see `_StageConfig` for those that both stages share."""


@dataclass(frozen=True)
class FinetuneConfig(_StageConfig):
    """Settings of fine-tuning.

    Parameters
    ----------
    thresholds : tuple of float
        Lower bounds of the rain classes but the first, mm per window.
    label : LabelConfig
        One-hot, probabilistic density or mixed labels.
    class_weights : tuple of float
        Weight of each class in the loss; all one by default.
    loss_normaliser : {"count", "weight"}
        Divide the loss by the number of cells, or by the sum of their weights.
    focal_gamma : float
        Exponent of the focal loss, which turns to cells that are not learned yet; 0 is the cross-entropy.
    wet_share : float
        Share of the draws that come from the wettest tenth of the training samples (by mean rain); 0 draws all samples
        alike.
    encoder_learning_rate : float
        Rate of the part that pre-training provides; 0 keeps it fixed.
    monitor : {"csi", "loss"}
        Score by which the best state is kept: mean over thresholds of the best CSI, or the negative log-likelihood.
    calibration : {"vector", "temperature", "identity"}
        What is fitted on the validation split at the end.
    """

    thresholds: tuple[float, ...] = (0.1, 10.0)
    label: LabelConfig = field(default_factory=LabelConfig)
    class_weights: tuple[float, ...] = ()
    loss_normaliser: Literal["count", "weight"] = "count"
    focal_gamma: float = 0.0
    wet_share: float = 0.0
    encoder_learning_rate: float = 5e-4
    monitor: Literal["csi", "loss"] = "csi"
    calibration: Literal["vector", "temperature", "identity"] = "vector"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.thresholds or any(b <= a for a, b in zip((0.0, *self.thresholds), self.thresholds, strict=False)):
            raise ConfigError(f"finetune.thresholds are {self.thresholds}, give positive increasing numbers in mm.")
        if self.class_weights and (
            len(self.class_weights) != len(self.thresholds) + 1 or min(self.class_weights) <= 0.0
        ):
            raise ConfigError(
                f"finetune.class_weights are {self.class_weights}, give {len(self.thresholds) + 1} positive numbers, "
                "one for each class."
            )
        for name, known in (
            ("loss_normaliser", ("count", "weight")),
            ("monitor", ("csi", "loss")),
            ("calibration", ("vector", "temperature", "identity")),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"finetune.{name} is {getattr(self, name)!r}, give one of {', '.join(known)}.")
        _check_positive(self, "encoder_learning_rate", "focal_gamma", "wet_share", zero=True)
        if self.wet_share > 1.0:
            raise ConfigError(f"finetune.wet_share is {self.wet_share}, give a share of the draws from 0 to 1.")


@dataclass(frozen=True)
class Experiment:
    """A whole chain: the twin archive to make, if any, and both stages.

    Parameters
    ----------
    pretrain : PretrainConfig or None
        First stage; None starts the second from fresh weights.
    finetune : FinetuneConfig
        Second stage.
    archive, test : mapping
        Archives to train on and to verify with: the ``path`` of one that exists (for the test with ``periods`` of runs,
        as in `DataConfig`), or ``runs`` (a mapping of periods to hours between runs), ``lead_time`` and ``seed`` of a
        twin archive to make.  In a table, ``regions`` of the test (names of boxes: west, south, east, north in degrees)
        are verified besides the standard ones.
    """

    finetune: FinetuneConfig
    pretrain: PretrainConfig | None = None
    archive: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, Any] = field(default_factory=dict)


def _check_positive(config: Any, *names: str, zero: bool = False) -> None:
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int | float) or value < 0 or (value == 0 and not zero):
            raise ConfigError(f"{name} is {value!r}, give a number {'from 0 on' if zero else 'above 0'}.")


def check_box(box: Any, *, name: str) -> None:
    """Raise `ConfigError` if a box is not west, south, east and north in degrees."""
    values = tuple(box) if isinstance(box, list | tuple) else ()
    numbers = all(isinstance(value, int | float) for value in values)
    if len(values) != 4 or not numbers or values[0] >= values[2] or values[1] >= values[3]:
        raise ConfigError(
            f"{name} is {box!r}, give west, south, east and north in degrees, such as [126, 34, 130, 37]."
        )
