"""NWP files as a source of runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.field import stamp
from sslpdl.readers.inventory import Covers, take_inventory
from sslpdl.readers.nwp import Target, read_run
from sslpdl.readers.qpe import refuse_apart
from sslpdl.readers.rain import choose_windows, window_path

__all__ = ["NwpRuns", "RunSource"]


class RunSource(Protocol):
    """Runs of a model, read one after the other."""

    title: str
    channels: tuple[str, ...]
    lead_time: tuple[int, ...]
    init_times: NDArray[np.datetime64]
    skipped: list[tuple[Path, str]]

    def files(self, init_time: np.datetime64) -> list[Path]:
        """Return the files of a run."""
        ...

    def rain_window(self, wanted: float | None) -> dict[int, float]:
        """Return the rain window in hours at each lead time that has a field."""
        ...

    def read(
        self, init_time: np.datetime64, target: Target, *, skip_bad: bool = False
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return fields (lead, channel, y, x), and sentences about what the run lacks."""
        ...


class NwpRuns:
    """Runs in GRIB and netCDF files.

    Parameters
    ----------
    paths : sequence of Path
        Files in any order.
    profile, init_time, rain_covers, skip_bad, advance
        As for :func:`sslpdl.readers.inventory.take_inventory`.
    channels : collection of str, optional
        Channels that must be there, and the only ones read; by default those that are there.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        profile: str | Path = "auto",
        channels: Collection[str] | None = None,
        init_time: Any = None,
        rain_covers: Covers | None = None,
        skip_bad: bool = False,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._inventory = take_inventory(
            paths, profile=profile, init_time=init_time, rain_covers=rain_covers, skip_bad=skip_bad, advance=advance
        )
        if channels is not None:
            self._inventory.require(channels)
        self.profile = self._inventory.options.profile
        # a profile fits files of other producers too, so it says how they were read, not where they come from
        self.title = f"{self._inventory.runs[0].files[0].name}, read with profile {self.profile.name}"
        self.channels = tuple(name for name in self._inventory.channels if channels is None or name in channels)
        self.lead_time = self._inventory.lead_time
        self.init_times = np.array([run.init_time for run in self._inventory.runs], "datetime64[s]")
        self.skipped = list(self._inventory.skipped)
        self._runs = {run.init_time: run for run in self._inventory.runs}
        grids = self._inventory.grids
        self.native_grid = grids[0] if all(grid.same_cells(grids[0]) for grid in grids) else None

    def files(self, init_time: np.datetime64) -> list[Path]:
        """Return the files with fields of a run."""
        return self._runs[init_time].files

    def rain_window(self, wanted: float | None = None) -> dict[int, float]:
        """Return the rain window in hours at each lead time that has a field, as ``choose_windows`` finds it.

        A lead time that has neither another of the channels nor rain over that window is left out.
        """
        runs, options = self._inventory.runs, self._inventory.options
        others = set().union(*(leads for run in runs for name, leads in run.leads.items() if name in self.channels))
        if "rain" not in self.channels:
            return {lead: wanted or 1.0 for lead in self.lead_time if lead in others}
        sums = [set(run.periods(options.rain_covers).values()) for run in runs]
        windows = choose_windows(sums, self.lead_time, wanted).tolist()
        return {
            lead: window
            for lead, window in zip(self.lead_time, windows, strict=True)
            if lead in others or any(window_path(periods, lead - window, lead) for periods in sums)
        }

    def check_grid(self, target: Grid | None) -> Grid:
        """Return the grid of the result; None asks for the files' own.

        Raises
        ------
        ReaderError
            If the files are on several grids and their own is wanted, or none of the target's cells lies on a source
            grid.
        """
        grids = self._inventory.grids
        if target is None:
            if self.native_grid is None:
                other = next(grid for grid in grids if not grid.same_cells(grids[0]))
                raise ReaderError(
                    f"{self._file_on(grids[0])} is on a grid of {_extent(grids[0])}, {self._file_on(other)} on one of "
                    f"{_extent(other)}, so there is no native one; name a target grid, or ingest them apart.",
                    kind="two_grids",
                )
            return self.native_grid
        for grid in grids:
            refuse_apart(grid, target, self._file_on(grid))
        return target

    def read(
        self, init_time: np.datetime64, target: Target, *, skip_bad: bool = False
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Return fields (lead, channel, y, x) in canonical units, and what the run lacks."""
        fields, notes, skipped = read_run(self._runs[init_time], self._inventory.options, target, skip_bad=skip_bad)
        self.skipped += skipped
        return fields, notes

    def _file_on(self, grid: Grid) -> str:
        from sslpdl.readers.inventory import fields_of

        for run in self._inventory.runs:
            for path in run.files:
                if any(item.grid == grid for item in fields_of(path, self._inventory.options)):
                    return str(path)
        return f"the run of {stamp(self._inventory.runs[0].init_time)}"


def _extent(grid: Grid) -> str:
    (west, east), (south, north) = ((float(values[0, 0]), float(values[-1, -1])) for values in grid.lonlat())
    return f"{grid.shape[0]} x {grid.shape[1]} cells from {south:.2f} N {west:.2f} E to {north:.2f} N {east:.2f} E"
