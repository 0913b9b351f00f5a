"""Whether an archive is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive.layout import FORMAT_VERSION, is_url
from sslpdl.archive.reader import open_group, stored_array
from sslpdl.channels import CHANNELS
from sslpdl.errors import ArchiveError, GridError
from sslpdl.grid import Grid

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["channel_coverage", "problems", "stamp", "validate"]

_DIMS = {
    "fields": ("init_time", "lead_time", "channel", "y", "x"),
    "rain_window": ("lead_time",),
    "mask": ("y", "x"),
    "init_time": ("init_time",),
    "lead_time": ("lead_time",),
    "channel": ("channel",),
    "units": ("channel",),
    "y": ("y",),
    "x": ("x",),
    "lat": ("y", "x"),
    "lon": ("y", "x"),
    "crs": (),
}
_QPE_DIMS = {"qpe": ("valid_time", "y", "x"), "valid_time": ("valid_time",)}


def validate(ds: xr.Dataset) -> None:
    """Raise unless a dataset is a sound archive.

    Raises
    ------
    ArchiveError
        One sentence that names everything that is wrong; :func:`problems` gives them one by one.
    """
    if found := problems(ds):
        raise ArchiveError(f"{ds.encoding.get('source', 'The dataset')} is not a sound archive: {'; '.join(found)}.")


def problems(ds: xr.Dataset) -> list[str]:
    """Return what is wrong with an archive, one clause each; an empty list if it is sound.

    The fields themselves are read only where the archive does not say which channels have values.
    """
    version = ds.attrs.get("format_version", 0)
    if version > FORMAT_VERSION:
        return [f"its format {version} is newer than the {FORMAT_VERSION} that this SSLPDL reads"]
    expected = _DIMS | (_QPE_DIMS if "qpe" in ds.variables else {})
    found = [f"the variable {name!r} is missing" for name in expected if name not in ds.variables]
    found += [
        f"{name!r} has the dimensions {ds[name].dims} instead of {dims}"
        for name, dims in expected.items()
        if name in ds.variables and ds[name].dims != dims
    ]
    if found:
        return found  # what follows relies on them
    checks: tuple[Callable[[xr.Dataset], Iterator[str]], ...] = (_times, _windows, _channels, _map, _values, _files)
    return [clause for check in checks for clause in check(ds)]


def _times(ds: xr.Dataset) -> Iterator[str]:
    if not ds.sizes["init_time"]:
        yield "it holds no run"
    for name in ("init_time", "valid_time") if "qpe" in ds else ("init_time",):
        times = ds[name].values
        if times.dtype.kind != "M":
            yield f"{name!r} holds {times.dtype}, not times"
            continue
        unique, count = np.unique(times, return_counts=True)
        if (count > 1).any():
            yield f"{name!r} holds {stamp(unique[count > 1][0])} more than once"
        steps = np.diff(times)
        if (steps < np.timedelta64(0)).any():
            index = int(np.argmax(steps < np.timedelta64(0)))
            yield f"{name!r} is not in order: {stamp(times[index + 1])} comes after {stamp(times[index])}"
    leads = ds["lead_time"].values
    if leads.dtype.kind not in "iu" or (leads < 0).any() or (np.diff(leads) <= 0).any():
        yield f"'lead_time' {leads.tolist()} is not whole hours in increasing order"


def _windows(ds: xr.Dataset) -> Iterator[str]:
    windows = ds["rain_window"].values
    if not (windows > 0).all():
        yield f"'rain_window' {windows.tolist()} is not a positive number of hours for every lead time"
    window = ds.attrs.get("qpe_window")
    if "qpe" in ds and not (isinstance(window, int | float) and window > 0):
        yield f"the attribute 'qpe_window' is {window!r} instead of a positive number of hours"


def _channels(ds: xr.Dataset) -> Iterator[str]:
    names = [str(name) for name in ds["channel"].values]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"channel {twice[0]!r} occurs more than once"
    for name, units in zip(names, ds["units"].values, strict=True):
        if name in CHANNELS and units != CHANNELS[name].units:
            yield f"{name} is in {units} instead of {CHANNELS[name].units}"


def _map(ds: xr.Dataset) -> Iterator[str]:
    try:
        grid = Grid.from_dataset(ds)
    except GridError as error:
        yield str(error).rstrip(".")
        return
    if not ds["mask"].values.any():
        yield "'mask' is False everywhere, so that nothing would be verified"
    lon, lat = grid.lonlat()
    turn = np.abs((ds["lon"].values - lon + 180) % 360 - 180)
    if (
        not (np.abs(ds["lat"].values - lat) < 0.01).all()
        or not (turn < 0.01 / np.cos(np.radians(np.clip(lat, -89, 89)))).all()
    ):
        yield "'lat' and 'lon' are not those of the grid that 'crs', 'x' and 'y' describe"


def _values(ds: xr.Dataset) -> Iterator[str]:
    if ds.sizes["init_time"]:
        for name, share in zip(ds["channel"].values, channel_coverage(ds), strict=True):
            if share == 0:
                yield f"channel {name} holds no value in any run"
    if "qpe" in ds and ds.sizes["valid_time"]:
        seen = (
            ds["qpe_coverage"].values
            if "qpe_coverage" in ds
            else [np.isfinite(q.values).any() for q in ds["qpe"].variable]
        )
        if not np.any(seen):
            yield "'qpe' holds no value at any time"


def _files(ds: xr.Dataset) -> Iterator[str]:
    """Name runs whose file is gone: Zarr would take them for missing values."""
    source = ds.encoding.get("source")
    if source is None or is_url(source):
        return
    stored = stored_array(open_group(source), "init_time")[...]
    times = np.asarray(stored).astype("datetime64[s]").astype("datetime64[ns]")
    for slot in np.flatnonzero(np.isin(times, ds["init_time"].values)):
        if not (Path(source) / "fields" / "c" / str(slot) / "0" / "0" / "0" / "0").exists():
            yield f"the file of run {stamp(times[slot])} is gone"


def channel_coverage(ds: xr.Dataset) -> NDArray[np.float64]:
    """Return the mean share of cells with a value, one per channel."""
    if "fields_coverage" in ds:
        stored = ds["fields_coverage"].transpose("channel", "init_time", "lead_time").values
        return np.asarray(stored.reshape(ds.sizes["channel"], -1).mean(axis=1), np.float64)
    share = np.zeros(ds.sizes["channel"])
    for run in range(ds.sizes["init_time"]):
        share += np.isfinite(ds["fields"].variable[run].values).mean(axis=(0, 2, 3))
    return share / ds.sizes["init_time"]


def stamp(time: Any) -> str:
    """Return a time as ``2022-08-08 12:00``."""
    return str(np.datetime64(time, "m")).replace("T", " ")
