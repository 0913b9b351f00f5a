"""What the notebooks start from: the sample case, the shipped model, real files where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from sslpdl.models import TrainedModel

__all__ = [
    "MODELS", "REAL_DAY", "choose_archive", "course_archive", "own_files", "real_day", "sample_archive", "sample_model",
]  # fmt: skip

MODELS = ("sslpdl-small", "sslpdl-tiny")
"""Sample models, the one preferred first."""

REAL_DAY = "SSLPDL_REAL_DAY"
"""Environment variable: folder of a WRF run on NCEP's grid 212, with ``stage2/``, its hourly rain analyses."""

_ROOT = Path(__file__).resolve().parents[2]


def sample_archive() -> Path:
    """Return the path of the sample case, the synthetic analogue of 8–11 August 2022.

    Raises
    ------
    ConfigError
        If it is not there.
    """
    return _sample(Path("august-2022.zarr"))


def sample_model(name: str | None = None) -> TrainedModel:
    """Return the shipped model: the larger one where it is there, otherwise the tiny one.

    Parameters
    ----------
    name : str, optional
        A folder of ``data_samples/models``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    from sslpdl import models

    names = MODELS if name is None else (name,)
    there = [one for one in names if (_ROOT / "data_samples" / "models" / one / "model.safetensors").is_file()]
    return models.load(_sample(Path("models", (there or list(names))[0])))


def real_day() -> Path | None:
    """Return the folder of the WRF run of 7 August 2005, from ``SSLPDL_REAL_DAY`` or beside the repository, or None."""
    beside = _ROOT.parent / "shared" / "data" / "wrf_stage2_20050807"
    folder = Path(os.environ.get(REAL_DAY) or beside)
    return folder if (folder / "stage2").is_dir() else None


def choose_archive(source: str | os.PathLike[str], runs: str | os.PathLike[str]) -> Path:
    """Return the path of the archive that a notebook looks at.

    Parameters
    ----------
    source : str or path
        ``"sample"`` for the sample case, ``"real"`` for the WRF run of `real_day`, or the path of an archive.
    runs : path
        Folder where the real files are read to, once.

    Raises
    ------
    ConfigError
        If the real files are asked for and not at hand.
    """
    if source == "sample":
        return sample_archive()
    if source != "real":
        return Path(source)
    files, out = real_day(), Path(runs) / "wrf.zarr"
    if files is None:
        raise ConfigError(f"the real WRF run is not at hand; set {REAL_DAY} to its folder, or choose 'sample'.")
    from sslpdl.readers import ingest

    ingest(files, out, qpe=files / "stage2", grid="native", title="WRF, 7 August 2005, and Stage II", progress=False)
    return out


def course_archive(runs: str | os.PathLike[str]) -> Path:
    """Return the archive that the trainings of the course use, made with the twin unless it is there.

    Parameters
    ----------
    runs : path
        Folder of what the course makes.

    Returns
    -------
    Path
        Twenty runs of the summer of 2020 and five of 2021, lead times of 6 and 18 hours.
    """
    import pandas as pd

    from sslpdl import twin

    starts = [
        *pd.date_range("2020-06-20", periods=20, freq="60h"),
        *pd.date_range("2021-06-25", periods=5, freq="240h"),
    ]
    out = Path(runs) / "train.zarr"
    return Path(twin.write_archive(out, init_times=starts, lead_time=[6, 18], processes=1, progress=False))


def own_files(folder: str | os.PathLike[str]) -> Path:
    """Return a folder with files of an invented model, for those who have no files of their own at hand.

    Parameters
    ----------
    folder : path
        Where to write them; files that are there are kept.

    Returns
    -------
    Path
        Netcdf files of some runs, names and grid unlike KMA's, and in ``rain/`` hourly rain analyses in GRIB.
    """
    from sslpdl.teaching.invented import write_files

    return write_files(Path(folder))


def _sample(name: Path) -> Path:
    path = _ROOT / "data_samples" / name
    if not path.is_dir():
        raise ConfigError(f"the sample {name} is not there; run this from a copy of the repository.")
    return path
