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
_MAX_QUERY = 4096


class State(param.Parameterized):
    """The whole view: run, lead time, threshold, region and palette.

    None and the empty string mean "the default of the data at hand"; `clamp` turns them into something that exists.
    """

    init_time = param.String(default="", doc="Start of the run, UTC, as 2022-08-08T12:00; empty: the default run.")
    lead_time = param.Integer(default=None, allow_None=True, bounds=(0, 9999), doc="Hours after the start of the run.")
    threshold = param.Number(default=None, allow_None=True, bounds=(0, 1e4), doc="Rain threshold in mm per window.")
    region = param.String(default="", doc="Name of a region preset; empty: the whole grid.")
    palette = param.String(default="", doc="Name of the rain palette; empty: the default.")

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
        )

    def to_query(self) -> str:
        """Return the query string that `from_query` reads back to the same state."""
        pairs = {
            "init": self.init_time or None,
            "lead": self.lead_time,
            "threshold": None if self.threshold is None else f"{self.threshold:g}",
            "region": self.region or None,
            "palette": self.palette or None,
        }
        return urlencode({name: value for name, value in pairs.items() if value is not None})

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
        return State(  # type: ignore[no-untyped-call]
            init_time=init_time,
            lead_time=min(lead_times, key=lambda hours: abs(hours - wanted_lead)),
            threshold=threshold,
            region=self.region if self.region in regions else "",
            palette=self.palette if self.palette in palettes else next(iter(palettes), ""),
        )


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
