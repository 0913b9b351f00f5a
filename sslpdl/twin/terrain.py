"""The twin's domain: cells with a margin around the default grid, land and sea, and the mountains of Korea."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sslpdl.grid import KOREA_5KM, Grid, rotate_winds
from sslpdl.twin.noise import Field, Key, Stream, generator
from sslpdl.twin.spectra import bands

__all__ = ["KM_PER_DEGREE", "MARGIN", "Domain", "domain", "north_of", "shifted_inner", "smooth"]

MARGIN = 16
"""Cells added on each side, so that moving, smoothing and differencing have no edge effects."""

SHAPE = (KOREA_5KM.shape[0] + 2 * MARGIN, KOREA_5KM.shape[1] + 2 * MARGIN)

CENTRE = (
    (KOREA_5KM.x0 + 0.5 * (KOREA_5KM.shape[1] - 1) * KOREA_5KM.dx) / 1e3,
    (KOREA_5KM.y0 + 0.5 * (KOREA_5KM.shape[0] - 1) * KOREA_5KM.dy) / 1e3,
)
"""Middle of the default grid in projection coordinates, km; the twin's own x and y count from here."""

CENTRE_LATITUDE = 37.57
KM_PER_DEGREE = 108.6
"""Distance on the map between parallels one degree apart; the projection shrinks by 2 to 3 per cent here."""

_GRAVITY = 9.80665
_ROTATION = 7.292e-5


class Ridge(NamedTuple):
    """A mountain range: crest points (lat, lon), height in m as a 5-km model sees it, half width in km."""

    crest: tuple[tuple[float, float], ...]
    height: float
    width: float


_RIDGES = (
    Ridge(((39.2, 127.0), (38.75, 127.75), (38.4, 128.25)), 850, 18),
    Ridge(((38.4, 128.25), (38.1, 128.45), (37.75, 128.6), (37.35, 128.85)), 1150, 20),
    Ridge(((37.35, 128.85), (37.05, 128.95), (36.6, 129.1), (36.1, 129.15)), 800, 16),
    Ridge(((37.05, 128.9), (36.95, 128.5), (36.8, 128.15), (36.5, 127.95)), 850, 15),
    Ridge(((36.5, 127.95), (36.15, 127.95), (35.85, 127.72), (35.55, 127.6)), 850, 17),
    Ridge(((35.45, 127.5), (35.33, 127.7), (35.35, 127.9)), 1150, 13),
    Ridge(((35.85, 127.55), (35.55, 127.2), (35.2, 126.95), (34.8, 126.95)), 450, 14),
    Ridge(((37.75, 128.5), (37.55, 127.9), (37.4, 127.5)), 650, 18),
    Ridge(((37.95, 127.2), (38.2, 127.5), (38.5, 127.4)), 650, 16),
    Ridge(((37.0, 127.3), (36.65, 126.85), (36.4, 126.65)), 280, 10),
    Ridge(((35.95, 129.0), (35.6, 129.02), (35.35, 129.05)), 750, 12),
    Ridge(((33.36, 126.45), (33.36, 126.6)), 1250, 11),
    Ridge(((39.2, 126.95), (39.9, 126.9), (40.6, 126.9), (41.3, 127.0)), 1150, 32),
    Ridge(((40.2, 127.4), (40.8, 128.1), (41.4, 128.6), (42.1, 129.1)), 1400, 55),
    Ridge(((40.3, 125.9), (40.6, 126.3), (41.1, 126.6)), 700, 35),
    Ridge(((41.6, 127.4), (42.0, 128.1), (42.4, 128.6)), 1500, 40),
    Ridge(((40.4, 124.3), (41.0, 125.0), (41.7, 125.7)), 600, 45),
    Ridge(((42.0, 126.3), (42.8, 127.6), (43.3, 128.8)), 750, 60),
    Ridge(((33.2, 130.2), (32.7, 131.2), (32.2, 131.1)), 750, 30),
    Ridge(((34.5, 131.3), (34.9, 132.3)), 450, 25),
)


@dataclass(frozen=True, eq=False)
class Domain:
    """Everything that does not change with time, at the cells of the work grid (rows, columns).

    Attributes
    ----------
    grid : Grid
        The work grid: the default grid and :data:`MARGIN` cells on each side.
    x, y : ndarray
        Cell centres in km from the middle of the default grid.
    easting, northing : ndarray
        The same as float32 of shape (1, columns) and (rows, 1).
    land : ndarray
        Share of land, 0 to 1, smooth over about a cell.
    height : ndarray
        Height of the ground in m.
    slope_x, slope_y : ndarray
        Slope of the smoothed ground, m per m.
    geostrophic : ndarray
        g / f times the map scale, per km: times a difference of heights over a distance on the map gives m/s.
    scale : ndarray
        Map scale: distance on the map over distance on the ground.
    turn_cos, turn_sin : ndarray
        Cosine and sine of the angle from the grid's x axis to the east.
    """

    grid: Grid
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    easting: Field
    northing: Field
    land: Field
    height: Field
    slope_x: Field
    slope_y: Field
    geostrophic: Field
    scale: Field
    turn_cos: Field
    turn_sin: Field


