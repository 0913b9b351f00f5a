"""Maps in the grid's own projection: cells are squares, coastlines are projected once, nothing is resampled."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator

from sslpdl import data
from sslpdl.grid import Grid
from sslpdl.plots.palettes import Palette
from sslpdl.plots.style import INK, MUTED, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from numpy.typing import ArrayLike, NDArray

__all__ = ["class_legend", "class_map", "map_lines", "new_map", "time_label"]

SEA = "#e9f0f5"
LAND = "#f6f4ee"
_HOURS_TO_KST = np.timedelta64(9, "h")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def time_label(time: Any) -> str:
    """Return a time in UTC and in Korean Standard Time, for titles.

    Examples
    --------
    >>> time_label("2022-08-31T18")
    '31 Aug 2022 18 UTC (1 Sep 03 KST)'
    >>> time_label("2022-08-08T12")
    '8 Aug 2022 12 UTC (21 KST)'
    """
    utc = np.datetime64(time, "m")
    kst = utc + _HOURS_TO_KST
    (year, month, day, clock), (_, kst_month, kst_day, kst_clock) = _parts(utc), _parts(kst)
    date = "" if day == kst_day else f"{kst_day} {_MONTHS[kst_month - 1]} "
    return f"{day} {_MONTHS[month - 1]} {year} {clock} UTC ({date}{kst_clock} KST)"


def _parts(time: np.datetime64) -> tuple[int, int, int, str]:
    text = str(time)  # 2022-08-08T12:00
    clock = text[11:13] if text.endswith(":00") else text[11:]
    return int(text[:4]), int(text[5:7]), int(text[8:10]), clock


@lru_cache(maxsize=32)
def map_lines(grid: Grid, kind: str, resolution: str = "50m") -> tuple[NDArray[np.float64], ...]:
    """Return coastlines, borders or provinces in the grid's coordinates, each (n, 2), projected once and remembered."""
    projected = []
    for line in data.lines(kind, resolution=resolution, bounds=_around(grid)):
        x, y = grid.xy(line[:, 0], line[:, 1])
        xy = np.stack([x, y], axis=1)
        xy.setflags(write=False)
        projected.append(xy)
    return tuple(projected)


@lru_cache(maxsize=16)
def _land(grid: Grid, resolution: str) -> Outline | None:
    rings = [ring for shape in data.land_polygons(resolution, bounds=_around(grid)) for ring in shape]
    outlines = [Outline(np.stack(grid.xy(ring[:, 0], ring[:, 1]), axis=1), closed=True) for ring in rings]
    return Outline.make_compound_path(*outlines) if outlines else None


def _around(grid: Grid) -> tuple[float, float, float, float]:
    """Return bounds in degrees a little beyond the grid."""
    lon, lat = grid.lonlat()
    return float(lon.min()) - 1, float(lat.min()) - 1, float(lon.max()) + 1, float(lat.max()) + 1


def new_map(ax: Axes, grid: Grid, *, left: bool = True, bottom: bool = True, resolution: str | None = None) -> None:
    """Prepare axes as a map of a grid: land, coastlines, borders, meridians and parallels with their degrees.

    Parameters
    ----------
    ax : Axes
        Empty axes; afterwards their coordinates are the grid's x and y.
    grid : Grid
        What to show, cell edges included.
    left, bottom : bool, default True
        Whether to write latitudes on the left and longitudes at the bottom.
    resolution : {"10m", "50m", "110m"}, optional
        Of the coastline; by the size of the map if not given.
    """
    x0, y0, x1, y1 = grid.bounds
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)
    ax.set_aspect("equal")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
    span = (x1 - x0) * (111e3 if grid.geographic else 1)
    resolution = resolution or ("10m" if span < 4e5 else "50m")
    land = _land(grid, resolution)
    if land is not None:
        ax.set_facecolor(SEA)
        ax.add_patch(PathPatch(land, facecolor=LAND, edgecolor="none", zorder=0))
    styles = {"coastline": (INK, 0.8, "-"), "borders": (INK, 0.7, (0, (4, 2))), "provinces": (MUTED, 0.35, "-")}
    for kind, (colour, width, dashes) in styles.items():
        if kind == "provinces" and span > 2e6:
            continue
        lines = map_lines(grid, kind, resolution)
        drawn = LineCollection(lines, colors=colour, linewidths=width, linestyles=[dashes], zorder=3)
        if kind == "coastline":
            # a pale rim keeps the coast visible on dark colours
            drawn.set_path_effects([withStroke(linewidth=2.2, foreground="#ffffffa0")])
        ax.add_collection(drawn, autolim=False)
    _graticule(ax, grid, left=left, bottom=bottom)


