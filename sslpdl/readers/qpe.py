"""Observed rain on the archive's grid and in its window, whatever it was measured with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.rain import window_path
from sslpdl.readers.sources import Paths, expand

__all__ = [
    "KINDS",
    "Period",
    "QpeOptions",
    "RainSource",
    "Windows",
    "in_hours",
    "open_qpe",
    "refuse_apart",
    "time_of",
    "without_repeats",
]

KINDS = ("hsr", "grib", "gauges")
"""Kinds of rain observations."""

Values = NDArray[np.float32]
Period = tuple[float, float]
"""Beginning and end in hours since 1970-01-01 00 UTC."""


@dataclass(frozen=True)
class QpeOptions:
    """How rain observations are read.

    Attributes
    ----------
    coefficients : tuple of float
        (a, b) of Z = a R^b for radar reflectivity.  (200, 1.6) is Marshall and Palmer's; (148, 1.59) is often quoted
        for KMA's HSR composite.
    min_frames : int
        Radar frames, of the twelve of an hour, that an hour needs.
    stations : path or None
        Table of gauge coordinates for files that hold none: CSV with stn, lon, lat (or 지점, 경도, 위도).
    skip_bad : bool
        Whether unreadable files are left out and listed instead of raising.
    """

    coefficients: tuple[float, float] = (200.0, 1.6)
    min_frames: int = 10
    stations: Path | None = None
    skip_bad: bool = False


class RainSource(Protocol):
    """Rain observations over periods of their own."""

    title: str
    paths: list[Path]
    periods: set[Period]
    skipped: list[tuple[Path, str]]

    def files(self, period: Period) -> list[Path]:
        """Return the files that the rain of a period comes from."""
        ...

    def check(self, grid: Grid) -> None:
        """Raise ReaderError if the observations and a grid have no cell in common."""
        ...

    def read(self, period: Period, grid: Grid) -> Values | None:
        """Return the rain of a period in mm on a grid, array (y, x), NaN where unknown; None if its files are bad."""
        ...


def open_qpe(paths: Paths, kind: str = "auto", options: QpeOptions | None = None) -> RainSource:
    """Open rain observations; only headers and tables are read now.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders or patterns.
    kind : {"auto", "hsr", "grib", "gauges"}
        What they are; ``"auto"`` looks into the files.
    options : QpeOptions, optional
        How they are read.

    Raises
    ------
    ReaderError
        If there are none, they are of several kinds, or one cannot be read.
    """
    from sslpdl.readers.analysis import RainAnalyses
    from sslpdl.readers.gauges import GaugeRain
    from sslpdl.readers.hsr import RadarRain

    chosen = options or QpeOptions()
    if kind not in ("auto", *KINDS):
        raise ReaderError(f"There is no kind of rain observation {kind!r}; choose auto, {', '.join(KINDS)}.")
    files = expand(paths, suffixes=(".csv",) if kind == "gauges" else (), what="QPE") if kind != "auto" else _any(paths)
    if kind == "auto":
        kinds = {_kind(path) for path in files}
        if len(kinds) > 1:
            raise ReaderError(
                f"The rain observations are of several kinds ({', '.join(sorted(kinds))}); name one (qpe_kind)."
            )
        kind = kinds.pop()
    if kind == "hsr":
        return RadarRain(files, chosen)
    if kind == "gauges":
        return GaugeRain(files, chosen)
    return RainAnalyses(files, chosen)


def _any(paths: Paths) -> list[Path]:
    """Return the files named; a folder of nothing but tables is a folder of gauges."""
    try:
        return expand(paths, what="QPE")
    except ReaderError:
        return expand(paths, suffixes=(".csv",), what="QPE")


def _kind(path: Path) -> str:
    if path.suffix.lower() == ".csv":
        return "gauges"
    with path.open("rb") as file:
        start = file.read(4096)
    if start[:2] == b"\x1f\x8b" or path.name.endswith((".bin", ".bin.gz")):
        return "hsr"
    if b"GRIB" in start:
        return "grib"
    raise ReaderError(f"{path} is no rain observation that is known (HSR composite, GRIB, gauge table); name its kind.")


class Windows:
    """Rain of any window, added up from the periods of a source.

    Parameters
    ----------
    source : RainSource
        The observations.
    grid : Grid
        Grid of the result.
    window : float
        Length of the window in hours.
    """

    def __init__(self, source: RainSource, grid: Grid, window: float) -> None:
        self.source = source
        self.grid = grid
        self.window = window
        self._recent: OrderedDict[Period, Values | None] = OrderedDict()
        self._by_hour: dict[int, list[Period]] = {}
        for period in source.periods:
            self._by_hour.setdefault(int(np.floor(period[1])), []).append(period)

    def pieces(self, valid_time: np.datetime64) -> list[Period] | None:
        """Return the periods that fill the window ending at a time, or None if one is absent."""
        end = in_hours(valid_time)
        inside = [p for p in self._periods_near(end) if p[0] >= end - self.window - 1e-9 and p[1] <= end + 1e-9]
        path = window_path(inside, end - self.window, end)
        return None if path is None or any(sign < 0 for _, sign in path) else [period for period, _ in path]

    def read(self, valid_time: np.datetime64) -> Values | None:
        """Return the rain in mm of the window ending at a time, array (y, x).

        A cell is NaN if one of the periods is unknown there; None means that a period is absent altogether.
        """
        pieces = self.pieces(valid_time)
        if pieces is None:
            return None
        total = np.zeros(self.grid.shape, np.float64)
        for period in pieces:
            rain = self._piece(period, keep=len(pieces))
            if rain is None:
                return None
            total += rain
        return total.astype(np.float32)

    def _periods_near(self, end: float) -> list[Period]:
        hours = range(int(np.floor(end - self.window)), int(np.floor(end)) + 1)
        return [period for hour in hours for period in self._by_hour.get(hour, [])]

    def _piece(self, period: Period, *, keep: int) -> Values | None:
        if period not in self._recent:
            self._recent[period] = self.source.read(period, self.grid)
            # neighbouring windows overlap; older periods do not come again
            while len(self._recent) > keep:
                self._recent.popitem(last=False)
        return self._recent[period]


def in_hours(time: np.datetime64) -> float:
    """Return a time as hours since 1970-01-01 00 UTC."""
    return int(time.astype("datetime64[s]").astype(np.int64)) / 3600


def time_of(hours: float) -> np.datetime64:
    """Return the time that is so many hours after 1970-01-01 00 UTC."""
    return np.datetime64(round(hours * 3600), "s")


def covered(source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Return which cells of the target (y, x) have their centre on the source grid."""
    row, column = source.cell(*target.lonlat())
    return (row > -0.5) & (row < source.shape[0] - 0.5) & (column > -0.5) & (column < source.shape[1] - 0.5)


def refuse_apart(source: Grid, target: Grid, what: str) -> None:
    """Raise ReaderError if no cell of the target lies on the source grid."""
    if not covered(source, target).any():
        raise ReaderError(
            f"Grid {target.name!r} lies outside the grid of {what} ({source.name} {source.shape}); choose another "
            "grid, or 'native'."
        )


def without_repeats(times: Sequence[Any], paths: Sequence[Path]) -> None:
    """Raise ReaderError if two files are of one time."""
    first: dict[Any, Path] = {}
    for time, path in zip(times, paths, strict=True):
        if time in first:
            raise ReaderError(f"{first[time]} and {path} are of the same time; remove one of them.")
        first[time] = path
