"""NetCDF files with CF coordinates on a longitude-latitude grid, as ECMWF's tools write them.

Classic netCDF needs only SciPy; netCDF-4 needs h5netcdf (``pip install 'sslpdl[app]'``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import GridError, ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.field import Field, named
from sslpdl.readers.profile import Keys, Profile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["first_keys", "is_netcdf", "scan", "values"]

_TIME = ("time", "valid_time")
_REFERENCE = ("forecast_reference_time", "init_time", "reftime")
_LATITUDE = ("latitude", "lat")
_LONGITUDE = ("longitude", "lon")
_LEVEL = ("level", "pressure_level", "isobaricInhPa", "plev")


def is_netcdf(path: Path) -> bool:
    """Whether the file begins as a netCDF file does."""
    with path.open("rb") as file:
        start = file.read(4)
    return start[:3] == b"CDF" or start == b"\x89HDF"


def scan(
    path: Path, profile: Profile, *, init_time: np.datetime64 | None = None, others: set[str] | None = None
) -> Iterator[Field]:
    """Yield the fields that a profile knows; ``position`` counts all (time, level) pairs of a variable, level fastest.

    Parameters
    ----------
    path : Path
        NetCDF file.
    profile : Profile
        What to look for; variable names stand for GRIB short names.
    init_time : datetime64, optional
        Start of the run, UTC, where the file holds only valid times.
    others : set of str, optional
        Gets the names of variables that the profile does not know.

    Raises
    ------
    ReaderError
        If the file cannot be opened, its grid or times are not understood, or its start is not known.
    """
    with _open(path) as ds:
        for name, variable in ds.data_vars.items():
            latitude, longitude = _coordinate(variable, _LATITUDE), _coordinate(variable, _LONGITUDE)
            if latitude is None or longitude is None:
                continue
            level = _coordinate(variable, _LEVEL)
            levels = np.atleast_1d(level.values).astype(float) if level is not None else np.array([0.0])
            if level is not None and str(level.attrs.get("units", "")).lower() == "pa":
                levels = levels / 100
            kind = "surface" if level is None else "isobaricInhPa"
            rules = [profile.match({"shortName": str(name), "typeOfLevel": kind, "level": value}) for value in levels]
            if not any(rules):
                if others is not None:
                    others.add(str(name))
                continue
            grid = _grid(path, latitude, longitude, profile.native_name)
            start, valid = _times(path, ds, variable, init_time)
            for position in range(len(valid) * len(levels)):
                time, rule = valid[position // len(levels)], rules[position % len(levels)]
                if rule is None:
                    continue
                lead = float((time - start) / np.timedelta64(3600, "s"))
                from_start = rule.channel == "rain" and profile.rain_from_start
                yield Field(
                    path=path,
                    position=position,
                    part=0,
                    source_name=str(name),
                    channel=rule.channel,
                    rank=rule.rank,
                    summand=rule.part,
                    summands=rule.parts,
                    units=str(variable.attrs.get("units", rule.units or "unknown")),
                    init_time=start,
                    start=0.0 if from_start else lead,
                    end=lead,
                    grid=grid,
                    grid_relative=False,
                )


def values(path: Path, fields: Iterable[Field]) -> Iterator[tuple[Field, NDArray[np.float32]]]:
    """Yield fields of one file with their values (y, x) in the file's unit, row 0 south, NaN where missing."""
    with _open(path) as ds:
        for field in fields:
            variable = ds[field.source_name]
            latitude, longitude = _coordinate(variable, _LATITUDE), _coordinate(variable, _LONGITUDE)
            assert latitude is not None and longitude is not None  # scan has seen to it
            spatial = (latitude.dims[0], longitude.dims[0])
            level = _coordinate(variable, _LEVEL)
            leading = [dim for dim in variable.dims if dim not in spatial]
            if level is not None and level.ndim and level.dims[0] in leading:
                leading = [dim for dim in leading if dim != level.dims[0]] + [level.dims[0]]
            index = np.unravel_index(field.position, [variable.sizes[dim] for dim in leading] or [1])
            chosen = variable.isel({dim: int(i) for dim, i in zip(leading, index, strict=False)})
            plane = chosen.transpose(*spatial).values.astype(np.float32)
            yield field, np.ascontiguousarray(plane[::-1] if _falls(latitude) else plane)


