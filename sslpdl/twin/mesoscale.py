"""The mesoscale: correlated random fields that travel with the steering wind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sslpdl.twin.noise import Field, Modes, Stream
from sslpdl.twin.season import Season
from sslpdl.twin.spectra import Bands, bands
from sslpdl.twin.terrain import SHAPE

__all__ = ["MESOSCALE", "Mesoscale", "convection", "mesoscale_bands", "realise", "spectra", "steering_direction"]

CONVERGENCE = 6e-5
"""Standard deviation of the mesoscale convergence in 1/s."""


class _Kind(NamedTuple):
    """A field: stream of its random numbers and of its errors, slope of its spectrum, bands that hold power."""

    stream: Stream
    error: Stream
    slope: float
    present: tuple[int, ...]


MESOSCALE = (
    _Kind(Stream.CONVERGENCE, Stream.ERROR_CONVERGENCE, 2.6, (0, 1, 2)),
    _Kind(Stream.MOISTURE_850, Stream.ERROR_MOISTURE_850, 3.0, (0, 1, 2)),
    _Kind(Stream.INSTABILITY, Stream.ERROR_INSTABILITY, 3.2, (0, 1)),
    _Kind(Stream.MOISTURE_500, Stream.ERROR_MOISTURE_500, 3.0, (0, 1, 2)),
    _Kind(Stream.HIDDEN, Stream.ERROR_HIDDEN, 2.8, (0, 1, 2)),
)
"""The fields, in the order of :class:`Mesoscale`."""


@dataclass(frozen=True, eq=False)
class Mesoscale:
    """Mesoscale fields (rows, columns) of the work grid, unit variance but for the wind.

    Attributes
    ----------
    convergence, moisture_850, instability, moisture_500
        What is seen in the channels.
    hidden
        What moves rain but is in no channel: think of ascent at 700 hPa.
    wind_x, wind_y
        Divergent wind in m/s that belongs to the convergence.
    """

    convergence: Field
    moisture_850: Field
    instability: Field
    moisture_500: Field
    hidden: Field
    wind_x: Field
    wind_y: Field


def mesoscale_bands() -> Bands:
    """Return the modes of 45 to 1200 km, which a 12-km model carries."""
    return bands(0, 2, SHAPE)


@lru_cache(maxsize=1)
def _amplitudes() -> Field:
    fields = mesoscale_bands()
    return np.stack([fields.amplitudes(kind.slope, present=kind.present) for kind in MESOSCALE])


def steering_direction(season: Season, hours: int) -> float:
    """Return the direction of the steering wind in radians from east: cells are elongated along it."""
    row = season.index(hours)
    return math.atan2(float(season.tables.wind_y[row]), float(season.tables.wind_x[row]))


def spectra(season: Season, hours: int) -> Modes:
    """Return the random coefficients (field, mode) of the true mesoscale, before amplitude and motion."""
    fields = mesoscale_bands()
    return np.stack([fields.draw(season.key, kind.stream, hours) for kind in MESOSCALE])


def realise(season: Season, hours: int, coefficients: Modes, *, moved: tuple[float, float] = (0.0, 0.0)) -> Mesoscale:
    """Return the fields of random coefficients at an hour.

    Parameters
    ----------
    season : Season
        Gives the steering wind.
    hours : int
        The time.
    coefficients : ndarray
        Random numbers (field, mode) of unit mean square.
    moved : tuple of float
        Displacement in km east and north.
    """
    fields, row = mesoscale_bands(), season.index(hours)
    phase = fields.phase(float(season.moved_x[row]) + moved[0], float(season.moved_y[row]) + moved[1])
    amplitudes = fields.turned(_amplitudes(), steering_direction(season, hours))
    scaled = coefficients * amplitudes * phase
    wind = fields.divergent * (scaled[0] * np.float32(CONVERGENCE))
    return Mesoscale(*fields.synthesise(np.concatenate([scaled, wind])))


@lru_cache(maxsize=2)
def _convective_amplitudes(last: int) -> Field:
    return bands(2, last, SHAPE).amplitudes(2.6)


def convection(
    season: Season,
    hours: int,
    *,
    last: int,
    stream: Stream = Stream.CONVECTION,
    init: int = 0,
    clock: float | None = None,
) -> Field:
    """Return the convective field (rows, columns), smeared along its way during the hour that ends at ``hours``.

    Parameters
    ----------
    season, hours
        Whose steering wind, and when.
    last : int
        Number of the smallest band: 4 for the truth, 3 for a model that cannot hold the smallest cells.
    stream, init, clock
        Random numbers: of the truth by default, else of a run with its own clock.
    """
    fields, row = bands(2, last, SHAPE), season.index(hours)
    drawn = fields.draw(season.key, stream, hours if clock is None else clock, init=init)
    middle_x = 0.5 * float(season.moved_x[row - 1] + season.moved_x[row])
    middle_y = 0.5 * float(season.moved_y[row - 1] + season.moved_y[row])
    way_x = float(season.moved_x[row] - season.moved_x[row - 1])
    way_y = float(season.moved_y[row] - season.moved_y[row - 1])
    # The mean of a travelling wave over an hour is the wave times a sinc of half its phase change.
    smear = np.sinc((fields.kx * way_x + fields.ky * way_y) / np.float32(2 * np.pi))
    amplitudes = fields.turned(_convective_amplitudes(last), steering_direction(season, hours))
    spectrum = drawn * amplitudes * smear * fields.phase(middle_x, middle_y)
    cells: Field = fields.synthesise(spectrum[None])[0]
    return cells
