"""Observed rain: radar composites, GRIB analyses, gauges."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta

import make_qpe as make
import numpy as np
import pandas as pd
import pytest

from sslpdl.errors import ReaderError
from sslpdl.grid import HSR_500M, KOREA_5KM, Grid
from sslpdl.readers import QpeOptions, grid_gauges, open_qpe, read_gauges, read_hsr
from sslpdl.readers.hsr import rain_rate
from sslpdl.readers.qpe import Windows

NOON = datetime(2022, 8, 8, 12)
SEOUL = (126.978, 37.5665)


def at(time):
    return np.datetime64(time, "s")


# ---- radar ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def block():
    """Return raw values: no echo, 1 mm/h in a block of 10 x 10 cells, missing codes in three corners."""
    raw = np.full(make.HSR_SHAPE, -25000, np.int16)
    raw[1000:1010, 1000:1010] = round(100 * make.dbz_of(1.0))
    raw[0, 0], raw[0, -1], raw[-1, 0] = -30000, -20000, -10001
    return raw


def test_hsr_header_and_codes_survive_the_round_trip(tmp_path, block):
    path = make.write_hsr(tmp_path, NOON, block)
    assert path.name == "RDR_CMP_HSR_PUB_202208082100.bin.gz"  # 21 h in Korea
    composite = read_hsr(path)
    assert composite.time == at("2022-08-08T12:00")
    assert composite.grid == HSR_500M
    np.testing.assert_array_equal(composite.raw, block)
    dbz = composite.reflectivity()
    assert dbz[1000, 1000] == pytest.approx(23.01, abs=0.005)  # 10 log10(200)
    assert np.isnan(dbz[[0, 0, -1], [0, -1, 0]]).all() and np.isneginf(dbz[5, 5])


@pytest.mark.parametrize(("a", "b"), [(200.0, 1.6), (148.0, 1.59)])
def test_z_r_relations(a, b):
    raw = np.array([round(100 * make.dbz_of(rate, a, b)) for rate in (0.1, 1.0, 10.0, 100.0)], np.int16)
    np.testing.assert_allclose(rain_rate(raw, a, b), [0.1, 1.0, 10.0, 100.0], rtol=2e-3)  # dBZ is stored to 0.01
    np.testing.assert_array_equal(
        rain_rate(np.array([-25000, -30000, -20000, -10001, -10000], np.int16), a, b)[:1], [0]
    )
    assert np.isnan(rain_rate(np.array([-30000, -20000, -10001], np.int16), a, b)).all()


def test_hourly_rain_is_the_mean_of_the_frames_of_the_hour(tmp_path):
    # twelve frames, 5 to 60 minutes past 11 UTC: six at 12 mm/h and six dry make 6 mm
    wet, dry = round(100 * make.dbz_of(12.0)), -25000
    make.write_hsr_hour(tmp_path, NOON, [wet, dry] * 6)
    source = open_qpe(tmp_path)
    assert source.title == "KMA HSR radar composite, Z = 200 R^1.6"
    assert {end for _, end in source.periods} == {(at(NOON) - at("1970-01-01")) / np.timedelta64(1, "h")}
    rain = Windows(source, KOREA_5KM, 1.0).read(at(NOON))
    assert rain.shape == (224, 128)
    np.testing.assert_allclose(rain, 6.0, rtol=2e-3)
    assert Windows(source, KOREA_5KM, 1.0).read(at(NOON + timedelta(hours=1))) is None
    assert Windows(source, KOREA_5KM, 3.0).read(at(NOON)) is None  # two of three hours are absent


def test_blocks_of_500_m_become_cells_of_5_km(tmp_path, block):
    for frame in range(10):  # ten of twelve are enough
        make.write_hsr(tmp_path, NOON - timedelta(minutes=5 * frame), block)
    source = open_qpe(tmp_path)
    rain = Windows(source, HSR_500M, 1.0).read(at(NOON))
    assert rain[1005, 1005] == pytest.approx(1.0, rel=2e-3) and rain[900, 900] == 0
    assert np.isnan([rain[0, 0], rain[0, -1], rain[-1, 0]]).all()
    # a 5-km grid whose cell is exactly the block
    x, y = HSR_500M.x[1000] + 2250, HSR_500M.y[1000] + 2250
    coarse = Grid("coarse", HSR_500M.crs_parameters, x - 5000, y, 5000, 5000, (1, 3))
    np.testing.assert_allclose(Windows(source, coarse, 1.0).read(at(NOON)), [[0, 1, 0]], rtol=2e-3)


def test_an_hour_needs_enough_frames(tmp_path):
    make.write_hsr_hour(tmp_path, NOON, [-25000] * 9)
    with pytest.raises(ReaderError, match=r"No hour has the 10 radar frames that it needs \(at most 9 of 12\)"):
        open_qpe(tmp_path)
    assert len(open_qpe(tmp_path, options=QpeOptions(min_frames=9)).periods) == 1


def test_bad_composites(tmp_path):
    path = make.write_hsr(tmp_path, NOON, -25000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReaderError, match="is cut off or damaged"):
        read_hsr(path)
    path.write_bytes(gzip.compress(gzip.decompress(whole)[:5000]))
    with pytest.raises(ReaderError, match=r"is cut off: 5000 of 13282434 bytes"):  # 1024 + 2 * 2305 * 2881
        read_hsr(path)
    path.write_bytes(b"")
    with pytest.raises(ReaderError, match="is empty"):
        read_hsr(path)
    path.write_bytes(gzip.compress(b"x" * 2000))
    with pytest.raises(ReaderError, match="is not an HSR composite"):
        read_hsr(path)
    path.write_bytes(whole)
    renamed = path.rename(tmp_path / "RDR_CMP_HSR_PUB_202208090000.bin.gz")
    with pytest.raises(ReaderError, match=r"in its name, but .* in its header"):
        read_hsr(renamed)


def test_bad_frames_can_be_skipped(tmp_path):
    paths = make.write_hsr_hour(tmp_path, NOON, [-25000] * 11)
    paths[3].write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ReaderError, match="cut off or damaged"):
        Windows(open_qpe(tmp_path), KOREA_5KM, 1.0).read(at(NOON))
    source = open_qpe(tmp_path, options=QpeOptions(skip_bad=True))
    assert Windows(source, KOREA_5KM, 1.0).read(at(NOON)).max() == 0
    assert [path for path, _ in source.skipped] == [paths[3]]


# ---- GRIB analyses --------------------------------------------------------------------------------------------------


def test_hourly_analyses_add_up_and_missing_hours_make_missing_cells(tmp_path):
    second = np.full((33, 41), 2.0)
    second[10, 10] = np.nan
    for hour, rain in ((10, 1.0), (11, second), (12, 4.0)):
        make.write_analysis(tmp_path, NOON.replace(hour=hour), rain)
    source = open_qpe(tmp_path)
    native = source._fields[min(source.periods)][0].grid
    windows = Windows(source, native, 3.0)
    rain = windows.read(at(NOON))
    assert np.isnan(rain).sum() == 1 and np.nanmax(rain) == np.nanmin(rain) == 7.0
    assert windows.read(at("2022-08-08T11")) is None
    assert Windows(source, native, 2.0).read(at("2022-08-08T11"))[0, 0] == 3.0


def test_a_six_hour_sum_is_never_taken_for_an_hour(tmp_path):
    make.write_analysis(tmp_path, NOON, 6.0, hours=6)
    source = open_qpe(tmp_path)
    assert Windows(source, KOREA_5KM, 1.0).read(at(NOON)) is None
    assert Windows(source, KOREA_5KM, 6.0).read(at(NOON)).max() == pytest.approx(6.0)


def test_two_analyses_of_one_time_that_differ_are_refused(tmp_path):
    make.write_analysis(tmp_path, NOON, 1.0).rename(tmp_path / "first.grib2")
    make.write_analysis(tmp_path, NOON, 2.0)
    with pytest.raises(ReaderError, match="is there twice with different values"):
        Windows(open_qpe(tmp_path), KOREA_5KM, 1.0).read(at(NOON))


# ---- gauges ---------------------------------------------------------------------------------------------------------

ROWS = [
    "108,서울,2022-08-08 21:00,25.1,92.5,98",
    "108,서울,2022-08-08 22:00,25.0,,97",
    "159,부산,2022-08-08 21:00,28.0,0.0,80",
    "159,부산,2022-08-08 22:00,27.5,-9.0,80",
]
PLACES = "지점,지점명,위도,경도\n108,서울,37.5714,126.9658\n159,부산,35.1047,129.0320\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_gauges_in_every_encoding(tmp_path, encoding):
    table = read_gauges(make.write_portal_csv(tmp_path / "asos.csv", ROWS, encoding=encoding))
    assert table["time"].tolist()[0] == pd.Timestamp("2022-08-08 12:00")  # 21 h in Korea
    assert table["name"].tolist() == ["서울", "부산", "서울", "부산"]
    # an empty cell and -9 are missing
    assert table["rain"].fillna(-1).tolist() == [92.5, 0.0, -1, -1]
    assert read_gauges(tmp_path / "asos.csv", blank_is_dry=True)["rain"].fillna(-1).tolist() == [92.5, 0.0, 0.0, -1]


def test_gauges_stand_in_their_cells(tmp_path):
    stations = tmp_path / "stations.txt"
    stations.write_text(PLACES, encoding="utf-8")
    table = read_gauges(make.write_portal_csv(tmp_path / "asos.csv", ROWS), stations=stations)
    times, rain = grid_gauges(table, KOREA_5KM)
    assert times.tolist() == [datetime(2022, 8, 8, 12), datetime(2022, 8, 8, 13)]
    row, column = (round(float(index)) for index in KOREA_5KM.cell(126.9658, 37.5714))
    assert rain[0, row, column] == 92.5
    assert np.isfinite(rain[0]).sum() == 2 and np.isnan(rain[1]).all()


def test_gauges_in_one_cell_are_averaged(tmp_path):
    rows = ["1,a,2022-08-08 21:00,3.0,126.978,37.5665", "2,b,2022-08-08 21:00,5.0,126.979,37.5666"]
    table = read_gauges(make.write_portal_csv(tmp_path / "aws.csv", rows, header="stn,name,tm,rn,lon,lat"))
    _, rain = grid_gauges(table, KOREA_5KM)
    assert np.nanmax(rain) == 4.0 and np.isfinite(rain).sum() == 1


def test_gauges_as_a_source(tmp_path):
    rows = [f"1,a,2022-08-08 {hour}:00,{hour},126.978,37.5665" for hour in (19, 20, 21)]
    make.write_portal_csv(tmp_path / "aws.csv", rows, header="stn,name,tm,rn,lon,lat")
    source = open_qpe(tmp_path)
    assert np.nanmax(Windows(source, KOREA_5KM, 3.0).read(at(NOON))) == 60.0  # 19 + 20 + 21


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["108,서울,2022-08-08 21:00,25.1,much,98"], make.PORTAL_HEADER, r"line 2: 'much' is not an amount of rain"),
        (["108,서울,yesterday,25.1,1.0,98"], make.PORTAL_HEADER, r"line 2: 'yesterday' is not a time"),
        (["108,2022-08-08 21:00,25.1"], "지점,일시,기온(°C)", r"no column for rain; it has 지점, 일시, 기온"),
        (["108,25.1,3"], "지점,기온(°C),강수량(mm)", r"no column of times"),
        (
            ["1,2022-08-08 21:00,3", "1,2022-08-08 21:00,4"],
            "stn,tm,rn",
            r"Gauge 1 has two different amounts at 2022-08-08 12:00:00 UTC",
        ),
    ],
)
def test_bad_gauge_tables(tmp_path, rows, header, message):
    path = make.write_portal_csv(tmp_path / "asos.csv", rows, header=header)
    with pytest.raises(ReaderError, match=message):
        read_gauges(path)


def test_gauges_without_coordinates_and_off_the_grid(tmp_path):
    table = read_gauges(make.write_portal_csv(tmp_path / "asos.csv", ROWS))
    with pytest.raises(ReaderError, match="Gauge 108 서울 has no coordinates"):
        grid_gauges(table, KOREA_5KM)
    with pytest.raises(ReaderError, match="None of the 2 gauges lies on grid 'korea-5km'"):
        grid_gauges(table.assign(lon=0.0, lat=50.0), KOREA_5KM)


def test_the_kind_is_found_or_asked_for(tmp_path):
    make.write_analysis(tmp_path, NOON, 1.0)
    make.write_portal_csv(tmp_path / "aws.csv", ROWS)
    assert open_qpe(tmp_path).title == "GRIB rain analysis"
    assert open_qpe(tmp_path, "gauges").title == "rain gauges"
    with pytest.raises(ReaderError, match=r"several kinds \(gauges, grib\)"):
        open_qpe([*tmp_path.iterdir()])
    other = tmp_path / "notes.dat"
    other.write_text("nothing")
    with pytest.raises(ReaderError, match="no rain observation that is known"):
        open_qpe(other)
