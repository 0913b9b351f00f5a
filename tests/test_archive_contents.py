"""What an archive says about itself: soundness, summary, statistics, pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from archives import START, create, fields, hours, make, rain

from sslpdl.archive import ArchiveWriter, Statistics, open_archive, pairs, problems, statistics, summary, validate
from sslpdl.channels import CANONICAL
from sslpdl.errors import ArchiveError


@pytest.fixture(scope="module")
def ds(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return open_archive(make(tmp_path_factory.mktemp("archive") / "small.zarr", attrs={"title": "a test"}))


# ---- soundness ------------------------------------------------------------------------------------------------------


def nan_channel(ds: xr.Dataset) -> xr.Dataset:
    coverage = ds["fields_coverage"].copy()
    coverage[:, :, CANONICAL.index("t_500")] = 0
    return ds.assign(fields_coverage=coverage)


def wrong_units(ds: xr.Dataset) -> xr.Dataset:
    units = ds["units"].values.copy()
    units[CANONICAL.index("slp")] = "Pa"
    return ds.assign_coords(units=("channel", units))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda ds: ds.drop_vars("rain_window"), "the variable 'rain_window' is missing"),
        (lambda ds: ds.drop_vars("mask"), "the variable 'mask' is missing"),
        (lambda ds: ds.transpose("lead_time", ...), "'fields' has the dimensions ('lead_time', 'init_time', "),
        (lambda ds: ds.isel(init_time=[0, 1, 1]), "'init_time' holds 2022-08-08 12:00 more than once"),
        (lambda ds: ds.isel(init_time=[1, 0, 2]), "not in order: 2022-08-08 00:00 comes after 2022-08-08 12:00"),
        (lambda ds: ds.isel(valid_time=[0, 2, 1]), "'valid_time' is not in order: 2022-08-08 01:00 comes after"),
        (lambda ds: ds.isel(valid_time=[3, 3]), "'valid_time' holds 2022-08-08 03:00 more than once"),
        (lambda ds: ds.isel(lead_time=[0, 2, 1]), "'lead_time' [0, 2, 1] is not whole hours in increasing order"),
        (lambda ds: ds.isel(init_time=[]), "it holds no run"),
        (wrong_units, "slp is in Pa instead of hPa"),
        (nan_channel, "channel t_500 holds no value in any run"),
        (lambda ds: ds.assign(qpe_coverage=ds.qpe_coverage * 0), "'qpe' holds no value at any time"),
        (lambda ds: ds.assign(mask=ds.mask & False), "'mask' is False everywhere"),
        (lambda ds: ds.assign(rain_window=ds.rain_window * 0), "'rain_window' [0.0, 0.0, 0.0, 0.0] is not a positive"),
        (lambda ds: ds.assign_attrs(qpe_window="1"), "'qpe_window' is '1' instead of a positive number"),
        (lambda ds: ds.assign_coords(lat=ds.lat + 1), "'lat' and 'lon' are not those of the grid"),
        (lambda ds: ds.isel(y=slice(None, None, -1)), "'y' is not evenly spaced in increasing order"),
        (lambda ds: ds.assign_attrs(format_version=9), "its format 9 is newer"),
    ],
)
def test_each_defect_is_named(ds: xr.Dataset, damage: Callable[[xr.Dataset], xr.Dataset], words: str) -> None:
    assert problems(ds) == []
    validate(ds)
    broken = damage(ds)
    assert len(problems(broken)) == 1
    assert words in problems(broken)[0]
    with pytest.raises(ArchiveError, match="is not a sound archive"):
        validate(broken)
    assert "roblem" in summary(broken) or "Not a sound" in summary(broken)


def test_several_defects_make_one_sentence(ds: xr.Dataset) -> None:
    with pytest.raises(ArchiveError) as caught:
        validate(wrong_units(nan_channel(ds)))
    assert str(caught.value).endswith("slp is in Pa instead of hPa; channel t_500 holds no value in any run.")


def test_empty_channels_are_found_by_reading_where_nothing_tells(ds: xr.Dataset) -> None:
    values = np.stack([ds.fields[run].values for run in range(3)])
    values[:, :, 4] = np.nan
    bare = ds.drop_vars(["fields_coverage", "qpe_coverage"]).assign(fields=(ds.fields.dims, values))
    assert problems(bare) == ["channel rh_500 holds no value in any run"]


def test_a_run_whose_file_is_gone(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    (path / "fields" / "c" / "1" / "0" / "0" / "0" / "0").unlink()
    with pytest.raises(ArchiveError, match="the file of run 2022-08-08 12:00 is gone"):
        validate(open_archive(path))
    validate(open_archive(path).isel(init_time=[0, 2]))


# ---- summary --------------------------------------------------------------------------------------------------------


def test_summary(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    names = [name for name in CANONICAL if not name.startswith("gph")]
    with create(path, channels=names, attrs={"title": "WRF", "source": "NOAA", "synthetic": True}) as writer:
        for day in (0, 1, 2, 5, 6, 9):
            values = fields(day, tuple(names))
            if day == 2:
                values[3] = np.nan
                values[1, 0] = np.nan
            writer.write_run(START + np.timedelta64(day, "D"), values)
        writer.add_sources([{"name": "x", "sha256": "0" * 64}])
        writer.write_qpe(hours("2022-08-08T00", 3), rain(0, 3))
        writer.write_qpe(hours("2022-08-08T06", 2), np.full((2, 12, 10), np.nan))
    text = summary(open_archive(path))
    for line in [
        "title      WRF (SYNTHETIC)",
        "source     NOAA",
        "grid       small: 12 rows x 10 columns at 5 km",
        "channels   13: slp (hPa, 91.7% valid), rh_500 (%, 95.8% valid)",  # 22 and 23 of 24 fields
        "absent     gph_100, gph_500, gph_850",
        "runs       6, from 2022-08-08 00:00 to 2022-08-17 00:00 UTC, usually every 24 h",
        "gap: 2 runs missing after 2022-08-10 00:00",
        "gap: 2 runs missing after 2022-08-14 00:00",
        "run 2022-08-10 00:00 lacks lead times 3 h and some of slp",
        "lead times 4: 0 to 3 h every 1 h; rain over 1 h",
        "QPE        5, from 2022-08-08 00:00 to 2022-08-08 07:00 UTC, usually every 1 h; rain over 1 h",
        ", 60.0% of cells known",
        "gap: 3 QPE missing after 2022-08-08 02:00",
        "pairs      3 forecasts with QPE of the same window, 3 of them with NWP rain",
        "from 1 source files",
        "MB on disk",
    ]:
        assert line in text
    assert "problem" not in text


def test_summary_of_an_archive_without_runs(tmp_path: Path) -> None:
    create(tmp_path / "a.zarr").close()
    text = summary(open_archive(tmp_path / "a.zarr"))
    assert "runs       none" in text
    assert "QPE        none" in text
    assert "problem    it holds no run" in text


# ---- statistics -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("years") / "a.zarr"
    with create(path) as writer:
        for seed, moment in enumerate(["2020-12-31T23", "2021-01-01T00", "2021-12-31T12", "2022-01-01T00"]):
            values = fields(seed) + seed  # a model that drifts, so that a wrong choice of years shows
            values[0, 2, :6] = np.nan
            writer.write_run(moment, values)
    return open_archive(path)


def expected(ds: xr.Dataset, runs: list[int]) -> tuple[np.ndarray, np.ndarray]:
    values = np.stack([ds.fields[run].values for run in runs]).astype(np.float64)
    return np.nanmean(values, axis=(0, 1, 3, 4)), np.nanstd(values, axis=(0, 1, 3, 4))


@pytest.mark.parametrize(("chosen", "runs"), [(None, [0, 1, 2, 3]), ([2021], [1, 2]), ([2020, 2022], [0, 3])])
def test_statistics_of_chosen_years(years: xr.Dataset, chosen: list[int] | None, runs: list[int]) -> None:
    result = statistics(years, years=chosen)
    mean, std = expected(years, runs)
    assert result.channels == CANONICAL
    assert np.allclose(result.mean, mean, rtol=1e-9)
    assert np.allclose(result.std, std, rtol=1e-7)
    assert result.samples == 4 * len(runs)
    assert result.count[0] == len(runs) * 4 * 120
    assert result.count[2] == len(runs) * (4 * 120 - 60)
    assert (result.first, result.last) == (
        str(years.init_time.values[runs[0]])[:19],
        str(years.init_time.values[runs[-1]])[:19],
    )


def test_statistics_of_chosen_runs_and_samples(years: xr.Dataset) -> None:
    by_time = statistics(years, init_times=["2021-01-01", "2021-12-31T12"])
    assert by_time == statistics(years, years=[2021])
    some = statistics(years, sample=5)
    assert some.samples == 5
    assert np.allclose(some.mean, statistics(years).mean, rtol=0.2, atol=2.0)
    assert statistics(years, sample=500) == statistics(years)
    assert statistics(years, sample=5) == some


def test_statistics_keep_digits_of_large_means(tmp_path: Path) -> None:
    # 5000 +- 0.5 gpm: sums of squares in float32 would give a deviation of 0 or NaN
    values = np.full((4, 1, 12, 10), 5000.0, np.float32)
    values[::2] += 1.0
    with create(tmp_path / "a.zarr", channels=["gph_500"]) as writer:
        writer.write_run(START, values)
    result = statistics(open_archive(tmp_path / "a.zarr"))
    assert result.mean + result.std == pytest.approx((5000.5, 0.5), rel=1e-9)


def test_constant_channels_scale_to_zero(tmp_path: Path) -> None:
    with create(tmp_path / "a.zarr", channels=["t_2m"]) as writer:
        writer.write_run(START, np.full((4, 1, 12, 10), 290.0))
    result = statistics(open_archive(tmp_path / "a.zarr"))
    assert result.std == (1.0,)
    assert result.mean[0] == pytest.approx(290.0, abs=0.03)


def test_statistics_that_cannot_be(years: xr.Dataset) -> None:
    with pytest.raises(
        ArchiveError, match=r"No run of .* is among those chosen for statistics; its runs are from 2020-12-31"
    ):
        statistics(years, years=[2019])
    empty = years.assign(fields=years.fields.copy(data=np.full(years.fields.shape, np.nan)))
    with pytest.raises(ArchiveError, match="Channel 'gph_100' has no value in the 16 samples"):
        statistics(empty)


def test_statistics_as_json(years: xr.Dataset) -> None:
    result = statistics(years)
    assert Statistics.from_json(result.to_json()) == result
    assert json.loads(result.to_json())["channels"][-1] == "rain"
    assert Statistics.from_json('{"channels": ["rain"], "mean": [1.0], "std": [2.0]}') == Statistics(
        ("rain",), (1.0,), (2.0,)
    )
    for text in ("{", "[]", '{"channels": ["a"]}', '{"channels": ["a"], "mean": [1, 2], "std": [1]}'):
        with pytest.raises(ArchiveError):
            Statistics.from_json(text)
    with pytest.raises(ArchiveError, match="positive standard deviations"):
        Statistics(("rain",), (1.0,), (0.0,))
    some = result.select(["rain", "slp"])
    assert some.mean == (result.mean[15], result.mean[3])
    with pytest.raises(ArchiveError, match="no statistics of channel 'snow'"):
        result.select(["snow"])


# ---- pairs ----------------------------------------------------------------------------------------------------------


def test_pairs(ds: xr.Dataset) -> None:
    table = pairs(ds)
    # QPE of 0 to 17 UTC on the 8th: runs at 00 and 12 UTC with leads 0 to 3; the third starts after its end
    assert table[["init", "lead"]].values.tolist() == [[run, lead] for run in (0, 1) for lead in range(4)]
    assert table["qpe"].tolist() == [0, 1, 2, 3, 12, 13, 14, 15]
    assert (ds.valid_time.values[table["qpe"]] == table["valid_time"].values).all()
    assert (table["init_time"] + table["lead_time"].astype("timedelta64[s]") * 3600 == table["valid_time"]).all()


def test_pairs_leave_out_gaps_and_other_windows(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    values = fields()
    values[2] = np.nan
    observed = rain(0, 4)
    observed[1] = np.nan
    with create(path, rain_window=[1, 1, 1, 3]) as writer:
        writer.write_run(START, values)
        writer.write_qpe(hours("2022-08-08T00", 4), observed)
    # lead 1 has no QPE, lead 2 no fields, lead 3 another window
    assert pairs(open_archive(path))["lead"].tolist() == [0]


@pytest.mark.parametrize(
    ("settings", "times", "words"),
    [
        ({}, None, "holds no QPE"),
        ({"qpe_window": 3}, "2022-08-08T00", r"over \[1.0\] h, that of QPE over 3.0 h"),
        ({}, "2021-08-08T00", r"no QPE \(2021-08-08T00 to 2021-08-08T03\) is valid .* lead times 0 to 3 h"),
    ],
)
def test_nothing_to_pair_says_why(tmp_path: Path, settings: dict[str, float], times: str | None, words: str) -> None:
    path = tmp_path / "a.zarr"
    with create(path, **settings) as writer:
        writer.write_run(START, fields())
        if times:
            writer.write_qpe(hours(times, 4), rain(0, 4))
    with pytest.raises(ArchiveError, match=words):
        pairs(open_archive(path))
    assert len(pairs(open_archive(path), allow_none=True)) == 0


def test_pairs_after_adding(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr", runs=1)
    with ArchiveWriter.append(path) as writer:
        writer.write_qpe(START - np.timedelta64(1, "h"), rain(0, 1))  # comes before all others
    table = pairs(open_archive(path))
    assert table["qpe"].tolist() == [1, 2, 3, 4]
