"""Files of an invented model, made from the synthetic twin: names, units and a grid that no profile knows yet."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.grid import KOREA_5KM, Grid, regrid

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["REGION", "RUNS", "write_files"]

REGION = Grid("south-korea-0.1deg", "+proj=longlat +R=6371229 +no_defs", 125.0, 33.2, 0.1, 0.1, (40, 48))
"""The south of the peninsula, where the invented model ends."""

RUNS = ("2020-06-26", "2020-07-01", "2020-07-06", "2020-07-11", "2020-07-16", "2020-07-21", "2021-07-08")
_LEADS = range(1, 5)

# name in the files: channels of the twin by level, unit in the files, factor from the unit of the archive
_VARIABLES: dict[str, tuple[dict[int, str], str, float]] = {
    "HEIGHT": ({500: "gph_500", 850: "gph_850"}, "m", 1.0),
    "HUMID": ({500: "rh_500", 850: "rh_850"}, "%", 1.0),
    "TEMP": ({500: "t_500", 850: "t_850"}, "K", 1.0),
    "UWIND": ({500: "u_500", 850: "u_850"}, "m s-1", 1.0),
    "VWIND": ({500: "v_500", 850: "v_850"}, "m s-1", 1.0),
    "PMSL": ({0: "slp"}, "Pa", 100.0),
}


def write_files(folder: Path) -> Path:
    """Write seven runs in netCDF and their hourly rain analyses in GRIB, unless they are there; return the folder."""
    from sslpdl import twin
    from sslpdl.archive import open_archive

    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as work:
        unfinished = Path(work) / "files"
        (unfinished / "rain").mkdir(parents=True)
        leads = list(_LEADS)
        path = twin.write_archive(Path(work) / "a.zarr", init_times=RUNS, lead_time=leads, processes=1, progress=False)
        archive = open_archive(path)
        for run in archive["init_time"].values:
            name = f"invented_{np.datetime_as_string(run, 'h').replace('-', '').replace('T', '')}.nc"
            _run(archive["fields"].sel(init_time=run).load()).to_netcdf(unfinished / name, engine="scipy")
        for valid in archive["valid_time"].values:
            rain = regrid(archive["qpe"].sel(valid_time=valid).values, KOREA_5KM, REGION, method="conservative")
            _write_analysis(unfinished / "rain", valid, rain)
        unfinished.rename(folder)
    return folder


def _run(fields: xr.DataArray) -> xr.Dataset:
    """Return one run (lead_time, channel, y, x) as the invented model would write it."""
    import xarray as xr

    here = regrid(fields.values, KOREA_5KM, REGION)
    channels = [str(name) for name in fields["channel"].values]
    parts: dict[str, Any] = {}
    for name, (levels, units, factor) in _VARIABLES.items():
        stack = np.stack([here[:, channels.index(channel)] for channel in levels.values()], axis=1) * factor
        flat = list(levels) == [0]
        dims = ("time", "latitude", "longitude") if flat else ("time", "level", "latitude", "longitude")
        parts[name] = (dims, stack[:, 0] if flat else stack, {"units": units})
    rain = regrid(fields.sel(channel="rain").values, KOREA_5KM, REGION, method="conservative")
    parts["RAINSUM"] = (("time", "latitude", "longitude"), np.cumsum(rain, axis=0), {"units": "mm"})
    start = fields["init_time"].values
    return xr.Dataset(
        parts,
        coords={
            "time": start + fields["lead_time"].values.astype("timedelta64[h]"),
            "level": ("level", [500.0, 850.0], {"units": "hPa"}),
            "latitude": ("latitude", REGION.y, {"units": "degrees_north"}),
            "longitude": ("longitude", REGION.x, {"units": "degrees_east"}),
            "forecast_reference_time": start,
        },
        attrs={"title": "Synthetic forecast of an invented model, made with sslpdl.twin"},
    )


def _write_analysis(folder: Path, valid: np.datetime64, rain: NDArray[np.floating]) -> None:
    """Write the rain of one hour as a GRIB 2 message, missing cells as negative amounts."""
    import eccodes

    begin = np.datetime_as_string(valid - np.timedelta64(1, "h"), "h").replace("-", "").replace("T", "")
    rows, columns = REGION.shape
    header: dict[str, Any] = {
        "centre": 40, "dataDate": int(begin[:8]), "dataTime": int(begin[8:]) * 100, "gridType": "regular_ll",
        "shapeOfTheEarth": 6, "Ni": columns, "Nj": rows,
        "latitudeOfFirstGridPointInDegrees": REGION.y[0], "longitudeOfFirstGridPointInDegrees": REGION.x[0],
        "latitudeOfLastGridPointInDegrees": REGION.y[-1], "longitudeOfLastGridPointInDegrees": REGION.x[-1],
        "iDirectionIncrementInDegrees": REGION.dx, "jDirectionIncrementInDegrees": REGION.dy, "scanningMode": 64,
        "productDefinitionTemplateNumber": 8, "discipline": 0, "parameterCategory": 1, "parameterNumber": 8,
        "typeOfFirstFixedSurface": 1, "typeOfStatisticalProcessing": 1, "stepRange": "0-1", "bitsPerValue": 16,
    }  # fmt: skip
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    for key, value in header.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, np.where(np.isnan(rain), -1.0, rain).astype(float).ravel())
    with (folder / f"rain_{begin}.grb2").open("wb") as file:
        eccodes.codes_write(handle, file)
    eccodes.codes_release(handle)
