"""The point part in a real browser: which cell a click means, and every value that is told of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import LEADS, THRESHOLDS

from sslpdl import open_archive, open_forecast
from sslpdl.archive import ArchiveWriter
from sslpdl.data import stations
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM

GRID = KOREA_5KM
RUN = "2022-08-08T00:00"
SEOUL = "?init=2022-08-08T00:00&lead=9&threshold=5&drawer=point&point=126.978,37.5665"


def shown_cell(page: Any) -> tuple[int, int]:
    found = re.search(r"row (\d+), column (\d+)", page.text(".of-point .coordinates"))
    assert found is not None
    return int(found[1]), int(found[2])


def cell_of(lon: float, lat: float) -> tuple[int, int]:
    row, column = (round(float(k)) for k in GRID.cell(lon, lat))
    return row, column


def point_of(page: Any) -> list[float]:
    return list(page.page.evaluate("new URL(location).searchParams.get('point').split(',').map(Number)"))


def type_place(page: Any, text: str) -> None:
    page.page.locator("#place").fill(text)
    page.page.keyboard.press("Enter")
    page.settle()


def rows_of(page: Any) -> dict[int, list[str]]:
    """Cells of the table by lead time, without the lead time itself."""
    page.page.locator(".values").evaluate("e => { e.open = true }")
    page.settle()
    rows = page.page.locator(".values tbody tr").evaluate_all(
        "all => all.map(r => [r.dataset.lead, [...r.cells].slice(1).map(c => c.textContent)])"
    )
    return {int(lead): cells for lead, cells in rows}


def expected(case: tuple, row: int, column: int) -> dict[int, tuple[float, float, list[float]]]:
    """Rain, QPE [mm] and probabilities [%] of a cell by lead time."""
    archive, forecast = open_archive(case[0]), open_forecast(case[1])
    run = np.datetime64(RUN)
    rain = archive.fields.sel(init_time=run, channel="rain").isel(y=row, x=column).values
    chance = forecast[EXCEEDANCE].sel(init_time=run).isel(y=row, x=column).transpose("lead_time", "threshold").values
    found = {}
    for k, lead in enumerate(LEADS):
        valid = run + np.timedelta64(lead, "h")
        qpe = float(archive.qpe.sel(valid_time=valid)[row, column]) if valid in archive.valid_time.values else np.nan
        found[lead] = float(rain[k]), qpe, [100 * float(value) for value in chance[k]]
    return found


@pytest.mark.parametrize(("region", "seed"), [("peninsula", 1), ("capital_area", 2)])
def test_a_click_means_the_cell_under_it(visit: Callable, region: str, seed: int) -> None:
    page = visit(f"?init={RUN}&lead=9&region={region}&drawer=point")
    box = page.box("[data-map=qpe] .map")
    left, right, bottom, top = page.ranges()
    rng = np.random.default_rng(seed)
    clicks = 0
    while clicks < 20:
        i, j = rng.uniform(8, box["width"] - 50), rng.uniform(8, box["height"] - 8)
        x = left + i / box["width"] * (right - left)
        y = top - j / box["height"] * (top - bottom)
        row, column = (y - GRID.y0) / GRID.dy, (x - GRID.x0) / GRID.dx
        on_grid = 0 <= row <= GRID.shape[0] - 1 and 0 <= column <= GRID.shape[1] - 1
        on_edge = max(abs(row % 1 - 0.5), abs(column % 1 - 0.5)) < 0.003
        if not on_grid or on_edge:
            continue
        page.page.mouse.click(box["x"] + i, box["y"] + j)
        page.settle()
        assert shown_cell(page) == (round(row), round(column)), f"click {clicks} at {i:.1f}, {j:.1f}"
        clicks += 1


def test_a_click_opens_the_tab_and_marks_all_maps(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9")
    assert page.page.locator(".of-point").is_hidden()
    box = page.box("[data-map=nwp] .map")
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.wait_for_selector(".of-point svg")
    assert page.page.locator(".point-ring:visible").count() == 3
    assert (
        "drawer=point"
        in page.page.wait_for_function("location.search.includes('point=') && location.search").json_value()
    )


def test_a_drag_chooses_nothing(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=point")
    box = page.box("[data-map=nwp] .map")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 40, y + 30, steps=5)
    page.page.mouse.up()
    page.settle()
    assert page.page.locator(".of-point").is_hidden()
    assert not page.page.locator(".point-ring:visible").count()


@pytest.mark.parametrize(
    ("text", "place"),
    [("Seoul", "Seoul"), ("부산", "Busan"), ("35.1047, 129.0320", "Busan"), ("동경 129.032 북위 35.1047", "Busan")],
)
def test_typed_places(visit: Callable, text: str, place: str) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=point")
    type_place(page, text)
    station = next(s for s in stations() if s.name == place)
    assert page.text(".of-point h2") == place
    assert shown_cell(page) == cell_of(station.lon, station.lat)
    assert page.page.locator(".panel.point .problem").is_hidden()


def test_a_wrong_text_gets_one_sentence(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=point")
    type_place(page, "<b>Atlantis</b>")
    assert "<b>Atlantis</b>" in page.text(".panel.point .problem")
    type_place(page, "51.5, -0.1")
    assert "outside the grid" in page.text(".panel.point .problem")
    assert page.page.locator(".of-point").is_hidden()
    type_place(page, "Jeju")
    assert page.page.locator(".panel.point .problem").is_hidden()


def test_keys_go_from_cell_to_cell(visit: Callable) -> None:
    page = visit(SEOUL)
    row, column = shown_cell(page)
    page.page.locator("[data-map=nwp] .map").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.page.keyboard.press(f"Shift+{key}")
    page.settle()
    assert shown_cell(page) == (row + 1, column + 2)
    assert page.text(".lead") == "+9 h", "these keys do not move in time"
    assert "centre 0.0 km away" in page.text(".of-point .coordinates")
    page.page.keyboard.press("Escape")
    page.settle()
    assert page.page.locator(".of-point").is_hidden()


def test_the_table_has_the_values_of_the_archive(visit: Callable, case: tuple) -> None:
    page = visit(SEOUL)
    truth = expected(case, *cell_of(126.978, 37.5665))
    rows = rows_of(page)
    assert list(rows) == LEADS
    for lead, (rain, qpe, chance) in truth.items():
        utc, kst, nwp, observed, *percent = rows[lead]
        hour = np.datetime64(RUN) + np.timedelta64(lead, "h")
        assert utc.endswith(str(hour)[11:16]), lead
        assert kst.endswith(str(hour + np.timedelta64(9, "h"))[11:16]), lead
        # half a step of 0.01 mm and 0.5 %, or one where a class edge lies between
        assert float(nwp) == pytest.approx(rain, abs=0.0101)
        assert (observed == "–") if np.isnan(qpe) else float(observed) == pytest.approx(qpe, abs=0.0101)
        assert [float(value) for value in percent] == pytest.approx(chance, abs=0.51)
    assert sum(row[3] == "–" for row in rows.values()) == 6
    assert "No QPE at 6 of 24" in page.text(".of-point .notes")
    heads = page.page.locator(".values thead th").evaluate_all("all => all.map(e => e.scope)")
    assert set(heads) == {"col"}
    assert len(heads) == 5 + len(THRESHOLDS)


def test_missing_rain_is_missing_and_never_zero(visit: Callable) -> None:
    lon, lat = (float(k[2, 3]) for k in GRID.lonlat())  # the corner without NWP rain
    page = visit(f"?init={RUN}&lead=9&drawer=point&point={lon:.5f},{lat:.5f}")
    assert shown_cell(page) == (2, 3)
    assert {row[2] for row in rows_of(page).values()} == {"–"}
    assert "no data" in page.text(".now .nwp dd")
    assert not page.page.locator(".chart rect.nwp").count()
    assert page.page.locator(".chart rect.gap").count() >= len(LEADS)


def test_bars_stand_where_rain_is(visit: Callable, case: tuple) -> None:
    page = visit(SEOUL)
    truth = expected(case, *cell_of(126.978, 37.5665))
    bars = page.page.locator(".chart rect.nwp").evaluate_all(
        "all => all.map(e => [+e.dataset.lead, +e.getAttribute('height')])"
    )
    wet = {lead: rain for lead, (rain, _, _) in truth.items() if rain >= 0.005}
    assert [lead for lead, _ in bars] == list(wet)
    heights = np.array([height for _, height in bars])
    assert heights / heights.max() == pytest.approx(np.array(list(wet.values())) / max(wet.values()), abs=0.02)
    observed = sum(not np.isnan(qpe) for _, qpe, _ in truth.values())
    assert page.page.locator(".chart circle.qpe").count() == observed == 18


def test_time_moves_without_a_message(visit: Callable, case: tuple) -> None:
    page = visit(SEOUL)
    truth = expected(case, *cell_of(126.978, 37.5665))
    page.messages.clear()
    before = page.page.locator(".cursor rect").get_attribute("x")
    page.page.keyboard.press("ArrowRight")
    page.settle()
    assert page.page.locator(".cursor rect").get_attribute("x") != before
    assert page.text(".now .nwp dd") == f"{truth[10][0]:.2f} mm"
    # a click on the third lead time of the chart goes there
    box = page.box(".chart svg")
    width = (box["width"] - 42) / len(LEADS)
    page.page.mouse.click(box["x"] + 36 + 2.5 * width, box["y"] + 80)
    page.settle()
    assert page.text(".lead") == "+3 h"
    assert page.page.locator(".values tr[aria-current]").count() <= 1
    assert [m for m in page.messages if m.startswith("sent")] == []


def test_the_address_gives_the_same_cell_again(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=point")
    box = page.box("[data-map=nwp] .map")
    page.page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"])
    page.page.wait_for_function("location.search.includes('point=')")
    point, cell = point_of(page), shown_cell(page)
    assert cell == cell_of(*point)
    again = visit(page.page.evaluate("location.search"))
    again.page.wait_for_selector(".of-point .coordinates")
    assert shown_cell(again) == cell
    assert again.page.locator(".point-ring:visible").count() == 3
    assert point_of(again) == point


def test_phone_width(visit: Callable) -> None:
    page = visit(SEOUL, width=390, height=844)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.box(".chart svg")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_the_nearest_gauge_stands_in_where_qpe_is_of_gauges(serve: Callable, visit: Callable, tmp_path: Path) -> None:
    grid = GRID.crop(90, 30, (40, 40), name="gauges")
    run = np.datetime64(RUN)
    with ArchiveWriter.create(
        tmp_path / "gauges.zarr", grid=grid, channels=["rain"], lead_time=[1, 2], mask=np.ones(grid.shape, bool)
    ) as writer:
        writer.write_run(run, np.full((2, 1, *grid.shape), 3.25))
        observed = np.full((2, *grid.shape), np.nan, "float32")
        observed[:, 20, 20] = 7.5, np.nan
        observed[:, 5, 5] = 1.0
        writer.write_qpe(run + np.array([1, 2], "timedelta64[h]"), observed)
    (tmp_path / "no-model").mkdir()
    server = serve(archive=tmp_path / "gauges.zarr", model=tmp_path / "no-model")
    lon, lat = grid.lonlat()
    page = visit(f"?lead=1&drawer=point&point={lon[21, 20]:.5f},{lat[21, 20]:.5f}", url=server.url, wait=False)
    page.page.wait_for_selector(".now.rain .qpe dd")
    page.page.wait_for_timeout(500)
    # the cells are 5 km wide on the map, a little more or less on the ground
    assert re.search(r"nearest is (4|5)\.\d km away, in row 20, column 20", page.text(".of-point .notes"))
    assert page.text(".now .qpe dd") == "7.50 mm"
    rain = open_archive(tmp_path / "gauges.zarr").fields.values[0, :, 0, 21, 20]
    assert [row[2:4] for row in rows_of(page).values()] == [[f"{rain[0]:.2f}", "7.50"], [f"{rain[1]:.2f}", "–"]]
    assert "here is no model in" in page.text(".of-point .notes")
    type_place(page, f"{lat[35, 35]:.4f}, {lon[35, 35]:.4f}")
    assert "none lies within 10 km" in page.text(".of-point .notes")
    assert page.text(".now .qpe dd") == "no data"
