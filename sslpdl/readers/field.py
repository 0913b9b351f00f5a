"""A field of a source file, known by its header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslpdl.errors import ReaderError
from sslpdl.grid import GRIDS, Grid

__all__ = ["Field", "named", "stamp", "whole_hour"]


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical channel (or one summand of it) at one time, and where its values are.

    Attributes
    ----------
    path : Path
        The file.
    position : int
        Byte offset of the GRIB message, or index along time in a netCDF file.
    part : int
        Number of the field in its GRIB message, from 0.
    source_name : str
        What the file calls it: GRIB short name or numbers, netCDF variable.
    channel : str
        Canonical name.
    rank, summand, summands : int
        Preference among several fields for one channel, and which summand of it this is.
    units : str
        Unit of the values in the file.
    init_time : datetime64[s]
        Start of the run, UTC.
    start, end : float
        Period that the values belong to, in hours since `init_time`; equal for an instant.
    grid : Grid
        Grid of the values.
    grid_relative : bool
        Whether wind components follow the grid's axes instead of east and north.
    """

    path: Path
    position: int
    part: int
    source_name: str
    channel: str
    rank: int
    summand: int
    summands: int
    units: str
    init_time: np.datetime64
    start: float
    end: float
    grid: Grid
    grid_relative: bool

    @property
    def lead(self) -> int:
        """Lead time in hours.

        Raises
        ------
        ReaderError
            If it is not a whole number of hours.
        """
        return whole_hour(self.end, self.path)

    def __str__(self) -> str:
        """Return what a message needs to name the field."""
        return f"{self.channel} of {stamp(self.init_time)} +{self.end:g} h ({self.source_name} in {self.path})"


def whole_hour(value: float, path: Path) -> int:
    """Return a lead time as an integer number of hours, or raise ReaderError."""
    if value != round(value):
        raise ReaderError(
            f"{path} holds a field {value * 60:g} minutes after the start of the run; lead times must be whole hours: "
            "select hourly fields first.",
            kind="whole_hours",
        )
    return round(value)


def stamp(time: np.datetime64) -> str:
    """Return a time as ``2005-08-07 12 UTC``, with minutes where it has any."""
    text = str(time.astype("datetime64[m]")).replace("T", " ")
    return f"{text.removesuffix(':00')} UTC"


def named(grid: Grid, name: str) -> Grid:
    """Return the known grid with the same cells, or the same grid under the given name."""
    from dataclasses import replace

    known = next((other for other in GRIDS.values() if other.same_cells(grid)), None)
    return known or replace(grid, name=name)
