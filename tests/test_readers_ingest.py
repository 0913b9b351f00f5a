"""The whole way from files to an archive: windows, resuming, observed rain, the report, interruptions."""

from __future__ import annotations

import errno
import hashlib
import json
from datetime import datetime, timedelta

import make_grib as make
import make_qpe
import numpy as np
import pytest

from sslpdl.archive import ArchiveWriter, open_archive, pairs, validate
from sslpdl.channels import CANONICAL
from sslpdl.errors import ArchiveError, ReaderError
from sslpdl.readers import QpeOptions, ingest
from sslpdl.readers import ingest as ingest_function

SMALL = (33, 41)
NAMES = ("t_850", "u_850", "rain")


def write_run(folder, init="2022080800", leads=(1, 2, 3), rain=2.0, **changes):
    """Write one GFS-like file a lead time on a small grid: rain from the start at `rain` mm an hour."""
    paths = []
    for lead in leads:
        messages = [
            make.channel("t_850", np.full(SMALL, 280.0 + lead), lead=lead),
            make.channel("u_850", np.full(SMALL, 5.0), lead=lead),
            make.channel("rain", np.full(SMALL, rain * lead), start=0, lead=lead),
        ]
        path = folder / f"gfs.{init}.f{lead:03d}.grib2"
        paths.append(make.write_grib2(path, messages, init=init, grid=make.SMALL_KOREA | changes, centre=7))
    return paths


def quiet(*args, **kwargs):
    return ingest(*args, progress=False, **kwargs)


@pytest.fixture
def nwp(tmp_path):
    folder = tmp_path / "nwp"
    folder.mkdir()
    for init in ("2022080800", "2022080812"):
        write_run(folder, init)
    return folder


@pytest.fixture
def rain(tmp_path):
    folder = tmp_path / "qpe"
    folder.mkdir()
    for hour in range(1, 16):
        make_qpe.write_analysis(folder, datetime(2022, 8, 8) + timedelta(hours=hour), hour / 10)
    return folder


def test_files_become_an_archive(nwp, rain, tmp_path):
    report = quiet(nwp, tmp_path / "a.zarr", grid="native", qpe=rain)
    ds = open_archive(report.archive)
    validate(ds)
    assert tuple(ds["channel"].values) == NAMES == report.channels
    assert report.missing_channels == tuple(name for name in CANONICAL if name not in NAMES)
    assert (report.runs_written, report.runs_kept, report.qpe_written) == (2, 0, 6)
    np.testing.assert_array_equal(ds["lead_time"], [1, 2, 3])
    np.testing.assert_array_equal(ds["rain_window"], 1.0)
    np.testing.assert_allclose(ds["fields"].sel(channel="t_850", lead_time=2), 282.0, atol=0.05)
    np.testing.assert_allclose(ds["fields"].sel(channel="rain"), 2.0, atol=1e-6)
    # observed rain at the times that forecasts are valid at, and no others
    hours = [1, 2, 3, 13, 14, 15]
    assert list(ds["valid_time"].values.astype("datetime64[h]").astype(datetime)) == [
        datetime(2022, 8, 8, h) for h in hours
    ]
    np.testing.assert_allclose(ds["qpe"].mean(("y", "x")), [h / 10 for h in hours], atol=2e-3)
    assert len(pairs(ds)) == 6
    sources = {entry["name"]: entry["sha256"] for entry in json.loads(ds.attrs["source_files"])}
    assert len(sources) == 12
    first = sorted(nwp.iterdir())[0]
    assert sources[first.name] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert ds.attrs["synthetic"] == "false" and ds.attrs["title"] == f"{first.name}, read with profile gfs"


def test_the_report_tells_everything(nwp, rain, tmp_path):
    next(iter(sorted(rain.iterdir()))).unlink()
    text = str(quiet(nwp, tmp_path / "a.zarr", grid="native", qpe=rain))
    parts = [
        "channels     3: t_850 u_850 rain", "not there    13:", "lead times   +1 to +3 h every 1 h", "rain window  1 h",
        "2 written, 0 there before", "5 times written", "1 valid times without QPE:", "2022-08-08 01 UTC", "MB/s",
    ]  # fmt: skip
    for part in parts:
        assert part in text


