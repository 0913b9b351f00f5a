"""A notebook as a page of ``panel serve``: the explorer shows its picture and answers, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import free_port

expect = pytest.importorskip("playwright.sync_api").expect

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "02_label_visualization"
PATIENCE = 180_000


@pytest.mark.slow
def test_the_explorer_answers_on_a_served_page(chromium: Any, started: Callable[..., None], tmp_path: Path) -> None:
    for package in ("geoviews", "hvplot", "nbconvert"):
        pytest.importorskip(package)
    shutil.copyfile(ROOT / "notebooks" / f"{NOTEBOOK}.ipynb", tmp_path / f"{NOTEBOOK}.ipynb")
    port = free_port()
    address = f"http://localhost:{port}"
    arguments = ("panel", "serve", f"{NOTEBOOK}.ipynb", f"--port={port}")
    started(*arguments, url=f"{address}/static/js/bokeh.min.js", folder=tmp_path)
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    said: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    local = (f"{address}/", "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(local) else foreign.append(request.url))
    page.goto(f"{address}/{NOTEBOOK}")

    picture = page.get_by_alt_text("Label of each class over rain")
    picture.wait_for()
    assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 500
    # a formula is drawn, not printed
    assert page.locator("mjx-container svg").count() >= 1
    assert page.get_by_text("dfrac").count() == 0

    for act in (
        lambda: page.locator(".noUi-handle").first.press("ArrowRight"),
        lambda: page.locator("select").last.select_option(label="sqrt"),
        lambda: page.locator("select").last.select_option(label="millimetres"),
    ):
        before = picture.get_attribute("src")
        act()
        # the page puts another image in its place
        expect(picture).not_to_have_attribute("src", str(before), timeout=PATIENCE)
        assert picture.evaluate("img => img.decode().then(() => img.naturalWidth)") > 500
    assert said == []
    assert foreign == []
    page.close()
