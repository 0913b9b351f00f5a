"""Lows and typhoons: what a season holds, and how they travel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sslpdl.twin.noise import Key, Series, Stream, generator
from sslpdl.twin.terrain import north_of

__all__ = ["TYPHOON_START", "Low", "Typhoon", "draw_lows", "draw_typhoons"]

TYPHOON_START = -1300.0
"""Distance in km, south negative, from the middle of the domain to where a typhoon is born."""


class Low(NamedTuple):
    """A travelling low: hour of birth, place at birth (km), velocity (km/h), strength, radius (km) and life (h)."""

    birth: float
    x: float
    y: float
    speed_x: float
    speed_y: float
    depth: float
    radius: float
    life: float


class Typhoon(NamedTuple):
    """A typhoon: hour of birth far south, x there (km), speed north (km/h), eastward curving (km/h2) and strength."""

    birth: float
    x: float
    speed: float
    curving: float
    depth: float

    def place(self, hours: float) -> tuple[float, float]:
        """Return x and y in km at a time."""
        age = hours - self.birth
        return self.x + self.curving * age * age, TYPHOON_START + self.speed * age


def draw_lows(key: Key, hours: Series, latitude: Series) -> tuple[Low, ...]:
    """Return the lows of a season whose front lies at these latitudes at these hours: about one every 56 hours."""
    random = generator(key, Stream.LOWS)
    found: list[Low] = []
    birth = float(hours[0]) - 60
    while True:
        birth += float(random.gamma(4.0, 56.0 / 4.0))
        if birth > hours[-1]:
            return tuple(found)
        speed = float(random.uniform(28, 50))
        direction = math.radians(float(random.normal(13, 9)))
        offset, strength, size, life = (float(value) for value in random.uniform(0, 1, 4))
        crossing = birth + 1100 / speed
        front = float(np.interp(crossing, hours, latitude))
        middle = north_of(front) + 40 + 320 * (offset - 0.5)
        low = Low(
            birth=birth,
            x=-1100.0,
            y=middle - 1100 * math.tan(direction),
            speed_x=speed * math.cos(direction),
            speed_y=speed * math.sin(direction),
            depth=0.5 + 0.85 * strength,
            radius=180 + 140 * size,
            life=48 + 32 * life,
        )
        found.append(low)


def draw_typhoons(key: Key) -> tuple[Typhoon, ...]:
    """Return the typhoons of a season: 2.3 on average, from July."""
    random = generator(key, Stream.TYPHOONS)
    count = int(random.poisson(2.3))
    draws: npt.NDArray[np.float64] = random.uniform(0, 1, (count, 5))
    return tuple(
        Typhoon(
            birth=24 * (30 + 88 * when),
            x=-420 + 640 * where,
            speed=20 + 12 * speed,
            curving=0.02 + 0.10 * curving,
            depth=0.5 + 0.7 * depth,
        )
        for when, where, speed, curving, depth in draws.tolist()
    )
