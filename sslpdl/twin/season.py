"""One summer of the twin: the course of the front, the steering wind, lows and typhoons, as tables by the hour."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from sslpdl.errors import ConfigError
from sslpdl.twin.noise import Key, Modes, Series, Stream, Time, hour_of, normal, series
from sslpdl.twin.spectra import waves
from sslpdl.twin.storms import Low, Typhoon, draw_lows, draw_typhoons

__all__ = [
    "CASES",
    "FIRST_HOUR",
    "LAST_HOUR",
    "Season",
    "Tables",
    "TwinConfig",
    "season",
    "season_hour",
]

FIRST_HOUR, LAST_HOUR = -288, 3240
"""First and last hour of a season, counted from 1 June 00 UTC: 20 May to 14 October."""

CASES = ("august-2022",)
"""Special cases by name."""

SYNOPTIC_MEMORY, SYNOPTIC_SPEED = 60.0, 8.5
THERMAL_MEMORY, THERMAL_SPEED = 50.0, 10.0

_FRONT_LATITUDE = (
    (0, 30.5), (19, 32.5), (30, 34.3), (44, 36.4), (54, 38.2),
    (65, 39.6), (80, 38.5), (96, 35.5), (111, 32.3), (122, 31.0),
)  # fmt: skip
"""Mean latitude of the front by day from 1 June."""


@dataclass(frozen=True)
class TwinConfig:
    """Which twin: everything that its weather and its forecasts depend on besides the time.

    Attributes
    ----------
    seed : int
        Any number from 0 to 2**63 - 1; another seed is another climate's worth of summers.
    case : str or None
        ``"august-2022"`` puts a synthetic analogue of 8 to 11 August 2022 into that summer.

    Raises
    ------
    ConfigError
        If the case is unknown or the seed out of range.
    """

    seed: int = 0
    case: str | None = None

    def __post_init__(self) -> None:
        if self.case is not None and self.case not in CASES:
            raise ConfigError(f"The twin has no case {self.case!r}; known cases are {', '.join(CASES)}.")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"The twin's seed is {self.seed}; it must be from 0 to 2**63 - 1.")


@dataclass
class Tables:
    """Hourly values (n,) of what varies as a scalar.

    Attributes
    ----------
    hours
        Hours since 1 June 00 UTC.
    summer
        1 in early August, 0 in early June.
    latitude, slope, strength, wave_long, wave_short, phase, jet
        The front: latitude at the middle of the domain, km north per km east, strength, its two waves and their phase,
        and the low-level jet to its south.
    regime
        How ready the air is to rain, in the units of the rain driver.
    wind_x, wind_y
        Steering wind in m/s.
    dynamic, thermal
        Factors on the synoptic waves.
    focus
        Strength of the band that a case adds along the front.
    """

    hours: Series
    summer: Series
    latitude: Series
    slope: Series
    strength: Series
    wave_long: Series
    wave_short: Series
    phase: Series
    jet: Series
    regime: Series
    wind_x: Series
    wind_y: Series
    dynamic: Series = field(default_factory=lambda: np.ones(0))
    thermal: Series = field(default_factory=lambda: np.ones(0))
    focus: Series = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Season:
    """One summer.

    Attributes
    ----------
    key : Key
        Seed and year of its random numbers.
    tables : Tables
        Scalars by the hour.
    moved_x, moved_y : ndarray
        Way of the steering wind since the first hour, km.
    lows, typhoons : tuple
        All of the season.
    """

    key: Key
    tables: Tables
    moved_x: Series
    moved_y: Series
    lows: tuple[Low, ...]
    typhoons: tuple[Typhoon, ...]

    def index(self, hours: int) -> int:
        """Return the row of the tables for an hour."""
        return hours - FIRST_HOUR

    def dynamic(self, hours: int) -> Modes:
        """Return the coefficients of the waves in the flow."""
        drawn = waves().draw(self.key, Stream.SYNOPTIC_DYNAMIC, hours, memory=SYNOPTIC_MEMORY, speed=SYNOPTIC_SPEED)
        return drawn * np.float32(self.tables.dynamic[self.index(hours)])

    def thermal(self, hours: int) -> Modes:
        """Return the coefficients of the waves in warmth and moisture."""
        drawn = waves().draw(self.key, Stream.SYNOPTIC_THERMAL, hours, memory=THERMAL_MEMORY, speed=THERMAL_SPEED)
        return drawn * np.float32(self.tables.thermal[self.index(hours)])


def season_hour(time: Time) -> tuple[int, int]:
    """Return the year and the hours since 1 June 00 UTC of a time.

    Raises
    ------
    ConfigError
        If the time is no whole hour or outside 20 May to 13 October.
    """
    stamp = hour_of(time)
    year = int(stamp.astype("datetime64[Y]").astype(int)) + 1970
    hours = int((stamp - np.datetime64(f"{year}-06-01", "h")).astype(int))
    if not FIRST_HOUR + 1 <= hours <= LAST_HOUR:
        raise ConfigError(f"The twin knows the summer from 20 May to 13 October, not {stamp} UTC; choose another time.")
    return year, hours


@lru_cache(maxsize=8)
def season(config: TwinConfig, year: int) -> Season:
    """Return the summer of one year."""
    in_case = config.case is not None and year == 2022
    if in_case:
        from sslpdl.twin.august_2022 import DRAW, install

    key = Key(config.seed, DRAW if in_case else year)
    hours = np.arange(FIRST_HOUR, LAST_HOUR + 1, dtype=np.float64)
    tables = _tables(key, hours)
    lows, typhoons = draw_lows(key, hours, tables.latitude), draw_typhoons(key)
    if in_case:
        lows, typhoons = install(tables, lows, typhoons)
    return Season(
        key=key,
        tables=tables,
        moved_x=3.6 * np.cumsum(tables.wind_x),
        moved_y=3.6 * np.cumsum(tables.wind_y),
        lows=lows,
        typhoons=typhoons,
    )


def _tables(key: Key, hours: Series) -> Tables:
    day = hours / 24
    ones = np.ones_like(hours)
    late = np.clip((day - 61) / 34, 0, 1)  # August: the front weakens between its two seasons
    strength = 0.9 - 0.25 * np.sin(np.pi * late) + 0.45 * series(key, Stream.FRONT_STRENGTH, hours, 72)
    wind_x, wind_y = _steering(key, hours)
    days, latitudes = np.array(_FRONT_LATITUDE).T
    start = 2 * math.pi * normal(key, Stream.FRONT_WAVE_LONG, band=1)
    return Tables(
        hours=hours,
        summer=np.maximum(np.cos(np.pi * (day - 65) / 130), -0.3),
        latitude=np.interp(day, days, latitudes) + 1.9 * series(key, Stream.FRONT_LATITUDE, hours, 72),
        slope=0.10 + 0.16 * series(key, Stream.FRONT_SLOPE, hours, 72),
        strength=np.clip(strength, 0.15, 2.2),
        wave_long=series(key, Stream.FRONT_WAVE_LONG, hours, 30),
        wave_short=series(key, Stream.FRONT_WAVE_SHORT, hours, 30),
        phase=start - 2 * np.pi * 3.6 * 11 * hours / 1100,
        jet=np.clip(1 + 0.5 * series(key, Stream.FRONT_JET, hours, 48), 0, 2.5),
        regime=series(key, Stream.REGIME, hours, 60),
        wind_x=wind_x,
        wind_y=wind_y,
        dynamic=ones.copy(),
        thermal=ones.copy(),
        focus=0 * ones,
    )


def _steering(key: Key, hours: Series) -> tuple[Series, Series]:
    """Return the wind that carries the cells: half the synoptic wind at the domain's middle, and a part of its own."""
    every = hours[::12]
    slopes = np.array(
        [
            waves().gradient(
                waves().draw(key, Stream.SYNOPTIC_DYNAMIC, hour, memory=SYNOPTIC_MEMORY, speed=SYNOPTIC_SPEED)
            )
            for hour in every
        ]
    )
    geostrophic = 46 * 9.81 / 8.9e-5 / 1e3  # m/s for a slope of 1 per km of the 500-hPa waves
    from_waves_x = np.interp(hours, every, -0.4 * geostrophic * slopes[:, 1])
    from_waves_y = np.interp(hours, every, 0.4 * geostrophic * slopes[:, 0])
    wind_x = 9.0 + from_waves_x + 2.0 * series(key, Stream.STEERING_X, hours, 48)
    wind_y = 3.5 + from_waves_y + 2.0 * series(key, Stream.STEERING_Y, hours, 48)
    speed = np.hypot(wind_x, wind_y)
    limited = np.clip(speed, 3, 20) / np.maximum(speed, 0.1)
    return wind_x * limited, wind_y * limited
