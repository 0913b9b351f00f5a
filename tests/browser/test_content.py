"""What each map shows is chosen in its title: every cell has the colour of its class, and time moves without asking."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case import THRESHOLDS

from sslpdl import open_archive, open_forecast
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.field_palettes import DIFFERENCE
from sslpdl.plots.palettes import PROBABILITY, RAIN, Palette

GRID = KOREA_5KM
RUN = "2022-08-08T00:00"


def colours_of(values: np.ndarray, palette: Palette) -> np.ndarray:
    """Colours on a white ground, shape (..., 3)."""
    rgba = palette.rgba[palette.classify(values)].astype(int)
    return np.where(rgba[..., 3:] == 0, 255, rgba[..., :3])


def wrong(page: object, name: str, values: np.ndarray, palette: Palette) -> int:
    """Number of cells of a map that have not the colour of their class."""
    screen = page.screen()  # type: ignore[attr-defined]
    x, y = np.meshgrid(GRID.x, GRID.y)
    i, j = page.pixel_of(name, x, y)  # type: ignore[attr-defined]
    return int((screen[j, i] != colours_of(values, palette)).any(axis=-1).sum())


def test_sums_and_probabilities_of_a_threshold_have_exact_colours(visit: Callable, case: tuple[Path, Path]) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=1&panels=nwp:6,p:10,", width=2200, height=1400)
    page.page.wait_for_timeout(1500)
    archive, forecast = open_archive(case[0]), open_forecast(case[1])
    rain = archive.fields.sel(init_time=RUN, channel="rain")
    page.bare()
    page.page.wait_for_timeout(500)
    page.messages.clear()
    for lead in (9, 10):
        total = rain.sel(lead_time=slice(lead - 5, lead)).astype("float64").sum("lead_time", skipna=False).values
        # stored in hundredths of a millimetre: 0.1 + 0.2 is 0.3
        assert wrong(page, "nwp", np.round(total, 3), RAIN) == 0
        reached = forecast[EXCEEDANCE].sel(init_time=RUN, lead_time=lead, threshold=10).values
        assert wrong(page, "probability", reached, PROBABILITY) == 0
        page.page.keyboard.press("ArrowRight")
        page.settle()
    assert page.messages == [], "moving in time asks nothing"
    assert page.text("[data-map=nwp] .unit") == "mm in 6 h"
    assert page.text("[data-map=probability] .unit") == "P(rain ≥ 10 mm in 1 h), %"


def test_where_an_hour_is_missing_there_is_no_sum(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=3&panels=nwp:6")
    page.page.wait_for_timeout(1500)
    assert "missing" in page.text("[data-map=nwp] .notice")


def test_the_most_likely_class(visit: Callable, case: tuple[Path, Path]) -> None:
    page = visit(f"?init={RUN}&lead=9&panels=,class")
    box = page.box("[data-map=probability] .map")
    planes = open_forecast(case[1])[EXCEEDANCE].sel(init_time=RUN, lead_time=9).values
    edges = np.concatenate([np.ones((1, *GRID.shape)), planes, np.zeros((1, *GRID.shape))])
    shares = edges[:-1] - edges[1:]
    best = shares.argmax(axis=0)
    clear = np.sort(shares, axis=0)[-1] - np.sort(shares, axis=0)[-2] > 0.02
    names = ["< 0.1", *(f"{a:g}–{b:g}" for a, b in itertools.pairwise(THRESHOLDS)), "≥ 30"]
    x, y = np.meshgrid(GRID.x, GRID.y)
    columns, rows = page.pixel_of("probability", x, y)
    read = 0
    for row, column in ((112, 49), (60, 60), (150, 30), (30, 90)):
        i, j = int(columns[row, column]), int(rows[row, column])
        if not clear[row, column] or not box["x"] + 10 < i < box["x"] + box["width"] - 60:
            continue
        page.page.mouse.move(i, j)
        page.settle()
        assert page.text("[data-map=probability] .value") == f"{names[best[row, column]]} mm"
        read += 1
    assert read >= 2


def test_a_fourth_map_shows_the_difference_and_the_address_holds_it(visit: Callable, case: tuple[Path, Path]) -> None:
    page = visit(f"?init={RUN}&lead=9", width=2400, height=1200)
    assert not page.page.locator("[data-map=extra]").is_visible()
    page.page.locator(".group.content input").check()
    page.page.locator("[data-map=qpe] select").select_option("slp")
    page.page.wait_for_timeout(1500)
    assert page.page.locator("[data-map=extra]").is_visible()
    assert page.text("[data-map=qpe] h2") == "Sea-level pressure"
    archive = open_archive(case[0])
    nwp = archive.fields.sel(init_time=RUN, lead_time=9, channel="rain").values.astype("float64")
    qpe = archive.qpe.sel(valid_time=np.datetime64(RUN) + np.timedelta64(9, "h")).values
    again = visit(page.page.url.partition("/?")[2].join(["?", ""]), width=2400, height=1200)
    again.page.wait_for_timeout(1500)
    assert again.text("[data-map=qpe] h2") == "Sea-level pressure"
    difference = np.round(nwp, 2) - np.round(qpe, 2)
    near = np.abs(difference[..., None] - np.asarray(DIFFERENCE.edges)).min(axis=-1) < 0.011
    x, y = np.meshgrid(GRID.x, GRID.y)
    # made where it is wanted, and there from the beginning
    for shown in (page, again):
        shown.bare()
        i, j = shown.pixel_of("extra", x, y)
        off = (shown.screen()[j, i] != colours_of(difference, DIFFERENCE)).any(axis=-1) & ~near
        assert off.sum() == 0


def test_a_fourth_map_that_comes_later_looks_like_the_others(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&theme=dark&region=capital_area", width=2400, height=1200)
    ask = """name => { const map = Bokeh.documents[0].get_model_by_name("map-" + name);
        const renderers = map.renderers.map((r) => [r.name, r.visible, r.glyph.line_color?.value ?? null]);
        return [map.background_fill_color, ...renderers]; }"""
    page.page.locator(".group.content input").check()
    page.page.wait_for_selector("[data-map=extra] .map canvas")
    page.settle()
    assert page.page.evaluate(ask, "extra") == page.page.evaluate(ask, "qpe")
    page.page.locator(".group.content input").uncheck()
    assert not page.page.locator("[data-map=extra]").is_visible()
    page.page.locator(".language").click()
    page.page.locator(".group.content input").check()
    assert page.page.locator("[data-map=extra] .map canvas").first.is_visible()


LOOKS = ("#ffffff", "#6b7a88", "#e8601c", "#1f78b4", "#b9b9b9")  # neither, both, NWP only, SSLPDL only, no data


@pytest.mark.parametrize(("stored", "p"), [({"5": 0.15, "10": 0.75}, {5: 0.15, 10: 0.75}), ({"5": 0.15}, {5: 0.15})])
def test_disagreement_says_yes_from_the_decision_threshold_on(
    visit: Callable, serve: Callable, case: tuple[Path, Path], tmp_path: Path, stored: dict, p: dict
) -> None:
    probabilities = Path(shutil.copytree(case[1], tmp_path / "f.zarr"))
    metadata = probabilities / "zarr.json"
    root = json.loads(metadata.read_text())
    root["attributes"]["decision"] = json.dumps(stored)
    metadata.write_text(json.dumps(root))
    server = serve(archive=case[0], forecast=probabilities)
    page = visit(f"?init={RUN}&lead=9&threshold=5&panels=disagree&language=en", width=2200, height=1400, url=server.url)
    archive, forecast = open_archive(case[0]), open_forecast(probabilities)
    nwp = archive.fields.sel(init_time=RUN, lead_time=9, channel="rain").values
    page.bare()
    for threshold in (5, 10):
        decided = p.get(threshold, 0.5)
        chance = forecast[EXCEEDANCE].sel(init_time=RUN, lead_time=9, threshold=threshold).values
        kind = np.where(nwp >= threshold, np.where(chance >= decided, 1, 2), np.where(chance >= decided, 3, 0))
        kind[np.isnan(nwp) | np.isnan(chance)] = 4
        colours = np.array([[int(look[k : k + 2], 16) for k in (1, 3, 5)] for look in LOOKS])
        x, y = np.meshgrid(GRID.x, GRID.y)
        i, j = page.pixel_of("nwp", x, y)
        # the page has probabilities in half per cents and rain in hundredths of a millimetre
        clear = (np.abs(chance - decided) > 0.003) & (np.abs(nwp - threshold) > 0.006) | (kind == 4)
        off = (page.screen()[j, i] != colours[kind]).any(axis=-1) & clear
        assert off.sum() == 0
        # the stand-in's chance of a rain as large as the threshold is one half
        assert set(np.unique(kind[clear])) == {0, 1, 4} | ({3} if decided < 0.5 else {2} if decided > 0.5 else set())
        why = "the model's decision threshold p*" if threshold in p else "as no p* is stored"
        assert page.text("[data-map=nwp] .legend p") == f"SSLPDL: P ≥ {100 * decided:g} %, {why}"
        page.page.keyboard.press("ArrowUp")
        page.settle()


@pytest.mark.parametrize("panels", ["nothing,<b>,x", "p:99", "t_850,,,"])
def test_an_unknown_content_is_the_usual_one(visit: Callable, panels: str) -> None:
    page = visit(f"?init={RUN}&lead=9&panels={panels}")
    assert page.text("[data-map=nwp] h2") == "NWP rain", "the case holds no temperature"
