"""KMA's radar composite HSR (hybrid surface rainfall): five-minute reflectivity on a 500-m grid.

A file is a header of 1024 bytes followed by nx * ny little-endian 16-bit integers, row 0 south, usually compressed
with gzip. The value is dBZ * 100; -30000 is outside the radars' range (missing), -25000 inside it without an echo (no
rain), and any other value below -10000 is missing.  Times are Korean standard time (UTC + 9 h).
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError
from sslpdl.grid import HSR_500M, Grid, regrid
from sslpdl.readers.qpe import Period, QpeOptions, in_hours, refuse_apart, without_repeats

__all__ = ["Composite", "RadarRain", "rain_rate", "read_hsr"]

KST = np.timedelta64(9, "h")
HEADER = 1024
NO_ECHO = -25000
NULL_BELOW = -10000
FRAMES = 12
"""Five-minute frames in an hour."""

_NAME = re.compile(r"_(\d{12})\.bin(\.gz)?$")
_LAYOUT = struct.Struct("<bh7s7sBBBhhhhhhB")  # up to num_data
_TIME = struct.Struct("<hBBBBB")


@dataclass(frozen=True)
class Composite:
    """One frame.

    Attributes
    ----------
    time : datetime64[s]
        Time of the frame, UTC.
    grid : Grid
        Its grid.
    raw : array (y, x) of int16
        dBZ * 100 and missing codes, row 0 south.
    """

    time: np.datetime64
    grid: Grid
    raw: NDArray[np.int16]

    def reflectivity(self) -> NDArray[np.float32]:
        """Return reflectivity in dBZ, array (y, x): NaN where missing, minus infinity where there is no echo."""
        dbz = self.raw.astype(np.float32) / np.float32(100)
        dbz[self.raw < NULL_BELOW] = np.nan
        dbz[self.raw == NO_ECHO] = -np.inf
        return dbz


def read_hsr(path: str | Path) -> Composite:
    """Read one composite.

    Raises
    ------
    ReaderError
        If the file is empty, cut off, or not a composite.

    Notes
    -----
    Layout and codes after kkpy (``read_hsr``); three independent public readers agree.
    """
    file = Path(path)
    payload = _payload(file)
    if len(payload) < HEADER:
        raise ReaderError(f"{file} is cut off: {len(payload)} bytes are less than the header of an HSR composite.")
    _, _, stamp, _, _, _, _, nx, ny, _, spacing, _, _, _ = _LAYOUT.unpack_from(payload)
    if not (0 < nx <= 10000 and 0 < ny <= 10000 and 0 < spacing <= 20000):
        raise ReaderError(
            f"{file} is not an HSR composite: its header names {nx} columns, {ny} rows and a spacing of {spacing} m."
        )
    expected = HEADER + 2 * nx * ny
    if len(payload) < expected:
        raise ReaderError(f"{file} is cut off: {len(payload)} of {expected} bytes; copy or download it again.")
    raw = np.frombuffer(payload, "<i2", nx * ny, HEADER).reshape(ny, nx).astype(np.int16, copy=False)
    return Composite(_time(file, stamp), _grid(nx, ny, spacing, file), raw)


def rain_rate(raw: NDArray[np.int16], a: float = 200.0, b: float = 1.6) -> NDArray[np.float32]:
    """Return the rain rate in mm/h of stored values by Z = a R^b: NaN where missing, 0 where there is no echo.

    Examples
    --------
    >>> rain_rate(np.array([2301, -25000, -30000], np.int16)).round(2)
    array([1., 0., nan], dtype=float32)
    """
    return _rates(a, b)[raw.astype(np.int32) + 32768]


@lru_cache(maxsize=4)
def _rates(a: float, b: float) -> NDArray[np.float32]:
    """Return the rain rate of every 16-bit value, from -32768 on."""
    if not (a > 0 and b > 0):
        raise ReaderError(f"Z = {a:g} R^{b:g} makes no sense; both coefficients must be positive.")
    raw = np.arange(-32768, 32768)
    rate = (10.0 ** (raw / 1000.0) / a) ** (1.0 / b)
    rate[raw < NULL_BELOW] = np.nan
    rate[raw == NO_ECHO] = 0.0
    return rate.astype(np.float32)


class RadarRain:
    """Hourly rain from radar frames: the mean of the rates of the hour that ends at a time.

    Parameters
    ----------
    paths : list of Path
        Frames.
    options : QpeOptions
        Z-R coefficients and the number of frames that an hour, and each cell in it, needs.
    """

    def __init__(self, paths: list[Path], options: QpeOptions) -> None:
        if not 1 <= options.min_frames <= FRAMES:
            raise ReaderError(f"An hour has {FRAMES} frames; a minimum of {options.min_frames} makes no sense.")
        a, b = options.coefficients
        _rates(a, b)
        self.title = f"KMA HSR radar composite, Z = {a:g} R^{b:g}"
        self.skipped: list[tuple[Path, str]] = []
        self.paths = paths
        self._options = options
        self._frames: dict[int, list[Path]] = {}
        times = [_time_in_name(path) for path in paths]
        known = [time if time is not None else read_hsr(path).time for time, path in zip(times, paths, strict=True)]
        without_repeats(known, paths)
        for time, path in zip(known, paths, strict=True):
            self._frames.setdefault(int(np.ceil(in_hours(time) - 1e-9)), []).append(path)
        full = {hour for hour, frames in self._frames.items() if len(frames) >= options.min_frames}
        if not full:
            most = max(len(frames) for frames in self._frames.values())
            raise ReaderError(
                f"No hour has the {options.min_frames} radar frames that it needs (at most {most} of {FRAMES}); "
                "add files, or ask for fewer frames (min_frames)."
            )
        self.periods: set[Period] = {(hour - 1.0, float(hour)) for hour in full}

    def files(self, period: Period) -> list[Path]:
        """Return the frames of an hour."""
        return self._frames[round(period[1])]

    def check(self, grid: Grid) -> None:
        """Raise ReaderError if no cell of a grid lies on the composite."""
        refuse_apart(HSR_500M, grid, self.title)

    def read(self, period: Period, grid: Grid) -> NDArray[np.float32] | None:
        """Return the rain of an hour in mm on a grid, NaN where too few frames are valid; None if too many are bad."""
        total: NDArray[np.float32] | None = None
        count: NDArray[np.uint8] | None = None
        source = HSR_500M
        for path in self.files(period):
            try:
                frame = read_hsr(path)
                if total is not None and frame.grid != source:
                    raise ReaderError(f"{path} is on grid {frame.grid.shape}, frames before it on {source.shape}.")
            except ReaderError as error:
                if not self._options.skip_bad:
                    raise
                self.skipped.append((path, str(error)))
                continue
            rate = rain_rate(frame.raw, *self._options.coefficients)
            valid = ~np.isnan(rate)
            if total is None or count is None:
                source, total, count = frame.grid, np.zeros(rate.shape, np.float32), np.zeros(rate.shape, np.uint8)
            np.add(total, rate, out=total, where=valid)
            count += valid
        if total is None or count is None or count.max() < self._options.min_frames:
            return None if total is None else np.full(grid.shape, np.nan, np.float32)
        # the mean rate in mm/h over one hour is its amount in mm
        mean = np.divide(
            total, count, out=np.full(total.shape, np.nan, np.float32), where=count >= self._options.min_frames
        )
        return regrid(mean, source, grid, method="conservative")


def _payload(path: Path) -> bytes:
    data = path.read_bytes()
    if not data:
        raise ReaderError(f"{path} is empty; copy or download it again.")
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReaderError(f"{path} is cut off or damaged ({error}); copy or download it again.") from error


def _time(path: Path, stamp: bytes) -> np.datetime64:
    """Return the time of a frame: that of its name, which is a round one, or else that of its header."""
    named, written = _time_in_name(path), _header_time(stamp)
    time = named if named is not None else written
    if time is None:
        raise ReaderError(
            f"{path} has no valid time in its header, and none in its name (..._YYYYMMDDHHMM.bin.gz, KST)."
        )
    if written is not None and abs(written - time) > np.timedelta64(10, "m"):
        raise ReaderError(
            f"{path} says {time + KST} KST in its name, but {written + KST} KST in its header; it was renamed or is "
            "damaged."
        )
    return time


def _header_time(stamp: bytes) -> np.datetime64 | None:
    try:
        return np.datetime64(datetime(*_TIME.unpack(stamp)), "s") - KST
    except ValueError:
        return None


def _time_in_name(path: Path) -> np.datetime64 | None:
    found = _NAME.search(path.name)
    if not found:
        return None
    try:
        return np.datetime64(datetime.strptime(found[1], "%Y%m%d%H%M"), "s") - KST
    except ValueError:
        return None


def _grid(nx: int, ny: int, spacing: int, path: Path) -> Grid:
    if (ny, nx) != HSR_500M.shape or spacing != HSR_500M.dx:
        raise ReaderError(
            f"{path} is on a grid of {nx} columns and {ny} rows at {spacing} m; known is KMA's "
            f"{HSR_500M.shape[1]} x {HSR_500M.shape[0]} at {HSR_500M.dx:g} m."
        )
    return HSR_500M
