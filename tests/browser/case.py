"""A small archive and forecast that the browser tests read back from the screen: moving rain, a forecast that errs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sslpdl import forecast
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.data import stations
from sslpdl.grid import KOREA_5KM, Grid

INIT = [np.datetime64("2022-08-07T12"), np.datetime64("2022-08-08T00")]
LEADS = list(range(1, 25))
THRESHOLDS = (0.1, 1.0, 5.0, 10.0, 30.0)
# one wet cell in a dry surrounding at each of these places, mm
MARKS = {"Seoul": 55.0, "Busan": 17.0, "Jeju": 3.5}
TITLE = "Test case <b>&</b> 시험"


class StandIn:
    """In place of a trained model: probabilities fall with the ratio of threshold to rain."""

    channels = ("rain",)
    thresholds = THRESHOLDS
    rain_window = 1.0

    def __init__(self) -> None:
        self.decision = dict.fromkeys(THRESHOLDS, 0.5)
        self.provenance = {"name": "stand-in"}

    def check(self, archive: xr.Dataset) -> None:
        pass

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        rain = np.nan_to_num(fields[:, 0])[:, None]
        reach = 1 / (1 + (np.asarray(THRESHOLDS)[:, None, None] / np.maximum(rain, 1e-3)) ** 0.8)
        upper = np.concatenate([np.ones_like(rain), reach], axis=1)
        lower = np.concatenate([reach, np.zeros_like(rain)], axis=1)
        return (upper - lower).astype("float32")


def rain_at(grid: Grid, hours: float, *, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Rain [mm] of a band and some cells that drift eastwards; dry elsewhere."""
    rng = np.random.default_rng(seed)
    left, bottom, right, top = grid.bounds
    x, y = np.meshgrid((grid.x - left) / (right - left), (grid.y - bottom) / (top - bottom))
    x = x - hours / 60 - shift
    band = 45 * np.exp(-(((y - 0.52 - 0.18 * np.sin(3 * x + 1)) / 0.035) ** 2)) * (0.55 + 0.45 * np.sin(23 * x))
    total = band
    for _ in range(26):
        cx, cy, size, peak = rng.uniform(-0.6, 1), rng.uniform(0, 1), rng.uniform(0.015, 0.09), rng.gamma(1.2, 14)
        total = np.maximum(total, peak * np.exp(-(((x - cx) / size) ** 2 + ((y - cy) / size * 1.7) ** 2)))
    total *= np.exp(0.45 * rng.standard_normal(grid.shape))
    return np.where(total < 0.05, 0, total)


def mark(rain: np.ndarray, grid: Grid, factor: float = 1.0) -> np.ndarray:
    """Set the marked cells, and dry their neighbours."""
    for station in stations():
        if station.name in MARKS:
            row, column = (round(float(k)) for k in grid.cell(station.lon, station.lat))
            if 3 <= row < grid.shape[0] - 3 and 3 <= column < grid.shape[1] - 3:
                rain[row - 3 : row + 4, column - 3 : column + 4] = 0
                rain[row, column] = MARKS[station.name] * factor
    return rain


def write_case(folder: Path, *, grid: Grid = KOREA_5KM, leads: list[int] = LEADS, **attrs: Any) -> tuple[Path, Path]:
    """Write archive and forecast; the last lead times of the last run have no QPE, and a corner has no NWP."""
    archive, probabilities = folder / "case.zarr", folder / "forecast.zarr"
    told = {"title": TITLE, "source": "Moving rain for tests", "synthetic": "true"} | attrs
    window = leads[0]
    with ArchiveWriter.create(
        archive, grid=grid, channels=["slp", "rain"], lead_time=leads, attrs=told,
        rain_window=float(window), qpe_window=float(window), mask=np.ones(grid.shape, bool),
    ) as writer:  # fmt: skip
        for init in INIT:
            fields = np.full((len(leads), 2, *grid.shape), 1000.0, "float32")
            since = (init - INIT[0]) / np.timedelta64(1, "h")
            for i, lead in enumerate(leads):
                fields[i, 1] = mark(rain_at(grid, since + lead, shift=0.03), grid)
            fields[:, 1, :6, :9] = np.nan
            writer.write_run(init, fields)
        times = np.unique(np.concatenate([init + np.array(leads, "timedelta64[h]") for init in INIT]))
        times = times[: max(len(times) - 6, 1)]
        hours = (times - INIT[0]) / np.timedelta64(1, "h")
        observed = np.stack([mark(rain_at(grid, hour), grid, 0.5) for hour in hours]).astype("float32")
        observed[:, :, -7:] = np.nan
        writer.write_qpe(times, observed)
    forecast.run(open_archive(archive), StandIn(), out=probabilities)
    return archive, probabilities
