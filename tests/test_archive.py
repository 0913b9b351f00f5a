"""Writing and reading archives: values, coordinates and worker processes."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

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
from sslpdl.grid import Grid


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
