"""Geography under the rain: the right place in any projection, and what the browser interpolates."""

from __future__ import annotations

import numpy as np
import pytest

from sslpdl.dashboard.basemap import Basemap, basemap
from sslpdl.dashboard.figures import MAPS, MapFigures
from sslpdl.data import stations
from sslpdl.grid import KOREA_5KM, RDAPS_12KM, Grid

LON_LAT = Grid("ll", "+proj=longlat +R=6371229 +no_defs", 122.0, 31.0, 0.25, 0.25, (56, 48))
AMERICA = Grid(
    "us",
    "+proj=lcc +lat_1=25 +lat_2=25 +lat_0=25 +lon_0=-95 +R=6371200 +units=m +no_defs",
    -2e5,
    6e5,
    12e3,
    12e3,
    (129, 185),
)


def on_land(geography: Basemap, x: float, y: float) -> bool:
    """Even-odd rule over all rings, as a canvas fills them."""
    crossings = 0
    xs, ys = geography.land
    ends = np.flatnonzero(np.isnan(xs))
    for first, last in zip(np.r_[0, ends[:-1] + 1], ends, strict=True):
        px, py = xs[first:last], ys[first:last]
        qx, qy = np.roll(px, -1), np.roll(py, -1)
        crosses = (py > y) != (qy > y)
        at = px[crosses] + (y - py[crosses]) / (qy - py)[crosses] * (qx - px)[crosses]
        crossings += int((at > x).sum())
    return crossings % 2 == 1


def bilinear(table: np.ndarray, box: list[float], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What the browser does (static/viewer/4_geography.js)."""
    last = len(table) - 1
    column, row = (u - box[0]) / (box[2] - box[0]) * last, (v - box[1]) / (box[3] - box[1]) * last
    i, j = np.minimum(row.astype(int), last - 1), np.minimum(column.astype(int), last - 1)
    p, q = row - i, column - j
    return (1 - p) * ((1 - q) * table[i, j] + q * table[i, j + 1]) + p * (
        (1 - q) * table[i + 1, j] + q * table[i + 1, j + 1]
    )


@pytest.mark.parametrize("grid", [KOREA_5KM, LON_LAT], ids=lambda grid: grid.name)
def test_towns_lie_on_land_and_the_middle_of_the_sea_does_not(grid: Grid) -> None:
    geography = basemap(grid)
    for name in ("Seoul", "Daejeon", "Gwangju", "Daegu", "Andong"):
        k = geography.places["name"].index(name)
        assert on_land(geography, geography.places["x"][k], geography.places["y"][k]), name
    for lon, lat in [(123.9, 36.0), (130.5, 39.5), (125.5, 32.9)]:
        x, y = grid.xy(lon, lat)
        assert not on_land(geography, float(x), float(y)), (lon, lat)


@pytest.mark.parametrize("grid", [KOREA_5KM, LON_LAT, AMERICA, RDAPS_12KM], ids=lambda grid: grid.name)
def test_tables_turn_map_coordinates_into_places_and_back(grid: Grid) -> None:
    tables = basemap(grid).tables
    rng = np.random.default_rng(1)
    left, bottom, right, top = grid.bounds
    x, y = rng.uniform(left, right, 500), rng.uniform(bottom, top, 500)
    lon, lat = grid.lonlat_of(x, y)
    step = max(grid.dx, grid.dy)
    near_lon, near_lat = (bilinear(tables[name], tables["box"], x, y) for name in ("lon", "lat"))
    back_x, back_y = (bilinear(tables[name], tables["geographic"], lon, lat) for name in ("x", "y"))
    degree = 111.2e3 if not grid.geographic else 1.0
    error = np.hypot((near_lon - lon) * np.cos(np.radians(lat)), near_lat - lat) * degree
    assert error.max() < 0.5 * step, "half a cell"
    assert np.hypot(back_x - x, back_y - y).max() < step, "a cell: only the graticule is drawn with it"
    if grid is KOREA_5KM:
        assert error.max() < 100, "metres"


def test_lines_do_not_jump_around_the_globe() -> None:
    geography = basemap(LON_LAT)
    left, _, right, _ = geography.surroundings
    for x, _y in geography.lines.values():
        assert np.nanmin(x) > left - 25
        assert np.nanmax(x) < right + 25
        assert np.nanmax(np.abs(np.diff(x))) < 10, "no segment across the map"


def test_beyond_the_shipped_maps_there_is_no_land_and_no_sea() -> None:
    geography = basemap(AMERICA)
    assert not geography.covered
    assert geography.land[0].size == 0
    assert geography.places["name"] == []
    assert geography.regions == []
    assert basemap(KOREA_5KM).covered


def test_regions_and_places_are_those_on_the_grid() -> None:
    geography = basemap(KOREA_5KM)
    assert {"peninsula", "capital_area", "jeju"} <= {region["name"] for region in geography.regions}
    assert geography.places["name"][0] == "Seoul"
    seoul = stations()[0]
    assert geography.places["x"][0] == pytest.approx(float(KOREA_5KM.xy(seoul.lon, seoul.lat)[0]))
    small = basemap(KOREA_5KM.crop(100, 40, (20, 30)))
    assert "Jeju" not in small.places["name"]


def test_bokeh_finds_nothing_wrong_with_the_maps(caplog: pytest.LogCaptureFixture) -> None:
    """The server does not let Bokeh check the same maps again for every visitor."""
    document_module = pytest.importorskip("bokeh.document", reason="Bokeh comes with the extra 'app'")
    document = document_module.Document()
    figures = MapFigures(KOREA_5KM, basemap(KOREA_5KM))
    plots = [figures.plot(name) for name in MAPS]
    for plot in plots:
        document.add_root(plot)
    document.validate()
    assert not caplog.records
    plots[0].renderers[-1].glyph.x = "nowhere"
    document.validate()
    assert "BAD_COLUMN_NAME" in caplog.text, "what is wrong would be said"
