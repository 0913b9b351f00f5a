"""Downloads: what is in the files equals the arrays, and what a browser may not ask for is refused."""

from __future__ import annotations

import csv
import io
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from sslpdl import forecast, open_archive
from sslpdl.archive import ArchiveWriter
from sslpdl.dashboard.exports import jobs, pictures
from sslpdl.dashboard.exports.netcdf import netcdf
from sslpdl.dashboard.exports.order import Order
from sslpdl.dashboard.exports.tables import cells, series
from sslpdl.dashboard.frames import RAIN_PALETTES
from sslpdl.dashboard.probabilities import NoForecast, StoredForecast
from sslpdl.dashboard.source import Source
from sslpdl.data import stations
from sslpdl.errors import SslpdlError
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM, Grid
from sslpdl.plots.palettes import PROBABILITY, RAIN, RAIN_SAFE
from sslpdl.plots.publication import MapPanel, Sheet

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


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("exports")
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


# ---- NetCDF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(3, 9), (6, 6)])
def test_netcdf_holds_the_run_and_what_cf_asks_for(source: Source, tmp_path: Path, first: int, last: int) -> None:
    asked = order(source, "netcdf", first=first, last=last)
    (tmp_path / "run.nc").write_bytes(netcdf(source, asked))
    path = tmp_path / "run.nc"
    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all", decode_timedelta=False) as run:
        hours = [lead for lead in LEADS if first <= lead <= last]
        assert (list(run["lead_time"].values), run["lead_time"].attrs["units"]) == (hours, "hours")
        assert run["init_time"].values == INIT
        for k, lead in enumerate(hours):
            rain, qpe, chances = arrays(source, LEADS.index(lead))
            np.testing.assert_array_equal(run["rain"][0, k], rain)
            np.testing.assert_array_equal(run["qpe"][0, k], qpe)
            np.testing.assert_array_equal(run[EXCEEDANCE][0, k], chances)
            valid = INIT + np.timedelta64(lead, "h")
            assert run["valid_time"].values[0, k] == valid
            assert list(run["valid_time_bounds"].values[0, k]) == [valid - np.timedelta64(1, "h"), valid]
        assert set(run.coords) >= {"lat", "lon", "valid_time", "crs", "threshold"}
        assert Grid.from_dataset(run).same_cells(KOREA_5KM)
        assert run["crs"].attrs["grid_mapping_name"] == "lambert_conformal_conic"
        for name in ("rain", "qpe", EXCEEDANCE):
            assert run[name].encoding["grid_mapping"] == "crs"
        assert run["rain"].attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"
        assert run["rain"].attrs["cell_methods"] == "valid_time: sum (interval: 1 hours)"
        assert run["threshold"].attrs["spp__relative_to_threshold"] == "greater_than_or_equal_to"
        np.testing.assert_array_equal(run["threshold"], THRESHOLDS)
        assert run.attrs["Conventions"] == "CF-1.11"
        assert run.attrs["synthetic"] == "true"
        assert run.attrs["title"].startswith("SYNTHETIC DATA")
        assert "exported by the page of sslpdl" in run.attrs["history"]
        assert len(run.attrs["history"].splitlines()) == 2, "what was done before is kept"


def test_netcdf_of_data_without_a_model_has_no_probabilities(source: Source, tmp_path: Path) -> None:
    bare = Source(source.archive, NoForecast("there is none."))
    (tmp_path / "run.nc").write_bytes(netcdf(bare, order(bare, "netcdf", threshold=None)))
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as run:
        assert set(run.data_vars) >= {"rain", "qpe"}
        assert EXCEEDANCE not in run


# ---- CSV ------------------------------------------------------------------------------------------------------------


def table(content: bytes) -> tuple[list[str], np.ndarray]:
    assert content.startswith(b"\xef\xbb\xbf"), "Excel knows UTF-8 by its mark"
    assert b"\r\n" in content
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return head, np.array(rows, object)


def numbers(column: np.ndarray) -> np.ndarray:
    return np.array([float(text) if text else np.nan for text in column])


