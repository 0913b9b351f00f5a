"""A run as CF NetCDF: rain of the NWP, probabilities and QPE on the same lead times."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl import __version__
from sslpdl.channels import CHANNELS
from sslpdl.dashboard.exports.contents import AT_CHOSEN_THRESHOLD, Content, Contents, beyond_usual
from sslpdl.dashboard.exports.reading import Run
from sslpdl.errors import ConfigError
from sslpdl.forecast import EXCEEDANCE

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.dashboard.exports.order import Order
    from sslpdl.dashboard.source import Source

__all__ = ["dataset", "netcdf"]

_MOST_VALUES = 60_000_000
_RAIN = {"units": "mm", "standard_name": "lwe_thickness_of_precipitation_amount", "grid_mapping": "crs"}
_COORDINATES = "lat lon valid_time"
_OTHERS = {
    "class": ("likeliest_class", "lower bound of the most likely rain class", "mm"),
    "before": ("earlier_probability", "probability of reaching the chosen threshold by the latest earlier run", "1"),
    "change": ("probability_change", "probability of reaching the chosen threshold less that of the earlier run", "1"),
    "difference": ("rain_minus_qpe", "rain of the NWP less observed rain", "mm"),
    "disagree": ("disagreement", "which say that the chosen threshold is reached: rain of the NWP, probability", "1"),
}
_MEANINGS = "neither both nwp_only probability_only"


def netcdf(source: Source, order: Order) -> bytes:
    """Return a NetCDF-4 file of some lead times of a run.

    Raises
    ------
    ConfigError
        If it would be too large to send.
    ForecastError
        If the probabilities are still being computed.
    """
    run = Run(source, order.run)
    cells = run.grid.shape[0] * run.grid.shape[1]
    others = beyond_usual(order.panels)
    if len(order.leads) * cells * (len(run.thresholds) + 2 + len(others)) > _MOST_VALUES:
        sentence = "this part of the run is too large to send to a browser; choose fewer lead times."
        raise ConfigError(sentence, kind="too_large")
    made = dataset(run, order.leads)
    contents = Contents(run, order, "en")
    if order.threshold is not None and set(others) & set(AT_CHOSEN_THRESHOLD):
        made.coords["chosen_threshold"] = ((), run.thresholds[order.threshold], _threshold_words(run))
    for code in others:
        _add(made, run, [contents.of(code, lead) for lead in order.leads])
    small = {"zlib": True, "complevel": 4, "shuffle": True}
    missing = {"f": np.float32(np.nan), "i": np.int8(-1)}
    encoding: dict[Any, dict[str, Any]] = {
        name: small | {"_FillValue": missing[variable.dtype.kind]} for name, variable in made.data_vars.items()
    }
    encoding |= {name: {"_FillValue": None} for name in ("lat", "lon", "x", "y")}
    times = [name for name, variable in made.variables.items() if variable.dtype.kind == "M"]
    encoding |= {
        name: {"units": "hours since 1970-01-01", "calendar": "standard", "dtype": "int64", "_FillValue": None}
        for name in times
    }
    with tempfile.TemporaryDirectory(prefix="sslpdl-export-") as folder:
        path = Path(folder) / "run.nc"
        made.to_netcdf(path, engine="h5netcdf", encoding=encoding)
        return path.read_bytes()


def dataset(run: Run, leads: tuple[int, ...]) -> xr.Dataset:
    """Return some lead times of a run, given by position, with CF attributes.

    Returns
    -------
    Dataset
        ``rain`` and ``qpe (init_time, lead_time, y, x)`` [mm] and, where there is a model,
        ``probability_of_precipitation_amount_above_threshold (init_time, lead_time, threshold, y, x)``.
    """
    import xarray as xr

    windows = sorted({run.window(lead) for lead in leads})
    made = xr.Dataset(coords=_coordinates(run, leads), attrs=_attributes(run, leads))
    dims = ("init_time", "lead_time", "y", "x")
    about = run.about()
    rain = np.stack([run.rain(lead) for lead in leads])[None]
    nwp = {"long_name": f"rain of {about['nwp']} in the window that ends at valid_time"}
    made["rain"] = (dims, rain, _RAIN | nwp | _sum(windows))
    if run.thresholds:
        chances = np.stack([run.probabilities(lead) for lead in leads])[None]
        attrs = {"long_name": "probability of reaching the threshold", "units": "1", "grid_mapping": "crs"}
        made[EXCEEDANCE] = (("init_time", "lead_time", "threshold", "y", "x"), chances, attrs)
    qpe = np.stack([run.qpe(lead) for lead in leads])[None]
    observed = {"long_name": "observed rain in the window that ends at valid_time"}
    made["qpe"] = (dims, qpe, _RAIN | observed | _sum([run.qpe_window]))
    for name in made.data_vars:
        made[name].encoding["coordinates"] = _COORDINATES
    return made


def _add(made: xr.Dataset, run: Run, found: list[Content]) -> None:
    """Add what a map shows beside rain and probabilities, one content for each lead time."""
    code = found[0].code
    planes = [np.full(run.grid.shape, np.nan) if content.values is None else content.values for content in found]
    values = np.stack(planes)[None].astype("float32")
    coordinates = _COORDINATES
    about: dict[str, Any] = {"grid_mapping": "crs"}
    if code in CHANNELS:
        name, channel = code, CHANNELS[code]
        leads = [run.source.lead_times.index(int(hours)) for hours in made["lead_time"]]
        values = np.stack([run.channel(code, lead) for lead in leads])[None]  # in the archive's units
        about |= {key: getattr(channel, key) for key in ("long_name", "standard_name", "units")}
    elif ":" in code:
        kind, _, hours = code.partition(":")
        name, end = f"{'rain' if kind == 'nwp' else kind}_{hours}h", f"valid_time_{hours}h"
        made.coords.update(_ends(end, made["valid_time"].values, np.timedelta64(int(hours), "h")))
        about |= _RAIN | {"long_name": f"{found[0].title} of the {hours} h that end at {end}"}
        about["cell_methods"] = f"{end}: sum"
        coordinates = coordinates.replace("valid_time", end)
    else:
        name, about["long_name"], about["units"] = _OTHERS[code]
    if code in AT_CHOSEN_THRESHOLD:
        coordinates += " chosen_threshold"
    if found[0].names:
        values = np.where(np.isnan(values), -1, values).astype("int8")
        about |= {
            "flag_values": np.arange(len(found[0].names), dtype="int8"),
            "flag_meanings": _MEANINGS,
            "comment": found[0].unit,
        }
    made[name] = (("init_time", "lead_time", "y", "x"), values, about)
    made[name].encoding["coordinates"] = coordinates


def _ends(name: str, valid: NDArray[Any], spans: NDArray[Any] | np.timedelta64) -> dict[str, Any]:
    """Return the CF time at which windows end, and its bounds.

    Parameters
    ----------
    name : str
        Of the coordinate.
    valid : ndarray (init_time, lead_time)
        Ends.
    spans : timedelta64, or array of it by lead time
        Lengths.
    """
    words = {"standard_name": "time", "long_name": "end of the rain window, UTC", "bounds": f"{name}_bounds"}
    dims = ("init_time", "lead_time")
    return {
        name: (dims, valid, words),
        f"{name}_bounds": ((*dims, "bound"), np.stack([valid - spans, valid], axis=-1)),
    }


def _sum(windows: list[float]) -> dict[str, str]:
    """Return the CF words for a sum over a window, where it is the same at all lead times."""
    return {"cell_methods": f"valid_time: sum (interval: {windows[0]:g} hours)"} if len(windows) == 1 else {}


def _coordinates(run: Run, leads: tuple[int, ...]) -> dict[str, Any]:
    kept = {
        name: run.archive[name].drop_vars([c for c in run.archive[name].coords if c != name]) for name in ("y", "x")
    }
    lon, lat = run.grid.lonlat()
    hours = np.array([run.source.lead_times[lead] for lead in leads], "int64")
    valid = np.array([run.valid_time(lead) for lead in leads]).astype("datetime64[ns]")
    spans = np.array([round(3600 * run.window(lead)) for lead in leads], "timedelta64[s]")
    coordinates: dict[str, Any] = kept | {
        "init_time": ("init_time", [run.init_time], {"standard_name": "forecast_reference_time", "axis": "T"}),
        "lead_time": ("lead_time", hours, {"standard_name": "forecast_period", "units": "hours"}),
        "lat": (("y", "x"), lat.astype("float32"), {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": (("y", "x"), lon.astype("float32"), {"standard_name": "longitude", "units": "degrees_east"}),
        "crs": ((), np.int32(0), run.grid.to_attrs()),
    }
    coordinates |= _ends("valid_time", valid[None], spans)
    if run.thresholds:
        coordinates["threshold"] = ("threshold", np.asarray(run.thresholds, "float64"), _threshold_words(run))
    return coordinates


def _threshold_words(run: Run) -> dict[str, str]:
    return {
        "units": "mm",
        "standard_name": "lwe_thickness_of_precipitation_amount",
        "long_name": f"amount in {run.source.probabilities.window:g} h",
        "spp__relative_to_threshold": "greater_than_or_equal_to",
    }


def _attributes(run: Run, leads: tuple[int, ...]) -> dict[str, Any]:
    about, attrs = run.about(), run.archive.attrs
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    history = (
        f"{now} run {np.datetime_as_string(run.init_time, unit='m')}Z exported by the page of sslpdl {__version__}"
    )
    earlier = str(attrs.get("history", ""))
    synthetic = "true" if about["synthetic"] else "false"
    kept = {key: str(attrs[key]) for key in ("institution", "references", "comment") if attrs.get(key)}
    return {
        "Conventions": "CF-1.11",
        "title": f"{'SYNTHETIC DATA: ' if about['synthetic'] else ''}{about['title']}",
        "source": about["source"],
        "history": f"{history}\n{earlier}".strip(),
        "nwp": about["nwp"],
        "model": about["model"],
        "synthetic": synthetic,
        "rain_window": run.window(leads[0]),
        "sslpdl_version": __version__,
    } | kept
