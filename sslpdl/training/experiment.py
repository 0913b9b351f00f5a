"""A whole chain from one file: data, pre-training, fine-tuning, forecast and scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sslpdl.archive import open_archive
from sslpdl.errors import ConfigError
from sslpdl.training.archives import make_archive, refuse_seen, verified_cases
from sslpdl.training.config import FinetuneConfig
from sslpdl.training.reading import load_config, read_yaml
from sslpdl.training.stages import finetune, pretrain

__all__ = ["experiment"]

Source = str | os.PathLike[str]


def experiment(config: Source, *, out: Source, rows: Sequence[str] = (), progress: bool = True) -> Path:
    """Run what a configuration describes: one chain, or a table of them.

    A chain makes or opens its archives, trains both stages, and verifies on the test archive.  A file with a section
    ``table`` runs each row of it so; see `run_table`.

    What is finished is left as it is, so that the same call goes on after an interruption.

    Parameters
    ----------
    config : path
        YAML file, see `load_config`.
    out : path
        Folder for ``archive.zarr``, ``test.zarr``, the models ``pretrained`` and ``model``, and the ``report``; of a
        table, for ``table.csv`` and what its rows share and leave behind.
    rows : sequence of str
        Of a table, the rows to run now; all by default.
    progress : bool
        Show progress bars and print the table of scores.

    Returns
    -------
    Path
        The page of the report, or the model folder where the configuration names no test archive; of a table, its CSV.

    Raises
    ------
    ConfigError, ArchiveError, ModelError, VerifyError
        If the settings cannot be met.
    """
    if "table" in read_yaml(config):
        from sslpdl.training.table import run_table

        return run_table(config, out=out, rows=rows, progress=progress)
    if rows:
        raise ConfigError(f"{config} is one chain, not a table: it has no rows to choose.")
    settings, folder = load_config(config), Path(out)
    archive = make_archive(settings.archive, folder / "archive.zarr", section="archive", progress=progress)
    cases = None
    if settings.test:
        test = make_archive(settings.test, folder / "test.zarr", section="test", progress=progress)
        cases = verified_cases(open_archive(test), settings.test)
        refuse_seen(cases, settings.finetune.data, settings.archive, settings.test)
    pretrained = None
    if settings.pretrain is not None:
        pretrained = pretrain(archive, config=settings.pretrain, out=folder / "pretrained", progress=progress)
    model = finetune(archive, config=settings.finetune, out=folder / "model", pretrained=pretrained, progress=progress)
    if cases is None:
        return model
    return _verify(archive, cases, settings.finetune, model, folder / "report", progress=progress)


def _verify(archive: Path, cases: Any, settings: FinetuneConfig, model: Path, out: Path, *, progress: bool) -> Path:
    from sslpdl import verify
    from sslpdl.training.scoring import training_climatology

    return verify.evaluate(
        cases,
        model=model,
        out=out,
        climatology=training_climatology(archive, settings.data, settings.thresholds),
        climatology_source="base rates of the training runs",
        split="test runs, not seen in training",
        progress=progress,
        show=progress,
        overwrite=True,
    )
