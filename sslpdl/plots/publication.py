"""A sheet of maps side by side for a report or a slide, and its redrawing step by step for a film.

Every map keeps the grid's own projection and shows its cells in the exact colours of their classes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from sslpdl.grid import Grid
from sslpdl.plots.fonts import families, printable
from sslpdl.plots.maps import LAND, class_map, new_map
from sslpdl.plots.over_maps import MapOverlay, draw_over, draw_sample
from sslpdl.plots.palettes import Palette
from sslpdl.plots.style import INK, MUTED, Picture, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["MapPanel", "Place", "Sheet"]

Box = tuple[float, float, float, float]

# inches
_LEFT, _RIGHT, _GAP = 0.52, 0.22, 0.24
_TOP, _LEGEND, _LINE = 1.12, 0.78, 0.15
_WIDEST, _TALLEST = 3.4, 5.2
_KEY_LINE, _SAMPLE = 0.21, 0.46
_SLIMMEST, _BROADEST = 0.55, 1.95


@dataclass(frozen=True)
class MapPanel:
    """What one map shows.

    Attributes
    ----------
    title, units : str
        Written above the map, one below the other.
    values : ndarray (y, x) or None
        NaN where missing; None where there is nothing at all.
    palette : Palette
        Its classes.
    notice : str
        Why there is nothing, written over the map.
    names : tuple of str
        Of all classes of the palette but the missing one, for a legend without numbers.
    """

    title: str
    units: str
    values: NDArray[Any] | None
    palette: Palette
    notice: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A place to mark: name, longitude and latitude in degrees, and whether it is the one that the reader chose."""

    name: str
    lon: float
    lat: float
    chosen: bool = False


