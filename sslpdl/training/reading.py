"""From YAML to settings and back to plain values."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sslpdl.errors import ConfigError
from sslpdl.labels import LabelConfig
from sslpdl.models.config import nearest
from sslpdl.training.config import DataConfig, Experiment, FinetuneConfig, PretrainConfig

__all__ = ["experiment_of", "from_mapping", "load_config", "read_yaml", "refuse_unknown", "to_mapping"]

Config = TypeVar("Config")


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
    settings = read_yaml(path)
    try:
        return experiment_of(settings)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a YAML file.

    Raises
    ------
    ConfigError
        If it cannot be read or holds no mapping.
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
    return settings


def experiment_of(settings: Mapping[str, Any]) -> Experiment:
    """Return the experiment that a mapping of sections describes; see `load_config`."""
    refuse_unknown(settings, ("archive", "data", "finetune", "model", "pretrain", "seed", "test"), "section")
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
    refuse_unknown(values, tuple(item.name for item in dataclasses.fields(kind)), where)
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


def refuse_unknown(values: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise `ConfigError` for the first key that is not known, naming the nearest one that is."""
    for key in values:
        if key not in known:
            raise ConfigError(f"{where} {str(key)!r} is unknown{nearest(str(key), known)}.")