def first_keys(path: Path) -> Keys:
    """Return what tells the model: the centre, where the file was made from GRIB by ECMWF's tools or cfgrib."""
    with _open(path) as ds:
        keys: dict[str, int | float | str] = {"edition": 0, "gridType": "regular_ll"}
        centre = ds.attrs.get("GRIB_centre")
        if centre == "ecmf" or "grib_to_netcdf" in str(ds.attrs.get("history", "")):
            keys["centre"] = 98
        elif centre == "kwbc":
            keys["centre"] = 7
        return keys


def _open(path: Path) -> xr.Dataset:
    import xarray as xr

    try:
        return xr.open_dataset(path)
    except ValueError as error:
        # xarray raises it when no installed engine reads the file, and for times that it cannot decode
        hint = "netCDF-4 files need the package h5netcdf" if "engine" in str(error) else str(error).split("\n")[0]
        raise ReaderError(f"{path} cannot be opened as netCDF: {hint}.", kind="damaged_file") from error
    except (OSError, TypeError, KeyError, IndexError) as error:
        raise ReaderError(
            f"{path} is cut off or damaged ({error}); copy or download it again.", kind="damaged_file"
        ) from error


def _coordinate(variable: xr.DataArray, names: tuple[str, ...]) -> xr.DataArray | None:
    return next((variable[name] for name in names if name in variable.coords), None)


def _falls(latitude: xr.DataArray) -> bool:
    return bool(latitude.values[0] > latitude.values[-1])


def _grid(path: Path, latitude: xr.DataArray, longitude: xr.DataArray, name: str) -> Grid:
    lat, lon = latitude.values.astype(np.float64), longitude.values.astype(np.float64)
    if lat.ndim != 1 or lon.ndim != 1 or lat.size < 2 or lon.size < 2:
        raise ReaderError(
            f"{path} is not on a longitude-latitude grid; interpolate it to one first, or give GRIB.", kind="grid_type"
        )
    if _falls(latitude):
        lat = lat[::-1]
    step = [float(f"{(c[-1] - c[0]) / (c.size - 1):.7g}") for c in (lon, lat)]
    if any(np.abs(np.diff(c) - d).max() > 0.01 * abs(d) for c, d in zip((lon, lat), step, strict=True)):
        raise ReaderError(
            f"{path} has longitudes or latitudes that are not evenly spaced; interpolate it first.", kind="grid_type"
        )
    try:
        shape = (lat.size, lon.size)
        return named(Grid("native", "+proj=longlat +R=6371229 +no_defs", lon[0], lat[0], step[0], step[1], shape), name)
    except GridError as error:
        raise ReaderError(f"{path}: {error}") from error


def _times(
    path: Path, ds: xr.Dataset, variable: xr.DataArray, init_time: np.datetime64 | None
) -> tuple[np.datetime64, NDArray[Any]]:
    """Return the start of the run and the valid times of a variable."""
    valid = _coordinate(variable, _TIME)
    if valid is None or not np.issubdtype(valid.dtype, np.datetime64):
        raise ReaderError(
            f"{path} has no time coordinate for {variable.name!r} that follows the CF conventions.", kind="no_time"
        )
    reference = next((ds[name].values for name in _REFERENCE if name in ds.variables), None)
    if reference is not None and np.size(reference) == 1:
        start = np.ravel(reference).astype("datetime64[s]")[0]
    elif init_time is not None:
        start = init_time
    else:
        raise ReaderError(
            f"{path} holds valid times but not the start of its run; state it in UTC (--init-time, init_time) or read "
            "the GRIB files.",
            kind="init_needed",
        )
    return start, np.atleast_1d(valid.values).astype("datetime64[s]")
