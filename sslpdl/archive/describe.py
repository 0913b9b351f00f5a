"""What is in an archive, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive.check import channel_coverage, problems, stamp
from sslpdl.archive.layout import is_url
from sslpdl.archive.pairing import pairs
from sslpdl.channels import CHANNELS
from sslpdl.errors import GridError
from sslpdl.grid import Grid

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["summary"]

MOST_GAPS = 8
"""Gaps that a summary lists before it says how many more there are."""


def summary(ds: xr.Dataset) -> str:
    """Return a page of text that says what an archive holds: grid, channels, runs, lead times, gaps, QPE, size.

    The dataset need not be sound; what is wrong is said at the end.
    """
    found = problems(ds)
    try:
        grid = Grid.from_dataset(ds)
    except GridError:
        grid = None
    if grid is None or any("missing" in clause or "dimensions" in clause for clause in found):
        return "\n".join(["Not a sound archive:", *(f"- {clause}" for clause in found)])
    lon, lat = ds["lon"].values, ds["lat"].values
    synthetic = " (SYNTHETIC)" if str(ds.attrs.get("synthetic", "false")) == "true" else ""
    coverage = channel_coverage(ds) if ds.sizes["init_time"] else np.ones(ds.sizes["channel"])
    sources = len(json.loads(ds.attrs.get("source_files", "[]")))
    rows = [
        ("title", f"{ds.attrs.get('title', '')}{synthetic}"),
        ("source", str(ds.attrs.get("source", "unknown"))),
        ("grid", f"{grid.name}: {grid.shape[0]} rows x {grid.shape[1]} columns at {_spacing(grid)}"),
        ("area", f"{lat.min():.2f} to {lat.max():.2f} N, {lon.min():.2f} to {lon.max():.2f} E"),
        ("mask", f"{ds['mask'].values.mean():.0%} of cells are verified"),
        ("channels", f"{ds.sizes['channel']}: " + ", ".join(_named(ds, coverage))),
        ("absent", ", ".join(name for name in CHANNELS if name not in ds["channel"].values) or "none of the sixteen"),
        ("runs", _span(ds["init_time"].values)),
        *(("", line) for line in _gaps(ds["init_time"].values, "run")),
        *(("", line) for line in _incomplete(ds)),
        ("lead times", _leads(ds)),
        ("QPE", _qpe_line(ds)),
        *(("", line) for line in _gaps(ds["valid_time"].values if "qpe" in ds else np.zeros(0), "QPE")),
        ("pairs", _pairs(ds)),
        ("made", f"by sslpdl {ds.attrs.get('sslpdl_version', '?')} from {sources} source files"),
        ("size", _size(ds)),
        *(("problem", clause) for clause in found),
    ]
    return "\n".join(f"{key:<11}{text}" for key, text in rows)


def _spacing(grid: Grid) -> str:
    return f"{grid.dx:g} degrees" if grid.geographic else f"{grid.dx / 1000:g} km"


def _named(ds: xr.Dataset, coverage: NDArray[np.float64]) -> Iterator[str]:
    for name, units, share in zip(ds["channel"].values, ds["units"].values, coverage, strict=True):
        yield f"{name} ({units})" if share > 0.9995 else f"{name} ({units}, {share:.1%} valid)"


def _span(times: NDArray[Any]) -> str:
    if not times.size:
        return "none"
    step = _usual_step(times)
    every = f", usually every {_duration(step)}" if step is not None else ""
    return f"{times.size}, from {stamp(times[0])} to {stamp(times[-1])} UTC{every}"


def _usual_step(times: NDArray[Any]) -> np.timedelta64 | None:
    steps, count = np.unique(np.diff(times), return_counts=True)
    return steps[np.argmax(count)] if steps.size else None


def _duration(step: np.timedelta64) -> str:
    minutes = int(step / np.timedelta64(1, "m"))
    if minutes % 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes / 1440:g} days"


def _gaps(times: NDArray[Any], what: str) -> Iterator[str]:
    """Name the stretches where times are missing, by the usual step."""
    step = _usual_step(times)
    if step is None or step <= np.timedelta64(0):
        return
    after = np.flatnonzero(np.diff(times) > step)
    for index in after[:MOST_GAPS]:
        missing = int(np.ceil((times[index + 1] - times[index]) / step)) - 1
        yield f"gap: {missing} {what}{'s' if missing > 1 and what == 'run' else ''} missing after {stamp(times[index])}"
    if after.size > MOST_GAPS:
        yield f"and {after.size - MOST_GAPS} more gaps"


def _incomplete(ds: xr.Dataset) -> Iterator[str]:
    """Name runs of which whole lead times or channels are missing although other runs have them."""
    if "fields_coverage" not in ds or not ds.sizes["init_time"]:
        return
    there = ds["fields_coverage"].transpose("init_time", "lead_time", "channel").values > 0
    usual = np.logical_or.reduce(there, axis=0)
    absent = usual[None] & ~there
    runs = np.flatnonzero(np.logical_or.reduce(absent, axis=(1, 2)))
    for run in runs[:MOST_GAPS]:
        whole = ~np.logical_or.reduce(there[run], axis=1) & np.logical_or.reduce(usual, axis=1)
        parts = [f"lead times {', '.join(str(v) for v in ds['lead_time'].values[whole])} h"] if whole.any() else []
        rest = absent[run][~whole].any(axis=0)
        parts += [f"some of {', '.join(str(v) for v in ds['channel'].values[rest])}"] if rest.any() else []
        yield f"run {stamp(ds['init_time'].values[run])} lacks {' and '.join(parts)}"
    if runs.size > MOST_GAPS:
        yield f"and {runs.size - MOST_GAPS} more incomplete runs"


def _leads(ds: xr.Dataset) -> str:
    leads, wet = ds["lead_time"].values, _rain_there(ds).any(axis=0)
    if not ds.sizes["init_time"]:
        wet = np.ones(leads.size, bool)
    windows = np.unique(ds["rain_window"].values[wet])
    steps = np.unique(np.diff(leads))
    text = (
        f"{leads[0]} to {leads[-1]} h every {steps[0]} h"
        if steps.size == 1
        else ", ".join(f"{v}" for v in leads) + " h"
    )
    if not wet.any():
        return f"{leads.size}: {text}; rain -"
    dry = f", - (no rain) at {', '.join(f'{v}' for v in leads[~wet])} h" if not wet.all() else ""
    return f"{leads.size}: {text}; rain over {', '.join(f'{w:g}' for w in windows)} h{dry}"


def _rain_there(ds: xr.Dataset) -> NDArray[np.bool_]:
    """Return which run and lead time (init_time, lead_time) has rain of the model."""
    shape = (ds.sizes["init_time"], ds.sizes["lead_time"])
    if "rain" not in ds["channel"].values:
        return np.zeros(shape, bool)
    if "fields_coverage" not in ds:
        return np.ones(shape, bool)
    there = ds["fields_coverage"].sel(channel="rain").transpose("init_time", "lead_time").values > 0
    return np.asarray(there, bool)


def _pairs(ds: xr.Dataset) -> str:
    table = pairs(ds, allow_none=True)
    with_rain = int(_rain_there(ds)[table["init"], table["lead"]].sum())
    return f"{len(table)} forecasts with QPE of the same window, {with_rain} of them with NWP rain"


def _qpe_line(ds: xr.Dataset) -> str:
    if "qpe" not in ds or not ds.sizes["valid_time"]:
        return "none"
    seen = f", {ds['qpe_coverage'].values.mean():.1%} of cells known" if "qpe_coverage" in ds else ""
    return f"{_span(ds['valid_time'].values)}; rain over {float(ds.attrs['qpe_window']):g} h{seen}"


def _size(ds: xr.Dataset) -> str:
    source = ds.encoding.get("source")
    if source is None or is_url(source):
        return "unknown"
    return f"{sum(file.stat().st_size for file in Path(source).rglob('*') if file.is_file()) / 1e6:.1f} MB on disk"
