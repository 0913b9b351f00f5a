"""The two stages from archive to model folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sslpdl import __version__, models
from sslpdl.errors import ConfigError, ModelError
from sslpdl.models import NetworkConfig, Segmenter, TrainedModel
from sslpdl.training.calibrate import calibrate
from sslpdl.training.config import FinetuneConfig, PretrainConfig
from sslpdl.training.data import Endless, Oversampled, loader
from sslpdl.training.prepare import Prepared, automatic_split, prepare
from sslpdl.training.reading import load_config
from sslpdl.training.workshop import Workshop
from sslpdl.twin import warn_of_another_version

if TYPE_CHECKING:
    from sslpdl.training.modules import Finetuning, Pretraining

__all__ = ["finetune", "pretrain"]

Source = str | os.PathLike[str]


def pretrain(
    archive: Source,
    *,
    config: PretrainConfig | Source | None = None,
    out: Source,
    resume: bool = True,
    progress: bool = True,
    watch: Callable[[Any], None] | None = None,
) -> Path:
    """Train a network to reconstruct hidden parts of NWP fields, and write it as a model folder.

    Parameters
    ----------
    archive : path
        An SSLPDL archive; observations are not needed.
    config : PretrainConfig or path, optional
        Settings, or a YAML file with a section ``pretrain``; a short training of the ``tiny`` preset by default.
    out : path
        Model folder to write.  Checkpoints and TensorBoard logs lie beside it in ``OUT.training``.
    resume : bool
        Go on with an interrupted training of the same settings, and leave a finished one as it is; False starts anew.
    progress : bool
        Show a progress bar.
    watch : callable, optional
        Called after each epoch with the Lightning module, whose ``curves`` and ``network`` show how it goes.

    Returns
    -------
    Path
        The model folder: a reconstruction model whose ``metrics.json`` sets the masked error of each channel beside
        that of predicting the mean.

    Raises
    ------
    ConfigError, ArchiveError, ModelError
        If settings and archive do not fit, or `out` holds another model.
    """
    from sslpdl.training.modules import Pretraining

    settings = _settings(archive, config, PretrainConfig)
    folder = Workshop(Path(out), settings, archive, resume=resume)
    if folder.finished:
        return folder.out
    data = prepare(archive, settings.data, needs_rain=False)
    torch.manual_seed(settings.seed)
    network = models.create(_architecture(settings, data, classes=2)).pretraining()
    module = Pretraining(network, settings, steps=_steps(settings, data))
    outcome = _train(module, data, folder, progress=progress, description="Pre-training", watch=watch)
    skill = module.skill()
    trained = TrainedModel(
        network=network,
        metrics=outcome | {"validation": dict(zip(skill, map(_numbers, skill.values()), strict=True))},
        **_common(settings, data, folder),
    )
    return folder.finish(trained)


def finetune(
    archive: Source,
    *,
    config: FinetuneConfig | Source | None = None,
    out: Source,
    pretrained: Source | None = None,
    resume: bool = True,
    progress: bool = True,
    watch: Callable[[Any], None] | None = None,
) -> Path:
    """Train a network to forecast rain classes, calibrate it, choose its decision thresholds, and write it.

    Calibration and p* are fitted on the validation split; where there is none, on the training split, and
    ``metrics.json`` says so.

    Parameters
    ----------
    archive : path
        An SSLPDL archive with observed rain.
    config : FinetuneConfig or path, optional
        Settings, or a YAML file with a section ``finetune``; a short training of the ``tiny`` preset by default.
    out : path
        Model folder to write.  Checkpoints and TensorBoard logs lie beside it in ``OUT.training``.
    pretrained : path, optional
        Folder that `pretrain` wrote; its encoder and statistics are taken over.  Fresh weights by default.
    resume : bool
        Go on with an interrupted training of the same settings, and leave a finished one as it is; False starts anew.
    progress : bool
        Show a progress bar.
    watch : callable, optional
        Called after each epoch with the Lightning module, whose ``curves`` and ``network`` show how it goes.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ConfigError, ArchiveError, ModelError
        If settings, archive and pre-trained model do not fit, or `out` holds another model.
    """
    from sslpdl.training.modules import Finetuning

    settings = _settings(archive, config, FinetuneConfig)
    folder = Workshop(Path(out), settings, archive, pretrained, resume=resume)
    if folder.finished:
        return folder.out
    start = None if pretrained is None else models.load(pretrained)
    data = prepare(archive, settings.data, needs_rain=True, known=start.statistics if start else None)
    torch.manual_seed(settings.seed)
    network = models.create(_architecture(settings, data, classes=len(settings.thresholds) + 1))
    if start is not None:
        _take_over(network, start, settings, data)
    module = Finetuning(network, settings, steps=_steps(settings, data))
    outcome = _train(module, data, folder, progress=progress, description="Fine-tuning", watch=watch)
    fitted_on = "validation" if len(data.validation) else "training (there is no validation split)"
    calibration, decision, report = calibrate(module, data.validation if len(data.validation) else data.training)
    trained = TrainedModel(
        network=network,
        thresholds=settings.thresholds,
        class_weights=settings.class_weights,
        calibration=calibration,
        decision=decision,
        metrics=outcome | report | {"fitted_on": fitted_on, "pretrained": start is not None},
        **_common(settings, data, folder),
    )
    return folder.finish(trained)


def _settings(archive: Source, config: Any, kind: type[Any]) -> Any:
    if config is None:
        return kind(data=automatic_split(archive))
    if isinstance(config, kind):
        return config
    experiment = load_config(config)
    settings = experiment.finetune if kind is FinetuneConfig else experiment.pretrain
    if settings is None:
        raise ConfigError(f"{config} has no section pretrain; add one, or fine-tune from fresh weights.")
    return settings


def _architecture(settings: PretrainConfig | FinetuneConfig, data: Prepared, *, classes: int) -> NetworkConfig:
    return models.architecture(
        {**settings.model, "channels": len(data.channels), "classes": classes, "shape": data.training.shape}
    )


def _take_over(network: Segmenter, start: TrainedModel, settings: FinetuneConfig, data: Prepared) -> None:
    """Copy the pre-trained part, refusing one that does not fit."""
    warn_of_another_version(start.provenance.get("archive", {}), data.source["twin_version"])
    own, other = network.pretrained_part, start.network.pretrained_part
    if own is None or other is None:
        raise ModelError(f"the network {network.config.network} takes over no pre-trained part; leave it out.")
    if start.log_rain != settings.data.log_rain or not np.isclose(start.rain_window, data.rain_window):
        raise ModelError(
            f"the pre-trained model has log_rain {start.log_rain} and a rain window of {start.rain_window:g} h, "
            f"fine-tuning {settings.data.log_rain} and {data.rain_window:g} h; make them equal."
        )
    try:
        own.load_state_dict(other.state_dict())
    except RuntimeError as error:
        raise ModelError(
            "the pre-trained encoder has another architecture or grid than the model settings; use the same section "
            "model for both stages."
        ) from error


def _steps_per_epoch(settings: PretrainConfig | FinetuneConfig, data: Prepared) -> int:
    return settings.steps_per_epoch or -(-len(data.training) // settings.batch_size)


def _steps(settings: PretrainConfig | FinetuneConfig, data: Prepared) -> int:
    return settings.epochs * _steps_per_epoch(settings, data)


def _train(
    module: Pretraining | Finetuning,
    data: Prepared,
    folder: Workshop,
    *,
    progress: bool,
    description: str,
    watch: Callable[[Any], None] | None,
) -> dict[str, Any]:
    from sslpdl.training.loop import fit

    settings = module.config
    module.watch = watch
    folder.open()
    draws = _steps_per_epoch(settings, data) * settings.batch_size
    draw = Endless(len(data.training), draws, seed=settings.seed)
    order: Endless | Oversampled = draw
    if isinstance(settings, FinetuneConfig) and settings.wet_share:
        order = Oversampled(draw, data.training.wettest(), share=settings.wet_share)
    outcome = fit(
        module,
        loader(data.training, settings.data, batch_size=settings.batch_size, sampler=order),
        loader(data.validation, settings.data, batch_size=settings.batch_size) if len(data.validation) else None,
        folder=folder.workshop,
        progress=progress,
        description=description,
    )
    return {
        "stage": folder.settings["stage"],
        "seed": settings.seed,
        "seconds": round(module.spent, 1),
        "sample_passes": outcome["steps"] * settings.batch_size,
        "split": data.summary(settings.data),
        "outcome": outcome,
        "curves": {name: _numbers(values) for name, values in module.curves.items()},
    }


def _common(settings: PretrainConfig | FinetuneConfig, data: Prepared, folder: Workshop) -> dict[str, Any]:
    return {
        "channels": data.channels,
        "statistics": data.statistics,
        "rain_window": data.rain_window,
        "log_rain": settings.data.log_rain,
        "grid": data.grid,
        "provenance": {
            "key": folder.key,
            "sslpdl_version": __version__,
            "torch_version": str(torch.__version__),
            "archive": data.source,
            **{name: folder.settings[name] for name in ("stage", "config")},
        },
    }


def _numbers(values: list[float]) -> list[float | None]:
    """Return numbers that JSON can hold."""
    return [float(value) if np.isfinite(value) else None for value in values]
