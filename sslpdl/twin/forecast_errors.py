"""What a forecast gets wrong: position, timing and strength, more with lead time, each run in its own way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sslpdl.twin.mesoscale import MESOSCALE, Mesoscale, mesoscale_bands, realise, spectra
from sslpdl.twin.noise import Modes, Stream, blend, normal
from sslpdl.twin.season import Season
from sslpdl.twin.spectra import waves
from sslpdl.twin.weather import Cyclone, Weather, weather

__all__ = ["Run", "growth"]

_MEMORY = 30.0  # hours of lead time over which an error of the large scale changes
_CORRELATION = ((0.97, 140.0), (0.94, 90.0), (0.80, 40.0))
"""For each band of the mesoscale: correlation with the truth at the start, and the hours over which it falls by e."""


def growth(lead: float) -> float:
    """Return the size of the errors: 1 at 26 hours, not zero at the start, at most 1.6."""
    return min(1.6, (lead + 4) / 30)


class Run:
    """The errors of one run at one lead time.

    Parameters
    ----------
    season : Season
        The true summer.
    init : int
        Hours since 1970 of the start, which names the run's random numbers.
    hours : int
        Valid time in hours of the season.
    lead : int
        Lead time in hours.
    """

    def __init__(self, season: Season, *, init: int, hours: int, lead: int) -> None:
        self.season, self.init, self.hours, self.lead = season, init, hours, lead
        self.growth = growth(lead)

    def draw(self, stream: Stream, number: int = 0) -> float:
        """Return a normal number that changes slowly with lead time."""
        return blend(
            lambda knot: normal(self.season.key, stream, init=self.init, band=number, knot=knot), self.lead, _MEMORY
        )

    def weather(self) -> Weather:
        """Return the large scale as this run has it."""
        true, g = weather(self.season, self.hours), self.growth
        front = true.front
        front = front._replace(
            latitude=front.latitude + 0.40 * g * self.draw(Stream.ERROR_FRONT_LATITUDE),
            slope=front.slope + 0.05 * g * self.draw(Stream.ERROR_FRONT_SLOPE),
            strength=front.strength * max(0.3, 1 + 0.25 * g * self.draw(Stream.ERROR_FRONT_STRENGTH)),
            wave_long=front.wave_long + 0.5 * g * self.draw(Stream.ERROR_FRONT_WAVE_LONG),
            wave_short=front.wave_short + 0.5 * g * self.draw(Stream.ERROR_FRONT_WAVE_SHORT),
            phase=front.phase + 0.6 * g * self.draw(Stream.ERROR_FRONT_PHASE),
            jet=front.jet * max(0.3, 1 + 0.2 * g * self.draw(Stream.ERROR_FRONT_JET)),
            focus=front.focus * max(0.0, 0.7 + 0.2 * g * self.draw(Stream.ERROR_FRONT_STRENGTH)),
        )
        return replace(
            true,
            regime=true.regime + 0.3 * g * self.draw(Stream.ERROR_REGIME),
            front=front,
            lows=tuple(self._moved(low, Stream.ERROR_LOW, 60.0, 1.0) for low in true.lows),
            typhoons=tuple(self._moved(storm, Stream.ERROR_TYPHOON, 65.0, 0.85) for storm in true.typhoons),
            dynamic=self._waves(true.dynamic, Stream.ERROR_SYNOPTIC_DYNAMIC),
            thermal=self._waves(true.thermal, Stream.ERROR_SYNOPTIC_THERMAL),
        )

    def _moved(self, cyclone: Cyclone, stream: Stream, distance: float, factor: float) -> Cyclone:
        number = 3 * cyclone.number
        return cyclone._replace(
            x=cyclone.x + distance * self.growth * self.draw(stream, number),
            y=cyclone.y + distance * self.growth * self.draw(stream, number + 1),
            depth=cyclone.depth * factor * max(0.3, 1 + 0.2 * self.growth * self.draw(stream, number + 2)),
        )

    def _waves(self, true: Modes, stream: Stream) -> Modes:
        error = waves().draw(self.season.key, stream, self.lead, memory=_MEMORY, init=self.init)
        return true + np.float32(0.10 * self.growth) * error

    def mesoscale(self) -> Mesoscale:
        """Return the mesoscale as this run has it: partly forgotten, replaced by its own, and displaced."""
        true, fields, key = spectra(self.season, self.hours), mesoscale_bands(), self.season.key
        kept = [start * math.exp(-self.lead / hours) for start, hours in _CORRELATION]
        own = [math.sqrt(1 - share * share) for share in kept]
        errors = np.stack([fields.draw(key, kind.error, self.lead, init=self.init, weights=own) for kind in MESOSCALE])
        mixed = true * np.repeat(np.array(kept, np.float32), fields.sizes) + errors
        way = 8 * self.growth
        moved = (way * self.draw(Stream.ERROR_DISPLACEMENT_X), way * self.draw(Stream.ERROR_DISPLACEMENT_Y))
        return realise(self.season, self.hours, mixed, moved=moved)