def test_csv_of_a_region_holds_its_cells(source: Source) -> None:
    head, rows = table(cells(source, order(source, "region", region="jeju")))
    lon, lat = KOREA_5KM.lonlat()
    inside = (lon >= 126.0) & (lon <= 127.1) & (lat >= 33.0) & (lat <= 33.7)
    assert len(rows) == inside.sum() > 100
    at = {name: k for k, name in enumerate(head)}
    i, j = rows[:, at["row (0 = south)"]].astype(int), rows[:, at["column (0 = west)"]].astype(int)
    assert inside[i, j].all()
    assert set(zip(i, j, strict=True)) == set(map(tuple, np.argwhere(inside)))
    np.testing.assert_allclose(numbers(rows[:, at["latitude of the cell (degrees north)"]]), lat[i, j], atol=6e-5)
    rain, qpe, chances = arrays(source, 1)
    np.testing.assert_allclose(numbers(rows[:, at["NWP rain (mm in 1 h)"]]), rain[i, j], atol=0.0051)
    np.testing.assert_allclose(numbers(rows[:, at["QPE (mm in 1 h)"]]), qpe[i, j], atol=0.0051)
    for k, threshold in enumerate(THRESHOLDS):
        column = at[f"P(rain >= {threshold:g} mm in 1 h) (%)"]
        np.testing.assert_allclose(numbers(rows[:, column]), 100 * chances[k][i, j], atol=0.0051)
    assert set(rows[:, at["valid time (UTC)"]]) == {"2022-08-08 18:00"}
    assert set(rows[:, at["valid time (KST)"]]) == {"2022-08-09 03:00"}
    assert all(text.startswith("SYNTHETIC DATA") for text in rows[:, at["source"]])


def test_csv_of_the_grid_leaves_missing_values_empty(source: Source) -> None:
    head, rows = table(cells(source, order(source, "region")))
    assert len(rows) == 224 * 128
    corner = dict(zip(head, rows[0], strict=True))
    assert corner["NWP rain (mm in 1 h)"] == ""
    rain = numbers(rows[:, head.index("NWP rain (mm in 1 h)")]).reshape(224, 128)
    np.testing.assert_allclose(rain, arrays(source, 1)[0], atol=0.0051)


def test_csv_of_a_place_in_korean(source: Source) -> None:
    head, rows = table(series(source, order(source, "point", language="ko")))
    assert {"초기시각 (UTC)", "선행시간 (시간)", "수치예보 강수량 (mm/1시간)", "자료"} <= set(head)
    assert len(rows) == len(LEADS)
    assert set(rows[:, head.index("지점")]) == {"서울"}
    for k in range(3):
        row = dict(zip(head, rows[k], strict=True))
        rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, k))
        assert (row["행 (0 = 남쪽)"], row["열 (0 = 서쪽)"]) == (str(ROW), str(COLUMN))
        assert float(row["수치예보 강수량 (mm/1시간)"]) == pytest.approx(rain, abs=0.0051)
        assert row["QPE 관측 강수량 (mm/1시간)"] == ("" if np.isnan(qpe) else f"{qpe:.2f}")
        assert float(row["강수확률, 1시간 10 mm 이상 (%)"]) == pytest.approx(100 * chances[2], abs=0.0051)


# ---- pictures -------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("dpi", "palette"), [(150, RAIN), (300, RAIN_SAFE)])
def test_png_has_the_colour_of_each_class_at_seoul(source: Source, dpi: int, palette: Any) -> None:
    asked = order(source, "png", dpi=dpi, palette=palette.name, region="capital_area", point=None)
    content, remark = pictures.picture(source, asked)
    assert remark == ""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    inches = pictures._Author(source, asked).sheet(1).figure.get_size_inches()
    assert image.size == tuple(int(length * dpi) for length in inches)
    assert image.size[0] > 1000 * dpi / 150
    rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, 1))
    expected = [rgb(palette, rain), rgb(PROBABILITY, chances[1]), rgb(palette, qpe)]
    assert len(set(expected)) == 3
    assert [image.getpixel(place) for place in pixels_of_seoul(source, asked, image.size)] == expected


def test_gif_has_a_picture_for_each_lead_time_in_exact_colours(source: Source) -> None:
    steps: list[tuple[int, int]] = []
    asked = order(source, "gif", fps=4, region="capital_area", point=None)
    content, _ = pictures.film(source, asked, lambda done, total: steps.append((done, total)))
    film = Image.open(io.BytesIO(content))
    assert film.n_frames == 3
    assert film.info["duration"] == 250
    assert film.info["loop"] == 0
    assert steps == [(1, 3), (2, 3), (3, 3)]
    places = pixels_of_seoul(source, asked, film.size)
    for k in range(3):
        film.seek(k)
        image = film.convert("RGB")
        rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, k))
        assert image.getpixel(places[0]) == rgb(RAIN, rain)
        assert image.getpixel(places[1]) == rgb(PROBABILITY, chances[1])
        if k < 2:
            assert image.getpixel(places[2]) == rgb(RAIN, qpe)


def test_every_class_keeps_its_colour_in_a_film() -> None:
    hexes = [colour for p in (RAIN, RAIN_SAFE, PROBABILITY) for colour in p.hex if len(colour) == 7] + ["#ffffff"]
    classes = np.array([list(bytes.fromhex(colour[1:])) for colour in hexes], np.uint8)
    # beside each class colours that are almost the same, as smooth edges of lines have
    near = np.clip(classes[:, None].astype(int) + np.arange(-12, 13)[None, :, None], 0, 255).astype(np.uint8)
    image = np.repeat(np.concatenate([near, np.repeat(classes[:, None], 25, axis=1)], axis=1), 3, axis=0)
    film = Image.open(io.BytesIO(pictures.write_gif(lambda: iter([image, image[::-1]]), 4)))
    shown = np.asarray(film.convert("RGB"))[1::3, -1]
    np.testing.assert_array_equal(shown, classes)


