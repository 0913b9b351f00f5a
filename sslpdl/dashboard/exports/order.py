"""What a visitor asks for, checked: nothing of a message is used that is not of the data at hand."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sslpdl import data
from sslpdl.dashboard.basemap import basemap
from sslpdl.dashboard.exports.contents import AT_CHOSEN_THRESHOLD, USUAL, codes
from sslpdl.dashboard.frames import RAIN_PALETTES
from sslpdl.dashboard.overlays import describe
from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sslpdl.dashboard.source import Source
    from sslpdl.plots.palettes import Palette

__all__ = ["SUFFIXES", "Order"]

Box = tuple[float, float, float, float]

SUFFIXES = {"png": "png", "gif": "gif", "netcdf": "nc", "point": "csv", "region": "csv"}
"""Kinds of files, and how their names end."""

_RESOLUTIONS = (150, 300)
_SPEEDS = (1, 2, 4, 8)
_MOST_MAPS = 4
_KM_A_DEGREE = 111.195


@dataclass(frozen=True)
class Order:
    """One file to make.

    Attributes
    ----------
    form : str
        One of `SUFFIXES`.
    run : int
        Position of the run.
    init_time : str
        Its start, as in `Source.init_times`.
    leads : tuple of int
        Positions of the lead times, ascending; one alone but for a film, a series or a whole run.
    threshold : int or None
        Position of the threshold; None where there are no probabilities.
    region : str
        Name of the preset; empty for the whole grid.
    box : tuple of float
        Left, bottom, right, top of the maps in the grid's coordinates.
    by_hand : bool
        Whether the box was moved by hand and is no preset.
    palette : Palette
        Of rain.
    panels : tuple of str
        What the maps show from left to right, see `contents`.
    overlays : tuple of str
        What is drawn over all maps, in the order of the page's menu.
    point : tuple of float or None
        Longitude and latitude of the chosen place.
    language : str
        "en" or "ko".
    dpi : int
        Dots an inch of a picture.
    fps : int
        Pictures a second of a film.
    name : str
        Of the file; says what is inside.
    """

    form: str
    run: int
    init_time: str
    leads: tuple[int, ...]
    threshold: int | None
    region: str
    box: Box
    by_hand: bool
    palette: Palette
    panels: tuple[str, ...]
    overlays: tuple[str, ...]
    point: tuple[float, float] | None
    language: str
    dpi: int
    fps: int
    name: str

    @classmethod
    def from_message(cls, source: Source, message: dict[str, Any]) -> Order:
        """Return the order of a message from a browser.

        Parameters
        ----------
        source : Source
            What the visitor looks at.
        message : dict
            ``form``, ``init``, ``lead`` [h], and where needed ``first`` and ``last`` [h], ``threshold`` [mm],
            ``region``, ``window``, ``palette``, ``panels``, ``overlays``, ``point``,
            ``language``, ``dpi``, ``fps``.

        Raises
        ------
        ConfigError
            If it asks for what is not there, with a sentence for the reader.
        """
        form = _one_of(message, "form", tuple(SUFFIXES), "kind of file")
        init_time = _one_of(message, "init", source.init_times, "run")
        first, last = _span(source, message, form)
        regions = {str(region["name"]): region["bounds"] for region in basemap(source.grid).regions}
        region = _one_of(message, "region", ("", *regions), "region")
        window = message.get("window")
        box = source.grid.bounds if not region else _within(regions[region], source.grid.bounds)
        thresholds = source.probabilities.thresholds
        threshold = _one_of(message, "threshold", thresholds, "threshold") if thresholds else None
        point = _numbers(message.get("point"), 2, "place") if message.get("point") else None
        if form == "point" and point is None:
            raise ConfigError("choose a place first: click on a map, then ask for its series again.")
        names = [palette.name for palette in RAIN_PALETTES]
        order = cls(
            form=form,
            run=source.init_times.index(init_time),
            init_time=init_time,
            leads=tuple(range(first, last + 1)),
            threshold=None if threshold is None else thresholds.index(threshold),
            region=region,
            box=_window(source, window) if window else box,
            by_hand=bool(window),
            palette=RAIN_PALETTES[names.index(_one_of(message, "palette", names, "palette"))],
            panels=_panels(source, message.get("panels", USUAL)),
            overlays=_overlays(source, message.get("overlays", ())),
            point=None if point is None else (point[0], point[1]),
            language=_one_of(message, "language", ("en", "ko"), "language"),
            dpi=_one_of(message | {"dpi": message.get("dpi", 150)}, "dpi", _RESOLUTIONS, "resolution"),
            fps=_one_of(message | {"fps": message.get("fps", 4)}, "fps", _SPEEDS, "speed"),
            name="",
        )
        object.__setattr__(order, "name", file_name(source, order))
        return order


def _one_of(message: dict[str, Any], key: str, choices: Sequence[Any], what: str) -> Any:
    value = message.get(key)
    # True is 1 to Python, and a list has no place in a set
    if isinstance(value, str | int | float) and not isinstance(value, bool) and value in choices:
        return choices[list(choices).index(value)]
    raise ConfigError(f"there is no such {what} here; reload the page and ask again.", kind="reload")


def _numbers(value: Any, count: int, what: str) -> list[float]:
    numbers = list(value) if isinstance(value, list | tuple) else []
    good = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n)]
    if len(good) != count or len(numbers) != count:
        raise ConfigError(f"the {what} is not understood; choose it again.")
    return [float(n) for n in good]


def _span(source: Source, message: dict[str, Any], form: str) -> tuple[int, int]:
    """Return positions of the first and last lead time."""
    leads = source.lead_times
    if form in ("png", "region"):
        first = last = _one_of(message, "lead", leads, "lead time")
    elif form == "point":
        first, last = leads[0], leads[-1]
    else:
        first = _one_of(message, "first", leads, "lead time")
        last = _one_of(message, "last", leads, "lead time")
    if first > last:
        raise ConfigError("the first lead time is after the last; choose an earlier one.", kind="first_after_last")
    return leads.index(first), leads.index(last)


def _panels(source: Source, asked: Any) -> tuple[str, ...]:
    """Return what the maps show, each known and no more than there are maps."""
    known = codes(source)
    panels = list(asked) if isinstance(asked, list | tuple) else []
    if not 1 <= len(panels) <= _MOST_MAPS or not all(isinstance(code, str) and code in known for code in panels):
        raise ConfigError("a map shows what is not there any more; reload the page and ask again.", kind="reload")
    return tuple(panels)


def _overlays(source: Source, asked: Any) -> tuple[str, ...]:
    """Return what is drawn over the maps, each known, once, and in the order of the page."""
    known = list(describe(source))
    names = list(asked) if isinstance(asked, list | tuple) else [None]
    if not all(isinstance(name, str) and name in known for name in names):
        raise ConfigError("what is drawn over the maps is not there any more; reload the page.", kind="reload")
    return tuple(name for name in known if name in names)


def _window(source: Source, window: Any) -> Box:
    left, bottom, right, top = _numbers(window, 4, "view of the maps")
    x0, y0, x1, y1 = basemap(source.grid).surroundings
    # wider than what is drawn there is nothing to see
    left, bottom, right, top = max(left, x0), max(bottom, y0), min(right, x1), min(top, y1)
    if right - left < 0.5 * source.grid.dx or top - bottom < 0.5 * source.grid.dy:
        raise ConfigError("the maps are zoomed in on less than a cell, or lie beside the grid; zoom out a little.")
    return left, bottom, right, top


def _within(box: Sequence[float], bounds: Box) -> Box:
    return max(box[0], bounds[0]), max(box[1], bounds[1]), min(box[2], bounds[2]), min(box[3], bounds[3])


# ---- names of files -------------------------------------------------------------------------------------------------


def file_name(source: Source, order: Order) -> str:
    """Return a name that says what is inside, of characters that every system and mail program takes.

    ``sslpdl_synthetic_20220808T00_+012h_seoul.csv``
    """
    start = order.init_time.replace("-", "").replace(":", "").removesuffix("00")
    first, last = source.lead_times[order.leads[0]], source.lead_times[order.leads[-1]]
    lead = f"+{first:03d}h" if first == last else f"+{first:03d}-{last:03d}h"
    parts = ["sslpdl", "synthetic" if source.describe()["synthetic"] else "", start, lead]
    if order.form in ("png", "gif"):
        if order.panels != USUAL:
            parts.append("-".join(code.replace(":", "") for code in order.panels))
        if order.threshold is not None and set(order.panels) & set(AT_CHOSEN_THRESHOLD):
            parts.append(f"ge{source.probabilities.thresholds[order.threshold]:g}mm")
        parts += ["-".join(order.overlays), "view" if order.by_hand else order.region]
    elif order.form == "region":
        parts.append(order.region or "grid")
    elif order.form == "point" and order.point is not None:
        parts.append(place_name(*order.point) or _position(*order.point))
    name = "_".join(part for part in parts if part)
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name) + "." + SUFFIXES[order.form]


def place_name(lon: float, lat: float) -> str:
    """Return the lower-case English name of the station within 3 km, or nothing."""
    near = nearest_station(lon, lat)
    return "" if near is None else near.name.lower()


def nearest_station(lon: float, lat: float, within: float = 3.0) -> data.Station | None:
    """Return the nearest of the shipped stations within some kilometres."""

    def distance(station: data.Station) -> float:
        east = (station.lon - lon) * math.cos(math.radians(lat))
        return math.hypot(east, station.lat - lat) * _KM_A_DEGREE

    station = min(data.stations(), key=distance)
    return station if distance(station) <= within else None


def _position(lon: float, lat: float) -> str:
    return f"{abs(lat):.2f}{'S' if lat < 0 else 'N'}{abs(lon):.2f}{'W' if lon < 0 else 'E'}"