def north_of(latitude: float) -> float:
    """Return the distance in km, north positive, of a latitude from the middle of the domain."""
    return (latitude - CENTRE_LATITUDE) * KM_PER_DEGREE


def smooth(field: npt.NDArray[Any], cells: float) -> Field:
    """Return the field after a Gaussian filter with a standard deviation of so many cells."""
    from scipy.ndimage import gaussian_filter

    smoothed: Field = gaussian_filter(field.astype(np.float32), cells, mode="nearest")
    return smoothed


def shifted_inner(field: Field, rows: int, columns: int, *, margin: int = 0) -> Field:
    """Return the default grid's part of a work-grid field with ``margin`` cells, taken ``rows``, ``columns`` away."""
    top, left = MARGIN - margin + rows, MARGIN - margin + columns
    height, width = KOREA_5KM.shape
    return field[top : top + height + 2 * margin, left : left + width + 2 * margin]


@lru_cache(maxsize=2)
def domain(*, coarse: bool = False) -> Domain:
    """Return the domain as the atmosphere has it, or with the ``coarse`` ground of a 12-km model."""
    grid = replace(
        KOREA_5KM,
        name="korea_5km with margin",
        x0=KOREA_5KM.x0 - MARGIN * KOREA_5KM.dx,
        y0=KOREA_5KM.y0 - MARGIN * KOREA_5KM.dy,
        shape=SHAPE,
    )
    lon, lat = grid.lonlat()
    land = smooth(grid.land(), 2.0 if coarse else 0.7)
    height: Field = _heights(grid) * smooth(grid.land(), 1.0)
    if coarse:
        height = smooth(height, 2.2)
    hill = smooth(height, 1.0)
    slope_y, slope_x = np.gradient(hill / np.float32(grid.dx))
    scale = _map_scale(grid, lon, lat)
    ones = np.ones(SHAPE, np.float32)
    turn_cos, turn_sin = rotate_winds(ones, np.zeros_like(ones), grid)
    coriolis = 2 * _ROTATION * np.sin(np.radians(lat))
    x, y = grid.x / 1e3 - CENTRE[0], grid.y / 1e3 - CENTRE[1]
    return Domain(
        grid=grid,
        x=x,
        y=y,
        easting=x[None, :].astype(np.float32),
        northing=y[:, None].astype(np.float32),
        land=land,
        height=height,
        slope_x=(slope_x * scale).astype(np.float32),
        slope_y=(slope_y * scale).astype(np.float32),
        geostrophic=(_GRAVITY / coriolis / 1e3 * scale).astype(np.float32),
        scale=scale.astype(np.float32),
        turn_cos=np.asarray(turn_cos, np.float32),
        turn_sin=np.asarray(turn_sin, np.float32),
    )


def _map_scale(grid: Grid, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return map distance over ground distance, from the way north between neighbouring rows."""
    radius = 6371.00877
    phi, lam = np.radians(lat), np.radians(lon)
    d_phi, d_lam = np.gradient(phi, axis=0), np.gradient(lam, axis=0) * np.cos(phi)
    scale: npt.NDArray[np.float64] = grid.dy / 1e3 / (radius * np.hypot(d_phi, d_lam))
    return scale


def _heights(grid: Grid) -> Field:
    """Return the ground height in m: the highest of the ridges, roughened by fixed noise."""
    x, y = grid.x / 1e3, grid.y / 1e3
    height = np.full(grid.shape, 30.0)
    for ridge in _RIDGES:
        points = np.array([grid.xy(lon, lat) for lat, lon in ridge.crest]) / 1e3
        squared = np.full(grid.shape, np.inf)
        for start, end in pairwise(points):
            along = end - start
            share = ((x[None, :] - start[0]) * along[0] + (y[:, None] - start[1]) * along[1]) / (along @ along)
            share = np.clip(share, 0, 1)
            away = np.hypot(x[None, :] - start[0] - share * along[0], y[:, None] - start[1] - share * along[1])
            squared = np.minimum(squared, (away / ridge.width) ** 2)
        height = np.maximum(height, ridge.height * np.exp(-0.5 * squared))
    # no 5-km cell of the peninsula is much above 2000 m
    rough: Field = (2000 * np.tanh(height * np.exp(0.35 * _roughness()) / 2000)).astype(np.float32)
    return rough


def _roughness() -> Field:
    """Return a fixed Gaussian field with structures of 8 to 110 km."""
    fields = bands(2, 4, SHAPE)
    size = sum(fields.sizes)
    drawn = generator(Key(0, 0), Stream.TERRAIN).standard_normal(2 * size, dtype=np.float32).view(np.complex64)
    amplitude = fields.amplitudes(2.4, elongation=1.0)[0] * np.float32(0.5**0.5)
    rough: Field = fields.synthesise((drawn * amplitude)[None])[0]
    return rough
