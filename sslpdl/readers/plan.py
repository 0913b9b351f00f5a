"""What an ingest is going to do, decided from headers before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive import open_archive
from sslpdl.errors import ReaderError
from sslpdl.grid import GRIDS, Grid
from sslpdl.progress import bar
from sslpdl.readers.field import stamp
from sslpdl.readers.inventory import Covers
from sslpdl.readers.legacy import LegacyRain, LegacyRuns
from sslpdl.readers.nwp import Target
from sslpdl.readers.profile import PROFILES, load_profile
from sslpdl.readers.qpe import QpeOptions, RainSource, Windows, open_qpe
from sslpdl.readers.runs import NwpRuns, RunSource
from sslpdl.readers.sources import Paths, expand

__all__ = ["Plan", "Request", "grid_by_name", "left_out", "make_plan", "valid_times"]

Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class Plan:
    """What is read, and what it becomes.

    Attributes
    ----------
    runs : RunSource or None
        Where runs come from; None if the names of all files tell that their runs are stored already.
    rain : RainSource or None
        Where observed rain comes from.
    target : Target
        Grid, channels, lead times and rain windows.
    qpe_window : float
        Window of the observed rain in hours.
    new_times : tuple of datetime64
        Runs to write.
    runs_kept : int
        Runs among the sources that are stored already.
    adding : bool
        Whether the archive is there and is added to.
    title : str
        Title of the archive.
    attributes : dict
        Attributes of the archive.
    notes : list of str
        What is worth knowing before reading.
    """

    runs: RunSource | None
    rain: RainSource | None
    target: Target
    qpe_window: float
    new_times: tuple[np.datetime64, ...]
    runs_kept: int
    adding: bool
    title: str
    attributes: dict[str, Any]
    notes: list[str]


@dataclass(frozen=True)
class Request:
    """What the user asks for; the attributes are the arguments of :func:`sslpdl.readers.ingest`."""

    sources: Paths
    out: Path
    profile: str | Path
    grid: str | Grid | None
    channels: Sequence[str] | None
    rain_window: float | None
    rain_covers: Covers | None
    init_time: Any
    qpe: Paths
    qpe_kind: str
    qpe_window: float | None
    qpe_options: QpeOptions
    statistics: str | os.PathLike[str] | None
    title: str | None
    skip_bad: bool
    adding: bool
    progress: bool


def make_plan(request: Request) -> Plan:
    """Open the sources and settle grid, channels, lead times and windows.

    Raises
    ------
    ReaderError
        If a source cannot be read, or sources, request and archive do not fit together.
    """
    stored = _Stored(request.out) if request.adding else None
    rain = open_qpe(request.qpe, request.qpe_kind, request.qpe_options) if _given(request.qpe) else None
    runs: RunSource | None
    goal: Grid | None
    passed: set[Any] = set()
    if request.profile == "legacy":
        runs, rain, goal = _open_legacy(request, rain)
    else:
        files, passed = _pass_over(expand(request.sources), stored, rain)
        runs = nwp = _open_nwp(request, files) if files else None
        goal = _goal(request.grid, nwp, stored)
    target, notes = _target(runs, goal, request.rain_window, stored)
    have = stored.init_times if stored else np.zeros(0, "datetime64[s]")
    times = runs.init_times if runs else np.zeros(0, "datetime64[s]")
    new = tuple(time for time in times if time not in have)
    window = _qpe_window(request.qpe_window, target, stored, rain)
    if rain is not None:
        rain.check(target.grid)
        _refuse_no_overlap(Windows(rain, target.grid, window), valid_times(np.concatenate([have, times]), target.leads))
    title = request.title or (stored.title if stored else runs.title if runs else "NWP forecasts")
    return Plan(
        runs=runs,
        rain=rain,
        target=target,
        qpe_window=window,
        new_times=new,
        runs_kept=len(times) - len(new) + len(passed),
        adding=request.adding,
        title=title,
        attributes=_attributes(title, runs, rain, request.rain_covers),
        notes=notes,
    )


def _open_nwp(request: Request, files: list[Path]) -> NwpRuns:
    with bar("Reading headers", total=len(files), unit="files", shown=request.progress) as advance:
        return NwpRuns(
            files,
            profile=request.profile,
            channels=request.channels,
            init_time=request.init_time,
            rain_covers=request.rain_covers,
            skip_bad=request.skip_bad,
            advance=advance,
        )


def _open_legacy(request: Request, rain: RainSource | None) -> tuple[RunSource, RainSource | None, Grid]:
    """Return the runs of the published layout, observed rain (its own unless other is named), and their grid."""
    root = _one_folder(request.sources)
    grid = GRIDS["korea-5km"] if request.grid in (None, "native") else grid_by_name(request.grid)
    runs = LegacyRuns(root, statistics=request.statistics, grid=grid)
    own = LegacyRain(root, grid=grid, skip_bad=request.skip_bad)
    return runs, rain or (own if own.periods else None), grid


def valid_times(init_times: Times, leads: Sequence[int]) -> Times:
    """Return the times that forecasts are valid at, each once, in order, datetime64[s]."""
    lead = np.asarray(leads, "timedelta64[h]").astype("timedelta64[s]")
    return np.unique(init_times.astype("datetime64[s]")[:, None] + lead[None, :])


def grid_by_name(grid: str | Grid | None) -> Grid:
    """Return a grid by its name, in any usual spelling.

    Raises
    ------
    ReaderError
        If there is none of that name.
    """
    if isinstance(grid, Grid):
        return grid
    name = str(grid).lower().replace("_", "-")
    if name not in GRIDS:
        raise ReaderError(f"There is no grid {grid!r}; choose one of {', '.join(GRIDS)}, or 'native'.")
    return GRIDS[name]


class _Stored:
    """What an archive that is added to holds."""

    def __init__(self, path: Path) -> None:
        ds = open_archive(path)
        self.path = path
        self.init_times: Times = ds["init_time"].values.astype("datetime64[s]")
        self.title = str(ds.attrs.get("title", ""))
        self.qpe_window = float(ds.attrs["qpe_window"])
        self.target = Target(
            grid=Grid.from_dataset(ds),
            channels=tuple(str(name) for name in ds["channel"].values),
            leads=tuple(int(lead) for lead in ds["lead_time"].values),
            rain_window=tuple(float(window) for window in ds["rain_window"].values),
        )


def _given(paths: Paths) -> bool:
    return isinstance(paths, str | os.PathLike) or bool(list(paths))


def _one_folder(sources: Paths) -> Path:
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if len(listed) != 1:
        raise ReaderError(f"The published layout is one folder; {len(listed)} paths were given.")
    return Path(listed[0])


def _pass_over(files: list[Path], stored: _Stored | None, rain: RainSource | None) -> tuple[list[Path], set[Any]]:
    """Return the files to look into, and the stored runs whose files are recognised by their names alone."""
    observed = {path.resolve() for path in rain.paths} if rain else set()
    files = [path for path in files if path.resolve() not in observed]
    if not files:
        raise ReaderError("All files named are rain observations; name the NWP files too.")
    if stored is None:
        return files, set()
    patterns = [pattern for name in PROFILES if (pattern := load_profile(name).file_name)]
    have = set(stored.init_times.tolist())
    left, passed = [], set()
    for path in files:
        match = next((found for pattern in patterns if (found := pattern.fullmatch(path.name))), None)
        init = match["init"] if match else ""
        time = np.datetime64(f"{init[:4]}-{init[4:6]}-{init[6:8]}T{init[8:]}", "s") if init else None
        if time is not None and time.tolist() in have:
            passed.add(time)
        else:
            left.append(path)
    return left, passed


def _goal(grid: str | Grid | None, runs: NwpRuns | None, stored: _Stored | None) -> Grid | None:
    """Return the target grid that is asked for, checked against the files'; None if the archive decides."""
    if runs is None:
        return None
    if stored is not None and grid is None:
        return runs.check_grid(stored.target.grid)
    wanted = runs.profile.grid if grid is None else grid
    return runs.check_grid(None if wanted == "native" else grid_by_name(wanted))


