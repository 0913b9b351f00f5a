"""Visitors who stay: scripted WebSocket clients that ask for another run every few seconds, beside one real Chromium.

    python benchmarks/soak_app.py [--minutes 10] [--clients 24]

It starts a server of its own on the sample case and says how much memory it holds after all have gone, and how long a
change took from the question to the last byte of the answer.  A change is in turn another run and another field of a
map; a threshold is chosen in the browser and costs the server nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from page import FLAGS, free_port, until_listening

ROOT = Path(__file__).resolve().parents[1]
MAPS = ".card:not(.waiting) .map canvas"
_PAUSE = 5.0
# Bokeh forgets an abandoned session after 15 s and looks every 17 s
_SECONDS_TO_FORGET = 45.0


@dataclass
class Served:
    """A running server."""

    url: str
    pid: int
    seconds_to_listen: float
    seconds_to_answer: float

    def memory(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run `sslpdl app` on a free port of this machine."""
    port = free_port()
    command = [sys.executable, "-m", "sslpdl", "app", "--port", str(port), *arguments]
    environ = os.environ | {"SSLPDL_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with (folder / f"server-{port}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log)
    try:
        listening = until_listening(process, port, start, lambda: Path(log.name).read_text())
        url = f"http://localhost:{port}/"
        urllib.request.urlopen(f"{url}favicon.ico", timeout=60).close()
        yield Served(url, process.pid, listening, time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url: str) -> None:
    """Wait until the archive is open."""
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}health", timeout=60).close()
            return
        except urllib.error.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the archive was not opened within two minutes")


@dataclass
class Client:
    """What a browser says over the wire, without a browser."""

    url: str
    seconds: list[float] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    _socket: Any = None
    _root: str = ""
    _shown: tuple[str, str] = ("", "")
    _asked: int = 0

    async def open(self) -> None:
        """Load the page and take over its session."""
        from tornado.httpclient import AsyncHTTPClient, HTTPRequest
        from tornado.websocket import websocket_connect

        page = (await AsyncHTTPClient().fetch(self.url, request_timeout=120)).body.decode()
        match = re.search(r'"token":"([^"]+)"', page)
        assert match is not None, page[:500]
        request = HTTPRequest(
            self.url.replace("http", "ws", 1) + "ws",
            headers={"Origin": self.url.rstrip("/")},
            connect_timeout=120,
            request_timeout=120,
        )
        self._socket = await websocket_connect(
            request, subprotocols=["bokeh", match.group(1)], max_message_size=2**28, ping_interval=0
        )
        await self._until('"msgtype": "ACK"')
        await self._send("PULL-DOC-REQ", {})
        document = json.loads(await self._until('"PULL-DOC-REPLY"'))
        viewer = next(r for r in document["doc"]["roots"] if r["attributes"].get("name") == "viewer")
        self._root = viewer["id"]
        self.runs = _entry(viewer, "init_times")
        self.fields = [name for name, _ in _entry(viewer, "inputs")["entries"]]
        self._shown = _entry(_entry(viewer, "start"), "init_time"), ""
        await self._send("PATCH-DOC", _event("document_ready"))

    async def change(self) -> None:
        """Ask for another run or another field, by turns, and wait for all of it."""
        start = time.perf_counter()
        if len(self.seconds) % 2:
            await self.show_field(_other(self.fields, self._shown[1]))
        else:
            await self.open_run(_other(self.runs, self._shown[0]))
        self.seconds.append(time.perf_counter() - start)

    async def open_run(self, run: str) -> None:
        """Ask for a run, which is not the one that is shown: the server would have nothing to send."""
        self._shown = run, self._shown[1]
        await self._say({"init_time": run, "lead": 0}, f'["init_time","{run}"]')

    async def show_field(self, name: str) -> None:
        """Ask for a field of the run that is shown."""
        self._shown = self._shown[0], name
        await self._ask("field", name=name, run=self._shown[0])

    async def computed(self, run: str) -> bool:
        """Ask for a run, for which the server waits some seconds, and return whether its probabilities are there."""
        return '["status","computing"]' not in await self._ask("run", run=run)

    async def _ask(self, kind: str, **message: str) -> str:
        self._asked += 1
        return await self._say({"kind": kind, "id": self._asked} | message, f'["id",{self._asked}]')

    async def _say(self, message: dict[str, Any], answer: str) -> str:
        """Send a message of the viewer, and return the answer, which has this text, when all of it is there."""
        data = {"type": "map", "entries": list(map(list, message.items()))}
        await self._send("PATCH-DOC", _event("data_event", [["model", {"id": self._root}], ["data", data]]))
        return await self._until('"PATCH-DOC"', answer)

    def close(self) -> None:
        """Leave as a closed browser does."""
        self._socket.close()

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        header = {"msgid": os.urandom(16).hex(), "msgtype": kind}
        for part in (header, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def _until(self, kind: str, text: str = "") -> str:
        """Read messages up to one of this kind with this text, and return its content."""
        while True:
            header = await self._read()
            await self._read()
            content = str(await self._read())
            for _ in range(2 * json.loads(header).get("num_buffers", 0)):
                await self._read()
            if kind in header and text in content:
                return content

    async def _read(self) -> Any:
        message = await asyncio.wait_for(self._socket.read_message(), 120)
        if message is None:
            raise RuntimeError("the server has closed the connection")
        return message


def _other(values: list[str], shown: str) -> str:
    """Return any value but the one that is shown."""
    return random.choice([value for value in values if value != shown])


def _entry(value: Any, name: str) -> Any:
    """Return what a document of Bokeh's holds under a name, in a model or at whatever depth of its maps."""
    if isinstance(value, dict):
        pairs = value["entries"] if value.get("type") == "map" else value.get("attributes", {}).items()
        for key, held in pairs:
            found = held if key == name else _entry(held, name)
            if found is not None:
                return found
    return None


def _event(name: str, entries: list[Any] | None = None) -> dict[str, Any]:
    values = {"type": "map"} | ({"entries": entries} if entries else {})
    data = {"type": "event", "name": name, "values": values}
    return {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data}]}


