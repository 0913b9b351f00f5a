"""Downloads hold what the visitor has chosen for each map: sums, classes, comparisons, earlier runs and inputs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from exports_helpers import COLUMN, ROW, THRESHOLDS, StandIn, numbers, pixels_of_seoul, rgb, table
from PIL import Image

from sslpdl import forecast, open_archive
from sslpdl.archive import ArchiveWriter
from sslpdl.dashboard.exports import pictures
from sslpdl.dashboard.exports.contents import Content, Contents, codes
from sslpdl.dashboard.exports.netcdf import netcdf
from sslpdl.dashboard.exports.order import Order
from sslpdl.dashboard.exports.reading import Run, Shown
from sslpdl.dashboard.exports.tables import cells, series
from sslpdl.dashboard.probabilities import NoForecast, StoredForecast
from sslpdl.dashboard.source import Source
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.field_palettes import CHANGE, DIFFERENCE, DISAGREEMENT, FIELD_PALETTES, rain_classes
from sslpdl.plots.fonts import hangul_font
from sslpdl.plots.palettes import PROBABILITY, RAIN

LEADS = [3, 6, 9, 12]  # rain of three hours each
RUNS = [np.datetime64("2022-08-08T00", "ns"), np.datetime64("2022-08-08T06", "ns")]
SEOUL = {  # mm in 3 h at each lead time of the second run
    "rain": (2.0, 12.0, 45.0, 0.5),
    "qpe": (3.0, 4.0, 40.0, np.nan),
    "t_850": (285.15, 279.15, 291.15, 288.15),
}
AROUND = np.s_[ROW - 1 : ROW + 2, COLUMN - 1 : COLUMN + 2]


class ThreeHours(StandIn):
    channels = ("t_850", "rain")
    rain_window = 3.0
    decision: ClassVar = dict.fromkeys(THRESHOLDS, 0.3)

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        return super().probabilities(fields[:, 1:])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("contents")
    rng = np.random.default_rng(2)
    with ArchiveWriter.create(
        folder / "a.zarr", grid=KOREA_5KM, channels=("t_850", "rain"), lead_time=LEADS, rain_window=3.0,
        qpe_window=3.0, attrs={"nwp": "RDAPS", "title": "Two runs"},
    ) as writer:  # fmt: skip
        for init in RUNS:
            fields = np.empty((4, 2, *KOREA_5KM.shape), "float32")
            fields[:, 0] = rng.uniform(260, 300, (4, *KOREA_5KM.shape))
            fields[:, 1] = np.maximum(0, rng.gamma(0.2, 9, (4, *KOREA_5KM.shape)) - 0.5)
            for k in range(4):
                fields[k, 0][AROUND] = SEOUL["t_850"][k]
                fields[k, 1][AROUND] = SEOUL["rain"][k] if init == RUNS[1] else 1.0
            fields[:, 1, :4, :5] = np.nan
            writer.write_run(init, fields)
        observed = np.maximum(0, rng.gamma(0.2, 9, (3, *KOREA_5KM.shape)) - 0.5).astype("float32")
        for k in range(3):
            observed[k][AROUND] = SEOUL["qpe"][k]
        observed[:, -9:] = np.nan
        writer.write_qpe(RUNS[1] + np.array(LEADS[:3], "timedelta64[h]"), observed)
    archive = open_archive(folder / "a.zarr")
    forecast.run(archive, ThreeHours(), out=folder / "f.zarr")
    return Source(archive, StoredForecast(forecast.open_forecast(folder / "f.zarr")))


def order(source: Source, form: str, *panels: str, **changes: Any) -> Order:
    asked = {
        "form": form, "init": "2022-08-08T06:00", "lead": 6, "first": 3, "last": 12, "threshold": 1.0, "region": "",
        "palette": "kma", "panels": list(panels or ("nwp", "p", "qpe")), "language": "en", "point": None,
    }  # fmt: skip
    return Order.from_message(source, asked | changes)


def chances(source: Source, run: int, lead: int) -> np.ndarray:
    provider: Any = source.probabilities
    return np.asarray(provider.forecast[EXCEEDANCE].isel(init_time=run, lead_time=lead).values)


def wettest_likeliest(p: np.ndarray) -> np.ndarray:
    most, found = 1 - p[0], np.zeros(p.shape[1:])
    for k, low in enumerate(THRESHOLDS):
        share = p[k] - (p[k + 1] if k + 1 < len(p) else 0)
        found = np.where(share >= most - 1e-6, low, found)
        most = np.maximum(most, share)
    return found


def expected(source: Source, code: str, lead: int) -> np.ndarray:
    """Values of the second run as one would work them out by hand, in the unit of the palette."""
    rain = source.archive["fields"].sel(channel="rain").values[1].astype(float)
    qpe = source.archive["qpe"].values.astype(float)
    p = chances(source, 1, lead)
    made = {
        "nwp:6": lambda: np.round(rain[lead] + rain[lead - 1], 3),
        "qpe:6": lambda: np.round(qpe[lead] + qpe[lead - 1], 3),
        "p:10": lambda: p[2],
        "class": lambda: wettest_likeliest(p),
        "before": lambda: chances(source, 0, lead + 2)[1],
        "change": lambda: p[1] - chances(source, 0, lead + 2)[1],
        "difference": lambda: rain[lead] - qpe[lead],
        "disagree": lambda: np.select(
            [(rain[lead] >= 1) & (p[1] >= 0.3), rain[lead] >= 1, p[1] >= 0.3], [1.0, 2.0, 3.0], 0.0
        ),
        "t_850": lambda: source.archive["fields"].sel(channel="t_850").values[1, lead] - 273.15,
    }
    return made[code]()


PALETTES = {
    "nwp:6": RAIN, "qpe:6": RAIN, "p:10": PROBABILITY, "class": rain_classes(THRESHOLDS), "before": PROBABILITY,
    "change": CHANGE, "difference": DIFFERENCE, "disagree": DISAGREEMENT, "t_850": FIELD_PALETTES["t_850"],
}  # fmt: skip


@pytest.mark.parametrize("code", PALETTES)
def test_contents_are_what_one_works_out_by_hand(source: Source, code: str) -> None:
    asked = order(source, "png")
    full, shown = (Contents(reader(source, 1), asked, "en").of(code, 1) for reader in (Run, Shown))
    known = ~np.isnan(expected(source, code, 1)) & ~np.isnan(source.archive["fields"].values[1, 1, 1])
    assert known.mean() > 0.9
    np.testing.assert_allclose(full.values[known], expected(source, code, 1)[known], atol=2e-5)  # type: ignore[index]
    assert full.palette is shown.palette or full.palette == shown.palette == PALETTES[code]
    # the page rounds what it gets: where that moves a difference over an edge, it does so in the picture too
    alike = full.palette.classify(full.values) == shown.palette.classify(shown.values)
    assert alike[known].mean() > (0.95 if code in ("change", "difference", "class", "disagree") else 0.99999)


def test_what_is_missing_is_missing_in_the_contents(source: Source) -> None:
    contents = Contents(Run(source, 1), order(source, "png"), "en")
    for code in ("nwp:6", "difference", "disagree"):
        values = contents.of(code, 1).values
        assert values is not None
        assert np.isnan(values[:4, :5]).all(), code
    assert np.isnan(contents.of("difference", 1).values[-9:]).all()  # type: ignore[index]


@pytest.mark.parametrize(
    ("run", "lead", "code", "said"),
    [
        (1, 0, "nwp:6", "An hour of the last 6 h is missing"),
        (1, 3, "qpe:6", "An hour of the last 6 h is missing"),
        (0, 0, "before", "No earlier run"),
        (0, 1, "change", "No earlier run"),
        (1, 2, "before", "No earlier run"),
        (1, 3, "difference", "No QPE ends at this time"),
    ],
)
def test_a_map_without_values_says_why(source: Source, run: int, lead: int, code: str, said: str) -> None:
    content = Contents(Shown(source, run), order(source, "png"), "en").of(code, lead)
    assert content.values is None
    assert content.notice.startswith(said)


def test_every_content_of_the_page_can_be_ordered_in_both_languages(source: Source) -> None:
    reader = Shown(source, 1)
    assert codes(source) >= {"nwp:24", "qpe:3", "p", "p:0.1", "class", "before", "change", "disagree", "t_850"}
    for code in sorted(codes(source)):
        english, korean = (
            Contents(reader, order(source, "png", code), language).of(code, 1) for language in ("en", "ko")
        )
        assert english.title and english.unit, code
        assert (english.title, english.unit) != (korean.title, korean.unit), code


# ---- pictures -------------------------------------------------------------------------------------------------------


def at_seoul(content: Content) -> float:
    assert content.values is not None
    return float(content.values[ROW, COLUMN])


@pytest.mark.parametrize(
    "panels", [("nwp:6", "class", "t_850", "disagree"), ("before", "change", "difference"), ("qpe:6", "p:10")]
)
def test_png_has_the_chosen_maps_in_the_colours_of_their_classes(source: Source, panels: tuple[str, ...]) -> None:
    asked = order(source, "png", *panels, region="capital_area")
    image = Image.open(io.BytesIO(pictures.picture(source, asked)[0])).convert("RGB")
    wanted = [rgb(PALETTES[code], float(expected(source, code, 1)[ROW, COLUMN])) for code in panels]
    assert [image.getpixel(place) for place in pixels_of_seoul(source, asked, image.size)] == wanted


def test_gif_follows_the_chosen_maps_through_time(source: Source) -> None:
    asked = order(source, "gif", "t_850", "nwp:6", first=6, last=9, region="capital_area")
    film = Image.open(io.BytesIO(pictures.film(source, asked, lambda *_: None)[0]))
    assert film.n_frames == 2
    places = pixels_of_seoul(source, asked, film.size)
    for frame, lead in enumerate((1, 2)):
        film.seek(frame)
        wanted = [rgb(PALETTES[code], float(expected(source, code, lead)[ROW, COLUMN])) for code in asked.panels]
        assert [film.convert("RGB").getpixel(place) for place in places] == wanted
    assert rgb(PALETTES["t_850"], 6.0) != rgb(PALETTES["t_850"], 18.0)


def words_of(sheet: Any) -> list[str]:
    found = [text.get_text() for text in sheet.figure.texts]
    return found + [text.get_text() for ax in sheet.figure.axes for text in ax.texts]


def test_titles_units_and_legends_are_those_of_the_chosen_maps(source: Source) -> None:
    asked = order(source, "png", "nwp:6", "before", "t_850", "disagree")
    said = words_of(pictures._Author(source, asked).sheet(1))
    assert "Valid Mon 8 Aug 2022 12:00 UTC (21:00 KST)" in said, "not of one window alone"
    assert {"RDAPS rain", "mm in 6 h"} <= set(said)
    assert {"Run Mon 8 Aug 00:00 UTC, +12 h", "P(rain ≥ 1 mm in 3 h), %"} <= set(said)
    assert {"Temperature 850 hPa", "°C", "−20", "28"} <= set(said)
    assert {"Disagreement", "≥ 1 mm in 3 h, P ≥ 30 %", "neither", "both", "RDAPS only", "SSLPDL only"} <= set(said)
    usual = words_of(pictures._Author(source, order(source, "png")).sheet(1))
    assert "3-h rain to Mon 8 Aug 2022 12:00 UTC (21:00 KST)" in usual


@pytest.mark.skipif(hangul_font() is None, reason="no font with Hangul is installed")
def test_words_are_korean_where_there_is_a_font(source: Source) -> None:
    asked = order(source, "png", "nwp:6", "class", "t_850", "change", language="ko")
    said = words_of(pictures._Author(source, asked).sheet(1))
    assert {"RDAPS 강수량", "mm/6시간", "최다 확률 강수 등급", "850 hPa 기온", "이전 예측 대비 변화"} <= set(said)
    assert {"유효시각 2022년 8월 8일(월) 12:00 UTC (21:00 KST)", "자료 없음", "서울"} <= set(said)


def test_words_are_english_where_there_is_no_font(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslpdl.plots.fonts.hangul_font", lambda: None)
    author = pictures._Author(source, order(source, "png", "t_850", language="ko"))
    assert "English" in author.remark
    assert "Temperature 850 hPa" in words_of(author.sheet(1))


# ---- data -----------------------------------------------------------------------------------------------------------


def test_netcdf_holds_the_chosen_contents_by_cf(source: Source, tmp_path: Path) -> None:
    panels = ("nwp:6", "t_850", "disagree", "change")
    asked = order(source, "netcdf", *panels, first=6, last=6)
    (tmp_path / "run.nc").write_bytes(netcdf(source, asked))
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf", decode_coords="all", decode_timedelta=False) as run:
        np.testing.assert_allclose(run["rain_6h"][0, 0], expected(source, "nwp:6", 1), atol=1e-4)
        assert run["rain_6h"].attrs["cell_methods"] == "valid_time_6h: sum"
        assert run["rain_6h"].attrs["units"] == "mm"
        end = RUNS[1] + np.timedelta64(6, "h")
        assert list(run["valid_time_6h_bounds"].values[0, 0]) == [end - np.timedelta64(6, "h"), end]
        assert "valid_time_6h" in run["rain_6h"].coords
        np.testing.assert_array_equal(run["t_850"][0, 0], source.archive["fields"].sel(channel="t_850").values[1, 1])
        assert (run["t_850"].attrs["units"], run["t_850"].attrs["standard_name"]) == ("K", "air_temperature")
        np.testing.assert_allclose(run["probability_change"][0, 0], expected(source, "change", 1), atol=2e-5)
        assert (run["chosen_threshold"].item(), run["chosen_threshold"].attrs["units"]) == (1.0, "mm")
        kinds = run["disagreement"]
        known = ~np.isnan(source.archive["fields"].sel(channel="rain").values[1, 1])
        np.testing.assert_array_equal(kinds.values[0, 0][known], expected(source, "disagree", 1)[known])
        assert np.isnan(kinds.values[0, 0][~known]).all()
        assert "P ≥ 30 %" in kinds.attrs["comment"], "the decision threshold of the forecast, not a half"
        assert len(kinds.attrs["flag_values"]) == len(kinds.attrs["flag_meanings"].split()) == 4
        assert all(run[name].encoding["grid_mapping"] == "crs" for name in run.data_vars if run[name].ndim > 3)


def test_netcdf_holds_nothing_twice(source: Source, tmp_path: Path) -> None:
    (tmp_path / "run.nc").write_bytes(netcdf(source, order(source, "netcdf", "nwp", "p:10", "qpe", "nwp")))
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf", decode_coords="all") as run:
        assert set(run.data_vars) == {"rain", "qpe", EXCEEDANCE}


def test_csv_of_a_region_has_a_column_for_each_chosen_content(source: Source) -> None:
    panels = ("qpe:6", "class", "before", "disagree")
    head, rows = table(cells(source, order(source, "region", *panels, region="jeju")))
    lon, lat = KOREA_5KM.lonlat()
    assert head[-5:] == [
        "QPE (mm in 6 h)", "Most likely class (mm in 3 h)", "Previous run (P(rain ≥ 1 mm in 3 h), %)",
        "Disagreement (≥ 1 mm in 3 h, P ≥ 30 %)", "source",
    ]  # fmt: skip
    i, j = (rows[:, head.index(name)].astype(int) for name in ("row (0 = south)", "column (0 = west)"))
    assert len(rows) == ((lon >= 126.0) & (lon <= 127.1) & (lat >= 33.0) & (lat <= 33.7)).sum() > 100
    for column, code, scale in ((-5, "qpe:6", 1), (-4, "class", 1), (-3, "before", 100)):
        np.testing.assert_allclose(numbers(rows[:, column]), scale * expected(source, code, 1)[i, j], atol=0.0051)
    names = np.array(["neither", "both", "RDAPS only", "SSLPDL only"])
    assert list(rows[:, -2]) == list(names[expected(source, "disagree", 1)[i, j].astype(int)])


def test_csv_of_a_place_follows_the_chosen_contents_in_korean(source: Source) -> None:
    asked = order(source, "point", "t_850", "difference", language="ko", point=[126.978, 37.5665])
    head, rows = table(series(source, asked))
    assert list(rows[:, head.index("850 hPa 기온 (°C)")]) == ["12.00", "6.00", "18.00", "15.00"]
    assert list(rows[:, head.index("RDAPS − QPE (mm/3시간)")]) == ["-1.00", "8.00", "5.00", ""]


@pytest.mark.parametrize(("language", "said"), [("en", "the reason."), ("ko", "이 선행시간의 확률 예측이 없습니다")])
def test_a_map_without_a_model_says_so_in_the_language_of_the_picture(source: Source, language: str, said: str) -> None:
    bare = Source(source.archive, NoForecast("the reason."))
    asked = order(bare, "png", "p", threshold=None)
    assert Contents(Shown(bare, 1), asked, language).of("p", 1).notice == said
