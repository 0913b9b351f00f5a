"""The page in a real Chromium: start, first paint, steps to pixels, messages; beside an empty page.

The peer of a step is the usual way: a slider whose callback on the server sends three class images to Bokeh figures.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = tuple[str, str, str, str]

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
_REPEATS, _STEPS = 5, 30

_PEER = """
import numpy as np, panel as pn
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
rng = np.random.default_rng(0)
frames = rng.integers(0, 20, (3, 36, 224, 128)).astype("uint8")
def page():
    sources = [ColumnDataSource({"image": [frames[k, 0]]}) for k in range(3)]
    plots = [figure(width=440, height=600) for _ in sources]
    for plot, source in zip(plots, sources):
        plot.image("image", x=0, y=0, dw=128, dh=224, palette="Turbo256", source=source)
    slider = pn.widgets.IntSlider(end=35, name="lead")
    def move(event):
        for k, source in enumerate(sources):
            source.data = {"image": [frames[k, event.new]]}
    slider.param.watch(move, "value")
    return pn.Column(slider, pn.Row(*map(pn.pane.Bokeh, plots)))
pn.serve({"/": page, "/empty": lambda: pn.pane.Str("")}, port=PORT, show=False)
"""

_CANVAS = """const canvas = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.tagName === "CANVAS") return e;
    const found = e.shadowRoot && canvas(e.shadowRoot); if (found) return found; } };
const picture = () => { const c = canvas(document);
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let h = 0; for (let i = 0; i < d.length; i += 41) h = (h * 31 + d[i]) | 0; return h; };
const frame = () => new Promise(requestAnimationFrame);"""

# from the key to the first frame after the picture has changed
_STEP = (
    "async ([steps, ours]) => {"
    + _CANVAS
    + """const models = [...Bokeh.documents[0]._all_models.values()];
const slider = ours ? null : models.find(m => m.type.endsWith("Slider"));
const times = [];
for (let k = 1; k <= steps; k++) {
    const before = picture();
    await new Promise(r => setTimeout(r, 60));
    const start = performance.now();
    if (ours) document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    else slider.value = slider.value_throttled = k;
    do await frame(); while (picture() === before && performance.now() - start < 3000);
    await frame();
    times.push(performance.now() - start);
}
return times; }"""
)


def measure(root: Path) -> Iterator[Row]:
    """Yield rows of (what, figure, peer, ratio)."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        yield "page", "no Chromium", "", ""
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        ours = [sys.executable, "-m", "sslpdl", "app", "--port"]
        with (
            _served(ours, folder, root) as (url, listening),
            _served(_peer(), folder, root) as (other, listening_other),
        ):
            yield _row("page server listening", listening, "empty Panel server", listening_other)
            first = _seconds_to(browser, url, ".card:not(.waiting) .map canvas")
            first_bare = _seconds_to(browser, f"{other}empty", ".bk-panel-models-markup-HTML")
            _wait_for_forecast(browser, url)
            drawn = [_seconds_to(browser, url, ".card:not(.waiting) .map canvas") for _ in range(_REPEATS)]
            bare = [_seconds_to(browser, f"{other}empty", ".bk-panel-models-markup-HTML") for _ in range(_REPEATS)]
            yield _row("page, first visit: maps drawn", first, "empty Panel page", first_bare)
            yield _row("page, later: maps drawn", statistics.median(drawn), "empty Panel page", statistics.median(bare))
            page, sent = _listen(browser, url)
            page.wait_for_selector(".card:not(.waiting) .map canvas")
            page.wait_for_timeout(2000)
            page.keyboard.press("Home")
            sent.clear()
            times = page.evaluate(_STEP, [_STEPS, True])
            messages = len(sent)
            page.close()
            page, _ = _listen(browser, other)
            page.wait_for_selector("canvas")
            page.wait_for_timeout(2000)
            peer = page.evaluate(_STEP, [_STEPS, False])
            yield _row(
                "page, time step to pixels",
                statistics.median(times) / 1e3,
                "step by the server",
                statistics.median(peer) / 1e3,
            )
            yield "page, messages in 30 steps", str(messages), "", ""
        browser.close()


def _row(what: str, ours: float, name: str, peer: float) -> Row:
    figure = f"{ours:.2f} s" if ours >= 0.5 else f"{1e3 * ours:.0f} ms"
    return what, figure, f"{name} {peer:.2f} s" if peer >= 0.5 else f"{name} {1e3 * peer:.0f} ms", f"{peer / ours:.1f}x"


def _peer() -> list[str]:
    return [sys.executable, "-c", _PEER]


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until_listening(process: subprocess.Popen[Any], port: int, start: float, reason: Callable[[], str]) -> float:
    """Wait until a server listens, and return the seconds since its start.

    Raises
    ------
    RuntimeError
        If it ends, or does not listen within a minute, with the reason.
    """
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return time.perf_counter() - start
        except OSError:
            if process.poll() is not None or time.perf_counter() - start > 60:
                raise RuntimeError(f"the server did not start: {reason()}") from None
            time.sleep(0.005)


@contextmanager
def _served(command: list[str], folder: str, root: Path) -> Iterator[tuple[str, float]]:
    """Run a server and yield its address and the seconds until it listened."""
    port = free_port()
    scripted = command[1] == "-c"
    command = [*command[:2], command[2].replace("PORT", str(port))] if scripted else [*command, str(port)]
    start = time.perf_counter()
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=root, env=os.environ | {"SSLPDL_CACHE_DIR": folder}, **quiet)
    try:
        yield f"http://localhost:{port}/", until_listening(process, port, start, lambda: " ".join(command))
    finally:
        process.terminate()
        process.wait(20)


def _seconds_to(browser: Any, url: str, selector: str) -> float:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(selector, state="attached")
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def _wait_for_forecast(browser: Any, url: str) -> None:
    """Leave the processor to the model until its probabilities are there."""
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(".card:not(.waiting)")
    page.wait_for_function(
        """() => !/Computing/.test(
        Bokeh.documents[0].roots().map(r => Bokeh.index.find_one(r)?.container?.textContent ?? "").join())""",
        timeout=300_000,
    )
    page.close()


def _listen(browser: Any, url: str) -> tuple[Any, list[Any]]:
    """Open a page and count what goes over its WebSocket."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    seen: list[Any] = []

    def watch(web_socket: Any) -> None:
        web_socket.on("framesent", lambda payload: seen.append(payload))
        web_socket.on("framereceived", lambda payload: seen.append(payload))

    page.on("websocket", watch)
    page.goto(url)
    return page, seen
