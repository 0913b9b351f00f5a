"""Runs on the target grid: values, windows, winds, channels that are absent, fields that contradict each other."""

from __future__ import annotations

import make_grib as make
import numpy as np
import pytest

from sslpdl.channels import CANONICAL
from sslpdl.errors import ArchiveError, ReaderError
from sslpdl.grid import KOREA_5KM, RDAPS_12KM, rotate_winds
from sslpdl.readers import read_nwp

INIT = "2022080800"
SMALL = (33, 41)


def small(path, *messages, centre=7, **grid):
    return make.write_grib2(path, messages, init=INIT, grid=make.SMALL_KOREA | grid, centre=centre)


@pytest.fixture(scope="module")
def kma(tmp_path_factory):
    """Return a folder with the pres and unis files of two lead times; rain from the start is 3 mm, then 9 mm."""
    folder = tmp_path_factory.mktemp("kma")
    for lead, rain in ((3, 3.0), (6, 9.0)):
        make.write_kma_pair(folder, init=INIT, lead=lead, rain=rain, others=True)
    return folder


def test_kma_pairs_give_all_sixteen_channels_on_the_default_grid(kma):
    ds = read_nwp(kma)
    assert tuple(ds["channel"].values) == CANONICAL
    assert ds["fields"].dtype == np.float32 and ds["fields"].shape == (1, 2, 16, 224, 128)
    assert ds["init_time"].values[0] == np.datetime64("2022-08-08T00")
    np.testing.assert_array_equal(ds["lead_time"], [3, 6])
    np.testing.assert_array_equal(ds["rain_window"], [3, 3])
    assert ds.attrs["notes"] == []
    # fields rise by 0.01 a row and 0.02 a column of the 12-km grid, so the value anywhere follows from the fractional
    # index
    row, column = RDAPS_12KM.cell(*KOREA_5KM.lonlat())
    rise = 0.01 * row + 0.02 * column
    for name, units, scale in (
        ("t_850", "K", 1.0),
        ("gph_500", "gpm", 1.0),
        ("slp", "hPa", 0.01),
        ("rh_500", "%", 1.0),
        ("u_10m", "m s-1", 1.0),
    ):
        field = ds["fields"].sel(channel=name)
        assert field["units"].item() == units
        np.testing.assert_allclose(field.values[0, 1], scale * (make.BASE[name] + rise), atol=2e-3)


def test_rain_from_the_start_becomes_rain_of_the_window(kma):
    rain = read_nwp(kma, channels=["rain"])["fields"].values[0, :, 0]
    np.testing.assert_allclose(rain[0], 3.0, atol=1e-6)  # 0-3 h
    np.testing.assert_allclose(rain[1], 6.0, atol=1e-6)  # 9 - 3
    six = read_nwp(kma, channels=["rain"], rain_window=6)
    np.testing.assert_array_equal(six["lead_time"], [6])  # at +3 h there is no rain of 6 h
    np.testing.assert_array_equal(six["rain_window"], [6])
    np.testing.assert_allclose(six["fields"].values[0, 0], 9.0, atol=1e-6)
    assert six.attrs["notes"] == ["no field at +3 h as asked for: left out"]


def test_native_grid_keeps_every_cell(kma):
    ds = read_nwp(kma, grid="native", channels=["t_850"])
    assert ds["fields"].shape == (1, 2, 1, 419, 491) and ds["crs"].attrs["grid_name"] == "rdaps-12km"
    np.testing.assert_allclose(ds["fields"].values[0, 0, 0], make.plane((419, 491), 291.0, 0.01, 0.02), atol=1e-3)


def test_a_missing_companion_file_is_noted_channel_by_channel(kma):
    unis = next(path for path in sorted(kma.iterdir()) if "unis_h006" in path.name)
    ds = read_nwp([path for path in kma.iterdir() if path != unis])
    assert ds.attrs["notes"] == [
        f"run 2022-08-08 00 UTC lacks {name} at +6 h" for name in ("slp", "t_2m", "u_10m", "v_10m", "rain")
    ]
    assert np.isnan(ds["fields"].sel(lead_time=6, channel="t_2m")).all()
    assert np.isfinite(ds["fields"].sel(lead_time=6, channel="t_850")).all()


def test_channels_that_are_absent_are_reported_with_what_is_there(tmp_path):
    path = small(
        tmp_path / "a.gb2",
        make.channel("t_850", np.ones(SMALL)),
        make.Message((0, 0), make.ISOBARIC, 700e2, np.ones(SMALL)),
    )
    assert list(read_nwp(path)["channel"].values) == ["t_850"]
    with pytest.raises(
        ReaderError,
        match=r"The files lack t_500, slp; they hold t_850; fields without a channel are t at isobaricInhPa 700",
    ):
        read_nwp(path, channels=["t_850", "t_500", "slp"])
    with pytest.raises(ReaderError, match="no channel 't850'"):
        read_nwp(path, channels=["t850"])


