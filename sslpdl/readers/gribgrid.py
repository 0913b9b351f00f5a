"""Grids of GRIB messages: longitude-latitude, Lambert conformal, polar stereographic."""

from __future__ import annotations

import math
from typing import Any

from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.field import named
from sslpdl.readers.gribkeys import get

__all__ = ["grid_of"]


def grid_of(handle: Any, known: dict[str, Grid], name: str) -> Grid:
    """Return the grid of a message; messages with the same grid section share one object."""
    kind = str(get(handle, "gridType"))
    key = str(get(handle, "md5GridSection", "")) or str(get(handle, "md5Section2", ""))
    if key not in known:
        if kind not in ("regular_ll", "lambert", "polar_stereographic"):
            raise ReaderError(
                f"The grid is of type {kind!r}; supported are lambert, polar_stereographic and regular_ll: "
                "interpolate the file to one of them first.",
                kind="grid_type",
            )
        rows, columns, count = (int(get(handle, name)) for name in ("Nj", "Ni", "numberOfDataPoints"))
        if not 0 < rows * columns == count:
            raise ReaderError(
                f"A message has a grid of {rows} x {columns} with {count} points; copy or download the file again.",
                kind="damaged_file",
            )
        known[key] = _longitude_latitude(handle, name) if kind == "regular_ll" else _projected(handle, kind, name)
    return known[key]


def _longitude_latitude(handle: Any, name: str) -> Grid:
    columns, rows = int(get(handle, "Ni")), int(get(handle, "Nj"))
    lon = [float(get(handle, f"longitudeOf{end}GridPointInDegrees")) for end in ("First", "Last")]
    lat = [float(get(handle, f"latitudeOf{end}GridPointInDegrees")) for end in ("First", "Last")]
    if get(handle, "iScansNegatively", 0):
        lon.reverse()
    # from first and last point: increments in headers are rounded, or missing
    dx = _tidy((lon[1] - lon[0]) % 360 / max(columns - 1, 1))
    dy = _tidy(abs(lat[1] - lat[0]) / max(rows - 1, 1))
    sphere = "+proj=longlat " + _earth(handle) + " +no_defs"
    return named(Grid("native", sphere, lon[0], min(lat), dx or 1.0, dy or 1.0, (rows, columns)), name)


def _projected(handle: Any, kind: str, name: str) -> Grid:
    import pyproj

    columns, rows = int(get(handle, "Ni")), int(get(handle, "Nj"))
    dx, dy = float(get(handle, "DxInMetres")), float(get(handle, "DyInMetres"))
    if kind == "lambert":
        first = float(get(handle, "Latin1InDegrees"))
        shape = (
            f"+proj=lcc +lat_1={first:g} +lat_2={float(get(handle, 'Latin2InDegrees')):g} "
            f"+lat_0={float(get(handle, 'LaDInDegrees', first)):g} +lon_0={float(get(handle, 'LoVInDegrees')):g}"
        )
    else:
        pole = -90 if get(handle, "projectionCentreFlag", 0) & 128 else 90
        shape = (
            f"+proj=stere +lat_0={pole} +lat_ts={float(get(handle, 'LaDInDegrees', math.copysign(60, pole))):g} "
            f"+lon_0={float(get(handle, 'orientationOfTheGridInDegrees')):g}"
        )
    projection = f"{shape} +x_0=0 +y_0=0 {_earth(handle)} +units=m +no_defs"
    try:
        project = pyproj.Proj(projection)
    except pyproj.exceptions.CRSError as error:
        raise ReaderError(f"A GRIB message has an impossible projection: {error}.", kind="damaged_file") from error
    x, y = project(
        float(get(handle, "longitudeOfFirstGridPointInDegrees")),
        float(get(handle, "latitudeOfFirstGridPointInDegrees")),
    )
    if get(handle, "iScansNegatively", 0):
        x -= (columns - 1) * dx
    if not get(handle, "jScansPositively", 0):
        y -= (rows - 1) * dy
    return named(Grid("native", projection, x, y, dx, dy, (rows, columns)), name)


def _earth(handle: Any) -> str:
    radius = get(handle, "radius", None)
    if radius is not None:
        return f"+R={float(radius):.10g}"
    major, minor = (float(get(handle, f"earth{axis}AxisInMetres")) for axis in ("Major", "Minor"))
    return f"+a={major:.12g} +b={minor:.12g}"


def _tidy(value: float) -> float:
    return float(f"{value:.9g}")
