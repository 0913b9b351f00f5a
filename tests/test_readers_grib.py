"""GRIB decoding: scan order, grids, missing values, several fields in one message, damaged files."""

from __future__ import annotations

from pathlib import Path

import make_grib as make
import numpy as np
import pytest

from sslpdl.errors import ReaderError
from sslpdl.grid import RDAPS_12KM
from sslpdl.readers import grib, gribfile, load_profile
from sslpdl.readers.profile import profile_of

INIT = "2022080800"
UM12 = load_profile("rdaps-um12")
GFS = load_profile("gfs")


def read(path, profile=UM12):
    return list(grib.values(path, list(grib.scan(path, profile))))


def test_kma_grid_is_found_in_the_header(tmp_path):
    path = make.write_grib2(tmp_path / "a.gb2", [make.channel("t_850", np.full((419, 491), 280.0))], init=INIT)
    (field,) = grib.scan(path, UM12)
    assert field.grid == RDAPS_12KM  # recognised as the known grid, name included
    assert field.grid.cell(126.0, 38.0) == pytest.approx((209.1234, 245.1446), abs=2e-4)
    assert profile_of(grib.first_keys(path), where="a.gb2").name == "rdaps-um12"


def test_kma_rain_is_chosen_by_its_numbers(tmp_path):
    rain = make.channel("rain", np.full((419, 491), 7.5), start=0, lead=3)
    path = make.write_grib2(tmp_path / "a.gb2", [rain], init=INIT)
    ((field, values),) = read(path)
    assert "unknown" not in field.channel and field.source_name.startswith("parameter 0.1.8")
    assert (field.channel, field.start, field.end, field.units) == ("rain", 0, 3, "kg m-2")
    assert np.all(values == 7.5)


@pytest.mark.parametrize("scanning", [0, 64, 128, 192, 16, 80])
def test_every_scanning_mode_gives_row_0_south_and_column_0_west(tmp_path, scanning):
    west_to_east, south_to_north = not scanning & 128, bool(scanning & 64)
    wanted = make.plane((33, 41), 200.0, 1.0, 0.01)  # rises northward by 1 and eastward by 0.01
    stored = wanted if south_to_north else wanted[::-1]
    stored = stored if west_to_east else stored[:, ::-1]
    if scanning & 16:  # every second row runs backwards
        stored = stored.copy()
        stored[1::2] = stored[1::2, ::-1]
    grid = make.SMALL_KOREA | {"scanningMode": scanning}
    if south_to_north:
        grid |= {"latitudeOfFirstGridPointInDegrees": 30.0, "latitudeOfLastGridPointInDegrees": 46.0}
    if not west_to_east:
        grid |= {"longitudeOfFirstGridPointInDegrees": 136.0, "longitudeOfLastGridPointInDegrees": 116.0}
    path = make.write_grib2(tmp_path / "a.gb2", [make.channel("t_850", stored)], init=INIT, grid=grid, centre=7)
    ((field, values),) = read(path, GFS)
    np.testing.assert_allclose(values, wanted, atol=1e-3)
    assert (field.grid.x0, field.grid.y0, field.grid.dx, field.grid.dy) == (116.0, 30.0, 0.5, 0.5)


def test_bitmap_becomes_nan_and_9999_stays_a_value_beside_it(tmp_path):
    values = make.plane((33, 41), 9999.0)
    values[0, 0] = np.nan
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("gph_100", values)], init=INIT, grid=make.SMALL_KOREA, centre=7
    )
    ((_, decoded),) = read(path, GFS)
    assert np.isnan(decoded).sum() == 1 and np.isnan(decoded[-1, 0])  # written first, that is in the north-west
    assert np.nanmin(decoded) == 9999.0


def test_missing_codes_of_the_profile_become_nan(tmp_path):
    values = make.plane((33, 41), 280.0)
    values[-1, 0] = 9999.0
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", values)], init=INIT, grid=make.SMALL_KOREA, centre=7
    )
    ((_, decoded),) = list(grib.values(path, list(grib.scan(path, GFS)), missing=(9999.0,)))
    assert np.isnan(decoded).sum() == 1 and np.isnan(decoded[0, 0])


def test_fields_packed_into_one_message_are_all_found(tmp_path):
    messages = [
        make.channel(name, np.full((33, 41), value))
        for name, value in (("u_850", 8.0), ("v_850", -3.0), ("t_850", 280.0))
    ]
    path = make.write_multi_field(tmp_path / "multi.gb2", messages, init=INIT, grid=make.SMALL_KOREA, centre=7)
    plain = make.write_grib2(tmp_path / "plain.gb2", messages[:1], init=INIT, grid=make.SMALL_KOREA, centre=7)
    path.write_bytes(path.read_bytes() + plain.read_bytes())
    found = list(grib.scan(path, GFS))
    assert [(f.channel, f.part) for f in found] == [("u_850", 0), ("v_850", 1), ("t_850", 2), ("u_850", 0)]
    # any choice of them is found again, in the order of the file
    chosen = [found[3], found[1]]
    assert [(f.channel, float(v.mean())) for f, v in grib.values(path, chosen)] == [("v_850", -3.0), ("u_850", 8.0)]


