"""The server: what it lets in, what it asks for, and how it answers bad addresses.  No browser is needed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sslpdl.archive import ArchiveWriter
from sslpdl.grid import KOREA_5KM

pytest.importorskip("panel")
GRID = KOREA_5KM.crop(100, 40, (20, 30), name="small")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("server") / "a.zarr"
    with ArchiveWriter.create(
        path,
        grid=GRID,
        channels=["rain"],
        lead_time=[1, 2],
        mask=np.ones(GRID.shape, bool),
        attrs={"title": "<i>T</i>"},
    ) as writer:
        writer.write_run(np.datetime64("2022-08-08T00"), np.ones((2, 1, 20, 30)))
    return path


class Server:
    """A command that serves pages, and the address of its page."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str], log: Path) -> None:
        self.port, self.log = port, log
        with log.open("w") as out:
            self.process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)

    def wait(self) -> Server:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def get(self, path: str = "/") -> tuple[str, str]:
        """Return the final address and the text."""
        with urllib.request.urlopen(f"http://localhost:{self.port}{path}", timeout=60) as response:
            return response.geturl(), response.read().decode()

    def handshake(self, origin: str) -> int:
        """Return the status with which a WebSocket of this origin is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            lines = [
                "GET /ws HTTP/1.1",
                f"Host: localhost:{self.port}",
                f"Origin: {origin}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                f"Sec-WebSocket-Protocol: bokeh, {self.token()}",
            ]
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            return int(connection.recv(64).split()[1])

    def token(self) -> str:
        match = re.search(r'"token":"([^"]+)"', self.get()[1])
        assert match is not None
        return match.group(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def servers(archive: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """`sslpdl app` and `panel serve app/`, with the archive of the test and no model."""
    folder = tmp_path_factory.mktemp("logs")
    settings = {"SSLPDL_ARCHIVE": str(archive), "SSLPDL_CACHE_DIR": str(folder)}
    ports = {"sslpdl": free_port(), "panel": free_port()}
    commands = {
        "sslpdl": ["-m", "sslpdl", "app", "--port", str(ports["sslpdl"])],
        "panel": ["-m", "panel", "serve", str(root / "app"), "--port", str(ports["panel"])],
    }
    started = {
        name: Server([sys.executable, *command], ports[name], settings, folder / f"{name}.log")
        for name, command in commands.items()
    }
    yield {name: server.wait() for name, server in started.items()}
    for server in started.values():
        server.process.terminate()
        server.process.wait(20)


@pytest.mark.parametrize("name", ["sslpdl", "panel"])
def test_the_page_needs_nothing_from_elsewhere(servers: dict[str, Server], name: str) -> None:
    address, text = servers[name].get("/")
    assert address.startswith(f"http://localhost:{servers[name].port}/")
    assert "<title>SSLPDL · &lt;i&gt;T&lt;/i&gt;</title>" in text, "names from data are text"
    asked = re.findall(r"(?:src|href)=[\"']?(?:https?:)?//[^\"' >]+", text)
    assert asked == []


def test_foreign_origins_are_refused(servers: dict[str, Server]) -> None:
    server = servers["sslpdl"]
    assert server.handshake("http://evil.example") == 403
    assert server.handshake(f"http://localhost:{server.port + 1}") == 403
    assert server.handshake(f"http://localhost:{server.port}") == 101
    assert server.handshake(f"http://127.0.0.1:{server.port}") == 101


def test_only_this_machine_can_connect(servers: dict[str, Server]) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((str(address), servers["sslpdl"].port), timeout=2)


def test_a_port_in_use_is_said(archive: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "sslpdl", "app", "--port", str(taken.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 2
    assert "choose another --port" in run.stderr
    assert "Traceback" not in run.stderr


BAD = [
    "init=%00", "init=99999999999", "init=2022-08-08T00:00%0d%0aX:1", "lead=-1", "lead=1e400", "lead=%F0%9F%8C%A7",
    "threshold=nan", "threshold=<script>alert(1)</script>", "region=../../etc/passwd", "palette=%22%3E%3Cimg%3E",
    "a=" + "b" * 3000, "&".join(f"x{i}=1" for i in range(200)), "lead=1&lead=2&lead=x", "%", "=&=&=", "lead=%ff%fe",
]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_bad_addresses_give_the_page(servers: dict[str, Server], query: str) -> None:
    _, text = servers["sslpdl"].get(f"/?{urllib.parse.quote(query, safe='=&%')}")
    assert "Traceback" not in text
    assert "<script>alert" not in text
    assert "cannot show" not in text


def test_what_is_missing_is_said_on_the_page(tmp_path: Path) -> None:
    from sslpdl.dashboard import Settings
    from sslpdl.dashboard.page import create

    page = create(Settings.from_environment({}, archive=tmp_path / "nowhere.zarr"))
    assert "there is no archive at" in page._render_variables["problem"]
    assert page._render_variables["korean"] == "설정된 경로에 자료가 없습니다."
    (tmp_path / "empty.zarr").mkdir()
    page = create(Settings.from_environment({}, archive=tmp_path / "empty.zarr"))
    assert "empty.zarr" in page._render_variables["problem"]
