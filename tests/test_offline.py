"""Without any network but loopback, as on an agency's closed one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = """
import socket, subprocess, sys, time, urllib.request
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)  # an address kept for documentation: no route may lead there
    sys.exit("there is a network")
except OSError:
    pass
server = subprocess.Popen([sys.executable, "-m", "sslpdl", "app", "--port", "5017"])
try:
    for _ in range(300):
        try:
            page = urllib.request.urlopen("http://127.0.0.1:5017/", timeout=60).read().decode()
            break
        except OSError:
            assert server.poll() is None, "the server has stopped"
            time.sleep(0.2)
    assert "SSLPDL" in page
    scripts = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert scripts and not [source for source in scripts if source.startswith("http")], scripts
    print("served offline")
finally:
    server.terminate()
    server.wait(20)
"""


def _isolated(*command: str) -> list[str]:
    return ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$0" "$@"', *command]


def _can_isolate() -> bool:
    try:
        return subprocess.run(_isolated("true"), capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _can_isolate(), reason="this machine gives no network namespace (unshare -rn)")
def test_the_page_is_served_without_a_network(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    done = subprocess.run(
        _isolated(sys.executable, str(script)),
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "SSLPDL_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert "served offline" in done.stdout, done.stderr
