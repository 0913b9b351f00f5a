"""The archives, and the forecasts that fit them, in the folders of this server: what a visitor can choose from.

A browser names data by a slug and never by a path: what it asks for is looked up among what was found.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ConfigError, SslpdlError

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.settings import Settings

__all__ = ["Entry", "answer", "choose", "entries", "slug"]

log = logging.getLogger(__name__)
_DEPTH = 3
_MOST = 500
_LENGTH = 40


@dataclass(frozen=True)
class Entry:
    """One thing to look at: an archive with its probabilities.

    Attributes
    ----------
    name : str
        What an address calls it: letters, digits, hyphens, underscores; empty for what the server shows by itself.
    archive, forecast : Path, Path or None
        Where it lies; without a forecast, the model of the server computes.
    facts : dict
        ``title``, ``runs``, ``first``, ``last``, ``grid``, ``leads``, ``synthetic``, ``megabytes``, and ``covered``,
        the number of runs in the forecast.
    """

    name: str
    archive: Path
    forecast: Path | None
    facts: dict[str, Any]


def slug(text: str) -> str:
    """Return a text as a name of at most 40 small letters, digits, hyphens and underscores.

    Examples
    --------
    >>> slug("RDAPS 2022"), slug("예보")
    ('rdaps-2022', 'data-e42802')
    """
    plain = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")
    if plain and text.isascii() and len(plain) <= _LENGTH:
        return plain
    return f"{plain[: _LENGTH - 8].strip('-_') or 'data'}-{_digest(text)}"


def entries(settings: Settings) -> list[Entry]:
    """Return all that can be chosen: first what the server shows by itself, then what lies in its folders.

    Parameters
    ----------
    settings : Settings
        Of the server, not of a session that has chosen.
    """
    found = [Entry("", settings.archive, settings.forecast, _facts(settings.archive, settings.forecast) or {})]
    archives, forecasts = _inside(settings.folders)
    taken: set[str] = set()
    known = [path for path in archives if _facts(path, None)]
    if not any(_same(path, settings.archive) for path in known) and found[0].facts:
        known.append(settings.archive)

    def add(path: Path, forecast: Path | None) -> None:
        shown = _same(path, settings.archive) and (
            forecast is None
            if settings.forecast is None
            else forecast is not None and _same(forecast, settings.forecast)
        )
        if shown:
            return
        facts = _facts(path, forecast)
        if facts:
            named = path if forecast is None else forecast
            name = slug(named.name.removesuffix(".zarr").removesuffix(".nc"))
            if name in taken:
                name = f"{name[: _LENGTH - 7]}-{_digest(f'{path}{forecast}')}"
            taken.add(name)
            found.append(Entry(name, path, forecast, facts))

    # a forecast goes with the archive that it has most runs in common with
    best = {forecast: _companion(known, forecast) for forecast in forecasts if known}
    for path in known:
        add(path, None)
        for forecast in forecasts:
            if best[forecast] == path and _in_common(path, forecast):
                add(path, forecast)
    return found


def choose(settings: Settings, name: str) -> Settings:
    """Return the settings of a session that looks at the data of a name; "" is what the server shows by itself.

    Raises
    ------
    ConfigError
        If nothing has this name.
    """
    if not name:
        return settings
    for entry in entries(settings):
        if entry.name == name:
            return replace(settings, archive=entry.archive, forecast=entry.forecast, view="")
    raise ConfigError(
        f"there are no data called {name!r} on this server; open the page without data= in its address.", kind="no_data"
    )


def answer(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``catalogue``: all entries without their paths, and the name of the one that is shown.

    ``removable`` are uploads that the visitor may remove.
    """
    receiver = session.receiver

    def told(entry: Entry) -> dict[str, Any]:
        removable = receiver is not None and entry.forecast is None and receiver.removable(session, entry.archive)
        forecast = None if entry.forecast is None else entry.forecast.name
        return {"name": entry.name, "forecast": forecast, "removable": removable, **entry.facts}

    listed = [told(entry) for entry in entries(session.settings)]
    return {"entries": listed, "shown": session.state.data, "model": session.settings.model.name}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _inside(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the archives and the forecasts below folders, each once, in order of their paths."""
    kinds: dict[str, dict[Path, Path]] = {"archive": {}, "forecast": {}}
    for folder in folders:
        for path in _groups(folder, _DEPTH):
            kind = _kind(path)
            if kind and sum(map(len, kinds.values())) < _MOST:
                kinds[kind].setdefault(path.resolve(), path)
    return list(kinds["archive"].values()), list(kinds["forecast"].values())


def _groups(folder: Path, depth: int) -> Iterator[Path]:
    """Yield Zarr groups and NetCDF files below a folder; hidden ones are on their way, links may lead out of it."""
    try:
        listed = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    if any(entry.name == "zarr.json" for entry in listed):
        yield folder
        return
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _groups(Path(entry.path), depth - 1)
        elif entry.name.endswith(".nc") and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _stamp(path: Path) -> tuple[int, int]:
    status = (path if path.is_file() else path / "zarr.json").stat()
    return status.st_mtime_ns, status.st_size


def _kind(path: Path) -> str:
    try:
        return _kind_at(path, _stamp(path))
    except OSError:
        return ""


@lru_cache(maxsize=1024)
def _kind_at(path: Path, stamp: tuple[int, int]) -> str:
    """Return ``archive``, ``forecast`` or an empty text; a file that has not changed is not read again."""
    if path.is_file():
        return "forecast" if _opened_forecast(path) is not None else ""
    try:
        root = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
        if root["node_type"] != "group":
            return ""
        if root["attributes"].get("format") == "sslpdl-archive":
            return "archive"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "forecast" if (path / "class_probability" / "zarr.json").is_file() else ""


def _opened_forecast(path: Path) -> xr.Dataset | None:
    from sslpdl.forecast import open_forecast

    try:
        return open_forecast(path)
    except (SslpdlError, OSError, ValueError, KeyError):
        return None


@dataclass(frozen=True)
class _Outline:
    """What decides whether a forecast fits an archive."""

    init_times: frozenset[str]
    leads: frozenset[int]
    x: tuple[float, ...]
    y: tuple[float, ...]

    @classmethod
    def of(cls, ds: xr.Dataset) -> _Outline:
        """Return the outline of an archive or a forecast."""
        init = np.datetime_as_string(ds["init_time"].values, unit="m")
        leads = frozenset(int(lead) for lead in ds["lead_time"].values)
        return cls(frozenset(map(str, init)), leads, tuple(ds["x"].values.tolist()), tuple(ds["y"].values.tolist()))


@lru_cache(maxsize=1024)
def _archive_at(path: Path, stamp: tuple[int, int]) -> tuple[_Outline, dict[str, Any]] | None:
    from sslpdl.archive import open_archive
    from sslpdl.grid import Grid

    try:
        ds = open_archive(path)
        grid = Grid.from_dataset(ds)
        outline = _Outline.of(ds)
    except (SslpdlError, OSError, ValueError, KeyError) as error:
        log.warning("%s is not offered: %s", path, error)
        return None
    runs = sorted(outline.init_times)
    if not runs or not outline.leads:
        return None
    facts = {
        "title": str(ds.attrs.get("title", "")) or path.name,
        "runs": len(runs),
        "first": runs[0],
        "last": runs[-1],
        "grid": f"{grid.name} ({grid.shape[0]} × {grid.shape[1]})",
        "leads": [min(outline.leads), max(outline.leads)],
        "synthetic": str(ds.attrs.get("synthetic", "false")).lower() == "true",
        "megabytes": round(_size(path) / 1e6, 1),
    }
    return outline, facts


@lru_cache(maxsize=1024)
def _forecast_at(path: Path, stamp: tuple[int, int]) -> _Outline | None:
    forecast = _opened_forecast(path)
    return None if forecast is None else _Outline.of(forecast)


def _facts(path: Path, forecast: Path | None) -> dict[str, Any] | None:
    """Return what is told about an archive with a forecast, or None if it cannot be shown."""
    try:
        found = _archive_at(path, _stamp(path))
        made = None if forecast is None else _forecast_at(forecast, _stamp(forecast))
    except OSError:
        return None
    if found is None:
        return None
    return found[1] | {"covered": len(found[0].init_times & made.init_times) if made else 0}


def _companion(archives: list[Path], forecast: Path) -> Path:
    return max(archives, key=lambda path: _in_common(path, forecast))


def _in_common(path: Path, forecast: Path) -> int:
    """Return how many runs an archive and a forecast share; 0 where they do not fit together."""
    try:
        found, made = _archive_at(path, _stamp(path)), _forecast_at(forecast, _stamp(forecast))
    except OSError:
        return 0
    if found is None or made is None:
        return 0
    held = found[0]
    fits = (held.x, held.y) == (made.x, made.y) and held.leads & made.leads
    return len(held.init_times & made.init_times) if fits else 0


def _size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118  (many files)
            except OSError:
                continue
    return total
