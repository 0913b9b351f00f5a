"""What is drawn over the maps of a sheet, and its key: contours, wind barbs, arrows of flux, and gauges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import withStroke

from sslpdl.plots.inks import DASHES, INKS
from sslpdl.plots.maps import LAND
from sslpdl.plots.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["KNOT", "SAMPLE_ARROW", "MapOverlay", "draw_over", "draw_sample"]

Box = tuple[float, float, float, float]
Point = tuple[float, float]

KNOT = 1852 / 3600
"""Metres a second."""

SAMPLE_ARROW = 200.0
"""Flux of the arrow in the key, g/kg m/s."""

_SPACING = 0.36  # inches between vectors
_APART = 0.36  # inches between labels
_ARROW = 900.0  # g/kg m/s of an arrow one inch long
_ABOVE = 4.0  # over cells and coastlines, below names of places
_BARB: dict[str, Any] = {"length": 5.2, "linewidth": 0.7, "sizes": {"emptybarb": 0.1}}
_ARROWS: dict[str, Any] = {
    "angles": "uv", "scale_units": "inches", "scale": _ARROW, "units": "inches", "width": 0.014, "pivot": "mid",
    "headwidth": 4.5, "headlength": 5.0, "headaxislength": 5.0, "minlength": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class MapOverlay:
    """One overlay at one lead time.

    Attributes
    ----------
    name, kind : str
        One of `INKS`, and ``contours``, ``barbs``, ``arrows`` or ``gauges``.
    text : str
        What the key says of it.
    x, y : ndarray
        Places in the coordinates of the map: of the columns and of the rows, or of each gauge.
    values : ndarray or None
        Contours: (rows, columns); barbs and arrows: (2, rows, columns) along x and y [m/s, g/kg m/s]; gauges: none.
        NaN where missing; None where nothing is drawn.
    interval, bold : float
        Of contours: the distance between lines and between bold ones, 0 for none.
    colours : tuple of str
        Of each gauge, ``#rrggbb`` or ``#rrggbbaa``.
    shift : float
        Share of the distance between vectors by which they stand aside from those of other overlays.
    """

    name: str
    kind: str
    text: str
    x: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    y: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    values: NDArray[np.float64] | None = None
    interval: float = 0.0
    bold: float = 0.0
    colours: tuple[str, ...] = ()
    shift: float = 0.0

    @property
    def ink(self) -> str:
        """Colour on a sheet, which is light."""
        return INKS[self.name]["light"]


def draw_over(ax: Axes, overlay: MapOverlay, width: float, taken: list[Point]) -> list[Any]:
    """Draw an overlay on a map, and return what `remove` takes away again.

    Parameters
    ----------
    ax : Axes
        The map.
    overlay : MapOverlay
        What to draw.
    width : float
        Of the map [inch].
    taken : list of (float, float)
        Where words stand, in the coordinates of the map: no label of a contour comes near one.  Labels are added.
    """
    if overlay.kind == "gauges":
        return _gauges(ax, overlay)
    if overlay.values is None or not np.isfinite(overlay.values).any():
        return []
    return _contours(ax, overlay, width, taken) if overlay.kind == "contours" else _vectors(ax, overlay, width)


def draw_sample(ax: Axes, overlay: MapOverlay, x: float, y: float) -> None:
    """Draw a sample for the key around a place, on axes in inches."""
    style: dict[str, Any] = {"color": overlay.ink, "clip_on": False}
    if overlay.kind == "contours":
        ax.plot([x - 0.16, x + 0.16], [y, y], linewidth=1.2, linestyle=_dashes(overlay.name), **style)
    elif overlay.kind == "barbs":
        ax.barbs([x + 0.12], [y - 0.03], [65.0], [0.0], **_BARB, **style)
    elif overlay.kind == "arrows":
        ax.quiver([x], [y], [SAMPLE_ARROW], [0.0], **_ARROWS, **style)
    else:
        ax.plot([x], [y], "o", markersize=5, markerfacecolor=LAND, markeredgecolor=overlay.ink, clip_on=False)


def _view(ax: Axes) -> Box:
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return left, bottom, right, top


def _dashes(name: str) -> Any:
    # points of a print are finer than pixels of a screen
    return (0, [0.45 * length for length in DASHES[name]]) if name in DASHES else "solid"


def _halo(extra: float) -> list[Any]:
    return [withStroke(linewidth=extra, foreground="#ffffffd0")]


def _within(places: NDArray[np.float64], low: float, high: float) -> slice:
    """Return the part of ascending places in view, with one beyond each side."""
    first, last = np.searchsorted(places, [low, high])
    return slice(max(int(first) - 1, 0), int(last) + 1)


def _contours(ax: Axes, overlay: MapOverlay, width: float, taken: list[Point]) -> list[Any]:
    assert overlay.values is not None
    left, bottom, right, top = _view(ax)
    # labels are set on what is in view only
    columns, rows = _within(overlay.x, left, right), _within(overlay.y, bottom, top)
    x, y, values = overlay.x[columns], overlay.y[rows], overlay.values[rows, columns]
    if min(values.shape) < 2 or not np.isfinite(values).any():
        return []
    first, last = np.ceil(np.nanmin(values) / overlay.interval), np.floor(np.nanmax(values) / overlay.interval)
    levels = np.arange(first, last + 1) * overlay.interval
    if not levels.size:
        return []
    thick = [bool(overlay.bold) and level % overlay.bold == 0 for level in levels]
    lines = ax.contour(
        x, y, np.ma.masked_invalid(values), levels=levels, colors=overlay.ink, zorder=_ABOVE,
        linewidths=[1.3 if bold else 0.8 for bold in thick], linestyles=[_dashes(overlay.name)] * len(levels),
    )  # fmt: skip
    apart = _APART * (right - left) / width
    for label in list(ax.clabel(lines, fmt="%g", fontsize=6, inline=False)):
        x0, y0 = label.get_position()
        if any(np.hypot(x0 - x1, y0 - y1) < apart for x1, y1 in taken):
            lines.labelTexts.remove(label)
            label.remove()
        else:
            taken.append((x0, y0))
            label.set(clip_on=True, path_effects=_halo(3.0))
    lines.set_path_effects(_halo(2.2))
    return [lines]  # its labels go with it


def _vectors(ax: Axes, overlay: MapOverlay, width: float) -> list[Any]:
    assert overlay.values is not None
    left, bottom, right, top = _view(ax)
    spacing = _SPACING * (right - left) / width
    every = max(1, round(spacing / float(overlay.x[1] - overlay.x[0]))) if overlay.x.size > 1 else 1
    # the same nodes wherever the view is moved to
    first = int(every / 2 + overlay.shift * every) % every
    some = slice(first, None, every)
    x, y = np.meshgrid(overlay.x[some], overlay.y[some])
    u, v = overlay.values[:, some, some]
    shown = np.isfinite(u) & (x > left) & (x < right) & (y > bottom) & (y < top)
    if not shown.any():
        return []
    style: dict[str, Any] = {"color": overlay.ink, "zorder": _ABOVE + 0.1, "path_effects": _halo(1.8)}
    if overlay.kind == "barbs":
        return [ax.barbs(x[shown], y[shown], u[shown] / KNOT, v[shown] / KNOT, **_BARB, **style)]
    return [ax.quiver(x[shown], y[shown], u[shown], v[shown], **_ARROWS, **style)]


def _gauges(ax: Axes, overlay: MapOverlay) -> list[Any]:
    if not overlay.x.size:
        return []
    marks = ax.scatter(
        overlay.x, overlay.y, s=22, c=list(overlay.colours), edgecolors=INK, linewidths=0.8, zorder=_ABOVE + 0.2
    )
    return [marks]