def test_a_film_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MOST_BYTES", 50_000)
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    with pytest.raises(SslpdlError, match="choose fewer lead times"):
        pictures.write_gif(lambda: iter([noise, noise[::-1], noise[:, ::-1]]), 4)


def test_words_of_a_sheet_say_what_and_when(source: Source) -> None:
    sheet = pictures._Author(source, order(source, "png", language="ko")).sheet(1)
    texts = [text.get_text() for text in sheet.figure.texts] + [
        text.get_text() for ax in sheet.axes for text in ax.texts
    ]
    joined = " | ".join(texts)
    assert "18:00 UTC" in joined
    assert "03:00 KST" in joined
    assert "Test $x^2$ <b>" in joined, "a title is text and no formula"
    hangul = re.search("[가-힣]", joined)
    if pictures._Author(source, order(source, "png", language="ko")).remark:
        assert hangul is None, "no font: English, and no boxes"
        assert "SYNTHETIC DATA" in joined
        assert "Mon 8 Aug 2022 12:00 UTC (21:00 KST)" in joined
        assert "lead time +6 h" in joined
    else:
        assert hangul is not None
        assert "합성 자료" in joined


def test_a_sheet_marks_what_is_missing_and_widens_a_slit() -> None:
    empty = [MapPanel("A", "mm", None, RAIN, "nothing there")]
    left, bottom, _, top = KOREA_5KM.bounds
    sheet = Sheet(KOREA_5KM, empty, heading="x", box=(left, bottom, left + 20e3, top))
    width, height = (np.ptp(limits) for limits in (sheet.axes[0].get_xlim(), sheet.axes[0].get_ylim()))
    assert height / width == pytest.approx(1.95)
    assert "nothing there" in [text.get_text() for text in sheet.axes[0].texts]
    image = sheet.axes[0].images[0].get_array()
    assert (np.asarray(image)[..., :3] == RAIN.rgba[RAIN.bad_index][:3]).all()
    before = len(sheet.axes[0].get_children())
    sheet.show(empty, heading="y")
    assert len(sheet.axes[0].get_children()) == before, "nothing piles up from step to step"


# ---- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"form": "point"}, "sslpdl_synthetic_20220808T12_+003-009h_seoul.csv"),
        ({"form": "point", "point": [127.5, 36.25]}, "sslpdl_synthetic_20220808T12_+003-009h_36.25N127.50E.csv"),
        ({"form": "region", "region": "capital_area"}, "sslpdl_synthetic_20220808T12_+006h_capital_area.csv"),
        ({"form": "region"}, "sslpdl_synthetic_20220808T12_+006h_grid.csv"),
        ({"form": "png", "threshold": 0.1}, "sslpdl_synthetic_20220808T12_+006h_ge0.1mm.png"),
        ({"form": "png", "window": [0, 0, 9e4, 9e4]}, "sslpdl_synthetic_20220808T12_+006h_ge1mm_view.png"),
        ({"form": "gif", "last": 6}, "sslpdl_synthetic_20220808T12_+003-006h_ge1mm.gif"),
        ({"form": "netcdf"}, "sslpdl_synthetic_20220808T12_+003-009h.nc"),
    ],
)
def test_names_say_what_is_inside(source: Source, changes: dict[str, Any], name: str) -> None:
    asked = Order.from_message(source, message("png") | changes)
    assert asked.name == name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]+", asked.name)


BAD: list[dict[str, Any]] = [
    {"form": "exe"},
    {"form": ["png"]},
    {"form": None},
    {"init": "2022-08-08T13:00"},
    {"init": "../../etc/passwd"},
    {"lead": 7},
    {"lead": True},
    {"lead": float("nan")},
    {"threshold": 2.0},
    {"threshold": "1.0"},
    {"region": "atlantis"},
    {"region": {"a": 1}},
    {"palette": "rainbow"},
    {"language": "de"},
    {"dpi": 10_000},
    {"dpi": 150.5},
    {"fps": 0, "form": "gif"},
    {"window": [0, 0, 1]},
    {"window": "all"},
    {"window": [0, 0, float("inf"), 1]},
    {"window": [0, 0, 10, 10]},
    {"window": [9e6, 9e6, 9.1e6, 9.1e6]},
    {"point": [127]},
    {"point": [127, float("nan")]},
    {"point": "seoul"},
    {"form": "point", "point": None},
    {"form": "gif", "first": 9, "last": 3},
    {"form": "gif", "first": 4},
]


