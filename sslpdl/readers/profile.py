"""Profiles: which fields of a model's files are which canonical channels (YAML files in ``profiles/``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sslpdl.channels import CHANNELS
from sslpdl.errors import ReaderError

__all__ = ["PROFILES", "Profile", "Rule", "load_profile", "profile_of"]

_FOLDER = Path(__file__).with_name("profiles")

PROFILES: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Names of the profiles that come with the package."""

_PROFILE_KEYS = {"title", "grid", "detect", "file_name", "native_name", "rain_from_start", "missing", "channels"}
_RULE_KEYS = {"levels", "keys", "sum", "units"}
_PRESSURE = ("isobaricInhPa", "isobaricInPa")

Keys = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Rule:
    """One way to recognise a channel.

    Attributes
    ----------
    channel : str
        Canonical name.
    keys : tuple of (str, tuple)
        Header keys and the values that each may have.
    units : str or None
        Unit of the values; None to ask the header.
    rank : int
        Preference among the rules of one channel; 0 is the first choice.
    part, parts : int
        The field is summand number `part` of `parts`.
    """

    channel: str
    keys: tuple[tuple[str, tuple[int | float | str, ...]], ...]
    units: str | None
    rank: int
    part: int = 0
    parts: int = 1

    def matches(self, keys: Keys) -> bool:
        """Whether a field with these header keys is meant."""
        return all(keys.get(name) in values for name, values in self.keys)


@dataclass(frozen=True)
class Profile:
    """How the files of one model are read.

    Attributes
    ----------
    name, title : str
        Short name and what people call the model.
    grid : str
        Name of the grid that fields go to unless the user says otherwise; ``"native"`` keeps the source's.
    detect : mapping
        Header keys that tell the model; ``spacing`` is the distance between grid points in metres.
    file_name : re.Pattern or None
        The producer's file names, with the groups ``init`` (YYYYMMDDHH) and ``lead`` (hours).
    native_name : str
        Name of the source grid where it is not a known one.
    rain_from_start : bool
        Whether rain whose header names no period is the sum from the start of the run.
    missing : tuple of float
        Values that mean "missing" where there is no bitmap.
    rules : tuple of Rule
        In order of the channels.
    """

    name: str
    title: str
    grid: str
    detect: Mapping[str, tuple[Any, ...]]
    file_name: re.Pattern[str] | None
    native_name: str
    rain_from_start: bool
    missing: tuple[float, ...]
    rules: tuple[Rule, ...]

    @property
    def needs_names(self) -> bool:
        """Whether a rule asks for the short name, which takes time to find out."""
        return any(name == "shortName" for rule in self.rules for name, _ in rule.keys)

    def match(self, keys: Keys) -> Rule | None:
        """Return the rule that a field with these header keys fulfils, or None."""
        return next((rule for rule in self.rules if rule.matches(keys)), None)

    def detects(self, keys: Keys) -> bool:
        """Whether a field with these header keys comes from this model."""
        for name, values in self.detect.items():
            if name == "spacing":
                spacing = keys.get("spacing")
                if not isinstance(spacing, float) or not any(abs(spacing / value - 1) < 0.02 for value in values):
                    return False
            elif keys.get(name) not in values:
                return False
        return bool(self.detect)


def load_profile(name: str | Path) -> Profile:
    """Return a profile by its name, or from a YAML file of the user's own.

    Raises
    ------
    ReaderError
        If there is no such profile, or the file is not one.

    Examples
    --------
    >>> load_profile("wrf-g212").grid
    'native'
    """
    return _load(str(name))


@cache
def _load(name: str) -> Profile:
    import yaml

    path = _FOLDER / f"{name}.yaml"
    if name not in PROFILES:
        path = Path(name)
        if path.suffix not in (".yaml", ".yml"):
            raise ReaderError(
                f"There is no profile {name!r}; choose one of {', '.join(PROFILES)}, 'auto', or give a YAML file."
            )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReaderError(f"The profile {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReaderError(f"The profile {path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("channels"), dict):
        raise ReaderError(
            f"The profile {path} has no section 'channels'; copy one of the package's profiles and change it."
        )
    _refuse_unknown(content, _PROFILE_KEYS, path)
    return _profile(path, content)


def _profile(path: Path, content: dict[str, Any]) -> Profile:
    pattern = content.get("file_name")
    rules = [rule for name, entry in content["channels"].items() for rule in _rules(path, name, entry)]
    order = list(CHANNELS)
    return Profile(
        name=path.stem,
        title=str(content.get("title", path.stem)),
        grid=str(content.get("grid", "native")),
        detect={name: _as_tuple(value) for name, value in content.get("detect", {}).items()},
        file_name=re.compile(pattern) if pattern else None,
        native_name=str(content.get("native_name", f"{path.stem}-native")),
        rain_from_start=bool(content.get("rain_from_start", False)),
        missing=tuple(float(code) for code in content.get("missing", ())),
        rules=tuple(sorted(rules, key=lambda rule: (order.index(rule.channel), rule.rank))),
    )


def _rules(path: Path, name: str, entry: Any) -> Iterable[Rule]:
    """Yield the rules of one entry; one that lists levels stands for a channel on each of them."""
    for rank, choice in enumerate(entry if isinstance(entry, list) else [entry]):
        _refuse_unknown(choice, _RULE_KEYS, path)
        summands = choice["sum"] if "sum" in choice else [choice["keys"]]
        for level in choice.get("levels", [None]):
            channel = name if level is None else f"{name}_{level}"
            if channel not in CHANNELS:
                raise ReaderError(f"The profile {path} names a channel {channel!r}; known are {', '.join(CHANNELS)}.")
            for part, keys in enumerate(summands):
                wanted = dict(keys)
                if level is not None:
                    wanted |= {"typeOfLevel": _PRESSURE, "level": level}
                pairs = tuple((key, _as_tuple(value)) for key, value in wanted.items())
                yield Rule(channel, pairs, choice.get("units"), rank, part, len(summands))


def profile_of(keys: Keys, *, where: str) -> Profile:
    """Return the profile of the model that a field's header keys tell.

    Parameters
    ----------
    keys : mapping
        ``edition``, ``centre`` (number), ``gridType``, ``spacing`` (metres).
    where : str
        The file, for the message.

    Raises
    ------
    ReaderError
        If no profile, or more than one, fits.
    """
    fitting = [name for name in PROFILES if _load(name).detects(keys)]
    if len(fitting) == 1:
        return _load(fitting[0])
    told = ", ".join(f"{name} {keys[name]}" for name in ("edition", "centre", "gridType", "spacing") if name in keys)
    found = f"profiles {' and '.join(fitting)} both fit" if fitting else "no profile fits"
    raise ReaderError(
        f"The model that made {where} is not recognised ({told}): {found}; name one of {', '.join(PROFILES)}, "
        "or give a YAML file of your own.",
        kind="unknown_model",
    )


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _refuse_unknown(content: dict[str, Any], known: set[str], path: Path) -> None:
    from difflib import get_close_matches

    for key in content:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}."
            raise ReaderError(f"The profile {path} has an unknown key {key!r}; {hint}")
