"""Maps of the input variables: shaded values with their unit, contours, and wind barbs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import AbstractPathEffect, withStroke

from sslpdl.channels import CHANNELS, WIND_PAIRS
from sslpdl.errors import ConfigError
from sslpdl.grid import Grid
from sslpdl.plots.maps import class_legend, class_map, hatch_missing, new_map, time_label
from sslpdl.plots.palettes import RAIN
from sslpdl.plots.side_by_side import caption
from sslpdl.plots.style import INK, Picture, annotate, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["field_map"]

_KNOTS = 1.943844
_BARBS_ALONG = 16
_RIM: list[AbstractPathEffect] = [withStroke(linewidth=1.9, foreground="#ffffffb0")]
"""Around lines and labels, which would vanish on dark colours."""


@dataclass(frozen=True)
class _Shading:
    """How a kind of variable is shaded: colour map, step between classes, and whether zero is the middle."""

    cmap: str
    step: float
    centred: bool = False


SHADING = {
    "geopotential_height": _Shading("viridis", 10.0),
    "air_pressure_at_mean_sea_level": _Shading("viridis", 1.0),
    "relative_humidity": _Shading("YlGnBu", 10.0),
    "air_temperature": _Shading("RdYlBu_r", 1.0),
    "eastward_wind": _Shading("PuOr_r", 2.0, centred=True),
    "northward_wind": _Shading("PuOr_r", 2.0, centred=True),
}
_OTHER = _Shading("cividis", 0.0)


@styled
def field_map(
    archive: xr.Dataset,
    channel: str,
    *,
    init_time: Any,
    lead_time: int,
    contours: str | None = None,
    winds: str | None = None,
) -> Picture:
    """Draw one input variable on its grid.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.
    channel : str
        Variable to shade, such as ``"rh_850"``; rain is drawn in its own classes.
    init_time : datetime-like
        Start of the run, UTC.
    lead_time : int
        Hours from there.
    contours : str, optional
        Variable to draw as labelled contours, such as ``"gph_850"``.
    winds : {"10m", "500", "850"}, optional
        Level whose wind is drawn as barbs in knots (half barb 5, full barb 10, flag 50).

    Returns
    -------
    Picture
        Cells without a value are grey and hatched.

    Raises
    ------
    ConfigError
        If a variable, run or lead time is not in the archive.
    """
    grid = Grid.from_dataset(archive)
    part = _part(archive, init_time, lead_time)
    values = _values(part, channel)
    rows, columns = grid.shape
    figure = Picture(figsize=(5.0 * columns / rows + 1.9, 5.9))
    rain = channel in CHANNELS and CHANNELS[channel].is_rain
    ax, *side = figure.subplots(1, 2, width_ratios=[11, 2]) if rain else [figure.subplots()]
    new_map(ax, grid)
    about = part.sel(channel=channel)
    units, name = str(about["units"].values), _long_name(channel)
    subtitle = []
    if rain:
        class_map(ax, grid, values, RAIN)
        class_legend(side[0], RAIN, units=f"mm / {float(part['rain_window']):g} h")
        name = f"precipitation in {float(part['rain_window']):g} h"
    else:
        _shade(figure, ax, grid, values, str(about["standard_name"].values))
    if contours is not None:
        _contours(ax, grid, _values(part, contours), str(part["standard_name"].sel(channel=contours).values))
        subtitle.append(f"contours: {_long_name(contours)} [{part['units'].sel(channel=contours).values}]")
    if winds is not None:
        east, north = _wind_pair(winds)
        _barbs(ax, grid, _values(part, east), _values(part, north))
        subtitle.append(f"barbs: wind at {'10 m' if winds == '10m' else f'{winds} hPa'} [knots]")
    start = np.datetime64(init_time, "ns")
    valid = start + np.timedelta64(int(lead_time), "h")
    figure.suptitle(f"{name[0].upper()}{name[1:]} [{units}]", x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    ax.set_title(f"{time_label(valid)}, run + {int(lead_time)} h", fontsize=8, fontweight="normal")
    annotate(figure, "; ".join(subtitle), caption(archive), size=7)
    return figure


def _part(archive: xr.Dataset, init_time: Any, lead_time: int) -> xr.Dataset:
    try:
        return archive.sel(init_time=np.datetime64(init_time, "ns"), lead_time=int(lead_time))
    except KeyError as error:
        raise ConfigError(f"the archive holds no run {init_time} with lead time {lead_time} h.") from error


def _values(part: xr.Dataset, channel: str) -> NDArray[np.float32]:
    names = part["channel"].values.tolist()
    if channel not in names:
        raise ConfigError(f"the archive has no variable {channel!r}; it has {', '.join(names)}.")
    return np.asarray(part["fields"].isel(channel=names.index(channel)).values)


def _long_name(channel: str) -> str:
    return CHANNELS[channel].long_name if channel in CHANNELS else channel


def _shade(figure: Picture, ax: Axes, grid: Grid, values: NDArray[Any], standard_name: str) -> None:
    """Shade in even classes and add their bar."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    shading = SHADING.get(standard_name, _OTHER)
    known = values[np.isfinite(values)]
    x0, y0, x1, y1 = grid.bounds
    if known.size:
        levels = _levels(known, shading)
        cmap = colormaps[shading.cmap].with_extremes(bad="#b9b9b9")
        norm = BoundaryNorm(levels, cmap.N)
        image = ax.imshow(
            values, extent=(x0, x1, y0, y1), origin="lower", interpolation="nearest", cmap=cmap, norm=norm, zorder=1
        )
        bar = figure.colorbar(image, ax=ax, fraction=0.08, aspect=32, pad=0.02)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.outline.set_linewidth(0.4)
    hatch_missing(ax, grid, ~np.isfinite(values))


