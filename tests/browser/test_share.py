"""Sharing in a real browser: files that come down and are opened again, and links that bring back the same window."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from case import LEADS, MARKS, THRESHOLDS
from PIL import Image

from sslpdl import open_archive, open_forecast
from sslpdl.data import stations
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM

RUN = "2022-08-08T00:00"
SEOUL = stations()[0]
VIEW = f"?init={RUN}&lead=9&threshold=5&drawer=share&point={SEOUL.lon},{SEOUL.lat}"
ROW, COLUMN = 112, 49
PATIENCE = 120_000


def download(page: Any, form: str) -> tuple[str, bytes]:
    with page.page.expect_download(timeout=PATIENCE) as waiting:
        page.page.locator(f".share button[data-form={form}]").click()
    name = waiting.value.suggested_filename
    page.page.wait_for_function(f"!document.querySelector('[data-form={form}]')?.disabled")
    return name, Path(waiting.value.path()).read_bytes()


def table(content: bytes) -> tuple[dict[str, int], list[list[str]]]:
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return {name: k for k, name in enumerate(head)}, rows


def test_downloads_are_opened_again_and_hold_what_is_shown(visit: Callable, case: tuple, tmp_path: Path) -> None:
    page = visit(VIEW)
    archive, forecast = open_archive(case[0]), open_forecast(case[1])
    rain = archive["fields"].sel(init_time=RUN, channel="rain")
    chances = forecast[EXCEEDANCE].sel(init_time=RUN)

    name, content = download(page, "netcdf")
    assert name == "sslpdl_synthetic_20220808T00_+001-024h.nc"
    (tmp_path / name).write_bytes(content)
    with xr.open_dataset(tmp_path / name, engine="h5netcdf", decode_coords="all") as run:
        assert run.sizes["lead_time"] == len(LEADS)
        np.testing.assert_array_equal(run["rain"][0], rain)
        np.testing.assert_array_equal(run[EXCEEDANCE][0], chances)
        np.testing.assert_array_equal(run["threshold"], THRESHOLDS)
        assert "crs" in run.coords

    name, content = download(page, "region")
    assert name == "sslpdl_synthetic_20220808T00_+009h_grid.csv"
    assert content.startswith(b"\xef\xbb\xbf")
    at, rows = table(content)
    shown = [float(row[at["NWP rain (mm in 1 h)"]] or "nan") for row in rows]
    np.testing.assert_allclose(np.reshape(shown, KOREA_5KM.shape), rain.sel(lead_time=9), atol=0.0051)

    name, content = download(page, "point")
    assert name == "sslpdl_synthetic_20220808T00_+001-024h_seoul.csv"
    at, rows = table(content)
    assert [int(row[at["lead time (h)"]]) for row in rows] == LEADS
    assert {row[at["NWP rain (mm in 1 h)"]] for row in rows} == {f"{MARKS['Seoul']:.2f}"}
    percent = [float(row[at["P(rain >= 5 mm in 1 h) (%)"]]) for row in rows]
    np.testing.assert_allclose(percent, 100 * chances.sel(threshold=5.0)[:, ROW, COLUMN], atol=0.0051)
    assert rows[-1][at["QPE (mm in 1 h)"]] == "", "no QPE ends at the last lead time"

    name, content = download(page, "png")
    assert name == "sslpdl_synthetic_20220808T00_+009h_ge5mm.png"
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    assert min(image.size) > 900
    assert page.text(".share .progress").startswith("Downloaded: sslpdl_synthetic_20220808T00_+009h_ge5mm.png")

    selects = page.page.locator(".share section:nth-of-type(3) select")
    selects.nth(0).select_option("3")
    selects.nth(1).select_option("5")
    name, content = download(page, "gif")
    assert name == "sslpdl_synthetic_20220808T00_+003-005h_ge5mm.gif"
    assert Image.open(io.BytesIO(content)).n_frames == 3


def test_files_hold_what_is_chosen_for_each_map(visit: Callable, case: tuple) -> None:
    page = visit(f"{VIEW}&panels=nwp:6,,class,difference&region=capital_area")
    rain = open_archive(case[0])["fields"].sel(init_time=RUN, channel="rain", lead_time=slice(4, 9))
    name, content = download(page, "region")
    at, rows = table(content)
    assert list(at)[-4:-1] == ["NWP rain (mm in 6 h)", "Most likely class (mm in 1 h)", "NWP − QPE (mm in 1 h)"]
    row, column = (np.array([int(line[at[text]]) for line in rows]) for text in list(at)[4:6])
    total = [float(line[at["NWP rain (mm in 6 h)"]]) for line in rows]
    np.testing.assert_allclose(total, rain.astype(float).sum("lead_time").values[row, column], atol=0.0051)
    name, content = download(page, "png")
    assert name == "sslpdl_synthetic_20220808T00_+009h_nwp6-p-class-difference_ge5mm_capital_area.png"
    width, height = Image.open(io.BytesIO(content)).size
    assert width > 2 * height, "four maps"
    page.page.locator(".group.content input").uncheck()
    assert download(page, "png")[0].endswith("_nwp6-p-class_ge5mm_capital_area.png")


def test_what_cannot_be_made_is_said_and_a_film_can_be_given_up(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=share")
    assert page.page.locator("[data-form=point]").is_disabled(), "no place is chosen"
    assert "choose one on a map" in page.text(".share section:nth-of-type(4)")
    selects = page.page.locator(".share section:nth-of-type(3) select")
    selects.nth(0).select_option("9")
    selects.nth(1).select_option("3")
    page.page.locator("[data-form=gif]").click()
    said = page.page.locator(".share .progress span")
    said.filter(has_text="first lead time is after the last").wait_for(timeout=PATIENCE)
    assert page.page.locator("[data-form=gif]").is_enabled()
    selects.nth(0).select_option("1")
    selects.nth(1).select_option("24")
    page.page.locator("[data-form=gif]").click()
    said.filter(has_text="of 24").wait_for(timeout=PATIENCE)
    assert page.page.locator("[data-form=png]").is_disabled(), "one at a time"
    page.page.locator(".share .progress button").click()
    said.filter(has_text="Cancelled").wait_for(timeout=PATIENCE)
    assert page.page.locator("[data-form=png]").is_enabled()


def move(page: Any) -> None:
    """Zoom in and drag."""
    box = page.box("[data-map=probability] .map")
    page.page.mouse.move(box["x"] + 150, box["y"] + 250)
    page.page.mouse.wheel(0, -400)
    page.page.wait_for_timeout(200)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 203, box["y"] + 291, steps=4)
    page.page.mouse.up()
    page.settle()


def copied(page: Any) -> str:
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.page.locator(".share .copy").click()
    page.page.locator(".share .copied").filter(has_text="copied").wait_for()
    return str(page.page.evaluate("navigator.clipboard.readText()"))


def test_a_copied_link_brings_back_exactly_this_window(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&threshold=5&region=south_korea&drawer=share")
    whole = page.ranges()
    move(page)
    for key in ("ArrowRight", "ArrowUp"):
        page.page.keyboard.press(key)
    link = copied(page)
    assert "drawer" not in link
    assert "lead=10" in link
    assert "threshold=10" in link
    seen = np.array(page.ranges())
    assert seen[1] - seen[0] < 0.8 * (whole[1] - whole[0])
    pixel = (seen[3] - seen[2]) / page.box("[data-map=nwp] .map")["height"]
    # a colleague opens the same panel and so has maps of the same size
    query = link.partition("/?")[2]
    again = visit(f"?{query}&drawer=share")
    np.testing.assert_allclose(again.ranges(), seen, rtol=0, atol=0.02 * pixel)
    assert copied(again) == link, "a link of a link is the same link"
    # on another screen: the same centre and scale
    other = visit(f"?{query}", width=1100, height=1000)
    left, right, bottom, top = other.ranges()
    box = other.box("[data-map=nwp] .map")
    assert (left + right) / 2 == pytest.approx((seen[0] + seen[1]) / 2, abs=0.02 * pixel)
    assert (bottom + top) / 2 == pytest.approx((seen[2] + seen[3]) / 2, abs=0.02 * pixel)
    assert (top - bottom) / box["height"] == pytest.approx(pixel, rel=1e-5)


def test_the_address_forgets_the_window_when_the_region_is_shown_again(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9")
    move(page)
    page.page.wait_for_function("location.search.includes('view=')")
    page.page.keyboard.press("0")
    page.page.wait_for_function("!location.search.includes('view=')")


@pytest.mark.parametrize("view", ["0,0,1", "127,37,1e-9", "126.9,37.5", "-100,-80,2"])
def test_a_window_beside_the_maps_shows_the_region(visit: Callable, view: str) -> None:
    page, plain = visit(f"?init={RUN}&lead=9&view={view}"), visit(f"?init={RUN}&lead=9")
    np.testing.assert_allclose(page.ranges(), plain.ranges())


def test_without_a_clipboard_the_link_is_selected(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=9&drawer=share")
    page.page.evaluate(
        """() => { Object.defineProperty(navigator, "clipboard", { value: undefined });
            document.execCommand = () => false; }"""
    )
    page.page.locator(".share .copy").click()
    said = page.page.locator(".share .copied").filter(has_text="press Ctrl+C")
    said.wait_for()
    field = page.page.locator(".share input")
    start, end, text = field.evaluate("e => [e.selectionStart, e.selectionEnd, e.value]")
    assert (start, end) == (0, len(text))
    assert text.startswith("http://localhost:")
    assert "lead=9" in text


def test_the_panel_fits_a_phone_and_speaks_korean(visit: Callable) -> None:
    page = visit(f"{VIEW}&language=ko", width=390, height=844)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    panel = page.box("#panel-share")
    for box in page.page.locator(".share button, .share input, .share select").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).filter(r => r.width).map(r => [r.left, r.right])"
    ):
        assert panel["x"] <= box[0] < box[1] <= panel["x"] + panel["width"] + 0.5
    assert page.text("#tab-share") == "공유"
    assert page.text("[data-form=netcdf]") == "NetCDF 내려받기"
    selects = page.page.locator(".share section:nth-of-type(3) select")
    selects.nth(0).select_option("9")
    selects.nth(1).select_option("3")
    page.page.locator("[data-form=gif]").click()
    refused = page.page.locator(".share .progress span").filter(has_text="시작 선행시간이 끝 선행시간보다 늦습니다.")
    refused.wait_for(timeout=PATIENCE)
    name, content = download(page, "point")
    assert name.endswith("seoul.csv")
    assert "초기시각 (UTC)" in table(content)[0]
