"""A whole chain from one file: data, pre-training, fine-tuning, forecast and scores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ConfigError
from sslpdl.training.reading import load_config
from sslpdl.training.splits import runs_in
from sslpdl.training.stages import finetune, pretrain

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["experiment"]

Source = str | os.PathLike[str]


def experiment(config: Source, *, out: Source, progress: bool = True) -> Path:
    """Make or open the archives that a configuration names, train both stages, and verify on the test archive.

    What is finished is left as it is, so that the same call goes on after an interruption.

    Parameters
    ----------
    config : path
        YAML file, see `load_config`.
    out : path
        Folder for ``archive.zarr``, ``test.zarr``, the models ``pretrained`` and ``model``, and the ``report``.
    progress : bool
        Show progress bars and print the table of scores.

    Returns
    -------
    Path
        The page of the report, or the model folder where the configuration names no test archive.

    Raises
    ------
    ConfigError, ArchiveError, ModelError, VerifyError
        If the settings cannot be met.
    """
    settings, folder = load_config(config), Path(out)
    archive = _archive(settings.archive, folder / "archive.zarr", section="archive", progress=progress)
    pretrained = None
    if settings.pretrain is not None:
        pretrained = pretrain(archive, config=settings.pretrain, out=folder / "pretrained", progress=progress)
    model = finetune(archive, config=settings.finetune, out=folder / "model", pretrained=pretrained, progress=progress)
    if not settings.test:
        return model
    test = _archive(settings.test, folder / "test.zarr", section="test", progress=progress)
    return _verify(archive, test, settings.test, model, folder / "report", progress=progress)


def _archive(settings: Mapping[str, Any], path: Path, *, section: str, progress: bool) -> Path:
    """Return the archive that a section names, or make that of the twin."""
    if "path" in settings:
        return Path(settings["path"])
    unknown = set(settings) - {"runs", "lead_time", "seed"}
    if unknown or not isinstance(settings.get("runs"), Mapping):
        raise ConfigError(
            f"section {section} needs a path, or runs (a mapping of periods to hours between runs) with lead_time and "
            f"seed; it holds {', '.join(settings) or 'nothing'}."
        )
    from sslpdl.twin import write_archive

    runs = [_runs(str(period), int(hours)) for period, hours in settings["runs"].items()]
    return write_archive(
        path,
        init_times=np.unique(np.concatenate(runs)),
        lead_time=settings.get("lead_time"),
        seed=int(settings.get("seed", 0)),
        progress=progress,
    )


def _runs(period: str, hours: int) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """Return the runs in June to September of a period, so many hours apart."""
    first, _, last = period.partition("/")
    try:
        start, end = np.datetime64(first, "h"), np.datetime64(last or first) + 1
    except ValueError as error:
        raise ConfigError(f"runs hold {period!r}, which is no period such as '2019-06-01/2019-09-28'.") from error
    runs = np.arange(start, end.astype("datetime64[h]"), np.timedelta64(hours, "h"))
    month = runs.astype("datetime64[M]").astype(int) % 12 + 1
    return runs[(month >= 6) & (month <= 9)]


def _verify(archive: Path, test: Path, settings: Mapping[str, Any], model: Path, out: Path, *, progress: bool) -> Path:
    from sslpdl import models, verify
    from sslpdl.archive import open_archive

    cases = _selected(open_archive(test), settings.get("periods", ()))
    thresholds = models.load(model).thresholds
    return verify.evaluate(
        cases,
        model=model,
        out=out,
        climatology=verify.base_rate(open_archive(archive), thresholds),
        climatology_source="base rates of the archive that was trained on",
        split="test runs, not seen in training",
        progress=progress,
        show=progress,
        overwrite=True,
    )


def _selected(archive: xr.Dataset, periods: Any) -> xr.Dataset:
    if not periods:
        return archive
    chosen = runs_in(archive["init_time"].values, list(periods), name="test.periods")
    if not chosen.any():
        raise ConfigError(f"the test archive holds no run in test.periods {list(periods)}.")
    return archive.isel(init_time=np.flatnonzero(chosen))
