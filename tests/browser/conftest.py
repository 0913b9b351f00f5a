"""A served page and a real Chromium; the tests skip only where there is no Chromium, and never in CI."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import write_case
from PIL import Image

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.fspath).parents:
            item.add_marker(pytest.mark.browser)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """The dashboard in a process of its own."""

    def __init__(self, folder: Path, *, service: dict[str, Any] | None = None, **settings: Any) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}/"
        self.log = folder / f"server-{self.port}.log"
        arguments = {name: value if isinstance(value, list) else str(value) for name, value in settings.items()} | {
            "cache": str(folder / "cache")
        }
        code = (
            "from sslpdl.dashboard import Settings, serve; from sslpdl.dashboard.service import Service;"
            f"service = Service(**{service or {}!r});"
            f"serve(Settings.from_environment({{}}, **{arguments!r}), port={self.port}, service=service)"
        )
        started = time.perf_counter()
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
        while True:
            try:
                urllib.request.urlopen(f"{self.url}favicon.ico", timeout=1).close()
                break
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.perf_counter() - started < 60, self.log.read_text()
                time.sleep(0.05)
        self.seconds_to_listen = time.perf_counter() - started

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(**settings: Any) -> Server:
        running.append(Server(tmp_path_factory.mktemp("server"), **settings))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def server(case: tuple[Path, Path], serve: Callable[..., Server]) -> Server:
    return serve(archive=case[0], forecast=case[1])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        assert not os.environ.get("CI"), "Chromium is missing; CI must have it (apt-get install chromium)"
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Start a server in a process of its own, without a way to the network, and end it afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, url: str, folder: Path) -> None:
        nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        environment = os.environ | nowhere | {"no_proxy": "127.0.0.1,localhost"} | {
            f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "RUNTIME")
        }  # fmt: skip
        log = tmp_path / "server.log"
        with log.open("w") as stream:
            command = [sys.executable, "-m", *arguments]
            running.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream))
        for _ in range(1200):
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=60).close()
                return
            except OSError:
                assert running[-1].poll() is None, log.read_text()
                time.sleep(0.1)
        raise AssertionError(log.read_text())

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


@dataclass
class Visit:
    """A loaded page, and everything that it said, asked for and sent."""

    page: Any
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())

    def box(self, selector: str) -> dict[str, float]:
        return dict(self.page.locator(selector).first.bounding_box())

    def ranges(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the view in map coordinates."""
        code = """() => { const m = Bokeh.documents[0].get_model_by_name("map-nwp");
            return [m.x_range.start, m.x_range.end, m.y_range.start, m.y_range.end] }"""
        left, right, bottom, top = self.page.evaluate(code)
        return left, right, bottom, top

    def pixel_of(self, name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Column and row on the screen of map coordinates, in the map called `name`."""
        left, right, bottom, top = self.ranges()
        box = self.box(f"[data-map={name}] .map")
        column = box["x"] + (np.asarray(x) - left) / (right - left) * box["width"]
        row = box["y"] + (top - np.asarray(y)) / (top - bottom) * box["height"]
        return np.floor(column).astype(int), np.floor(row).astype(int)

    def screen(self) -> np.ndarray:
        """The pixels of the window, shape (rows, columns, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))

    def settle(self) -> None:
        """Wait until what has been asked for is painted."""
        self.page.evaluate(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 60))))"
        )

    def bare(self) -> None:
        """Take away lines and labels, so that only the classes are left."""
        self.page.evaluate(
            """() => { for (const name of ["nwp", "probability", "qpe", "extra"]) {
                const map = Bokeh.documents[0].get_model_by_name("map-" + name);
                if (!map) continue; // the fourth map, where it was not wanted
                for (const r of map.renderers)
                    if (r.glyph.type !== "Image") r.setv({visible: false}, {sync: false});
                map.background_fill_color = map.border_fill_color = "#ffffff";
            } }"""
        )
        self.page.locator(".labels, .scale, .map-buttons").evaluate_all(
            "all => all.forEach(e => e.style.display = 'none')"
        )
        self.settle()


@pytest.fixture
def visit(chromium: Any, server: Server) -> Iterator[Callable[..., Visit]]:
    """Open the page; at the end no error may have been logged and nothing asked of another host."""
    visits: list[Visit] = []

    def go(
        query: str = "", *, width: int = 1400, height: int = 900, url: str | None = None, wait: bool = True
    ) -> Visit:
        page = chromium.new_page(viewport={"width": width, "height": height})
        visit = Visit(page)
        visits.append(visit)
        page.on("console", lambda m: visit.errors.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        local = ("http://localhost:", "http://127.0.0.1:", "blob:", "data:")
        page.on("request", lambda r: None if r.url.startswith(local) else visit.foreign.append(r.url))

        def listen(socket: Any) -> None:
            socket.on("framesent", lambda payload: visit.messages.append(f"sent {payload!r:.2000}"))
            socket.on("framereceived", lambda payload: visit.messages.append(f"received {payload!r:.2000}"))

        page.on("websocket", listen)
        page.goto((url or server.url) + query)
        if wait:
            page.wait_for_selector(".card:not(.waiting) .map canvas")
            page.wait_for_selector(".segments button")
            page.wait_for_timeout(300)
            visit.settle()
        return visit

    yield go
    for one in visits:
        one.page.close()
    assert [one.errors for one in visits] == [[] for _ in visits]
    assert [one.foreign for one in visits] == [[] for _ in visits]
