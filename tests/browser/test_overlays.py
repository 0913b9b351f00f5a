"""What is drawn over the maps lies where the archive says, moves with time without a message, and is in the address;
what is missing is hatched, and what is known is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case import StandIn
from conftest import Server, Visit
from PIL import Image

from sslpdl import forecast
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard.figures import HATCH
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.palettes import MISSING, MISSING_DARK, RAIN

GRID = KOREA_5KM
RUN = "2022-08-08T00:00"
LEADS = [1, 2, 3]
CHANNELS = ["slp", "rh_850", "t_850", "u_850", "v_850", "rain"]
VIEW = f"?init={RUN}&lead=1&theme=light&language=en"
GAUGE, RAIN_OF_GAUGE = (100, 60), 17.0
# inks of the light theme
PRESSURE, WIND, FLUX = (0x3D, 0x1D, 0x66), (0x8C, 0x12, 0x30), (0x06, 0x57, 0x2F)
MAPS = ("nwp", "probability", "qpe")


def write(folder: Path, qpe: np.ndarray) -> tuple[Path, Path]:
    """Pressure rises eastwards, from 1000 + lead by 12 hPa; a south wind of 21 m/s (40 kt); wet in the south only."""
    archive, probabilities = folder / "case.zarr", folder / "forecast.zarr"
    with ArchiveWriter.create(
        archive, grid=GRID, channels=CHANNELS, lead_time=LEADS, attrs={"title": "Overlays", "synthetic": "true"},
        rain_window=1.0, qpe_window=1.0, mask=np.ones(GRID.shape, bool),
    ) as writer:  # fmt: skip
        run = np.zeros((len(LEADS), len(CHANNELS), *GRID.shape), np.float32)
        run[:, 0] = 1000 + 12 * np.linspace(0, 1, GRID.shape[1]) + np.array(LEADS)[:, None, None]
        run[:, 1], run[:, 2], run[:, 4] = 80, 290, 40 * 1852 / 3600
        run[:, 5, :30] = 12
        run[:, 5, 150:190, 20:70] = np.nan
        writer.write_run(np.datetime64(RUN), run)
        writer.write_qpe(np.datetime64(RUN) + np.array(LEADS[: len(qpe)], "timedelta64[h]"), qpe)
    forecast.run(open_archive(archive), StandIn(), out=probabilities)
    return archive, probabilities


def served(folder: Path, serve: Callable[..., Server], qpe: np.ndarray) -> Server:
    archive, probabilities = write(folder, qpe)
    return serve(archive=archive, forecast=probabilities)


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Server]) -> Server:
    qpe = np.full((2, *GRID.shape), 3.0, np.float32)
    qpe[:, :, 90:] = np.nan
    return served(tmp_path_factory.mktemp("weather"), serve, qpe)


@pytest.fixture
def open_page(visit: Callable[..., Visit], weather: Server) -> Callable[..., Visit]:
    def go(query: str, *, overlays: str = "", url: str = "", **size: int) -> Visit:
        page = visit(f"{VIEW}&overlays={overlays}{query}", url=url or weather.url, **size)
        if overlays:
            page.page.wait_for_function(
                """() => { const deep = (root) => [...root.querySelectorAll("*")].flatMap(
                        (e) => [e, ...(e.shadowRoot ? deep(e.shadowRoot) : [])]);
                    const key = deep(document).find((e) => e.matches(".overlay-key"));
                    return key && !key.textContent.includes("…") }"""
            )
        page.settle()
        return page

    return go


def like(screen: np.ndarray, colour: tuple[int, int, int], tolerance: int = 60) -> np.ndarray:
    """Where the screen has nearly a colour, shape (rows, columns)."""
    return np.abs(screen.astype(int) - colour).sum(-1) < tolerance


def near(found: np.ndarray, i: int, j: int, reach: int = 1) -> bool:
    return bool(found[j - reach : j + reach + 1, i - reach : i + reach + 1].any())


def share_on_line(page: Visit, name: str, value: float, lead: int) -> float:
    """Share of the places on an isobar, from the south to the north of the grid, where a map has its ink."""
    place = (value - 1000 - lead) / 12
    y = np.linspace(GRID.y[5], GRID.y[-6], 60)
    i, j = page.pixel_of(name, np.full_like(y, GRID.x[0] + place * (GRID.x[-1] - GRID.x[0])), y)
    ink = like(page.screen(), PRESSURE)
    return float(np.mean([near(ink, a, b) for a, b in zip(i, j, strict=True)]))


# ---- overlays ----


def test_contours_lie_where_the_field_crosses_the_level_and_move_with_time(open_page: Callable[..., Visit]) -> None:
    page = open_page("", overlays="slp")
    assert "Sea-level pressure, every 2 hPa, bold every 4" in page.text(".overlay-key")
    page.bare()
    for name in MAPS:
        # bold ones are full of ink; a label interrupts them
        assert share_on_line(page, name, 1004, lead=1) > 0.85
        assert share_on_line(page, name, 1005, lead=1) < 0.1, "there is none between the levels"
    page.messages.clear()
    page.page.keyboard.press("ArrowRight")
    page.settle()
    assert share_on_line(page, "nwp", 1004, lead=2) > 0.85
    assert share_on_line(page, "qpe", 1004, lead=1) < 0.15, "the line of an hour ago is gone"
    page.page.keyboard.press("ArrowRight")
    page.settle()
    assert share_on_line(page, "probability", 1008, lead=3) > 0.85
    assert page.messages == [], "moving in time asks nothing"
    assert "valid 03:00 UTC Mon 8 Aug 2022" in page.text(".overlay-key")


def test_the_maps_say_what_is_drawn_over_them(open_page: Callable[..., Visit]) -> None:
    page = open_page("", overlays="slp,wind_850")
    for name in MAPS:
        picture = page.page.locator(f"[data-map={name}] [role=img]")
        page.page.wait_for_timeout(500)
        assert str(picture.get_attribute("aria-label")).endswith("drawn over it: Sea-level pressure, Wind 850 hPa")
    page.page.locator(".overlays .menu-button").click()
    page.page.locator(".overlay-menu button").click()
    page.page.wait_for_timeout(600)
    assert "drawn over" not in str(page.page.locator("[data-map=nwp] [role=img]").get_attribute("aria-label"))


def test_the_picture_to_download_has_the_overlays(open_page: Callable[..., Visit], tmp_path: Path) -> None:
    page = open_page("&drawer=share", overlays="slp")
    with page.page.expect_download() as waiting:
        page.page.locator("button[data-form=png]").click()
    assert "_slp" in waiting.value.suggested_filename
    waiting.value.save_as(tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert like(pixels, PRESSURE, 30).sum() > 1000


def nodes_in(page: Visit) -> list[tuple[int, int]]:
    """Pixels on the first map of the nodes that lie 10 km apart, away from its edges."""
    x, y = np.meshgrid(GRID.x[1::2], GRID.y[1::2])
    i, j = page.pixel_of("nwp", x, y)
    box = page.box("[data-map=nwp] .map")
    inside = (i > box["x"] + 30) & (i < box["x"] + box["width"] - 60)
    inside &= (j > box["y"] + 60) & (j < box["y"] + box["height"] - 60)
    return list(zip(i[inside].tolist(), j[inside].tolist(), strict=True))


def barbs_in(page: Visit, ink: np.ndarray) -> list[tuple[int, int]]:
    """Those of the nodes from which a staff goes down and nothing goes up."""
    return [
        (i, j)
        for i, j in nodes_in(page)
        if ink[j + 1 : j + 20, i - 2 : i + 3].any(axis=1).all() and not ink[j - 6 : j - 3, i - 2 : i + 3].any()
    ]


def test_barbs_stand_into_the_wind_with_feathers_to_the_left(open_page: Callable[..., Visit]) -> None:
    page = open_page("", overlays="wind_850")
    assert "half barb 5 kt, barb 10 kt, pennant 50 kt" in page.text(".overlay-key")
    page.bare()
    ink = like(page.screen(), WIND, 150)
    nodes = barbs_in(page, ink)
    assert len(nodes) > 20
    for i, j in nodes:
        # the wind blows from the south, so the staff goes down; west is to the left of the wind
        assert near(ink, i, j + 20, 2), "24 pixels long"
        assert not near(ink, i, j + 32, 2)
        feathers = ink[j + 4 : j + 34, i - 7 : i - 5].any(axis=1)
        assert np.diff(feathers.astype(int)).clip(0).sum() + feathers[0] == 4, "four feathers are 40 kt"
        assert not ink[j + 4 : j + 34, i + 5 : i + 9].any(), "none on the right"


def test_more_barbs_where_the_map_is_closer(open_page: Callable[..., Visit]) -> None:
    page = open_page("", overlays="wind_850")
    closer = open_page("&region=jeju", overlays="wind_850")
    distances = []
    for one in (page, closer):
        one.bare()
        ink = like(one.screen(), WIND, 150)
        found = np.array(barbs_in(one, ink))
        left, right, *_ = one.ranges()
        pixels = np.median(np.diff(np.unique(found[:, 0])))
        assert 30 < pixels < 70
        distances.append(pixels * (right - left) / one.box("[data-map=nwp] .map")["width"])
    assert distances[0] > 3 * distances[1]
    assert distances[1] == pytest.approx(10_000, rel=0.1), "all that were sent"


def test_moisture_flux_points_along_the_wind(open_page: Callable[..., Visit]) -> None:
    page = open_page("", overlays="flux_850")
    assert "Moisture flux 850 hPa: this arrow is 200 g/kg m/s" in page.text(".overlay-key")
    page.bare()
    ink = like(page.screen(), FLUX, 150)
    # 80 % of the saturation at 290 K and 850 hPa are 11.4 g/kg, times 20.6 m/s is 235, at 0.15 pixels 35
    around = [ink[j - 24 : j + 25, i - 8 : i + 9] for i, j in nodes_in(page)]
    arrows = [part for part in around if part[10:39].any(axis=1).all() and not part[[4, 5, -6, -5]].any()]
    assert len(arrows) > 20
    # twelve pixels to the north of the middle there is the head, to the south the tail
    widths = np.array([[np.ptp(np.flatnonzero(part[row])) for row in (12, 36)] for part in arrows])
    assert (widths[:, 0] >= widths[:, 1] + 2).mean() > 0.9, "the head is in the north"


def test_overlays_are_chosen_by_keyboard_and_the_address_holds_them(open_page: Callable[..., Visit]) -> None:
    page = open_page("")
    keys = page.page.keyboard
    assert page.page.locator("canvas.overlay").count() == 0
    button = page.page.locator(".overlays .menu-button")
    button.focus()
    keys.press("Enter")
    keys.press("Tab")
    keys.press(" ")
    for _ in range(2):
        keys.press("Tab")
    keys.press(" ")
    keys.press("Escape")
    assert not page.page.locator(".overlay-menu").is_visible()
    assert button.inner_text() == "Overlays: 2"
    assert button.evaluate("e => e === e.getRootNode().activeElement"), "the focus goes back to the button"
    assert page.text(".lead") == "+1 h"
    assert page.page.locator("button.main").get_attribute("aria-label") == "Play", "space chose, and did not play"
    page.page.wait_for_url("**overlays=slp%2Cflux_850**")
    again = open_page("", overlays="slp,flux_850")
    assert "Sea-level pressure" in again.text(".overlay-key")
    assert again.page.locator(".overlay-menu input:checked").evaluate_all("all => all.map(e => e.value)") == [
        "slp",
        "flux_850",
    ]
    again.page.locator(".overlays .menu-button").click()
    again.page.locator(".overlay-menu button").click()
    assert not again.page.locator(".overlay-key").is_visible()
    assert again.page.locator("canvas.overlay").count() == 0


@pytest.mark.parametrize("asked", ["gph_500,<b>,slp,slp", "gauges,slp,wind_10m", ",slp"])
def test_what_cannot_be_drawn_is_left_out(open_page: Callable[..., Visit], asked: str) -> None:
    assert open_page("", overlays=asked).text(".overlays .menu-button") == "Overlays: 1"


def test_the_menu_speaks_korean_and_fits_a_telephone(open_page: Callable[..., Visit]) -> None:
    page = open_page("&language=ko", overlays="slp,wind_850", width=390, height=844)
    assert page.text(".overlays .menu-button") == "중첩 요소: 2"
    assert "해면기압, 2 hPa 간격, 굵은 선 4 간격" in page.text(".overlay-key")
    page.page.locator(".overlays .menu-button").click()
    box = page.box(".overlay-menu")
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_gauges_are_drawn_on_every_map(
    tmp_path: Path, serve: Callable[..., Server], open_page: Callable[..., Visit]
) -> None:
    qpe = np.full((2, *GRID.shape), np.nan, np.float32)
    qpe[:, ::25, ::25] = 0
    qpe[(slice(None), *GAUGE)] = RAIN_OF_GAUGE
    page = open_page("", overlays="gauges", url=served(tmp_path, serve, qpe).url)
    page.bare()
    screen = page.screen()
    colour = RAIN.rgba[RAIN.classify(RAIN_OF_GAUGE)][:3]
    for name in MAPS:
        i, j = page.pixel_of(name, GRID.x[GAUGE[1]], GRID.y[GAUGE[0]])
        assert (screen[j, i] == colour).all(), name
    page.page.keyboard.press("End")
    page.settle()
    assert "missing at this time" in page.text(".overlay-key"), "no gauge reports at the last hour"


# ---- what is missing ----


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def only_classes_and_hatching(page: Visit) -> np.ndarray:
    page.page.evaluate(
        """() => { for (const name of ["nwp", "probability", "qpe"]) {
            const map = Bokeh.documents[0].get_model_by_name("map-" + name);
            for (const r of map.renderers)
                if (r.glyph.type !== "Image" && r.name !== "missing") r.setv({visible: false}, {sync: false});
            map.background_fill_color = map.border_fill_color = "#ffffff";
        } }"""
    )
    page.page.locator(".labels, .scale, .map-buttons, .notice").evaluate_all("all => all.forEach(e => e.remove())")
    page.settle()
    return page.screen()


# what is missing, and its hatching
LOOKS = {"light": (rgb(MISSING), rgb(HATCH)), "dark": (rgb(MISSING_DARK), rgb("#988b7d"))}


def hatched(part: np.ndarray, theme: str = "light") -> bool:
    """Whether a part of the screen has the ground and the lines of what is missing, and nothing lighter."""
    missing, hatch = LOOKS[theme]
    ground = (part == missing).all(-1).mean()
    lines = like(part, hatch, 45).mean()
    return bool(ground > 0.3 and 0.05 < lines < 0.5 and part.max() <= max(*missing, *hatch))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_missing_is_hatched_and_what_is_known_has_its_colour(
    open_page: Callable[..., Visit], theme: str
) -> None:
    page = open_page(f"&theme={theme}", width=2200, height=1400)
    screen = only_classes_and_hatching(page)
    (left, right), (top, bottom) = page.pixel_of("nwp", GRID.x[[21, 68]], GRID.y[[188, 151]])
    assert hatched(screen[top:bottom, left:right], theme)
    (left, right), (top, bottom) = page.pixel_of("qpe", GRID.x[[91, 126]], GRID.y[[220, 2]])
    assert hatched(screen[top:bottom, left:right], theme)
    rain = np.zeros(GRID.shape)
    rain[:30] = 12
    rain[150:190, 20:70] = np.nan
    observed = np.full(GRID.shape, 3.0)
    observed[:, 90:] = np.nan
    x, y = np.meshgrid(GRID.x, GRID.y)
    for name, values in (("nwp", rain), ("qpe", observed)):
        rgba = RAIN.rgba[RAIN.classify(values)].astype(int)
        expected = np.where(rgba[..., 3:] == 0, 255, rgba[..., :3])
        i, j = page.pixel_of(name, x, y)
        known = np.isfinite(values)
        assert (screen[j, i] == expected)[known].all(), f"{name}: nothing is drawn over what is known"
    assert "url" not in page.page.locator("[data-map=qpe] .missing i").evaluate(
        "e => getComputedStyle(e).backgroundImage"
    )
    swatch = page.box("[data-map=qpe] .missing i")
    shown = screen[
        int(swatch["y"]) + 2 : int(swatch["y"]) + 10, int(swatch["x"]) + 3 : int(swatch["x"] + swatch["width"]) - 3
    ]
    assert (shown == LOOKS[theme][0]).all(-1).any()
    assert like(shown, LOOKS[theme][1], 30).any(), "the legend shows the hatching"


def test_missing_data_follow_the_colours_of_the_page(open_page: Callable[..., Visit]) -> None:
    page = open_page("&theme=light", width=2200, height=1400)
    (left, right), (top, bottom) = page.pixel_of("qpe", GRID.x[[91, 126]], GRID.y[[220, 2]])
    for theme in ("dark", "light"):  # light is followed by dark, dark by automatic, which is light here
        page.page.locator("header .theme").click()
        page.settle()
        assert hatched(only_classes_and_hatching(page)[top:bottom, left:right], theme)


def test_where_nothing_is_known_all_is_hatched(open_page: Callable[..., Visit]) -> None:
    page = open_page("&lead=3", width=1800)
    assert "No QPE" in page.text("[data-map=qpe] .notice")
    screen = only_classes_and_hatching(page)
    (left, right), (top, bottom) = page.pixel_of("qpe", GRID.x[[2, -3]], GRID.y[[-3, 2]])
    assert hatched(screen[top:bottom, left:right])
    page.page.keyboard.press("ArrowLeft")
    page.settle()
    screen = page.screen()
    i, j = page.pixel_of("qpe", GRID.x[40], GRID.y[100])
    assert (screen[j, i] == RAIN.rgba[RAIN.classify(3.0)][:3]).all(), "an hour before it was known here"
