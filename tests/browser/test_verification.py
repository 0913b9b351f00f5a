"""The tab of verification in a real browser: what it says are the numbers of the counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from case import THRESHOLDS

from sslpdl import verify
from sslpdl.dashboard import Settings
from sslpdl.dashboard.verification import verification

PANEL = ".verification-panel"
LEADS = (3, 6, 9, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of forty days in Honam and the rest."""
    rng = np.random.default_rng(1)
    owner = np.arange(40)[None] % 4
    regions = {"all": np.ones((1, 40), bool), "jeonbuk": owner == 0, "jeonnam": owner == 1}
    counter = verify.Counter(
        thresholds=THRESHOLDS, models=("m", "raw"), regions=regions, attrs={"rain_window": 1.0, "title": "Season"},
        decision={"m": dict(zip(THRESHOLDS, (0.3, 0.25, 0.15, 0.1, 0.05), strict=True))},
    )  # fmt: skip
    for day in range(40):
        for lead in LEADS:
            observed = rng.gamma(0.4, 9.0, (1, 40))
            raw = observed * rng.gamma(4, 0.25, (1, 40)) + rng.gamma(0.2, 1.0, (1, 40))
            chance = 1 / (1 + (np.array(THRESHOLDS)[:, None, None] / (raw + 0.01)) ** 1.5)
            init = np.datetime64("2022-06-01T00") + np.timedelta64(day, "D")
            counter.add(init, lead, observed, {"m": chance, "raw": raw})
    report = tmp_path_factory.mktemp("report")
    verify.write_counts(counter.counts(), report / "counts.npz")
    return report


def expected(
    folder: Path, region: str, leads: list[int], threshold: float, hours: list[int] | None = None
) -> dict[str, Any]:
    config = {"regions": [{"name": region}]}
    settings = Settings.from_environment({}, counts=folder)
    session: Any = SimpleNamespace(
        source=None, settings=settings, shown=settings, viewer=SimpleNamespace(config=config)
    )
    return verification(session, {"region": region, "leads": leads, "threshold": threshold, "hours": hours})


def check(page: Any, answer: dict[str, Any]) -> None:
    """Compare tables, diagrams and sample size with an answer of Python's."""
    for role in ("model", "raw"):
        model = next(one for one in answer["models"] if one["role"] == role)
        for outcome, number in model["table"].items():
            assert page.text(f"{PANEL} .contingency.{role} [data-outcome={outcome}]") == f"{number:,}"
    rows = page.page.locator(f"{PANEL} .scores tbody tr")
    model, raw = answer["models"]
    assert rows.count() == len(model["scores"])
    cells = [rows.nth(0).locator("td").nth(k).inner_text().split("\n") for k in range(3)]
    csi = model["scores"]["csi"]
    assert cells[0] == [f"{csi['value']:.2f}", f"{csi['lower']:.2f} to {csi['upper']:.2f}"]
    assert cells[1][0] == f"{raw['scores']['csi']['value']:.2f}"
    difference = csi["difference"]
    assert cells[2][0].replace("−", "-").replace("+", "") == f"{difference:.2f}".replace("-0.00", "0.00")
    assert f"{answer['sample']['cells']:,} cells, {answer['sample']['events']:,} with" in page.text(f"{PANEL} .sample")
    diagrams = page.page.locator(f"{PANEL} .diagram")
    assert diagrams.count() == 2
    assert diagrams.nth(0).locator(".dot.model").count() == len(answer["reliability"])
    assert diagrams.nth(1).locator(".dot.raw").count() == 1
    assert diagrams.nth(1).locator(".dot.model:visible").count() >= 3


def test_the_tab_follows_threshold_region_and_lead_times(
    visit: Callable, serve: Callable, case: tuple[Path, Path], folder: Path
) -> None:
    server = serve(archive=case[0], forecast=case[1], counts=folder)
    page = visit("?lead=7&threshold=1", url=server.url)
    assert page.page.locator(PANEL).is_hidden()
    page.page.get_by_role("tab", name="Verification").click()
    page.page.wait_for_selector(f"{PANEL} .diagram")
    check(page, expected(folder, "", [4, 10], 1.0))
    assert "40 runs on 40 days" in page.text(f"{PANEL} .about")
    assert page.page.locator(f"{PANEL} .status").inner_text() == ""

    page.page.keyboard.press("ArrowUp")
    page.page.wait_for_selector(f"{PANEL} h2:has-text('≥ 5 mm')")
    check(page, expected(folder, "", [4, 10], 5.0))

    page.page.get_by_label("First lead time, hours").fill("9")
    page.page.get_by_label("Last lead time, hours").fill("12")
    page.page.keyboard.press("Tab")
    page.page.wait_for_selector(f"{PANEL} h2:has-text('+9 to +12 h')")
    check(page, expected(folder, "", [9, 12], 5.0))
    page.page.wait_for_function(
        "() => location.search.includes('leads=9%2C12') || location.search.includes('leads=9,12')"
    )

    page.page.get_by_label("Region", exact=True).select_option("honam")
    page.page.wait_for_selector(f"{PANEL} .sample:has-text('Honam')")
    check(page, expected(folder, "honam", [9, 12], 5.0))
    assert "land of North Jeolla; South Jeolla, Gwangju" in page.text(f"{PANEL} .sample")

    page.page.get_by_label("Region", exact=True).select_option("gangwon")
    page.page.wait_for_selector(f"{PANEL} .status.small")
    assert "Nothing was counted for Gangwon by itself" in page.text(f"{PANEL} .status")
    check(page, expected(folder, "gangwon", [9, 12], 5.0))

    page.page.get_by_role("button", name="All", exact=True).click()
    page.page.wait_for_selector(f"{PANEL} h2:has-text('+3 to +12 h')")
    page.messages.clear()
    page.page.get_by_role("tab", name="Verification").click()
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_timeout(400)
    assert [m for m in page.messages if "verification" in m] == [], "a closed tab asks nothing"


