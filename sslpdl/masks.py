"""Land mask and verification mask of a grid, from the coastline in the package.

The polygons are drawn in the grid's own rows and columns by the scan-line rule: along the centre line of a row, every
ring crossed changes sea to land or back.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import GridError

if TYPE_CHECKING:
    from sslpdl.grid import Grid

__all__ = ["RADAR_RANGE", "inside_rings", "land_mask", "verification_mask"]

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

RADAR_RANGE = 150.0
"""Distance in km from a radar up to which rain counts; farther out the beam is above 2.5 km and misses rain."""

MEAN_RADIUS = 6371.0
LONGEST_SEGMENT = 0.25  # degrees; a straight line on the map and between two close points are then the same


def land_mask(grid: Grid) -> Mask:
    """Return where cell centres lie on land (rows, columns), by Natural Earth 1:10 million.

    Raises
    ------
    GridError
        If a cell lies outside the part of the Earth whose coastline is shipped.
    """
    from sslpdl import data

    lon, lat = grid.lonlat()
    west, south, east, north = data.coverage()
    if np.mod(lon - west, 360).max() > east - west or lat.min() < south or lat.max() > north:
        raise GridError(
            f"Grid {grid.name!r} reaches beyond {west:g}-{east:g}E, {south:g}-{north:g}N, where the shipped coastline "
            "ends; give a mask of your own."
        )
    return _land(grid)


@lru_cache(maxsize=16)
def _land(grid: Grid) -> Mask:
    from sslpdl import data

    lon, lat = grid.lonlat()
    around = (float(lon.min()) - 1, float(lat.min()) - 1, float(lon.max()) + 1, float(lat.max()) + 1)
    mask = inside_rings(grid, (ring for polygon in data.land_polygons("10m", bounds=around) for ring in polygon))
    mask.setflags(write=False)  # shared by every caller
    return mask


@lru_cache(maxsize=16)
def verification_mask(grid: Grid) -> Mask:
    """Return where verification counts (rows, columns).

    These are the land of South Korea, and every cell of sea within 150 km of one of KMA's ten radars.  Land of other
    countries never counts.  On a grid away from Korea nothing does.
    """
    from sslpdl import data

    lon, lat = grid.lonlat()
    near = np.zeros(grid.shape, bool)
    for radar in data.radars():
        near |= _distance(lon, lat, radar.lon, radar.lat) <= RADAR_RANGE
    home = inside_rings(grid, [data.south_korea()])
    if not (near.any() or home.any()):
        return near
    land = _land(grid)
    mask = (land & home) | (~land & near)
    mask.setflags(write=False)
    return mask


def inside_rings(grid: Grid, rings: Iterable[Floats]) -> Mask:
    """Return the cells whose centre an odd number of rings (n, 2) of longitude and latitude encloses."""
    rows, columns = grid.shape
    toggles = np.zeros((rows, columns + 1), np.int32)
    for ring in rings:
        row, column = grid.cell(*_densified(ring).T)
        if not (np.isfinite(row).all() and np.isfinite(column).all()):
            continue  # part of it is where the projection ends, which is far from every cell
        if grid.geographic:
            # a ring over the seam of longitudes is made one piece, and drawn on both sides of the grid
            turn = 360.0 / grid.dx
            column = np.unwrap(column, period=turn)
            for shift in (-turn, turn):
                _toggle(toggles, row, column + shift)
        _toggle(toggles, row, column)
    return np.asarray(np.cumsum(toggles[:, :-1], axis=1) % 2 == 1)


def _toggle(toggles: NDArray[np.int32], row: Floats, column: Floats) -> None:
    """Add one at the first cell centre to the east of each crossing of a ring with the centre line of a row."""
    rows, columns = toggles.shape[0], toggles.shape[1] - 1
    low, high = np.minimum(row[:-1], row[1:]), np.maximum(row[:-1], row[1:])
    # a row is crossed when low < row <= high: a vertex on a centre line then counts once, a turning point twice or
    # never
    first = np.clip(np.floor(low).astype(np.int64) + 1, 0, rows)
    last = np.clip(np.floor(high).astype(np.int64), -1, rows - 1)
    count = np.maximum(last - first + 1, 0)
    segment = np.repeat(np.arange(len(count)), count)
    crossed = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count) + first[segment]
    share = (crossed - row[:-1][segment]) / (row[1:] - row[:-1])[segment]
    where = column[:-1][segment] + share * (column[1:] - column[:-1])[segment]
    np.add.at(toggles, (crossed, np.clip(np.ceil(where), 0, columns).astype(np.int64)), 1)


def _densified(ring: Floats) -> Floats:
    """Return the ring with points added so that no segment is long."""
    pieces = np.ceil(np.abs(np.diff(ring, axis=0)).max(axis=1) / LONGEST_SEGMENT).astype(np.int64).clip(1)
    if pieces.max(initial=1) == 1:
        return ring
    at = np.repeat(np.arange(len(pieces), dtype=np.float64), pieces)
    at += np.concatenate([np.arange(n) / n for n in pieces])
    at = np.append(at, len(ring) - 1)
    index = np.arange(len(ring))
    return np.stack([np.interp(at, index, ring[:, 0]), np.interp(at, index, ring[:, 1])], axis=1)


def _distance(lon: Floats, lat: Floats, lon0: float, lat0: float) -> Floats:
    """Great-circle distance in km (haversine formula)."""
    phi, phi0 = np.radians(lat), np.radians(lat0)
    half = np.sin((phi - phi0) / 2) ** 2 + np.cos(phi) * np.cos(phi0) * np.sin(np.radians(lon - lon0) / 2) ** 2
    return np.asarray(2 * MEAN_RADIUS * np.arcsin(np.sqrt(half)))
