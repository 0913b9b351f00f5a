"""The large-scale weather at one time as a handful of numbers, true or with the errors of a forecast."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from sslpdl.twin.noise import Modes
from sslpdl.twin.season import Season
from sslpdl.twin.storms import Low, Typhoon

__all__ = ["Cyclone", "Front", "Weather", "cyclone_of_low", "cyclone_of_typhoon", "weather"]


class Front(NamedTuple):
    """The stationary front: latitude, slope, strength, two waves, their phase (rad), southern jet, band of a case."""

    latitude: float
    slope: float
    strength: float
    wave_long: float
    wave_short: float
    phase: float
    jet: float
    focus: float


class Cyclone(NamedTuple):
    """A low or typhoon: number within the season, place in km, strength, radius in km and age in hours."""

    number: int
    x: float
    y: float
    depth: float
    radius: float
    age: float


@dataclass(frozen=True, eq=False)
class Weather:
    """The large scale at one time.

    Attributes
    ----------
    solar_hour : float
        Local solar time in hours at 127.5 E.
    summer, regime : float
        Seasonal warmth, and how ready the air is to rain.
    front : Front
        The stationary front.
    lows, typhoons : tuple of Cyclone
        Those that are felt in the domain.
    dynamic, thermal : ndarray
        Coefficients of the synoptic waves.
    """

    solar_hour: float
    summer: float
    regime: float
    front: Front
    lows: tuple[Cyclone, ...]
    typhoons: tuple[Cyclone, ...]
    dynamic: Modes
    thermal: Modes


def cyclone_of_low(number: int, low: Low, hours: float) -> Cyclone | None:
    """Return a low at a time, or None where it is not yet born, gone, or far away."""
    age = hours - low.birth
    if not 0 < age < low.life:
        return None
    x, y = low.x + low.speed_x * age, low.y + low.speed_y * age
    if math.hypot(x, y) > 1600:
        return None
    return Cyclone(number, x, y, low.depth * math.sin(math.pi * age / low.life) ** 0.7, low.radius, age)


def cyclone_of_typhoon(number: int, typhoon: Typhoon, hours: float) -> Cyclone | None:
    """Return a typhoon at a time, or None where it is far away."""
    age = hours - typhoon.birth
    if not 0 < age < 160:
        return None
    x, y = typhoon.place(hours)
    distance = math.hypot(x, y)
    # its long skirts fade in and out instead of jumping
    nearness = min(1.0, max(0.0, (1600 - distance) / 500))
    depth = typhoon.depth * math.exp(-max(0.0, y + 350) / 700) * nearness
    return Cyclone(number, x, y, depth, 150.0, age) if depth > 0.02 else None


def weather(season: Season, hours: int) -> Weather:
    """Return the true large-scale weather at an hour of the season."""
    tables, row = season.tables, season.index(hours)
    lows = (cyclone_of_low(number, low, hours) for number, low in enumerate(season.lows))
    typhoons = (cyclone_of_typhoon(number, typhoon, hours) for number, typhoon in enumerate(season.typhoons))
    return Weather(
        solar_hour=(hours + 8.5) % 24,
        summer=float(tables.summer[row]),
        regime=float(tables.regime[row]),
        front=Front(
            latitude=float(tables.latitude[row]),
            slope=float(tables.slope[row]),
            strength=float(tables.strength[row]),
            wave_long=float(tables.wave_long[row]),
            wave_short=float(tables.wave_short[row]),
            phase=float(tables.phase[row]),
            jet=float(tables.jet[row]),
            focus=float(tables.focus[row]),
        ),
        lows=tuple(low for low in lows if low is not None),
        typhoons=tuple(typhoon for typhoon in typhoons if typhoon is not None),
        dynamic=season.dynamic(hours),
        thermal=season.thermal(hours),
    )