@pytest.mark.parametrize("changes", BAD, ids=[str(changes)[:40] for changes in BAD])
def test_what_is_not_there_is_refused_in_a_sentence(source: Source, changes: dict[str, Any]) -> None:
    with pytest.raises(SslpdlError) as refused:
        Order.from_message(source, message("png") | changes)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert not any(str(value) in text for value in changes.values() if isinstance(value, str) and value), "no echo"


def test_an_empty_message_is_refused(source: Source) -> None:
    with pytest.raises(SslpdlError):
        Order.from_message(source, {})


@pytest.mark.parametrize("point", [[0, -89], [127, 20], [-53, -38]])
def test_a_place_beside_the_grid_is_refused(source: Source, point: list[float]) -> None:
    with pytest.raises(SslpdlError, match="beside the grid"):
        series(source, order(source, "point", point=point))


def test_orders_use_the_palettes_of_the_page(source: Source) -> None:
    assert [order(source, "png", palette=p.name).palette for p in RAIN_PALETTES] == list(RAIN_PALETTES)


# ---- jobs -----------------------------------------------------------------------------------------------------------


class Visitor:
    """A session as far as a job needs one."""

    def __init__(self, source: Source) -> None:
        self.source, self.gone = source, False
        self.told: list[dict[str, Any]] = []
        self.ended = threading.Event()

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        if message["state"] in ("done", "failed", "cancelled"):
            self.ended.set()


def test_a_job_tells_its_progress_and_brings_the_file(source: Source) -> None:
    visitor: Any = Visitor(source)
    taken = jobs.start(visitor, message("gif", last=6))
    assert taken["ahead"] == 0
    with pytest.raises(SslpdlError, match="already"):
        jobs.start(visitor, message("png"))
    assert visitor.ended.wait(120)
    assert [m["done"] for m in visitor.told if m["state"] == "working"] == [0, 1, 2]
    last = visitor.told[-1]
    assert (last["kind"], last["job"], last["state"]) == ("export", taken["job"], "done")
    assert (last["name"], last["type"]) == (taken["name"], "image/gif")
    assert last["content"].startswith(b"GIF8")
    visitor.ended.clear()
    jobs.start(visitor, message("point"))  # the next is welcome at once
    assert visitor.ended.wait(120)
    assert visitor.told[-1]["type"].startswith("text/csv")


def test_two_at_once_others_wait_and_all_can_be_given_up(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    go, running, most, lock = threading.Event(), [0], [0], threading.Lock()

    def slow(job: jobs.Job) -> tuple[bytes, str]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            while not go.wait(0.01):
                job.progress(0, 1)
        finally:
            with lock:
                running[0] -= 1
        return b"x", ""

    monkeypatch.setattr(jobs, "make", slow)
    visitors: list[Any] = [Visitor(source) for _ in range(10)]
    assert [jobs.start(visitor, message("png"))["ahead"] for visitor in visitors] == [0, 0, *range(1, 9)]
    with pytest.raises(SslpdlError, match="try again in a minute"):
        jobs.start(Visitor(source), message("png"))  # type: ignore[arg-type]
    assert jobs.cancel(visitors[0], {}) == {"cancelled": True}
    assert visitors[0].ended.wait(20)
    assert visitors[0].told[-1]["state"] == "cancelled"
    assert jobs.cancel(visitors[0], {}) == {"cancelled": False}
    jobs.cancel(visitors[8], {})
    assert visitors[8].told[-1]["state"] == "cancelled", "who still waits is let go at once"
    visitors[9].gone = True  # closed the page while waiting
    go.set()
    assert all(visitor.ended.wait(20) for visitor in visitors)
    assert most[0] == 2
    assert [visitor.told[-1]["state"] for visitor in visitors] == ["cancelled", *["done"] * 7, *["cancelled"] * 2]


@pytest.mark.parametrize(
    ("error", "said"),
    [(SslpdlError("the disk is full; free some."), "the disk is full; free some."), (ValueError("x"), "server's log")],
)
def test_a_job_that_fails_says_why(
    source: Source, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(job: jobs.Job) -> tuple[bytes, str]:
        raise error

    monkeypatch.setattr(jobs, "make", fail)
    visitor: Any = Visitor(source)
    jobs.start(visitor, message("png"))
    assert visitor.ended.wait(20)
    assert visitor.told[-1]["state"] == "failed"
    assert said in visitor.told[-1]["problem"]


def test_probabilities_that_are_being_computed_are_waited_for(source: Source) -> None:
    later = SimpleNamespace(thresholds=THRESHOLDS, window=1.0, title="later", stored=lambda *_: None)
    waiting = Source(source.archive, later)  # type: ignore[arg-type]
    with pytest.raises(SslpdlError, match="still being computed"):
        netcdf(waiting, order(waiting, "netcdf"))
