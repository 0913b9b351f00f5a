"""What the page draws over its maps, for pictures and films."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.dashboard.exports.words import WORDS
from sslpdl.dashboard.overlays import contoured, describe, vector_field
from sslpdl.plots.over_maps import SAMPLE_ARROW, MapOverlay

if TYPE_CHECKING:
    from sslpdl.dashboard.exports.order import Order
    from sslpdl.dashboard.exports.reading import Shown

__all__ = ["Overlays"]


class Overlays:
    """Makes the overlays of an order from one of its runs.

    Parameters
    ----------
    shown : Shown
        The run.
    order : Order
        Which overlays, and the palette of gauges.
    language : str
        "en" or "ko".
    """

    def __init__(self, shown: Shown, order: Order, language: str) -> None:
        self.shown, self.order, self.words = shown, order, WORDS[language]
        told = describe(shown.source)
        self.kinds = {name: str(told[name]["kind"]) for name in order.overlays}
        self._contoured = lru_cache(maxsize=None)(lambda name: contoured(shown.source, order.init_time, name))
        self._vectors = lru_cache(maxsize=None)(lambda name: vector_field(shown.source, order.init_time, name))

    def at(self, lead: int) -> list[MapOverlay]:
        """Return the overlays at a lead time given by its position."""
        make = {"contours": self._lines, "barbs": self._arrows, "arrows": self._arrows, "gauges": self._gauges}
        return [make[kind](name, lead) for name, kind in self.kinds.items()]

    def _overlay(self, name: str, text: str, **drawn: Any) -> MapOverlay:
        known = drawn["x"].size if "colours" in drawn else np.isfinite(drawn["values"]).any()
        note = "" if known else f" · {self.words['absent']}"
        return MapOverlay(name, self.kinds[name], text + note, **drawn)

    def _lines(self, name: str, lead: int) -> MapOverlay:
        made = self._contoured(name)
        title, units = self.words[f"input_{name}"], CHANNELS[name].units
        text = self.words["contours"].format(name=title, interval=made.interval, units=units)
        if made.bold:
            text += f", {self.words['bold'].format(bold=made.bold)}"
        where: dict[str, Any] = {"x": made.x, "y": made.y, "interval": made.interval, "bold": made.bold}
        return self._overlay(name, text, values=made.planes[lead], **where)

    def _arrows(self, name: str, lead: int) -> MapOverlay:
        made = self._vectors(name)
        kind = self.kinds[name]
        vectors = [other for other in self.kinds if self.kinds[other] in ("barbs", "arrows")]
        alike = [other for other in vectors if self.kinds[other] == kind]
        text = self.words[name]
        if name == alike[0]:  # the others are read in the same way
            text = self.words[kind].format(name=text, size=SAMPLE_ARROW)
        shift = vectors.index(name) / len(vectors)
        return self._overlay(name, text, x=made.nodes.x, y=made.nodes.y, values=made.parts[lead], shift=shift)

    def _gauges(self, name: str, lead: int) -> MapOverlay:
        qpe, grid, palette = self.shown.qpe(lead), self.shown.source.grid, self.order.palette
        rows, columns = np.nonzero(np.isfinite(qpe)) if qpe is not None else (np.empty(0, int), np.empty(0, int))
        classes = palette.classify(qpe[rows, columns]) if qpe is not None else ()
        colours = tuple(palette.hex[k] for k in classes)
        return self._overlay(name, self.words["gauges"], x=grid.x[columns], y=grid.y[rows], colours=colours)