def _levels(known: NDArray[Any], shading: _Shading) -> NDArray[np.float64]:
    """Return 8 to 20 even class edges around the values, whole multiples of a step."""
    low, high = float(np.quantile(known, 0.002)), float(np.quantile(known, 0.998))
    if shading.centred:
        high = max(abs(low), abs(high))
        low = -high
    step = shading.step or 10 ** np.floor(np.log10(max(high - low, 1e-9) / 8))
    while (high - low) / step > 20:
        step *= 2
    while (high - low) / step < 5 and step > 1e-6:
        step /= 2
    first, last = np.floor(low / step), np.ceil(high / step)
    return np.arange(first, max(last, first + 1) + 1) * step


def _contours(ax: Axes, grid: Grid, values: NDArray[Any], standard_name: str) -> None:
    known = values[np.isfinite(values)]
    if not known.size or known.min() == known.max():
        return
    levels = _levels(known, SHADING.get(standard_name, _OTHER))
    lines = ax.contour(grid.x, grid.y, values, levels=levels, colors=INK, linewidths=0.8, zorder=4)
    lines.set_path_effects(_RIM)
    for label in ax.clabel(lines, fmt="%g", fontsize=6.5, inline_spacing=3):
        label.set_path_effects(_RIM)


def _wind_pair(level: str) -> tuple[str, str]:
    for east, north in WIND_PAIRS:
        if east == f"u_{level}":
            return east, north
    raise ConfigError(f"there is no wind at {level!r}; use one of {', '.join(east[2:] for east, _ in WIND_PAIRS)}.")


def _barbs(ax: Axes, grid: Grid, east: NDArray[Any], north: NDArray[Any]) -> None:
    """Draw barbs of eastward and northward wind, turned to the directions of the map."""
    step = max(1, round(max(grid.shape) / _BARBS_ALONG))
    rows = np.arange(step // 2, grid.shape[0], step)
    columns = np.arange(step // 2, grid.shape[1], step)
    x, y = np.meshgrid(grid.x[columns], grid.y[rows])
    lon, lat = grid.lonlat_of(x, y)
    # where north points on the map: a step of a hundredth of a degree
    x_north, y_north = grid.xy(lon, lat + 0.01)
    angle = np.arctan2(x_north - x, y_north - y)
    u, v = east[np.ix_(rows, columns)] * _KNOTS, north[np.ix_(rows, columns)] * _KNOTS
    ax.barbs(
        x,
        y,
        u * np.cos(angle) + v * np.sin(angle),
        v * np.cos(angle) - u * np.sin(angle),
        length=5.2,
        linewidth=0.6,
        color=INK,
        zorder=5,
        path_effects=_RIM,
    )
