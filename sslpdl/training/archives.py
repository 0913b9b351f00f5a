"""The archives that an experiment names: opened where they lie, or made by the twin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ConfigError
from sslpdl.training.config import DataConfig, check_box
from sslpdl.training.prepare import in_box
from sslpdl.training.splits import runs_in

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["content_key", "make_archive", "refuse_seen", "shared_archive", "verified_cases", "verified_regions"]

_MADE = ("runs", "lead_time", "seed")
_VERIFIED = ("periods", "regions")


def make_archive(settings: Mapping[str, Any], path: Path, *, section: str, progress: bool) -> Path:
    """Return the archive that a section of an experiment names, or make that of the twin at `path`.

    Raises
    ------
    ConfigError
        If the section names neither.
    """
    if "path" in settings:
        return Path(settings["path"])
    unknown = set(settings) - {*_MADE, *_VERIFIED}
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


def shared_archive(settings: Mapping[str, Any], folder: Path, *, section: str, progress: bool) -> Path:
    """Return an archive that all sections of the same content share: made once, in a folder, under their key."""
    made = {name: settings[name] for name in _MADE if name in settings}
    return make_archive(settings, folder / f"archive-{content_key(made)}.zarr", section=section, progress=progress)


def content_key(settings: Any) -> str:
    """Return twelve hexadecimal digits that stand for plain settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]


def verified_cases(archive: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """Return the runs of a test archive that lie in the ``periods`` of its section; all by default.

    Raises
    ------
    ConfigError
        If there is none.
    """
    periods = settings.get("periods", ())
    if not periods:
        return archive
    chosen = runs_in(archive["init_time"].values, list(periods), name="test.periods")
    if not chosen.any():
        raise ConfigError(f"the test archive holds no run in test.periods {list(periods)}.")
    return archive.isel(init_time=np.flatnonzero(chosen))


def refuse_seen(cases: xr.Dataset, data: DataConfig, archive: Mapping[str, Any], test: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if a test run is one of training or validation: the same time of the same weather."""
    same = [settings.get("path", int(settings.get("seed", 0))) for settings in (archive, test)]
    seen = runs_in(cases["init_time"].values, (*data.train, *data.validation))
    if same[0] == same[1] and seen.any():
        first = np.datetime_as_string(cases["init_time"].values[seen][0], unit="h")
        raise ConfigError(f"the test run of {first} UTC is in data.train or data.validation too; test on other runs.")


def verified_regions(cases: xr.Dataset, settings: Mapping[str, Any]) -> dict[str, NDArray[np.bool_]]:
    """Return the regions to verify in: the standard ones, and the boxes of the test section inside the mask."""
    from sslpdl import verify

    regions = verify.standard_regions(cases)
    for name, box in dict(settings.get("regions", {})).items():
        check_box(box, name=f"test.regions.{name}")
        regions[str(name)] = regions["all"] & in_box(cases, box)
        if not regions[str(name)].any():
            raise ConfigError(f"test.regions.{name} {list(box)} holds no cell of the verification mask.")
    return regions


def _runs(period: str, hours: int) -> NDArray[np.datetime64]:
    """Return the runs in June to September of a period, so many hours apart."""
    first, _, last = period.partition("/")
    try:
        start, end = np.datetime64(first, "h"), np.datetime64(last or first) + 1
    except ValueError as error:
        raise ConfigError(f"runs hold {period!r}, which is no period such as '2019-06-01/2019-09-28'.") from error
    runs: NDArray[np.datetime64] = np.arange(start, end.astype("datetime64[h]"), np.timedelta64(hours, "h"))
    month = runs.astype("datetime64[M]").astype(int) % 12 + 1
    return runs[(month >= 6) & (month <= 9)]
