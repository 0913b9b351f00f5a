"""The settings file of the dashboard: YAML or TOML, one key for each setting of what is shown and how it is served."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslpdl.errors import ConfigError

__all__ = ["read_config"]

_SECRETS = {"cookie_secret": "SSLPDL_COOKIE_SECRET", "oauth_secret": "SSLPDL_OAUTH_SECRET"}
_PATHS = ("archive", "forecast", "model", "cache", "counts", "users", "upload_folder")
_KINDS: dict[str, tuple[type, str]] = {
    "port": (int, "a whole number"),
    "proxy": (bool, "true or false"),
    "admin": (bool, "true or false"),
    "upload": (bool, "true or false"),
    "origins": (list, "a list of HOST:PORT"),
    "folders": (list, "a list of folders"),
    "oauth_extra_params": (dict, "a mapping of names to texts"),
} | {
    f"upload_{name}": (int, "a whole number")
    for name in ("megabytes", "seconds", "memory_megabytes", "kept_megabytes", "kept_days")
}


def read_config(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a file, checked by name and kind; relative paths are relative to the file.

    Parameters
    ----------
    path : path, optional
        The file, ending in ``.toml``, ``.yaml`` or ``.yml``; by default that of ``SSLPDL_CONFIG``, and without one
        there are no settings.
    environ : mapping
        The environment.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key is unknown (the nearest known one is named) or holds something else.
    """
    chosen = os.fspath(path) if path is not None else environ.get("SSLPDL_CONFIG", "").strip()
    if not chosen:
        return {}
    file = Path(chosen).expanduser()
    settings = _parse(file)
    known = _known()
    for key, value in settings.items():
        if key in _SECRETS:
            raise ConfigError(
                f"{file}: {key} belongs into the environment ({_SECRETS[key]}), not into a file that people copy."
            )
        if key not in known:
            # the package of the models is heavy, and only a mistake needs it
            from sslpdl.models.config import nearest

            raise ConfigError(f"{file}: setting {str(key)!r} is unknown{nearest(str(key), known)}.")
        kind, words = _KINDS.get(key, (str, "a text"))
        if key in _KINDS or key in _text_keys():
            _check(file, key, value, kind, words)
    return {key: _beside(file, key, value) for key, value in settings.items()}


def _beside(file: Path, key: str, value: Any) -> Any:
    """Return a setting; paths start at the folder of the file."""
    if key == "folders":
        return [file.parent / Path(item).expanduser() for item in value]
    return file.parent / Path(value).expanduser() if key in _PATHS else value


def _check(file: Path, key: str, value: Any, kind: type, words: str) -> None:
    # True is an int to Python, but nobody's port
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    if kind is list and right:
        right = all(isinstance(item, str) for item in value)
    if not right:
        raise ConfigError(f"{file}: {key} is {value!r}, give {words}.")


def _known() -> tuple[str, ...]:
    from sslpdl.dashboard.service import Service
    from sslpdl.dashboard.settings import Settings

    names = [item.name for kind in (Settings, Service) for item in dataclasses.fields(kind)]
    return tuple(name for name in names if name not in _SECRETS)


def _text_keys() -> tuple[str, ...]:
    return (*_PATHS, "view", "address", "prefix", "auth", "oauth_provider", "oauth_key", "oauth_redirect_uri")


def _parse(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the settings {file} cannot be read: {reason}.") from error
    if file.suffix.lower() == ".toml":
        import tomllib

        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file} is not valid TOML: {error}.") from error
    import yaml

    try:
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} holds no settings; write one `name: value` a line, such as `port: 5006`.")
    return settings
