"""What NWP files hold, known from headers alone: runs, lead times, channels, rain periods, grids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sslpdl.archive.layout import as_time
from sslpdl.channels import CANONICAL
from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers import grib, netcdf
from sslpdl.readers.field import Field, stamp, whole_hour
from sslpdl.readers.profile import Profile, load_profile, profile_of
from sslpdl.readers.rain import stated_periods

__all__ = ["Inventory", "Run", "RunOptions", "fields_of", "reader_of", "take_inventory"]

Covers = Sequence[float] | Mapping[float, float]


@dataclass
class Run:
    """One run of the model: its files and what they hold.

    Attributes
    ----------
    init_time : datetime64[s]
        Start, UTC.
    files : list of Path
        Files with at least one field of it, in order of their names.
    leads : dict of str to set of int
        Lead times of each channel but rain.
    rain : set of (float, float)
        Periods of the rain sums by their headers, in hours since the start.
    """

    init_time: np.datetime64
    files: list[Path] = field(default_factory=list)
    leads: dict[str, set[int]] = field(default_factory=dict)
    rain: set[tuple[float, float]] = field(default_factory=set)

    def add(self, found: Field) -> None:
        """Take note of one field."""
        if not self.files or self.files[-1] != found.path:
            self.files.append(found.path)
        if found.channel == "rain":
            self.rain.add((found.start, found.end))
        else:
            self.leads.setdefault(found.channel, set()).add(found.lead)

    def periods(self, covers: Covers | None) -> dict[tuple[float, float], tuple[float, float]]:
        """Return what each rain sum covers by its period in the header; the user may state it for each lead time."""
        if covers is None or not any(end > 0 for _, end in self.rain):
            summed = {end for start, end in self.rain if end > start}
            if instant := [end for start, end in self.rain if start == end > 0 and end not in summed]:
                raise ReaderError(
                    f"By its header, rain of the run of {stamp(self.init_time)} at +{instant[0]:g} h "
                    f"({self.files[0].name}) covers no period; state the hours that each field covers (--rain-covers, "
                    "rain_covers).",
                    kind="covers_needed",
                )
            return {period: period for period in self.rain}
        counted = sorted(end for _, end in self.rain if end > 0)
        ends = sorted(set(counted))
        if len(counted) > len(ends):
            twice = next(end for end in ends if counted.count(end) > 1)
            raise ReaderError(
                f"The run of {stamp(self.init_time)} holds several rain sums at +{twice:g} h, so one stated window "
                "cannot be meant for each; leave them out (--rain-covers, rain_covers).",
                kind="covers_needed",
            )
        stated = stated_periods(ends, covers)
        return {period: stated[period[1]] for period in self.rain if period[1] > 0}


@dataclass(frozen=True)
class RunOptions:
    """How headers are understood.

    Attributes
    ----------
    profile : Profile
        Which fields are which channels.
    init_time : datetime64 or None
        Start of the run, for netCDF files that do not hold it.
    rain_covers : sequence or mapping, optional
        Hours that each rain field covers, by lead time, where headers are wrong.
    """

    profile: Profile
    init_time: np.datetime64 | None = None
    rain_covers: Covers | None = None


@dataclass(frozen=True)
class Inventory:
    """What a set of files holds.

    Attributes
    ----------
    options : RunOptions
        How they were understood.
    runs : tuple of Run
        In order of time.
    grids : tuple of Grid
        The different grids in the files.
    others : frozenset of str
        Descriptions of fields that the profile does not know.
    skipped : tuple of (Path, str)
        Files that were left out, and why.
    """

    options: RunOptions
    runs: tuple[Run, ...]
    grids: tuple[Grid, ...]
    others: frozenset[str]
    skipped: tuple[tuple[Path, str], ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that at least one run has, in canonical order."""
        present = {name for run in self.runs for name in run.leads}
        if any(end > 0 for run in self.runs for _, end in run.rain):
            present.add("rain")
        return tuple(name for name in CANONICAL if name in present)

    @property
    def lead_time(self) -> tuple[int, ...]:
        """Lead times that at least one run has, in hours."""
        leads: set[int] = set()
        for run in self.runs:
            leads.update(*run.leads.values())
            leads.update(round(end) for _, end in run.rain)
        return tuple(sorted(leads))

    def require(self, channels: Collection[str]) -> None:
        """Raise ReaderError naming the first channel that is absent, with the list of what is there."""
        for name in channels:
            if name not in CANONICAL:
                raise ReaderError(f"There is no channel {name!r}; channels are {', '.join(CANONICAL)}.")
        absent = [name for name in channels if name not in self.channels]
        if absent:
            shown = sorted(self.others)[:8]
            rest = f" and {len(self.others) - len(shown)} more" if len(self.others) > len(shown) else ""
            beside = f"; fields without a channel are {', '.join(shown)}{rest}" if shown else ""
            held = ", ".join(self.channels) or "no known channel"
            raise ReaderError(
                f"The files lack {', '.join(absent)}; they hold {held}{beside}: ask for fewer channels, "
                f"or give a profile that fits (now {self.options.profile.name}).",
                kind="channels_missing",
            )


