"""Regridding between projected and longitude-latitude grids, and rotation of grid-relative winds.

Every method is a sparse matrix from source cells to target cells, built once per pair of grids and kept.  Missing
values (NaN) are handled by one rule for all methods: a target cell gets the mean of the valid source cells by their
weights if these hold at least half of its weight, otherwise it is missing.  Cells of the target that lie outside the
source are missing; for the conservative method the part of a cell outside the source counts as missing weight.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sslpdl.errors import GridError

if TYPE_CHECKING:
    from sslpdl.grid import Grid

__all__ = ["regrid", "rotate_winds"]

Method = Literal["bilinear", "conservative", "nearest"]
Floats = NDArray[np.float64]

HALF = 0.5 - 1e-6
"""Weight that must be valid; a little less than one half so that exactly half passes despite rounding."""

SAMPLES, MOST_SAMPLES = 10, 40
"""Points along each side of a target cell that measure its overlap with source cells of another projection.

Two for each source cell, within these bounds.
"""


class _Weights(Protocol):
    """Linear map from source cells to target cells."""

    def __call__(self, values: Floats) -> Floats:
        """Map (k, source rows, source columns) to (k, target rows, target columns)."""
        ...


def regrid(values: ArrayLike, source: Grid, target: Grid, *, method: Method = "bilinear") -> NDArray[np.float32]:
    """Interpolate fields from one grid to another.

    Parameters
    ----------
    values : array (..., y, x)
        Fields on `source`, row 0 south (flip north-to-south rows first); NaN is missing.
    source, target : Grid
        Any two grids.  Longitudes are cyclic: a global source may start at 0 or at -180 degrees.
    method : {"bilinear", "conservative", "nearest"}
        ``"bilinear"`` between the four surrounding cell centres, for state variables; up to half a cell beyond the
        outermost centres the outermost value holds.  ``"conservative"`` is the mean over the target cell's area, for
        rain: exact overlap areas where both grids share the projection (so that nested grids give block means),
        otherwise measured with 10 x 10 to 40 x 40 points in each target cell.  ``"nearest"`` takes the source cell that
        the target centre lies in.

    Returns
    -------
    array (..., target rows, target columns) of float32
        NaN outside the source and where less than half of the weight is valid.

    Raises
    ------
    GridError
        If the last two dimensions are not the source's shape, or the method is unknown.
    """
    fields = np.asarray(values)
    if fields.shape[-2:] != source.shape:
        raise GridError(
            f"Fields of shape {fields.shape} do not fit grid {source.name!r} of shape {source.shape} (rows, columns)."
        )
    if method not in ("bilinear", "conservative", "nearest"):
        raise GridError(f"Regridding method {method!r} is unknown; use bilinear, conservative or nearest.")
    if source.same_cells(target):
        return fields.astype(np.float32)
    weights, total = _weights(source, target, method)
    stack = fields.reshape(-1, *source.shape)
    result = np.empty((len(stack), *target.shape), np.float32)
    for index, field in enumerate(stack):  # one at a time: memory stays that of one field
        result[index] = _apply(weights, total, field.astype(np.float64))
    return result.reshape(*fields.shape[:-2], *target.shape)


def _apply(weights: _Weights, total: Floats, field: Floats) -> Floats:
    valid = np.isfinite(field)
    if valid.all():
        share, mapped = total, weights(field)
    else:
        share, mapped = weights(valid.astype(np.float64)), weights(np.where(valid, field, 0.0))
    enough = share >= HALF
    result: Floats = np.divide(mapped, share, out=np.full(share.shape, np.nan), where=enough)
    return result


@lru_cache(maxsize=16)
def _weights(source: Grid, target: Grid, method: Method) -> tuple[_Weights, Floats]:
    """Return the map and the weight that each target cell has when all of the source is valid."""
    weights: _Weights
    if method == "conservative" and source.same_projection(target) and not source.periodic:
        weights = _Separable(
            _overlap(source.y0, source.dy, source.shape[0], target.y0, target.dy, target.shape[0]),
            _overlap(source.x0, source.dx, source.shape[1], target.x0, target.dx, target.shape[1]),
        )
    elif method == "conservative":
        weights = _Sparse(_area_weights(source, target), target.shape)
    else:
        row, column = source.cell(*target.lonlat())
        matrix = _point_weights(source, row.ravel(), column.ravel(), linear=method == "bilinear")
        weights = _Sparse(matrix, target.shape)
    return weights, weights(np.ones(source.shape))


class _Sparse:
    """Weights as one sparse matrix (target cells, source cells)."""

    def __init__(self, matrix: Any, shape: tuple[int, int]) -> None:
        self.matrix = matrix
        self.shape = shape

    def __call__(self, values: Floats) -> Floats:
        mapped: Floats = (self.matrix @ values.ravel()).reshape(self.shape)
        return mapped


class _Separable:
    """Weights that are a product of one matrix for rows and one for columns."""

    def __init__(self, rows: Any, columns: Any) -> None:
        self.rows = rows
        self.columns = columns

    def __call__(self, values: Floats) -> Floats:
        mapped: Floats = (self.columns @ (self.rows @ values).T).T
        return mapped


def _overlap(
    source0: float, source_step: float, source_size: int, target0: float, target_step: float, target_size: int
) -> Any:
    """Return the share of each target interval (rows) that each source interval (columns) covers."""
    from scipy.sparse import csr_array

    left = target0 + target_step * (np.arange(target_size) - 0.5)
    first = np.floor((left - source0) / source_step + 0.5).astype(np.int64)
    # an interval can touch one source cell more than the ratio of lengths at either end
    touched = int(np.ceil(target_step / source_step)) + 2
    index = first[:, None] + np.arange(-1, touched)[None, :]
    edge = source0 + source_step * (index - 0.5)
    length = np.minimum(edge + source_step, left[:, None] + target_step) - np.maximum(edge, left[:, None])
    keep = (length > 1e-9 * target_step) & (index >= 0) & (index < source_size)
    target = np.broadcast_to(np.arange(target_size)[:, None], index.shape)
    return csr_array((length[keep] / target_step, (target[keep], index[keep])), shape=(target_size, source_size))


def _point_weights(source: Grid, row: Floats, column: Floats, *, linear: bool) -> Any:
    """Return the matrix that takes values at fractional source indices; rows of points outside the source are empty."""
    from scipy.sparse import csr_array

    rows, columns = source.shape
    inside = (row >= -0.5) & (row < rows - 0.5) & (column >= -0.5) & (column < columns - 0.5)
    (point,) = np.nonzero(inside)
    row, column = row[point], column[point]
    if linear:
        low_row, low_column = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        up, right = row - low_row, column - low_column
        corners = [
            (low_row + i, low_column + j, (up if i else 1 - up) * (right if j else 1 - right))
            for i in (0, 1)
            for j in (0, 1)
        ]
    else:
        corners = [(np.rint(row).astype(np.int64), np.rint(column).astype(np.int64), np.ones(point.size))]
    cells = [np.clip(i, 0, rows - 1) * columns + _column(source, j) for i, j, _ in corners]
    weight = np.concatenate([share for _, _, share in corners])
    matrix = csr_array(
        (weight, (np.tile(point, len(corners)), np.concatenate(cells))), shape=(inside.size, rows * columns)
    )
    matrix.sum_duplicates()
    return matrix


def _column(source: Grid, column: NDArray[np.int64]) -> NDArray[np.int64]:
    columns = source.shape[1]
    return np.mod(column, columns) if source.periodic else np.clip(column, 0, columns - 1)


def _area_weights(source: Grid, target: Grid) -> Any:
    """Return the share of each target cell that lies in each source cell, measured with points inside the target cell.

    Source indices of the target's cell corners are exact; between them they are interpolated, since over one cell any
    map projection is straight to within metres.
    """
    from scipy.sparse import csr_array

    corners = np.stack(_corner_cells(source, target))  # (corner, row or column, cell)
    cells = corners.shape[2]
    near = _near(source, corners)
    south_west, south_east, north_west, north_east = corners[:, :, near]
    size = np.abs(north_east - south_west).max(initial=0.0)
    count = int(np.clip(np.ceil(2 * size), SAMPLES, MOST_SAMPLES))
    offsets = (np.arange(count) + 0.5) / count
    matrix = csr_array((cells, source.shape[0] * source.shape[1]))
    right = offsets[None, :, None]
    for up in offsets:
        west = (1 - up) * south_west + up * north_west  # (row or column, near cell)
        east = (1 - up) * south_east + up * north_east
        row, column = (1 - right) * west[:, None] + right * east[:, None]  # (point, near cell)
        matrix = matrix + _count_cells(source, row, column, near, cells)
    return matrix / count**2


def _near(source: Grid, corners: Floats) -> NDArray[np.int64]:
    """Return the target cells, given by source indices (corner, row or column, cell), that may overlap the source."""
    known = np.isfinite(corners).all(axis=(0, 1))
    low, high = corners.min(axis=0), corners.max(axis=0)  # (row or column, cell)
    edge = np.asarray(source.shape)[:, None]
    meets = (low < edge) & (high > -1)
    if source.geographic:
        meets[1] = True  # longitudes are cyclic
    return np.flatnonzero(known & meets.all(axis=0))


def _corner_cells(source: Grid, target: Grid) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the source (row, column) of the SW, SE, NW and NE corners of every target cell, each (2, cells)."""
    rows, columns = target.shape
    x_edge = target.x0 + target.dx * (np.arange(columns + 1) - 0.5)
    y_edge = target.y0 + target.dy * (np.arange(rows + 1) - 0.5)
    if target.geographic:
        y_edge = np.clip(y_edge, -90.0, 90.0)
    edge = np.stack(source.cell(*target.lonlat_of(x_edge[None, :], y_edge[:, None])))
    south_west, *others = (edge[:, i : i + rows, j : j + columns].reshape(2, -1) for i in (0, 1) for j in (0, 1))
    if source.geographic:
        # corners of one cell may lie on both sides of the seam of longitudes; bring them next to the first
        turn = 360.0 / source.dx
        for corner in others:
            corner[1] -= turn * np.rint((corner[1] - south_west[1]) / turn)
    return south_west, others[0], others[1], others[2]


