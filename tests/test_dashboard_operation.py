"""Operation: who may connect and sign in, ``/health``, hostile addresses, and the end of a server."""

from __future__ import annotations

import asyncio
import http.cookiejar
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from operation_helpers import SECRET, write
from test_dashboard_server import Server, archive, free_port  # noqa: F401  (archive is a fixture)

from sslpdl.dashboard import Settings, State

pytest.importorskip("panel")


# ---- a server with sign-in, below a path ----


@pytest.fixture(scope="module")
def guarded(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    """The page at /rain/, for those who can sign in."""
    folder = tmp_path_factory.mktemp("guarded")
    port = free_port()
    write(folder / "users.json", '{"kim": "rain & shine"}')
    config = write(
        folder / "sslpdl.yaml",
        f"archive: {archive}\ncache: cache\nport: {port}\nprefix: rain\nauth: basic\nusers: users.json\n"
        "origins: [rain.example.kr]\nadmin: true\n",
    )
    command = [sys.executable, "-m", "sslpdl", "app", "--config", str(config)]
    server = Server(command, port, {"SSLPDL_COOKIE_SECRET": SECRET}, folder / "log").wait()
    yield server
    server.process.terminate()
    server.process.wait(20)


def browser() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))


def sign_in(server: Server, password: str) -> tuple[urllib.request.OpenerDirector, str, str]:
    """Return a browser, the address that it ends at, and the page."""
    opener = browser()
    opener.open(f"http://localhost:{server.port}/rain/", timeout=60).read()
    form = urllib.parse.urlencode({"username": "kim", "password": password}).encode()
    with opener.open(f"http://localhost:{server.port}/rain/login", form, timeout=60) as answer:
        return opener, answer.geturl(), answer.read().decode()


def cookies(opener: urllib.request.OpenerDirector) -> str:
    jar = next(h.cookiejar for h in opener.handlers if isinstance(h, urllib.request.HTTPCookieProcessor))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def test_who_has_not_signed_in_gets_the_sign_in_page_from_this_server(guarded: Server) -> None:
    with browser().open(f"http://localhost:{guarded.port}/rain/", timeout=60) as answer:
        text = answer.read().decode()
        assert urllib.parse.urlsplit(answer.geturl()).path == "/rain/login"
    assert 'name="password"' in text
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", text), "nothing from another host"
    _, address, text = sign_in(guarded, "sunshine")
    assert "/rain/login" in address
    assert "Name or password is wrong" in text
    with browser().open(f"http://localhost:{guarded.port}/rain/login?error=<b>x", timeout=60) as answer:
        assert "<b>x" not in answer.read().decode()


def test_who_signs_in_gets_the_page_and_is_in_the_log(guarded: Server) -> None:
    opener, address, text = sign_in(guarded, "rain & shine")
    assert urllib.parse.urlsplit(address).path == "/rain/"
    assert "<title>SSLPDL" in text
    with opener.open(f"http://localhost:{guarded.port}/rain/logout", timeout=60) as answer:
        assert "로그아웃" in answer.read().decode()
    assert "kim opens the page." in guarded.log.read_text()


@pytest.mark.parametrize(
    ("variables", "said", "leads_to"),
    [
        ({"login_endpoint": "/login", "errormessage": ""}, "비밀번호", 'action="./login"'),
        ({"errormessage": ""}, "비밀번호", 'action="./login"'),  # of an OAuth provider that asks for a password
        ({"LOGIN_ENDPOINT": "/login"}, "You have signed out", 'href="./login"'),
        ({"error": "401", "error_msg": "not <b>you</b>"}, "not &lt;b&gt;you&lt;/b&gt;", 'href="./"'),
    ],
)
def test_one_page_signs_in_says_good_bye_and_refuses(
    root: Path, variables: dict[str, str], said: str, leads_to: str
) -> None:
    from panel.io.resources import parse_template

    page = parse_template((root / "sslpdl" / "dashboard" / "static" / "sign_in.html").read_text())
    text = page.render(**variables)
    assert said in text
    assert leads_to in text
    assert ('name="password"' in text) == ("errormessage" in variables)


def connect(server: Server, token: str, origin: str, cookie: str) -> tuple[int, list[dict[str, Any]]]:
    """Open a WebSocket as a browser does; return 101 and the head of its first message, or the status of a refusal."""
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import websocket_connect

    async def work() -> tuple[int, list[dict[str, Any]]]:
        headers = {"Origin": origin, "Cookie": cookie}
        request = HTTPRequest(f"ws://localhost:{server.port}/rain/ws", headers=headers, request_timeout=60)
        try:
            socket = await websocket_connect(request, subprotocols=["bokeh", token])
        except HTTPClientError as error:
            return error.code, []
        first = await asyncio.wait_for(socket.read_message(), 60)
        socket.close()
        return 101, [json.loads(first)] if first else []

    with ThreadPoolExecutor(1) as pool:  # the browser tests' Playwright keeps a loop running in the main thread
        return pool.submit(asyncio.run, work()).result()


