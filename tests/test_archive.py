"""Writing and reading archives: values, coordinates, order, growth and worker processes."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from archives import LEADS, SMALL, START, create, fields, hours, make, rain
from hypothesis import given, settings
from hypothesis import strategies as st

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.archive.layout import Encoding, as_channels, encode_qpe
from sslpdl.channels import CANONICAL, CHANNELS, Channel
from sslpdl.errors import ArchiveError
from sslpdl.grid import KOREA_5KM, Grid


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("archive") / "small.zarr", attrs={"title": "a test", "synthetic": True})


# ---- values ---------------------------------------------------------------------------------------------------------


def test_fields_come_back_to_half_a_step(small: Path) -> None:
    ds = open_archive(small)
    for run in range(3):
        written, read = fields(run), ds.fields[run].values
        assert read.dtype == np.float32
        for index, channel in enumerate(CHANNELS.values()):
            error = np.abs(written[:, index] - read[:, index]).max()
            # rain is rounded down, by less than a step; the 0.02 is rounding of float32
            assert error <= channel.step * (1.0 if channel.is_rain else 0.5) * 1.02


def test_qpe_comes_back_to_a_thousandth(small: Path) -> None:
    read, written = open_archive(small).qpe.values, rain(7, 18)
    assert (read <= written + 2e-5).all()
    assert (written - read).max() < 0.00101


def test_missing_stays_missing(tmp_path: Path) -> None:
    values, observed = fields(), rain(0, 2)
    values[1, 3, 2:5] = np.nan
    values[2, :] = np.inf
    observed[0, :3] = np.nan
    with create(tmp_path / "a.zarr") as writer:
        writer.write_run(START, values)
        writer.write_qpe(hours("2022-08-08T00", 2), observed)
    ds = open_archive(tmp_path / "a.zarr")
    assert np.array_equal(np.isnan(ds.fields[0].values), ~np.isfinite(values))
    assert np.array_equal(np.isnan(ds.qpe.values), np.isnan(observed))
    assert ds.fields_coverage.values[0, 1, 3] == pytest.approx(9 / 12)
    assert (ds.fields_coverage.values[0, 2] == 0).all()
    assert ds.qpe_coverage.values.tolist() == pytest.approx([9 / 12, 1.0])


@settings(max_examples=200, deadline=None)
@given(offset=st.floats(-0.03, 0.03), fiftieths=st.integers(2, 5000))
def test_rain_never_crosses_a_threshold(offset: float, fiftieths: int) -> None:
    # thresholds in fiftieths of a mm: 0.1, 1, 10 and all others that people use
    threshold = np.float32(fiftieths / 50)
    value = np.full((1, 1, 1, 1), fiftieths / 50 + offset, np.float32)
    encoding = Encoding(as_channels(["rain"]))
    stored = encoding.decode(encoding.encode(value))
    observed = np.divide(encode_qpe(value[0]), np.float32(1000), dtype=np.float32)
    margin = 3e-4  # a hundredth of a step, where 0.0999999 means 0.1
    if not -margin < offset < 0:
        assert (stored >= threshold).item() == (value >= threshold).item()
        assert (observed >= threshold).item() == (value >= threshold).item()


@pytest.mark.parametrize("value", [0.1, 1.0, 10.0, 30.0, np.nextafter(np.float32(0.1), 0), 0.0999999])
def test_common_thresholds_are_kept(value: float) -> None:
    encoding = Encoding(as_channels(["rain"]))
    stored = encoding.decode(encoding.encode(np.full((1, 1, 1, 1), value, np.float32))).item()
    assert stored == np.float32(round(value, 6))
    below = encoding.decode(encoding.encode(np.full((1, 1, 1, 1), round(value, 6) - 0.005, np.float32))).item()
    assert below < np.float32(round(value, 6))


@pytest.mark.parametrize(
    ("channel", "value", "words"),
    [
        ("slp", 100_500.0, "slp holds 100500, outside the 344.66 to 1655.34 hPa"),
        ("gph_500", 57_000.0, "is its unit gpm"),
        ("rain", -9999.0, "rain cannot be negative"),
        ("rain", 800.0, "outside the 0 to 655.34 mm"),
    ],
)
def test_values_of_another_unit_are_refused(tmp_path: Path, channel: str, value: float, words: str) -> None:
    values = fields()
    values[1, CANONICAL.index(channel), 3, 3] = value
    with create(tmp_path / "a.zarr") as writer:
        with pytest.raises(ArchiveError, match=f"run 2022-08-08T00:00:00 of .* was refused: .*{words}"):
            writer.write_run(START, values)
        with pytest.raises(ArchiveError, match="QPE holds -3 mm"):
            writer.write_qpe(START, np.full(SMALL.shape, -3.0))
        with pytest.raises(ArchiveError, match="is its unit mm"):
            writer.write_qpe(START, np.full(SMALL.shape, 1e6))
        assert not writer.init_times.size
    assert open_archive(tmp_path / "a.zarr").sizes["init_time"] == 0


def test_tiny_negative_rain_is_none(tmp_path: Path) -> None:
    values = fields()
    values[:, -1] = -1e-6  # packing in GRIB
    with create(tmp_path / "a.zarr") as writer:
        writer.write_run(START, values)
    assert (open_archive(tmp_path / "a.zarr").fields[0, :, -1].values == 0).all()


# ---- what a dataset looks like --------------------------------------------------------------------------------------


def test_dataset(small: Path) -> None:
    ds = open_archive(small)
    assert ds.fields.dims == ("init_time", "lead_time", "channel", "y", "x")
    assert ds.qpe.dims == ("valid_time", "y", "x")
    assert ds.channel.values.tolist() == list(CANONICAL)
    assert ds.units.values.tolist() == [channel.units for channel in CHANNELS.values()]
    assert ds.level.sel(channel="t_850") == 850
    assert np.isnan(ds.level.sel(channel="slp"))
    assert ds.lead_time.dtype.kind == "i"
    assert ds.lead_time.values.tolist() == list(LEADS)
    assert ds.rain_window.values.tolist() == [1.0] * 4
    assert ds.init_time.values[1] == START + np.timedelta64(12, "h")
    assert ds.mask.dtype == bool
    assert np.array_equal(ds.mask, SMALL.verification_mask())
    assert Grid.from_dataset(ds) == SMALL
    lon, lat = SMALL.lonlat()
    assert np.allclose(ds.lon, lon, atol=1e-5)
    assert np.allclose(ds.lat, lat, atol=1e-5)
    assert {key: ds.attrs[key] for key in ("title", "synthetic", "qpe_window", "format_version")} == {
        "title": "a test",
        "synthetic": "true",
        "qpe_window": 1.0,
        "format_version": 1,
    }
    assert ds.encoding["source"] == str(small)


def test_reading_is_lazy_and_indexes_like_numpy(small: Path) -> None:
    ds = open_archive(small)
    assert "numpy" not in type(ds.fields.variable._data).__module__
    whole = np.stack([ds.fields[run].values for run in range(3)])
    for key in [
        (0, 1),
        (slice(None), 2, 5),
        ([2, 0], slice(1, 3), [3, 1, 15], slice(None, None, -1), slice(2, 9, 3)),
        (1, -1, slice(None, None, -2), 4),
        (slice(0, 0),),
        (2, 3, 15, 0, 0),
    ]:
        expected = whole
        for axis, part in reversed(list(enumerate(key))):
            expected = (
                np.take(expected, part, axis)
                if not isinstance(part, slice)
                else expected[(slice(None),) * axis + (part,)]
            )
        assert np.array_equal(ds.fields[key].values, expected)
    assert np.array_equal(ds.fields.sel(channel=["rain", "slp"], lead_time=3).values, whole[:, 3][:, [15, 3]])
    assert np.array_equal(ds.isel(init_time=[2, 1]).fields[0].values, whole[2])
    assert "numpy" not in type(ds.fields.variable._data).__module__


def test_plain_xarray_reads_coordinates_and_qpe(small: Path) -> None:
    # what others see without this package: CF names, units, times, and QPE decoded by its scale factor
    ds = xr.open_zarr(small, chunks=None, decode_timedelta=False)
    assert ds.qpe.attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"
    assert np.allclose(ds.qpe.values, open_archive(small).qpe.values, equal_nan=True)
    assert ds.init_time.values[0] == START
    assert ds.init_time.attrs["standard_name"] == "forecast_reference_time"
    assert ds.lead_time.attrs == {"standard_name": "forecast_period", "units": "hours"}
    assert ds.x.attrs["standard_name"] == "projection_x_coordinate"
    assert ds.crs.attrs["grid_mapping_name"] == "lambert_conformal_conic"
    assert (ds.qpe.encoding | ds.qpe.attrs)["grid_mapping"] == "crs"
    raw = (
        ds.fields.isel(init_time=0).values * ds.channel_step.values[:, None, None]
        + ds.channel_offset.values[:, None, None]
    )
    assert np.allclose(raw, open_archive(small).fields[0].values, rtol=1e-6, atol=1e-4)


def test_other_channels_windows_and_masks(tmp_path: Path) -> None:
    snow = Channel("snow", "snow depth", "surface_snow_thickness", "m", None, 0.01, 0.0)
    mask = np.eye(12, 10, dtype=bool)
    path = tmp_path / "a.zarr"
    with create(
        path, channels=["rain", snow], rain_window=[1, 1, 1, 3], qpe_window=3, mask=mask, attrs={"config": {"a": 1}}
    ) as w:
        w.write_run(START, np.ones((4, 2, 12, 10)))
    ds = open_archive(path)
    assert ds.units.values.tolist() == ["mm", "m"]
    assert ds.rain_window.values.tolist() == [1, 1, 1, 3]
    assert ds.attrs["qpe_window"] == 3.0
    assert np.array_equal(ds.mask, mask)
    assert json.loads(ds.attrs["config"]) == {"a": 1}
    assert np.allclose(ds.fields[0].values, 1.0)


def test_mask_counts_everywhere_on_grids_away_from_korea(tmp_path: Path) -> None:
    grid = Grid("us", "+proj=longlat +R=6371229 +no_defs", -100.0, 30.0, 0.5, 0.5, (12, 10))
    create(tmp_path / "a.zarr", grid=grid).close()
    ds = open_archive(tmp_path / "a.zarr")
    assert ds.mask.values.all()
    assert Grid.from_dataset(ds) == grid
    assert ds.x.attrs["units"] == "degrees_east"


# ---- adding ---------------------------------------------------------------------------------------------------------


def test_append_and_resume_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    order = [3, 0, 2, 1]
    for number in order:
        opened = (
            create(path)
            if number == order[0]
            else ArchiveWriter.append(path, grid=SMALL, channels=CANONICAL, lead_time=LEADS)
        )
        with opened as writer:
            writer.write_run(START + np.timedelta64(6 * number, "h"), fields(number))
            writer.write_qpe(START + np.timedelta64(number, "h"), rain(number, 1)[0])
    writer = ArchiveWriter.append(path)
    assert np.array_equal(writer.init_times, START + np.arange(4) * np.timedelta64(6, "h"))
    assert np.array_equal(writer.valid_times, START + np.arange(4) * np.timedelta64(1, "h"))
    writer.close()
    ds = open_archive(path)
    assert (np.diff(ds.init_time.values) > np.timedelta64(0)).all()
    for number in range(4):
        assert np.allclose(ds.fields[number].values, fields(number), atol=0.26)
        assert np.allclose(ds.qpe[number].values, rain(number, 1)[0], atol=0.0011)


def test_times_may_be_given_in_many_ways(tmp_path: Path) -> None:
    kst = timezone(timedelta(hours=9))
    times: list[Any] = [
        "2022-08-08T00",
        datetime(2022, 8, 8, 10, tzinfo=kst),
        np.datetime64("2022-08-08T02"),
        datetime(2022, 8, 8, 3),
    ]
    with create(tmp_path / "a.zarr") as writer:
        for moment in times:
            writer.write_run(moment, fields())
        assert np.array_equal(writer.init_times, hours("2022-08-08T00", 4))
        for wrong in (5, "yesterday", np.datetime64("NaT"), "2022-08-08T00:00:00.5"):
            with pytest.raises(ArchiveError, match="not a time"):
                writer.write_run(wrong, fields())


def test_many_qpe_times_over_several_files(tmp_path: Path) -> None:
    observed = rain(1, 60)
    with create(tmp_path / "a.zarr") as writer:
        for first, last in ((0, 5), (5, 47), (47, 48), (48, 60)):  # 24 times a file
            writer.write_qpe(hours("2022-08-08T00", 60)[first:last], observed[first:last])
    assert np.allclose(open_archive(tmp_path / "a.zarr").qpe.values, observed, atol=0.0011)


def test_what_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with ArchiveWriter.append(path) as writer:
        with pytest.raises(ArchiveError, match=r"run 2022-08-08T12:00:00 of .* is stored already"):
            writer.write_run("2022-08-08T12", fields())
        with pytest.raises(ArchiveError, match=r"shape \(4, 16, 12, 9\) instead of \(4, 16, 12, 10\)"):
            writer.write_run("2022-08-09T12", fields()[..., 1:])
        with pytest.raises(ArchiveError, match="holds no value at all"):
            writer.write_run("2022-08-09T12", np.full_like(fields(), np.nan))
        with pytest.raises(ArchiveError, match=r"QPE of .* at 2022-08-08T05:00:00 is stored already"):
            writer.write_qpe("2022-08-08T05", rain(0, 1))
        with pytest.raises(ArchiveError, match="do not increase: 2022-09-01T01:00:00 comes after 2022-09-01T01:00:00"):
            writer.write_qpe(["2022-09-01T01", "2022-09-01T01"], rain(0, 2))
        with pytest.raises(ArchiveError, match=r"shape \(2, 12, 10\) instead of \(3, 12, 10\)"):
            writer.write_qpe(hours("2022-09-01T00", 3), rain(0, 2))
    with pytest.raises(ArchiveError, match="is closed"):
        writer.write_run("2022-08-09T12", fields())
    assert open_archive(path).sizes["init_time"] == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"grid": KOREA_5KM}, r"is on grid 'small' \(12, 10\), the new data on 'korea-5km' \(224, 128\)"),
        ({"channels": CANONICAL[:12]}, "has the channels"),
        ({"lead_time": (0, 1, 2)}, r"lead times \[0, 1, 2, 3\], the new data \[0, 1, 2\]"),
        ({"rain_window": 3.0}, "rain windows"),
        ({"qpe_window": 3.0}, r"QPE window \(hours\) 1.0, the new data 3.0"),
    ],
)
def test_appending_other_data_is_refused(small: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        ArchiveWriter.append(small, **given)
    ArchiveWriter.append(small, grid=SMALL, channels=CANONICAL, lead_time=LEADS, rain_window=1, qpe_window=1).close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"channels": ["t_805"]}, "did you mean 't_850'"),
        ({"channels": ["rain", "rain"]}, "more than once"),
        ({"channels": []}, "at least one"),
        ({"lead_time": [0, 3, 2]}, "whole hours from 0 on, increasing"),
        ({"lead_time": [0.5, 1.5]}, "whole hours"),
        ({"lead_time": []}, "whole hours"),
        ({"rain_window": [1, 1]}, "2 rain windows for 4 lead times"),
        ({"rain_window": 0}, "must be positive"),
        ({"qpe_window": -1}, "must be positive"),
        ({"mask": np.ones((3, 3))}, r"mask has the shape \(3, 3\)"),
    ],
)
def test_creating_nonsense_is_refused(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        create(tmp_path / "a.zarr", **given)
    assert not list(tmp_path.iterdir())


def test_overwriting(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with pytest.raises(ArchiveError, match="exists already"):
        create(path)
    with create(path, overwrite=True) as writer:
        assert not writer.init_times.size
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "one.jpg").touch()
    with pytest.raises(ArchiveError, match="not an SSLPDL archive"):
        create(other, overwrite=True)
    assert (other / "one.jpg").exists()
    (tmp_path / "empty").mkdir()
    create(tmp_path / "empty").close()


def test_sources(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with ArchiveWriter.append(path) as writer:
        writer.add_sources([{"name": "가.gb2", "sha256": "0" * 64}, {"name": "b.gb2", "sha256": "1" * 64}])
    with (path / "source_files.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"name": "cut sho')  # a kill in mid-line
    with ArchiveWriter.append(path) as writer:
        writer.add_sources([{"name": "b.gb2", "sha256": "1" * 64}, {"name": "c.gb2", "sha256": "2" * 64}])
    names = [source["name"] for source in json.loads(open_archive(path).attrs["source_files"])]
    assert names == ["가.gb2", "b.gb2", "c.gb2"]


def test_a_dataset_opened_before_more_was_written_stays_as_it_was(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr", runs=2)
    ds = open_archive(path)
    with ArchiveWriter.append(path) as writer:
        writer.write_run("2022-08-10T00", fields(9))
    assert ds.fields[:, 0].values.shape[0] == 2
    assert open_archive(path).sizes["init_time"] == 3


# ---- processes and places -------------------------------------------------------------------------------------------


class Samples:
    """A map-style dataset for torch: sample i is (run, lead) of the archive."""

    def __init__(self, path: Path) -> None:
        self.fields = open_archive(path).fields.variable

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self.fields[index // 4, index % 4].values)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_worker_processes(small: Path, start: str) -> None:
    data = pytest.importorskip("torch.utils.data")
    samples = Samples(small)
    expected = np.stack([samples[i] for i in range(12)])  # read before the fork, so that Zarr's threads exist
    workers = 2 if start == "fork" else 1
    loader = data.DataLoader(samples, batch_size=6, num_workers=workers, multiprocessing_context=start, timeout=60)
    assert np.array_equal(np.concatenate([batch.numpy() for batch in loader]), expected)


def test_pickle_is_small_and_reads(small: Path) -> None:
    ds = open_archive(small)
    value = ds.fields[1, 2].values
    packed = pickle.dumps(ds)
    assert len(packed) < 100_000
    assert np.array_equal(pickle.loads(packed).fields[1, 2].values, value)


def test_fsspec_url(small: Path) -> None:
    ds = open_archive(f"file://{small}")
    assert np.array_equal(ds.fields[1, 2].values, open_archive(small).fields[1, 2].values)
    with pytest.raises(ArchiveError, match="URL"):
        ArchiveWriter.append(f"file://{small}")
