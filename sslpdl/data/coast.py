"""Coastlines, borders and land of East Asia from the Natural Earth shapefiles in the package.

The files are Natural Earth's 1:10, 1:50 and 1:110 million maps cut to 98-160E, 12-58N, in the folder layout of cartopy.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import SslpdlError

__all__ = ["coverage", "land_polygons", "lines", "natural_earth_dir"]

Line = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

_FILES = {
    "coastline": ("physical", "coastline"),
    "land": ("physical", "land"),
    "borders": ("cultural", "admin_0_boundary_lines_land"),
    "provinces": ("cultural", "admin_1_states_provinces_lines"),
}
_RESOLUTIONS = ("10m", "50m", "110m")


def natural_earth_dir() -> Path:
    """Return the folder to give cartopy as ``cartopy.config["pre_existing_data_dir"]`` or ``CARTOPY_DATA_DIR``."""
    return Path(__file__).parent / "natural_earth"


def coverage() -> Bounds:
    """Return the part of the Earth that the shipped maps cover, in degrees: (west, south, east, north)."""
    return 98.0, 12.0, 160.0, 58.0


def lines(kind: str, *, resolution: str = "50m", bounds: Bounds | None = None) -> list[Line]:
    """Return map lines in longitude and latitude.

    Parameters
    ----------
    kind : {"coastline", "borders", "provinces"}
        Provinces are those of both Koreas and exist at 10m only, which is what any resolution gives.
    resolution : {"10m", "50m", "110m"}
        Scale of the map, 1 to so many millions.
    bounds : tuple of float, optional
        (west, south, east, north) in degrees; lines are cut where a whole segment lies beyond one side.

    Returns
    -------
    list of array (n, 2)
        Longitude and latitude in degrees; do not change them in place.

    Raises
    ------
    SslpdlError
        If the kind or resolution is unknown.

    Examples
    --------
    >>> korea = lines("coastline", bounds=(124, 33, 132, 43))
    >>> korea[0].shape[1]
    2
    """
    if kind == "land" or kind not in _FILES:
        raise SslpdlError(f"Map lines of kind {kind!r} do not exist; use coastline, borders or provinces.")
    parts = [ring for shape in _shapes(kind, resolution) for ring in shape]
    return list(parts) if bounds is None else [piece for part in parts for piece in _cut(part, bounds)]


def land_polygons(resolution: str = "50m", *, bounds: Bounds | None = None) -> list[list[Line]]:
    """Return the land as polygons, each a list of closed rings (n, 2); what an odd number of rings encloses is land.

    With `bounds` only polygons whose own bounds meet them are returned, whole.

    Raises
    ------
    SslpdlError
        If the resolution is unknown.
    """
    shapes = _shapes("land", resolution)
    if bounds is not None:
        shapes = tuple(shape for shape in shapes if _meets(shape[0], bounds))
    return [list(shape) for shape in shapes]


@lru_cache(maxsize=16)
def _shapes(kind: str, resolution: str) -> tuple[tuple[Line, ...], ...]:
    import shapefile

    if resolution not in _RESOLUTIONS:
        raise SslpdlError(f"Maps of resolution {resolution!r} do not exist; use one of {', '.join(_RESOLUTIONS)}.")
    folder, name = _FILES[kind]
    scale = "10m" if kind == "provinces" else resolution
    path = natural_earth_dir() / "shapefiles" / "natural_earth" / folder / f"ne_{scale}_{name}"
    found = []
    with shapefile.Reader(str(path)) as reader:
        for shape in reader.iterShapes():
            points = np.asarray(shape.points, np.float64)
            points.setflags(write=False)  # shared by every caller
            found.append(tuple(np.split(points, list(shape.parts)[1:])))
    return tuple(found)


def _meets(line: Line, bounds: Bounds) -> bool:
    west, south, east, north = bounds
    low, high = line.min(axis=0), line.max(axis=0)
    return bool(low[0] <= east and high[0] >= west and low[1] <= north and high[1] >= south)


def _cut(line: Line, bounds: Bounds) -> list[Line]:
    """Return the runs of segments whose own bounds meet the given bounds."""
    if len(line) < 2 or not _meets(line, bounds):
        return []
    west, south, east, north = bounds
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    keep = (low[:, 0] <= east) & (high[:, 0] >= west) & (low[:, 1] <= north) & (high[:, 1] >= south)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]])))
    return [line[first : last + 1] for first, last in zip(edges[::2], edges[1::2], strict=True)]