def test_a_websocket_needs_a_known_origin_and_a_signed_in_visitor(guarded: Server) -> None:
    opener, _, text = sign_in(guarded, "rain & shine")
    match = re.search(r'"token":"([^"]+)"', text)
    assert match is not None
    token, cookie, here = match.group(1), cookies(opener), f"http://localhost:{guarded.port}"
    for foreign in ("http://evil.example", "https://evil.rain.example.kr", f"{here}1", "null", "http://localhost"):
        assert connect(guarded, token, foreign, cookie)[0] == 403, foreign
    status, messages = connect(guarded, token, here, cookie)
    assert (status, messages[0]["msgtype"]) == (101, "ACK")
    assert connect(guarded, token, "https://rain.example.kr", cookie)[0] == 101
    status, messages = connect(guarded, token, here, "")
    assert messages == [], "without a cookie nothing is said"
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    assert connect(guarded, forged, here, cookie)[1] == [], "an invented session is refused"


def test_the_admin_page_needs_a_visitor_who_has_signed_in(guarded: Server) -> None:
    with browser().open(f"http://localhost:{guarded.port}/rain/admin", timeout=60) as answer:
        assert "/rain/login" in answer.geturl()
    opener, _, _ = sign_in(guarded, "rain & shine")
    with opener.open(f"http://localhost:{guarded.port}/rain/admin", timeout=60) as answer:
        assert urllib.parse.urlsplit(answer.geturl()).path == "/rain/admin"


def test_health_needs_no_sign_in_and_every_answer_is_guarded(guarded: Server) -> None:
    content: dict[str, Any] = {}
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://localhost:{guarded.port}/rain/health", timeout=60) as answer:
                content, headers = json.load(answer), answer.headers
                break
        except urllib.error.HTTPError as error:
            assert (error.code, json.load(error)["status"]) == (503, "starting")
            time.sleep(0.1)
    assert content.keys() == {"status", "version", "archive", "runs", "latest_run", "model", "uptime"}
    assert (content["status"], content["runs"], content["latest_run"]) == ("ok", 1, "2022-08-08T00:00Z")
    assert "/" not in content["archive"], "no paths for strangers"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(f"http://localhost:{guarded.port}/rain/nothing", timeout=60)
    assert missing.value.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_health_says_when_the_archive_is_away(archive: Path, tmp_path: Path) -> None:  # noqa: F811
    import shutil

    from sslpdl.dashboard.health import health

    status, content = health(Settings.from_environment({}, archive=tmp_path / "none.zarr"))
    assert (status, content["status"]) == (503, "unavailable")
    assert "there is no archive" in content["problem"]
    moving = Settings.from_environment({}, archive=shutil.copytree(archive, tmp_path / "moving.zarr"))
    assert health(moving)[0] == 200
    shutil.rmtree(moving.archive)
    assert health(moving)[0] == 503


# ---- panel serve ----


