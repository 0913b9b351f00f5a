"""Regridding and wind rotation: linear functions, areas and missing values that can be worked out by hand."""

from __future__ import annotations

from math import cos, log, pi, radians, sin, tan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslpdl.errors import GridError
from sslpdl.grid import HSR_500M, KOREA_5KM, RDAPS_12KM, Grid, regrid, rotate_winds

PLANE = KOREA_5KM.crs_parameters
LONLAT = "+proj=longlat +R=6371229 +no_defs"
METHODS = ("bilinear", "conservative", "nearest")


def plane(x0: float, y0: float, step: float, shape: tuple[int, int]) -> Grid:
    return Grid("plane", PLANE, x0, y0, step, step, shape)


def test_bilinear_is_exact_for_linear_fields() -> None:
    source, target = plane(0, 0, 10.0, (6, 7)), plane(12.5, 3.0, 2.5, (8, 9))
    field = 3.0 + 0.25 * source.x[None, :] - 0.5 * source.y[:, None]
    expected = 3.0 + 0.25 * target.x[None, :] - 0.5 * target.y[:, None]
    assert np.allclose(regrid(field, source, target), expected, atol=1e-5)


def test_bilinear_by_hand() -> None:
    source, target = plane(0, 0, 4.0, (2, 2)), plane(1.0, 3.0, 1.0, (1, 1))
    # x share 1/4, y share 3/4: (3/16) 1 + (1/16) 2 + (9/16) 3 + (3/16) 4
    assert regrid([[1.0, 2.0], [3.0, 4.0]], source, target)[0, 0] == pytest.approx(44 / 16)


def test_outside_is_missing_and_half_a_cell_beyond_the_centres_is_not() -> None:
    source = plane(0, 0, 10.0, (2, 2))
    target = plane(-6.0, 0.0, 2.0, (1, 12))  # centres -6, -4, ..., 16; cell edges of the source at -5 and 15
    result = regrid([[1.0, 2.0], [1.0, 2.0]], source, target, method="bilinear")[0]
    assert np.isnan(result[[0, -1]]).all()
    assert result[1:3].tolist() == [1.0, 1.0]
    assert result[5] == pytest.approx(1.4)
    assert result[-2] == 2.0
    for method in ("conservative", "nearest"):
        assert np.isfinite(regrid(np.ones((2, 2)), source, target, method=method)[0]).tolist() == [False] + [
            True
        ] * 10 + [False]


def test_nearest_takes_the_cell_that_holds_the_centre() -> None:
    source, target = plane(0, 0, 10.0, (2, 3)), plane(-4.0, 4.0, 4.0, (2, 4))
    field = np.arange(6.0).reshape(2, 3)
    # columns -4, 0 | 4 are in the cell around 0, 8 in that around 10; rows 4 in row 0, 8 in row 1
    assert regrid(field, source, target, method="nearest").tolist() == [[0, 0, 0, 1], [3, 3, 3, 4]]


def test_block_mean_of_nested_grids() -> None:
    source, target = plane(0.5, 0.5, 1.0, (4, 6)), plane(1.0, 1.0, 2.0, (2, 3))
    field = np.arange(24.0).reshape(4, 6)
    expected = field.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    assert np.allclose(regrid(field, source, target, method="conservative"), expected)


def test_radar_to_5_km_weighs_edge_cells_by_half() -> None:
    # 5-km edges run through the centres of 500-m cells: 9 whole and 2 half columns, as many rows
    weight = np.array([0.5] + [1.0] * 9 + [0.5]) / 10
    rng = np.random.default_rng(1)
    field = rng.random(HSR_500M.shape, np.float32)
    result = regrid(field, HSR_500M, KOREA_5KM, method="conservative")
    assert np.isfinite(result).all()
    for i, j in [(0, 0), (112, 49), (223, 127)]:
        # x = 500 c - 560500 and y = 500 r - 840500
        column = round((KOREA_5KM.x[j] + 560_500) / 500)
        row = round((KOREA_5KM.y[i] + 840_500) / 500)
        block = field[row - 5 : row + 6, column - 5 : column + 6]
        assert result[i, j] == pytest.approx(weight @ block @ weight, rel=1e-5)


