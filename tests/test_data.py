"""Map data and places in the package."""

from __future__ import annotations

import numpy as np
import pytest

from sslpdl import data
from sslpdl.errors import SslpdlError


@pytest.mark.parametrize("resolution", ["10m", "50m", "110m"])
@pytest.mark.parametrize("kind", ["coastline", "borders", "provinces"])
def test_lines_lie_in_the_shipped_part_of_the_earth(kind: str, resolution: str) -> None:
    west, south, east, north = data.coverage()
    parts = data.lines(kind, resolution=resolution)
    assert parts
    for line in parts:
        assert line.ndim == 2
        assert line.shape[1] == 2
        assert (line >= (west - 1e-6, south - 1e-6)).all()
        assert (line <= (east + 1e-6, north + 1e-6)).all()


def test_bounds_keep_every_segment_that_meets_them() -> None:
    bounds = (126.0, 33.0, 127.1, 33.7)  # Jeju
    cut = data.lines("coastline", resolution="10m", bounds=bounds)
    whole = data.lines("coastline", resolution="10m")
    inside = sum(int(((p >= bounds[:2]) & (p <= bounds[2:])).all(axis=1).sum()) for p in whole)
    kept = sum(int(((p >= bounds[:2]) & (p <= bounds[2:])).all(axis=1).sum()) for p in cut)
    assert kept == inside > 50
    assert sum(len(p) for p in cut) < inside + 20
    assert not data.lines("coastline", bounds=(0.0, 0.0, 1.0, 1.0))


def test_the_border_crosses_the_peninsula() -> None:
    # the demarcation line reaches from 126.7E to 128.4E at about 38N
    border = np.concatenate(data.lines("borders", resolution="10m", bounds=(126.5, 37.7, 128.5, 38.7)))
    assert border[:, 0].min() == pytest.approx(126.66, abs=0.05)
    assert border[:, 0].max() == pytest.approx(128.37, abs=0.05)


def test_land_polygons_are_closed() -> None:
    polygons = data.land_polygons("50m", bounds=(124, 33, 132, 43))
    assert 0 < len(polygons) < len(data.land_polygons("50m"))
    for polygon in polygons:
        for ring in polygon:
            assert np.array_equal(ring[0], ring[-1])


def test_shared_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        data.lines("coastline")[0][0, 0] = 0.0


def test_wrong_kinds_and_resolutions() -> None:
    with pytest.raises(SslpdlError, match="use coastline, borders or provinces"):
        data.lines("rivers")
    with pytest.raises(SslpdlError, match="1m"):
        data.lines("coastline", resolution="1m")


def test_places() -> None:
    stations = {station.name: station for station in data.stations()}
    assert (stations["Seoul"].lon, stations["Seoul"].lat, stations["Seoul"].name_ko) == (126.978, 37.5665, "서울")
    assert {"Busan", "Jeju", "Incheon", "Daejeon", "Gangneung"} <= stations.keys()
    whole = data.regions()["peninsula"]
    for place in (*data.stations(), *data.radars()):
        assert whole.contains(place.lon, place.lat)
        assert place.name.isascii()
        assert any("가" <= letter <= "힣" for letter in place.name_ko)
    assert len(data.radars()) == 10


def test_regions() -> None:
    regions = data.regions()
    assert list(regions)[:2] == ["peninsula", "south_korea"]
    assert regions["capital_area"].contains(126.978, 37.5665)
    assert not regions["jeju"].contains(126.978, 37.5665)
    assert regions["jeju"].contains([126.5, 129.0], [33.5, 35.1]).tolist() == [True, False]
    for region in regions.values():
        west, south, east, north = region.bounds
        assert west < east
        assert south < north


def test_cartopy_finds_the_maps_without_a_network() -> None:
    shapereader = pytest.importorskip("cartopy.io.shapereader", reason="cartopy comes with the extra 'notebooks'")
    import cartopy

    before = cartopy.config["pre_existing_data_dir"]
    cartopy.config["pre_existing_data_dir"] = data.natural_earth_dir()
    try:
        for scale in ("10m", "50m", "110m"):
            path = shapereader.natural_earth(scale, "physical", "coastline")
            assert str(path).startswith(str(data.natural_earth_dir()))
    finally:
        cartopy.config["pre_existing_data_dir"] = before
