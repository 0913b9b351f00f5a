"""The page in a real browser: pixels against arrays, the player, the keyboard, and what goes over the wire."""

from __future__ import annotations

import dataclasses
import itertools
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case import LEADS, MARKS, THRESHOLDS, TITLE

from sslpdl import open_archive, open_forecast
from sslpdl.dashboard.figures import INK
from sslpdl.data import lines, stations
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.palettes import MISSING, PALETTES, PROBABILITY, RAIN, Palette

GRID = KOREA_5KM
RUN = "2022-08-08T00:00"
NWP, PROB, QPE = MAPS = ("nwp", "probability", "qpe")


def arrays(case: tuple[Path, Path], *, run: str = RUN, lead: int, threshold: float) -> dict[str, np.ndarray]:
    """What the three maps must show."""
    archive, forecast = open_archive(case[0]), open_forecast(case[1])
    init = np.datetime64(run)
    valid = init + np.timedelta64(lead, "h")
    rain = archive.fields.sel(init_time=init, lead_time=lead, channel="rain").values
    known = valid in archive.valid_time.values
    return {
        NWP: rain,
        PROB: forecast[EXCEEDANCE].sel(init_time=init, lead_time=lead, threshold=threshold).values,
        QPE: archive.qpe.sel(valid_time=valid).values if known else np.full_like(rain, np.nan),
    }


def colours_of(values: np.ndarray, palette: Palette) -> np.ndarray:
    """Colours on a white ground, shape (..., 3)."""
    rgba = palette.rgba[palette.classify(values)].astype(int)
    return np.where(rgba[..., 3:] == 0, 255, rgba[..., :3])