def test_area_weights_of_different_projections_keep_the_total() -> None:
    # rain over the inner part of a longitude-latitude source, in mm times km2, before and after
    source = Grid("lonlat", LONLAT, 120.0, 30.0, 0.1, 0.1, (151, 161))
    lon, lat = source.lonlat()
    rain = np.exp(-(((lon - 127.5) / 1.5) ** 2) - ((lat - 37.0) / 1.2) ** 2)
    area = (6371.0 * radians(0.1)) ** 2 * np.cos(np.radians(lat))
    result = regrid(rain, source, KOREA_5KM, method="conservative")
    _, lat_k = KOREA_5KM.lonlat()
    # map area over true area of the Lambert projection, by its scale factor (Snyder 15-4)
    n = log(cos(radians(30)) / cos(radians(60))) / log(tan(pi / 3 + pi / 12) / tan(pi / 4 + pi / 12))
    scale = (cos(radians(30)) / np.cos(np.radians(lat_k))) * (
        tan(pi / 4 + pi / 12) / np.tan(pi / 4 + np.radians(lat_k) / 2)
    ) ** n
    assert (result * 25.0 / scale**2).sum() == pytest.approx((rain * area).sum(), rel=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "source", [RDAPS_12KM, Grid("ifs", LONLAT, 0.0, -90.0, 0.4, 0.4, (451, 900))], ids=["rdaps", "global"]
)
def test_constants_stay_constant(source: Grid, method: str) -> None:
    result = regrid(np.full(source.shape, 7.25, np.float32), source, KOREA_5KM, method=method)
    assert result.dtype == np.float32
    assert np.allclose(result, 7.25)


@pytest.mark.parametrize("method", METHODS)
def test_longitudes_wrap(method: str) -> None:
    # the same field on a grid that starts at 0E and on one that starts at 180W; target across the seam of each
    east, west = (Grid("g", LONLAT, first, -90.0, 1.0, 1.0, (181, 360)) for first in (0.0, -180.0))
    field = np.random.default_rng(0).random((181, 360))
    rolled = np.roll(field, 180, axis=1)
    for lon0 in (-4.3, 175.6):
        target = Grid("t", LONLAT, lon0, 30.2, 0.7, 0.7, (9, 12))
        a, b = regrid(field, east, target, method=method), regrid(rolled, west, target, method=method)
        assert np.isfinite(a).all()
        assert np.allclose(a, b, atol=1e-6)


def test_regional_source_in_degrees_east_of_180() -> None:
    source = Grid("pacific", LONLAT, 170.0, 0.0, 1.0, 1.0, (5, 30))  # to 199E, that is 161W
    field = np.broadcast_to(source.x, source.shape)
    target = Grid("t", LONLAT, -179.5, 1.5, 1.0, 1.0, (2, 5))
    assert np.allclose(regrid(field, source, target)[0], [180.5, 181.5, 182.5, 183.5, 184.5], atol=1e-4)
    assert np.isnan(regrid(field, source, Grid("t", LONLAT, 0.0, 1.5, 1.0, 1.0, (2, 5)))).all()


def test_half_of_the_weight_must_be_valid() -> None:
    source, target = plane(0.5, 0.5, 1.0, (2, 2)), plane(1.0, 1.0, 2.0, (1, 1))
    cases = {(1.0, 2.0, 3.0, np.nan): 2.0, (1.0, 2.0, np.nan, np.nan): 1.5, (4.0, np.nan, np.nan, np.nan): np.nan}
    for values, expected in cases.items():
        for method in ("conservative", "bilinear"):  # the target centre is the corner of four cells
            result = regrid(np.reshape(values, (2, 2)), source, target, method=method)[0, 0]
            assert np.isnan(result) if np.isnan(expected) else result == pytest.approx(expected)
    # conservative: half of the target lies outside the source, a third of the rest is missing
    wide = plane(0.5, 0.5, 1.0, (1, 3))
    beyond = Grid("t", PLANE, 3.0, 0.5, 6.0, 1.0, (1, 1))
    assert np.isnan(regrid([[1.0, 1.0, np.nan]], wide, beyond, method="conservative")[0, 0])
    assert np.isnan(
        regrid(
            [[1.0, 1.0, 1.0]],
            plane(0.5, 0.5, 1.0, (1, 3)),
            Grid("t", PLANE, 3.5, 0.5, 6.0, 1.0, (1, 1)),
            method="conservative",
        )
    )


def test_infinity_is_missing_and_integers_are_read() -> None:
    source, target = plane(0, 0, 1.0, (1, 2)), plane(0.1, 0, 0.5, (1, 1))
    assert regrid([[3.0, np.inf]], source, target)[0, 0] == 3.0
    assert regrid(np.array([[3, 3]], np.int16), source, target)[0, 0] == 3.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
