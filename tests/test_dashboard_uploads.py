"""Uploads: who may send what, how much is taken and kept, and what the visitor is told."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_dashboard_operation import SECRET, cookies, sign_in
from test_dashboard_server import Server, archive, free_port  # noqa: F401  (archive is a fixture)
from upload_helpers import kma_run

from sslpdl.dashboard import Settings, catalogue
from sslpdl.dashboard.audience import AUDIENCE
from sslpdl.dashboard.catalogue import choose, entries
from sslpdl.dashboard.service import Service
from sslpdl.dashboard.uploads import answers
from sslpdl.dashboard.uploads.batches import Receiver, kind_of, label
from sslpdl.dashboard.uploads.limits import Limits, size_of
from sslpdl.errors import ConfigError, SslpdlError

pytest.importorskip("panel")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return kma_run(tmp_path_factory.mktemp("kma"))


# ---- names and beginnings ----


def test_a_kind_is_known_by_its_first_bytes() -> None:
    assert [kind_of(start) for start in (b"CDF\x01....", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n", b"GRIB")] == [
        ".nc", ".nc", ".nc", ".h5", ".grib",
    ]  # fmt: skip
    for start in (b"", b"CDF\x03", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x89HDF", b"grib", b"GRI"):
        assert kind_of(start) == ""


def test_a_name_is_only_shown() -> None:
    assert label("C:\\data\\예보.nc") == "예보.nc"
    assert label("../../etc/passwd") == "passwd"
    assert label("a\n\x1b[31m\u202eb.nc") == "a[31mb.nc"
    assert label("/") == label("\0") == "file"
    assert len(label("x" * 4000)) == 80


# ---- what is kept ----


def kept(folder: Path, name: str, *, size: int, days: float) -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "data").write_bytes(bytes(size))
    when = time.time() - days * 86400
    os.utime(path, (when, when))
    return path


def test_what_is_old_or_too_much_goes(tmp_path: Path) -> None:
    limits = Limits(tmp_path, kept_bytes=2500, kept_days=7)
    for name, days in (("old", 8), ("used", 9), ("b", 3), ("c", 2), ("d", 1)):
        kept(tmp_path, f"{name}.zarr", size=1000, days=days)
    kept(tmp_path, ".incoming-left", size=10, days=2)
    kept(tmp_path, ".incoming-now", size=10, days=0)
    limits.tidy([tmp_path / "used.zarr"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".incoming-now", "d.zarr", "used.zarr"]
    assert size_of(tmp_path) == 2010


def test_the_folder_is_private(tmp_path: Path) -> None:
    limits = Limits(tmp_path / "a" / "uploads")
    limits.make()
    assert limits.folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="SSLPDL_UPLOAD_FOLDER"):
        Limits(tmp_path / "file" / "uploads").make()


# ---- who may send ----


def test_uploads_are_on_by_themselves_only_where_nobody_else_can_connect() -> None:
    assert Service().uploading
    assert not Service(address="10.0.0.5").uploading
    assert not Service(origins=("rain.example.kr",)).uploading, "behind a proxy"
    assert not Service(proxy=True).uploading
    assert not Service(upload=False).uploading
    assert Service(address="10.0.0.5", upload=True).uploading


def test_the_settings_of_uploads(tmp_path: Path) -> None:
    environ = {"SSLPDL_UPLOAD": "yes", "SSLPDL_UPLOAD_FOLDER": "/u", "SSLPDL_UPLOAD_MEGABYTES": "5"}
    service = Service.from_environment(environ)
    limits = Limits.of(service, Settings.from_environment({}, cache=tmp_path))
    assert (service.upload, limits.folder, limits.file_bytes) == (True, Path("/u"), 5_000_000)
    assert Limits.of(Service(), Settings.from_environment({}, cache=tmp_path)).folder == tmp_path / "uploads"
    (tmp_path / "s.yaml").write_text("upload: false\nupload_folder: up\nupload_kept_days: 2\n")
    service = Service.from_environment({}, config=tmp_path / "s.yaml")
    assert (service.upload, service.upload_folder, service.upload_kept_days) == (False, tmp_path / "up", 2)
    with pytest.raises(ConfigError, match="upload_megabytes is 0"):
        Service(upload_megabytes=0).check()
    with pytest.raises(ConfigError, match="upload_memory_megabytes is 100"):
        Service(upload_memory_megabytes=100).check()


class Visitor:
    """In place of a page's session: it keeps what it is told."""

    def __init__(self, receiver: Receiver | None, user: str = "") -> None:
        self.receiver, self.user = receiver, user
        self.gone, self.told = False, []  # type: ignore[var-annotated]

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    def last(self) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while not self.told or self.told[-1]["state"] in ("waiting", "reading"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return dict(self.told[-1])


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    limits = Limits(tmp_path / "uploads", file_bytes=6_000_000, kept_bytes=60_000_000)
    limits.make()
    return Receiver(limits)


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    """The handler on a port, in a thread with a loop of its own."""
    from bokeh.server.auth_provider import NullAuth
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application

    from sslpdl.dashboard.uploads.handler import UploadHandler

    sockets = bind_sockets(0, "127.0.0.1")
    number = int(sockets[0].getsockname()[1])
    loop = asyncio.new_event_loop()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        application = Application([(r"/upload", UploadHandler, {"receiver": receiver})])
        application.auth_provider = NullAuth()  # type: ignore[attr-defined]
        application.websocket_origins = {f"localhost:{number}"}  # type: ignore[attr-defined]
        HTTPServer(application).add_sockets(sockets)
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield number
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def post(
    port: int,
    content: bytes,
    ticket: str = "",
    *,
    name: str = "a.grib",
    origin: str | None = None,
    size: int | None = None,
    path: str = "/upload",
    more: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Origin": origin or f"http://localhost:{port}", "X-Upload-Ticket": ticket, "X-Upload-Name": name}
    headers["Content-Length"] = str(len(content) if size is None else size)
    connection.request("POST", path, content, headers | (more or {}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_file_is_sent_read_and_chosen(receiver: Receiver, port: int, good: list[Path], tmp_path: Path) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    for path in good:
        assert post(port, path.read_bytes(), ticket, name=f"..%2F..%2F{path.name}") == (200, {})
    assert answers.read(visitor, {"ticket": ticket}) == {"ahead": 0}
    last = visitor.last()
    assert (last["state"], last["runs"], last["title"]) == ("done", 1, f"{good[0].name} (+3)")
    settings = Settings.from_environment({}, folders=[receiver.limits.folder], cache=tmp_path)
    assert [entry.name for entry in entries(settings)][-1] == last["archive"]
    assert choose(settings, last["archive"]).archive.parent == receiver.limits.folder
    assert {path.name for path in receiver.limits.folder.iterdir()} == {f"{last['archive']}.zarr"}, "nothing is left"
    assert post(port, good[0].read_bytes(), ticket)[1]["problem"] == "ticket", "used up"


def test_only_a_page_of_this_server_can_send(receiver: Receiver, port: int) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    grib = b"GRIB" + bytes(60)
    for origin in ("http://evil.example", f"http://localhost:{port + 1}", "null", "http://localhost"):
        assert post(port, grib, ticket, origin=origin) == (403, {"problem": "origin", "detail": ""})
    assert post(port, grib, "x" * 32) == (403, {"problem": "ticket", "detail": ""})
    assert post(port, grib)[0] == 403
    visitor.gone = True
    assert post(port, grib, ticket)[1]["problem"] == "ticket"
    visitor.gone = False
    assert post(port, grib, ticket) == (200, {})
    other: Any = Visitor(receiver)
    assert answers.read(other, {"ticket": ticket})["refused"] == "ticket", "another's"


def test_what_is_no_forecast_is_refused_before_it_is_opened(receiver: Receiver, port: int) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    assert post(port, b"\x89PNG\r\n\x1a\n" + bytes(3_000_000), ticket, name="rain.nc") == (
        415, {"problem": "kind", "detail": ""},
    )  # fmt: skip
    assert post(port, b"", ticket)[1]["problem"] == "empty"
    assert post(port, b"GRI", ticket)[1]["problem"] == "kind"
    assert answers.read(visitor, {"ticket": ticket})["refused"] == "nothing"
    assert [path for path in receiver.limits.folder.rglob("*") if path.is_file()] == []


def test_sizes_are_limited_while_a_file_comes(receiver: Receiver, port: int) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    assert post(port, b"GRIB", ticket, size=6_000_001) == (413, {"problem": "large", "detail": "6"})
    assert post(port, b"GRIB", ticket, size=10**15)[0] == 413
    for _ in range(2):
        assert post(port, b"GRIB" + bytes(5_999_996), ticket)[0] == 200
    assert post(port, b"GRIB" + bytes(3_999_996), ticket) == (413, {"problem": "together", "detail": "15"})
    assert post(port, b"GRIB" + bytes(2_999_996), ticket)[0] == 200, "what was refused takes no room"
    assert size_of(receiver.limits.folder) == 15_000_000


def test_a_connection_that_breaks_off_leaves_nothing(receiver: Receiver, port: int) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/upload")
    for name, value in {
        "Origin": f"http://localhost:{port}",
        "X-Upload-Ticket": ticket,
        "Content-Length": "5000000",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"GRIB" + bytes(1_000_000))
    work = receiver.batch(ticket).work  # type: ignore[union-attr]
    wait(lambda: list(work.iterdir()))
    connection.close()
    wait(lambda: not list(work.iterdir()))
    answers.cancel(visitor, {})
    assert not work.exists()


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def uploaded(visitor: Any, port: int, files: list[Path]) -> str:
    ticket = answers.begin(visitor, {})["ticket"]
    for path in files:
        assert post(port, path.read_bytes(), ticket, name=path.name) == (200, {})
    answers.read(visitor, {"ticket": ticket})
    return str(visitor.last()["archive"])


def test_uploads_are_removed_by_those_whose_they_are(
    receiver: Receiver, port: int, good: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kim: Any = Visitor(receiver, "kim")
    lee: Any = Visitor(receiver, "lee")
    name = uploaded(kim, port, good[:2])
    made = receiver.limits.folder / f"{name}.zarr"
    settings = Settings.from_environment({}, folders=[receiver.limits.folder], cache=tmp_path)
    for visitor, may in ((kim, True), (lee, False)):
        visitor.settings, visitor.state = settings, SimpleNamespace(data="")
        listed = {entry["name"]: entry["removable"] for entry in catalogue.answer(visitor, {})["entries"]}
        assert listed[name] is may
        assert not any(removable for other, removable in listed.items() if other != name), "what is no upload stays"
    assert answers.remove(lee, {"name": name}) == {"refused": "gone"}
    for odd in (None, "", "../x", f"{name}.zarr", f"../uploads/{name}", "upload-20220808-000000-abcdef"):
        assert answers.remove(kim, {"name": odd}) == {"refused": "gone"}
    monkeypatch.setattr(AUDIENCE, "archives", lambda: [made])
    assert answers.remove(kim, {"name": name}) == {"refused": "used"}
    assert made.exists()
    monkeypatch.setattr(AUDIENCE, "archives", list)
    assert answers.remove(kim, {"name": name}) == {}
    assert list(receiver.limits.folder.iterdir()) == []
    assert answers.remove(kim, {"name": name}) == {"refused": "gone"}


def test_one_upload_for_a_visitor_and_few_at_once(receiver: Receiver) -> None:
    visitors: list[Any] = [Visitor(receiver) for _ in range(5)]
    tickets = [answers.begin(visitor, {}) for visitor in visitors]
    assert tickets[4] == {"refused": "busy", "detail": ""}
    again = answers.begin(visitors[0], {})["ticket"]
    assert again != tickets[0]["ticket"]
    assert receiver.batch(tickets[0]["ticket"]) is None, "the first is given up"
    receiver.leave(visitors[1])
    assert "ticket" in answers.begin(visitors[4], {})
    assert len(list(receiver.limits.folder.glob(".incoming-*"))) == 4


def test_a_bad_file_among_good_ones_is_named_and_the_next_upload_works(
    receiver: Receiver, port: int, good: list[Path]
) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    post(port, good[0].read_bytes(), ticket, name="good.gb2")
    post(port, good[1].read_bytes()[:9000], ticket, name="%EC%98%88%EB%B3%B4.gb2")
    answers.read(visitor, {"ticket": ticket})
    last = visitor.last()
    assert (last["state"], last["problem"], last["detail_kind"]) == ("failed", "unreadable", "damaged_file")
    assert "예보.gb2 is cut off" in last["detail"]
    assert list(receiver.limits.folder.iterdir()) == []
    ticket = answers.begin(visitor, {})["ticket"]
    assert post(port, good[0].read_bytes(), ticket) == (200, {})


def test_reading_is_cancelled(receiver: Receiver, port: int, good: list[Path]) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    post(port, good[0].read_bytes(), ticket)
    answers.read(visitor, {"ticket": ticket})
    assert answers.begin(visitor, {})["refused"] == "one"
    answers.cancel(visitor, {})
    assert visitor.last() == {"kind": "upload", "state": "cancelled"}
    assert list(receiver.limits.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ({}, "ticket"), ({"ticket": 3}, "ticket"), ({"init": "2022"}, "init"), ({"init": 5}, "init"),
        ({"init": "2022-08-08T00:00; rm"}, "init"), ({"covers": "a"}, "covers"), ({"covers": "1," * 200}, "covers"),
        ({"covers": [1]}, "covers"), ({"covers": "12, 12 2.5"}, "nothing"), ({"init": "2022-08-08T00:00"}, "nothing"),
    ],
)  # fmt: skip
def test_what_a_page_states_is_checked(receiver: Receiver, message: dict[str, Any], word: str) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    asked = message if word == "ticket" else {"ticket": ticket, **message}
    assert answers.read(visitor, asked)["refused"] == word


def test_a_server_without_uploads_says_so() -> None:
    visitor: Any = SimpleNamespace(receiver=None)
    for question in (answers.begin, answers.read, answers.cancel):
        with pytest.raises(SslpdlError, match="takes no files"):
            question(visitor, {"ticket": "x"})


def test_the_loop_answers_while_files_come_and_are_read(receiver: Receiver, port: int, good: list[Path]) -> None:
    visitor: Any = Visitor(receiver)
    ticket = answers.begin(visitor, {})["ticket"]
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: [post(port, path.read_bytes(), ticket) for path in good])
        slowest = 0.0
        while not sending.done():
            begun = time.monotonic()
            assert post(port, b"x", "none")[0] == 403
            slowest = max(slowest, time.monotonic() - begun)
        assert sending.result() == [(200, {})] * 4
    assert slowest < 2, "an answer waits for no whole file"


def test_who_has_not_signed_in_can_send_nothing(archive: Path, tmp_path: Path) -> None:  # noqa: F811
    number = free_port()
    (tmp_path / "users.json").write_text('{"kim": "rain & shine"}')
    (tmp_path / "s.yaml").write_text(
        f"archive: {archive}\ncache: cache\nport: {number}\nprefix: rain\nauth: basic\n"
        "users: users.json\nupload: true\n"
    )
    command = [sys.executable, "-m", "sslpdl", "app", "--config", str(tmp_path / "s.yaml")]
    server = Server(command, number, {"SSLPDL_COOKIE_SECRET": SECRET}, tmp_path / "log").wait()
    try:
        opener, _, _ = sign_in(server, "rain & shine")
        known = {"Cookie": cookies(opener)}
        at = {"path": "/rain/upload"}
        assert post(number, b"GRIB", "x", **at) == (403, {"problem": "signin", "detail": ""})
        assert post(number, b"GRIB", "x", more=known, **at) == (403, {"problem": "ticket", "detail": ""})
        foreign = post(number, b"GRIB", "x", more=known, origin="http://evil.example", **at)
        assert foreign == (403, {"problem": "origin", "detail": ""})
    finally:
        server.process.terminate()
        server.process.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert (tmp_path / "cache" / "uploads").stat().st_mode & 0o777 == 0o700