def test_winds_along_the_grid_are_turned_to_east_and_north(tmp_path):
    shape = make.RDAPS_SHAPE
    fields = {"u_850": np.full(shape, 10.0), "v_850": np.zeros(shape)}
    grid = make.LAMBERT_12KM | {"resolutionAndComponentFlags": 56}
    messages = [make.channel(name, values) for name, values in fields.items()]
    path = make.write_grib2(tmp_path / "a.gb2", messages, init=INIT, grid=grid)
    ds = read_nwp(path, grid="native")
    u, v = (ds["fields"].sel(channel=name).values[0, 0] for name in ("u_850", "v_850"))
    np.testing.assert_allclose(np.hypot(u, v), 10.0, rtol=1e-5)
    eastward, northward = rotate_winds(fields["u_850"], fields["v_850"], RDAPS_12KM)
    np.testing.assert_allclose((u, v), (eastward, northward), atol=1e-4)
    # on the central meridian, 126 E, the grid's axes are east and north; east of it the x axis points south of east
    row, column = (round(float(i)) for i in RDAPS_12KM.cell(126.0, 38.0))
    assert u[row, column] == pytest.approx(10.0, abs=1e-3) and abs(v[row, column]) < 0.02
    assert v[row, -1] < -3
    # one component asked for is turned as well
    np.testing.assert_allclose(
        read_nwp(path, grid="native", channels=["u_850"])["fields"].values[0, 0, 0], u, atol=1e-6
    )


def test_winds_along_east_and_north_are_left_alone(kma):
    ds = read_nwp(kma, grid="native", channels=["u_850"])
    np.testing.assert_allclose(ds["fields"].values[0, 0, 0, 0, 0], make.BASE["u_850"], atol=1e-3)


def test_a_grid_relative_component_without_its_partner_is_refused(tmp_path):
    grid = make.LAMBERT_12KM | {"resolutionAndComponentFlags": 56}
    path = make.write_grib2(
        tmp_path / "a.gb2", [make.channel("u_850", np.ones(make.RDAPS_SHAPE))], init=INIT, grid=grid
    )
    with pytest.raises(ReaderError, match=r"u_850 .* follows the grid's axes, and v_850 at \+0 h is absent"):
        read_nwp(path)


def test_repeated_fields(tmp_path):
    # NCEP writes the rain of the first six hours twice, from the start and from the bucket's start: the same
    once, other = (
        make.channel("rain", np.full(SMALL, 4.0), start=0, lead=6),
        make.channel("rain", np.full(SMALL, 5.0), start=0, lead=6),
    )
    ds = read_nwp(small(tmp_path / "same.gb2", once, once))
    np.testing.assert_allclose(ds["fields"].values, 4.0)
    path = small(tmp_path / "differ.gb2", once, other)
    with pytest.raises(ReaderError, match=r"rain of 2022-08-08 00 UTC \+6 h .* is there twice with different values"):
        read_nwp(path)


def test_the_better_of_two_fields_for_one_channel_is_taken(tmp_path):
    reduced = make.Message((3, 192), make.SEA, 0, np.full(SMALL, 99000.0))
    path = small(tmp_path / "a.gb2", reduced, make.channel("slp", np.full(SMALL, 101000.0)))
    np.testing.assert_allclose(read_nwp(path)["fields"].values, 1010.0)
    np.testing.assert_allclose(read_nwp(small(tmp_path / "b.gb2", reduced))["fields"].values, 990.0)


def test_geopotential_becomes_height(tmp_path):
    message = make.Message((3, 4), make.ISOBARIC, 500e2, np.full(SMALL, 5860 * 9.80665))
    path = small(tmp_path / "a.gb2", message, centre=98)
    ds = read_nwp(path)
    assert list(ds["channel"].values) == ["gph_500"]
    np.testing.assert_allclose(ds["fields"].values, 5860.0, rtol=1e-5)


def test_kim_rain_is_the_sum_of_its_parts(tmp_path):
    grid = make.LAMBERT_12KM | {
        "Dx": 3000000,
        "Dy": 3000000,
        "Nx": 41,
        "Ny": 33,
        "latitudeOfFirstGridPoint": 37000000,
        "longitudeOfFirstGridPoint": 126000000,
    }
    messages = [
        make.Message((1, number), make.SURFACE, 0, np.full(SMALL, amount), start=0, lead=lead)
        for lead, scale in ((1, 1.0), (2, 3.0))
        for number, amount in ((9, 2.0 * scale), (10, 0.5 * scale))
    ]
    path = make.write_grib2(tmp_path / "a.gb2", messages, init=INIT, grid=grid)
    ds = read_nwp(path, grid="native")
    np.testing.assert_allclose(ds["fields"].values[0, :, 0].mean(axis=(1, 2)), [2.5, 5.0])  # 2 + 0.5, then 7.5 - 2.5
    np.testing.assert_array_equal(ds["rain_window"], [1, 1])
    lonely = make.write_grib2(tmp_path / "b.gb2", messages[:1], init=INIT, grid=grid)
    assert np.isnan(read_nwp(lonely, grid="native")["fields"].values).all()  # half a sum is no rain


