"""Forecasts on disk: written run by run beside their name and moved there whole; read lazily."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ForecastError
from sslpdl.files import explain_os_error, write_json_atomic

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "DIMS",
    "EXCEEDANCE",
    "FORMAT_VERSION",
    "LABELS",
    "exceedance",
    "open_forecast",
    "pack",
    "to_netcdf",
    "to_zarr",
    "with_exceedance",
]

EXCEEDANCE = "probability_of_precipitation_amount_above_threshold"
FORMAT_VERSION = 1
DIMS = ("init_time", "lead_time", "rain_class", "y", "x")
LABELS = {"long_name": "probability of the rain class", "units": "1", "grid_mapping": "crs"}
# probabilities are stored in steps of 1/65534, so that one 16-bit value is left to say "unknown"
_SCALE, _UNKNOWN = 65534, 65535

Block = tuple[int, slice, "NDArray[np.float32]"]
"""Index of a run, lead times, and their probabilities (lead times, classes, y, x)."""


def exceedance(class_probability: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return the probability of reaching each threshold from the probabilities of the classes.

    Parameters
    ----------
    class_probability : ndarray, shape (..., K, ...)
        Probabilities of the K rain classes, driest first, along `axis`.
    axis : int
        The class axis.

    Returns
    -------
    ndarray, shape (..., K - 1, ...)
        P(rain >= threshold k) = sum of the classes above k; between 0 and 1, NaN where the classes are NaN.

    Examples
    --------
    >>> exceedance(np.array([0.5, 0.25, 0.25], np.float32), axis=0)
    array([0.5 , 0.25], dtype=float32)
    """
    wetter = np.flip(np.cumsum(np.flip(class_probability, axis), axis=axis, dtype=np.float32), axis)
    return np.clip(np.delete(wetter, 0, axis), 0.0, 1.0)


