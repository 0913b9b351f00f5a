"""What a viewer looks at, as plain parameters without widgets: the address of the page holds it.

The parser is total: any query string whatsoever gives a valid state, never an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import param

__all__ = ["State"]

_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[T ]?(\d\d)(?::?(\d\d))?Z?", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
_WORD = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,39}", re.ASCII)
_MAX_WORDS = 16
_MAX_QUERY = 4096


class State(param.Parameterized):
    """The whole view: run, lead time, threshold, region, palette, and what the parts of the page remember.

    None and the empty string mean "the default of the data at hand"; `clamp` turns them into something that exists.
    """

    init_time = param.String(default="", doc="Start of the run, UTC, as 2022-08-08T12:00; empty: the default run.")
    lead_time = param.Integer(default=None, allow_None=True, bounds=(0, 9999), doc="Hours after the start of the run.")
    threshold = param.Number(default=None, allow_None=True, bounds=(0, 1e4), doc="Rain threshold in mm per window.")
    region = param.String(default="", doc="Name of a region preset; empty: the whole grid.")
    palette = param.String(default="", doc="Name of the rain palette; empty: the default.")
    language = param.String(default="", doc="Language of the page; empty: the browser's.")
    theme = param.String(default="", doc="Colours of the page; empty: the browser's.")
    drawer = param.String(default="", doc="Name of the open tab; empty: none.")
    panels = param.List(default=[], item_type=str, doc="What the maps show from left to right, where not the usual.")
    overlays = param.List(default=[], item_type=str, doc="What is drawn over the maps.")
    view = param.List(default=[], item_type=float, doc="Centre and size of the maps: degrees east, north, km a pixel.")
    point = param.List(default=[], item_type=float, doc="The chosen place: degrees east and north.")
    hours = param.Integer(default=None, allow_None=True, bounds=(0, 9999), doc="Window of accumulated rain, hours.")
    leads = param.List(default=[], item_type=int, doc="First and last lead time of the verification, hours.")
    daytime = param.List(default=[], item_type=int, doc="Hours of the day, UTC, of the verification; empty: all.")
    data = param.String(default="", doc="Name of the archive among those of the folders; empty: the first.")

    @classmethod
    def from_query(cls, query: str | bytes | Mapping[str, Any] | None) -> State:
        """Read a state from a query string; whatever cannot be read is left at its default.

        Parameters
        ----------
        query : str, bytes or mapping
            ``"init=2022-08-08T12:00&lead=6&threshold=10"``, or what a server made of it (names to a value or to a
            list of values, text or bytes).

        Examples
        --------
        >>> State.from_query("?init=2022080812&lead=6&threshold=ten").to_query()
        'init=2022-08-08T12%3A00&lead=6'
        """
        fields = _fields(query)
        return cls(
            init_time=_time(fields.get("init", "")),
            lead_time=_integer(fields.get("lead", "")),
            threshold=_number(fields.get("threshold", "")),
            region=_name(fields.get("region", "")),
            palette=_name(fields.get("palette", "")),
            language=_one_of(fields.get("language", ""), "en", "ko"),
            theme=_one_of(fields.get("theme", ""), "light", "dark"),
            drawer=_name(fields.get("drawer", "")),
            panels=_words(fields.get("panels", "")),
            overlays=_words(fields.get("overlays", "")),
            view=_numbers(fields.get("view", ""), (-360, 360), (-90, 90), (1e-3, 1e3)),
            point=_numbers(fields.get("point", ""), (-360, 360), (-90, 90)),
            hours=_integer(fields.get("hours", "")),
            leads=[round(value) for value in _numbers(fields.get("leads", ""), (0, 9999), (0, 9999))],
            daytime=_hours(fields.get("daytime", "")),
            data=_name(fields.get("data", "")),
        )

    def to_query(self) -> str:
        """Return the query string that `from_query` reads back to the same state."""
        pairs = {
            "init": self.init_time or None,
            "lead": self.lead_time,
            "threshold": None if self.threshold is None else f"{self.threshold:g}",
            "region": self.region or None,
            "palette": self.palette or None,
            "language": self.language or None,
            "theme": self.theme or None,
            "drawer": self.drawer or None,
            "panels": ",".join(self.panels) or None,
            "overlays": ",".join(self.overlays) or None,
            "view": ",".join(f"{value:.10g}" for value in self.view) or None,
            "point": ",".join(f"{value:.10g}" for value in self.point) or None,
            "hours": self.hours,
            "leads": ",".join(map(str, self.leads)) or None,
            "daytime": ",".join(map(str, self.daytime)) or None,
            "data": self.data or None,
        }
        return urlencode({name: value for name, value in pairs.items() if value is not None}, safe=",")

    def clamp(
        self,
        *,
        init_times: Sequence[str],
        lead_times: Sequence[int],
        thresholds: Sequence[float] = (),
        regions: Sequence[str] = (),
        palettes: Sequence[str] = (),
        default_init_time: str | None = None,
    ) -> State:
        """Return the nearest state that exists in the data at hand.

        Parameters
        ----------
        init_times : sequence of str
            The runs, ascending, as ``2022-08-08T12:00``; not empty.
        lead_times : sequence of int
            Hours, ascending; not empty.
        thresholds, regions, palettes : sequence
            What can be chosen; the first palette is the default.
        default_init_time : str, optional
            The run to show when none is asked for; the last one by default.
        """
        default = default_init_time if default_init_time in init_times else init_times[-1]
        # ISO times order as text, so the run at or before the one asked for is found by comparison
        earlier = [time for time in init_times if time <= self.init_time]
        init_time = (earlier[-1] if earlier else init_times[0]) if self.init_time else default
        wanted_lead = lead_times[0] if self.lead_time is None else self.lead_time
        threshold = self.threshold
        if thresholds:
            wanted = 0.0 if threshold is None else threshold
            threshold = min(thresholds, key=lambda value: abs(math.log1p(value * 10) - math.log1p(wanted * 10)))
        fitted = {
            "init_time": init_time,
            "lead_time": min(lead_times, key=lambda hours: abs(hours - wanted_lead)),
            "threshold": threshold,
            "region": self.region if self.region in regions else "",
            "palette": self.palette if self.palette in palettes else next(iter(palettes), ""),
        }
        return State(**(self.param.values() | fitted))  # type: ignore[no-untyped-call]


def _fields(query: str | bytes | Mapping[str, Any] | None) -> dict[str, str]:
    """Return the last value of each name, as text."""
    if query is None:
        return {}
    if isinstance(query, Mapping):
        pairs: Mapping[str, Any] = query
    else:
        text = query.decode("utf-8", "replace") if isinstance(query, bytes) else str(query)
        try:
            pairs = parse_qs(text[:_MAX_QUERY].lstrip("?"), max_num_fields=50)
        except ValueError:  # too many fields
            return {}
    fields = {}
    for name, value in pairs.items():
        if isinstance(value, list | tuple):
            value = value[-1] if value else ""
        fields[str(name)] = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return fields


def _time(text: str) -> str:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return ""
    year, month, day, hour, minute = (int(group or 0) for group in match.groups())
    try:
        time = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return ""
    return f"{time:%Y-%m-%dT%H:%M}" if year >= 1000 else ""


def _integer(text: str) -> int | None:
    number = _number(text)
    return None if number is None or number > 9999 else round(number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 1e4 else None


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else ""


def _one_of(text: str, *choices: str) -> str:
    return text if text in choices else ""


def _words(text: str) -> list[str]:
    """Return short names separated by commas; one that is none stays empty, so that the others keep their places."""
    if not text:
        return []
    words = [word if _WORD.fullmatch(word) else "" for word in text.split(",")[:_MAX_WORDS]]
    return words if any(words) else []


def _hours(text: str) -> list[int]:
    """Return hours of the day in order, each once, or none at all; all of them are no choice."""
    words = text.split(",")
    if not all(word.isascii() and word.isdigit() and len(word) <= 2 and int(word) < 24 for word in words):
        return []
    hours = sorted({int(word) for word in words})
    return hours if len(hours) < 24 else []


def _numbers(text: str, *bounds: tuple[float, float]) -> list[float]:
    """Return as many numbers as there are bounds, or none at all."""
    parts = text.split(",")
    if len(parts) != len(bounds):
        return []
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return []
    inside = all(low <= number <= high for number, (low, high) in zip(numbers, bounds, strict=True))
    return numbers if inside else []
