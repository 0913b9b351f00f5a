"""One look for all figures, and figures that belong to no window."""

from __future__ import annotations

import functools
import io
import textwrap
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INK", "MUTED", "Picture", "annotate", "model_style", "pixels", "png", "styled"]

INK = "#1d2733"
MUTED = "#66717d"

# Okabe and Ito's colours can be told apart with any colour vision; markers and dashes say the same again
_MODELS = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "D"), ("#cc79a7", "^"), ("#56b4e9", "v"), ("#e69f00", "P"))
_REFERENCES = {"raw": ("#333333", "X", (0, (5, 1.5))), "climatology": ("#8a8a8a", "d", (0, (1, 1.5)))}

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9aa4af",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#dfe4e9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "hatch.linewidth": 0.5,
    "hatch.color": "#8a8a8a",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

# the look is a setting of the whole process, and fonts are shared: threads draw one after another
_drawing = threading.RLock()

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Figure):
    """A figure that no window owns: it draws without a display, in any thread, and shows itself in a notebook.

    Examples
    --------
    >>> Picture(figsize=(4, 3)).savefig("picture.png")  # doctest: +SKIP
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("layout", "constrained")
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return png(self)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw with the look of this package, whatever the user's own settings are, and no two threads at once."""

    @functools.wraps(function)
    def draw(*args: P.args, **kwargs: P.kwargs) -> R:
        with _drawing, matplotlib.rc_context(_STYLE):
            return function(*args, **kwargs)

    return draw


def png(figure: Figure, *, dpi: int = 130) -> bytes:
    """Return a figure as the bytes of a PNG file, the same for the same figure."""
    buffer = io.BytesIO()
    with _drawing, matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def pixels(figure: Figure, *, dpi: int) -> NDArray[np.uint8]:
    """Return a figure as an image (rows, columns, 3), 0-255, for a film."""
    with _drawing, matplotlib.rc_context(_STYLE):
        figure.set_dpi(dpi)
        figure.canvas.draw()
        return np.array(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]


def annotate(figure: Figure, *lines: str, size: float = 7.5) -> None:
    """Write lines below a figure, each broken where it would leave the figure."""
    # a character of DejaVu Sans is on average half as wide as the font is high
    room = int(figure.get_figwidth() * 72 / (0.56 * size))
    text = "\n".join(textwrap.fill(line, room) for line in lines if line)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=size, color=MUTED)


def model_style(models: list[str]) -> dict[str, dict[str, Any]]:
    """Return colour, marker and line style for each model; the raw forecast and climatology always look the same."""
    ours = [name for name in models if name not in _REFERENCES]
    styles: dict[str, dict[str, Any]] = {}
    for name in models:
        if name in _REFERENCES:
            colour, marker, dashes = _REFERENCES[name]
            styles[name] = {"color": colour, "marker": marker, "linestyle": dashes}
        else:
            colour, marker = _MODELS[ours.index(name) % len(_MODELS)]
            styles[name] = {"color": colour, "marker": marker, "linestyle": "-"}
    return styles