def _graticule(ax: Axes, grid: Grid, *, left: bool, bottom: bool) -> None:
    """Draw meridians and parallels, and write degrees where they meet the left and bottom edges."""
    x0, y0, x1, y1 = grid.bounds
    west, south, east, north = _around(grid)
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 30) if (north - south) / s <= 9 or s == 30)
    meridians = np.arange(np.floor(west / step) * step, east + step, step)
    parallels = np.arange(np.floor(south / step) * step, north + step, step)
    along_lat, along_lon = np.linspace(south - step, north + step, 200), np.linspace(west - step, east + step, 200)
    marks: dict[str, list[tuple[float, str]]] = {"x": [], "y": []}
    lines = []
    for lon in meridians:
        x, y = grid.xy(np.full_like(along_lat, lon), along_lat)
        lines.append(np.stack([x, y], axis=1))
        place = float(np.interp(y0, y, x))
        if x0 <= place <= x1:
            marks["x"].append((place, _degrees((lon + 180) % 360 - 180, "EW")))
    for lat in parallels:
        x, y = grid.xy(along_lon, np.full_like(along_lon, lat))
        lines.append(np.stack([x, y], axis=1))
        place = float(np.interp(x0, x, y))
        if y0 <= place <= y1:
            marks["y"].append((place, _degrees(lat, "NS")))
    ax.add_collection(LineCollection(lines, colors="#8794a1", linewidths=0.35, alpha=0.6, zorder=2.5), autolim=False)
    for axis, shown in ((ax.xaxis, bottom), (ax.yaxis, left)):
        found = marks["x" if axis is ax.xaxis else "y"]
        axis.set_major_locator(FixedLocator([place for place, _ in found]))
        axis.set_ticklabels([text for _, text in found] if shown else [])
        axis.set_tick_params(length=2.5 if shown else 0, labelsize=7, labelcolor=MUTED, color=MUTED)


def _degrees(value: float, letters: str) -> str:
    return f"{abs(value):g}°{letters[int(value < 0)]}"


def class_map(ax: Axes, grid: Grid, values: ArrayLike, palette: Palette) -> AxesImage:
    """Draw values (y, x) as classes of a palette on axes made by `new_map`; missing cells are grey and hatched.

    The image holds the palette's own colours cell by cell, without interpolation.
    """
    x0, y0, x1, y1 = grid.bounds
    index = palette.classify(values)
    image = ax.imshow(
        palette.rgba[index], extent=(x0, x1, y0, y1), origin="lower", interpolation="nearest", aspect="equal", zorder=1
    )
    hatch_missing(ax, grid, index == palette.bad_index)
    return image


def hatch_missing(ax: Axes, grid: Grid, missing: NDArray[np.bool_]) -> None:
    """Hatch the cells (y, x) that have no value."""
    if missing.any() and min(missing.shape) > 1:
        ax.contourf(
            grid.x, grid.y, missing.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"], zorder=1.5
        )


@styled
def class_legend(ax: Axes, palette: Palette, *, units: str | None = None, missing: bool = True) -> None:
    """Turn axes into the vertical legend of a palette: one box a class, edges written between boxes.

    Parameters
    ----------
    ax : Axes
        Narrow empty axes.
    palette : Palette
        What to explain.
    units : str, optional
        Unit to write on top, such as ``"mm / 3 h"``; the palette's own by default.
    missing : bool, default True
        Whether to add the box for missing values.
    """
    n = len(palette.edges)
    ax.set_axis_off()
    for k, colour in enumerate(palette.hex[1 : n + 1]):
        ax.add_patch(Rectangle((0, k), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.4))
    percent = palette.units == "1"
    for k, (edge, label) in enumerate(zip(palette.edges, palette.labels, strict=True)):
        text = f"{edge * 100:g}" if percent else label
        ax.text(1.25, k, text, va="center", ha="left", fontsize=7)
    ax.text(0, n + 0.35, units or ("%" if percent else palette.units), fontsize=7.5, ha="left", va="bottom")
    low = 0.0
    if missing:
        low = -1.9
        ax.add_patch(Rectangle((0, low), 1, 1, facecolor=palette.bad, edgecolor="#8a8a8a", linewidth=0.3, hatch="////"))
        ax.text(1.25, low + 0.5, "no data", va="center", ha="left", fontsize=7)
    ax.set_xlim(0, 3.2)
    ax.set_ylim(low - 0.2, n + 1.4)
