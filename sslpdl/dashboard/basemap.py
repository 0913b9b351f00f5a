"""What lies under and over the rain: land, coastline, borders and places, projected once per grid and process.

Nothing is projected while a page is looked at: the browser gets projected lines, and two small tables with which it
turns map coordinates into longitude and latitude and back, for the readout and the graticule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl import data

if TYPE_CHECKING:
    from sslpdl.grid import Grid

__all__ = ["Basemap", "basemap"]

# beyond the grid, so that a wide window shows neighbouring coasts and not a void
_MARGIN = 0.4
_NODES = 49
# the fine coastline is for a closer look; at the scale of the peninsula its islets only blacken the map
_LINES = {
    "provinces": ("provinces", "10m"),
    "borders": ("borders", "10m"),
    "coastline": ("coastline", "50m"),
    "coastline-fine": ("coastline", "10m"),
}
Box = tuple[float, float, float, float]
Points = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Basemap:
    """Geography in the projection of a grid.

    Attributes
    ----------
    bounds : tuple
        Left, bottom, right, top of the grid [m, or degrees].
    surroundings : tuple
        The same of everything that is drawn.
    covered : bool
        Whether the shipped maps reach the middle of the grid; beyond them nobody knows land from sea.
    land : tuple of ndarray
        x and y of the outer rings of land, joined with NaN between them.
    lines : dict
        Provinces, borders, coastline and coastline-fine to x and y of all such lines, joined with NaN between them.
    places : dict
        Columns name, name_ko, x, y, lon, lat of towns.
    regions : list of dict
        Presets that overlap the grid: name, title, title_ko, bounds.
    tables : dict
        See `_tables`.
    """

    bounds: Box
    surroundings: Box
    covered: bool
    land: tuple[Points, Points]
    lines: dict[str, tuple[Points, Points]]
    places: dict[str, list[Any]]
    regions: list[dict[str, Any]]
    tables: dict[str, Any]


@lru_cache(maxsize=8)
def basemap(grid: Grid) -> Basemap:
    """Return the geography around a grid."""
    left, bottom, right, top = grid.bounds
    reach = _MARGIN * max(right - left, top - bottom)
    box = (left - reach, bottom - reach, right + reach, top + reach)
    geographic = _geographic_bounds(grid, box)
    return Basemap(
        bounds=grid.bounds,
        surroundings=box,
        covered=_covered(grid),
        land=_land(grid, box, geographic),
        lines={name: _lines(grid, kind, scale, box, geographic) for name, (kind, scale) in _LINES.items()},
        places=_places(grid),
        regions=_regions(grid),
        tables=_tables(grid, box, geographic),
    )


def _covered(grid: Grid) -> bool:
    left, bottom, right, top = grid.bounds
    lon, lat = (float(value) for value in grid.lonlat_of((left + right) / 2, (bottom + top) / 2))
    west, south, east, north = data.coverage()
    return west <= lon <= east and south <= lat <= north


def _geographic_bounds(grid: Grid, box: Box) -> Box:
    """Return longitude and latitude bounds of a box in map coordinates, from a lattice of its points."""
    left, bottom, right, top = box
    x, y = np.meshgrid(np.linspace(left, right, 33), np.linspace(bottom, top, 33))
    lon, lat = grid.lonlat_of(x, y)
    known = np.isfinite(lon) & np.isfinite(lat)
    return float(lon[known].min()), float(lat[known].min()), float(lon[known].max()), float(lat[known].max())


def _xy(grid: Grid, lon: Any, lat: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return map coordinates; on a longitude-latitude grid without the jump by a turn at its western edge."""
    if not grid.geographic:
        return grid.xy(lon, lat)
    middle = (grid.bounds[0] + grid.bounds[2]) / 2
    return np.mod(np.asarray(lon, float) - middle + 180, 360) + middle - 180, np.asarray(lat, float)