def test_results_lie_between_the_extremes(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    step, size = float(rng.uniform(0.3, 3.0)), (int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    source, target = plane(0, 0, 1.0, (9, 8)), plane(float(rng.uniform(-2, 8)), float(rng.uniform(-2, 8)), step, size)
    field = np.where(rng.random((9, 8)) < 0.3, np.nan, rng.normal(size=(9, 8)))
    result = regrid(field, source, target, method=method)
    known = result[np.isfinite(result)]
    assert not known.size or (known.min() >= np.nanmin(field) - 1e-5 and known.max() <= np.nanmax(field) + 1e-5)


def test_stacks_and_wrong_shapes() -> None:
    field = np.random.default_rng(0).random((2, 3, *RDAPS_12KM.shape))
    field[1, 2, :200] = np.nan
    result = regrid(field, RDAPS_12KM, KOREA_5KM)
    assert result.shape == (2, 3, 224, 128)
    assert np.array_equal(result[1, 2], regrid(field[1, 2], RDAPS_12KM, KOREA_5KM), equal_nan=True)
    assert np.array_equal(regrid(result, KOREA_5KM, KOREA_5KM), result, equal_nan=True)
    with pytest.raises(GridError, match=r"shape \(5, 4\) do not fit grid 'rdaps-12km'"):
        regrid(np.zeros((5, 4)), RDAPS_12KM, KOREA_5KM)
    with pytest.raises(GridError, match="'cubic' is unknown"):
        regrid(field, RDAPS_12KM, KOREA_5KM, method="cubic")  # type: ignore[arg-type]


# ---- winds ----------------------------------------------------------------------------------------------------------


def test_rotation_angle_is_the_convergence_of_meridians() -> None:
    # a wind along the grid's x axis east of the central meridian points south of east by n (lon - 126)
    n = log(cos(radians(30)) / cos(radians(60))) / log(tan(pi / 3 + pi / 12) / tan(pi / 4 + pi / 12))
    lon, _ = KOREA_5KM.lonlat()
    u, v = rotate_winds(np.ones(KOREA_5KM.shape), np.zeros(KOREA_5KM.shape), KOREA_5KM)
    angle = np.radians(n * (lon - 126.0))
    assert np.allclose(u, np.cos(angle), atol=1e-5)
    assert np.allclose(v, -np.sin(angle), atol=1e-5)
    assert v[100, -1] < 0 < v[100, 0]


def test_rotation_follows_a_trajectory() -> None:
    # independent check: move a little along the grid wind and see where on Earth one gets
    grid, (row, column) = RDAPS_12KM, (300, 400)
    u, v = np.full(grid.shape, 3.0), np.full(grid.shape, -4.0)
    east, north = (field[row, column] for field in rotate_winds(u, v, grid))
    lon, lat = grid.lonlat_of(grid.x[column] + np.array([0.0, 3.0]), grid.y[row] + np.array([0.0, -4.0]))
    moved = np.array([(lon[1] - lon[0]) * cos(radians(lat[0])), lat[1] - lat[0]])
    direction = moved / np.hypot(*moved)
    assert np.allclose([east / 5, north / 5], direction, atol=1e-4)
    assert np.hypot(east, north) == pytest.approx(5.0, rel=1e-6)


def test_longitude_latitude_winds_stay_and_shapes_are_checked() -> None:
    grid = Grid("g", LONLAT, 0.0, 0.0, 1.0, 1.0, (3, 4))
    u, v = rotate_winds(np.full((2, 3, 4), 2.0), np.full((2, 3, 4), -1.0), grid)
    assert (u == 2.0).all()
    assert (v == -1.0).all()
    with pytest.raises(GridError, match="do not fit grid"):
        rotate_winds(np.zeros((4, 4)), np.zeros((4, 4)), grid)


def test_polar_stereographic_wind() -> None:
    # at 90 degrees west of the central meridian, grid x points north
    sin_turn = sin(radians(90))
    polar = Grid("p", "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=0 +R=6371229 +units=m", -3e6, -1e5, 1e5, 1e5, (3, 3))
    lon, _ = polar.lonlat()
    assert lon[1, 0] == pytest.approx(-90.0)
    u, v = rotate_winds(np.ones(polar.shape), np.zeros(polar.shape), polar)
    assert (u[1, 0], v[1, 0]) == pytest.approx((0.0, sin_turn), abs=1e-3)
