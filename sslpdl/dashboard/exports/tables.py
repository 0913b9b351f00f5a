"""Values as CSV for a spreadsheet: a series at a place, or the cells of a region at one time.

UTF-8 with a byte-order mark, by which Excel knows that it is UTF-8; lines end as Excel ends them; a missing value is an
empty field.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl import data
from sslpdl.dashboard.exports.contents import Content, Contents, beyond_usual
from sslpdl.dashboard.exports.order import nearest_station
from sslpdl.dashboard.exports.reading import Run
from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from sslpdl.dashboard.exports.order import Order
    from sslpdl.dashboard.source import Source

__all__ = ["cells", "series"]

_MOST_ROWS = 300_000
_KST = np.timedelta64(9, "h")
_HEADS: dict[str, dict[str, str]] = {
    "en": {
        "init": "run (UTC)",
        "lead": "lead time (h)",
        "utc": "valid time (UTC)",
        "kst": "valid time (KST)",
        "place": "place",
        "row": "row (0 = south)",
        "column": "column (0 = west)",
        "lat": "latitude of the cell (degrees north)",
        "lon": "longitude of the cell (degrees east)",
        "nwp": "NWP rain (mm in {window:g} h)",
        "qpe": "QPE (mm in {window:g} h)",
        "chance": "P(rain >= {threshold:g} mm in {window:g} h) (%)",
        "source": "source",
        "synthetic": "SYNTHETIC DATA",
    },
    "ko": {
        "init": "초기시각 (UTC)",
        "lead": "선행시간 (시간)",
        "utc": "유효시각 (UTC)",
        "kst": "유효시각 (KST)",
        "place": "지점",
        "row": "행 (0 = 남쪽)",
        "column": "열 (0 = 서쪽)",
        "lat": "격자점 위도 (°N)",
        "lon": "격자점 경도 (°E)",
        "nwp": "수치예보 강수량 (mm/{window:g}시간)",
        "qpe": "QPE 관측 강수량 (mm/{window:g}시간)",
        "chance": "강수확률, {window:g}시간 {threshold:g} mm 이상 (%)",
        "source": "자료",
        "synthetic": "합성 자료",
    },
}


def series(source: Source, order: Order) -> bytes:
    """Return the values in the cell of a place at all lead times of a run.

    Raises
    ------
    ConfigError
        If the place lies beside the grid.
    ForecastError
        If the probabilities are still being computed.
    """
    assert order.point is not None  # `Order.from_message` sees to it
    run = Run(source, order.run)
    found = run.cell(*order.point)
    if found is None:
        raise ConfigError("this place lies beside the grid; choose another.", kind="beside_grid")
    row, column = found
    lon, lat = (float(value) for value in run.grid.lonlat_of(run.grid.x[column], run.grid.y[row]))
    words = _HEADS[order.language]
    near = nearest_station(*order.point)
    place = f"{order.point[1]:.4f}N {order.point[0]:.4f}E"
    if near is not None:
        place = near.name_ko if order.language == "ko" else near.name
    contents, codes = Contents(run, order, order.language), beyond_usual(order.panels)
    rows = []
    for lead in order.leads:
        amounts = [_amount(plane[row, column]) for plane in (run.rain(lead), run.qpe(lead))]
        chances = [_percent(value) for value in run.probabilities(lead)[:, row, column]]
        where = [place, row, column, f"{lat:.4f}", f"{lon:.4f}"]
        others = [_text(content, row, column) for content in (contents.of(code, lead) for code in codes)]
        rows.append([*_times(run, lead), *where, *amounts, *chances, *others, _source(run, words)])
    keys = ("init", "lead", "utc", "kst", "place", "row", "column", "lat", "lon")
    return _csv([*(words[key] for key in keys), *_value_heads(run, order), words["source"]], rows)


def cells(source: Source, order: Order) -> bytes:
    """Return the values of all cells of a region at one lead time, row by row from the south-west.

    Raises
    ------
    ConfigError
        If there are too many for a spreadsheet.
    ForecastError
        If the probabilities are still being computed.
    """
    run = Run(source, order.run)
    lon, lat = run.grid.lonlat()
    inside = np.ones(run.grid.shape, bool)
    if order.region:
        inside = data.regions()[order.region].contains(lon, lat)
    if inside.sum() > _MOST_ROWS:
        count = f"these are {inside.sum():,} cells, more than the {_MOST_ROWS:,} that a spreadsheet bears"
        raise ConfigError(f"{count}; choose a region.", kind="too_large")
    (lead,) = order.leads
    words = _HEADS[order.language]
    rain, qpe = run.rain(lead), run.qpe(lead)
    chances = run.probabilities(lead)
    contents = Contents(run, order, order.language)
    others = [contents.of(code, lead) for code in beyond_usual(order.panels)]
    times, origin = _times(run, lead), _source(run, words)
    rows = (
        [
            *times, row, column, f"{lat[row, column]:.4f}", f"{lon[row, column]:.4f}",
            _amount(rain[row, column]), _amount(qpe[row, column]),
            *(_percent(value) for value in chances[:, row, column]),
            *(_text(content, row, column) for content in others), origin,
        ]
        for row, column in np.argwhere(inside).tolist()
    )  # fmt: skip
    keys = ("init", "lead", "utc", "kst", "row", "column", "lat", "lon")
    return _csv([*(words[key] for key in keys), *_value_heads(run, order), words["source"]], rows)


def _value_heads(run: Run, order: Order) -> list[str]:
    words = _HEADS[order.language]
    window = run.source.probabilities.window
    return [
        words["nwp"].format(window=run.window(order.leads[0])),
        words["qpe"].format(window=run.qpe_window),
        *(words["chance"].format(threshold=threshold, window=window) for threshold in run.thresholds),
        *_other_heads(run, order),
    ]


def _other_heads(run: Run, order: Order) -> list[str]:
    """Return names of what the maps show beside rain and probabilities."""
    contents = Contents(run, order, order.language)
    found = [contents.of(code, order.leads[0]) for code in beyond_usual(order.panels)]
    # which run was the one before differs from row to row
    titles = [contents.words["before"] if content.code == "before" else content.title for content in found]
    return [f"{title} ({content.unit})" for title, content in zip(titles, found, strict=True)]


def _times(run: Run, lead: int) -> list[Any]:
    valid = run.valid_time(lead)
    start, utc, kst = (str(np.datetime_as_string(t, unit="m")) for t in (run.init_time, valid, valid + _KST))
    # a blank is what spreadsheets take for a time
    return [start.replace("T", " "), run.source.lead_times[lead], utc.replace("T", " "), kst.replace("T", " ")]


def _source(run: Run, words: dict[str, str]) -> str:
    about = run.about()
    parts = (words["synthetic"] if about["synthetic"] else "", about["nwp"], about["model"])
    return ", ".join(part for part in parts if part)


def _amount(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _text(content: Content, row: int, column: int) -> str:
    """Return the value of a cell: a name, per cent, or a number in the content's unit."""
    value = math.nan if content.values is None else float(content.values[row, column])
    if content.names:
        return "" if math.isnan(value) else content.names[int(value)]
    return _percent(value) if content.percent else _amount(value)


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.2f}"


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(head)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return buffer.getvalue().encode("utf-8-sig")


def _harmless(value: Any) -> Any:
    """Return a text that no spreadsheet takes for a formula: names of archives and models come from outside."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r") else value
