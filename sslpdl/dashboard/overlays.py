"""What is drawn over the maps: contours, wind barbs, moisture flux and gauges, a whole run at a time.

Contours are traced here and travel as lines in map coordinates; winds and fluxes travel as a thinned lattice of
vectors along the axes of the map, of which the browser draws as many as there is room for.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS, WIND_PAIRS
from sslpdl.dashboard.fields import run_index
from sslpdl.dashboard.packing import Code, split_bytes
from sslpdl.errors import ArchiveError
from sslpdl.grid import Grid, rotate_winds
from sslpdl.plots.inks import DASHES, INKS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.source import Source

    Lines = list[tuple[int, NDArray[np.float64]]]
    Vectors = NDArray[np.float64]

__all__ = [
    "Contoured",
    "VectorField",
    "along_axes",
    "block_means",
    "contoured",
    "contours",
    "describe",
    "interval_of",
    "moisture_flux",
    "overlay",
    "pack_lines",
    "smoothed",
    "vector_field",
]

INTERVALS: dict[str, tuple[float, ...]] = {
    "slp": (1.0, 2.0, 4.0),
    "gph_850": (10.0, 30.0),
    "gph_500": (20.0, 60.0),
    "gph_100": (20.0, 60.0, 120.0),
}
"""Distances between contours, ascending: the last is that of weather charts, the others divide it for small regions."""

WINDS = {f"wind_{east.removeprefix('u_')}": (east, north) for east, north in WIND_PAIRS}
FLUX, FLUX_INPUTS = "flux_850", ("rh_850", "t_850", "u_850", "v_850")
_FLUX_LEVEL = 850.0
GAUGES = "gauges"

WIND_CODE, FLUX_CODE = Code(0.1, "uint16", -3000.0), Code(0.5, "uint16", -16000.0)
"""Codes of a component: m/s of wind, g/kg m/s of flux."""

_FEWEST_CONTOURS = 4
_CONTOUR_NODES, _VECTOR_NODES = 128, 128
_SPARSE = 0.02  # share of cells below which observations are gauges, as in the browser


@dataclass(frozen=True)
class Contoured:
    """A field of a run that is drawn as contours.

    Attributes
    ----------
    interval, bold : float
        Distance between contours, and between bold ones or 0, in the units of the field.
    x, y : ndarray, shapes (columns,) and (rows,)
        Places of the nodes in the coordinates of the grid.
    planes : ndarray (lead_time, rows, columns)
        NaN where missing.
    """

    interval: float
    bold: float
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    planes: NDArray[np.float64]


@dataclass(frozen=True)
class VectorField:
    """Winds or fluxes of a run on every so many cells.

    Attributes
    ----------
    nodes : Grid
        Where they are.
    parts : ndarray (lead_time, 2, rows, columns)
        Components along x and along y of the map; NaN where either is missing.
    """

    nodes: Grid
    parts: NDArray[np.float64]


def describe(source: Source) -> dict[str, dict[str, Any]]:
    """Return what the archive has the variables for, in the order of the menu.

    Each name has its ``kind`` and ``units``, its ``ink`` on a light and on a dark map, and the ``dash`` of its lines in
    pixels, empty where they are solid.
    """
    held = {str(name) for name in source.archive["channel"].values}
    found = {name: {"kind": "contours", "units": CHANNELS[name].units} for name in reversed(INTERVALS) if name in held}
    found |= {name: {"kind": "barbs", "units": "kt"} for name, pair in WINDS.items() if held.issuperset(pair)}
    if held.issuperset(FLUX_INPUTS):
        found[FLUX] = {"kind": "arrows", "units": "g/kg m/s"}
    if _has_gauges(source):
        found[GAUGES] = {"kind": "gauges", "units": "mm"}
    return {name: {**one, "ink": INKS[name], "dash": DASHES.get(name, [])} for name, one in found.items()}


def overlay(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer ``{"run": ..., "name": ...}`` with all lead times of an overlay.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        `run` as in `Source.init_times`; `name` as in `describe`, but for gauges, which are in the frames.

    Returns
    -------
    dict
        ``blocks``: per lead time a zlib stream, empty where there is no field.  Of contours, see `pack_lines`, with
        ``interval`` and ``bold``, the distance between bold lines or 0.  Of vectors two planes of integers, along x and
        along y, with the ``lattice`` (x and y of the first, distances, rows, columns) and the ``code`` of the integers.

    Raises
    ------
    ArchiveError
        If there is no such run or overlay.
    """
    source, name = session.source, message.get("name")
    init_time = source.init_times[run_index(source, message)]
    if not isinstance(name, str) or name == GAUGES or name not in describe(source):
        raise ArchiveError(f"the archive holds no overlay {str(name)[:40]!r}.")
    return _made(source, source.generation, init_time, name)


