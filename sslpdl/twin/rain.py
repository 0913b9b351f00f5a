"""Rain from the driver: what falls, and what a 12-km model makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from sslpdl.grid import KOREA_5KM
from sslpdl.twin.forecast_errors import Run
from sslpdl.twin.mesoscale import Mesoscale, convection, mesoscale_bands, steering_direction
from sslpdl.twin.noise import Field, Stream
from sslpdl.twin.season import Season
from sslpdl.twin.spectra import CELL
from sslpdl.twin.state import State
from sslpdl.twin.terrain import domain, shifted_inner
from sslpdl.twin.weather import Weather

__all__ = ["RAIN", "RainParameters", "driver", "forecast_rain", "rain_rate", "true_rain"]

_EDGE = 4
"""Cells around the default grid that the coarse model's cells may reach into."""
_FARTHEST = 12
"""Cells by which a run may displace its rain."""
_COARSE = 12.0
"""Cell size of the coarse model in km."""


@dataclass(frozen=True)
class RainParameters:
    """Numbers that the twin's rain statistics were calibrated with (see ``statistics``).

    Attributes
    ----------
    threshold, rate, power, growth, cap
        Truth: rain is ``rate * e**power * exp(growth * e)`` mm/h where the driver exceeds its threshold by e, bent
        towards cap.
    regime, hidden
        Weight in the driver of the readiness to rain and of what no channel shows.
    cells, gusts
        Convective noise in the driver (ragged edges, dry gaps) and in the intensity (the unpredictable heavy rain).
    f_threshold, f_rate, f_growth, f_bend, f_tail
        The same for the forecast, with the power of the truth. Above f_bend its rain grows only as the power f_tail of
        what the driver asks for: a 12-km model has too little of the heaviest rain.
    f_noise, f_cells, f_intensity
        The forecast's own noise in the driver at the mesoscale, at the convective scale, and in the intensity.
    drizzle
        Largest drizzle of the model in mm/h.
    """

    threshold: float = 1.78
    rate: float = 0.63
    power: float = 1.35
    growth: float = 0.27
    cap: float = 170.0
    regime: float = 0.45
    hidden: float = 0.85
    cells: float = 0.55
    gusts: float = 0.60
    f_threshold: float = 2.10
    f_rate: float = 0.40
    f_growth: float = 0.36
    f_bend: float = 17.0
    f_tail: float = 0.5
    f_noise: float = 1.20
    f_cells: float = 0.45
    f_intensity: float = 0.90
    drizzle: float = 0.6


RAIN = RainParameters()
"""The calibrated values."""


def driver(state: State, small: Mesoscale, weather: Weather, parameters: RainParameters = RAIN) -> Field:
    """Return the part of the rain driver that moves with the weather (rows, columns)."""
    return state.driver + parameters.hidden * small.hidden + parameters.regime * weather.regime


def rain_rate(
    excess: Field, *, rate: float, power: float, growth: float, intensity: Field, bend: float, tail: float = 0.0
) -> Field:
    """Return rain in mm/h where the driver exceeds its threshold, else 0.

    ``intensity`` is the log of a factor.  Far above ``bend`` (mm/h) rain grows as its power ``tail``: with 0, ``bend``
    is a cap.
    """
    rain = np.zeros_like(excess)
    wet = excess > 0
    e = excess[wet]
    strong = np.float32(rate) * np.exp(np.float32(power) * np.log(e) + np.float32(growth) * e + intensity[wet])
    # a soft bend: at a third of it nothing is lost
    ratio = strong / np.float32(bend)
    ratio *= ratio
    rain[wet] = strong / np.sqrt(np.sqrt(1 + ratio * ratio)) ** (1 - tail)
    return rain


def true_rain(
    season: Season, hours: int, state: State, small: Mesoscale, weather: Weather, parameters: RainParameters = RAIN
) -> Field:
    """Return the rain in mm of the hour that ends at ``hours``, on the default grid (y, x)."""
    p = parameters
    cells = shifted_inner(convection(season, hours, last=4), 0, 0)
    excess = shifted_inner(driver(state, small, weather, p) + state.ground, 0, 0) + (p.cells * cells - p.threshold)
    gusts = np.float32(p.gusts) * cells - np.float32(0.5 * p.gusts**2)
    return rain_rate(excess, rate=p.rate, power=p.power, growth=p.growth, intensity=gusts, bend=p.cap)


