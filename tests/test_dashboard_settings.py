"""Settings of the page from arguments, environment and file, and what would be unsafe in them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from operation_helpers import SECRET, write
from test_dashboard_server import free_port

from sslpdl.dashboard import Settings
from sslpdl.dashboard.service import Service
from sslpdl.errors import ConfigError

pytest.importorskip("panel")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.yaml", "archive: data/a.zarr\nview: lead=3\nport: 5080\norigins: [rain.example.kr]\nadmin: true\n"),
        (
            "s.toml",
            'archive = "data/a.zarr"\nview = "lead=3"\nport = 5080\norigins = ["rain.example.kr"]\nadmin = true',
        ),
    ],
)
def test_arguments_go_before_the_environment_before_the_file(tmp_path: Path, name: str, text: str) -> None:
    config = write(tmp_path / name, text)
    settings, service = Settings.from_environment({}, config=config), Service.from_environment({}, config=config)
    assert settings.archive == tmp_path / "data" / "a.zarr", "paths of a file are relative to it"
    assert settings.view == "lead=3"
    assert (service.port, service.origins, service.admin, service.address) == (
        5080, ("rain.example.kr",), True, "127.0.0.1",
    )  # fmt: skip
    environ = {"SSLPDL_CONFIG": str(config), "SSLPDL_PORT": "5081", "SSLPDL_ORIGINS": "a:1, b:2", "SSLPDL_ADMIN": "no"}
    service = Service.from_environment(environ)
    assert (service.port, service.origins, service.admin) == (5081, ("a:1", "b:2"), False)
    assert Service.from_environment(environ, port=5082).port == 5082
    environ = {"SSLPDL_CONFIG": str(config), "SSLPDL_ARCHIVE": "/b.zarr"}
    assert Settings.from_environment(environ).archive == Path("/b.zarr")
    assert Settings.from_environment(environ, archive="/c.zarr").archive == Path("/c.zarr")


def test_a_path_of_a_file_may_begin_at_home(tmp_path: Path) -> None:
    config = write(tmp_path / "s.yaml", "cache: ~/c\nusers: /etc/u.json")
    assert Settings.from_environment({}, config=config).cache == Path.home() / "c"
    assert Service.from_environment({}, config=config).users == Path("/etc/u.json")


def test_every_setting_is_in_the_documents_with_its_default(root: Path) -> None:
    page = (root / "docs" / "operation.md").read_text()
    rows = {
        row[0].strip("` "): row for row in (line[1:-1].split("|") for line in page.splitlines() if line[:3] == "| `")
    }
    for item in (*dataclasses.fields(Settings), *dataclasses.fields(Service)):
        if item.name in ("cookie_secret", "oauth_secret"):
            assert f"`SSLPDL_{item.name.upper()}`" in page
            continue
        assert f"`SSLPDL_{item.name.upper()}" in rows[item.name][2] or item.name == "cache", item.name
        if isinstance(item.default, int | str) and item.name in ("port", "address", "auth"):
            assert rows[item.name][3].strip() == str(item.default)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("s.yaml", "adress: 0.0.0.0", "'adress' is unknown.*'?address"),
        ("s.yaml", "port: '80'", "port is '80', give a whole number"),
        ("s.yaml", "port: true", "port is True"),
        ("s.yaml", "origins: a:1", "origins is 'a:1', give a list"),
        ("s.yaml", "archive: 3", "archive is 3, give a text"),
        ("s.yaml", "cookie_secret: abc", "belongs into the environment .SSLPDL_COOKIE_SECRET"),
        ("s.yaml", "- a\n- b", "holds no settings"),
        ("s.yaml", "a: [", "not valid YAML"),
        ("s.toml", "port 5006", "not valid TOML"),
        ("s.yaml", 'archive: "a\\0b"', "NUL"),
    ],
)
def test_a_file_that_is_wrong_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    config = write(tmp_path / name, text)
    with pytest.raises(ConfigError, match=said):
        Settings.from_environment({"SSLPDL_CONFIG": str(config)})


def test_a_file_that_is_missing_is_said_and_an_empty_one_is_fine(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        Service.from_environment({}, config=tmp_path / "nowhere.yaml")
    assert Service.from_environment({}, config=write(tmp_path / "s.yaml", "# nothing")) == Service()


@pytest.mark.parametrize("variable", ["SSLPDL_PORT=x", "SSLPDL_ADMIN=maybe", "SSLPDL_OAUTH_EXTRA_PARAMS=[]"])
def test_a_variable_that_is_wrong_is_said(variable: str) -> None:
    name, value = variable.split("=")
    with pytest.raises(ConfigError, match=name):
        Service.from_environment({name: value})


def test_origins_are_written_as_a_browser_sends_them() -> None:
    service = Service.from_environment({}, origins=["Rain.Example.KR:443", "10.0.0.5:8080", "[::1]:5006", "a:80"])
    assert service.origins == ("rain.example.kr", "10.0.0.5:8080", "[::1]:5006", "a")
    for wrong in ("*", "*.example.kr", "https://rain.example.kr", "a/b", "", "a b", "a:b"):
        with pytest.raises(ConfigError, match="origin"):
            Service.from_environment({}, origins=[wrong])


def test_only_names_of_this_machine_are_origins_by_default() -> None:
    assert Service(port=5006).allowed_origins == ["127.0.0.1:5006", "localhost:5006"]
    assert "10.0.0.5:5006" in Service(address="10.0.0.5").allowed_origins
    everywhere = Service(address="0.0.0.0", origins=("rain.example.kr",))
    assert everywhere.allowed_origins == ["127.0.0.1:5006", "localhost:5006", "rain.example.kr"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"port": 0}, "port is 0"),
        ({"prefix": "a b"}, "prefix"),
        ({"prefix": "../x"}, "prefix"),
        ({"address": "0.0.0.0"}, "listens everywhere"),
        ({"address": "::"}, "listens everywhere"),
        ({"address": ""}, "listens everywhere"),
        ({"address": "0.0.0.0", "origins": ("a:1",)}, None),
        ({"address": "10.0.0.5", "admin": True}, "admin page would be open"),
        ({"admin": True}, None),
        ({"auth": "ldap"}, "give none, basic or oauth"),
        ({"auth": "basic"}, "no secret to sign cookies"),
        ({"auth": "oauth"}, "no secret to sign cookies"),
        ({"auth": "basic", "cookie_secret": "short"}, "shorter than 32"),
        ({"auth": "basic", "cookie_secret": SECRET}, "no file of users"),
        ({"auth": "basic", "cookie_secret": SECRET, "users": Path("/nowhere.json")}, "cannot be read"),
        ({"auth": "oauth", "cookie_secret": SECRET}, "SSLPDL_OAUTH_PROVIDER is not set"),
        ({"auth": "oauth", "cookie_secret": SECRET, "oauth_provider": "x", "oauth_key": "k"}, "SSLPDL_OAUTH_SECRET"),
    ],
)
def test_what_would_be_unsafe_is_refused(values: dict[str, Any], said: str | None) -> None:
    if said is None:
        Service(**values).check()
        return
    with pytest.raises(ConfigError, match=said):
        Service(**values).check()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kim": 1}', '{"kim": ""}', "kim:secret"])
def test_a_file_of_users_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    users = write(tmp_path / "users.json", text)
    with pytest.raises(ConfigError, match="file of users"):
        Service(auth="basic", cookie_secret=SECRET, users=users).check()


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(Service(cookie_secret=SECRET, oauth_secret=SECRET))


def refused(arguments: list[str], **environ: str) -> str:
    """Return what a command says that must end at once with one sentence."""
    run = subprocess.run(
        [sys.executable, "-m", "sslpdl", "app", "--port", str(free_port()), *arguments],
        env=os.environ | environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 2, run.stderr
    assert run.stderr.startswith("sslpdl: ")
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    users = write(tmp_path / "users.json", '{"kim": "rain"}')
    said = refused(["--auth", "basic", "--users", str(users)])
    assert "no secret to sign cookies" in said
    assert "openssl rand" in said
    assert "BOKEH_ALLOW_WS_ORIGIN" in refused([], BOKEH_ALLOW_WS_ORIGIN="*")
    assert "cannot be served on 192.0.2.1" in refused(["--address", "192.0.2.1"])
    oauth = {"SSLPDL_COOKIE_SECRET": SECRET, "SSLPDL_OAUTH_SECRET": "s", "SSLPDL_OAUTH_KEY": "k"}
    assert "'githob' is unknown" in refused(["--auth", "oauth", "--oauth-provider", "githob"], **oauth)