@pytest.mark.parametrize(("unit", "step", "hours"), [("h", 3, 3.0), ("m", 90, 1.5), ("m", 180, 3.0)])
def test_time_steps_in_hours_and_minutes(tmp_path, unit, step, hours):
    message = make.channel(
        "t_850", np.full((33, 41), 280.0), lead=step, indicatorOfUnitOfTimeRange={"h": 1, "m": 0}[unit]
    )
    path = make.write_grib2(tmp_path / "a.gb2", [message], init=INIT, grid=make.SMALL_KOREA, centre=7)
    (field,) = grib.scan(path, GFS)
    assert field.end == hours


def test_the_screen_level_of_the_unified_model_is_1_5_m(tmp_path):
    message = make.Message(make.NUMBERS["t"], make.METRES, 1.5, np.full((33, 41), 299.0))
    other = make.Message(make.NUMBERS["t"], make.METRES, 80.0, np.full((33, 41), 290.0))
    path = make.write_grib2(tmp_path / "a.gb2", [other, message], init=INIT, grid=make.SMALL_KOREA)
    assert [field.channel for field in grib.scan(path, UM12)] == ["t_2m"]


def test_fields_that_the_profile_does_not_know_are_named(tmp_path):
    messages = [make.channel("t_850", np.ones((33, 41))), make.Message((0, 0), make.ISOBARIC, 700e2, np.ones((33, 41)))]
    path = make.write_grib2(tmp_path / "a.gb2", messages, init=INIT, grid=make.SMALL_KOREA, centre=7)
    others: set[str] = set()
    assert len(list(grib.scan(path, GFS, others=others))) == 1
    assert others == {"t at isobaricInhPa 700"}


@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path, keep):
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", make.plane((33, 41), 280.0, 1.0))], init=INIT, grid=make.SMALL_KOREA
    )
    data = path.read_bytes()
    path.write_bytes(data + data[: int(len(data) * keep)])
    with pytest.raises(ReaderError, match=r"a\.gb2 is cut off"):
        list(grib.scan(path, UM12))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"temperature,rain\n1,2\n", "is not a GRIB file")]
)
def test_files_that_are_not_grib_are_refused(tmp_path, content, message):
    path = tmp_path / "a.gb2"
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=message):
        list(grib.scan(path, UM12))


def test_damaged_values_are_refused(tmp_path):
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", make.plane((33, 41), 280.0, 1.0))], init=INIT, grid=make.SMALL_KOREA
    )
    data = bytearray(path.read_bytes())
    data[-4:] = b"xxxx"  # the end mark
    path.write_bytes(bytes(data))
    with pytest.raises(ReaderError, match=r"a\.gb2"):
        read(path)


def test_a_grid_that_is_not_supported_is_refused(tmp_path):
    grid = make.SMALL_KOREA | {"gridType": "rotated_ll"}
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", np.ones((33, 41)))], init=INIT, grid=grid, centre=7
    )
    with pytest.raises(ReaderError, match="The grid is of type 'rotated_ll'"):
        list(grib.scan(path, GFS))


def test_the_model_is_named_if_it_is_not_recognised(tmp_path):
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", np.ones((33, 41)))], init=INIT, grid=make.SMALL_KOREA, centre=34
    )
    with pytest.raises(
        ReaderError, match=r"is not recognised \(edition 2, centre 34, gridType regular_ll\).*rdaps-um12"
    ):
        profile_of(grib.first_keys(path), where=str(path))


def test_no_index_file_is_left_beside_the_source(tmp_path: Path):
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("t_850", np.ones((33, 41)))], init=INIT, grid=make.SMALL_KOREA
    )
    read(path)
    assert list(tmp_path.iterdir()) == [path]


POLAR = {
    # the grid of NCEP's Stage IV, cut short
    "gridType": "polar_stereographic",
    "shapeOfTheEarth": 6,
    "Nx": 41,
    "Ny": 33,
    "latitudeOfFirstGridPoint": 23117000,
    "longitudeOfFirstGridPoint": 240977000,
    "resolutionAndComponentFlags": 8,
    "LaD": 60000000,
    "orientationOfTheGrid": 255000000,
    "Dx": 4763000,
    "Dy": 4763000,
    "projectionCentreFlag": 0,
    "scanningMode": 64,
}
CUT_12KM = make.LAMBERT_12KM | {"Nx": 41, "Ny": 33}