class Sheet:
    """Maps side by side, each with its legend below, under one heading.

    Parameters
    ----------
    grid : Grid
        Of the values.
    panels : sequence of MapPanel
        From left to right; `show` takes as many.
    box : tuple of float, optional
        Left, bottom, right, top of the maps in the grid's coordinates; the grid's own bounds by default.  It is widened
        to a shape that fits a page.
    heading, subheading : str
        Lines at the top: what and when.
    badge : str, optional
        A warning in the upper right corner, as for synthetic data.
    notes : sequence of str
        Lines at the bottom: where the data come from.
    places : sequence of Place
        To mark, the most important first; those that would cover others are left out.
    missing : str
        Name of the class without a value.
    overlays : sequence of MapOverlay
        Drawn over every map, the same on each, and explained below them; `show` takes as many.

    Attributes
    ----------
    figure : Picture
        The drawing.
    axes : list of Axes
        The maps; their data coordinates are the grid's.

    Examples
    --------
    >>> from sslpdl.grid import KOREA_5KM
    >>> from sslpdl.plots import RAIN
    >>> dry = np.zeros(KOREA_5KM.shape)
    >>> len(Sheet(KOREA_5KM, [MapPanel("Rain", "mm", dry, RAIN)], heading="Dry").axes)
    1
    """

    @styled
    def __init__(
        self,
        grid: Grid,
        panels: Sequence[MapPanel],
        *,
        heading: str,
        subheading: str = "",
        box: Box | None = None,
        badge: str = "",
        notes: Sequence[str] = (),
        places: Sequence[Place] = (),
        missing: str = "no data",
        overlays: Sequence[MapOverlay] = (),
    ) -> None:
        matplotlib.rcParams["font.family"] = families()  # `styled` puts it back
        self.grid, self.missing = grid, missing
        self.box = fitted(box or grid.bounds)
        left, bottom, right, top = self.box
        shape = (top - bottom) / (right - left)
        width = min(_WIDEST, _TALLEST / shape)
        height = width * shape
        self._map_size = width, height
        total = _LEFT + _RIGHT + len(panels) * width + (len(panels) - 1) * _GAP
        # a character of DejaVu Sans is on average half as wide as the font is high
        lines = [
            line for note in notes if note for line in textwrap.wrap(printable(note), int(total * 72 / (0.54 * 7)))
        ]
        notes_high = 0.12 + _LINE * len(lines)
        entries = _flow([_length(printable(overlay.text)) * 7.5 / 72 + _SAMPLE + 0.2 for overlay in overlays], total)
        key_high = _KEY_LINE * (entries[-1][1] + 1) + 0.06 if entries else 0.0
        foot = notes_high + key_high
        self._size = (total, _TOP + height + _LEGEND + foot)
        self.figure = Picture(figsize=self._size, layout="none")
        self._heading = self._write(_LEFT, self._size[1] - 0.22, heading, size=13, weight="bold")
        self._subheading = self._write(_LEFT, self._size[1] - 0.5, subheading, size=9.5, color=MUTED)
        if badge:
            self._badge(badge)
        for k, line in enumerate(lines):
            self._write(_LEFT, notes_high - 0.02 - _LINE * k, line, size=7, color=MUTED)
        self.axes = [
            self._map(panel, _LEFT + k * (width + _GAP), _LEGEND + foot, width, height, first=k == 0)
            for k, panel in enumerate(panels)
        ]
        marked = [_mark(ax, grid, self.box, places, width) for ax in self.axes]
        self._marked = marked[0] if marked else []
        self._key = self._explain(overlays, entries, notes_high, key_high) if entries else []
        self._drawn: list[Any] = []
        self._fill(panels, overlays)

    @styled
    def show(
        self,
        panels: Sequence[MapPanel],
        *,
        heading: str,
        subheading: str = "",
        overlays: Sequence[MapOverlay] = (),
    ) -> None:
        """Draw other values on the same maps, under another heading."""
        matplotlib.rcParams["font.family"] = families()
        self._heading.set_text(printable(heading))
        self._subheading.set_text(printable(subheading))
        for text, overlay in zip(self._key, overlays, strict=True):
            text.set_text(printable(overlay.text))
        self._fill(panels, overlays)

    def _explain(
        self, overlays: Sequence[MapOverlay], entries: Sequence[tuple[float, int]], low: float, high: float
    ) -> list[Any]:
        """Draw the key of overlays in a strip of some inches above the notes, and return its texts."""
        total, tall = self._size
        ax = self.figure.add_axes((0, low / tall, 1, high / tall))
        ax.set_axis_off()
        ax.set_xlim(0, total)
        ax.set_ylim(0, high)
        texts = []
        for overlay, (x, row) in zip(overlays, entries, strict=True):
            y = high - (row + 0.5) * _KEY_LINE
            draw_sample(ax, overlay, x + 0.2, y)
            style: dict[str, Any] = {"fontsize": 7.5, "color": INK, "va": "center", "parse_math": False}
            texts.append(ax.text(x + _SAMPLE, y, printable(overlay.text), **style))
        return texts

    def _fill(self, panels: Sequence[MapPanel], overlays: Sequence[MapOverlay]) -> None:
        for artist in self._drawn:
            artist.remove()
        self._drawn = []
        for ax, panel in zip(self.axes, panels, strict=True):
            values = np.full(self.grid.shape, np.nan) if panel.values is None else panel.values
            before = set(ax.get_children())
            class_map(ax, self.grid, values, panel.palette)
            self._drawn += [artist for artist in ax.get_children() if artist not in before]  # image and hatching
            taken = [*self._marked]
            for overlay in overlays:
                self._drawn += draw_over(ax, overlay, self._map_size[0], taken)
            above: dict[str, Any] = {"transform": ax.transAxes, "parse_math": False}
            width, height = self._map_size
            for text, up, size, weight, colour in (
                (panel.title, 0.22, 10.5, "bold", INK),
                (panel.units, 0.07, 8.0, "normal", MUTED),
            ):
                line = printable(text)
                fitting = min(size, 72 * width / max(_length(line), 1))
                self._drawn.append(
                    ax.text(0, 1 + up / height, line, fontsize=fitting, fontweight=weight, color=colour, **above)
                )
            if panel.notice:
                frame: dict[str, Any] = {
                    "boxstyle": "round,pad=0.5",
                    "facecolor": "#0e2338",
                    "edgecolor": "none",
                    "alpha": 0.92,
                }
                text = textwrap.fill(printable(panel.notice), 34)
                self._drawn.append(
                    ax.text(
                        0.5, 0.93, text, ha="center", va="top", fontsize=8, color="white", bbox=frame, zorder=9, **above
                    )
                )

    def _write(self, x: float, y: float, text: str, *, size: float, **style: Any) -> Any:
        """Write a line that starts at inches from the lower left corner."""
        return self.figure.text(
            x / self._size[0], y / self._size[1], printable(text), fontsize=size, va="center", parse_math=False, **style
        )

    def _badge(self, text: str) -> None:
        frame = {"boxstyle": "round,pad=0.42", "facecolor": "#ffb020", "edgecolor": "none"}
        x = (self._size[0] - _RIGHT - 0.05) / self._size[0]
        self.figure.text(
            x, 1 - 0.24 / self._size[1], printable(text), ha="right", va="center", fontsize=8.5, fontweight="bold",
            color="#3a2600", bbox=frame, parse_math=False,
        )  # fmt: skip

    def _map(self, panel: MapPanel, x: float, y: float, width: float, height: float, *, first: bool) -> Axes:
        total, tall = self._size
        ax = self.figure.add_axes((x / total, y / tall, width / total, height / tall))
        new_map(ax, _covering(self.grid, self.box), left=first)
        _veil(ax, self.grid)
        legend = self.figure.add_axes((x / total, (y - _LEGEND + 0.1) / tall, width / total, 0.4 / tall))
        legend.set_axis_off()
        legend.set_xlim(0, width)
        legend.set_ylim(-0.26, 0.14)
        if panel.names:
            _key(legend, panel.palette, [*map(printable, panel.names)], width, printable(self.missing))
        else:
            _legend(legend, panel.palette, width, printable(self.missing))
        return ax


