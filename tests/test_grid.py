"""Projection, cells and masks: values that a reader can redo with the Lambert formulae or look up on a map."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from math import cos, log, pi, radians, sin, tan

import numpy as np
import pytest
import xarray as xr

from sslpdl.errors import GridError
from sslpdl.grid import GRIDS, HSR_500M, KOREA_5KM, RDAPS_12KM, Grid

LONLAT = "+proj=longlat +R=6371229 +no_defs"


def lambert(lon: float, lat: float, radius: float) -> tuple[float, float]:
    """Snyder (1987), equations 15-1 to 15-5, for standard parallels 30 and 60N, origin 38N 126E."""
    t = {phi: tan(pi / 4 + radians(phi) / 2) for phi in (30, 60, 38, lat)}
    n = log(cos(radians(30)) / cos(radians(60))) / log(t[60] / t[30])
    f = cos(radians(30)) * t[30] ** n / n
    rho, rho0 = radius * f / t[lat] ** n, radius * f / t[38] ** n
    theta = n * radians(lon - 126)
    return rho * sin(theta), rho0 - rho * cos(theta)


def test_seoul_is_where_the_design_says() -> None:
    row, column = KOREA_5KM.cell(126.978, 37.5665)
    assert (round(float(row), 2), round(float(column), 2)) == (111.71, 48.81)


def test_korea_is_the_crop_of_the_forecast_grid() -> None:
    # 38N 126E is the centre of the 1-based cell (43, 136) of the 149 x 253 grid
    whole = Grid("kma-5km", KOREA_5KM.crs_parameters, -42 * 5000.0, -135 * 5000.0, 5000.0, 5000.0, (253, 149))
    row, column = whole.cell(126, 38)
    assert (float(row), float(column)) == pytest.approx((135, 42), abs=1e-9)
    assert whole.crop(14, 10, (224, 128), name="korea-5km") == KOREA_5KM
    lon, lat = whole.lonlat()
    corners = [(lat[i, j], lon[i, j]) for i, j in ((0, 0), (0, -1), (-1, 0), (-1, -1))]
    expected = [(31.794, 123.761), (31.652, 131.642), (43.393, 123.310), (43.218, 132.775)]
    assert np.allclose(corners, expected, atol=6e-4)


@pytest.mark.parametrize(("lon", "lat"), [(126.978, 37.5665), (124.3, 32.4), (132.0, 42.6)])
def test_projection_against_the_formulae(lon: float, lat: float) -> None:
    x, y = KOREA_5KM.xy(lon, lat)
    assert (float(x), float(y)) == pytest.approx(lambert(lon, lat, 6371008.77), abs=1e-3)


def test_rdaps_corners_and_origin() -> None:
    lon, lat = RDAPS_12KM.lonlat()
    assert RDAPS_12KM.shape == (419, 491)
    assert (lat[0, 0], lon[0, 0]) == pytest.approx((12.217029, 101.577323), abs=1e-6)
    assert (lat[-1, -1], lon[-1, -1]) == pytest.approx((52.88906, 173.75916), abs=1e-5)
    row, column = RDAPS_12KM.cell(173.75916, 52.88906)
    assert (float(column), float(row)) == pytest.approx((490, 418), abs=1e-3)
    row, column = RDAPS_12KM.cell(126, 38)
    assert (float(column), float(row)) == pytest.approx((245.1446, 209.1234), abs=1e-4)


@pytest.mark.parametrize(
    ("lon", "lat", "column", "row"),
    [(126.978, 37.5665, 252.1, 205.3), (126.53, 33.51, 249.0, 168.3), (129.04, 35.11, 267.5, 183.3)],
)
def test_rdaps_cities(lon: float, lat: float, column: float, row: float) -> None:
    cell = RDAPS_12KM.cell(lon, lat)
    assert (float(cell[1]), float(cell[0])) == pytest.approx((column, row), abs=0.3)  # whole places, a few km across


def test_hsr_corners() -> None:
    lon, lat = HSR_500M.lonlat_of(HSR_500M.x[[0, -1, 0, -1]], HSR_500M.y[[0, 0, -1, -1]])
    expected = [(30.14, 120.16), (30.12, 132.16), (43.33, 118.82), (43.30, 133.57)]
    assert np.allclose(np.stack([lat, lon], axis=1), expected, atol=0.02)
    row, column = HSR_500M.cell(126, 38)
    assert (float(row), float(column)) == pytest.approx((1681, 1121), abs=1e-9)


@pytest.mark.parametrize("grid", [KOREA_5KM, RDAPS_12KM], ids=lambda g: g.name)
def test_lonlat_and_cell_are_inverse_and_row_0_is_south(grid: Grid) -> None:
    lon, lat = grid.lonlat()
    row, column = grid.cell(lon, lat)
    assert np.abs(row - np.arange(grid.shape[0])[:, None]).max() < 1e-6
    assert np.abs(column - np.arange(grid.shape[1])[None, :]).max() < 1e-6
    middle = grid.shape[1] // 2
    assert (np.diff(lat[:, middle]) > 0).all()


def test_bounds_are_cell_edges() -> None:
    assert KOREA_5KM.bounds == (-162_500.0, -607_500.0, 477_500.0, 512_500.0)
    assert KOREA_5KM.x[0] == -160_000.0
    assert KOREA_5KM.y[-1] == -605_000.0 + 223 * 5000.0


@pytest.mark.parametrize("first", [0.0, -180.0])
def test_global_grid_wraps(first: float) -> None:
    grid = Grid("global", LONLAT, first, -90.0, 0.5, 0.5, (361, 720))
    assert grid.periodic
    assert grid.geographic
    for lon in (126.978, 126.978 - 360.0, 126.978 + 360.0):
        row, column = grid.cell(lon, 37.5665)
        assert float(row) == pytest.approx((37.5665 + 90) / 0.5)
        assert float(column) == pytest.approx(((126.978 - first) % 360) / 0.5)
    # half a cell west of the first column is still the first column
    assert -0.5 <= float(grid.cell(first - 0.2, 0)[1]) < 0


def test_grid_survives_attributes_and_pickle() -> None:
    for grid in GRIDS.values():
        assert pickle.loads(pickle.dumps(grid)) == grid
        ds = xr.Dataset(coords={"x": grid.x, "y": grid.y, "crs": ((), 0, grid.to_attrs())})
        assert Grid.from_dataset(ds) == grid
    attributes = KOREA_5KM.to_attrs()
    assert attributes["grid_mapping_name"] == "lambert_conformal_conic"
    assert tuple(attributes["standard_parallel"]) == (30.0, 60.0)


def test_grid_from_cf_attributes_alone() -> None:
    attributes = {key: value for key, value in KOREA_5KM.to_attrs().items() if key not in ("proj4", "crs_wkt")}
    ds = xr.Dataset(coords={"x": KOREA_5KM.x, "y": KOREA_5KM.y, "crs": ((), 0, attributes)})
    assert Grid.from_dataset(ds).same_cells(KOREA_5KM)


def test_same_cells_sees_a_different_sphere_and_a_shift() -> None:
    other = Grid("other name", *(getattr(KOREA_5KM, f) for f in ("crs_parameters", "x0", "y0", "dx", "dy", "shape")))
    assert other.same_cells(KOREA_5KM)
    sphere = KOREA_5KM.crs_parameters.replace("6371008.77", "6371229.0")
    assert not Grid("s", sphere, -160_000, -605_000, 5000, 5000, (224, 128)).same_cells(KOREA_5KM)
    assert not Grid("s", KOREA_5KM.crs_parameters, -155_000, -605_000, 5000, 5000, (224, 128)).same_cells(KOREA_5KM)


def test_wrong_grids_are_refused() -> None:
    good = {"name": "g", "crs_parameters": LONLAT, "x0": 0.0, "y0": 0.0, "dx": 1.0, "dy": 1.0, "shape": (3, 4)}
    Grid(**good)
    for change, words in [
        ({"dy": -1.0}, "flip rows"),
        ({"shape": (0, 4)}, "at least 1"),
        ({"x0": float("nan")}, "finite"),
        ({"crs_parameters": "+proj=nonsense"}, "not understood"),
    ]:
        with pytest.raises(GridError, match=words):
            _ = Grid(**(good | change)).crs
    with pytest.raises(GridError, match="reach beyond"):
        KOREA_5KM.crop(200, 0, (50, 50))
    with pytest.raises(GridError, match="no variable 'crs'"):
        Grid.from_dataset(xr.Dataset(coords={"x": [0.0], "y": [0.0]}))
    bent = xr.Dataset(coords={"x": [0.0, 1.0, 3.0], "y": [0.0, 1.0], "crs": ((), 0, KOREA_5KM.to_attrs())})
    with pytest.raises(GridError, match="'x' is not evenly spaced"):
        Grid.from_dataset(bent)
    falling = xr.Dataset(coords={"x": [0.0, 1.0], "y": [1.0, 0.0], "crs": ((), 0, KOREA_5KM.to_attrs())})
    with pytest.raises(GridError, match="'y' is not evenly spaced in increasing order"):
        Grid.from_dataset(falling)


def test_projection_from_many_threads() -> None:
    lon, lat = KOREA_5KM.lonlat()
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda _: KOREA_5KM.cell(lon, lat)[0], range(40)))
    assert all(np.abs(row - np.arange(224)[:, None]).max() < 1e-6 for row in rows)


# ---- masks ----------------------------------------------------------------------------------------------------------


def at(mask: np.ndarray, lon: float, lat: float, grid: Grid = KOREA_5KM) -> bool:
    row, column = grid.cell(lon, lat)
    return bool(mask[round(float(row)), round(float(column))])


def test_land_and_sea() -> None:
    land = KOREA_5KM.land()
    assert land.shape == KOREA_5KM.shape
    for lon, lat in [(127.0, 37.5), (126.55, 33.37), (128.6, 35.87), (125.75, 39.02), (130.4, 33.5), (126.0, 42.0)]:
        assert at(land, lon, lat)
    for lon, lat in [(125.0, 36.0), (131.0, 37.0), (127.5, 33.8), (124.5, 39.0), (129.9, 35.5)]:
        assert not at(land, lon, lat)
    assert 0.35 < land.mean() < 0.5


def test_land_area_of_jeju() -> None:
    # the main island of Jeju has 1,833 km2; a cell holds 25 km2 on the map, 25 / 0.985**2 on Earth: 71 cells
    lon, lat = KOREA_5KM.lonlat()
    box = (lon > 126.1) & (lon < 127.0) & (lat > 33.15) & (lat < 33.6)
    assert (KOREA_5KM.land() & box).sum() == pytest.approx(71, abs=4)


def test_verification_mask() -> None:
    mask = KOREA_5KM.verification_mask()
    land = KOREA_5KM.land()
    for lon, lat in [
        (126.978, 37.5665),
        (126.55, 33.37),
        (130.87, 37.5),
        (125.5, 36.5),
        (128.5, 37.9),
        (124.67, 37.96),
    ]:
        assert at(mask, lon, lat)  # Seoul, Jeju, Ulleungdo, Yellow Sea, Gangwon, Baengnyeongdo
    for lon, lat in [(125.75, 39.02), (126.55, 37.97), (130.4, 33.5), (129.3, 34.4), (131.5, 39.0), (124.2, 40.5)]:
        assert not at(mask, lon, lat)  # Pyongyang, Kaesong, Fukuoka, Tsushima, far sea, China
    # South Korea has 100,400 km2; a cell holds 25 / 0.975**2 km2 of Earth: 3818 cells
    assert (mask & land).sum() == pytest.approx(3818, rel=0.02)


def test_land_on_a_longitude_latitude_grid_that_starts_in_mid_asia() -> None:
    # the rings of Eurasia cross its seam at 120E
    grid = Grid("seam", LONLAT, 120.0, 20.0, 0.25, 0.25, (100, 160))
    plain = Grid("plain", LONLAT, 100.0, 20.0, 0.25, 0.25, (100, 240))
    assert np.array_equal(grid.land(), plain.land()[:, 80:])


def test_no_land_mask_beyond_the_shipped_coast() -> None:
    with pytest.raises(GridError, match="shipped coastline ends"):
        RDAPS_12KM.land()
    america = Grid("us", LONLAT, -100.0, 30.0, 0.5, 0.5, (20, 30))
    with pytest.raises(GridError, match="give a mask of your own"):
        america.land()
    assert not america.verification_mask().any()
    assert RDAPS_12KM.verification_mask().any()
