"""Random numbers by address: each is a pure function of what it is for, so that any hour can be made on its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from sslpdl.errors import ConfigError

__all__ = [
    "VERSION",
    "Field",
    "Key",
    "Modes",
    "Series",
    "Stream",
    "Time",
    "blend",
    "complex_knot",
    "generator",
    "hour_of",
    "normal",
    "series",
]

VERSION = 2
"""Version of the twin, frozen: the same version, seed and time give the same weather and the same forecast of it.

Any change of the figures raises it, and it stands in every archive.  Version 2: the forecast has too little of the
heaviest rain (version 1 had too much); nothing else differs.
"""

# Enters every random number.  Version 2 has the weather of version 1, so it has the draws of version 1.
_DRAWS = 1

Field = npt.NDArray[np.floating[Any]]
"""Values at the cells of a grid; float32, though NumPy's types do not follow it through every operation."""
Modes = npt.NDArray[np.complex64]
Series = npt.NDArray[np.float64]
Time = datetime | np.datetime64 | str
_Blended = TypeVar("_Blended", float, Modes)

# Knots before the first hour of a season have negative numbers, which a SeedSequence does not take.
_KNOT_OFFSET = 1 << 16


class Stream(IntEnum):
    """What a random number is for.  The numbers are part of the twin's definition: append, never reorder."""

    LOWS = 1
    TYPHOONS = 2
    FRONT_LATITUDE = 3
    FRONT_SLOPE = 4
    FRONT_STRENGTH = 5
    FRONT_WAVE_LONG = 6
    FRONT_WAVE_SHORT = 7
    FRONT_JET = 8
    REGIME = 9
    STEERING_X = 10
    STEERING_Y = 11
    SYNOPTIC_DYNAMIC = 12
    SYNOPTIC_THERMAL = 13
    CONVERGENCE = 14
    MOISTURE_850 = 15
    INSTABILITY = 16
    MOISTURE_500 = 17
    HIDDEN = 18
    CONVECTION = 19
    # errors of the forecast, one set for each run
    ERROR_FRONT_LATITUDE = 32
    ERROR_FRONT_SLOPE = 33
    ERROR_FRONT_STRENGTH = 34
    ERROR_FRONT_WAVE_LONG = 35
    ERROR_FRONT_WAVE_SHORT = 36
    ERROR_FRONT_PHASE = 37
    ERROR_FRONT_JET = 38
    ERROR_REGIME = 39
    ERROR_LOW = 40
    ERROR_TYPHOON = 41
    ERROR_DISPLACEMENT_X = 42
    ERROR_DISPLACEMENT_Y = 43
    ERROR_RAIN_X = 44
    ERROR_RAIN_Y = 45
    ERROR_SYNOPTIC_DYNAMIC = 46
    ERROR_SYNOPTIC_THERMAL = 47
    ERROR_CONVERGENCE = 48
    ERROR_MOISTURE_850 = 49
    ERROR_INSTABILITY = 50
    ERROR_MOISTURE_500 = 51
    ERROR_HIDDEN = 52
    RAIN_DRIVER = 53
    RAIN_INTENSITY = 54
    RAIN_CONVECTION = 55
    # independent of any season
    TERRAIN = 64


class Key(NamedTuple):
    """Which weather: the twin's seed and the year."""

    seed: int
    year: int


def hour_of(time: Time) -> np.datetime64:
    """Return a time in UTC as datetime64 in hours; a time with a zone is converted.

    Raises
    ------
    ConfigError
        If it is no time, or no whole hour.
    """
    if isinstance(time, datetime) and time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    try:
        stamp = np.datetime64(cast(Any, time), "s")
    except ValueError as error:
        raise ConfigError(f"{time!r} is no time that the twin understands; write for example 2022-08-08T12.") from error
    hour = np.datetime64(cast(Any, stamp), "h")
    if np.isnat(stamp) or stamp != hour:
        raise ConfigError(f"The twin knows whole hours only, not {stamp} UTC.")
    return hour


def generator(key: Key, stream: Stream, *, init: int = 0, band: int = 0, knot: int = 0) -> np.random.Generator:
    """Return the generator that belongs to one address.

    Parameters
    ----------
    key : Key
        Seed and year.
    stream : Stream
        What the numbers are for.
    init : int, default 0
        Hours since 1970 of the run that is in error; 0 for the truth.
    band, knot : int, default 0
        Wavelength band (or number of an object) and number of the knot in time.

    Notes
    -----
    The address is a tuple of fixed length: sums of seeds collide, and so do tuples that differ in trailing zeros.
    """
    seed = (key.seed,) if key.seed < 1 << 32 else (key.seed & 0xFFFFFFFF, key.seed >> 32)
    # in words of 32 bits, as SeedSequence would cut a tuple, only that it takes twice as long over it
    words = np.array((_DRAWS, *seed, key.year, stream, init, band, knot + _KNOT_OFFSET), np.uint32)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))


@lru_cache(maxsize=16384)
def normal(key: Key, stream: Stream, *, init: int = 0, band: int = 0, knot: int = 0) -> float:
    """Return one standard normal number."""
    return float(generator(key, stream, init=init, band=band, knot=knot).standard_normal())


def complex_knot(key: Key, stream: Stream, size: int, *, init: int = 0, band: int = 0, knot: int = 0) -> Modes:
    """Return ``size`` complex normal numbers with unit mean square, read-only."""
    # Large arrays would crowd out the many small ones from a common cache.
    return (_large_knot if size > 4000 else _small_knot)(key, stream, size, init, band, knot)


def _draw(key: Key, stream: Stream, size: int, init: int, band: int, knot: int) -> Modes:
    parts = generator(key, stream, init=init, band=band, knot=knot).standard_normal(2 * size, dtype=np.float32)
    values = (parts * np.float32(math.sqrt(0.5))).view(np.complex64)
    values.setflags(write=False)
    return values


_small_knot = lru_cache(maxsize=4096)(_draw)
_large_knot = lru_cache(maxsize=128)(_draw)


def blend(draw: Callable[[int], _Blended], hours: float, memory: float) -> _Blended:
    """Return a Gaussian process at one time: two neighbouring knots mixed by cosine and sine.

    Parameters
    ----------
    draw : callable
        Knot number to independent standard normal value or vector.
    hours : float
        The time.
    memory : float
        Distance of the knots in hours.  The variance is 1 at all times, the correlation zero beyond twice the memory.
    """
    knot = math.floor(hours / memory)
    angle = 0.5 * math.pi * (hours / memory - knot)
    return math.cos(angle) * draw(knot) + math.sin(angle) * draw(knot + 1)


def series(key: Key, stream: Stream, hours: Series, memory: float) -> Series:
    """Return :func:`blend` of one scalar process at many times (n,)."""
    knots = np.floor(hours / memory).astype(int)
    first = int(knots.min())
    values = np.array([normal(key, stream, knot=knot) for knot in range(first, int(knots.max()) + 2)])
    angle = 0.5 * np.pi * (hours / memory - knots)
    mixed: Series = np.cos(angle) * values[knots - first] + np.sin(angle) * values[knots - first + 1]
    return mixed