def _project(grid: Grid, line: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = _xy(grid, line[:, 0], line[:, 1])
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _near(x: NDArray[np.float64], y: NDArray[np.float64], box: Box) -> bool:
    left, bottom, right, top = box
    return bool(x.size and x.max() > left and x.min() < right and y.max() > bottom and y.min() < top)


def _lines(grid: Grid, kind: str, scale: str, box: Box, geographic: Box) -> tuple[Points, Points]:
    found = []
    for line in data.lines(kind, resolution=scale, bounds=geographic):
        x, y = _project(grid, line)
        if _near(x, y, box):
            found.append(np.column_stack([x, y]))
    return _joined(found)


def _land(grid: Grid, box: Box, geographic: Box) -> tuple[Points, Points]:
    """Return outer rings of land, drawn in to the box.

    Moving what lies outside onto the edge of the box keeps every interior point on its side of the ring, and turns
    the continent into a few hundred points.
    """
    left, bottom, right, top = box
    rings = []
    for polygon in data.land_polygons("10m", bounds=geographic):
        x, y = _project(grid, polygon[0])
        if _near(x, y, box):
            corners = np.column_stack([np.clip(x, left, right), np.clip(y, bottom, top)])
            rings.append(corners[np.insert(np.any(np.diff(corners, axis=0) != 0, axis=1), 0, True)])
    return _joined(rings)


def _joined(pieces: list[NDArray[np.float64]]) -> tuple[Points, Points]:
    """Return x and y of all pieces (n, 2) with NaN between them: one array travels faster than a thousand."""
    gap = np.full((1, 2), np.nan)
    points = np.concatenate([part for piece in pieces for part in (piece, gap)] or [np.empty((0, 2))])
    return points[:, 0].astype(np.float32), points[:, 1].astype(np.float32)


def _places(grid: Grid) -> dict[str, list[Any]]:
    left, bottom, right, top = grid.bounds
    columns: dict[str, list[Any]] = {name: [] for name in ("name", "name_ko", "x", "y", "lon", "lat")}
    for station in data.stations():
        x, y = (float(value) for value in _xy(grid, station.lon, station.lat))
        if left <= x <= right and bottom <= y <= top:
            row = (station.name, station.name_ko, x, y, station.lon, station.lat)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return columns


def _regions(grid: Grid) -> list[dict[str, Any]]:
    """Return presets of which the grid holds at least half."""
    left, bottom, right, top = grid.bounds
    found = []
    for key, region in data.regions().items():
        west, south, east, north = region.bounds
        lon, lat = np.meshgrid(np.linspace(west, east, 9), np.linspace(south, north, 9))
        x, y = _xy(grid, lon, lat)
        inside = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
        if inside.mean() >= 0.5:
            bounds = [float(x.min()), float(y.min()), float(x.max()), float(y.max())]
            found.append({"name": key, "title": region.name, "title_ko": region.name_ko, "bounds": bounds})
    return found


def _tables(grid: Grid, box: Box, geographic: Box) -> dict[str, Any]:
    """Return lattices for bilinear interpolation, both ways, shape (nodes, nodes), first axis y or latitude.

    With 49 nodes the error on KOREA_5KM is below 100 m, a fiftieth of a cell.
    """
    left, bottom, right, top = box
    x, y = np.meshgrid(np.linspace(left, right, _NODES), np.linspace(bottom, top, _NODES))
    lon, lat = grid.lonlat_of(x, y)
    west, south, east, north = geographic
    longitude, latitude = np.meshgrid(np.linspace(west, east, _NODES), np.linspace(south, north, _NODES))
    to_x, to_y = _xy(grid, longitude, latitude)
    return {
        "nodes": _NODES,
        "box": list(box),
        "lon": lon.astype(np.float32),
        "lat": lat.astype(np.float32),
        "geographic": list(geographic),
        "x": to_x.astype(np.float32),
        "y": to_y.astype(np.float32),
    }
