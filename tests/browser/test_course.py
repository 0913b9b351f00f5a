"""A notebook in JupyterLab, and the page of an exported explorer: sliders must answer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import free_port

PlaywrightTimeout = pytest.importorskip("playwright.sync_api").TimeoutError

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "02_label_visualization.ipynb"
PATIENCE = 180_000


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of one notebook, where JupyterLab may save what it runs."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copyfile(ROOT / "notebooks" / NOTEBOOK, folder / NOTEBOOK)
    return folder


def _tab(chromium: Any, url: str) -> tuple[Any, list[str]]:
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    foreign: list[str] = []
    local = ("http://localhost:", "http://127.0.0.1:", "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(local) else foreign.append(request.url))
    page.goto(url)
    return page, foreign


def _run_all(page: Any) -> None:
    """Run all cells; again while none is busy: JupyterLab drops what is asked before the kernel is connected."""
    taken = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[(\*|1)\]"))
    page.locator(".jp-StatusBar-TextItem", has_text="| Idle").wait_for()
    for _ in range(20):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        try:
            taken.first.wait_for(state="attached", timeout=PATIENCE / 20)
            return
        except PlaywrightTimeout:
            continue
    raise AssertionError("no cell was run")


@pytest.mark.slow
def test_the_explorer_answers_in_jupyterlab(chromium: Any, started: Callable[..., None], course: Path) -> None:
    pytest.importorskip("jupyterlab")
    port = free_port()
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=", "--ServerApp.root_dir=."]
    options.append("--LabApp.news_url=")
    started("jupyterlab", *options, url=f"http://127.0.0.1:{port}/api", folder=course)
    page, foreign = _tab(chromium, f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK}?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    _run_all(page)
    picture = page.locator(".widget-image, .jupyter-widgets img").first
    picture.wait_for(state="attached")
    picture.scroll_into_view_if_needed()
    before = picture.get_attribute("src")
    page.locator(".widget-dropdown select").last.select_option("sqrt")
    page.wait_for_function(
        "before => document.querySelector('.widget-image, .jupyter-widgets img').src !== before", arg=before
    )
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert foreign == []
    page.close()


def test_an_exported_explorer_answers_without_a_kernel(chromium: Any, tmp_path: Path) -> None:
    from sslpdl.plots import Picture
    from sslpdl.plots.still import player
    from sslpdl.plots.style import png

    one, two = png(Picture(figsize=(1, 1))), png(Picture(figsize=(2, 1)))
    shown = player({"a": [("0", one), ("1", two)], "b": [("x", one), ("y", two)]}, starts={"a": 0, "b": 0}, alt="p")
    path = tmp_path / "page.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8>{shown.data}", encoding="utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    wide = "() => document.querySelector('img').naturalWidth === 2 * document.querySelector('img').naturalHeight"
    said = lambda: [" ".join(text.split()) for text in page.locator("label").all_inner_texts()]  # noqa: E731
    assert said() == ["a 0", "b x"]
    page.locator("input").nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(wide)
    assert said() == ["a 1", "b x"]
    page.locator("input").nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert said() == ["a 0", "b y"], "one control at a time"
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => !({wide})()")
    page.close()