async def visit(url: str, seconds: float) -> Client:
    """Stay for so long, with a change every five seconds."""
    client = Client(url)
    await client.open()
    end = time.monotonic() + seconds
    await asyncio.sleep(random.uniform(0, _PAUSE))
    while time.monotonic() < end:
        start = time.monotonic()
        await client.change()
        await asyncio.sleep(max(0.0, _PAUSE - (time.monotonic() - start)))
    client.close()
    return client


async def browse(url: str, seconds: float) -> int:
    """Let a real Chromium play and change the run for so long; return the number of its changes."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return 0
    from playwright.async_api import async_playwright

    changes = 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        await page.goto(url)
        await page.wait_for_selector(MAPS, timeout=120_000)
        await page.keyboard.press(" ")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await page.keyboard.press("[" if changes % 2 else "]")
            changes += 1
            await page.wait_for_selector(MAPS, timeout=120_000)
            await asyncio.sleep(_PAUSE)
        await browser.close()
    return changes


async def memory_of_sessions(server: Served, sessions: int = 20) -> float:
    """Return the memory of the server for each further session, in MB."""
    first = [Client(server.url) for _ in range(5)]
    for client in first:
        await client.open()
    before = server.memory()
    clients = [Client(server.url) for _ in range(sessions)]
    for client in clients:
        await client.open()
        await client.change()
    await asyncio.sleep(2)
    each = (server.memory() - before) / sessions
    for client in first + clients:
        client.close()
    return each


@dataclass
class Soaked:
    """What a soak has shown: memory in MB, times of a change in seconds."""

    before: float
    most: float
    after: float
    changes: int
    median: float
    p95: float
    by_chromium: int


async def soak(server: Served, minutes: float, clients: int = 24) -> Soaked:
    """Let all visitors come, stay and go.

    Before it is measured a round of visitors comes and goes, so that what the server keeps once (code, runs in memory,
    threads) is not taken for growth.
    """
    await asyncio.gather(*(visit(server.url, 4 * _PAUSE) for _ in range(clients)))
    await asyncio.sleep(_SECONDS_TO_FORGET)
    before = most = server.memory()
    tasks = [asyncio.ensure_future(visit(server.url, 60 * minutes)) for _ in range(clients)]
    chromium = asyncio.ensure_future(browse(server.url, 60 * minutes))
    while not all(task.done() for task in (*tasks, chromium)):
        most = max(most, server.memory())
        await asyncio.sleep(1)
    seconds = sorted(s for task in tasks for s in task.result().seconds)
    await asyncio.sleep(_SECONDS_TO_FORGET)
    return Soaked(
        before=before,
        most=most,
        after=server.memory(),
        changes=len(seconds),
        median=statistics.median(seconds),
        p95=seconds[int(0.95 * (len(seconds) - 1))],
        by_chromium=chromium.result(),
    )


async def warm(server: Served) -> None:
    """Have the probabilities of every run computed, so that no model runs while visitors are watched."""
    wait_until_ready(server.url)
    client = Client(server.url)
    await client.open()
    for run in client.runs:
        while not await client.computed(run):
            pass
    client.close()


def main() -> None:
    """Print what a soak has shown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--folder", type=Path, help="keep computed probabilities here: the next soak begins sooner")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(options.folder or Path(name)) as server:
        asyncio.run(warm(server))
        result = asyncio.run(soak(server, options.minutes, options.clients))
    print(f"memory   {result.before:.0f} MB before, {result.most:.0f} at most, {result.after:.0f} after all had gone")
    print(f"change   median {1e3 * result.median:.0f} ms, p95 {1e3 * result.p95:.0f} ms, {result.changes} changes")
    print(f"Chromium {result.by_chromium} changes")


if __name__ == "__main__":
    main()
