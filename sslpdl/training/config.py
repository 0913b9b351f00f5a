"""Settings of both training stages, as they stand in a YAML file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from sslpdl.errors import ConfigError
from sslpdl.labels import LabelConfig
from sslpdl.models.config import ModelConfig, nearest

__all__ = ["DataConfig", "Experiment", "FinetuneConfig", "PretrainConfig", "load_config"]

Config = TypeVar("Config")


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
    lead_time : tuple of int
        Lead times in hours, all of the archive by default.
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
    lead_time: tuple[int, ...] = ()
    log_rain: bool = True
    validation_samples: int = 1000
    cache_gib: float = 4.0
    workers: int = 0

    def __post_init__(self) -> None:
        if not self.train:
            raise ConfigError(
                "data.train is empty; name the years or ranges of runs to learn from, such as [2019, 2020]."
            )
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
        ``preset`` and overrides of `sslpdl.models.ModelConfig`; channels, classes and shape follow from the data.
    seed : int
        Start of weights, order of samples and masks.
    epochs, steps_per_epoch : int
        Validations, and optimiser steps before each; 0 steps means one pass over the samples.
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
    """

    data: DataConfig
    model: Mapping[str, Any] = field(default_factory=lambda: {"preset": "tiny"})
    seed: int = 0
    epochs: int = 10
    steps_per_epoch: int = 0
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.05
    clip: float = 1.0
    patience: int = 0
    accelerator: str = "auto"

    def __post_init__(self) -> None:
        for name in ("channels", "classes", "shape"):
            if name in self.model:
                raise ConfigError(f"model.{name} follows from the archive and the thresholds; leave it out.")
        ModelConfig.from_dict(self.model)
        _check_positive(self, "epochs", "batch_size", "learning_rate")
        _check_positive(self, "steps_per_epoch", "weight_decay", "clip", "patience", zero=True)
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
    encoder_learning_rate : float
        Rate of the pre-trained part; 0 keeps it fixed.
    monitor : {"csi", "loss"}
        Score by which the best state is kept: mean over thresholds of the best CSI, or the negative log-likelihood.
    calibration : {"vector", "temperature", "identity"}
        What is fitted on the validation split at the end.
    """

    thresholds: tuple[float, ...] = (0.1, 10.0)
    label: LabelConfig = field(default_factory=LabelConfig)
    class_weights: tuple[float, ...] = ()
    loss_normaliser: Literal["count", "weight"] = "count"
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
        _check_positive(self, "encoder_learning_rate", zero=True)


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
        twin archive to make.
    """

    finetune: FinetuneConfig
    pretrain: PretrainConfig | None = None
    archive: Mapping[str, Any] = field(default_factory=dict)
    test: Mapping[str, Any] = field(default_factory=dict)


def load_config(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment from YAML.

    Parameters
    ----------
    path : path
        File with the sections ``data``, ``model``, ``finetune`` and optionally ``pretrain``, ``archive``, ``test`` and
        ``seed``.  Keys of ``data``, ``model`` and ``seed`` hold for both stages; a stage may override them.

    Raises
    ------
    ConfigError
        If the file cannot be read, or holds an unknown key or an impossible value; the nearest known key is named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the configuration {path} cannot be read: {reason}.") from error
    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds no settings; it needs the sections data, model and finetune.")
    try:
        return _experiment(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _experiment(settings: Mapping[str, Any]) -> Experiment:
    _refuse_unknown(settings, ("archive", "data", "finetune", "model", "pretrain", "seed", "test"), "section")
    stages: dict[str, Any] = {}
    for name, kind in (("pretrain", PretrainConfig), ("finetune", FinetuneConfig)):
        own = settings.get(name)
        if own is None and name == "pretrain":
            continue
        stage = dict(own or {})
        stage["data"] = from_mapping(
            DataConfig, {**settings.get("data", {}), **stage.pop("data", {})}, where="data setting"
        )
        stage["model"] = {**settings.get("model", {"preset": "tiny"}), **stage.pop("model", {})}
        if "label" in stage:
            stage["label"] = from_mapping(LabelConfig, stage["label"], where="label setting")
        stages[name] = from_mapping(kind, {"seed": settings.get("seed", 0), **stage}, where=f"{name} setting")
    archives: dict[str, Any] = {name: dict(settings.get(name) or {}) for name in ("archive", "test")}
    return Experiment(**stages, **archives)


def from_mapping(kind: type[Config], values: Mapping[str, Any], *, where: str) -> Config:
    """Return a configuration of a mapping, lists as tuples; unknown keys raise `ConfigError`."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}s must be a mapping of names to values, got {values!r}.")
    assert dataclasses.is_dataclass(kind)
    _refuse_unknown(values, tuple(item.name for item in dataclasses.fields(kind)), where)
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return kind(**plain)
    except TypeError as error:
        raise ConfigError(f"{where}s hold a value of the wrong type: {error}.") from error


def to_mapping(config: Any) -> dict[str, Any]:
    """Return a configuration as plain dictionaries, lists and numbers."""
    return {key: _plain(value) for key, value in dataclasses.asdict(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _refuse_unknown(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(f"{where} {str(key)!r} is unknown{nearest(str(key), known)}.")


def _check_positive(config: Any, *names: str, zero: bool = False) -> None:
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int | float) or value < 0 or (value == 0 and not zero):
            raise ConfigError(f"{name} is {value!r}, give a number {'from 0 on' if zero else 'above 0'}.")
