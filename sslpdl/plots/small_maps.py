"""Small maps of input variables, several on a page, each in the colours of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.plots.fields import SHADING
from sslpdl.plots.maps import new_map
from sslpdl.plots.style import Picture, styled

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sslpdl.grid import Grid

__all__ = ["channels_figure", "small_map", "units_of"]

_HIDDEN = "#c9ced3"


@styled
def channels_figure(fields: xr.DataArray, *, grid: Grid, columns: int = 4) -> Picture:
    """Return a small map of each channel of one field, each with its own colour scale.

    Parameters
    ----------
    fields : DataArray (channel, y, x)
        One run and lead time of an archive.
    grid : Grid
        Grid of the fields.
    columns : int
        Maps side by side.
    """
    names = [str(name) for name in fields["channel"].values]
    rows = -(-len(names) // columns)
    left, bottom, right, top = grid.bounds
    # as high as the maps, so that colour bars do not stand out above those of a wide region
    figure = Picture(figsize=(2.4 * columns, (0.6 + 1.7 * (top - bottom) / (right - left)) * rows))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        image = small_map(axis, fields.sel(channel=name).values, grid=grid, name=name)
        figure.colorbar(image, ax=axis, shrink=0.8)
        axis.set_title(f"{name} [{units_of(name)}]", fontsize=9)
    for axis in axes[len(names) :]:
        axis.set_axis_off()
    return figure


def small_map(
    axis: Axes,
    values: NDArray[np.floating],
    *,
    grid: Grid,
    name: str = "",
    cmap: str | None = None,
    limits: tuple[float, float] | None = None,
) -> Any:
    """Draw one field (rows, columns) with coastlines on an axis in the grid's projection; return the image.

    Colours are those of the variable `name` unless `cmap` is given; missing cells are grey.
    """
    from matplotlib.colors import Normalize, PowerNorm

    left, bottom, right, top = grid.bounds
    low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
    new_map(axis, grid, left=False, bottom=False)
    # on a plain background what is hidden stands out from what is pale
    axis.set_facecolor(_HIDDEN)
    for patch in axis.patches:
        patch.set_visible(False)
    rain = cmap is None and name in CHANNELS and CHANNELS[name].is_rain
    # most rain is light: equal steps of colour would show the peaks only
    norm = PowerNorm(0.4, low, max(high, 1.0)) if rain else Normalize(low, high)
    return axis.imshow(
        values,
        extent=(left, right, bottom, top),
        origin="lower",
        cmap=cmap or _cmap(name),
        interpolation="nearest",
        norm=norm,
        zorder=1,
    )


def units_of(name: str) -> str:
    """Return the unit of a variable, empty where it is not one of the sixteen."""
    return CHANNELS[name].units if name in CHANNELS else ""


def _cmap(name: str) -> str:
    if name not in CHANNELS:
        return "viridis"
    return "Blues" if CHANNELS[name].is_rain else SHADING[CHANNELS[name].standard_name].cmap
