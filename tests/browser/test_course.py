"""A notebook in JupyterLab, and the page of an exported explorer: sliders must answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import free_port

playwright = pytest.importorskip("playwright.sync_api")
PlaywrightTimeout, expect = playwright.TimeoutError, playwright.expect

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "02_label_visualization.ipynb"
PATIENCE = 180_000


MAPS = """\
from sslpdl import open_archive, teaching
from sslpdl.grid import Grid
from sslpdl.plots import RAIN, interactive

interactive.notebook()
archive = open_archive(teaching.sample_archive())
rain = archive["fields"].sel(channel="rain")
interactive.browse(rain, grid=Grid.from_dataset(archive), palette=RAIN, start={"lead_time": 12})
"""


@pytest.fixture
def lab(chromium: Any, started: Callable[..., None], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a notebook in a JupyterLab that is set up as ``make lab`` does; nothing may be asked of another host."""
    pytest.importorskip("jupyterlab")
    pages: list[Any] = []
    foreign: list[str] = []

    def go(notebook: Any) -> Any:
        nbformat.write(notebook, tmp_path / "notebook.ipynb")
        port = free_port()
        options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=", "--notebook-dir=."]
        options.append(f"--LabApp.app_settings_dir={ROOT / 'notebooks' / '.jupyterlab'}")
        started("jupyterlab", *options, url=f"http://127.0.0.1:{port}/api", folder=tmp_path)
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        pages.append(page)
        page.set_default_timeout(PATIENCE)
        local = ("http://localhost:", "http://127.0.0.1:", "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(local) else foreign.append(request.url))
        page.goto(f"http://127.0.0.1:{port}/lab/tree/notebook.ipynb?reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        return page

    yield go
    for page in pages:
        assert page.get_by_text("Jupyter news").count() == 0
        assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        page.close()
    assert foreign == []


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
def test_the_explorer_answers_in_jupyterlab(lab: Callable[..., Any]) -> None:
    page = lab(nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4))
    _run_all(page)
    picture = page.locator(".widget-image, .jupyter-widgets img").first
    picture.wait_for(state="attached")
    picture.scroll_into_view_if_needed()
    scale = page.locator(".widget-dropdown select").last
    for act in (
        lambda: page.locator(".widget-slider .noUi-handle").nth(3).press("ArrowRight"),
        lambda: scale.select_option("sqrt"),
        lambda: scale.select_option("millimetres"),
    ):
        before = picture.get_attribute("src")
        act()
        expect(picture).not_to_have_attribute("src", str(before), timeout=PATIENCE)
    page.wait_for_timeout(500)  # what the kernel answers must not undo the choice
    assert scale.input_value() == "millimetres"


@pytest.mark.slow
def test_the_maps_answer_in_jupyterlab(lab: Callable[..., Any]) -> None:
    for package in ("geoviews", "hvplot"):
        pytest.importorskip(package)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    page = lab(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(MAPS)], metadata=kernel))
    _run_all(page)
    canvas = page.locator(".jp-OutputArea .bk-Canvas canvas").first
    canvas.wait_for()
    handles = page.locator(".jp-OutputArea .noUi-handle")
    assert handles.count() == 2
    seen = [_settled(canvas)]
    for handle in (0, 1):
        handles.nth(handle).press("ArrowRight")
        for _ in range(PATIENCE // 200):
            if canvas.screenshot() != seen[-1]:
                break
            page.wait_for_timeout(200)
        seen.append(_settled(canvas))
    assert len(set(seen)) == 3, "another picture after each move"


def _settled(canvas: Any) -> bytes:
    """Return what a canvas shows once it has not changed for a second, the pointer away from it."""
    canvas.page.mouse.move(0, 0)
    before = b""
    while (now := canvas.screenshot()) != before:
        before = now
        canvas.page.wait_for_timeout(1000)
    return bytes(now)


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


def test_an_exported_page_is_no_wider_than_a_telephone(chromium: Any, tmp_path: Path) -> None:
    from sslpdl.plots import Picture
    from sslpdl.plots.style import png
    from sslpdl.teaching.site import _body, page

    text = "# 1 · T\n\n$$" + " + ".join(f"x_{{{i}}}" for i in range(30)) + "$$\n\n"
    text += f"| a | b |\n|---|---|\n| {'wide' * 20} | {'wider' * 20} |\n\nSee `{'a_long_name' * 9}`."
    picture = base64.b64encode(png(Picture(figsize=(12, 2)))).decode("ascii")
    output = nbformat.v4.new_output("display_data", {"image/png": picture})
    code = nbformat.v4.new_code_cell("x = " + "1 + " * 60 + "1", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), code])
    path = tmp_path / "page.html"
    path.write_text(page(notebook, _body(notebook), around=(None, None)), encoding="utf-8")
    narrow = chromium.new_page(viewport={"width": 390, "height": 800})
    narrow.goto(path.as_uri())
    assert narrow.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert narrow.get_by_role("img").last.bounding_box()["width"] > 500, "figures stay legible, and scroll"
    narrow.close()