@pytest.mark.parametrize(
    "grid",
    [
        CUT_12KM,
        CUT_12KM | {"Latin1": 25000000, "Latin2": 25000000, "LaD": 25000000, "LoV": 265000000},
        make.SMALL_KOREA,
        make.SMALL_KOREA | {"longitudeOfFirstGridPointInDegrees": 350.0, "longitudeOfLastGridPointInDegrees": 10.0},
        POLAR,
    ],
    ids=["kma", "tangent", "lon-lat", "across 0 E", "polar"],
)
def test_places_of_the_cells_are_those_that_eccodes_computes(tmp_path, grid):
    import eccodes

    message = make.channel("t_850", np.full((33, 41), 280.0))
    path = make.write_grib2(tmp_path / "a.gb2", [message], init=INIT, grid=grid, centre=7)
    (field,) = grib.scan(path, GFS)
    lon, lat = field.grid.lonlat()
    handle = make.new_message(message, init=INIT, grid=grid, centre=7)
    expected = [eccodes.codes_get_array(handle, name).reshape(33, 41) for name in ("longitudes", "latitudes")]
    eccodes.codes_release(handle)
    if not grid["scanningMode"] & 64:
        expected = [values[::-1] for values in expected]
    np.testing.assert_allclose((lon - expected[0] + 180) % 360 - 180, 0, atol=1e-5)  # about a metre
    np.testing.assert_allclose(lat, expected[1], atol=1e-5)


@pytest.mark.parametrize("grid", [CUT_12KM, POLAR, CUT_12KM | {"shapeOfTheEarth": 5}], ids=["kma", "polar", "wgs84"])
@pytest.mark.parametrize(("scanning", "corner"), [(64, (0, 0)), (0, (-1, 0)), (192, (0, -1)), (128, (-1, -1))])
def test_the_first_point_of_the_header_is_the_corner_that_the_scan_begins_in(tmp_path, grid, scanning, corner):
    message = make.channel("t_850", np.full((33, 41), 280.0))
    path = make.write_grib2(tmp_path / "a.gb2", [message], init=INIT, grid=grid | {"scanningMode": scanning}, centre=7)
    (field,) = grib.scan(path, GFS)
    lon, lat = field.grid.lonlat()
    assert lon[corner] % 360 == pytest.approx(grid["longitudeOfFirstGridPoint"] / 1e6, abs=1e-6)
    assert lat[corner] == pytest.approx(grid["latitudeOfFirstGridPoint"] / 1e6, abs=1e-6)


@pytest.mark.parametrize("grid", [make.SMALL_KOREA, CUT_12KM], ids=["lon-lat", "lambert"])
def test_damage_anywhere_is_refused_or_harmless(tmp_path, grid):
    # ecCodes alone ends the whole process on about one in fifty of these
    message = make.channel("t_850", make.plane((33, 41), 280.0, 1.0, 0.1), lead=3)
    path = make.write_grib2(tmp_path / "a.gb2", [message], init=INIT, grid=grid, centre=7)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(100):
        data = bytearray(whole)
        for place in random.integers(0, 230, random.integers(1, 6)):  # all headers lie in the first 230 bytes
            data[place] = random.integers(256)
        path.write_bytes(bytes(data))
        try:
            read(path, GFS)
        except ReaderError:
            refused += 1
    assert 20 < refused < 100


def test_messages_of_grib_1_are_walked_too(tmp_path):
    import eccodes

    handle = eccodes.codes_grib_new_from_samples("GRIB1")
    data = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    path = tmp_path / "a.grib1"
    path.write_bytes(b"TTAA00 KWBC 080000\r\r\n" + data + data)  # with a bulletin header before it
    with gribfile.opened(path) as mapped:
        assert list(gribfile.positions(path, mapped)) == [21, 21 + len(data)]
        assert list(gribfile.fields_at(path, mapped, 21)) == [data]
    path.write_bytes(data[:-10])
    with pytest.raises(ReaderError, match=r"a\.grib1 is cut off within the message at byte 0"):
        list(grib.scan(path, GFS))
    path.write_bytes(data[:8] + b"\0\0\x1e" + data[11:])  # a section two bytes longer than it is
    with pytest.raises(ReaderError, match=r"a\.grib1 is damaged in the message at byte 0|is cut off"):
        list(grib.scan(path, GFS))


def test_the_bitmap_of_the_field_before_is_found(tmp_path):
    values = make.plane((33, 41), 280.0)
    values[5, 5] = np.nan
    first = make.write_grib2(
        tmp_path / "one.gb2", [make.channel("u_850", values)], init=INIT, grid=make.SMALL_KOREA, centre=7
    )
    whole = first.read_bytes()
    sections = {}
    place = 16
    while place < len(whole) - 4:
        length, number = int.from_bytes(whole[place : place + 4]), whole[place + 4]
        sections[number] = whole[place : place + length]
        place += length
    product = bytearray(sections[4])
    product[10] = 3  # parameter number: v
    # section 6 of six bytes with the indicator 254: the bitmap defined before
    again = bytes(product) + sections[5] + (6).to_bytes(4) + b"\x06\xfe" + sections[7]
    body = whole[16:-4] + again
    path = tmp_path / "two.gb2"
    path.write_bytes(whole[:8] + (16 + len(body) + 4).to_bytes(8) + body + b"7777")
    (u, u_values), (v, v_values) = read(path, GFS)
    assert (u.channel, v.channel) == ("u_850", "v_850")
    np.testing.assert_array_equal(u_values, v_values)
    assert np.isnan(v_values).sum() == 1
