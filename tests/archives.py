"""A small archive for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sslpdl.archive import ArchiveWriter
from sslpdl.channels import CANONICAL, CHANNELS
from sslpdl.grid import KOREA_5KM

SMALL = KOREA_5KM.crop(100, 40, (12, 10), name="small")
LEADS = (0, 1, 2, 3)
START = np.datetime64("2022-08-08T00", "ns")


def fields(
    seed: int = 0,
    channels: tuple[str, ...] = CANONICAL,
    leads: int = len(LEADS),
    shape: tuple[int, int] = SMALL.shape,
) -> np.ndarray:
    """Return plausible values (lead, channel, y, x) that are not multiples of the storage step."""
    rng = np.random.default_rng(seed)
    typical = {"geopotential_height": (9000, 300), "relative_humidity": (60, 15), "air_temperature": (280, 8)}
    typical |= {"air_pressure_at_mean_sea_level": (1005, 8), "precipitation_amount": (0, 5)}
    values = np.empty((leads, len(channels), *shape), np.float32)
    for index, name in enumerate(channels):
        mean, spread = typical.get(CHANNELS[name].standard_name, (0, 8))
        values[:, index] = rng.normal(mean, spread, values[:, index].shape)
        if CHANNELS[name].is_rain:
            values[:, index] = np.maximum(values[:, index], 0)
    return values


def rain(seed: int, times: int) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(0, 5, (times, *SMALL.shape)), 0).astype(np.float32)


def hours(first: str, number: int) -> np.ndarray:
    return np.datetime64(first, "h") + np.arange(number)


def create(path: Path, **changes: Any) -> ArchiveWriter:
    settings: dict[str, Any] = {"grid": SMALL, "channels": CANONICAL, "lead_time": LEADS}
    return ArchiveWriter.create(path, **(settings | changes))


def make(path: Path, *, runs: int = 3, **changes: Any) -> Path:
    """Write an archive with 12-hourly runs from 8 August 2022 and hourly QPE of the first 18 hours."""
    with create(path, **changes) as writer:
        for run in range(runs):
            names = tuple(channel.name for channel in writer.channels)
            writer.write_run(START + np.timedelta64(12 * run, "h"), fields(run, names))
        writer.write_qpe(hours("2022-08-08T00", 18), rain(7, 18))
    return path