def forecast_rain(
    run: Run, state: State, small: Mesoscale, weather: Weather, parameters: RainParameters = RAIN
) -> Field:
    """Return the run's rain in mm of the hour before its valid time, on the default grid (y, x).

    Its errors are larger than those of the fields that cause it: the driver is displaced once more, noise is added, the
    intensity is uncertain, the afternoon comes early, it drizzles where it is moist, and the cells are 12 km wide.
    """
    p, g = parameters, run.growth
    way = 20 + 0.7 * run.lead
    # a displacement by whole cells costs nothing; half a cell is far less than the error itself
    columns, rows = (
        int(np.clip(round(way * run.draw(stream) / CELL), -_FARTHEST, _FARTHEST))
        for stream in (Stream.ERROR_RAIN_X, Stream.ERROR_RAIN_Y)
    )
    noise, spread = _noise(run)
    early = 0.24 * _afternoon(weather.solar_hour + 2.5) - 0.24 * _afternoon(weather.solar_hour)
    moving = shifted_inner(driver(state, small, weather, p), -rows, -columns, margin=_EDGE)
    fixed = shifted_inner(state.ground + np.float32(early) * domain(coarse=True).land, 0, 0, margin=_EDGE)
    seen = moving + fixed
    cells = convection(run.season, run.hours, last=3, stream=Stream.RAIN_CONVECTION, init=run.init, clock=run.lead)
    size = p.f_noise * (0.75 + 0.25 * g)
    own = shifted_inner(size * noise + p.f_cells * cells, 0, 0, margin=_EDGE)
    strength = p.f_intensity * (0.7 + 0.3 * g)
    intensity = shifted_inner(strength * spread, 0, 0, margin=_EDGE) - np.float32(0.3 * strength)
    rain = rain_rate(
        seen + own - p.f_threshold,
        rate=p.f_rate,
        power=p.power,
        growth=p.f_growth,
        intensity=intensity,
        bend=p.f_bend,
        tail=p.f_tail,
    )
    moist = np.clip((shifted_inner(state.rh_850, 0, 0, margin=_EDGE) - 87) / 10, 0, 1)
    rain = np.maximum(rain, p.drizzle * moist * np.clip(seen - 0.7, 0, 1))
    rows_matrix, columns_matrix = _coarsening()
    coarse: Field = (columns_matrix @ (rows_matrix @ rain).T).T
    return np.ascontiguousarray(coarse)


def _afternoon(solar_hour: float) -> float:
    return math.cos(2 * math.pi * (solar_hour - 16.5) / 24)


@lru_cache(maxsize=1)
def _noise_amplitudes() -> Field:
    fields = mesoscale_bands()
    return np.stack([fields.amplitudes(2.8), fields.amplitudes(2.4)])


def _noise(run: Run) -> Field:
    """Return the noise of driver and intensity (2, rows, columns) of a run, carried by the steering wind."""
    fields, season, row = mesoscale_bands(), run.season, run.season.index(run.hours)
    drawn = np.stack(
        [
            fields.draw(season.key, stream, run.lead, init=run.init)
            for stream in (Stream.RAIN_DRIVER, Stream.RAIN_INTENSITY)
        ]
    )
    amplitudes = fields.turned(_noise_amplitudes(), steering_direction(season, run.hours))
    phase = fields.phase(float(season.moved_x[row]), float(season.moved_y[row]))
    return fields.synthesise(drawn * amplitudes * phase)


@lru_cache(maxsize=1)
def _coarsening() -> tuple[csr_array, csr_array]:
    """Return matrices that average rows and columns over 12-km cells and interpolate back linearly."""
    return _coarsen_axis(KOREA_5KM.shape[0]), _coarsen_axis(KOREA_5KM.shape[1])


def _coarsen_axis(size: int) -> csr_array:
    fine = size + 2 * _EDGE
    edges = np.arange(fine + 1) * CELL
    count = math.ceil(fine * CELL / _COARSE)
    left = np.arange(count)[:, None] * _COARSE
    overlap = np.clip(np.minimum(edges[1:], left + _COARSE) - np.maximum(edges[:-1], left), 0, None)
    average = overlap / overlap.sum(axis=1, keepdims=True)
    place = ((np.arange(size) + _EDGE + 0.5) * CELL) / _COARSE - 0.5
    lower = np.floor(place).astype(int)
    share = place - lower
    back = np.zeros((size, count))
    back[np.arange(size), lower] = 1 - share
    back[np.arange(size), lower + 1] += share
    return csr_array((back @ average).astype(np.float32))
