"""The page as a forecaster meets it, in a real Chromium, beside the limits that it is built to.

    make bench-app                                        all of it; ten minutes are the soak
    python benchmarks/bench_app.py --soak-minutes 1       a short one
    python benchmarks/bench_app.py --soak-minutes 0       without the soak

Each figure is the median of its repeats, from the key or the click to the first frame after the picture has changed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from soak_app import FLAGS, MAPS, ROOT, Served, memory_of_sessions, served, soak, warm

sys.path.insert(0, str(ROOT))

Row = tuple[str, str, str]
_REPEATS, _STEPS = 5, 30

# the canvases of the maps lie in shadow roots; a change is one in a few strips of them, which are quick to read
_COMMON = """
const canvases = []; const look = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.tagName === "CANVAS" && e.width > 100) canvases.push(e); if (e.shadowRoot) look(e.shadowRoot); } };
look(document);
const strip = (c, at) => c.getContext("2d").getImageData(0, Math.floor(c.height * at), c.width, 4).data;
const picture = () => { let h = 0; for (const c of canvases) for (const at of [0.3, 0.42, 0.55]) {
    const d = strip(c, at);
    for (let i = 0; i < d.length; i += 12) h = (h * 31 + d[i] + 7 * d[i + 1]) | 0; } return h; };
const frame = () => new Promise(requestAnimationFrame);
const pause = (ms) => new Promise((r) => setTimeout(r, ms));
"""


def _timed(arguments: str, values: str, act: str) -> str:
    """Return a script that acts with each value and says after how many milliseconds a frame had another picture."""
    return (
        f"async ({arguments}) => {{{_COMMON} const times = []; for (const value of {values}) {{"
        "const before = picture(); await pause(60); const start = performance.now();"
        f"{act}"
        "do await frame(); while (picture() === before && performance.now() - start < 3000);"
        "await frame(); times.push(performance.now() - start); } return times; }"
    )


_KEYS = _timed("keys", "keys", 'document.dispatchEvent(new KeyboardEvent("keydown", { key: value, bubbles: true }));')
# each field comes from the server when a map shows it for the first time
_FIELDS = ("slp", "t_850", "rh_850", "u_850", "gph_500", "t_2m", "rh_500", "v_850", "t_500")
_CONTENT = _timed(
    "[select, values]",
    "values",
    'select.value = value; select.dispatchEvent(new Event("change", { bubbles: true }));',
)
_PLAY = (
    "async (seconds) => {"
    + _COMMON
    + """document.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
const start = performance.now(); let [changes, last] = [0, picture()];
while (performance.now() - start < 1000 * seconds) {
    await frame();
    const now = picture();
    if (now !== last) { changes += 1; last = now; }
}
document.dispatchEvent(new KeyboardEvent("keydown", { key: " ", bubbles: true }));
return changes / seconds; }"""
)
# from the click to the last change in the tab within a second
_METEOGRAM = """([left, top]) => new Promise((resolve) => {
    const find = (root, id) => { for (const e of root.querySelectorAll("*")) { if (e.id === id) return e;
        const found = e.shadowRoot && find(e.shadowRoot, id); if (found) return found; } };
    let last = null; const start = performance.now();
    const watch = new MutationObserver(() => requestAnimationFrame(() => { last = performance.now() - start; }));
    watch.observe(find(document, "panel-point"), { childList: true, subtree: true, attributes: true });
    let target = document.elementFromPoint(left, top);
    while (target.shadowRoot?.elementFromPoint(left, top)) {
        const inner = target.shadowRoot.elementFromPoint(left, top); if (inner === target) break; target = inner; }
    const at = { clientX: left, clientY: top, bubbles: true, composed: true, button: 0, pointerId: 1, isPrimary: true };
    for (const type of ["pointerdown", "pointerup"]) target.dispatchEvent(new PointerEvent(type, at));
    target.dispatchEvent(new MouseEvent("click", at));
    setTimeout(() => { watch.disconnect(); resolve(last); }, 1000); })"""

_COMPUTED = """() => { const text = (root) => [...root.querySelectorAll("*")].map((e) =>
    e.shadowRoot ? text(e.shadowRoot) : e.classList?.contains("notice") && !e.hidden ? e.textContent : "").join();
    return !/Computing/.test(text(document)); }"""


def start_rows(folder: Path) -> Iterator[Row]:
    """Time servers until they listen and answer."""
    listening, answering = [], []
    for _ in range(_REPEATS):
        with served(folder) as server:
            listening.append(server.seconds_to_listen)
            answering.append(server.seconds_to_answer)
    yield "server start to listening", _seconds(listening), "1.5 s"
    yield "server start to the first answer", _seconds(answering), ""


def page_rows(browser: Any, server: Served) -> Iterator[Row]:
    """Time what a forecaster does."""
    painted = []
    for _ in range(_REPEATS):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        start = time.perf_counter()
        page.goto(server.url, wait_until="commit")
        page.wait_for_selector(MAPS)
        page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
        painted.append(time.perf_counter() - start)
        page.close()
    yield "first paint of a warm server, maps drawn", _seconds(painted), "1.5 s"

    page, messages = _watched(browser, server.url)
    page.keyboard.press("Home")
    page.wait_for_timeout(500)
    messages.clear()
    times = page.evaluate(_KEYS, ["ArrowRight"] * _STEPS)
    yield "time step, to pixels (224×128)", _milliseconds(times), "50 ms"
    yield f"messages in {_STEPS} steps", str(len(messages)), "0"
    speed = page.locator("select", has=page.locator("option[value='20']")).first
    speed.select_option("20")
    messages.clear()
    page.keyboard.press("Home")
    frames = page.evaluate(_PLAY, 4)
    yield "frames a second when playing", f"{frames:.1f}", "≥ 15 (20 asked for)"
    yield "messages while playing", str(len(messages)), "0"
    page.evaluate(_KEYS, ["Home", *["ArrowRight"] * 11])
    times = page.evaluate(_KEYS, ["ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"] * 5)
    yield "change of threshold, to pixels", _milliseconds(times), "150 ms"
    select = page.locator("[data-map=nwp] select").element_handle()
    times = page.evaluate(_CONTENT, [select, list(_FIELDS)])
    yield "change of what a map shows, to pixels", _milliseconds(times), "150 ms"
    times = page.evaluate(_CONTENT, [select, list(_FIELDS)])
    yield "the same, fields that were shown before", _milliseconds(times), "150 ms"
    yield from _point_row(page)
    page.close()


def _point_row(page: Any) -> Iterator[Row]:
    """Time a click until the tab of the point has changed for the last time, if the page has such a tab."""
    tab = page.locator("#tab-point")
    if not tab.count():
        yield "click to meteogram", "the page has no such tab", "250 ms"
        return
    tab.click()
    page.wait_for_timeout(1000)
    box = page.locator("[data-map=nwp] .map").bounding_box()
    places = [
        (box["x"] + box["width"] * u, box["y"] + box["height"] * v) for u, v in np.linspace(0.35, 0.6, 14).reshape(7, 2)
    ]
    times = [page.evaluate(_METEOGRAM, list(place)) for place in places]
    found = [value for value in times if value is not None]
    yield "click to meteogram", _milliseconds(found) if found else "the tab did not change", "250 ms"


def large_row(browser: Any, folder: Path) -> Iterator[Row]:
    """Time steps on the grid of KMA's radar composite."""
    archive = folder / "hsr.zarr"
    write_large(archive)
    with served(folder, "--archive", str(archive)) as server:
        page, _ = _watched(browser, server.url)
        times = page.evaluate(_KEYS, ["ArrowRight", "ArrowLeft"] * 10)
        page.close()
    yield "2305×2881 QPE grid, step to pixels", _milliseconds(times), "300 ms"


