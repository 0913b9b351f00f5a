"""Language and colours: both languages are whole, both grounds can be read, and what is chosen is remembered."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Server, Visit
from elements import CONTRAST
from test_app import MAPS, RUN, arrays, read_back

from sslpdl.dashboard.page import KOREAN
from sslpdl.dashboard.viewer import Viewer
from sslpdl.plots.palettes import MISSING_DARK

VIEW = f"?init={RUN}&lead=9&threshold=5"


@pytest.fixture
def person(chromium: Any, server: Server) -> Iterator[Callable[..., Visit]]:
    """A reader with a browser of their own: `person(locale="ko-KR")(query)`; storage lasts from page to page."""
    contexts: list[Any] = []
    visits: list[Visit] = []

    def new(**options: Any) -> Callable[[str], Visit]:
        contexts.append(chromium.new_context(viewport={"width": 1400, "height": 900}, **options))

        def go(query: str = "") -> Visit:
            page = contexts[-1].new_page()
            visits.append(Visit(page))
            page.on("console", lambda m: visits[-1].errors.append(m.text) if m.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: visits[-1].errors.append(str(error)))
            page.goto(server.url + query)
            page.wait_for_selector(".card:not(.waiting) .map canvas")
            visits[-1].settle()
            return visits[-1]

        return go

    yield new
    for context in contexts:
        context.close()
    assert [one.errors for one in visits] == [[] for _ in visits]


def theme_of(page: Visit) -> str:
    return str(page.page.evaluate("document.documentElement.dataset.theme"))


def language_of(page: Visit) -> str:
    return str(page.page.evaluate("document.documentElement.lang"))


# ---- language ----


def test_every_text_is_there_in_both_languages(chromium: Any) -> None:
    source = str(Viewer._esm).replace("export function", "function")
    assert "addWords" in source
    page = chromium.new_page()
    compared = page.evaluate(
        """(source) => {
            const TEXT = new Function(source + "; return TEXT")();
            const wrong = [];
            let texts = 0;
            const compare = (en, ko, name) => {
                if (typeof en !== typeof ko) return wrong.push(`${name}: ${typeof en} and ${typeof ko}`);
                if (typeof en === "function" && en.length !== ko.length) wrong.push(`${name}: arguments`);
                if (typeof en === "string") texts += 1;
                if (typeof en !== "object") return;
                const keys = new Set([...Object.keys(en), ...Object.keys(ko)]);
                for (const key of keys) compare(en[key], ko[key], `${name}.${key}`);
            };
            compare(TEXT.en, TEXT.ko, "TEXT");
            return [texts, wrong];
        }""",
        source,
    )
    page.close()
    assert compared[0] > 80
    assert compared[1] == []


def test_what_the_server_says_is_known_in_korean(chromium: Any, root: Path) -> None:
    trees = [ast.parse(path.read_text()) for path in (root / "sslpdl" / "dashboard").rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    errors = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id.endswith("Error")]
    kinds = [word.value for call in errors for word in call.keywords if word.arg == "kind"]
    said = {str(kind.value) for kind in kinds if isinstance(kind, ast.Constant)}
    assert said >= {"no_model", "no_forecast", "computing", "no_counts", "beside_grid"}
    page = chromium.new_page()
    source = str(Viewer._esm).replace("export function", "function")
    said -= KOREAN.keys()  # before there is a page
    korean = page.evaluate(
        """([source, kinds]) => {
            const say = new Function(source + "; return (text) => { speak('ko'); return problemText(text) }")();
            return Object.fromEntries(kinds.map((kind) => [kind, say({ problem: "because.", problem_kind: kind })]));
        }""",
        [source, sorted(said | {"failed", "unreadable", "unexpected", "unknown"})],
    )
    page.close()
    assert korean.pop("unknown") == "because.", "what is not known is said as it came"
    assert [kind for kind, text in korean.items() if not re.search("[가-힣]", text)] == []
    assert "because." in korean["failed"]


def test_korean_has_korean_words_and_times(visit: Callable) -> None:
    page = visit(VIEW + "&language=ko")
    assert language_of(page) == "ko"
    times = re.sub(r"\s+", " ", page.text(".valid"))
    assert times == "유효시각 KST 18:00 2022년 8월 8일(월) UTC 09:00 2022년 8월 8일(월)", "Korean time comes first"
    assert "초기시각 2022년 8월 8일(월) 09:00 KST (00:00 UTC)" in page.text(".from")
    assert [page.text(f"[data-map={name}] h2") for name in MAPS] == ["NWP 강수량", "SSLPDL 강수확률", "QPE"]
    assert page.text("[data-map=probability] .unit") == "P(1시간 강수량 ≥ 5 mm), %"
    assert page.text(".lead") == "+9시간"
    assert "수도권" in page.page.locator(".look select").first.inner_text()
    assert "서울" in page.page.locator("[data-map=qpe] .labels").inner_text()


def test_a_time_on_another_day_says_so(visit: Callable) -> None:
    # 2022-08-07 at 18 UTC is 03 KST on the 8th
    slider = visit(f"?init={RUN}&lead=18").page.locator(".track input")
    assert slider.get_attribute("aria-valuetext") == "+18 h, valid 18:00 UTC Mon 8 Aug 2022 (Tue 9 03:00 KST)"
    slider = visit(f"?init={RUN}&lead=18&language=ko").page.locator(".track input")
    assert (
        slider.get_attribute("aria-valuetext") == "+18시간, 유효시각 2022년 8월 9일(화) 03:00 KST (8일(월) 18:00 UTC)"
    )


def test_the_language_is_changed_on_the_page_and_remembered(person: Callable) -> None:
    go = person()
    page = go(VIEW)
    assert language_of(page) == "en"
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("+")
    page.settle()
    before = page.ranges()
    page.page.locator("button.language").click()
    page.page.wait_for_selector(".card:not(.waiting) .map canvas")
    page.settle()
    assert page.text(".caption") == "유효시각"
    assert page.text(".lead") == "+10시간", "the time stays"
    np.testing.assert_allclose(page.ranges(), before, err_msg="the place stays")
    page.page.wait_for_timeout(400)
    assert "language=ko" in page.page.url
    page.page.keyboard.press("ArrowLeft")
    assert page.text(".lead") == "+9시간", "the keys work once, and on the new page"
    assert language_of(go("")) == "ko", "remembered by the browser"
    assert language_of(go("?language=en")) == "en", "the address comes first"


def test_the_browser_s_language_is_the_first_one(person: Callable) -> None:
    assert language_of(person(locale="ko-KR")("")) == "ko"


# ---- colours ----


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_text_can_be_read(visit: Callable, theme: str, language: str) -> None:
    page = visit(f"?init={RUN}&lead=24&threshold=5&theme={theme}&language={language}")
    page.page.locator("button.help").click()
    seen, offenders = page.page.evaluate("() => {" + CONTRAST + "}")
    assert seen > 100
    assert offenders == []
    page.page.keyboard.press("Escape")
    page.page.set_viewport_size({"width": 390, "height": 844})
    page.settle()
    assert page.page.evaluate("() => {" + CONTRAST + "}")[1] == []


def test_colours_follow_the_system_until_chosen_and_are_remembered(person: Callable) -> None:
    go = person(color_scheme="dark")
    page = go(VIEW)
    assert theme_of(page) == "dark"
    page.page.emulate_media(color_scheme="light")
    page.settle()
    assert theme_of(page) == "light", "the system has changed its mind"
    button = page.page.locator("button.theme")
    for expected in ("light", "dark"):
        button.click()
        page.settle()
        assert theme_of(page) == expected
    page.page.wait_for_timeout(400)
    assert "theme=dark" in page.page.url
    assert theme_of(go("")) == "dark"
    button.click()
    page.settle()
    assert theme_of(page) == "light", "automatic again"
    again = go("")
    assert theme_of(again) == "dark", "this page's system is dark"
    assert "theme" not in again.page.url


def test_the_first_picture_of_a_dark_page_is_dark(chromium: Any, server: Server) -> None:
    page = chromium.new_page()
    page.route(re.compile(r".*\.js(\?.*)?$"), lambda route: route.abort())  # nothing but the page itself
    page.goto(server.url + "?theme=dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 22, 30)"
    page.close()


def test_dark_maps_have_the_same_classes_and_another_ground(visit: Callable, case: tuple) -> None:
    page = visit(VIEW + "&theme=dark", width=2200, height=1400)
    figure = "Bokeh.documents[0].get_model_by_name('map-nwp')"
    assert page.page.evaluate(f"{figure}.background_fill_color") == "#101921"
    screen = page.screen()
    box = page.box("[data-map=nwp] .map")
    corner = screen[int(box["y"]) + 3, int(box["x"]) + 3].astype(int)
    assert corner.max() < 80, "the sea is dark"
    page.bare()
    assert read_back(page, arrays(case, lead=9, threshold=5), missing=MISSING_DARK) == dict.fromkeys(MAPS, 0)
    page.page.locator("button.theme").click()
    page.settle()
    ground = page.page.evaluate(f"{figure}.renderers.find((r) => r.glyph.type === 'Patches').glyph.fill_color.value")
    assert ground == "#f6f4ee", "the server's own colours come back"
