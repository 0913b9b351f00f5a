"""Language, colours, keyboard and narrow screens: what everybody needs to read the page and to work it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from case import LEADS, THRESHOLDS
from conftest import Server, Visit
from test_app import MAPS, RUN, arrays, read_back

from sslpdl.dashboard.viewer import Viewer

VIEW = f"?init={RUN}&lead=9&threshold=5"

# All elements of the page, also those in shadow trees, in order.
DEEP = """const deep = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? deep(e.shadowRoot) : [])]);
const app = () => deep(document).find((e) => e.matches(".app"));"""

CONTRAST = (
    DEEP
    + """
const parse = (text) => { const v = (text.match(/[\\d.]+/g) ?? []).map(Number); return v.length < 4 ? [...v, 1] : v; };
const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const part = c[k] / 255;
    return sum + weight * (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
}, 0);
const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
};
const parentOf = (e) => e.parentElement ?? (e.getRootNode().host ?? null);
function ground(element) {
    const halo = getComputedStyle(element).textShadow;  // text on a map stands on its own halo
    if (halo !== "none") return parse(halo.match(/rgba?\\([^)]*\\)/)[0]);
    const layers = [];
    for (let e = element; e; e = parentOf(e)) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
}
const offenders = [];
let seen = 0;
for (const element of deep(app())) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.matches("option, .said")) continue;
    seen += 1;
    const under = ground(element);
    const found = ratio(over(parse(getComputedStyle(element).color), under), under);
    const name = `${element.className || element.tagName} "${text.slice(0, 30)}"`;
    if (found < 4.5) offenders.push(`${name} ${found.toFixed(2)}`);
}
return [seen, offenders];"""
)


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
    assert read_back(page, arrays(case, lead=9, threshold=5)) == dict.fromkeys(MAPS, 0)
    page.page.locator("button.theme").click()
    page.settle()
    ground = page.page.evaluate(f"{figure}.renderers.find((r) => r.glyph.type === 'Patches').glyph.fill_color.value")
    assert ground == "#f6f4ee", "the server's own colours come back"


# ---- names and keys ----


def names_of_controls(page: Visit) -> list[tuple[str, str]]:
    """Role and name of everything that can be worked, as a screen reader is told."""
    session = page.page.context.new_cdp_session(page.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "slider", "radio", "tab", "link", "textbox", "checkbox", "spinbutton", "searchbox"}
    return [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in nodes
        if not node.get("ignored") and node.get("role", {}).get("value") in roles
    ]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_control_has_a_name(visit: Callable, language: str) -> None:
    controls = names_of_controls(visit(f"{VIEW}&language={language}"))
    assert len(controls) >= 22
    assert [role for role, name in controls if not name] == []


def test_tab_reaches_every_control_and_shows_where_it_is(visit: Callable) -> None:
    page = visit(VIEW)
    wanted = page.page.evaluate(
        "() => {"
        + DEEP
        + """ return deep(app()).filter((e) => e.matches("a[href], button, select, input") && e.tabIndex >= 0
            && e.checkVisibility()).length }"""
    )
    assert wanted >= 18
    reached = page.page.evaluate("() => { window.reached = new Set() }")
    for _ in range(wanted + 6):
        page.page.keyboard.press("Tab")
        reached = page.page.evaluate(
            """() => { let e = document.activeElement;
            while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
            if (e?.matches("a[href], button, select, input")) {
                window.reached.add(e);
                const style = getComputedStyle(e);
                if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return -1;
            }
            return window.reached.size }"""
        )
        assert reached >= 0, "a control in focus has a ring"
    assert reached == wanted


def test_arrow_keys_on_the_thresholds_choose_one_and_leave_the_time(visit: Callable) -> None:
    page = visit(VIEW)
    buttons = page.page.locator(".segments button")
    buttons.nth(THRESHOLDS.index(5)).focus()
    page.page.keyboard.press("ArrowRight")
    assert buttons.nth(THRESHOLDS.index(10)).get_attribute("aria-checked") == "true"
    assert page.page.evaluate("() => {" + DEEP + " return app().getRootNode().activeElement.textContent }") == "10"
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("ArrowLeft")
    assert page.text("[data-map=probability] .unit").startswith("P(rain ≥ 1 mm")
    page.page.keyboard.press("Home")
    assert page.text("[data-map=probability] .unit").startswith("P(rain ≥ 0.1 mm")
    assert page.text(".lead") == "+9 h"


def test_help_opens_by_key_and_keeps_the_keys_to_itself(visit: Callable) -> None:
    page = visit(VIEW)
    page.page.keyboard.press("?")
    dialog = page.page.locator("dialog.help")
    assert dialog.is_visible()
    assert "previous or next run" in dialog.inner_text()
    page.page.keyboard.press("ArrowRight")
    assert page.text(".lead") == "+9 h"
    page.page.keyboard.press("Escape")
    assert dialog.is_hidden()
    page.page.keyboard.press("ArrowRight")
    assert page.text(".lead") == "+10 h"


def test_escape_closes_one_thing_after_the_other_and_the_focus_goes_back(visit: Callable) -> None:
    page = visit(VIEW)
    tab = page.page.get_by_role("tab", name="Verification")
    tab.focus()
    page.page.keyboard.press("Enter")
    summary = page.page.locator(".daytime summary")
    summary.focus()
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Escape")
    assert page.page.locator(".daytime").get_attribute("open") is None
    assert focused(page) == "SUMMARY"
    assert page.page.locator(".drawer").is_visible()
    page.page.get_by_label("First lead time, hours").focus()
    page.page.keyboard.press("?")  # belongs to the field
    assert page.page.locator("dialog.help").is_hidden()
    page.page.keyboard.press("Escape")
    assert page.page.locator(".drawer").is_hidden()
    assert focused(page) == "tab-verification"
    page.page.keyboard.press("Escape")
    assert focused(page) == "tab-verification", "nothing is left to close"
    page.page.keyboard.press("Enter")
    assert page.page.locator(".drawer").is_visible()
    page.page.locator(".help-button, [aria-label='Help and keys']").first.click()
    page.page.keyboard.press("Escape")
    assert page.page.locator("dialog.help").is_hidden()
    assert page.page.locator(".drawer").is_visible(), "the dialog first"
    page.page.locator("[data-map=nwp] .map").focus()
    page.page.keyboard.press("Escape")
    assert page.page.locator(".drawer").is_hidden()
    assert focused(page) == "tab-verification"


def focused(page: Visit) -> str:
    """Return identifier or kind of the element that has the focus."""
    code = """() => { let e = document.activeElement;
        while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
        return e.id || e.tagName; }"""
    return str(page.page.evaluate(code))


def test_skip_link_leads_to_the_maps(visit: Callable) -> None:
    page = visit(VIEW)
    page.page.keyboard.press("Tab")
    assert page.box(".skip")["y"] > 0, "seen once it has the focus"
    page.page.keyboard.press("Enter")
    assert page.page.evaluate("() => {" + DEEP + " return app().getRootNode().activeElement.tagName }") == "MAIN"
    page.page.keyboard.press("ArrowRight")
    assert page.text(".lead") == "+10 h"


def test_maps_are_images_with_words(visit: Callable, case: tuple) -> None:
    page = visit(VIEW)
    page.page.wait_for_timeout(700)
    images = page.page.locator(".card:not([hidden]) .map [role=img]")
    labels = [images.nth(k).get_attribute("aria-label") for k in range(images.count())]
    assert len(labels) == 3
    assert labels[1].startswith(
        "SSLPDL probability, P(rain ≥ 5 mm in 1 h), %, valid 09:00 UTC Mon 8 Aug 2022 (18:00 KST)"
    )
    largest = float(re.findall(r"Largest value ([\d.]+) mm", labels[0])[0])
    assert largest == pytest.approx(np.nanmax(arrays(case, lead=9, threshold=5)["nwp"]), abs=0.06)
    page.page.keyboard.press("End")
    page.page.wait_for_timeout(700)
    assert "No QPE ends at this time" in str(images.nth(2).get_attribute("aria-label"))
    assert "QPE: No QPE" in page.text(".maps .said")
    assert page.page.locator("[aria-live=polite], [aria-live=assertive]").count() == 0


# ---- time ----


def test_ruler_marks_qpe_and_the_days_of_korea(visit: Callable) -> None:
    page = visit(f"?init={RUN}&lead=1")
    track = page.box(".ruler")
    place = lambda lead: track["x"] + track["width"] * (LEADS.index(lead)) / (len(LEADS) - 1)  # noqa: E731
    # midnight of Korea is 15 UTC
    begins = page.page.locator(".ruler .day-mark.begins")
    assert begins.count() == 1
    assert begins.bounding_box()["x"] == pytest.approx(place(15), abs=1.5)
    assert page.page.locator(".ruler .day-mark").all_inner_texts() == ["Mon 8", "Tue 9"]
    observed = page.page.locator(".ruler .observed")
    assert observed.count() == 18, "the last six hours have no QPE"
    ends = observed.last.bounding_box()
    assert ends["x"] + ends["width"] == pytest.approx((place(18) + place(19)) / 2, abs=1.5)


# ---- narrow screens ----


def overlaps(page: Visit) -> list[str]:
    code = (
        DEEP
        + """
    const shown = deep(app()).filter((e) => e.matches("button, select, input") && e.checkVisibility());
    const fixed = (e) => Boolean(e) && (getComputedStyle(e).position === "fixed" || fixed(e.parentElement));
    const name = (e) => e.getAttribute("aria-label") ?? e.textContent;
    const boxes = shown.map((e) => [name(e), e.getBoundingClientRect(), fixed(e)]);
    return boxes.flatMap(([a, p, f], i) => boxes.slice(i + 1).filter(([, q, g]) => f === g
        && Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
        && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1).map(([b]) => `${a} on ${b}`));"""
    )
    return list(page.page.evaluate("() => {" + code + "}"))


def small_targets(page: Visit) -> list[str]:
    code = (
        DEEP
        + """ return deep(app()).filter((e) => e.matches("button, select") && e.checkVisibility())
        .map((e) => [e.getAttribute("aria-label") ?? e.textContent, e.getBoundingClientRect()])
        .filter(([, r]) => r.width < 40 || r.height < 40).map(([name, r]) => `${name} ${r.width} x ${r.height}`)"""
    )
    return list(page.page.evaluate("() => {" + code + "}"))


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (360, 740)])
def test_a_telephone_shows_all_and_is_worked_with_a_thumb(
    visit: Callable, width: int, height: int, language: str
) -> None:
    page = visit(f"{VIEW}&language={language}", width=width, height=height)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert overlaps(page) == []
    assert small_targets(page) == []
    for selector in (".lead", ".when", "button.main", ".track input"):
        box = page.box(selector)
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height, selector
    assert re.sub(r"\s+", " ", page.text(".when")) == (
        "18:00 KST 09:00 UTC" if language == "ko" else "09:00 UTC 18:00 KST"
    )
    for tab in page.page.locator("[role=tab]").all():
        tab.click()
        page.settle()
        assert page.page.evaluate("document.documentElement.scrollWidth") <= width, tab.inner_text()
        page.page.locator(".close-drawer").click()
        assert page.page.locator(".drawer").is_hidden()
