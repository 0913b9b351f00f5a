"""The array folders of the published research code: ``{root}/{year}-zscore/{VARIABLE}/{datetime}.npy``.

Each file is one variable at one time on one grid, scaled to z-scores with statistics that were not published.  To put
it into an archive, whose values are physical, the statistics must be given.  Observed rain (``QPE``) lies in the same
tree in mm, not scaled; negative values mean missing.

The layout does not say where the cells are, which run a time belongs to, or whether times are UTC.  Here the cells
are those of the grid that the user names, row 0 south, each time is a run of its own with
lead time 0, and times are UTC.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslpdl.channels import CANONICAL
from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.nwp import Target
from sslpdl.readers.qpe import Period, in_hours

__all__ = ["VARIABLES", "LegacyRain", "LegacyRuns", "read_statistics"]

Values = NDArray[np.float32]

VARIABLES: Mapping[str, str] = dict(
    zip(
        CANONICAL,
        (
            "GPH100", "GPH500", "GPH850", "SLP", "RH500", "RH850", "T2", "T500",
            "T850", "U10", "U500", "U850", "V10", "V500", "V850", "RAIN",
        ),
        strict=True,
    )
)  # fmt: skip
"""Folder of each canonical channel."""

_TIME = re.compile(r"(\d{4})\D?(\d{2})\D?(\d{2})\D?(\d{2})\D?(\d{2})?\D?(\d{2})?")


def read_statistics(path: str | os.PathLike[str]) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of each channel from a JSON file.

    The file is ``{"GPH500": {"mean": 5860.0, "std": 40.0}, ...}`` in physical units, with folder names or canonical
    ones, or the ``statistics.json`` of a model folder.

    Raises
    ------
    ReaderError
        If it cannot be read or is of another shape.
    """
    file = Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if {"channels", "mean", "std"} <= content.keys():
            rows = list(zip(content["channels"], content["mean"], content["std"], strict=True))
        else:
            rows = [(name, entry["mean"], entry["std"]) for name, entry in content.items()]
        canonical = {folder: name for name, folder in VARIABLES.items()}
        statistics = {canonical.get(name, name): (float(mean), float(std)) for name, mean, std in rows}
    except OSError as error:
        raise ReaderError(f"The statistics {file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReaderError(
            f'{file} is not JSON of statistics such as {{"GPH500": {{"mean": 5860, "std": 40}}}} ({error}).'
        ) from error
    if bad := [name for name, (_, std) in statistics.items() if not std > 0]:
        raise ReaderError(f"{file} has a standard deviation for {bad[0]} that is not positive.")
    return statistics


class LegacyRuns:
    """Fields of the published layout, each time a run of one lead time.

    Parameters
    ----------
    root : Path
        The folder that holds ``{year}-zscore``, or such a folder.
    statistics : path
        JSON file with mean and deviation of each variable.
    grid : Grid
        Where the cells are; its shape must be that of the arrays.
    """

    def __init__(self, root: Path, *, statistics: str | os.PathLike[str] | None, grid: Grid) -> None:
        self._folders = _years(root)
        if statistics is None:
            raise ReaderError(
                f"{root} holds z-scores, and an archive holds physical values; give the statistics that they were "
                "made with."
            )
        self._statistics = read_statistics(statistics)
        self._files = {name: _by_time(self._folders, folder) for name, folder in VARIABLES.items()}
        self.title = "Arrays in the layout of the published SSLPDL code"
        self.channels = tuple(name for name, files in self._files.items() if files)
        if not self.channels:
            raise ReaderError(
                f"{root} has no folder of a known variable ({', '.join(VARIABLES.values())}) with arrays in it."
            )
        if lacking := [name for name in self.channels if name not in self._statistics]:
            raise ReaderError(
                f"The statistics lack {', '.join(VARIABLES[name] for name in lacking)}; add mean and std of each."
            )
        self.native_grid = grid
        self.lead_time: tuple[int, ...] = (0,)
        self.init_times = np.array(
            sorted({time for name in self.channels for time in self._files[name]}), "datetime64[s]"
        )
        self.skipped: list[tuple[Path, str]] = []

    def files(self, init_time: np.datetime64) -> list[Path]:
        """Return the arrays of a time."""
        return [self._files[name][init_time] for name in self.channels if init_time in self._files[name]]

    def rain_window(self, wanted: float | None) -> dict[int, float]:
        """Return the rain window: one hour, as published."""
        if wanted not in (None, 1.0):
            raise ReaderError(
                f"Rain in the published layout is of 1 h; windows of {wanted:g} h cannot be made from it."
            )
        return {0: 1.0}

    def read(self, init_time: np.datetime64, target: Target, *, skip_bad: bool = False) -> tuple[Values, list[str]]:
        """Return fields (1, channel, y, x) in physical units, and what is absent."""
        fields = np.full((1, len(target.channels), *target.grid.shape), np.nan, np.float32)
        notes = []
        for index, name in enumerate(target.channels):
            path = self._files[name].get(init_time)
            if path is None:
                notes.append(f"{init_time} UTC lacks {VARIABLES[name]}")
                continue
            try:
                scaled = _array(path, self.native_grid)
            except ReaderError as error:
                if not skip_bad:
                    raise
                self.skipped.append((path, str(error)))
                continue
            mean, std = self._statistics[name]
            values = scaled.astype(np.float64) * std + mean
            # scaling rain there and back leaves tiny negative amounts
            fields[0, index] = np.maximum(values, 0.0) if name == "rain" else values
        return fields, notes


