"""Places that can be looked for by name on the page."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sslpdl import data

if TYPE_CHECKING:
    from sslpdl.grid import Grid

__all__ = ["known_places"]


@lru_cache(maxsize=8)
def known_places(grid: Grid) -> tuple[dict[str, Any], ...]:
    """Return stations and towns that lie in a cell of the grid, the most important first.

    Returns
    -------
    tuple of dict
        ``name``, ``name_ko``, ``lon`` and ``lat`` in degrees; do not change them.
    """
    rows, columns = grid.shape
    found = []
    for place in (*data.stations(), *data.towns()):
        row, column = (float(index) for index in grid.cell(place.lon, place.lat))
        # a cell reaches half a step to either side of its centre
        if -0.5 <= row < rows - 0.5 and -0.5 <= column < columns - 0.5:
            found.append({"name": place.name, "name_ko": place.name_ko, "lon": place.lon, "lat": place.lat})
    return tuple(found)