def moisture_flux(
    relative_humidity: ArrayLike, temperature: ArrayLike, east: ArrayLike, north: ArrayLike, pressure: float
) -> tuple[Vectors, Vectors]:
    """Return the flux of moisture eastwards and northwards [g/kg m/s]: specific humidity times wind.

    Parameters
    ----------
    relative_humidity, temperature, east, north : array of one shape
        %, K, m/s, m/s.
    pressure : float
        hPa.
    """
    from sslpdl.plots.weather import moisture

    air, share = np.asarray(temperature, np.float64), np.asarray(relative_humidity, np.float64)
    humidity = np.asarray(1000 * moisture(air, share, pressure), np.float64)
    return humidity * np.asarray(east, np.float64), humidity * np.asarray(north, np.float64)


def along_axes(east: ArrayLike, north: ArrayLike, grid: Grid) -> tuple[Vectors, Vectors]:
    """Return components along x and y of the map of vectors that are told eastwards and northwards, as archives do.

    The inverse of `rotate_winds`.

    Parameters
    ----------
    east, north : array (rows, columns)
        On the cells of the grid.
    grid : Grid
        In a conformal projection, or in degrees.
    """
    u, v = np.asarray(east, np.float64), np.asarray(north, np.float64)
    # the x axis of the map, told eastwards and northwards
    cosine, sine = rotate_winds(np.ones(grid.shape), np.zeros(grid.shape), grid)
    return u * cosine + v * sine, v * cosine - u * sine


def interval_of(planes: NDArray[Any], choices: tuple[float, ...]) -> float:
    """Return the widest of the distances that gives a typical plane a few contours, else the narrowest.

    One for a whole run, so that nothing but the weather changes from step to step.
    """
    known = [plane[np.isfinite(plane)] for plane in planes]
    ranges = [(values.min(), values.max()) for values in known if values.size]
    for choice in reversed(choices):
        counts = [math.floor(high / choice) - math.ceil(low / choice) + 1 for low, high in ranges]
        if counts and np.median(counts) >= _FEWEST_CONTOURS:
            return choice
    return choices[0]