class LegacyRain:
    """Observed rain of the published layout: hourly, in mm, negative where missing.

    Parameters
    ----------
    root : Path
        The folder that holds ``{year}-zscore``, or such a folder.
    grid : Grid
        Where the cells are.
    skip_bad : bool
        Whether unreadable arrays are left out and listed.
    """

    def __init__(self, root: Path, *, grid: Grid, skip_bad: bool = False) -> None:
        self.title = "QPE in the layout of the published SSLPDL code"
        self.skipped: list[tuple[Path, str]] = []
        self._grid = grid
        self._skip_bad = skip_bad
        self._by_hour = {in_hours(time): path for time, path in _by_time(_years(root), "QPE").items()}
        self.paths = list(self._by_hour.values())
        self.periods: set[Period] = {(hour - 1, hour) for hour in self._by_hour}

    def files(self, period: Period) -> list[Path]:
        """Return the array of an hour."""
        return [self._by_hour[period[1]]]

    def check(self, grid: Grid) -> None:
        """Raise ReaderError if a grid is not that of the arrays."""
        if not grid.same_cells(self._grid):
            raise ReaderError(f"The arrays lie on grid {self._grid.name!r}, the archive on {grid.name!r}.")

    def read(self, period: Period, grid: Grid) -> Values | None:
        """Return the rain of an hour in mm, NaN where unknown."""
        path = self._by_hour[period[1]]
        try:
            rain = _array(path, self._grid)
        except ReaderError as error:
            if not self._skip_bad:
                raise
            self.skipped.append((path, str(error)))
            return None
        return np.where(rain < 0, np.float32(np.nan), rain)


def _years(root: Path) -> list[Path]:
    if not root.is_dir():
        raise ReaderError(f"{root} is not a folder; the published layout is ROOT/YEAR-zscore/VARIABLE/TIME.npy.")
    folders = [root] if root.name.endswith("-zscore") else sorted(root.glob("*-zscore"))
    if not folders:
        raise ReaderError(
            f"{root} holds no folder YEAR-zscore; the published layout is ROOT/YEAR-zscore/VARIABLE/TIME.npy."
        )
    return folders


def _by_time(folders: list[Path], variable: str) -> dict[np.datetime64, Path]:
    found: dict[np.datetime64, Path] = {}
    for folder in folders:
        for path in sorted((folder / variable).glob("*.npy")):
            time = _time(path)
            if time in found:
                raise ReaderError(f"{found[time]} and {path} are of the same time; remove one of them.")
            found[time] = path
    return found


def _time(path: Path) -> np.datetime64:
    match = _TIME.fullmatch(path.stem)
    try:
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second = (part or "00" for part in match.groups())
        return np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "s")
    except ValueError:
        raise ReaderError(f"{path} is not named by a time such as 2022080812.npy.") from None


def _array(path: Path, grid: Grid) -> Values:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ReaderError(
            f"{path} is not a readable array ({' '.join(str(error).split())}); objects are never unpickled."
        ) from error
    if values.shape != grid.shape or values.dtype.kind not in "fiu":
        raise ReaderError(
            f"{path} has the shape {values.shape} and type {values.dtype}; expected numbers on grid {grid.name!r} of "
            f"shape {grid.shape}."
        )
    numbers: Values = values.astype(np.float32)
    return numbers