def _flow(widths: Sequence[float], total: float) -> list[tuple[float, int]]:
    """Return where parts of some widths stand one after another on lines: inches from the left, and which line.

    Examples
    --------
    >>> _flow([3.0, 4.0, 2.0], 8.0)
    [(0.52, 0), (3.52, 0), (0.52, 1)]
    """
    found: list[tuple[float, int]] = []
    x, row = _LEFT, 0
    for width in widths:
        if x > _LEFT and x + width > total - _RIGHT:
            x, row = _LEFT, row + 1
        found.append((x, row))
        x += width
    return found


def fitted(box: Box) -> Box:
    """Return a box widened around its middle to a shape that fits a page, neither a slit nor a tower."""
    left, bottom, right, top = box
    width, height = right - left, top - bottom
    wider = max(0.0, height / _BROADEST - width) / 2
    higher = max(0.0, width * _SLIMMEST - height) / 2
    return left - wider, bottom - higher, right + wider, top + higher


def _covering(grid: Grid, box: Box) -> Grid:
    """Return a grid of the same projection whose edges are a box: what `new_map` draws a map of."""
    left, bottom, right, top = box
    n = 48
    dx, dy = (right - left) / n, (top - bottom) / n
    return Grid("window", grid.crs_parameters, left + dx / 2, bottom + dy / 2, dx, dy, (n, n))


def _veil(ax: Axes, grid: Grid) -> None:
    """Dim what lies outside the grid, so that it is not taken for dry, and draw the grid's edge."""
    left, bottom, right, top = grid.bounds
    x0, x1, y0, y1 = (*ax.get_xlim(), *ax.get_ylim())
    sides = (
        (x0, y0, left - x0, y1 - y0), (right, y0, x1 - right, y1 - y0),
        (left, y0, right - left, bottom - y0), (left, top, right - left, y1 - top),
    )  # fmt: skip
    for x, y, width, height in sides:
        if width > 0 and height > 0:
            ax.add_patch(Rectangle((x, y), width, height, facecolor="#c3ccd5", alpha=0.62, linewidth=0, zorder=1.6))
    if x0 < left or y0 < bottom or x1 > right or y1 > top:
        edge = Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=INK, linewidth=0.6, zorder=2)
        ax.add_patch(edge)


