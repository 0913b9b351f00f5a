"""Figures of what happens inside the network: masks, reconstructions and their errors, sampling points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.plots.small_maps import small_map, units_of
from sslpdl.plots.style import Picture, styled

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from sslpdl.grid import Grid
    from sslpdl.models.inspection import SamplingPoints

__all__ = [
    "all_variables_figure", "dependence_figure", "error_figure", "masked_figure", "reconstruction_figure",
    "sampling_figure",
]  # fmt: skip

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@styled
def masked_figure(
    fields: NDArray[np.floating],
    hidden: NDArray[np.bool_],
    *,
    channels: Sequence[str],
    grid: Grid,
    show: Sequence[str],
) -> Picture:
    """Return what a mask leaves of some variables, side by side.

    Parameters
    ----------
    fields : ndarray (C, H, W)
        Physical units.
    hidden : ndarray (C, H, W) of bool
        True where the network does not see the input.
    channels : sequence of str
        Names along C.
    grid : Grid
        Grid of the fields.
    show : sequence of str
        Variables to show.
    """
    figure = Picture(figsize=(2.6 * len(show), 3.9))
    for axis, name in zip(figure.subplots(1, len(show), squeeze=False)[0], show, strict=True):
        c = list(channels).index(name)
        limits = (float(np.nanmin(fields[c])), float(np.nanmax(fields[c])))
        image = small_map(axis, np.where(hidden[c], np.nan, fields[c]), grid=grid, name=name, limits=limits)
        figure.colorbar(image, ax=axis, shrink=0.8)
        axis.set_title(f"{name} [{units_of(name)}]")
    return figure


@styled
def reconstruction_figure(
    fields: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    hidden: NDArray[np.bool_],
    *,
    channels: Sequence[str],
    grid: Grid,
    show: Sequence[str] | None = None,
) -> Picture:
    """Return input, what the network saw, its reconstruction and the difference, one row for each variable.

    Parameters
    ----------
    fields, reconstruction : ndarray (C, H, W)
        Physical units.
    hidden : ndarray (C, H, W) of bool
        True where the network did not see the input.
    channels : sequence of str
        Names along C.
    grid : Grid
        Grid of the fields.
    show : sequence of str, optional
        Variables to show; all by default.
    """
    shown = list(show or channels)
    figure = Picture(figsize=(10.4, 3.9 * len(shown)))
    table = figure.subplots(len(shown), 4, squeeze=False)
    for axes, name in zip(table, shown, strict=True):
        c = list(channels).index(name)
        limits = (float(np.nanmin(fields[c])), float(np.nanmax(fields[c])))
        difference = reconstruction[c] - fields[c]
        widest = max(float(np.nanmax(np.abs(difference))), 1e-6)
        parts = (
            (fields[c], "input", None, limits),
            (np.where(hidden[c], np.nan, fields[c]), f"seen, {1 - hidden[c].mean():.0%}", None, limits),
            (reconstruction[c], "reconstructed", None, limits),
            (difference, "difference", "RdBu_r", (-widest, widest)),
        )
        for axis, (values, title, cmap, bounds) in zip(axes, parts, strict=True):
            image = small_map(axis, values, grid=grid, name=name, cmap=cmap, limits=bounds)
            axis.set_title(f"{name}: {title}")
            figure.colorbar(image, ax=axis, shrink=0.8, label=units_of(name))
    return figure


@styled
def error_figure(errors: pd.DataFrame, *, title: str = "") -> Picture:
    """Return bars of an error for each variable (rows) and each predictor (columns).

    Parameters
    ----------
    errors : DataFrame
        One row a variable, one column a predictor.
    title : str
        Heading; say there what is measured, and on what.
    """
    figure = Picture(figsize=(10.0, 3.8))
    axis = figure.subplots()
    width = 0.8 / len(errors.columns)
    for i, name in enumerate(errors.columns):
        axis.bar(np.arange(len(errors)) + (i + 0.5) * width - 0.4, errors[name], width, label=name)
    axis.set_xticks(range(len(errors)), list(errors.index), rotation=45, ha="right")
    axis.set(ylabel="error in standard deviations", title=title)
    axis.legend()
    return figure


@styled
def sampling_figure(
    field: NDArray[np.floating], points: Mapping[str, Sequence[SamplingPoints]], *, name: str, grid: Grid
) -> Picture:
    """Return where deformable convolutions look, drawn over a field, one map for each entry.

    Parameters
    ----------
    field : ndarray (H, W)
        Background, in physical units.
    points : mapping of title to sequence of SamplingPoints
        One map a title, one cluster of points a place; a dot's area is its weight, its colour the group.
    name : str
        Variable of the background.
    grid : Grid
        Grid of the field.
    """
    figure = Picture(figsize=(4.2 * len(points), 6.4))
    axes = figure.subplots(1, len(points), squeeze=False)[0]
    for axis, (title, places) in zip(axes, points.items(), strict=True):
        image = small_map(axis, field, grid=grid, name=name)
        for place in places:
            for group, colour in zip(range(len(place.rows)), _COLOURS * len(place.rows), strict=False):
                x = grid.x0 + grid.dx * place.columns[group]
                y = grid.y0 + grid.dy * place.rows[group]
                sizes = 12.0 + 250.0 * place.weights[group]
                axis.scatter(x, y, s=sizes, color=colour, edgecolor="white", linewidth=0.5, zorder=5)
        axis.set_title(title)
    figure.colorbar(image, ax=axes, shrink=0.6, label=f"{name} [{units_of(name)}]")
    return figure


@styled
def dependence_figure(matrix: pd.DataFrame, *, title: str = "") -> Picture:
    """Return a matrix of how much each variable (columns) helps to fill in each other one (rows), in per cent.

    Parameters
    ----------
    matrix : DataFrame
        From `sslpdl.teaching.dependence`: relative growth of the error when the variable of the column is blanked.
    title : str
        Heading.
    """
    figure = Picture(figsize=(8.2, 6.8))
    axis = figure.subplots()
    widest = max(100 * float(np.nanmax(np.abs(matrix.to_numpy()))), 1.0)
    image = axis.imshow(100 * matrix.to_numpy(), cmap="RdBu_r", vmin=-widest, vmax=widest)
    axis.set_xticks(range(len(matrix.columns)), list(matrix.columns), rotation=60, ha="right")
    axis.set_yticks(range(len(matrix)), list(matrix.index))
    axis.set(xlabel="blanked variable", ylabel="variable filled in", title=title)
    axis.grid(visible=False)
    figure.colorbar(image, ax=axis, shrink=0.8, label="growth of the error [%]")
    return figure


@styled
def all_variables_figure(
    fields: NDArray[np.floating],
    reconstruction: NDArray[np.floating],
    hidden: NDArray[np.bool_],
    *,
    channels: Sequence[str],
    grid: Grid,
    across: int = 2,
) -> Picture:
    """Return input, what the network saw, and its reconstruction of every variable, small, on one page.

    Parameters
    ----------
    fields, reconstruction : ndarray (C, H, W)
        Physical units.
    hidden : ndarray (C, H, W) of bool
        True where the network did not see the input.
    channels : sequence of str
        Names along C.
    grid : Grid
        Grid of the fields.
    across : int
        Variables side by side; each takes three maps.
    """
    rows = -(-len(channels) // across)
    figure = Picture(figsize=(1.55 * 3 * across, 2.75 * rows))
    axes = figure.subplots(rows, 3 * across, squeeze=False)
    for c, name in enumerate(channels):
        row, first = c // across, 3 * (c % across)
        limits = (float(np.nanmin(fields[c])), float(np.nanmax(fields[c])))
        parts = (fields[c], np.where(hidden[c], np.nan, fields[c]), reconstruction[c])
        for axis, values, title in zip(axes[row, first:], parts, (name, "seen", "filled in"), strict=False):
            small_map(axis, values, grid=grid, name=name, limits=limits)
            axis.set_title(title, fontsize=8)
    for axis in axes.ravel()[3 * len(channels) :]:
        axis.set_axis_off()
    return figure
