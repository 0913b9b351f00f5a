"""NWP files as a dataset in memory, for a closer look; :func:`sslpdl.readers.ingest` is for whole periods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.grid import Grid
from sslpdl.readers.inventory import Covers
from sslpdl.readers.nwp import Target
from sslpdl.readers.plan import grid_by_name, left_out
from sslpdl.readers.runs import NwpRuns
from sslpdl.readers.sources import Paths, expand

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read_nwp"]


def read_nwp(
    sources: Paths,
    *,
    profile: str | Path = "auto",
    grid: str | Grid | None = None,
    channels: Sequence[str] | None = None,
    rain_window: float | None = None,
    rain_covers: Covers | None = None,
    init_time: Any = None,
) -> xr.Dataset:
    """Read all runs in some NWP files.

    Parameters
    ----------
    sources, profile, grid, channels, rain_window, rain_covers, init_time
        As for :func:`sslpdl.readers.ingest`.

    Returns
    -------
    xarray.Dataset
        ``fields (init_time, lead_time, channel, y, x)`` float32 in the units of the coordinate ``units`` (channel),
        NaN where missing; ``rain_window (lead_time)`` in hours; ``lat``, ``lon``, ``crs``.  The attribute ``notes``
        lists what runs lack.

    Raises
    ------
    ReaderError
        If the files cannot be read as asked.
    """
    import xarray as xr

    runs = NwpRuns(expand(sources), profile=profile, channels=channels, init_time=init_time, rain_covers=rain_covers)
    wanted = runs.profile.grid if grid is None else grid
    place = runs.check_grid(None if wanted == "native" else grid_by_name(wanted))
    windows = runs.rain_window(rain_window)
    target = Target(place, runs.channels, tuple(windows), tuple(windows.values()))
    results = [runs.read(time, target) for time in runs.init_times]
    lon, lat = place.lonlat()
    known = [CHANNELS[name] for name in target.channels]
    return xr.Dataset(
        {
            "fields": (("init_time", "lead_time", "channel", "y", "x"), np.stack([fields for fields, _ in results])),
            "rain_window": ("lead_time", np.asarray(target.rain_window), {"units": "hours"}),
        },
        coords={
            "init_time": runs.init_times.astype("datetime64[ns]"),
            "lead_time": ("lead_time", np.asarray(target.leads), {"units": "hours"}),
            "channel": list(target.channels),
            "units": ("channel", [channel.units for channel in known]),
            "y": place.y,
            "x": place.x,
            "lat": (("y", "x"), lat),
            "lon": (("y", "x"), lon),
            "crs": ((), 0, place.to_attrs()),
        },
        attrs={
            "title": runs.title,
            "notes": [*left_out(runs, target.leads), *(note for _, notes in results for note in notes)],
        },
    )