def open_forecast(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a stored forecast; values are read when they are used.

    Parameters
    ----------
    path : path
        A Zarr forecast written by `run`, or its NetCDF export.

    Returns
    -------
    Dataset
        ``class_probability (init_time, lead_time, rain_class, y, x)`` and
        ``probability_of_precipitation_amount_above_threshold (init_time, lead_time, threshold, y, x)``, both float32 in
        [0, 1] and NaN where unknown; coordinates ``threshold`` [mm per rain window], ``valid_time`` [UTC], ``lat``,
        ``lon``, ``crs``; attributes ``rain_window`` [h], ``model``, ``synthetic``, ``decision``.

    Raises
    ------
    ForecastError
        If the path is missing or holds no forecast.
    """
    import xarray as xr

    path = Path(path)
    if not path.exists():
        raise ForecastError(f"there is no forecast at {path}; make one with `sslpdl forecast`.")
    try:
        if path.is_dir():
            # a forecast that runs are added to shows them when its root metadata is replaced; see `appending`
            stored = xr.open_zarr(path, chunks=None, consolidated=_consolidated(path))
        else:
            stored = xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError, KeyError) as error:
        raise ForecastError(f"{path} cannot be opened as a forecast ({error}); make it again.") from error
    if "class_probability" not in stored:
        raise ForecastError(f"{path} holds no class_probability and so is no forecast; is it an archive?")
    version = int(stored.attrs.get("format_version", 0))
    if version > FORMAT_VERSION:
        raise ForecastError(f"{path} has format {version}, newer than {FORMAT_VERSION}; update SSLPDL to read it.")
    if np.any(np.diff(stored["init_time"].values) < np.timedelta64(0, "ns")):
        stored = stored.isel(init_time=np.argsort(stored["init_time"].values, kind="stable"))
    return with_exceedance(stored)


def _consolidated(path: Path) -> bool:
    try:
        return json.loads((path / "zarr.json").read_text()).get("consolidated_metadata") is not None
    except FileNotFoundError:
        return False


def to_netcdf(forecast: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Export a forecast as one CF NetCDF-4 file, whole or not at all.

    Parameters
    ----------
    forecast : Dataset
        From `run` or `open_forecast`.
    path : path
        The file to write; an existing one is replaced.

    Raises
    ------
    ForecastError
        If the file cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    encoding = {name: {"zlib": True, "complevel": 4, "dtype": "float32"} for name in ("class_probability", EXCEEDANCE)}
    clean = forecast.drop_encoding()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clean.to_netcdf(partial, engine="h5netcdf", encoding=encoding)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ForecastError(f"the forecast cannot be written: {explain_os_error(error, path)}.") from error
    return path


def to_zarr(frame: xr.Dataset, out: Path, blocks: Callable[[list[int]], Iterator[Block]]) -> xr.Dataset:
    """Store probabilities run by run beside the final name, then move the whole into place.

    Parameters
    ----------
    frame : Dataset
        Coordinates and attributes of the forecast.
    out : Path
        Where it will be.
    blocks : callable
        Takes the indices of the runs that are still missing and yields their blocks in order; the index of a block
        counts within that list.

    Raises
    ------
    ForecastError
        If `out` exists or cannot be written.
    """
    if out.exists():
        raise ForecastError(f"{out} exists already; choose another name or remove it.")
    partial = out.with_name(f".{out.name}.partial")
    key = {"frame": frame.attrs, "init": [str(t) for t in frame.init_time.values], "shape": list(_shape(frame))}
    try:
        stored = _resume(partial, key)
        array = _existing(partial) if stored else _create(partial, frame)
        remaining = [i for i in range(frame.sizes["init_time"]) if i not in stored]
        run = np.empty(array.shape[1:], "uint16")
        for i, part, probabilities in blocks(remaining):
            run[part] = pack(probabilities)
            if part.stop == frame.sizes["lead_time"]:
                array[remaining[i]] = run
                stored.append(remaining[i])
                write_json_atomic(partial / _DONE, {"key": key, "runs": stored})
        (partial / _DONE).unlink()
        partial.replace(out)
    except OSError as error:
        raise ForecastError(f"the forecast cannot be written: {explain_os_error(error, out)}.") from error
    return open_forecast(out)


_DONE = "done.json"


def _resume(partial: Path, key: dict[str, Any]) -> list[int]:
    """Return the runs that an interrupted forecast of the same kind has finished; other remains are removed."""
    if not partial.exists():
        return []
    try:
        state = json.loads((partial / _DONE).read_text())
        if state["key"] == json.loads(json.dumps(key)):
            return [int(i) for i in state["runs"]]
    except (OSError, ValueError, KeyError):
        pass  # nothing that could be taken up
    shutil.rmtree(partial)
    return []


def _shape(frame: xr.Dataset) -> tuple[int, ...]:
    return tuple(frame.sizes[name] for name in DIMS)


def pack(probabilities: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return probabilities as they are stored, in steps of 1/65534."""
    steps = np.rint(np.clip(np.nan_to_num(probabilities), 0, 1) * _SCALE).astype("uint16")
    return np.where(np.isnan(probabilities), np.uint16(_UNKNOWN), steps)


def _create(partial: Path, frame: xr.Dataset) -> Any:
    """Write coordinates and attributes, and an empty probability array: one chunk a field, one shard a run."""
    import zarr
    from zarr.codecs import BloscCodec

    partial.parent.mkdir(parents=True, exist_ok=True)
    frame = frame.drop_encoding()
    for name in ("init_time", "valid_time"):  # so that runs can be added
        frame[name].encoding = {"units": "seconds since 1970-01-01", "dtype": "int64"}
        frame[name].encoding["chunks"] = (512, *frame[name].shape[1:])
    frame.to_zarr(partial, mode="w", zarr_format=3, consolidated=False)
    shape = _shape(frame)
    return zarr.open_group(partial, mode="r+").create_array(
        "class_probability",
        shape=shape,
        dtype="uint16",
        chunks=(1, 1, *shape[2:]),
        shards=(1, *shape[1:]),
        compressors=BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
        fill_value=_UNKNOWN,
        dimension_names=DIMS,
        attributes={
            **LABELS,
            "scale_factor": 1.0 / _SCALE,
            "_FillValue": _UNKNOWN,
            "coordinates": "lat lon valid_time",
        },
    )


def _existing(partial: Path) -> Any:
    import zarr

    return zarr.open_group(partial, mode="r+")["class_probability"]


def with_exceedance(forecast: xr.Dataset) -> xr.Dataset:
    """Add the exceedance probabilities; both kinds are float32 and computed where and when they are read."""
    from sslpdl.lazy import lazy_variable

    stored = forecast["class_probability"].variable
    classes = stored
    if stored.dtype != np.float32:
        classes = lazy_variable(DIMS, stored.shape, "float32", _ReadClasses(stored), stored.attrs)
    shape = (*classes.shape[:2], classes.shape[2] - 1, *classes.shape[3:])
    dims = ("init_time", "lead_time", "threshold", "y", "x")
    attrs = {"long_name": "probability of reaching the threshold", "units": "1", "grid_mapping": "crs"}
    derived = lazy_variable(dims, shape, "float32", _ReadExceedance(classes), attrs)
    return forecast.assign({"class_probability": classes, EXCEEDANCE: derived})


@dataclass(frozen=True)
class _ReadClasses:
    """Reads a part of the class probabilities in single precision."""

    stored: xr.Variable

    def __call__(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        return np.asarray(self.stored[key].values, "float32")


@dataclass(frozen=True)
class _ReadExceedance:
    """Reads a part of the exceedance probabilities from the class probabilities."""

    classes: xr.Variable

    def __call__(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        init, lead, threshold, y, x = key
        values = np.asarray(self.classes[init, lead, :, y, x].values)
        axis = sum(not isinstance(k, int | np.integer) for k in (init, lead))
        return np.asarray(exceedance(values, axis)[(slice(None),) * axis + (threshold,)])
