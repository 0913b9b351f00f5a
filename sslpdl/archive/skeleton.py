"""Making an archive that has everything but runs and QPE."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sslpdl.archive.layout import EPOCH, FORMAT, FORMAT_VERSION, MISSING, QPE_MISSING, QPE_STEP, quiet_zarr
from sslpdl.channels import Channel
from sslpdl.errors import ArchiveError
from sslpdl.grid import Grid

if TYPE_CHECKING:
    import zarr

__all__ = ["make_skeleton", "window_per_lead"]

QPE_SHARD = 24
"""Times in one file of QPE."""

TIME_CHUNK = 4096
"""Entries of growing coordinates in one file."""


def window_per_lead(rain_window: float | Sequence[float] | NDArray[Any], leads: int) -> NDArray[np.float64]:
    """Return the rain window of every lead time in hours.

    Raises
    ------
    ArchiveError
        If there is neither one window nor one per lead time, or one is not positive.
    """
    windows = np.asarray(rain_window, np.float64)
    if windows.ndim > 1 or windows.size not in (1, leads):
        raise ArchiveError(
            f"There are {windows.size} rain windows for {leads} lead times; give one for all or one for each."
        )
    if not (np.isfinite(windows).all() and (windows > 0).all()):
        raise ArchiveError(f"The rain windows {windows.tolist()} must be positive numbers of hours.")
    return np.broadcast_to(windows, (leads,)).copy()


def make_skeleton(
    path: Path,
    *,
    grid: Grid,
    channels: tuple[Channel, ...],
    lead_time: Sequence[int] | range | NDArray[Any],
    rain_window: float | Sequence[float] | NDArray[Any],
    qpe_window: float,
    mask: ArrayLike | None,
    attrs: Mapping[str, Any],
) -> None:
    """Write an archive without runs into the empty folder `path`."""
    import zarr

    leads = _whole_hours(lead_time)
    windows = window_per_lead(rain_window, len(leads))
    if not (np.isfinite(qpe_window) and qpe_window > 0):
        raise ArchiveError(f"The QPE window is {qpe_window} hours; it must be positive.")
    counts = _mask(grid, mask)
    with quiet_zarr():
        group = zarr.open_group(str(path), mode="w", zarr_format=3, attributes=_attributes(attrs, qpe_window))
        _coordinates(group, grid, channels, leads)
        _small(
            group, "rain_window", windows, ("lead_time",), long_name="length of the accumulation in rain", units="hours"
        )
        _small(
            group,
            "mask",
            counts,
            ("y", "x"),
            long_name="where verification counts",
            grid_mapping="crs",
            coordinates="lat lon",
        )
        _fields(group, grid, channels, len(leads))
        _qpe(group, grid, qpe_window)
        zarr.consolidate_metadata(group.store)


def _whole_hours(lead_time: Sequence[int] | range | NDArray[Any]) -> NDArray[np.int32]:
    given = np.asarray(lead_time)
    if given.dtype.kind == "m":
        given = given / np.timedelta64(1, "h")
    leads = given.astype(np.int32) if given.dtype.kind in "iuf" else np.zeros(0, np.int32)
    if given.ndim != 1 or not leads.size or np.any(leads != given) or leads[0] < 0 or np.any(np.diff(leads) <= 0):
        raise ArchiveError(f"The lead times {given.tolist()} must be whole hours from 0 on, increasing.")
    return leads


def _mask(grid: Grid, mask: ArrayLike | None) -> NDArray[np.bool_]:
    if mask is None:
        default = grid.verification_mask()
        return default if default.any() else np.ones(grid.shape, bool)
    counts = np.asarray(mask)
    if counts.shape != grid.shape:
        raise ArchiveError(f"The mask has the shape {counts.shape}, the grid {grid.name!r} {grid.shape}.")
    return counts.astype(bool)


def _attributes(attrs: Mapping[str, Any], qpe_window: float) -> dict[str, Any]:
    from sslpdl import __version__

    given = dict(attrs)
    if not isinstance(given.get("config", ""), str):
        given["config"] = json.dumps(given["config"], ensure_ascii=False, sort_keys=True)
    if isinstance(given.get("synthetic"), bool | np.bool_):
        given["synthetic"] = str(bool(given["synthetic"])).lower()
    made = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} made by sslpdl {__version__}"
    return {
        "Conventions": "CF-1.11",
        "title": "NWP forecasts and observed rain",
        "source": "unknown",
        "synthetic": "false",
        "config": "{}",
        **given,
        "history": "\n".join(line for line in (str(given.get("history", "")), made) if line),
        "qpe_window": float(qpe_window),
        "sslpdl_version": __version__,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
    }


def _small(group: zarr.Group, name: str, values: Any, dims: tuple[str, ...], **attrs: Any) -> None:
    """Store an array that does not grow, in one chunk."""
    data = np.asarray(values)
    text = data.dtype.kind == "U"
    array = group.create_array(
        name,
        shape=data.shape,
        dtype=str if text else data.dtype,
        chunks=data.shape or "auto",
        dimension_names=dims,
        attributes=attrs,
    )
    array[...] = data.astype(object) if text else data


def _coordinates(group: zarr.Group, grid: Grid, channels: tuple[Channel, ...], leads: NDArray[np.int32]) -> None:
    lon, lat = grid.lonlat()
    kind, units = ("{}", "degrees_{}") if grid.geographic else ("projection_{}_coordinate", "m")
    for name, values, long, direction in (("x", grid.x, "longitude", "east"), ("y", grid.y, "latitude", "north")):
        standard = kind.format(long if grid.geographic else name)
        _small(group, name, values, (name,), standard_name=standard, units=units.format(direction), axis=name.upper())
    _small(group, "lat", lat.astype(np.float32), ("y", "x"), standard_name="latitude", units="degrees_north")
    _small(group, "lon", lon.astype(np.float32), ("y", "x"), standard_name="longitude", units="degrees_east")
    _small(group, "crs", np.int32(0), (), **grid.to_attrs())
    _small(group, "lead_time", leads, ("lead_time",), standard_name="forecast_period", units="hours")
    _small(
        group,
        "channel",
        np.asarray([c.name for c in channels]),
        ("channel",),
        long_name="canonical name of the variable",
    )
    _small(
        group,
        "channel_step",
        [c.step for c in channels],
        ("channel",),
        long_name="value = raw * channel_step + channel_offset",
    )
    _small(group, "channel_offset", [float(c.offset) for c in channels], ("channel",), long_name="see channel_step")
    for name, standard in (("init_time", "forecast_reference_time"), ("valid_time", "time")):
        group.create_array(
            name,
            shape=(0,),
            dtype="int64",
            chunks=(TIME_CHUNK,),
            dimension_names=(name,),
            attributes={"standard_name": standard, "units": EPOCH, "calendar": "proleptic_gregorian"},
        )


def _compressor() -> Any:
    from zarr.codecs import BloscCodec, BloscShuffle

    return BloscCodec(cname="zstd", clevel=5, shuffle=BloscShuffle.bitshuffle)


def _fields(group: zarr.Group, grid: Grid, channels: tuple[Channel, ...], leads: int) -> None:
    from zarr.codecs.numcodecs import Delta

    size = (len(channels), *grid.shape)
    group.create_array(
        "fields",
        shape=(0, leads, *size),
        dtype="int16",
        chunks=(1, 1, *size),
        shards=(1, leads, *size),
        fill_value=MISSING,
        filters=[Delta(dtype="<i2")],
        compressors=_compressor(),
        dimension_names=("init_time", "lead_time", "channel", "y", "x"),
        attributes={
            "long_name": "forecast fields",
            "grid_mapping": "crs",
            "coordinates": "lat lon",
            "_FillValue": MISSING,
            "channels": json.dumps([asdict(channel) for channel in channels]),
        },
    )
    group.create_array(
        "fields_coverage",
        shape=(0, leads, len(channels)),
        dtype="float32",
        chunks=(64, leads, len(channels)),
        fill_value=0.0,
        dimension_names=("init_time", "lead_time", "channel"),
        attributes={"long_name": "share of cells with a value", "units": "1"},
    )


def _qpe(group: zarr.Group, grid: Grid, window: float) -> None:
    group.create_array(
        "qpe",
        shape=(0, *grid.shape),
        dtype="int32",
        chunks=(1, *grid.shape),
        shards=(QPE_SHARD, *grid.shape),
        fill_value=QPE_MISSING,
        compressors=_compressor(),
        dimension_names=("valid_time", "y", "x"),
        attributes={
            "long_name": "observed rain in the window that ends at valid_time",
            "units": "mm",
            "standard_name": "lwe_thickness_of_precipitation_amount",
            "grid_mapping": "crs",
            "coordinates": "lat lon",
            "cell_methods": f"valid_time: sum (interval: {window:g} hours)",
            "scale_factor": QPE_STEP,
            "_FillValue": QPE_MISSING,
        },
    )
    group.create_array(
        "qpe_coverage",
        shape=(0,),
        dtype="float32",
        chunks=(TIME_CHUNK,),
        fill_value=0.0,
        dimension_names=("valid_time",),
        attributes={"long_name": "share of cells with a value", "units": "1"},
    )
