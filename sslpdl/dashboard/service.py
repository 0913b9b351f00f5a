"""How the page is served: where it listens, who may connect and sign in; checked before anything is opened."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sslpdl.dashboard.config_file import read_config
from sslpdl.errors import ConfigError

__all__ = ["Service", "cookie_secret", "refuse_missing_secret"]

_ORIGIN = re.compile(r"(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", re.ASCII)
_SHORTEST_SECRET = 32
_COUNTS = (
    "port", "upload_megabytes", "upload_seconds", "upload_memory_megabytes", "upload_kept_megabytes",
    "upload_kept_days",
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """How one dashboard is served; each attribute is a key of the settings file and ``SSLPDL_NAME`` in the environment.

    Attributes
    ----------
    port, address : int, str
        Where to listen; by default only this machine can connect.
    origins : tuple of str
        ``HOST:PORT`` under which browsers may use the page besides this machine's own names; never ``*``.
    prefix : str
        Path below which the page lies, as behind a proxy: ``rain``.
    proxy : bool
        Take the visitor's address and scheme from the headers of a proxy in front.
    admin : bool
        Serve Panel's page on sessions and load at ``/admin``.
    auth : {"none", "basic", "oauth"}
        How visitors sign in.
    users : Path or None
        For basic authentication: JSON file of user names and passwords.
    oauth_provider, oauth_key, oauth_redirect_uri, oauth_extra_params
        For OAuth, as Panel wants them.
    oauth_secret, cookie_secret : str
        From the environment only; a cookie secret is needed wherever visitors sign in.
    upload : bool or None
        Whether visitors may send files to be read; by default only where this machine alone can connect, see
        `uploading`.
    upload_folder : Path or None
        Private folder of what they have sent; in the cache by default.
    upload_megabytes, upload_seconds, upload_memory_megabytes : int
        Largest file; time and memory of the process that reads the files of one upload.
    upload_kept_megabytes, upload_kept_days : int
        How much is kept, and how long.
    """

    port: int = 5006
    address: str = "127.0.0.1"
    origins: tuple[str, ...] = ()
    prefix: str = ""
    proxy: bool = False
    admin: bool = False
    auth: str = "none"
    users: Path | None = None
    oauth_provider: str = ""
    oauth_key: str = ""
    oauth_redirect_uri: str = ""
    oauth_extra_params: Mapping[str, str] = field(default_factory=dict)
    oauth_secret: str = field(default="", repr=False)
    cookie_secret: str = field(default="", repr=False)
    upload: bool | None = None
    upload_folder: Path | None = None
    upload_megabytes: int = 256
    upload_seconds: int = 600
    upload_memory_megabytes: int = 3072
    upload_kept_megabytes: int = 4096
    upload_kept_days: int = 7

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] | None = None, *, config: str | os.PathLike[str] | None = None, **arguments: Any
    ) -> Service:
        """Return the service: an argument that is not None goes before its environment variable, that before the file.

        Parameters
        ----------
        environ : mapping, optional
            The environment; that of this process by default.
        config : path, optional
            Settings file (``SSLPDL_CONFIG``).
        **arguments
            Attributes.

        Raises
        ------
        ConfigError
            If a value cannot be read; call `check` for what does not go together.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = dict(read_config(config, environ))
        for item in fields(cls):
            variable = f"SSLPDL_{item.name.upper()}"
            if text := environ.get(variable, "").strip():
                values[item.name] = _read(variable, text, item.name)
            if arguments.get(item.name) is not None:
                values[item.name] = arguments[item.name]
        chosen = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        chosen["origins"] = tuple(_origin(origin) for origin in chosen.get("origins", ()))
        chosen["prefix"] = chosen.get("prefix", "").strip("/")
        chosen["cookie_secret"] = cookie_secret(environ)
        return cls(**chosen)

    @property
    def local(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            return self.address == "localhost"

    @property
    def uploading(self) -> bool:
        """Whether files are taken: as the setting says, else where nobody but this machine's own users can connect."""
        if self.upload is not None:
            return self.upload
        # behind a proxy the page listens on this machine only, but is open to others
        return self.local and not self.origins and not self.proxy

    @property
    def allowed_origins(self) -> list[str]:
        """``HOST:PORT`` of the pages that may open a WebSocket."""
        names = {"localhost", "127.0.0.1"}
        if not self._everywhere:
            names.add(f"[{self.address}]" if ":" in self.address else self.address)
        return [*(f"{name}:{self.port}" for name in sorted(names)), *self.origins]

    @property
    def _everywhere(self) -> bool:
        try:
            return ipaddress.ip_address(self.address or "0.0.0.0").is_unspecified
        except ValueError:
            return False

    def check(self) -> None:
        """Refuse what would be open to the wrong people, or cannot work.

        Raises
        ------
        ConfigError
            With what to do about it.
        """
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}, give a number from 1 to 65535.")
        for name in _COUNTS[1:]:
            # the readers themselves take about a gigabyte of address space
            least = 1500 if name == "upload_memory_megabytes" else 1
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}, give a number from {least} on.")
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise ConfigError(f"prefix is {self.prefix!r}, give a path such as rain or weather/rain.")
        if self._everywhere and not self.origins:
            raise ConfigError(
                f"address {self.address or '0.0.0.0'} listens everywhere, so say under which names browsers may use "
                f"the page: --origin rain.example.kr:{self.port}."
            )
        if self.auth not in ("none", "basic", "oauth"):
            raise ConfigError(f"auth is {self.auth!r}, give none, basic or oauth.")
        if self.auth == "none":
            if self.admin and not self.local:
                raise ConfigError(
                    "the admin page would be open to everyone who can reach this machine; switch on auth, listen on "
                    "127.0.0.1, or leave admin off."
                )
            return
        refuse_missing_secret(self.cookie_secret)
        if self.auth == "basic":
            _check_users(self.users)
        elif missing := [name for name in ("provider", "key", "secret") if not getattr(self, f"oauth_{name}")]:
            raise ConfigError(f"auth is oauth, but SSLPDL_OAUTH_{missing[0].upper()} is not set.")


