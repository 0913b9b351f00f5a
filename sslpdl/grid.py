"""Map grids: projection, cell centres, index of a place, masks and regridding.

A :class:`Grid` is a frozen description of regularly spaced cell centres in some projection (or in longitude and
latitude). Row 0 is the southernmost row and column 0 the westernmost column, as in KMA's files.  Fields are arrays of
shape (..., y, x).

Longitude and latitude are used as the data providers give them: on the sphere or ellipsoid of the grid's own
projection, without a datum shift, which is what GRIB producers mean and what KMA's own converters do.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sslpdl.errors import GridError

if TYPE_CHECKING:
    import pyproj
    import xarray as xr

__all__ = ["GRIDS", "HSR_500M", "KOREA_5KM", "RDAPS_12KM", "Grid", "regrid", "rotate_winds"]

Floats = NDArray[np.float64]


@lru_cache(maxsize=64)
def _crs(text: str) -> pyproj.CRS:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise GridError(f"The projection {text!r} is not understood by PROJ ({error}); give a PROJ string.") from error


@lru_cache(maxsize=64)
def _projection_of_thread(text: str, thread: int) -> pyproj.Proj:
    import pyproj

    return pyproj.Proj(_crs(text))


def _projection(text: str) -> pyproj.Proj:
    # PROJ objects must not be used by two threads at once
    return _projection_of_thread(text, threading.get_ident())


def _proj_string(crs: pyproj.CRS) -> str:
    with warnings.catch_warnings():
        # names of datums are lost, which the projections of weather models do not have
        warnings.filterwarnings("ignore", message="You will likely lose important projection information")
        return str(crs.to_proj4())


@dataclass(frozen=True)
class Grid:
    """Regular grid of cells in a map projection; row 0 is south.

    Attributes
    ----------
    name : str
        Short name for people; grids that differ only in name hold the same cells.
    crs_parameters : str
        PROJ string (or anything else that ``pyproj.CRS`` reads) of the projection.
    x0, y0 : float
        Centre of the cell in row 0 and column 0, in metres, or in degrees for a longitude-latitude grid.
    dx, dy : float
        Distance between cell centres, positive, in the same unit.
    shape : tuple of int
        (rows, columns).

    Raises
    ------
    GridError
        If the spacing is not positive, the shape is empty, or PROJ does not know the projection.
    """

    name: str
    crs_parameters: str
    x0: float
    y0: float
    dx: float
    dy: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if not (self.dx > 0 and self.dy > 0):
            raise GridError(
                f"Grid {self.name!r} has a spacing of {self.dx} by {self.dy}; both must be positive: "
                "flip rows that run from north to south."
            )
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise GridError(
                f"Grid {self.name!r} has the shape {self.shape}; it must be (rows, columns), both at least 1."
            )
        if not all(math.isfinite(value) for value in (self.x0, self.y0, self.dx, self.dy)):
            raise GridError(f"Grid {self.name!r} has an origin or a spacing that is not a finite number.")
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))

    # ---- projection -------------------------------------------------------------------------------------------------

    @property
    def crs(self) -> pyproj.CRS:
        """The coordinate reference system."""
        return _crs(self.crs_parameters)

    @property
    def proj4(self) -> str:
        """PROJ string of the projection."""
        if "+proj=" in self.crs_parameters:
            return self.crs_parameters
        return _proj_string(self.crs)

    @property
    def geographic(self) -> bool:
        """Whether x and y are longitude and latitude in degrees."""
        if self.crs.is_derived and self.crs.is_geographic:
            raise GridError(f"Grid {self.name!r} has a rotated pole, which is not supported; regrid the data first.")
        return bool(self.crs.is_geographic)

    @property
    def periodic(self) -> bool:
        """Whether the columns go once around the Earth, so that the last is a neighbour of the first."""
        return self.geographic and abs(self.shape[1] * self.dx - 360.0) < 1e-3 * self.dx

    # ---- coordinates ------------------------------------------------------------------------------------------------

    @property
    def x(self) -> Floats:
        """Column centres, shape (columns,), in metres or degrees east."""
        return self.x0 + self.dx * np.arange(self.shape[1], dtype=np.float64)

    @property
    def y(self) -> Floats:
        """Row centres from south to north, shape (rows,), in metres or degrees north."""
        return self.y0 + self.dy * np.arange(self.shape[0], dtype=np.float64)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges of the outermost cells: (left, bottom, right, top)."""
        left, bottom = self.x0 - self.dx / 2, self.y0 - self.dy / 2
        return left, bottom, left + self.dx * self.shape[1], bottom + self.dy * self.shape[0]

    def xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Return projection coordinates of places given in degrees; infinite where the projection is undefined.

        For a longitude-latitude grid, longitudes are shifted by whole turns to the span that starts half a cell west
        of the first column.
        """
        longitude, latitude = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        if self.geographic:
            west = self.x0 - self.dx / 2
            return west + np.mod(longitude - west, 360.0), np.array(latitude)
        x, y = _projection(self.crs_parameters)(longitude, latitude)
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def lonlat_of(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return longitude and latitude in degrees of projection coordinates."""
        easting, northing = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        if self.geographic:
            return np.array(easting), np.array(northing)
        lon, lat = _projection(self.crs_parameters)(easting, northing, inverse=True)
        return np.asarray(lon, np.float64), np.asarray(lat, np.float64)

    def lonlat(self) -> tuple[Floats, Floats]:
        """Return longitude and latitude of all cell centres in degrees, both of shape (rows, columns), row 0 south."""
        return self.lonlat_of(self.x[None, :], self.y[:, None])

    def cell(self, lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
        """Return the fractional, 0-based (row, column) of places; (0, 0) is the centre of the south-western cell.

        Examples
        --------
        >>> row, column = KOREA_5KM.cell(126.978, 37.5665)  # Seoul
        >>> print(f"{row:.2f} {column:.2f}")
        111.71 48.81
        """
        x, y = self.xy(lon, lat)
        return (y - self.y0) / self.dy, (x - self.x0) / self.dx

    def crop(self, row0: int, col0: int, shape: tuple[int, int], *, name: str | None = None) -> Grid:
        """Return the part of the grid that starts at (row0, col0) and has the given (rows, columns).

        Raises
        ------
        GridError
            If the part reaches beyond the grid.
        """
        rows, columns = self.shape
        if row0 < 0 or col0 < 0 or row0 + shape[0] > rows or col0 + shape[1] > columns:
            raise GridError(
                f"Rows {row0} to {row0 + shape[0] - 1} and columns {col0} to {col0 + shape[1] - 1} reach beyond grid "
                f"{self.name!r} of shape {self.shape}."
            )
        return replace(
            self,
            name=name or f"{self.name}[{row0}:{row0 + shape[0]},{col0}:{col0 + shape[1]}]",
            x0=self.x0 + col0 * self.dx,
            y0=self.y0 + row0 * self.dy,
            shape=shape,
        )

    def same_projection(self, other: Grid) -> bool:
        """Whether the other grid has the same projection on the same sphere or ellipsoid."""
        return self.crs_parameters == other.crs_parameters or bool(self.crs == other.crs)

    def same_cells(self, other: Grid) -> bool:
        """Whether the other grid has the same projection and cells, whatever its name."""
        return (
            self.shape == other.shape
            and self.same_projection(other)
            and np.allclose([self.x0, self.y0], [other.x0, other.y0], rtol=0, atol=1e-4 * self.dx)
            and np.allclose([self.dx, self.dy], [other.dx, other.dy], rtol=1e-6, atol=0)
        )

    # ---- masks ------------------------------------------------------------------------------------------------------

    def land(self) -> NDArray[np.bool_]:
        """Return the land mask (rows, columns): True where a cell centre lies on land of the shipped coastline."""
        from sslpdl.masks import land_mask

        return land_mask(self)

    def verification_mask(self) -> NDArray[np.bool_]:
        """Return where verification counts (rows, columns): South Korean land and the waters within radar range."""
        from sslpdl.masks import verification_mask

        return verification_mask(self)

    # ---- storage ----------------------------------------------------------------------------------------------------

    def to_attrs(self) -> dict[str, Any]:
        """Return the attributes of a CF grid-mapping variable, with the PROJ string and the grid's name added."""
        attributes = {key: value for key, value in self.crs.to_cf().items() if not isinstance(value, Mapping)}
        # names that pyproj cannot know are no information, and CF checkers complain about them
        attributes = {key: value for key, value in attributes.items() if value != "unknown" and value != "undefined"}
        return attributes | {"proj4": self.proj4, "grid_name": self.name}

    @classmethod
    def from_dataset(cls, ds: xr.Dataset) -> Grid:
        """Return the grid of a dataset that has the variables ``crs``, ``x`` and ``y``.

        Raises
        ------
        GridError
            If one of them is missing, or x and y are not evenly spaced from west to east and from south to north.
        """
        for name in ("crs", "x", "y"):
            if name not in ds.variables:
                raise GridError(f"The dataset has no variable {name!r}, so its grid is unknown.")
        attributes = ds["crs"].attrs
        x0, dx = _spacing("x", ds["x"].values)
        y0, dy = _spacing("y", ds["y"].values)
        if dy is None or dx is None:
            # one row or one column: cells are taken to be square
            dx = dx or dy or 1.0
            dy = dy or dx
        parameters = attributes.get("proj4")
        if parameters is None:
            import pyproj

            try:
                parameters = _proj_string(pyproj.CRS.from_cf(dict(attributes)))
            except (pyproj.exceptions.CRSError, KeyError) as error:
                raise GridError(f"The grid mapping {dict(attributes)} is not understood ({error}).") from error
        shape = (int(ds.sizes["y"]), int(ds.sizes["x"]))
        return cls(str(attributes.get("grid_name", "grid")), str(parameters), x0, y0, dx, dy, shape)


def _spacing(name: str, values: NDArray[Any]) -> tuple[float, float | None]:
    centres = np.asarray(values, np.float64)
    if centres.size == 1:
        return float(centres[0]), None
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    if not step > 0 or np.abs(np.diff(centres) - step).max() > 1e-3 * step:
        raise GridError(
            f"The coordinate {name!r} is not evenly spaced in increasing order; flip or regrid the data first."
        )
    # 12 digits undo the rounding of the division: a grid read back equals the grid written
    return float(centres[0]), float(f"{step:.12g}")


def _lambert(radius: float) -> str:
    return f"+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +x_0=0 +y_0=0 +R={radius} +units=m +no_defs"


KOREA_5KM = Grid("korea-5km", _lambert(6371008.77), -160_000.0, -605_000.0, 5_000.0, 5_000.0, (224, 128))
"""Default grid: columns 10-137, rows 14-237 of KMA's 149 x 253 forecast grid, where 38N 126E is column 42, row 135."""

RDAPS_12KM = Grid(
    "rdaps-12km",
    _lambert(6371229.0),
    -2_941_735.6094,
    -2_509_480.6066,
    12_000.0,
    12_000.0,
    (419, 491),
)
"""KMA's regional 12-km grid of r120 and g120 files; first point 12.217029N 101.577323E."""

HSR_500M = Grid("hsr-500m", _lambert(6371008.77), -560_500.0, -840_500.0, 500.0, 500.0, (2881, 2305))
"""KMA's radar composite; 38N 126E is the centre of column 1121, row 1681.

Published readers disagree by one to two cells (up to 1 km) about that cell; kkpy's is taken here.  Where the provider's
own longitude and latitude file is at hand, prefer a grid made from it.
"""

GRIDS: dict[str, Grid] = {grid.name: grid for grid in (KOREA_5KM, RDAPS_12KM, HSR_500M)}
"""Grids by name."""

from sslpdl.regrid import regrid, rotate_winds  # noqa: E402  (regrid.py needs Grid, and its names belong here too)
