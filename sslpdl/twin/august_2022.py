"""A synthetic analogue of 8 to 11 August 2022: it reproduces the situation, not the measurements.

Between the subtropical high and a low to the north a front lay from west to east across the capital area; in the
evening of the 8th (11 to 12 UTC) its band gave 141.5 mm in an hour in Seoul, and from the afternoon of the 10th it
moved south.  Here the front's course is prescribed over those days and blended into a random August.
"""

from __future__ import annotations

import numpy as np

from sslpdl.twin.noise import Series
from sslpdl.twin.season import Tables
from sslpdl.twin.storms import Low, Typhoon

__all__ = ["DRAW", "FIRST", "LAST", "PEAK", "install"]

FIRST, PEAK, LAST = 1597, 1644, 1729
"""Hours since 1 June 00 UTC: 6 August 13 UTC, 8 August 12 UTC, 12 August 01 UTC."""

DRAW = 74
"""Stands for the year in the addresses of the case's random numbers: they are not those of an ordinary summer of 2022.

Chosen so that the twin with seed 0 has its heaviest hour over the capital area near 12 UTC on the 8th, as it was.
"""

_RAMP = 12.0


def install(
    tables: Tables, lows: tuple[Low, ...], typhoons: tuple[Typhoon, ...]
) -> tuple[tuple[Low, ...], tuple[Typhoon, ...]]:
    """Write the case into a season's tables, and return the lows and typhoons that stay out of its way."""
    since = tables.hours - FIRST
    share = np.clip(np.minimum(since + _RAMP, LAST + _RAMP - tables.hours) / _RAMP, 0, 1)
    southward = np.clip((since - 90) / 36, 0, 1)

    def put(name: str, values: Series | float) -> None:
        table = getattr(tables, name)
        table += share * (values - table)

    put("latitude", 37.55 + 0.35 * np.sin(since / 9) * np.clip(abs(since - 47) / 24, 0.2, 1) - 1.6 * southward)
    put("slope", 0.08)
    put("strength", 1.3 + 0.75 * _bump(since, 47, 14) + 0.50 * _bump(since, 95, 14))
    put("wave_long", 0.15)
    put("wave_short", 0.15)
    put("jet", 1.6)
    put("regime", 0.0)
    put("wind_x", 13.0)  # the cells moved along the band at about 50 km/h
    put("wind_y", 2.0)
    put("dynamic", 0.7)
    put("thermal", 0.4)
    put("focus", 1.3 * _bump(since, 46.5, 5) + 0.6 * _bump(since, 95, 9))
    begin, end = FIRST - _RAMP, LAST + _RAMP
    return (
        tuple(low for low in lows if low.birth + low.life < begin or low.birth > end),
        tuple(storm for storm in typhoons if storm.birth + 160 < begin or storm.birth > end),
    )


def _bump(hours: Series, middle: float, width: float) -> Series:
    bump: Series = np.exp(-0.5 * ((hours - middle) / width) ** 2)
    return bump