def test_a_field_without_any_value_is_refused(tmp_path):
    path = small(tmp_path / "a.gb2", make.channel("t_850", np.full(SMALL, np.nan)))
    with pytest.raises(
        ReaderError, match=r"t_850 of 2022-08-08 00 UTC \+0 h \(t at isobaricInhPa 850 in .*a\.gb2\) has no valid value"
    ):
        read_nwp(path)


def test_files_on_different_grids_have_no_native_one(tmp_path, kma):
    one = small(tmp_path / "a.gb2", make.channel("t_850", np.full(SMALL, 280.0)))
    other = small(
        tmp_path / "b.gb2",
        make.channel("t_500", np.full(SMALL, 260.0)),
        latitudeOfFirstGridPointInDegrees=47.0,
        latitudeOfLastGridPointInDegrees=31.0,
    )
    with pytest.raises(ReaderError, match="so there is no native one"):
        read_nwp([one, other], grid="native")
    assert np.isfinite(read_nwp([one, other])["fields"]).all()  # both cover Korea


def test_a_target_outside_the_source_is_refused(tmp_path):
    path = small(
        tmp_path / "a.gb2",
        make.channel("t_850", np.ones(SMALL)),
        longitudeOfFirstGridPointInDegrees=0.0,
        longitudeOfLastGridPointInDegrees=20.0,
    )
    with pytest.raises(ReaderError, match=r"Grid 'korea-5km' lies outside the grid of .*a\.gb2"):
        read_nwp(path)


def test_files_of_two_models_are_not_mixed(tmp_path, kma):
    other = small(tmp_path / "a.gb2", make.channel("t_850", np.ones(SMALL)))
    with pytest.raises(
        ReaderError, match=r"is of profile rdaps-um12, files before it of gfs; make one archive for each model"
    ):
        read_nwp([other, *kma.iterdir()])


def test_a_renamed_file_is_refused(kma, tmp_path):
    source = next(path for path in kma.iterdir() if "pres_h003" in path.name)
    copy = tmp_path / source.name.replace("h003", "h006")
    copy.write_bytes(source.read_bytes())
    with pytest.raises(ReaderError, match=r"says \+6 h in its name, but holds"):
        read_nwp(copy)
    copy = copy.rename(tmp_path / source.name.replace("2022080800", "2022080900"))
    with pytest.raises(ReaderError, match="says the run of 2022-08-09 00 UTC in its name"):
        read_nwp(copy)


def test_half_hours_are_refused(tmp_path):
    path = small(tmp_path / "a.gb2", make.channel("t_850", np.ones(SMALL), lead=90, indicatorOfUnitOfTimeRange=0))
    with pytest.raises(ReaderError, match="90 minutes after the start of the run; lead times must be whole hours"):
        read_nwp(path)


def test_leads_and_runs_come_in_order_whatever_the_file_has(tmp_path):
    messages = [make.channel("t_850", np.full(SMALL, 280.0 + lead), lead=lead) for lead in (6, 0, 3)]
    later = make.write_grib2(tmp_path / "a.gb2", messages, init="2022080812", grid=make.SMALL_KOREA, centre=7)
    earlier = make.write_grib2(tmp_path / "b.gb2", messages, init="2022080800", grid=make.SMALL_KOREA, centre=7)
    ds = read_nwp([later, earlier])
    assert (np.diff(ds["init_time"].values) > np.timedelta64(0)).all()
    np.testing.assert_allclose(ds["fields"].mean(("y", "x")).values.squeeze(), [[280, 283, 286]] * 2, atol=1e-3)


def test_rain_that_covers_no_period_is_refused_unless_its_hours_are_stated(tmp_path):
    message = make.Message(make.NUMBERS["rain"], make.SURFACE, 0, np.full(SMALL, 4.0), lead=3)
    path = small(tmp_path / "a.gb2", message)
    with pytest.raises(ReaderError, match=r"rain of the run of 2022-08-08 00 UTC at \+3 h \(a\.gb2\) covers no period"):
        read_nwp(path)
    ds = read_nwp(path, rain_covers={3: 3})
    assert ds["rain_window"].values.tolist() == [3.0] and float(ds["fields"].mean()) == 4.0


def test_a_start_that_is_no_time_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="'yesterday' is not a time"):
        read_nwp(small(tmp_path / "a.gb2", make.channel("t_850", np.ones(SMALL))), init_time="yesterday")
