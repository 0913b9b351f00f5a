"""Real files, where they are at hand: each figure is computed here a second time, straight from the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sslpdl.archive import open_archive, pairs, summary
from sslpdl.errors import ReaderError
from sslpdl.grid import KOREA_5KM
from sslpdl.readers import ingest, read_gauges, read_nwp

SEOUL = (126.978, 37.5665)


@pytest.fixture(scope="module")
def wrf(shared_data):
    return shared_data / "wrf_stage2_20050807"


@pytest.fixture(scope="module")
def ifs(shared_data):
    return shared_data / "ifs_korea_202208"


def raw(path: Path, **keys):
    """Return the values (rows as stored) of the only message with these header keys, NaN where missing."""
    import eccodes

    found = []
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            if all(str(eccodes.codes_get(handle, key)) == str(value) for key, value in keys.items()):
                eccodes.codes_set(handle, "missingValue", -1e30)
                values = eccodes.codes_get_values(handle).reshape(eccodes.codes_get(handle, "Nj"), -1)
                found.append(np.where(values == -1e30, np.nan, values))
            eccodes.codes_release(handle)
    assert len(found) == 1, (path, keys, len(found))
    return found[0]


@pytest.fixture(scope="module")
def archive(wrf, tmp_path_factory):
    """Return the report and the archive of the WRF run with Stage II."""
    report = ingest(wrf, tmp_path_factory.mktemp("wrf") / "a.zarr", qpe=wrf / "stage2", progress=False)
    return report, open_archive(report.archive)


def test_wrf_gives_twelve_channels_in_windows_of_three_hours(archive):
    report, ds = archive
    assert report.missing_channels == ("gph_100", "gph_500", "gph_850", "slp")
    assert ds.sizes["channel"] == 12 and ds["fields"].shape[-2:] == (129, 185)
    assert ds["crs"].attrs["grid_name"] == "G212"
    np.testing.assert_array_equal(ds["lead_time"], np.arange(0, 25, 3))
    np.testing.assert_array_equal(ds["rain_window"], 3.0)
    assert float(ds.attrs["qpe_window"]) == 3.0
    np.testing.assert_array_equal(
        ds["valid_time"], np.datetime64("2005-08-07T03", "ns") + np.arange(8) * np.timedelta64(3, "h")
    )
    assert report.qpe_absent == ("2005-08-07 00 UTC",)  # Stage II begins an hour after the window of +0 h
    assert len(pairs(ds)) == 8
    assert (report.skipped, report.notes) == ((), ())


def contingency(forecast, observed, threshold):
    valid = np.isfinite(forecast) & np.isfinite(observed)
    yes, wet = forecast[valid] >= threshold, observed[valid] >= threshold
    return [int(n) for n in ((yes & wet).sum(), (yes & ~wet).sum(), (~yes & wet).sum(), (~yes & ~wet).sum())]


@pytest.mark.parametrize("lead", [3, 12, 24])
def test_the_contingency_table_is_that_of_the_files(archive, wrf, lead):
    _, ds = archive
    source = raw(wrf / f"wrfprs_ruc13_{lead:02d}.tm00_G212", shortName="tp", stepRange=f"{lead - 3}-{lead}")
    times = [pd.Timestamp("2005-08-07") + pd.Timedelta(hours=lead - back) for back in range(3)]
    hours = [raw(wrf / "stage2" / f"ST2ml{time:%Y%m%d%H}.Grb_G212", shortName="tp") for time in times]
    rain = ds["fields"].sel(channel="rain", lead_time=lead).values[0]
    qpe = ds["qpe"].sel(valid_time=times[0]).values
    for threshold in (0.1, 1.0, 10.0):
        direct = contingency(source, np.sum(hours, axis=0), threshold)
        assert contingency(rain, qpe, threshold) == direct
        if (lead, threshold) == (12, 0.1):
            assert direct == [153, 526, 397, 5443]


def test_missing_cells_of_wrf_are_missing(archive):
    _, ds = archive
    t = ds["fields"].sel(channel="t_850", lead_time=12).values[0]
    assert np.isfinite(t).mean() == pytest.approx(0.593, abs=0.001)
    assert np.isfinite(t[13:112, 32:157]).all()  # the largest valid rectangle: rows 13-111, columns 32-156
    assert np.nanmax(t) < 330  # no 9999
    assert np.isnan(ds["fields"].sel(channel="rain", lead_time=0)).all()  # nothing has fallen yet


def test_wrf_winds_are_turned_by_the_angle_of_the_cone(archive, wrf):
    _, ds = archive
    u, v = (
        raw(wrf / "wrfprs_ruc13_12.tm00_G212", shortName=name, typeOfLevel="isobaricInhPa", level=850) for name in "uv"
    )
    # tangent cone at 25 N, central meridian 95 W: NCEP's own formula
    angle = np.sin(np.deg2rad(25.0)) * np.deg2rad(ds["lon"].values + 95.0)
    eastward = np.cos(angle) * u + np.sin(angle) * v
    northward = -np.sin(angle) * u + np.cos(angle) * v
    stored = ds["fields"].sel(lead_time=12, init_time="2005-08-07T00")
    np.testing.assert_allclose(stored.sel(channel="u_850"), eastward, atol=0.07)  # stored in steps of 0.1 m/s
    np.testing.assert_allclose(stored.sel(channel="v_850"), northward, atol=0.07)


def bilinear(lat_north_first, lon, values, place):
    """Return the value at a place from its four neighbours on a global 0.4-degree grid."""
    column = (place[0] - lon[0]) % 360 / 0.4
    row = (lat_north_first[0] - place[1]) / 0.4
    i, j = int(row), int(column)
    a, b = row - i, column - j
    corner = values[i : i + 2, j : j + 2]
    return (1 - a) * ((1 - b) * corner[0, 0] + b * corner[0, 1]) + a * ((1 - b) * corner[1, 0] + b * corner[1, 1])


def centre(row, column):
    lon, lat = KOREA_5KM.lonlat()
    return float(lon[row, column]), float(lat[row, column])


def test_ifs_winds_and_temperatures(ifs):
    ds = read_nwp(ifs / "tuv.grib")
    assert list(ds["channel"].values) == ["t_500", "t_850", "u_500", "u_850", "v_500", "v_850"]
    assert ds["init_time"].values[0] == np.datetime64("2022-08-17T06")
    np.testing.assert_array_equal(ds["lead_time"], [12, 24, 36, 48])
    values = raw(ifs / "tuv.grib", shortName="u", level=850, stepRange="36")
    lat, lon = 90 - 0.4 * np.arange(451), 180 + 0.4 * np.arange(900)
    for row, column in ((111, 48), (0, 0), (223, 127)):
        expected = bilinear(lat, lon, values, centre(row, column))
        assert float(ds["fields"].sel(channel="u_850", lead_time=36)[0, row, column]) == pytest.approx(
            expected, abs=1e-3
        )


def test_ifs_rain_is_read_by_its_own_windows_or_not_at_all(ifs):
    # the headers call it the sum from the start, but it falls with time
    with pytest.raises(ReaderError, match=r"\+24 h .* is a sum that falls with time.*--rain-covers, rain_covers"):
        read_nwp(ifs / "tp.grib")
    ds = read_nwp(ifs / "tp.grib", rain_covers=[12, 12, 2, 12])
    np.testing.assert_array_equal(ds["lead_time"], [12, 24, 26, 48])
    np.testing.assert_array_equal(ds["rain_window"], [12, 12, 2, 12])
    assert ds["units"].item() == "mm"
    lat, lon = 90 - 0.4 * np.arange(451), 0.4 * np.arange(900)
    for lead in (12, 24, 26, 48):
        metres = raw(ifs / "tp.grib", stepRange=lead)
        # a 5-km cell around the centre of a 0.4-degree cell lies wholly in it
        i, j = np.argmin(np.abs(lat - 37.6)), np.argmin(np.abs(lon - 126.8))
        row, column = (round(float(index)) for index in KOREA_5KM.cell(lon[j], lat[i]))
        value = float(ds["fields"].sel(lead_time=lead)[0, 0, row, column])
        assert value == pytest.approx(1000 * metres[i, j], rel=1e-5)


def test_ifs_pressure_from_netcdf(ifs):
    from scipy.io import netcdf_file

    with pytest.raises(ReaderError, match="not the start of its run"):
        read_nwp(ifs / "mslp.nc")
    ds = read_nwp(ifs / "mslp.nc", init_time="2022-08-17T00")
    assert list(ds["channel"].values) == ["slp"] and ds["units"].item() == "hPa"
    np.testing.assert_array_equal(ds["lead_time"], [0, 24, 36, 48])
    with netcdf_file(str(ifs / "mslp.nc"), mmap=False) as file:
        variable = file.variables["msl"]
        pascal = variable[2].astype(float) * variable.scale_factor + variable.add_offset
        expected = (
            bilinear(file.variables["latitude"][:], file.variables["longitude"][:], pascal, centre(111, 48)) / 100
        )
    assert float(ds["fields"].sel(lead_time=36)[0, 0, 111, 48]) == pytest.approx(expected, abs=1e-3)


def test_no_rain_window_is_shown_where_there_is_no_rain(ifs, tmp_path):
    stated = {"rain_covers": [12, 12, 2, 12], "init_time": "2022-08-17T00", "progress": False}
    report = ingest([ifs / "tp.grib", ifs / "mslp.nc"], tmp_path / "a.zarr", **stated)
    # pressure at +0, +24, +36, +48 h, rain at +12, +24, +26, +48 h
    assert "+0 h: -, +12 h: 12 h, +24 h: 12 h, +26 h: 2 h, +36 h: -, +48 h: 12 h (- no rain)" in str(report)
    assert "rain over 2, 12 h, - (no rain) at 0, 36 h" in summary(open_archive(report.archive))
    for _ in range(2):  # made, and added to
        report = ingest([ifs / "tp.grib", ifs / "mslp.nc"], tmp_path / "b.zarr", rain_window=12, **stated)
        assert report.lead_time == (0, 12, 24, 36, 48)  # +26 h has no rain over 12 h and no pressure
        assert "rain window  12 h; - (no rain) at +0 +36 h" in str(report)
        assert "no field at +26 h as asked for: left out" in report.notes
    np.testing.assert_array_equal(open_archive(report.archive)["lead_time"], [0, 12, 24, 36, 48])
    report = ingest(ifs / "mslp.nc", tmp_path / "c.zarr", **{**stated, "rain_covers": None})
    assert "rain window  - (no rain)" in str(report)
    assert "; rain -" in summary(open_archive(report.archive))


def test_pairs_without_nwp_rain_are_told_apart(ifs, tmp_path):
    report = ingest(
        [ifs / "tp.grib", ifs / "mslp.nc"], tmp_path / "a.zarr", rain_covers=[12, 12, 2, 12], rain_window=12,
        init_time="2022-08-17T00", qpe=ifs / "kma_gauges_202208.csv", progress=False,
    )  # fmt: skip
    ds = open_archive(report.archive)
    table = pairs(ds, allow_none=True)
    wet = int(table["lead_time"].isin([12, 24, 48]).sum())
    assert 0 < wet < len(table)
    assert f"{len(table)} forecasts with QPE of the same window, {wet} of them with NWP rain" in summary(ds)


def test_kma_like_files(shared_data):
    folder = shared_data / "kma_like"
    with pytest.raises(ReaderError, match="falls with time"):
        read_nwp(folder)
    ds = read_nwp(folder, rain_covers=[12, 12, 2, 12])
    assert ds.attrs["title"] == "rdaps_like_20220817_small.gb2, read with profile rdaps-um12"  # not a file of KMA
    assert ds["fields"].shape == (2, 5, 7, 224, 128)  # rain of the 00 UTC run, T, u and v of the 06 UTC run
    window = dict(zip(ds["lead_time"].values.tolist(), ds["rain_window"].values.tolist(), strict=True))
    assert [window[lead] for lead in (12, 24, 26, 48)] == [12, 12, 2, 12]
    rain = ds["fields"].sel(channel="rain", init_time="2022-08-17T00")
    assert np.isfinite(rain.sel(lead_time=[12, 24, 26, 48])).all() and float(rain.max()) < 100
    source = raw(next(folder.iterdir()), parameterCategory=1, stepRange="0-12")
    # 38 N 126 E is the centre of cell (60, 60) of the file, and of cell (121, 32) of the target
    assert float(rain.sel(lead_time=12)[121, 32]) == pytest.approx(source[60, 60], rel=1e-4)


def test_the_burst_of_8_august_2022_at_seocho(ifs):
    table = read_gauges(ifs / "kma_gauges_202208.csv")
    assert table["station"].nunique() == 7
    seocho = table[table["station"] == "401"].set_index("time")["rain"]
    kst = pd.to_datetime(["2022-08-08 21:00", "2022-08-08 22:00", "2022-08-08 23:00"])
    assert seocho[kst - pd.Timedelta(hours=9)].tolist() == [92.0, 84.5, 67.5]