def _target(
    runs: RunSource | None, goal: Grid | None, rain_window: float | None, stored: _Stored | None
) -> tuple[Target, list[str]]:
    if stored is None:
        assert runs is not None and goal is not None  # files are passed over only for an archive that is there
        windows = runs.rain_window(rain_window)
        target = Target(goal, runs.channels, tuple(windows), tuple(windows.values()))
        return target, _mixed(target) + left_out(runs, target.leads)
    target = stored.target
    if goal is not None and not goal.same_cells(target.grid):
        raise ReaderError(
            f"{stored.path} is on grid {target.grid.name!r} {target.grid.shape}, the new data would be on "
            f"{goal.name!r} {goal.shape}; make another archive."
        )
    if rain_window is not None and any(window != rain_window for window in target.rain_window):
        raise ReaderError(f"{stored.path} has another rain window than {rain_window:g} h; make another archive.")
    if runs is None:
        return target, []
    wanted = target.rain_window[0] if len(set(target.rain_window)) == 1 else None
    # a lead time at which the files have no field over the archive's window is left out, as when it was made
    more = set(runs.lead_time) - set(target.leads)
    if more and (more := more & set(runs.rain_window(wanted))):
        raise ReaderError(f"The files hold lead times that {stored.path} lacks (+{min(more)} h); make another archive.")
    extra = [name for name in runs.channels if name not in target.channels]
    notes = [f"{name} is in the files but not among the channels of {stored.path}" for name in extra]
    return target, notes + left_out(runs, target.leads)