def test_hours_of_the_day_are_chosen_in_the_readers_zone_and_stay_in_the_address(
    visit: Callable, serve: Callable, case: tuple[Path, Path], folder: Path
) -> None:
    server = serve(archive=case[0], forecast=case[1], counts=folder)
    page = visit("?lead=7&threshold=1&drawer=verification&leads=3,12&language=en", url=server.url)
    page.page.wait_for_selector(f"{PANEL} .diagram")
    check(page, expected(folder, "", [3, 12], 1.0))
    page.page.locator(f"{PANEL} .daytime summary").click()
    page.page.get_by_role("button", name="06 UTC", exact=True).click()
    page.page.wait_for_selector(f"{PANEL} h2:has-text('· 06 UTC')")
    check(page, expected(folder, "", [3, 12], 1.0, [6]))
    assert page.text(f"{PANEL} .daytime summary") == "Hours of the day: 06 UTC"

    page.page.get_by_role("button", name="From 12 to 17 UTC").click()
    page.page.wait_for_selector(f"{PANEL} h2:has-text('· 06, 12–17 UTC')")
    check(page, expected(folder, "", [3, 12], 1.0, [6, *range(12, 18)]))
    page.page.wait_for_function(
        "() => new URLSearchParams(location.search).get('daytime') === '6,12,13,14,15,16,17'", timeout=10_000
    )
    again = visit(page.page.url.partition("/?")[2].join(["?", ""]).replace("=en", "=ko"), url=server.url)
    again.page.wait_for_selector(f"{PANEL} h2:has-text('· 00–02, 15, 21–23 KST')")
    pressed = again.page.locator(f"{PANEL} .daytime .hours [aria-pressed=true]")
    assert pressed.evaluate_all("all => all.map(e => e.textContent)") == ["00", "01", "02", "15", "21", "22", "23"]

    page.page.get_by_role("button", name="From 12 to 17 UTC").click()
    page.page.get_by_role("button", name="01 UTC", exact=True).click()
    page.page.get_by_role("button", name="06 UTC", exact=True).click()
    page.page.wait_for_selector(f"{PANEL} h2:has-text('· 01 UTC')")
    assert "· 0 cells, 0 with" in page.text(f"{PANEL} .sample")
    assert page.page.locator(f"{PANEL} .diagram").count() == 0
    page.page.locator(f"{PANEL} .daytime").get_by_role("button", name="All", exact=True).click()
    page.page.wait_for_selector(f"{PANEL} .diagram")
    check(page, expected(folder, "", [3, 12], 1.0))


def test_without_counts_the_archive_is_counted_and_called_small(visit: Callable) -> None:
    page = visit("?init=2022-08-08T00:00&lead=9&threshold=1&drawer=verification&leads=1,24")
    page.page.wait_for_selector(f"{PANEL} .diagram", timeout=60_000)
    assert "Only the runs of this archive" in page.text(f"{PANEL} .about")
    assert re.search(r"too small to judge by: only 1 independent period", page.text(f"{PANEL} .status"))
    assert page.page.locator(f"{PANEL} .note:visible", has_text="No intervals").count() == 1
    assert page.page.locator(f"{PANEL} .scores td small").count() == 0


def test_everything_stays_inside_a_narrow_screen(
    visit: Callable, serve: Callable, case: tuple[Path, Path], folder: Path
) -> None:
    server = serve(archive=case[0], forecast=case[1], counts=folder)
    page = visit("?lead=7&threshold=10&drawer=verification", url=server.url, width=390, height=844)
    page.page.wait_for_selector(f"{PANEL} .diagram")
    page.page.locator(f"{PANEL} summary").evaluate_all("all => all.forEach(one => one.click())")
    too_wide = page.page.locator(f"{PANEL} :is(table, svg, p, .range, .hours, h2)").evaluate_all(
        "all => all.filter(e => e.getBoundingClientRect().right > innerWidth - 12).map(e => e.className || e.tagName)"
    )
    assert too_wide == []
    assert page.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert page.page.locator(f"{PANEL} .dot.raw").is_visible()
