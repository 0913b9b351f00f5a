"""Choosing the learning rate of a row among candidates, by short trainings and the validation score."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from sslpdl import models
from sslpdl.errors import ConfigError
from sslpdl.files import write_json_atomic
from sslpdl.training.archives import content_key
from sslpdl.training.config import FinetuneConfig
from sslpdl.training.losses import DivergedError
from sslpdl.training.rows import Row
from sslpdl.training.stages import finetune

__all__ = ["choose_learning_rate", "with_learning_rate"]


def choose_learning_rate(
    row: Row, archive: Path, place: Path, pretrained: Path | None, *, progress: bool
) -> tuple[float, float]:
    """Return the candidate with the best validation score after a short training, and the seconds of the search.

    The search runs once, with the first seed; its rate then serves all seeds.

    Parameters
    ----------
    row : Row
        What to train, with its candidates; a single one, or none, is taken as it is.
    archive, pretrained : Path
        What it starts from.
    place : Path
        Folder of the row.  ``learning_rates.json`` keeps scores and loss curves; the trainings themselves go.
    progress : bool
        Show progress bars.

    Raises
    ------
    ConfigError
        If the training diverged at every rate.
    """
    stage = row.experiment(row.seeds[0]).finetune
    if len(row.learning_rates) < 2:
        return (row.learning_rates or (stage.learning_rate,))[0], 0.0
    record, key = place / "learning_rates.json", content_key(row.describe(row.seeds[0]))
    if not record.exists() or json.loads(record.read_text(encoding="utf-8"))["key"] != key:
        tried = {rate: _try(row, rate, archive, place, pretrained, progress=progress) for rate in row.learning_rates}
        reached = {rate: trial["score"] for rate, trial in tried.items() if trial is not None}
        if not reached:
            raise ConfigError(f"row {row.name}: the training diverged at each learning rate; give smaller ones.")
        found = {
            "key": key,
            "chosen": max(reached, key=reached.__getitem__),
            "seconds": round(sum(trial["seconds"] for trial in tried.values() if trial is not None), 1),
            "tried": {f"{rate:g}": trial for rate, trial in tried.items()},
        }
        write_json_atomic(record, found)
    shutil.rmtree(place / "search", ignore_errors=True)
    chosen = json.loads(record.read_text(encoding="utf-8"))
    return float(chosen["chosen"]), float(chosen["seconds"])


def _try(
    row: Row, rate: float, archive: Path, place: Path, pretrained: Path | None, *, progress: bool
) -> dict[str, Any] | None:
    """Return score, seconds and curves of a short training, or None if it diverged."""
    stage = with_learning_rate(row.experiment(row.seeds[0]).finetune, rate)
    short = dataclasses.replace(
        stage, epochs=max(1, round(stage.epochs * row.search_share)), minutes=stage.minutes * row.search_share
    )
    try:
        out = place / "search" / f"{rate:g}"
        folder = finetune(archive, config=short, out=out, pretrained=pretrained, progress=progress)
    except DivergedError:
        return None
    metrics = models.load(folder).metrics
    return {"score": metrics["outcome"]["best_score"], "seconds": metrics["seconds"], "curves": metrics["curves"]}


def with_learning_rate(stage: FinetuneConfig, rate: float) -> FinetuneConfig:
    """Return fine-tuning with another rate; that of the pre-trained part keeps its proportion to it."""
    encoder = stage.encoder_learning_rate * rate / stage.learning_rate
    return dataclasses.replace(stage, learning_rate=rate, encoder_learning_rate=encoder)
