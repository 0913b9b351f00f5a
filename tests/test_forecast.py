"""Forecasts: probabilities by hand, storage, resumption, refusals."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr

from sslpdl import forecast
from sslpdl.errors import ForecastError

INIT = np.array(["2021-07-01T00", "2021-07-01T12", "2021-07-02T00"], "datetime64[ns]")
LEADS = [3, 6, 9, 12, 15]
SHAPE = (4, 5)


class ThreeClasses:
    """A stand-in for a trained model: P(rain) is the humidity, a fifth of it heavy; it counts what it is asked."""

    channels = ("rh_850",)
    thresholds = (0.1, 10.0)
    rain_window = 1.0
    decision: ClassVar = {0.1: 0.4, 10.0: 0.2}
    provenance: ClassVar = {"name": "stand-in"}

    def __init__(self, fail_after: int | None = None) -> None:
        self.fields, self.fail_after = 0, fail_after

    def check(self, archive: xr.Dataset) -> None:
        assert "rh_850" in archive.channel

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        if self.fail_after is not None and self.fields >= self.fail_after:
            raise KeyboardInterrupt
        self.fields += len(fields)
        wet = np.nan_to_num(fields[:, 0]) / 100
        return np.stack([1 - wet, 0.8 * wet, 0.2 * wet], axis=1).astype("float32")


@pytest.fixture
def archive() -> xr.Dataset:
    rng = np.random.default_rng(0)
    fields = rng.uniform(0, 100, (len(INIT), len(LEADS), 2, *SHAPE)).astype("float32")
    fields[:, :, :, 0, 0] = np.nan
    dims = ("init_time", "lead_time", "channel", "y", "x")
    coords: dict[str, Any] = {
        "init_time": INIT,
        "lead_time": LEADS,
        "channel": ["t_2m", "rh_850"],
        "y": np.arange(4.0),
        "x": np.arange(5.0),
        "lat": (("y", "x"), np.full(SHAPE, 37.0)),
        "lon": (("y", "x"), np.full(SHAPE, 127.0)),
        "crs": 0,
    }
    return xr.Dataset({"fields": (dims, fields)}, coords, {"title": "test", "synthetic": "true"})


def test_exceedance_by_hand() -> None:
    classes = np.array([[0.5, 0.1], [0.3, 0.2], [0.2, 0.7]], "float32")
    np.testing.assert_allclose(forecast.exceedance(classes, axis=0), [[0.5, 0.9], [0.2, 0.7]], atol=1e-7)


def test_run_in_memory(archive: xr.Dataset) -> None:
    result = forecast.run(archive, ThreeClasses())
    humidity = archive.fields.sel(channel="rh_850").values / 100
    wet = result[forecast.EXCEEDANCE].sel(threshold=0.1).values
    np.testing.assert_allclose(wet[..., 1:, 1:], humidity[..., 1:, 1:], atol=1e-6)
    assert np.isnan(wet[..., 0, 0]).all(), "where nothing is known nothing is forecast"
    assert result.valid_time.values[1, 0] == np.datetime64("2021-07-01T15")
    assert result.threshold.attrs["spp__relative_to_threshold"] == "greater_than_or_equal_to"
    assert json.loads(result.attrs["decision"]) == {"0.1": 0.4, "10": 0.2}


def test_stored_forecast_equals_the_one_in_memory(archive: xr.Dataset, tmp_path: Path) -> None:
    memory = forecast.run(archive, ThreeClasses())
    stored = forecast.run(archive, ThreeClasses(), out=tmp_path / "f.zarr")
    for name in ("class_probability", forecast.EXCEEDANCE):
        assert stored[name].dtype == "float32"
        # three classes, each rounded to the nearest 1/65534
        np.testing.assert_allclose(stored[name].values, memory[name].values, atol=1.5 / 65534)
        part = {"init_time": 1, "lead_time": slice(1, 4), "y": [0, 2], "x": 3}
        np.testing.assert_array_equal(stored[name].isel(part).values, stored[name].values[1, 1:4][..., [0, 2], 3])
    assert stored.attrs == memory.attrs
    again = pickle.loads(pickle.dumps(stored))
    np.testing.assert_array_equal(again[forecast.EXCEEDANCE].values, stored[forecast.EXCEEDANCE].values)


def test_interrupted_forecast_is_taken_up_again(archive: xr.Dataset, tmp_path: Path) -> None:
    out = tmp_path / "f.zarr"
    with pytest.raises(KeyboardInterrupt):
        forecast.run(archive, ThreeClasses(fail_after=7), out=out)
    assert not out.exists()
    second = ThreeClasses()
    result = forecast.run(archive, second, out=out)
    assert second.fields == 2 * len(LEADS), "the first run was stored and is not computed again"
    whole = forecast.run(archive, ThreeClasses(), out=tmp_path / "whole.zarr")
    xr.testing.assert_identical(result.load(), whole.load())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.zarr", "whole.zarr"]


def test_netcdf_export_opens_again(archive: xr.Dataset, tmp_path: Path) -> None:
    result = forecast.run(archive, ThreeClasses(), init_time="2021-07-01T12")
    path = forecast.to_netcdf(result, tmp_path / "f.nc")
    again = forecast.open_forecast(path)
    np.testing.assert_array_equal(again[forecast.EXCEEDANCE].values, result[forecast.EXCEEDANCE].values)
    assert list(again.init_time.values) == [INIT[1]]
    assert again.threshold.attrs["units"] == "mm"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"init_time": "2021-07-03"}, "holds no init_time 2021-07-03T00"),
        ({"init_time": "yesterday"}, "is no init_time"),
        ({"lead_time": [3, 4]}, "holds no lead_time 4; it has 3 to 15"),
    ],
)
def test_what_the_archive_does_not_hold_is_refused(archive: xr.Dataset, arguments: Any, sentence: str) -> None:
    with pytest.raises(ForecastError, match=sentence):
        forecast.run(archive, ThreeClasses(), **arguments)


def test_an_existing_output_is_not_overwritten(archive: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "f.zarr").mkdir()
    with pytest.raises(ForecastError, match=r"exists already"):
        forecast.run(archive, ThreeClasses(), out=tmp_path / "f.zarr")


def test_what_is_no_forecast_is_refused(archive: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="there is no forecast"):
        forecast.open_forecast(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ForecastError, match="cannot be opened as a forecast"):
        forecast.open_forecast(tmp_path / "empty.zarr")
    archive.assign_coords(channel=archive.channel.astype(object)).to_zarr(
        tmp_path / "archive.zarr", zarr_format=3, consolidated=False
    )
    with pytest.raises(ForecastError, match="no class_probability"):
        forecast.open_forecast(tmp_path / "archive.zarr")