def test_three_maps_are_drawn_with_the_words_a_forecaster_needs(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=5")
    assert page.page.locator(".map canvas").count() >= 3
    assert TITLE in page.text("h1"), "a title is text, never HTML"
    assert "Synthetic" in page.text(".badge")
    assert [page.text(f"[data-map={name}] h2") for name in MAPS] == ["NWP rain", "SSLPDL probability", "QPE"]
    assert page.text("[data-map=probability] .unit") == "P(rain ≥ 5 mm in 1 h), %"
    assert page.text("[data-map=qpe] .unit") == "mm in 1 h"
    times = re.sub(r"\s+", " ", page.text(".valid")).upper()
    assert "UTC 09:00 MON 8 AUG 2022" in times
    assert "KST 18:00 MON 8 AUG 2022" in times
    assert "Run 00:00 UTC Mon 8 Aug 2022" in page.text(".from")


def test_kst_is_on_the_next_day_after_15_utc(visit: Callable) -> None:
    times = re.sub(r"\s+", " ", visit(f"?init={RUN}&lead=15").text(".valid"))
    assert "15:00 Mon 8 Aug 2022" in times
    assert "00:00 Tue 9 Aug 2022" in times


@pytest.mark.parametrize(("place", "region"), [("Seoul", "capital_area"), ("Busan", "yeongnam"), ("Jeju", "jeju")])
def test_the_cell_of_a_city_lies_where_the_city_is(visit: Callable, case: tuple, place: str, region: str) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=10&region={region}")
    page.bare()
    screen = page.screen()
    station = next(s for s in stations() if s.name == place)
    row, column = (round(float(k)) for k in GRID.cell(station.lon, station.lat))
    x, y = (float(k) for k in GRID.xy(station.lon, station.lat))
    shown = arrays(case, lead=9, threshold=10)
    assert shown[NWP][row, column] == pytest.approx(MARKS[place], abs=0.02)
    for name in MAPS:
        palette = PROBABILITY if name == PROB else RAIN
        expected = colours_of(shown[name][row, column], palette)
        i, j = page.pixel_of(name, x, y)
        assert (screen[j, i] == expected).all(), f"{place} on {name}"
        # one and a half cells away it is dry: the mark is one cell, not a blur
        i, j = page.pixel_of(name, x + 1.5 * GRID.dx, y)
        assert (screen[j, i] == 255).all(), f"east of {place} on {name}"


def read_back(
    page: object, shown: dict[str, np.ndarray], rain: Palette = RAIN, missing: str = MISSING
) -> dict[str, int]:
    """Number of cells of each map whose pixel has not the colour of their class."""
    screen = page.screen()  # type: ignore[attr-defined]
    x, y = np.meshgrid(GRID.x, GRID.y)
    wrong = {}
    for name in MAPS:
        i, j = page.pixel_of(name, x, y)  # type: ignore[attr-defined]
        palette = dataclasses.replace(PROBABILITY if name == PROB else rain, bad=missing)
        expected = colours_of(shown[name], palette)
        wrong[name] = int((screen[j, i] != expected).any(axis=-1).sum())
    return wrong


def test_every_cell_has_exactly_the_colour_of_its_class(visit: Callable, case: tuple) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=5", width=2200, height=1400)
    page.bare()
    assert page.box("[data-map=nwp] .map")["height"] > 4 * GRID.shape[0], "a cell is more than four pixels wide"
    assert read_back(page, arrays(case, lead=9, threshold=5)) == dict.fromkeys(MAPS, 0)
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowUp")
    page.settle()
    assert read_back(page, arrays(case, lead=10, threshold=10)) == dict.fromkeys(MAPS, 0)
    page.page.locator(".look select").last.select_option("safe")
    page.settle()
    assert read_back(page, arrays(case, lead=10, threshold=10), PALETTES["safe"]) == dict.fromkeys(MAPS, 0)


def test_missing_data_are_grey_and_said(visit: Callable, case: tuple) -> None:
    page = visit(f"?init={RUN}&lead=24&threshold=5", width=2200, height=1400)
    assert "No QPE" in page.text("[data-map=qpe] .notice")
    page.bare()
    page.page.locator(".notice").evaluate_all("all => all.forEach(e => e.style.display = 'none')")
    shown = arrays(case, lead=24, threshold=5)
    assert np.isnan(shown[QPE]).all()
    assert np.isnan(shown[NWP][:6, :9]).all()
    assert read_back(page, shown) == dict.fromkeys(MAPS, 0)


def test_coastline_lies_on_the_coast(visit: Callable) -> None:
    page = visit("?region=jeju")
    screen = page.screen().astype(int)
    ink = np.array([int(INK[k : k + 2], 16) for k in (1, 3, 5)])
    shore = np.concatenate(lines("coastline", resolution="10m", bounds=(126.15, 33.2, 126.95, 33.55)))
    x, y = GRID.xy(shore[:, 0], shore[:, 1])
    for name in MAPS:
        i, j = page.pixel_of(name, x, y)
        box = page.box(f"[data-map={name}] .map")
        inside = (i > box["x"] + 60) & (i < box["x"] + box["width"] - 60)
        inside &= (j > box["y"] + 60) & (j < box["y"] + box["height"] - 60)
        assert inside.sum() > 50
        near = np.array(
            [
                abs(screen[b - 1 : b + 2, a - 1 : a + 2] - ink).sum(-1).min()
                for a, b in zip(i[inside], j[inside], strict=True)
            ]
        )
        assert (near < 90).mean() > 0.9, f"coast of Jeju on {name}"


def test_steps_keys_player_and_pointer_need_no_message(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=3&threshold=0.1")
    before = page.screen()
    page.messages.clear()
    keys = page.page.keyboard
    for _ in range(4):
        keys.press("ArrowRight")
    assert page.text(".lead") == "+7 h"
    page.settle()
    assert (page.screen() != before).any(axis=-1).sum() > 5000, "the maps have changed"
    keys.press("ArrowLeft")
    assert page.text(".lead") == "+6 h"
    keys.press("ArrowUp")
    assert page.text("[data-map=probability] .unit").startswith("P(rain ≥ 1 mm")
    keys.press("End")
    assert page.text(".lead") == f"+{LEADS[-1]} h"
    keys.press("ArrowRight")
    assert page.text(".lead") == f"+{LEADS[-1]} h", "the last lead time is the end"
    keys.press("Home")
    keys.press(" ")
    assert page.page.locator("button.main").get_attribute("aria-label") == "Pause"
    page.page.wait_for_timeout(1200)
    keys.press(" ")
    assert page.text(".lead") not in ("+1 h", "+2 h"), "four steps a second"
    page.page.locator(".icon.main").focus()
    keys.press("ArrowRight")
    box = page.box("[data-map=qpe] .map")
    page.page.mouse.move(box["x"] + 150, box["y"] + 300)
    page.settle()
    page.page.wait_for_timeout(500)
    assert page.messages == []


def test_playing_repeats_from_the_start(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=23")
    page.page.locator(".player select").select_option("15")
    page.page.locator("button.main").click()
    page.page.wait_for_timeout(1000)
    page.page.locator("button.main").click()
    lead = int(re.findall(r"\d+", page.text(".lead"))[0])
    assert 3 <= lead <= 22
    page.page.locator("button.toggle").click()
    page.page.keyboard.press("End")
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press(" ")
    page.page.wait_for_timeout(600)
    assert page.text(".lead") == "+24 h"
    assert page.page.locator("button.main").get_attribute("aria-label") == "Play"


def test_pan_and_zoom_move_all_maps_and_keep_the_shape(visit: Callable) -> None:
    page = visit()
    before = page.ranges()
    box = page.box("[data-map=probability] .map")

    def square() -> float:
        left, right, bottom, top = page.ranges()
        return (right - left) / box["width"] / ((top - bottom) / box["height"])

    assert square() == pytest.approx(1, abs=1e-3)
    page.page.mouse.move(box["x"] + 200, box["y"] + 300)
    page.page.mouse.wheel(0, -240)
    page.page.wait_for_timeout(200)
    zoomed = page.ranges()
    assert zoomed[1] - zoomed[0] < 0.9 * (before[1] - before[0])
    assert square() == pytest.approx(1, abs=1e-3)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 260, box["y"] + 340, steps=4)
    page.page.mouse.up()
    page.settle()
    moved = page.ranges()
    scale = (zoomed[1] - zoomed[0]) / box["width"]
    assert moved[0] == pytest.approx(zoomed[0] - 60 * scale, abs=2 * scale)
    assert moved[3] == pytest.approx(zoomed[3] + 40 * scale, abs=2 * scale)
    same = page.page.evaluate(
        """() => ["probability", "qpe"].every(n => {
            const [a, b] = ["nwp", n].map(k => Bokeh.documents[0].get_model_by_name("map-" + k));
            return a.x_range === b.x_range && a.y_range === b.y_range })"""
    )
    assert same
    page.page.set_viewport_size({"width": 1300, "height": 850})
    page.page.wait_for_timeout(300)
    resized = page.ranges()
    assert resized[0] + resized[1] == pytest.approx(moved[0] + moved[1], abs=2), (
        "the centre stays when the window changes"
    )
    page.page.set_viewport_size({"width": 1400, "height": 900})
    page.page.wait_for_timeout(300)
    page.page.keyboard.press("0")
    page.settle()
    np.testing.assert_allclose(page.ranges(), before, rtol=1e-6)


def test_pointer_reads_place_and_values(visit: Callable, case: tuple) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=10&region=capital_area")
    shown = arrays(case, lead=9, threshold=10)
    seoul = stations()[0]
    i, j = page.pixel_of(QPE, *GRID.xy(seoul.lon, seoul.lat))
    page.page.mouse.move(int(i), int(j))
    page.settle()
    assert "37.57° N" in page.text("[data-map=qpe] .where")
    assert "126.98° E" in page.text("[data-map=qpe] .where")
    assert "row 112, column 49" in page.text("[data-map=qpe] .where")
    assert page.text("[data-map=nwp] .value") == "55.0 mm"
    assert page.text("[data-map=qpe] .value") == "27.5 mm"
    percent = float(page.text("[data-map=probability] .value").rstrip(" %"))
    assert percent == pytest.approx(100 * shown[PROB][112, 49], abs=0.26)


def test_the_address_brings_back_the_same_view(visit: Callable) -> None:
    page = visit()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "["):
        page.page.keyboard.press(key)
    page.page.locator(".look select").first.select_option("honam")
    page.page.wait_for_url("**init=2022-08-07T12%3A00**region=honam**")
    address = page.page.url
    again = visit(address.partition("/?")[2].join(["?", ""]))
    for selector in (".valid", ".from", "[data-map=probability] .unit", ".lead"):
        assert again.text(selector) == page.text(selector)
    np.testing.assert_allclose(again.ranges(), page.ranges())


def test_another_run_is_fetched_once_and_shown(visit: Callable, case: tuple) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=5", width=2200, height=1400)
    page.messages.clear()
    page.page.locator("button[aria-label='Previous run']").click()
    page.page.wait_for_timeout(200)
    page.page.wait_for_selector(".card:not(.waiting)")
    page.page.wait_for_timeout(400)
    sent = [message for message in page.messages if message.startswith("sent") and "2022-08-07T12:00" in message]
    assert len(sent) == 1
    page.bare()
    assert read_back(page, arrays(case, run="2022-08-07T12:00", lead=9, threshold=5)) == dict.fromkeys(MAPS, 0)


@pytest.mark.parametrize(
    "query", ["?init=%00&lead=1e99&threshold=<script>alert(1)</script>", "?lead=-5&region='\"><img>"]
)
def test_a_broken_address_shows_the_default_view(visit: Callable, query: str) -> None:
    page = visit(query)
    assert page.text(".lead") == "+1 h"
    assert page.text("[data-map=probability] .unit").startswith("P(rain ≥ 0.1 mm")


def test_legend_has_the_edges_of_the_palette(visit: Callable) -> None:
    page = visit()
    for name in MAPS:
        labels = page.page.locator(f"[data-map={name}] .numbers b").all_inner_texts()
        expected = [f"{100 * edge:g}" for edge in PROBABILITY.edges] if name == PROB else list(RAIN.labels)
        assert labels == expected
        boxes = page.page.locator(f"[data-map={name}] .numbers b").evaluate_all(
            "all => all.map(e => { const r = e.getBoundingClientRect(); return [r.left, r.right] })"
        )
        overlap = [b[0] - a[1] for a, b in itertools.pairwise(boxes)]
        assert min(overlap) > -0.5, "numbers do not run into one another"


def test_numbers_of_narrow_legends_keep_apart(visit: Callable) -> None:
    page = visit("?panels=nwp,difference,slp,change&drawer=share", width=1280)
    for name in (*MAPS, "extra"):
        shown = page.page.locator(f"[data-map={name}] .numbers b:not(.left-out)")
        boxes = shown.evaluate_all("all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])")
        assert len(boxes) >= 3, name
        assert min(b[0] - a[1] for a, b in itertools.pairwise(boxes)) > 1, f"{name}: one runs into another"
    texts = page.page.locator("[data-map=extra] .numbers b:not(.left-out)").all_inner_texts()
    numbers = [float(text.replace("−", "-")) for text in texts]
    assert numbers == [-number for number in reversed(numbers)], "as many below zero as above"
    page.page.set_viewport_size({"width": 2400, "height": 1000})
    page.settle()
    assert page.page.locator("[data-map=extra] .left-out").count() == 0, "they come back where there is room"


def test_nothing_jumps_while_loading(visit: Callable) -> None:
    page = visit(wait=False)
    page.page.wait_for_selector(".card")
    selectors = [".top", ".controls", "[data-map=nwp] .map", "[data-map=qpe] .map", "footer"]
    first = [page.box(selector) for selector in selectors]
    page.page.wait_for_selector(".card:not(.waiting)")
    page.page.wait_for_timeout(800)
    assert [page.box(selector) for selector in selectors] == first


def test_maps_are_alike_where_a_title_wraps(visit: Callable) -> None:
    page = visit(width=960, height=700)
    sizes = [page.box(f"[data-map={name}] .map") for name in MAPS]
    assert page.box("[data-map=probability] header")["height"] > 50, "this title wraps"
    assert len({(round(box["width"], 1), round(box["height"], 1), round(box["y"], 1)) for box in sizes}) == 1


def test_phone_width(visit: Callable) -> None:
    page = visit(width=390, height=844)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    tops = [page.box(f"[data-map={name}]") for name in MAPS]
    assert tops[0]["y"] < tops[1]["y"] < tops[2]["y"]
    assert all(box["width"] > 340 for box in tops)
    assert page.page.locator("button.main").is_visible()


def test_thresholds_are_those_of_the_model(visit: Callable) -> None:
    texts = visit().page.locator(".segments button").all_inner_texts()
    assert texts == [f"{threshold:g}" for threshold in THRESHOLDS]


def test_what_is_no_archive_is_explained_on_the_page(serve: Callable, visit: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    server = serve(archive=tmp_path / "empty.zarr")
    page = visit(url=server.url, wait=False)
    page.page.wait_for_selector(".problem")
    assert "empty.zarr" in page.text(".problem")
    body = urllib.request.urlopen(server.url).read().decode()
    assert "Traceback" not in body


def test_without_a_model_the_other_maps_are_shown(
    case: tuple, serve: Callable, visit: Callable, tmp_path: Path
) -> None:
    (tmp_path / "no-model").mkdir()
    server = serve(archive=case[0], model=tmp_path / "no-model")
    page = visit(url=server.url, wait=False)
    page.page.wait_for_selector(".card:not(.waiting)")
    page.page.wait_for_timeout(500)
    assert "here is no model in" in page.text("[data-map=probability] .notice")
    assert not page.page.locator(".segments button").count()
    assert page.page.locator("[data-map=nwp] .notice").is_hidden()