def test_a_longer_window_sums_both_sides(nwp, rain, tmp_path):
    quiet(nwp, tmp_path / "a.zarr", grid="native", qpe=rain, rain_window=3)
    ds = open_archive(tmp_path / "a.zarr")
    assert float(ds.attrs["qpe_window"]) == 3.0
    np.testing.assert_array_equal(ds["rain_window"], 3.0)
    np.testing.assert_allclose(ds["fields"].sel(channel="rain", lead_time=3), 6.0, atol=1e-6)
    assert np.isnan(ds["fields"].sel(channel="rain", lead_time=2)).all()
    np.testing.assert_allclose(ds["qpe"].sel(valid_time="2022-08-08T15"), 1.3 + 1.4 + 1.5, atol=5e-3)


def test_the_same_command_again_adds_only_what_is_new(nwp, rain, tmp_path, monkeypatch):
    out = tmp_path / "a.zarr"
    quiet(nwp, out, grid="native", qpe=rain)
    write_run(nwp, "2022080806", rain=4.0)
    report = quiet(nwp, out, grid="native", qpe=rain)
    assert (report.runs_written, report.runs_kept, report.qpe_written, report.qpe_kept) == (1, 2, 3, 6)
    ds = open_archive(out)
    assert ds.sizes["init_time"] == 3 and ds.sizes["valid_time"] == 9
    np.testing.assert_allclose(ds["fields"].sel(channel="rain", init_time="2022-08-08T06"), 4.0, atol=1e-6)


def test_runs_known_by_their_file_names_are_not_opened_again(tmp_path):
    folder = tmp_path / "kma"
    folder.mkdir()
    grid = make.LAMBERT_12KM | {
        "Nx": 41,
        "Ny": 33,
        "latitudeOfFirstGridPoint": 36000000,
        "longitudeOfFirstGridPoint": 125000000,
    }
    make.write_kma_pair(folder, init="2022080800", lead=3, rain=1.0, grid=grid, shape=SMALL)
    quiet(folder, tmp_path / "a.zarr", grid="native")
    for path in folder.iterdir():
        path.write_bytes(b"no longer GRIB")
    report = quiet(folder, tmp_path / "a.zarr")
    assert (report.runs_written, report.runs_kept) == (0, 1)


