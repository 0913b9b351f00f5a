"""Signing in, in a real browser: below a path, under the server's content policy, with nothing from another host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import free_port


@pytest.fixture(scope="module")
def guarded(case: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that asks for a name and a password."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    (folder / "users.json").write_text(json.dumps({"kim": "rain"}))
    (folder / "s.toml").write_text(
        f'archive = "{case[0]}"\nforecast = "{case[1]}"\ncache = "cache"\nport = {port}\nprefix = "weather/rain"\n'
        'auth = "basic"\nusers = "users.json"\n'
    )
    environ = os.environ | {"SSLPDL_COOKIE_SECRET": "0123456789abcdef" * 2}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sslpdl", "app", "--config", str(folder / "s.toml")], env=environ, stderr=log
        )
    url = f"http://localhost:{port}/weather/rain/"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}health", timeout=60).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(20)


def test_sign_in_draws_the_maps_and_sign_out_ends_it(guarded: str, visit: Callable) -> None:
    page = visit("?lead=3", url=guarded, wait=False).page
    page.get_by_label("Name").fill("kim")
    page.get_by_label("Password").fill("rein")
    page.get_by_role("button").click()
    assert "wrong" in page.get_by_role("alert").inner_text()
    page.get_by_label("Name").fill("kim")
    page.get_by_label("Password").fill("rain")
    page.get_by_role("button").click()
    page.wait_for_selector(".card:not(.waiting) .map canvas")
    button = page.get_by_role("button", name="Sign out")
    assert button.get_attribute("title") == "Signed in as kim"
    button.click()
    page.wait_for_selector("text=You have signed out.")
    page.goto(guarded)
    assert page.get_by_label("Password").is_visible()