def take_inventory(
    paths: Sequence[Path],
    *,
    profile: str | Path = "auto",
    init_time: Any = None,
    rain_covers: Covers | None = None,
    skip_bad: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Inventory:
    """Read the headers of NWP files.

    Parameters
    ----------
    paths : sequence of Path
        GRIB or netCDF files, in any order.
    profile : str or Path
        Name of a profile, a YAML file, or ``"auto"``: the model is recognised by its first field.
    init_time : time, optional
        Start of the run, UTC, for netCDF files that hold only valid times.
    rain_covers : sequence or mapping, optional
        Hours that each rain field covers, in order of or by lead time, where headers do not say or are wrong.
    skip_bad : bool
        Whether unreadable files are left out and listed instead of raising.
    advance : callable
        Called with 1 after each file.

    Raises
    ------
    ReaderError
        If a file cannot be read, the model is not recognised, files of different models are mixed, or no file has a
        known field.
    """
    options: RunOptions | None = None
    runs: dict[np.datetime64, Run] = {}
    grids: list[Grid] = []
    others: set[str] = set()
    skipped: list[tuple[Path, str]] = []
    start = None if init_time is None else as_time(init_time).astype("datetime64[s]")
    for path in sorted(paths, key=lambda path: (path.name, str(path))):
        try:
            options = _options(path, profile, options, start, rain_covers)
            found = list(fields_of(path, options, others=others))
        except (ReaderError, OSError) as error:
            problem = (
                error if isinstance(error, ReaderError) else ReaderError(f"{path} cannot be read: {error.strerror}.")
            )
            if not skip_bad:
                raise problem from error
            skipped.append((path, str(problem)))
            found = []
        for item in found:
            runs.setdefault(item.init_time, Run(item.init_time)).add(item)
            if not any(item.grid is grid or item.grid == grid for grid in grids):
                grids.append(item.grid)
        advance(1)
    if not runs or options is None:
        raise ReaderError(_nothing(paths, others, skipped), kind="nothing_known")
    ordered = tuple(runs[time] for time in sorted(runs))
    return Inventory(options, ordered, tuple(grids), frozenset(others), tuple(skipped))


def fields_of(path: Path, options: RunOptions, *, others: set[str] | None = None) -> Iterator[Field]:
    """Yield the known fields of one file, checked against the producer's file name."""
    scan = partial(netcdf.scan, init_time=options.init_time) if reader_of(path) is netcdf else grib.scan
    pattern = options.profile.file_name
    name = pattern.fullmatch(path.name) if pattern else None
    for item in scan(path, options.profile, others=others):
        whole_hour(item.end, path)
        if name and (stated := _name_disagrees(name.groupdict(), item)):
            raise ReaderError(
                f"{path} says {stated} in its name, but holds {item.channel} of "
                f"{stamp(item.init_time)} +{item.end:g} h; the file was renamed or is damaged.",
                kind="wrong_name",
            )
        yield item


def reader_of(path: Path) -> ModuleType:
    """Return the module that reads a file: ``grib`` or ``netcdf``."""
    return netcdf if netcdf.is_netcdf(path) else grib


def _options(
    path: Path, profile: str | Path, options: RunOptions | None, init_time: np.datetime64 | None, covers: Covers | None
) -> RunOptions:
    """Return the options that hold for a file; all files must be of one model."""
    if profile != "auto":
        return options or RunOptions(load_profile(profile), init_time, covers)
    found = profile_of(reader_of(path).first_keys(path), where=str(path))
    if options is not None and options.profile.name != found.name:
        raise ReaderError(
            f"{path} is of profile {found.name}, files before it of {options.profile.name}; make one archive for "
            "each model.",
            kind="two_models",
        )
    return options or RunOptions(found, init_time, covers)


def _name_disagrees(name: Mapping[str, str], item: Field) -> str:
    """Return what the file name states if the header says otherwise, or an empty text."""
    init, lead = name.get("init"), name.get("lead")
    if init:
        start = np.datetime64(f"{init[:4]}-{init[4:6]}-{init[6:8]}T{init[8:10]}", "s")
        if start != item.init_time:
            return f"the run of {stamp(start)}"
    if lead and int(lead) != item.end:
        return f"+{int(lead)} h"
    return ""


def _nothing(paths: Sequence[Path], others: Collection[str], skipped: Sequence[tuple[Path, str]]) -> str:
    if skipped and len(skipped) == len(paths):
        return f"None of the {len(paths)} files can be read; the first: {skipped[0][1]}"
    held = ", ".join(sorted(others)[:20]) or "nothing"
    where = str(paths[0]) if len(paths) == 1 else f"the {len(paths)} files"
    return f"There is no field that the profile knows in {where}, but {held}; name another profile."
