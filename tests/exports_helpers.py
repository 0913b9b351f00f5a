"""What the tests of downloads share: data with a forecast, orders, and files opened again."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from sslpdl import forecast, open_archive
from sslpdl.archive import ArchiveWriter
from sslpdl.dashboard.exports import pictures
from sslpdl.dashboard.exports.order import Order
from sslpdl.dashboard.probabilities import StoredForecast
from sslpdl.dashboard.source import Source
from sslpdl.data import stations
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM

LEADS = [3, 6, 9]
INIT = np.datetime64("2022-08-08T12", "ns")
THRESHOLDS = (0.1, 1.0, 10.0)
SEOUL = stations()[0]
ROW, COLUMN = 112, 49  # of Seoul: 111.71, 48.81


class StandIn:
    """In place of a model: certain classes where the rain is, a little uncertain elsewhere."""

    channels = ("rain",)
    thresholds = THRESHOLDS
    rain_window = 1.0
    decision: ClassVar = dict.fromkeys(THRESHOLDS, 0.5)
    provenance: ClassVar = {"name": "stand-in"}

    def check(self, archive: xr.Dataset) -> None:
        pass

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        rain = np.nan_to_num(fields[:, 0])[:, None]
        reach = 1 / (1 + np.asarray(THRESHOLDS)[:, None, None] / np.maximum(rain, 1e-3))
        upper = np.concatenate([np.ones_like(rain), reach], axis=1)
        return (upper - np.concatenate([reach, np.zeros_like(rain)], axis=1)).astype("float32")


def make_source(folder: Path) -> Source:
    """Return three lead times of one run with a stored forecast; the last lead time has no QPE."""
    rng = np.random.default_rng(1)
    with ArchiveWriter.create(
        folder / "a.zarr", grid=KOREA_5KM, channels=("slp", "rain"), lead_time=LEADS,
        attrs={"title": "Test $x^2$ <b>시험", "source": "=cmd()", "synthetic": "true", "nwp": "RDAPS-like"},
    ) as writer:  # fmt: skip
        fields = np.full((3, 2, *KOREA_5KM.shape), 1000, "float32")
        fields[:, 1] = np.maximum(0, rng.gamma(0.2, 9, (3, *KOREA_5KM.shape)) - 0.5)
        for k in range(3):
            # Seoul and its neighbours are alike, so that a line on the map does not hide the colour
            fields[k, 1, ROW - 1 : ROW + 2, COLUMN - 1 : COLUMN + 2] = (2.5, 12, 45)[k]
        fields[:, 1, :4, :5] = np.nan
        writer.write_run(INIT, fields)
        observed = fields[:2, 1] * 0.7
        observed[:, :, -9:] = np.nan
        writer.write_qpe(INIT + np.array([3, 6], "timedelta64[h]"), observed)
    archive = open_archive(folder / "a.zarr")
    forecast.run(archive, StandIn(), out=folder / "f.zarr")
    return Source(archive, StoredForecast(forecast.open_forecast(folder / "f.zarr")))


def message(form: str, **changes: Any) -> dict[str, Any]:
    asked = {
        "form": form, "init": "2022-08-08T12:00", "lead": 6, "first": 3, "last": 9, "threshold": 1.0, "region": "",
        "palette": "kma", "point": [SEOUL.lon, SEOUL.lat], "language": "en", "dpi": 150, "fps": 4,
    }  # fmt: skip
    return asked | changes


def order(source: Source, form: str, **changes: Any) -> Order:
    return Order.from_message(source, message(form, **changes))


def arrays(source: Source, lead: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rain of the NWP, QPE and probabilities in full precision."""
    archive = source.archive
    valid = INIT + np.timedelta64(LEADS[lead], "h")
    rain = archive["fields"].isel(init_time=0, lead_time=lead).sel(channel="rain").values
    known = valid in archive["valid_time"].values
    qpe = archive["qpe"].sel(valid_time=valid).values if known else np.full_like(rain, np.nan)
    return rain, qpe, source.probabilities.forecast[EXCEEDANCE].isel(init_time=0, lead_time=lead).values  # type: ignore[attr-defined]


def table(content: bytes) -> tuple[list[str], np.ndarray]:
    assert content.startswith(b"\xef\xbb\xbf"), "Excel knows UTF-8 by its mark"
    assert b"\r\n" in content
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return head, np.array(rows, object)


def numbers(column: np.ndarray) -> np.ndarray:
    return np.array([float(text) if text else np.nan for text in column])


def rgb(palette: Any, value: float) -> tuple[int, ...]:
    return tuple(int(part) for part in palette.rgba[palette.classify(value)][:3])


def pixels_of_seoul(source: Source, asked: Order, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Column and row of Seoul's cell on each map of a picture, a little beside its mark."""
    sheet = pictures._Author(source, asked).sheet(asked.leads[0])
    width, height = size
    sheet.figure.canvas.draw()
    found = []
    for ax in sheet.axes:
        x, y = KOREA_5KM.x[COLUMN] - 1200, KOREA_5KM.y[ROW] + 600
        across, up = ax.transData.transform((x, y)) / (sheet.figure.get_size_inches() * sheet.figure.dpi)
        found.append((int(across * width), int((1 - up) * height)))
    return found