def write_large(path: Path) -> None:
    """Write three hours of moving rain on 2881 x 2305 cells."""
    from sslpdl.archive import ArchiveWriter
    from sslpdl.grid import HSR_500M as GRID

    init, leads = np.datetime64("2022-08-08T00"), [1, 2, 3]
    rows, columns = np.mgrid[0 : GRID.shape[0], 0 : GRID.shape[1]].astype("float32")
    rain = np.stack(
        [30 * np.exp(-(((rows - 1300 - 80 * k) / 260) ** 2)) * (1 + np.sin(columns / 70 + k)) for k in leads]
    ).astype("float32")
    rain[rain < 0.5] = 0
    with ArchiveWriter.create(
        path, grid=GRID, channels=["rain"], lead_time=leads, mask=np.ones(GRID.shape, bool), qpe_window=1.0,
        attrs={"title": "Rain on the grid of the radar composite", "synthetic": "true"},
    ) as writer:  # fmt: skip
        writer.write_run(init, rain[:, None])
        writer.write_qpe(init + np.array(leads, "timedelta64[h]"), rain[:, ::-1])


def _watched(browser: Any, url: str) -> tuple[Any, list[Any]]:
    """Open the page, and list what goes over its WebSocket once it is there."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(180_000)
    messages: list[Any] = []

    def watch(web_socket: Any) -> None:
        for event in ("framesent", "framereceived"):
            web_socket.on(event, lambda message: messages.append(message))

    page.on("websocket", watch)
    page.goto(url)
    page.wait_for_selector(MAPS)
    page.wait_for_timeout(2500)
    return page, messages


def visitor_rows(folder: Path, minutes: float) -> Iterator[Row]:
    """Measure what visitors cost the server."""
    with served(folder) as server:
        asyncio.run(warm(server))
        each = asyncio.run(memory_of_sessions(server))
        yield "each further session, server memory", f"{each:.1f} MB", "5 MB"
        if not minutes:
            return
        result = asyncio.run(soak(server, minutes))
    name = f"24 clients and Chromium for {minutes:g} min"
    yield f"{name}: growth after they close", f"{result.after - result.before:.0f} MB", "50 MB"
    yield f"{name}: p95 of {result.changes} changes", f"{1e3 * result.p95:.0f} ms", "300 ms"
    yield f"{name}: median of a change", f"{1e3 * result.median:.0f} ms", ""
    yield f"{name}: memory before, at most, after", f"{result.before:.0f}, {result.most:.0f}, {result.after:.0f} MB", ""


def rows(minutes: float) -> Iterator[Row]:
    """Measure everything."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from start_rows(folder)
        if chromium is None:
            yield "all that needs a browser", "there is no Chromium", ""
        else:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                with served(folder) as server:
                    page, _ = _watched(browser, server.url)
                    page.wait_for_function(_COMPUTED)
                    page.close()
                    yield from page_rows(browser, server)
                yield from large_row(browser, folder)
                browser.close()
        yield from visitor_rows(folder, minutes)


def _seconds(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s"


def _milliseconds(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ms"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soak-minutes", type=float, default=10.0)
    options = parser.parse_args()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load before it began {load}\n")
    print("| what | measured | at most |\n| --- | --- | --- |")
    for what, figure, limit in rows(options.soak_minutes):
        print(f"| {what} | {figure} | {limit} |", flush=True)


if __name__ == "__main__":
    main()