def test_panel_serve_has_health_as_a_plugin(archive: Path, root: Path, tmp_path: Path) -> None:  # noqa: F811
    port = free_port()
    command = [sys.executable, "-m", "panel", "serve", str(root / "app"), "--port", str(port)]
    command += ["--plugins", "sslpdl.dashboard.health"]
    environ = {"SSLPDL_ARCHIVE": str(archive), "SSLPDL_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    server = Server(command, port, environ, tmp_path / "log").wait()
    try:
        for _ in range(100):
            try:
                assert json.loads(server.get("/health")[1])["runs"] == 1
                break
            except urllib.error.HTTPError:
                time.sleep(0.1)
        else:
            pytest.fail(server.log.read_text())
    finally:
        server.process.terminate()
        server.process.wait(20)


def test_panel_serve_refuses_sign_in_without_a_secret(root: Path) -> None:
    command = [sys.executable, "-m", "panel", "serve", str(root / "app"), "--port", str(free_port())]
    run = subprocess.run(
        [*command, "--basic-auth", "rain"], env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 2, run.stderr
    assert "sslpdl: authentication is on but there is no secret" in run.stderr
    assert "Traceback" not in run.stderr


# ---- the end ----

STARTS_A_CHILD = """
import subprocess, sys
from sslpdl.dashboard import Settings, server
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
server.serve(Settings.from_environment(), int(sys.argv[1]))
"""


def test_sigterm_ends_the_server_and_what_it_started(archive: Path, tmp_path: Path) -> None:  # noqa: F811
    environ = {"SSLPDL_ARCHIVE": str(archive), "SSLPDL_CACHE_DIR": str(tmp_path)}
    port = free_port()
    server = Server([sys.executable, "-c", STARTS_A_CHILD, str(port)], port, environ, tmp_path / "log").wait()
    server.get("/")
    child = int(server.log.read_text().split()[0])
    server.process.terminate()
    assert server.process.wait(20) == 0
    assert "SSLPDL stops." in server.log.read_text()
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child of the server lives on")


# ---- hostile addresses ----

HOSTILE = [
    "init=%00", "init='%20OR%201=1--", "init=2022-08-08T00:00%0d%0aSet-Cookie:a=b", "init=../../../etc/passwd",
    "init=9999999999", "lead=-1", "lead=1e400", "lead=%F0%9F%8C%A7", "lead=%ff%fe", "lead=" + "9" * 3000,
    "threshold=nan", "threshold=<script>alert(1)</script>", "region=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "palette={{7919*7907}}", "palette=${7919*7907}", "language=__proto__", "theme=dark%22onload=%22x",
    "drawer=</script><b>",
    "panels=" + "a," * 900, "overlays=,,,,", "view=nan,nan,nan", "view=1e309,0,0", "point=126,91",
    "leads=36,-1",
    "data=..%2F..%2Fetc%2Fpasswd", "bokeh-session-id=abc", "__class__=x&constructor=y", "&=&=&&%&%zz",
]  # fmt: skip


@pytest.fixture(scope="module")
def plain(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: F811
    folder = tmp_path_factory.mktemp("plain")
    port = free_port()
    environ = {"SSLPDL_ARCHIVE": str(archive), "SSLPDL_CACHE_DIR": str(folder)}
    server = Server([sys.executable, "-m", "sslpdl", "app", "--port", str(port)], port, environ, folder / "log")
    yield server.wait()
    server.process.terminate()
    server.process.wait(20)


def test_hostile_addresses_give_the_page_or_a_refusal(plain: Server) -> None:
    for query in HOSTILE:
        try:
            _, text = plain.get(f"/?{urllib.parse.quote(query, safe='=&%')}")
        except urllib.error.HTTPError as error:
            assert error.code in (400, 403, 404), query
            text = error.read().decode()
        for word in ("Traceback", "<script>alert", "<img", "</script><b>", 'onload="x', "62615533", "Set-Cookie:a"):
            assert word not in re.sub(r'"token":"[^"]*"|[0-9a-f-]{36}|\?v=[0-9a-f]+', "", text), (query, word)
    log = plain.log.read_text()
    assert "Traceback" not in log, log


NAMES = ["init", "lead", "threshold", "region", "palette", "language", "theme", "drawer", "panels", "overlays", "view",
         "point", "hours", "leads", "daytime", "data", "x", "", "__class__"]  # fmt: skip
PIECES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["nan", "inf", "-0", "1e999", "2022-08-08T00:00", "%00", "126,37,1", "<b>", "٣", "a,b", ",", "_"]),
    st.integers().map(str),
    st.floats().map(str),
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), st.lists(PIECES, max_size=4).map(",".join)), max_size=8)


@profile(max_examples=2000, deadline=None)
@given(PAIRS, st.booleans())
def test_two_thousand_addresses_give_a_state_that_exists(pairs: list[tuple[str, str]], quoted: bool) -> None:
    query = urllib.parse.urlencode(pairs) if quoted else "&".join(f"{name}={value}" for name, value in pairs)
    runs, leads = ["2022-08-07T12:00", "2022-08-08T00:00"], [3, 6, 9]
    state = State.from_query(query).clamp(init_times=runs, lead_times=leads, thresholds=[0.1, 1.0], regions=["jeju"])
    assert state.init_time in runs
    assert state.lead_time in leads
    assert state.threshold in (0.1, 1.0)
    assert state.language in ("", "en", "ko")
    assert state.theme in ("", "light", "dark")
    words = [state.region, state.palette, state.drawer, state.data, *state.panels, *state.overlays]
    assert all(re.fullmatch(r"[a-z0-9_.:-]*", word) for word in words), "no word can leave an attribute or a path"
    assert State.from_query(state.to_query()).to_query() == state.to_query()


def test_the_service_has_room_for_the_page_and_an_upload() -> None:
    from sslpdl.dashboard.service import Service

    unit = (Path(__file__).parents[1] / "deploy" / "sslpdl.service").read_text()
    (limit,) = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("MemoryMax=")]
    assert limit.endswith("G")
    assert int(limit[:-1]) * 2**30 >= 2 * 2**30 + Service().upload_memory_megabytes * 10**6