def left_out(runs: RunSource, leads: Sequence[int]) -> list[str]:
    """Return a sentence about the lead times of the files at which the result has no field."""
    absent = [lead for lead in runs.lead_time if lead not in leads]
    return [f"no field at {', '.join(f'+{lead} h' for lead in absent)} as asked for: left out"] if absent else []


def _mixed(target: Target) -> list[str]:
    windows = sorted(set(target.rain_window))
    if "rain" not in target.channels or len(windows) == 1:
        return []
    listed = ", ".join(f"{window:g} h" for window in windows)
    return [f"rain windows differ between lead times ({listed}): a model takes one of them only"]


def _qpe_window(wanted: float | None, target: Target, stored: _Stored | None, rain: RainSource | None) -> float:
    if stored is not None:
        if wanted not in (None, stored.qpe_window):
            raise ReaderError(
                f"{stored.path} has a QPE window of {stored.qpe_window:g} h, not {wanted:g}; make another archive."
            )
        return stored.qpe_window
    if wanted is not None:
        return wanted
    windows = Counter(target.rain_window)
    if rain is not None and len(windows) > 1:
        listed = ", ".join(f"{window:g} h" for window in sorted(windows))
        raise ReaderError(
            f"Rain windows differ between lead times ({listed}), so the window of observed rain is open; state it "
            "(--qpe-window, qpe_window), or ask for one rain window (--rain-window, rain_window).",
            kind="rain_windows",
        )
    return windows.most_common(1)[0][0]


def _refuse_no_overlap(windows: Windows, times: Times) -> None:
    if any(windows.pieces(time) for time in times):
        return
    ends = sorted(end for _, end in windows.source.periods)
    first, last = (np.datetime64(round(end * 3600), "s") for end in (ends[0], ends[-1]))
    raise ReaderError(
        f"The rain observations ({windows.source.title}, {stamp(first)} to {stamp(last)}) fill no window of "
        f"{windows.window:g} h that ends at a time that the forecasts are valid at ({stamp(times[0])} to "
        f"{stamp(times[-1])}); add those of that period."
    )


def _attributes(title: str, runs: RunSource | None, rain: RainSource | None, covers: Covers | None) -> dict[str, Any]:
    stated = list(covers.items()) if isinstance(covers, Mapping) else covers
    return {
        "title": title,
        "source": "; ".join(part.title for part in (runs, rain) if part is not None),
        "synthetic": False,
        "config": {"reader": runs.title if runs else "", "rain_covers": stated},
    }
