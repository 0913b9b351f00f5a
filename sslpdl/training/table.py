"""Running a table of experiments row by row: shared archives and encoders, resumable, written as rows are finished."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sslpdl import models, verify
from sslpdl.archive import open_archive
from sslpdl.errors import ConfigError
from sslpdl.files import atomic_directory, write_json_atomic
from sslpdl.training.archives import (
    content_key,
    refuse_seen,
    shared_archive,
    verified_cases,
    verified_regions,
)
from sslpdl.training.config import Experiment
from sslpdl.training.quantiles import fit_quantile_mapping
from sslpdl.training.reading import refuse_unknown, to_mapping
from sslpdl.training.record import made_by
from sslpdl.training.results import RESULT, SCORES, show_table, write_table
from sslpdl.training.rows import Row, read_table, shared_pretraining
from sslpdl.training.scoring import Forecaster, counted, inference_seconds, score_table, training_climatology
from sslpdl.training.search import choose_learning_rate, with_learning_rate
from sslpdl.training.stages import finetune, pretrain

__all__ = ["run_table"]

COUNTS = "counts.npz"


def run_table(
    config: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    rows: Sequence[str] = (),
    progress: bool = True,
) -> Path:
    """Run all rows of an experiment file, and write one tidy table.

    A row that is finished is not run again, and one that was interrupted, even by a kill, goes on from its last
    checkpoint; the table grows with each finished row and seed.  Archives and pre-trained encoders are made once for
    all rows whose settings for them agree.

    Parameters
    ----------
    config : path
        See `read_table`.
    out : path
        Folder for ``table.csv`` (one line for each row, seed, region, threshold and score, all lead times pooled),
        ``table.json`` (what is known of each row and seed), ``shared`` archives and encoders, and ``rows``: for each
        row and seed its model with the loss curves, the scores by lead time too, and the counts.
    rows : sequence of str
        Names of the rows to run now, all by default; the table always holds every finished row.  So the rows can be
        shared out among machines or processes that see one folder: make what they share first, by running one of them.
    progress : bool
        Show progress bars and say which row is running.

    Returns
    -------
    Path
        The table as CSV.

    Raises
    ------
    ConfigError, ArchiveError, ModelError, VerifyError
        If the settings cannot be met, or the folder holds results of other settings.
    """
    known, folder = read_table(config), Path(out)
    refuse_unknown(dict.fromkeys(rows), tuple(row.name for row in known), "row")
    trainings = [(row, seed) for row in known for seed in row.seeds]
    for row, seed in trainings:  # before anything runs for hours
        _finished(_place(folder, row, seed), row, seed)
    todo = [(row, seed) for row, seed in trainings if not rows or row.name in rows]
    for number, (row, seed) in enumerate(todo, 1):
        place = _place(folder, row, seed)
        if not _finished(place, row, seed):
            if progress:
                _say(f"Row {number} of {len(todo)}: {row.name}, seed {seed}")
            _run(row, seed, place, folder, progress=progress)
        done = [(row, seed) for row, seed in trainings if _finished(_place(folder, row, seed), row, seed)]
        path = write_table([_place(folder, row, seed) / "result" for row, seed in done], folder)
    if progress:
        show_table(path)
    return path


def _place(folder: Path, row: Row, seed: int) -> Path:
    return folder / "rows" / row.name / f"seed-{seed}"


def _finished(place: Path, row: Row, seed: int) -> bool:
    """Return whether a row is done, refusing results of other settings."""
    result = place / "result" / RESULT
    if not result.exists():
        return False
    if json.loads(result.read_text(encoding="utf-8"))["key"] != content_key(row.describe(seed)):
        raise ConfigError(f"{place} holds a result of other settings; remove it, or choose another folder.")
    return True


def _run(row: Row, seed: int, place: Path, folder: Path, *, progress: bool) -> None:
    """Train and verify one row with one seed, and write its result."""
    experiment, shared = row.experiment(seed), folder / "shared"
    archive = shared_archive(experiment.archive, shared, section="archive", progress=progress)
    test = shared_archive(experiment.test, shared, section="test", progress=progress)
    cases = verified_cases(open_archive(test), experiment.test)
    data, thresholds = experiment.finetune.data, experiment.finetune.thresholds
    refuse_seen(cases, data, experiment.archive, experiment.test)
    forecaster, about = _trained(row, experiment, archive, place, shared, progress=progress)
    # raw NWP and climatology have their own names in counts
    name = forecaster if isinstance(forecaster, str) else row.name
    counts = counted(
        cases,
        forecaster,
        name=name,
        thresholds=thresholds,
        climatology=training_climatology(archive, data, thresholds),
        regions=verified_regions(cases, experiment.test),
        progress=progress,
    )
    result = {
        "key": content_key(row.describe(seed)),
        "row": row.name,
        "seed": seed if row.forecast == "network" else None,
        "forecast": row.forecast,
        **about,
        "inference_seconds_72_leads": _rounded(inference_seconds(cases, forecaster)),
        "data": f"{counts.attrs['title']}; {counts.attrs['source']}",
        "train": list(data.train),
        "validation": list(data.validation),
        "test_runs": f"{counts.attrs['first_run']} to {counts.attrs['last_run']}",
        "test_cases": int(counts.attrs["cases"]),
        **made_by(),
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "settings": json.loads(json.dumps(row.describe(seed), default=str)),
    }
    with atomic_directory(place / "result", overwrite=True) as work:
        score_table(counts, name).to_csv(work / SCORES, index=False, lineterminator="\n")
        verify.write_counts(counts, work / COUNTS)
        write_json_atomic(work / RESULT, result)


def _trained(
    row: Row, experiment: Experiment, archive: Path, place: Path, shared: Path, *, progress: bool
) -> tuple[Forecaster, dict[str, Any]]:
    """Return what forecasts, trained where there is something to train, and what is known of its making."""
    nothing = dict.fromkeys(
        ("network", "parameters", "learning_rate", "validation_score", "steps", "sample_passes", "out_of_time",
         "training_seconds", "search_seconds", "pretraining_seconds")
    )  # fmt: skip
    if row.forecast == "quantile_mapping":
        stage = experiment.finetune
        mappings = fit_quantile_mapping(archive, stage.data, thresholds=stage.thresholds, progress=progress)
        write_json_atomic(place / "quantile_mapping.json", [mapping.to_dict() for mapping in mappings])
        return mappings, nothing
    if row.forecast != "network":
        return row.forecast, nothing
    pretrained, pretraining_seconds = None, 0.0
    if experiment.pretrain is not None:
        settings = shared_pretraining(experiment.pretrain)
        key = content_key([to_mapping(settings), archive.name])
        pretrained = pretrain(archive, config=settings, out=shared / f"pretrained-{key}", progress=progress)
        pretraining_seconds = models.load(pretrained).metrics["seconds"]
    rate, search_seconds = choose_learning_rate(row, archive, place.parent, pretrained, progress=progress)
    stage = with_learning_rate(experiment.finetune, rate)
    trained = models.load(
        finetune(archive, config=stage, out=place / "model", pretrained=pretrained, progress=progress)
    )
    metrics = trained.metrics
    return trained, nothing | {
        "network": trained.config.network,
        "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
        "learning_rate": rate,
        "validation_score": _rounded(metrics["outcome"]["best_score"]),
        "steps": metrics["outcome"]["steps"],
        "sample_passes": metrics["sample_passes"],
        "out_of_time": metrics["outcome"]["out_of_time"],
        "training_seconds": metrics["seconds"],
        "search_seconds": search_seconds,
        "pretraining_seconds": pretraining_seconds,
    }


def _say(text: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(text)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