def _length(text: str) -> float:
    """Return about how long a bold text is, in its font size: a Hangul syllable is as wide as it is high."""
    return sum(1.0 if ord(letter) > 0x1100 else 0.62 for letter in text)


_BOX: dict[str, Any] = {"edgecolor": "#8a97a4", "linewidth": 0.4}


def _key(ax: Axes, palette: Palette, names: Sequence[str], width: float, missing: str) -> None:
    """Draw a legend of named classes on axes in inches, in two rows: a box and the name of each."""
    entries = [*zip(palette.hex, [*names, missing], strict=True)]
    columns = (len(entries) + 1) // 2
    for k, (colour, name) in enumerate(entries):
        x, y = (k % columns) * width / columns + 0.02, -0.2 * (k // columns)
        shown = colour if len(colour) == 7 else LAND
        hatch = "////" if colour == palette.bad else ""
        ax.add_patch(Rectangle((x, y), 0.2, 0.13, facecolor=shown, hatch=hatch, **_BOX))
        ax.text(x + 0.25, y + 0.06, name, va="center", fontsize=6.8, color=INK, parse_math=False)


def _legend(ax: Axes, palette: Palette, width: float, missing: str) -> None:
    """Draw a legend on axes in inches: a box for missing values, then one box a class with numbers at its edges."""
    classes = palette.hex[: palette.bad_index]
    ax.add_patch(Rectangle((0.02, 0), 0.3, 0.13, facecolor=palette.bad, hatch="////", **_BOX))
    ax.text(0.17, -0.045, missing, ha="center", va="top", fontsize=5.8, color=MUTED)
    start = 0.46
    step = (width - start - 0.02) / len(classes)
    for k, colour in enumerate(classes):
        shown = colour if len(colour) == 7 else LAND  # a transparent class lets the map show through
        ax.add_patch(Rectangle((start + k * step, 0), step, 0.13, facecolor=shown, **_BOX))
    percent = palette.units == "1"
    labels = [f"{edge * 100:g}" for edge in palette.edges] if percent else palette.labels
    labels = [label.replace("-", "−") for label in labels]
    dense = max(map(len, labels)) * 4.2 / 72 + 0.04 > step  # a digit of 6.2 points, and room between numbers
    for k, label in enumerate(labels, 1):
        x = start + k * step
        # numbers of many classes stand in two rows, so that they can be read
        lower = dense and k % 2 == 0
        ax.plot([x, x], [0, -0.03 - 0.09 * lower], color="#8a97a4", linewidth=0.4, clip_on=False)
        ax.text(x, -0.045 - 0.09 * lower, label, ha="center", va="top", fontsize=6.2, color=INK)


def _mark(ax: Axes, grid: Grid, box: Box, places: Sequence[Place], width: float) -> list[tuple[float, float]]:
    """Mark places where there is room for their names, and return where the names stand."""
    left, bottom, right, top = box
    unit = (right - left) / width / 72  # a point in map coordinates
    rim = [withStroke(linewidth=1.8, foreground="white")]
    taken: list[Box] = []
    for place in sorted(places, key=lambda place: not place.chosen):
        x, y = (float(value) for value in grid.xy(place.lon, place.lat))
        name = printable(place.name)
        here = (x - 4 * unit, y - 4 * unit, x + (7 + 4.1 * len(name)) * unit, y + 10 * unit)
        inside = left < here[0] and here[2] < right and bottom < here[1] and here[3] < top
        if not inside or any(_overlap(here, other) for other in taken):
            continue
        taken.append(here)
        style: dict[str, Any] = (
            {"marker": "+", "markersize": 9, "markeredgewidth": 1.4}
            if place.chosen
            else {"marker": "o", "markersize": 2.8}
        )
        ax.plot([x], [y], markerfacecolor="white", markeredgecolor=INK, zorder=5, path_effects=rim, **style)
        ax.text(
            x + 3.5 * unit, y + 2.5 * unit, name, fontsize=6.8, color=INK, zorder=5, path_effects=rim, parse_math=False
        )
    return [((left + right) / 2, (bottom + top) / 2) for left, bottom, right, top in taken]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]