def test_an_interrupted_ingest_goes_on(nwp, tmp_path, monkeypatch):
    out = tmp_path / "a.zarr"
    written = ArchiveWriter.write_run

    def stop_at_the_second(self, init_time, fields):
        if len(self.init_times):
            raise KeyboardInterrupt
        written(self, init_time, fields)

    monkeypatch.setattr(ArchiveWriter, "write_run", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        quiet(nwp, out, grid="native")
    monkeypatch.undo()
    assert open_archive(out).sizes["init_time"] == 1
    report = quiet(nwp, out, grid="native")
    assert (report.runs_written, report.runs_kept) == (1, 1)


def test_without_resume_an_archive_is_left_alone_unless_it_may_be_replaced(nwp, tmp_path):
    out = tmp_path / "a.zarr"
    quiet(nwp, out, grid="native")
    with pytest.raises(ReaderError, match="exists already"):
        quiet(nwp, out, grid="native", resume=False)
    report = quiet(sorted(nwp.iterdir())[:3], out, grid="native", resume=False, overwrite=True)
    assert report.runs_written == 1 and open_archive(out).sizes["init_time"] == 1


def test_what_does_not_fit_the_archive_is_refused(nwp, tmp_path):
    out = tmp_path / "a.zarr"
    quiet(nwp, out, grid="native")
    with pytest.raises(ReaderError, match="make another archive"):
        quiet(nwp, out, grid="korea-5km")
    with pytest.raises(ReaderError, match="another rain window than 3 h"):
        quiet(nwp, out, rain_window=3)
    more = tmp_path / "more"
    more.mkdir()
    write_run(more, "2022080900", leads=(1, 2, 3, 4))
    with pytest.raises(ReaderError, match=r"lead times that .* lacks \(\+4 h\)"):
        quiet(more, out)


def test_rain_windows_that_differ_are_kept_apart(tmp_path):
    folder = tmp_path / "nwp"
    folder.mkdir()
    write_run(folder, leads=(3, 6, 12))
    report = quiet(folder, tmp_path / "a.zarr", grid="native")
    assert report.rain_window == (3, 3, 6)
    assert report.notes == ("rain windows differ between lead times (3 h, 6 h): a model takes one of them only",)
    ds = open_archive(report.archive)
    np.testing.assert_array_equal(ds["rain_window"], [3, 3, 6])
    np.testing.assert_allclose(ds["fields"].sel(channel="rain").mean(("y", "x")).values[0], [6, 6, 12], atol=1e-5)


def test_mixed_windows_and_observed_rain_need_a_choice(tmp_path, rain):
    folder = tmp_path / "nwp"
    folder.mkdir()
    write_run(folder, leads=(3, 6, 12))
    with pytest.raises(ReaderError, match=r"Rain windows differ between lead times \(3 h, 6 h\).*qpe_window"):
        quiet(folder, tmp_path / "a.zarr", grid="native", qpe=rain)
    quiet(folder, tmp_path / "a.zarr", grid="native", qpe=rain, qpe_window=3)
    ds = open_archive(tmp_path / "a.zarr")
    assert sorted(pairs(ds)["lead_time"]) == [3, 6]  # +12 h holds six hours of rain, so it has no pair


def test_bad_files_are_refused_or_skipped_and_listed(nwp, tmp_path):
    bad = sorted(nwp.iterdir())[1]
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(ReaderError, match="is cut off"):
        quiet(nwp, tmp_path / "a.zarr", grid="native")
    assert not (tmp_path / "a.zarr").exists()  # nothing half-written
    report = quiet(nwp, tmp_path / "a.zarr", grid="native", skip_bad=True)
    assert [path for path, _ in report.skipped] == [bad]
    # without +2 h, the first run has no rain of one hour at +3 h: it stays missing
    assert report.notes == ("run 2022-08-08 00 UTC lacks +2 h", "run 2022-08-08 00 UTC lacks rain at +3 h")
    assert "1 files skipped" in str(report)


def test_values_that_cannot_be_decoded_are_refused_or_skipped(nwp, tmp_path):
    bad = sorted(nwp.iterdir())[1]
    data = bytearray(bad.read_bytes())
    data[-4:] = b"xxxx"  # whole by its length, but without its end mark
    bad.write_bytes(bytes(data))
    with pytest.raises(ReaderError, match=bad.name):
        quiet(nwp, tmp_path / "a.zarr", grid="native")
    report = quiet(nwp, tmp_path / "a.zarr", grid="native", skip_bad=True)
    assert {path for path, _ in report.skipped} == {bad} and report.runs_written == 2


def test_observed_rain_of_another_time_is_refused_before_anything_is_written(nwp, tmp_path):
    folder = tmp_path / "qpe"
    folder.mkdir()
    make_qpe.write_analysis(folder, datetime(2021, 8, 8, 1), 1.0)
    with pytest.raises(ReaderError, match=r"The rain observations .*2021-08-08 01 UTC.* fill no window of 1 h"):
        quiet(nwp, tmp_path / "a.zarr", grid="native", qpe=folder)
    assert not (tmp_path / "a.zarr").exists()


def test_observed_rain_of_another_place_is_refused(nwp, tmp_path):
    folder = tmp_path / "qpe"
    folder.mkdir()
    europe = make.SMALL_KOREA | {"longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 20.0}
    make_qpe.write_analysis(folder, datetime(2022, 8, 8, 1), 1.0, grid=europe)
    with pytest.raises(ReaderError, match="lies outside the grid of GRIB rain analysis"):
        quiet(nwp, tmp_path / "a.zarr", grid="native", qpe=folder)


def test_radar_composites_on_the_default_grid(nwp, tmp_path):
    folder = tmp_path / "hsr"
    folder.mkdir()
    make_qpe.write_hsr_hour(folder, datetime(2022, 8, 8, 1), [round(100 * make_qpe.dbz_of(5.0, 148.0, 1.59))] * 3)
    options = QpeOptions(coefficients=(148.0, 1.59), min_frames=3)
    report = quiet(nwp, tmp_path / "a.zarr", qpe=folder, qpe_options=options)
    ds = open_archive(report.archive)
    assert report.grid == "korea-5km (224 rows, 128 columns)" and report.qpe_written == 1
    np.testing.assert_allclose(ds["qpe"], 5.0, rtol=3e-3)
    assert "Z = 148 R^1.59" in ds.attrs["source"]


def test_gauges_are_an_observation_too(nwp, tmp_path):
    table = make_qpe.write_portal_csv(
        tmp_path / "aws.csv", ["1,a,2022-08-08 10:00,7.5,126.978,37.5665"], header="stn,name,tm,rn,lon,lat"
    )
    report = quiet(nwp, tmp_path / "a.zarr", qpe=table)
    qpe = open_archive(report.archive)["qpe"]
    assert np.isfinite(qpe).sum() == 1 and float(qpe.max()) == 7.5
    # Seoul is in row 112, column 49 (0-based, rounded from 111.71 and 48.81)
    assert float(qpe[0, 112, 49]) == 7.5


def test_the_published_layout_moves_over(tmp_path):
    statistics = make_qpe.write_legacy_tree(tmp_path / "MESO-5km", ["2020070100", "2020070101"], qpe=-1.0)
    make_qpe.write_legacy_tree(tmp_path / "MESO-5km", ["2020070101"], qpe=2.5)
    report = quiet(tmp_path / "MESO-5km", tmp_path / "a.zarr", profile="legacy", statistics=statistics)
    ds = open_archive(report.archive)
    assert tuple(ds["channel"].values) == CANONICAL and ds.sizes["init_time"] == 2
    values = ds["fields"].isel(init_time=0, lead_time=0).mean(("y", "x"))
    assert float(values.sel(channel="gph_850")) == pytest.approx(301.0, abs=0.5)  # mean 300, deviation 2, z-score 0.5
    assert float(values.sel(channel="gph_100")) == pytest.approx(16001.0, abs=0.5)
    assert float(values.sel(channel="rain")) == pytest.approx(2.0, abs=1e-6)
    assert np.isnan(ds["qpe"][0]).all() and float(ds["qpe"][1].mean()) == 2.5  # -1 is missing
    assert len(pairs(ds)) == 1


def test_the_published_layout_needs_its_statistics(tmp_path):
    root = tmp_path / "MESO-5km"
    statistics = make_qpe.write_legacy_tree(root, ["2020070100"])
    with pytest.raises(ReaderError, match=r"holds z-scores.* give the statistics"):
        quiet(root, tmp_path / "a.zarr", profile="legacy")
    content = json.loads(statistics.read_text())
    del content["SLP"]
    statistics.write_text(json.dumps(content))
    with pytest.raises(ReaderError, match="The statistics lack SLP"):
        quiet(root, tmp_path / "a.zarr", profile="legacy", statistics=statistics)


def test_objects_in_arrays_are_never_unpickled(tmp_path):
    root = tmp_path / "MESO-5km"
    statistics = make_qpe.write_legacy_tree(root, ["2020070100"])
    np.save(root / "2020-zscore" / "T2" / "2020070100.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ReaderError, match="objects are never unpickled"):
        quiet(root, tmp_path / "a.zarr", profile="legacy", statistics=statistics)


def test_a_full_disk_is_told_in_one_sentence(nwp, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ArchiveWriter, "_put", full)
    with pytest.raises(ArchiveError, match="is full; free some space"):
        quiet(nwp, tmp_path / "a.zarr", grid="native")
    monkeypatch.undo()
    assert quiet(nwp, tmp_path / "a.zarr", grid="native").runs_written == 2


def test_patterns_folders_and_nothing(nwp, tmp_path):
    assert quiet(str(nwp / "*f00[12].grib2"), tmp_path / "a.zarr", grid="native").lead_time == (1, 2)
    with pytest.raises(ReaderError, match=r"No file matches '.*\*\.gb2'"):
        quiet(str(nwp / "*.gb2"), tmp_path / "b.zarr")
    with pytest.raises(ReaderError, match="There is no file or folder"):
        quiet(tmp_path / "nowhere", tmp_path / "b.zarr")
    with pytest.raises(ReaderError, match=r"holds no NWP files; for folders below it write '.*/\*\*/\*'"):
        quiet(tmp_path, tmp_path / "b.zarr")
    (nwp / "README.txt").write_text("passed over")
    assert quiet(nwp, tmp_path / "c.zarr", grid="native").runs_written == 2


def test_progress_is_shown_on_standard_error(nwp, tmp_path, capfd):
    ingest_function(nwp, tmp_path / "a.zarr", grid="native", progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "Ingesting runs" in err and "2/2" in err
