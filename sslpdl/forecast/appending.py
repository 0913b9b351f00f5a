"""Adding runs to a stored forecast: each is visible when it is whole, and never before.

As in an archive, the root metadata carries the shapes of all arrays (Zarr's consolidated metadata) and is replaced in
one step when a run has been written beyond them.  A write that is interrupted leaves the forecast as it was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.archive.layout import quiet_zarr
from sslpdl.archive.session import take_lock
from sslpdl.errors import ForecastError
from sslpdl.files import explain_os_error
from sslpdl.forecast.computing import Advance, frame_of, opened, run, tracked
from sslpdl.forecast.storage import open_forecast, pack

if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from numpy.typing import NDArray

    from sslpdl.models import TrainedModel

__all__ = ["append", "missing_runs"]

_PER_RUN = ("class_probability", "valid_time", "init_time")


def missing_runs(archive: str | os.PathLike[str] | xr.Dataset, out: str | os.PathLike[str]) -> list[np.datetime64]:
    """Return the runs of an archive that a stored forecast, which need not exist, does not hold.

    Raises
    ------
    ArchiveError, ForecastError
        If one of them cannot be opened.
    """
    held = opened(archive)["init_time"].values.astype("datetime64[ns]")
    if Path(out).exists():
        there = open_forecast(out)["init_time"].values.astype("datetime64[ns]")
        held = held[~np.isin(held, there)]
    return list(held)


def append(
    archive: str | os.PathLike[str] | xr.Dataset,
    model: TrainedModel,
    out: str | os.PathLike[str],
    *,
    advance: Advance | None = None,
) -> list[np.datetime64]:
    """Forecast the runs of an archive that a stored forecast does not hold yet, and add them to it.

    Parameters
    ----------
    archive : path or Dataset
        An archive, or a part of one; what is not in it stays as it is.
    model : TrainedModel
        The model that the forecast was made with.
    out : path
        Zarr forecast; it is made if it is not there.
    advance : callable, optional
        Called with the number of lead times just computed.

    Returns
    -------
    list of datetime64
        The runs that were added.

    Raises
    ------
    ForecastError
        If the forecast is of another model, grid or lead times, or cannot be written.
    ArchiveError
        If another process is adding to it.
    """
    source, target = opened(archive), Path(out)
    missing = missing_runs(source, target)
    if missing and not target.exists():
        run(source, model, init_time=missing[0], out=target, advance=advance)
        return [missing[0], *append(source, model, target, advance=advance)]
    if not missing:
        return []
    if target.is_file():
        raise ForecastError(f"{target} is a file; runs can be added to a Zarr forecast only.")
    source = source.sel(init_time=missing)
    model.check(source)
    frame = frame_of(source, model)
    lock = take_lock(target)
    try:
        with quiet_zarr():
            _refuse_other(target, frame)
            group, length = _settled(target)
            values = np.empty(tuple(frame.sizes[name] for name in ("lead_time", "rain_class", "y", "x")), "uint16")
            for i, part, probabilities in tracked(source, model, progress=False, advance=advance):
                values[part] = pack(probabilities)
                if part.stop == frame.sizes["lead_time"]:
                    _publish(group, length + i, frame.isel(init_time=[i]), values)
    except OSError as error:
        raise ForecastError(f"the forecast cannot be written: {explain_os_error(error, target)}.") from error
    finally:
        os.close(lock)
    return missing


def _refuse_other(target: Path, frame: xr.Dataset) -> None:
    stored = open_forecast(target)
    for name in ("model", "thresholds", "rain_window"):
        if stored.attrs.get(name) != frame.attrs[name]:
            raise ForecastError(f"{target} was made by another model ({name} differs); store this one elsewhere.")
    for name in ("lead_time", "y", "x"):
        if not np.array_equal(stored[name].values, frame[name].values):
            raise ForecastError(f"{target} has another {name} than the archive; store this forecast elsewhere.")


def _settled(target: Path) -> tuple[zarr.Group, int]:
    """Return the group and its number of runs, after taking back what an interrupted process has added."""
    import zarr

    for partial in target.rglob("*.partial"):
        partial.unlink(missing_ok=True)
    group = zarr.open_group(target, mode="r+", zarr_format=3)
    if group.metadata.consolidated_metadata is None:  # a forecast that was stored at once
        zarr.consolidate_metadata(group.store)
        group = zarr.open_group(target, mode="r+", zarr_format=3)
    length = int(_array(group, "init_time").shape[0])
    for name in _PER_RUN:
        array = _array(group, name)
        array.resize((length, *array.shape[1:]))
    return group, length


def _publish(group: zarr.Group, slot: int, frame: xr.Dataset, packed: NDArray[np.uint16]) -> None:
    import zarr

    found: dict[str, NDArray[Any]] = {"class_probability": packed[None]}
    for name in ("valid_time", "init_time"):
        found[name] = _as_stored(frame[name].values, dict(_array(group, name).attrs))
    for name in _PER_RUN:
        array = _array(group, name)
        array.resize((slot + 1, *array.shape[1:]))
        array[slot : slot + 1] = found[name]
    zarr.consolidate_metadata(group.store)


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]


def _as_stored(times: NDArray[np.datetime64], attrs: dict[str, Any]) -> NDArray[np.int64]:
    """Return times in the unit that the forecast was begun with."""
    from xarray.coding.times import encode_cf_datetime

    units, calendar = str(attrs["units"]), str(attrs.get("calendar", "proleptic_gregorian"))
    numbers = np.asarray(encode_cf_datetime(times, units, calendar)[0])
    if not np.array_equal(numbers, np.rint(numbers)):
        raise ForecastError(f"the stored forecast counts times in {units}, which a new run does not fit; make it anew.")
    return numbers.astype("int64")
