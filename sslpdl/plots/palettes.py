"""Colour classes shared by figures, dashboard and notebooks: what a colour means is decided here and nowhere else.

A value is given a class by ``value >= edge`` and the class is given a colour, so that no renderer ever interpolates
between uneven edges.  Classes are numbered 0 (below the first edge), 1 ... n (from an edge up to the next), and n + 1
(missing).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MISSING", "MISSING_DARK", "PALETTES", "PROBABILITY", "RAIN", "RAIN_SAFE", "Palette", "palette"]

MISSING, MISSING_DARK = "#b9b9b9", "#5a5046"
"""Where a value is missing: on light maps, and on dark ones, whose land and sea are bluish."""

CLEAR = "#ffffff00"


@dataclass(frozen=True)
class Palette:
    """Classes of a quantity with one colour each.

    Attributes
    ----------
    name, title : str
        For programs, and for people.
    units : str
        Unit of the edges.
    edges : tuple of float
        Lower, closed edges of the n classes, ascending.
    colours : tuple of str
        Colours ``#rrggbb`` of the classes between two edges (n - 1 of them).
    over : str
        Colour at and above the last edge.
    under : str, default transparent
        Colour below the first edge; ``#rrggbb00`` lets the map show through.
    bad : str, default grey
        Colour where the value is missing: never that of a dry or improbable cell.

    Examples
    --------
    >>> RAIN.classify([0.0, 0.1, 10.0, float("nan")])
    array([ 0,  1,  8, 20], dtype=uint8)
    """

    name: str
    title: str
    units: str
    edges: tuple[float, ...]
    colours: tuple[str, ...]
    over: str
    under: str = CLEAR
    bad: str = MISSING

    def __post_init__(self) -> None:
        if len(self.colours) != len(self.edges) - 1:
            raise ValueError(f"palette {self.name}: {len(self.edges)} edges need {len(self.edges) - 1} colours")
        if len(self.edges) > 250 or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"palette {self.name}: edges must ascend and be at most 250")

    @property
    def size(self) -> int:
        """Number of colours, those for 'below' and 'missing' included."""
        return len(self.edges) + 2

    @property
    def bad_index(self) -> int:
        """Class of missing values, the highest."""
        return len(self.edges) + 1

    @cached_property
    def hex(self) -> tuple[str, ...]:
        """Colour of each class from 0 (below) to `bad_index` (missing), as ``#rrggbb`` or ``#rrggbbaa``."""
        return (self.under, *self.colours, self.over, self.bad)

    @cached_property
    def rgba(self) -> NDArray[np.uint8]:
        """Colour of each class, shape (size, 4), 0-255; ``palette.rgba[palette.classify(values)]`` is an image."""
        table = np.array([list(bytes.fromhex(colour[1:].ljust(8, "f"))) for colour in self.hex], np.uint8)
        table.setflags(write=False)
        return table

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The edges as text, one per edge, none alike."""
        return tuple(f"{edge:g}" for edge in self.edges)

    @cached_property
    def intervals(self) -> tuple[str, ...]:
        """Each class in words, ``"< 0.1"``, ``"0.1–0.5"``, ..., ``"≥ 150"``, ``"no data"``."""
        between = [f"{low}–{high}" for low, high in zip(self.labels, self.labels[1:], strict=False)]
        return (f"< {self.labels[0]}", *between, f"≥ {self.labels[-1]}", "no data")

    def classify(self, values: ArrayLike) -> NDArray[np.uint8]:
        """Return the class index of each value; an edge belongs to the class above it, NaN to `bad_index`.

        Floating-point values are compared with the edges in their own precision, so that a single-precision 0.7 is on
        the edge 0.7.
        """
        array = np.asarray(values)
        kind = array.dtype if array.dtype.kind == "f" else np.dtype("float64")
        index = np.searchsorted(np.asarray(self.edges, kind), array, side="right").astype(np.uint8)
        return np.where(np.isnan(array), np.uint8(self.bad_index), index) if array.dtype.kind == "f" else index

    def cmap(self) -> ListedColormap:
        """Return a matplotlib colour map for images of class indices (use it with `norm`)."""
        from matplotlib.colors import ListedColormap

        return ListedColormap(list(self.hex), name=self.name)

    def norm(self) -> BoundaryNorm:
        """Return the matplotlib norm that maps class index k to colour k exactly."""
        from matplotlib.colors import BoundaryNorm

        return BoundaryNorm(np.arange(self.size + 1) - 0.5, self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return the palette as plain lists and strings, for a browser."""
        return {
            "name": self.name,
            "title": self.title,
            "units": self.units,
            "edges": list(self.edges),
            "labels": list(self.labels),
            "hex": list(self.hex),
            "bad_index": self.bad_index,
        }


def palette(name: str) -> Palette:
    """Return a palette by name.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    if name not in PALETTES:
        raise ConfigError(f"there is no palette {name!r}; choose one of {', '.join(PALETTES)}.")
    return PALETTES[name]


# A subset of the 24 edges of KMA's radar legend; each class keeps the colour of KMA's class that begins at its lower
# edge, so that forecasters read it without learning: blue, green, yellow, red, violet, slate, black.
RAIN = Palette(
    "kma",
    "Rain, classes and colours after the KMA radar legend",
    "mm",
    (0.1, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 90, 110, 150),
    (
        *("#00c8ff", "#004af5"),
        *("#00ff00", "#00be00", "#008c00"),
        *("#ffff00", "#f9cd00"),
        *("#ff6600", "#ff3200", "#d20000", "#b40000"),
        *("#e0a9ff", "#c969ff", "#b329ff", "#9300e4"),
        *("#b3b4de", "#4c4eb1", "#000390"),
    ),
    over="#333333",
)

# Lightness falls from class to class (viridis reversed, without its palest part), so that the order survives any
# colour-vision deficiency and a grey print.
RAIN_SAFE = Palette(
    "safe",
    "Rain, ordered by lightness: safe for colour-vision deficiency",
    "mm",
    (0.1, 0.5, 1, 2, 5, 10, 20, 30, 50, 70, 110),
    (
        *("#dde318", "#a5db36", "#6ccd5a", "#40bd72", "#23a983"),
        *("#1f948c", "#277f8e", "#31688e", "#3d4e8a", "#46307e"),
    ),
    over="#440154",
)

# Steps of ten per cent in even steps of lightness; the first colour begins at 10 %, below it the map shows through.
PROBABILITY = Palette(
    "probability",
    "Probability",
    "1",
    (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    ("#d0e6f0", "#acd1e5", "#89bbdb", "#67a5d2", "#458fc8", "#4474bb", "#6055a1", "#71327a"),
    over="#69174a",
)

PALETTES: dict[str, Palette] = {p.name: p for p in (RAIN, RAIN_SAFE, PROBABILITY)}
"""All palettes by name."""