def cookie_secret(environ: Mapping[str, str]) -> str:
    """Return the secret that signs cookies, by our name for it, Bokeh's or Panel's."""
    names = ("SSLPDL_COOKIE_SECRET", "BOKEH_COOKIE_SECRET", "PANEL_COOKIE_SECRET")
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")


def refuse_missing_secret(secret: str) -> None:
    """Raise `ConfigError` if there is no secret, or one that can be guessed: anyone could forge a visitor's cookie."""
    advice = "`export SSLPDL_COOKIE_SECRET=$(openssl rand -hex 32)`"
    if not secret:
        raise ConfigError(f"authentication is on but there is no secret to sign cookies with; set one: {advice}.")
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigError(f"the cookie secret is shorter than {_SHORTEST_SECRET} characters; set another: {advice}.")


def _read(variable: str, text: str, name: str) -> Any:
    """Return the value that the text of an environment variable stands for."""
    if name in _COUNTS:
        if not (text.isascii() and text.isdigit()):
            raise ConfigError(f"{variable} is {text!r}, give a whole number.")
        return int(text)
    if name in ("proxy", "admin", "upload"):
        if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
            raise ConfigError(f"{variable} is {text!r}, give true or false.")
        return text.lower() in ("1", "true", "yes")
    if name == "origins":
        return [part.strip() for part in text.split(",") if part.strip()]
    if name == "oauth_extra_params":
        return _mapping(variable, text)
    return Path(text).expanduser() if name in ("users", "upload_folder") else text


def _mapping(where: str, text: str) -> dict[str, str]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f'{where} holds no JSON object of names and texts, such as {{"name": "text"}}.')
    return values


def _origin(text: str) -> str:
    """Return an origin as a browser sends it: without scheme, and without the port that a scheme implies."""
    if "*" in text:
        raise ConfigError(f"origin {text!r} would let any page in; name each host: --origin rain.example.kr:5006.")
    host = text.lower()
    if not _ORIGIN.fullmatch(host):
        raise ConfigError(f"origin {text!r} is no HOST:PORT; write it without https:// and path: rain.example.kr:443.")
    return re.sub(r":(80|443)$", "", host)


def _check_users(users: Path | None) -> None:
    if users is None:
        raise ConfigError("auth is basic, but there is no file of users; give one with --users.")
    # Panel would take a path that leads nowhere for the password itself
    try:
        text = users.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the file of users {users} cannot be read: {reason}.") from error
    known = _mapping(f"the file of users {users}", text)
    if not known or not all(name and password for name, password in known.items()):
        raise ConfigError(f"the file of users {users} needs at least one user, and each a password.")
