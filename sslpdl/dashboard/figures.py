"""Linked maps as Bokeh plots: land, one class-index image, lines, in the grid's own projection.

They are put together from Bokeh's models and not by its `figure`, which makes axes, legends and variants of each glyph
that a map has no use for, and takes three times as long for every visitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.plots.field_palettes import DIFFERENCE
from sslpdl.plots.palettes import PROBABILITY, RAIN, Palette

if TYPE_CHECKING:
    from bokeh.models import AllIndices, ColumnDataSource, Plot, Range1d
    from bokeh.models.glyph import Glyph
    from bokeh.models.renderers import DataRenderer

    from sslpdl.dashboard.basemap import Basemap
    from sslpdl.grid import Grid

__all__ = ["MAPS", "MapFigures"]

MAPS: dict[str, Palette] = {"nwp": RAIN, "probability": PROBABILITY, "qpe": RAIN, "extra": DIFFERENCE}
"""The maps from left to right, with the palette that each begins with; the last is made when it is wanted."""

SEA, LAND, VEIL, INK, HATCH = "#dfe7ee", "#f6f4ee", "#c3ccd5", "#33475b", "#858585"

FINE = "coastline-fine"

_LINES: dict[str, dict[str, Any]] = {
    "graticule": {"line_alpha": 0.22, "line_dash": [2, 3]},
    "provinces": {"line_alpha": 0.45, "line_width": 0.7},
    "borders": {"line_alpha": 0.9, "line_width": 1.2, "line_dash": [5, 2, 1, 2]},
    "coastline": {"line_width": 1.0},
    FINE: {"line_width": 1.2},
}
# a light edge on both sides keeps the coast visible on the darkest classes
_CASING: dict[str, Any] = {"line_color": "#ffffff", "line_alpha": 0.55, "line_width": 3.0}


@dataclass(frozen=True)
class _Shared:
    """What the maps have in common: moving one moves all, and geography is sent once."""

    x_range: Range1d
    y_range: Range1d
    land: ColumnDataSource
    veil: ColumnDataSource
    frame: ColumnDataSource
    lines: dict[str, ColumnDataSource]
    everything: AllIndices


class MapFigures:
    """The plots of one visitor, which move together.

    Parameters
    ----------
    grid : Grid
        The cells of the images.
    geography : Basemap
        From `basemap(grid)`.
    """

    def __init__(self, grid: Grid, geography: Basemap) -> None:
        from bokeh.models import AllIndices, ColumnDataSource, Range1d

        self._grid = grid
        self._ground = SEA if geography.covered else LAND
        left, bottom, right, top = grid.bounds
        lines = {kind: ColumnDataSource({"x": x, "y": y}) for kind, (x, y) in geography.lines.items() if kind != FINE}
        # filled in by the browser where it is seen: indexing it in every map takes a tenth of a second
        lines[FINE] = ColumnDataSource({"x": [], "y": []}, name="fine-coast")
        self._shared = _Shared(
            x_range=Range1d(start=left, end=right),
            y_range=Range1d(start=bottom, end=top),
            # filled in by the browser: rings travel joined, and are drawn one by one, those in view only
            land=ColumnDataSource({"xs": [], "ys": []}, name="land"),
            veil=ColumnDataSource(_around(grid, geography)),
            frame=ColumnDataSource(),
            lines={"graticule": ColumnDataSource({"x": [], "y": []}, name="graticule-lines")} | lines,
            everything=AllIndices(),
        )

    def plot(self, name: str) -> Plot:
        """Return a new plot of `MAPS`.

        It has an image of class indices in a source named ``image-NAME``, all "missing" until the browser fills it in,
        a colour mapper named ``colours-NAME``, and outlines of what is missing in a source named ``missing-NAME``.
        """
        return _map(name, MAPS[name], self._grid, self._shared, self._ground)


def _map(name: str, palette: Palette, grid: Grid, shared: _Shared, ground: str) -> Plot:
    from bokeh.models import PanTool, Plot, Toolbar, WheelZoomTool
    from bokeh.models.glyphs import Patches

    pan, zoom = PanTool(), WheelZoomTool(zoom_on_axis=False, speed=1 / 400)
    land = Patches(xs="xs", ys="ys", fill_color=LAND, line_color=None)
    return Plot(
        name=f"map-{name}",
        title=None,
        x_range=shared.x_range,
        y_range=shared.y_range,
        toolbar=Toolbar(tools=[pan, zoom], active_drag=pan, active_scroll=zoom),
        toolbar_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_color=ground,
        border_fill_color=ground,
        sizing_mode="stretch_both",
        lod_threshold=None,
        renderers=[_drawn(shared, shared.land, land), *_image(name, palette, grid, shared), *_geography(grid, shared)],
    )


def _drawn(shared: _Shared, source: ColumnDataSource, glyph: Glyph, **options: Any) -> DataRenderer:
    """Return a renderer; nothing on a map is selected or muted, so that its glyph serves in every state.

    By default the browser makes three more glyphs of each.
    """
    from bokeh.models import CDSView
    from bokeh.models.renderers import GlyphRenderer

    view = CDSView(filter=shared.everything)
    states: dict[str, Any] = {"selection_glyph": glyph, "nonselection_glyph": glyph, "muted_glyph": glyph}
    return GlyphRenderer(data_source=source, glyph=glyph, view=view, **states, **options)


def _geography(grid: Grid, shared: _Shared) -> list[DataRenderer]:
    """Return what lies over the image: the veil beside the grid, its frame, and lines."""
    from bokeh.models.glyphs import Line, Quad

    left, bottom, right, top = grid.bounds
    veil = Quad(fill_color=VEIL, fill_alpha=0.62, line_color=None)
    frame = Quad(left=left, bottom=bottom, right=right, top=top, fill_color=None, line_color=INK, line_alpha=0.45)
    found: list[DataRenderer] = [_drawn(shared, shared.veil, veil, name="veil"), _drawn(shared, shared.frame, frame)]
    for kind, style in _LINES.items():
        source, options = shared.lines[kind], {"name": kind, "visible": kind != FINE}
        if kind.startswith("coastline"):
            found.append(_drawn(shared, source, Line(x="x", y="y", **_CASING), tags=["casing"], **options))
        found.append(_drawn(shared, source, Line(x="x", y="y", line_color=INK, **style), **options))
    return found


def _image(name: str, palette: Palette, grid: Grid, shared: _Shared) -> list[DataRenderer]:
    """Return the image of classes, the hatching of what is missing, and the marks of gauges."""
    from bokeh.core.property.vectorization import Field
    from bokeh.models import ColumnDataSource, LinearColorMapper
    from bokeh.models.glyphs import Image, Patches, Scatter

    left, bottom, right, top = grid.bounds
    source = ColumnDataSource({"image": [np.full(grid.shape, palette.bad_index, np.uint8)]}, name=f"image-{name}")
    # the data are the classes themselves: index k lies in the middle of the k-th of equally wide steps
    mapper = LinearColorMapper(palette=list(palette.hex), low=-0.5, high=palette.size - 0.5, name=f"colours-{name}")
    image = Image(image="image", x=left, y=bottom, dw=right - left, dh=top - bottom, color_mapper=mapper)
    # what is missing is hatched, so that no eye takes it for a class; the browser outlines it
    missing = ColumnDataSource({"xs": [], "ys": []}, name=f"missing-{name}")
    hatch: dict[str, Any] = {"hatch_pattern": "/", "hatch_color": HATCH, "hatch_scale": 12.0}
    hatching = Patches(xs="xs", ys="ys", fill_color=None, line_color=None, **hatch)
    # gauges fill single cells, too small to see: the browser puts a mark on each
    points = ColumnDataSource({"x": [], "y": [], "class": []}, name=f"points-{name}")
    marks = Scatter(size=9, fill_color=Field("class", transform=mapper), line_color=INK, line_width=0.8)
    return [
        _drawn(shared, source, image),
        _drawn(shared, missing, hatching, name="missing"),
        _drawn(shared, points, marks),
    ]


def _around(grid: Grid, geography: Basemap) -> dict[str, Any]:
    """Return four rectangles that dim what lies outside the grid, so that it is not taken for dry."""
    left, bottom, right, top = grid.bounds
    west, south, east, north = geography.surroundings
    reach = 20 * max(east - west, north - south)  # so far that nobody zooms out of it
    west, south, east, north = west - reach, south - reach, east + reach, north + reach
    return {
        "left": [west, right, left, left],
        "right": [left, east, right, right],
        "bottom": [south, south, south, top],
        "top": [north, north, bottom, north],
    }