def _count_cells(source: Grid, row: Floats, column: Floats, near: NDArray[np.int64], cells: int) -> Any:
    """Return how many points (point, near cell) of each target cell lie in each source cell, as a sparse matrix."""
    from scipy.sparse import csr_array

    rows, columns = source.shape
    if source.geographic:
        column = np.mod(column + 0.5, 360.0 / source.dx) - 0.5
    inside = (row >= -0.5) & (row < rows - 0.5) & (column >= -0.5) & (column < columns - 0.5)
    index = np.rint(row[inside]).astype(np.int64) * columns + np.rint(column[inside]).astype(np.int64)
    target = near[np.nonzero(inside)[1]]
    return csr_array((np.ones(target.size), (target, index)), shape=(cells, rows * columns))


def rotate_winds(u: ArrayLike, v: ArrayLike, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn winds relative to the grid's axes into eastward and northward components.

    Parameters
    ----------
    u, v : array (..., y, x)
        Components along increasing column and increasing row, in m s-1.
    grid : Grid
        Grid of the winds, in a conformal projection (such as Lambert, Mercator, polar stereographic) or
        longitude-latitude.

    Returns
    -------
    u_east, v_north : arrays (..., y, x) of float32
        Same unit; the wind speed is unchanged.

    Raises
    ------
    GridError
        If the last two dimensions are not the grid's shape.
    """
    along_x, along_y = np.asarray(u, np.float64), np.asarray(v, np.float64)
    for field in (along_x, along_y):
        if field.shape[-2:] != grid.shape:
            raise GridError(
                f"Winds of shape {field.shape} do not fit grid {grid.name!r} of shape {grid.shape} (rows, columns)."
            )
    cosine, sine = _north_turn(grid)
    return (along_x * cosine - along_y * sine).astype(np.float32), (along_x * sine + along_y * cosine).astype(
        np.float32
    )


@lru_cache(maxsize=16)
def _north_turn(grid: Grid) -> tuple[Floats, Floats]:
    """Return cosine and sine of the angle from east, anticlockwise, to the grid's x axis at every cell."""
    if grid.geographic:
        return np.ones(grid.shape), np.zeros(grid.shape)
    lon, lat = grid.lonlat()
    x0, y0 = grid.xy(lon, lat - 0.005)
    x1, y1 = grid.xy(lon, lat + 0.005)
    length = np.hypot(x1 - x0, y1 - y0)
    # unit vector of north in grid axes is (-sin, cos) of that angle's opposite: north = (sin a, cos a)
    return (y1 - y0) / length, (x1 - x0) / length
