"""Keyboard, names and narrow screens: what everybody needs to read the page and to work it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from case import LEADS, THRESHOLDS
from conftest import Visit
from elements import DEEP
from test_app import RUN, arrays

VIEW = f"?init={RUN}&lead=9&threshold=5"

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
