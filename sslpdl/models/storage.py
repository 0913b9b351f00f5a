"""Model folders: weights as safetensors, the rest as YAML and JSON, written whole or not at all; never a pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from sslpdl.errors import ConfigError, ModelError, SslpdlError
from sslpdl.files import atomic_directory, explain_os_error, sha256, write_json_atomic, write_text_atomic
from sslpdl.models.base import Reconstructor, Segmenter
from sslpdl.models.calibration import Calibration
from sslpdl.models.config import nearest
from sslpdl.models.registry import architecture, create, describe
from sslpdl.models.trained import TrainedModel

__all__ = ["FORMAT_VERSION", "WEIGHTS", "load", "save"]

FORMAT_VERSION = 1

WEIGHTS, CONFIG, STATISTICS, METRICS = "model.safetensors", "config.yaml", "statistics.json", "metrics.json"
_KEYS = (
    "format_version",
    "kind",
    "model",
    "channels",
    "thresholds",
    "rain_window",
    "log_rain",
    "grid",
    "class_weights",
    "calibration",
    "decision",
    "provenance",
    "sha256",
)


def save(folder: str | os.PathLike[str], trained: TrainedModel, *, half: bool = False, overwrite: bool = False) -> Path:
    """Write a model folder.

    Parameters
    ----------
    folder : path
        Where to write.
    trained : TrainedModel
        What to write.
    half : bool
        Store the weights as float16 (half the size; probabilities change by about 0.001).
    overwrite : bool
        Whether a model that is there already is replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If the folder exists and `overwrite` is False, or cannot be written.
    """
    from safetensors.torch import save as to_bytes

    target = Path(folder)
    weights = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in trained.network.state_dict().items()
    }
    try:
        with atomic_directory(target, overwrite=overwrite) as work:
            # not save_file, which makes files that nobody else may read
            (work / WEIGHTS).write_bytes(to_bytes(weights))
            write_json_atomic(work / STATISTICS, json.loads(trained.statistics.to_json()))
            write_json_atomic(work / METRICS, dict(trained.metrics))
            prints = {name: sha256(work / name) for name in (WEIGHTS, STATISTICS)}
            text = yaml.safe_dump({**_describe(trained), "sha256": prints}, sort_keys=False, allow_unicode=True)
            write_text_atomic(work / CONFIG, text)
    except OSError as error:
        raise ModelError(f"the model cannot be written: {explain_os_error(error, target)}.") from error
    except SslpdlError as error:
        raise ModelError(str(error)) from error
    return target


def load(folder: str | os.PathLike[str]) -> TrainedModel:
    """Read a model folder.

    Parameters
    ----------
    folder : path
        What `save` wrote.

    Returns
    -------
    TrainedModel
        With its network in evaluation mode on the CPU.

    Raises
    ------
    ModelError
        If a file is missing or damaged, a setting is unknown, or the format is newer than this package.
    """
    from sslpdl.archive import Statistics

    path = Path(folder)
    for name in (CONFIG, WEIGHTS, STATISTICS, METRICS):
        if not (path / name).is_file():
            raise ModelError(f"{path} is no model folder: {name} is missing; train a model or give another folder.")
    config = _read_config(path / CONFIG)
    for name, expected in config["sha256"].items():
        if name not in (WEIGHTS, STATISTICS) or sha256(path / name) != expected:
            raise ModelError(f"{path / name} is damaged (its SHA-256 is not the recorded one); copy the model again.")
    try:
        network = _network(config)
        network.load_state_dict(_read_weights(path / WEIGHTS))
        return TrainedModel(
            network=network,
            channels=tuple(str(name) for name in config["channels"]),
            statistics=Statistics.from_json((path / STATISTICS).read_text(encoding="utf-8")),
            rain_window=float(config["rain_window"]),
            log_rain=bool(config["log_rain"]),
            thresholds=tuple(float(value) for value in config["thresholds"]),
            grid=str(config["grid"]),
            class_weights=tuple(float(value) for value in config["class_weights"]),
            calibration=Calibration.from_dict(config["calibration"]),
            decision={float(threshold): float(p) for threshold, p in config["decision"].items()},
            metrics=json.loads((path / METRICS).read_text(encoding="utf-8")),
            provenance=config["provenance"],
        )
    except ConfigError as error:
        raise ModelError(f"{path / CONFIG}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        detail = str(error).splitlines()[0]
        raise ModelError(f"{path} is damaged or was edited wrongly ({detail}); copy the model again.") from error


def _describe(trained: TrainedModel) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "kind": trained.kind,
        "model": describe(trained.config),
        "channels": list(trained.channels),
        "thresholds": [float(value) for value in trained.thresholds],
        "rain_window": float(trained.rain_window),
        "log_rain": bool(trained.log_rain),
        "grid": trained.grid,
        "class_weights": [float(value) for value in trained.class_weights],
        "calibration": trained.calibration.to_dict(),
        "decision": {f"{threshold:g}": float(p) for threshold, p in trained.decision.items()},
        "provenance": dict(trained.provenance),
    }


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not readable as YAML; copy the model again.") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no settings; copy the model again.")
    if int(config.get("format_version", 0)) > FORMAT_VERSION:
        raise ModelError(
            f"{path} has format {config['format_version']}, newer than {FORMAT_VERSION}; update SSLPDL to read it."
        )
    for key in config:
        if key not in _KEYS:
            raise ModelError(f"{path}: setting {key!r} is unknown{nearest(str(key), _KEYS)}.")
    missing = [key for key in _KEYS if key not in config]
    if missing:
        raise ModelError(f"{path} lacks {', '.join(missing)}; copy the model again.")
    return config


def _network(config: Mapping[str, Any]) -> Segmenter | Reconstructor:
    network = create(architecture(config["model"]))
    if config["kind"] not in ("segmentation", "reconstruction"):
        raise ModelError(f"model kind {config['kind']!r} is unknown, give segmentation or reconstruction.")
    return network if config["kind"] == "segmentation" else network.pretraining()


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}); copy the model again.") from error
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in weights.items()}