def block_means(plane: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Return means of whole blocks of `size` x `size` cells (y, x), counted from row 0 and column 0; NaN where any is.

    What is left over at the far edges is left out.
    """
    rows, columns = (length // size for length in plane.shape)
    whole = np.asarray(plane[: rows * size, : columns * size], np.float64)
    means: NDArray[np.float64] = whole.reshape(rows, size, columns, size).mean(axis=(1, 3))
    return means


def smoothed(plane: NDArray[Any]) -> NDArray[np.float64]:
    """Return values (y, x) averaged over five nodes each way with weights 1, 4, 6, 4, 1.

    Without that the steps in which heights are stored become contours.  A plane that slopes evenly stays as it is, up
    to its edges; next to a missing value nothing is averaged.
    """
    values = np.asarray(plane, np.float64)
    if min(values.shape) < 3:
        return values
    rows, columns = values.shape
    around = np.pad(values, 2, mode="reflect", reflect_type="odd")
    weights = np.array([1, 4, 6, 4, 1]) / 16
    along = sum(weight * around[k : k + rows] for k, weight in enumerate(weights))
    means = sum(weight * along[:, k : k + columns] for k, weight in enumerate(weights))
    return np.where(np.isfinite(means), means, values)


def contours(x: ArrayLike, y: ArrayLike, plane: NDArray[Any], interval: float) -> Lines:
    """Return contours at whole multiples of an interval.

    Parameters
    ----------
    x, y : array, shapes (columns,) and (rows,)
        Places of the values.
    plane : ndarray (rows, columns)
        NaN where missing: no line crosses it.
    interval : float
        Distance between contours.

    Returns
    -------
    list of (int, ndarray (points, 2))
        Multiple of the interval, and x and y along the line.
    """
    from contourpy import LineType, contour_generator

    values = np.ma.masked_invalid(plane)
    if min(plane.shape) < 2 or not values.count():
        return []
    traced = contour_generator(x, y, values, line_type=LineType.Separate)
    first, last = math.ceil(values.min() / interval), math.floor(values.max() / interval)
    return [(k, np.asarray(line)) for k in range(first, last + 1) for line in traced.lines(k * interval)]


def pack_lines(lines: Lines, bounds: tuple[float, float, float, float]) -> bytes:
    """Return lines as a zlib stream of 16-bit integers, see `split_bytes`.

    Parameters
    ----------
    lines : list of (int, ndarray (points, 2))
        Multiples in -32768 ... 32767, and places within the bounds.
    bounds : tuple of float
        Left, bottom, right, top: x is told in 65535ths from left to right, y from bottom to top.

    Returns
    -------
    bytes
        Number of lines, their multiples, their numbers of points; then x and y of all points, each as the difference
        to the one before, modulo 65536.
    """
    left, bottom, right, top = bounds
    points = np.concatenate([np.zeros((0, 2)), *(line for _, line in lines)])
    places = np.rint((points - [left, bottom]) / [right - left, top - bottom] * 65535).astype(np.int64)
    steps = np.diff(places, axis=0, prepend=0)
    head = [len(lines), *(multiple for multiple, _ in lines), *(len(line) for _, line in lines)]
    numbers = np.concatenate([np.asarray(head, np.int64), steps[:, 0], steps[:, 1]])
    return zlib.compress(split_bytes((numbers % 65536).astype("<u2")), 6)


def _has_gauges(source: Source) -> bool:
    """Whether observations are those of single cells, also where cells are shown in blocks."""
    archive = source.archive
    if "qpe_coverage" not in archive or not archive.sizes.get("valid_time", 0):
        return False
    share = float(np.median(archive["qpe_coverage"].values)) * source.pooling**2
    return 0 < share < _SPARSE


@lru_cache(maxsize=48)
def _made(source: Source, _generation: int, init_time: str, name: str) -> dict[str, Any]:
    """Return the answer to a question; those of a process are shared by all its sessions, until more data come."""
    return (_contours if name in INTERVALS else _vectors)(source, init_time, name)


def _planes(source: Source, init_time: str, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Return fields (lead_time, channel, y, x) of a run."""
    run = source.archive["fields"].sel(init_time=np.datetime64(init_time))
    planes: NDArray[np.float32] = run.sel(channel=list(names)).values
    return planes


def _thinned(grid: Grid, size: int, offset: float, shape: tuple[int, ...]) -> Grid:
    """Return every `size`-th cell of a grid, the first `offset` cells from its first."""
    x0, y0 = grid.x0 + offset * grid.dx, grid.y0 + offset * grid.dy
    return replace(grid, x0=x0, y0=y0, dx=size * grid.dx, dy=size * grid.dy, shape=(shape[0], shape[1]))


def contoured(source: Source, init_time: str, name: str) -> Contoured:
    """Return a field of a run, one of `INTERVALS`, averaged for contours."""
    grid = Grid.from_dataset(source.archive)
    size = math.ceil(max(grid.shape) / _CONTOUR_NODES)
    planes = np.stack([smoothed(block_means(plane[0], size)) for plane in _planes(source, init_time, (name,))])
    nodes = _thinned(grid, size, (size - 1) / 2, planes.shape[1:])
    interval, widest = interval_of(planes, INTERVALS[name]), INTERVALS[name][-1]
    return Contoured(interval, widest if interval < widest else 0.0, nodes.x, nodes.y, planes)


def vector_field(source: Source, init_time: str, name: str) -> VectorField:
    """Return a wind, one of `WINDS` [m/s], or the flux of moisture [g/kg m/s] of a run."""
    grid = Grid.from_dataset(source.archive)
    step = math.ceil(max(grid.shape) / _VECTOR_NODES)
    every = slice(step // 2, None, step)
    planes = _planes(source, init_time, FLUX_INPUTS if name == FLUX else WINDS[name])[:, :, every, every]
    nodes = _thinned(grid, step, step // 2, planes.shape[2:])
    parts = np.empty((len(planes), 2, *nodes.shape))
    for k, (*humid, east, north) in enumerate(planes):
        if name == FLUX:
            east, north = moisture_flux(humid[0], humid[1], east, north, _FLUX_LEVEL)
        parts[k] = along_axes(east, north, nodes)
    return VectorField(nodes, np.where(np.isnan(parts).any(axis=1, keepdims=True), np.nan, parts))


def _contours(source: Source, init_time: str, name: str) -> dict[str, Any]:
    bounds = Grid.from_dataset(source.archive).bounds
    field = contoured(source, init_time, name)
    blocks = [
        pack_lines(contours(field.x, field.y, plane, field.interval), bounds) if np.isfinite(plane).any() else b""
        for plane in field.planes
    ]
    return {"blocks": blocks, "interval": field.interval, "bold": field.bold}


def _vectors(source: Source, init_time: str, name: str) -> dict[str, Any]:
    field, code = vector_field(source, init_time, name), FLUX_CODE if name == FLUX else WIND_CODE
    nodes = field.nodes
    return {
        "blocks": [_pack_vectors(parts, code) for parts in field.parts],
        "lattice": [nodes.x0, nodes.y0, nodes.dx, nodes.dy, *nodes.shape],
        "code": {"unit": code.unit, "offset": code.offset, "missing": code.missing},
    }


def _pack_vectors(parts: NDArray[np.float64], code: Code) -> bytes:
    if np.isnan(parts).all():
        return b""
    return zlib.compress(b"".join(split_bytes(code.encode(part, [])) for part in parts), 4)
