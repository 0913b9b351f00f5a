"""Strata and intervals: lead times, hours, regions, blocks of days, and whether intervals cover the truth."""

from __future__ import annotations

from pathlib import Path

import archives
import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter
from scipy.stats import norm, t
from verify_helpers import DAY, RUN

from sslpdl import open_archive, verify
from sslpdl.data import provinces
from sslpdl.errors import VerifyError
from sslpdl.grid import KOREA_5KM
from sslpdl.verify.cases import chosen_cases
from sslpdl.verify.pooling import block_length, interval, resampling_weights, valid_hours


def many_cases(leads: range, days: int = 2) -> xr.Dataset:
    """Return counts of 00 and 12 UTC runs; the case of the k-th lead time has k wet cells of ten."""
    counting = verify.Counter(
        thresholds=(1.0,), models=("raw",), regions={"all": np.ones((1, 10), bool)}, attrs={"rain_window": 1.0}
    )
    for run in RUN + np.arange(2 * days) * np.timedelta64(12, "h"):
        for k, lead in enumerate(leads):
            rain = np.where(np.arange(10) < k % 11, 2.0, 0.0)[None]
            counting.add(run, lead, rain, {"raw": rain})
    return counting.counts()


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_lead_times_are_grouped_when_many() -> None:
    counts = many_cases(range(1, 31))
    groups = verify.lead_groups(counts)
    assert list(groups) == ["all", "1-6 h", "7-12 h", "13-18 h", "19-24 h", "25-30 h"]
    assert groups["7-12 h"].tolist() == [7, 8, 9, 10, 11, 12]
    assert list(verify.lead_groups(counts.isel(lead_time=slice(0, 2)))) == ["all", "1 h", "2 h"]


def test_hours_of_the_day_are_those_of_the_end_of_the_window() -> None:
    counts = many_cases(range(1, 37))
    assert valid_hours(counts)[:2, 22:25].tolist() == [[23, 0, 1], [11, 12, 13]]  # leads 23 to 25 from 00 and 12 UTC
    groups = verify.hour_groups(counts)
    assert next(iter(groups)) == "01-03 UTC (10-12 KST)"
    assert list(groups)[-1] == "22-00 UTC (07-09 KST)"
    assert sorted(h for hours in groups.values() for h in hours) == list(range(24))
    few = verify.hour_groups(many_cases(range(6, 37, 6)))
    assert few == {"00 UTC (09 KST)": [0], "06 UTC (15 KST)": [6], "12 UTC (21 KST)": [12], "18 UTC (03 KST)": [18]}


def test_scores_by_hour_add_up_to_the_whole() -> None:
    counts = many_cases(range(3, 37, 3))
    table = verify.stratified(counts, replicates=0)
    csi = table[(table["score"] == "csi") & (table["lead_time"] == "all")].set_index("hour")
    assert csi["n"].drop("all").sum() == csi["n"]["all"]
    assert csi["events"].drop("all").sum() == csi["events"]["all"]
    # 06 UTC: leads 6 and 30 of the 00 UTC runs, 18 of the 12 UTC runs: 1, 9 and 5 wet cells on each of two days
    assert csi["events"]["06 UTC (15 KST)"] == 2 * (1 + 9 + 5)
    verify.check_identities(table)
    readable = verify.with_intervals(table, ["csi"])
    assert readable["csi"].tolist() == ["1.00"]
    keys = ["region", "lead_time", "hour", "threshold", "model", "score"]
    assert not table.duplicated(keys).any()


def test_regions_divide_the_verified_land_of_korea(root: Path) -> None:
    archive = open_archive(root / "data_samples" / "august-2022.zarr")
    regions = verify.standard_regions(archive, provinces=True)
    names = list(provinces())
    assert list(regions) == ["all", "land", "sea", *names]
    assert len(names) == 9
    assert np.array_equal(np.sum([regions[name] for name in names], axis=0), regions["land"])
    assert np.array_equal(regions["land"] ^ regions["sea"], regions["all"])
    towns = {"capital_area": (126.98, 37.57), "gangwon": (127.74, 37.90), "chungbuk": (127.44, 36.64),
             "chungnam": (127.37, 36.37), "jeonbuk": (127.12, 35.84), "jeonnam": (126.89, 35.17),
             "gyeongbuk": (128.65, 35.88), "gyeongnam": (129.03, 35.20), "jeju": (126.53, 33.40)}  # fmt: skip
    for name, (longitude, latitude) in towns.items():
        row, column = (round(float(k)) for k in KOREA_5KM.cell(longitude, latitude))
        assert regions[name][row, column], name


# ---- blocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leads", "days"), [((6,), 1), ((6, 30), 4), ((1, 36), 6), ((1, 72), 12)])
def test_a_block_is_four_times_the_span_of_valid_times(leads: tuple[int, ...], days: int) -> None:
    runs = np.arange("2022-06-01", "2022-06-05", dtype="datetime64[D]").astype("datetime64[ns]")
    assert block_length(xr.Dataset(coords={"lead_time": list(leads), "init_time": runs})) == days
    twice = np.concatenate([runs, runs + np.timedelta64(12, "h")])  # half a day more, times four
    assert block_length(xr.Dataset(coords={"lead_time": list(leads), "init_time": twice})) == (
        days + 2 if days > 1 else 2
    )


def test_few_blocks_have_no_interval() -> None:
    few, enough = (verify.scores(many_cases(range(6, 13), days), replicates=50, block_days=1) for days in (4, 5))
    assert few["lower"].isna().all()
    assert (few["blocks"] == 4).all()
    assert enough.loc[enough["score"] == "base_rate", "lower"].notna().all()


def test_percentiles_of_few_blocks_are_those_of_students_t() -> None:
    values = np.arange(100001.0)[:, None]
    tail = norm.cdf(np.sqrt(6 / 5) * t.ppf(0.025, 5))
    lower, upper, _ = interval(values, blocks=6)
    assert (lower[0], upper[0]) == pytest.approx((1e5 * tail, 1e5 * (1 - tail)))
    assert tail < 0.025 / 5
    assert interval(values, blocks=10000)[0][0] == pytest.approx(2500, rel=1e-3)


def test_interval_ignores_and_counts_undefined_replicates() -> None:
    values = np.array([[np.nan], [1.0], [2.0], [3.0], [np.nan]])
    lower, upper, undefined = interval(values)
    assert (lower[0], upper[0]) == pytest.approx((1.05, 2.95))
    assert undefined[0] == pytest.approx(0.4)
    assert np.isnan(interval(np.full((3, 1), np.nan))[0]).all()


# ---- coverage --------------------------------------------------------------------------------------------------------

SERIES = 3000


def coverage(hits: np.ndarray, wet: np.ndarray, truth: float, block_days: int) -> float:
    """Return the share of series (series, days) whose 95 % interval of the ratio of sums holds the truth.

    As the table does it: exact sums of blocks, whole blocks drawn, the ratio of the sums.  All series share the draws.
    """
    days = hits.shape[1] // block_days * block_days
    blocks = [x[:, :days].reshape(len(x), -1, block_days).sum(axis=2).T for x in (hits, wet)]
    number = len(blocks[0])
    weights = resampling_weights(number, 2000, 1)
    lower, upper, _ = interval((weights @ blocks[0]) / (weights @ blocks[1]), number)
    return float(((lower <= truth) & (truth <= upper)).mean())


@pytest.mark.parametrize(("days", "block_days"), [(20, 1), (60, 1), (240, 1), (240, 3)])
def test_intervals_cover_the_truth_for_independent_days(days: int, block_days: int) -> None:
    """93 to 97 % of 3000 series: five standard errors around 95 %."""
    rng = np.random.default_rng(11)
    wet = rng.gamma(2.0, 50.0, (SERIES, days))
    hits = wet * rng.beta(6, 4, wet.shape)  # true ratio 0.6
    assert 0.93 <= coverage(hits, wet, 0.6, block_days) <= 0.97


@pytest.mark.parametrize(("phi", "block_days"), [(0.3, 5), (0.5, 10), (0.7, 28)])
def test_intervals_cover_the_truth_for_autoregressive_days(phi: float, block_days: int) -> None:
    """Days that remember the last one need blocks of several e-folding times; with single days the coverage is lost."""
    rng = np.random.default_rng(5)
    noise = lfilter([np.sqrt(1 - phi**2)], [1, -phi], rng.normal(size=(SERIES, 460)), axis=1)[:, 40:]
    wet = np.full(noise.shape, 100.0)
    hits = 100 * norm.cdf(noise)  # uniform from 0 to 100: true ratio 0.5
    assert 0.93 <= coverage(hits, wet, 0.5, block_days) <= 0.97
    assert coverage(hits, wet, 0.5, 1) < 0.93


def test_intervals_cover_the_truth_where_runs_forecast_the_same_weather() -> None:
    """Each day's weather is in the runs of three days; eight-day blocks hold, which is what `block_length` gives."""
    runs = np.arange("2022-06-01", "2022-06-05", dtype="datetime64[D]").astype("datetime64[ns]")
    assert block_length(xr.Dataset(coords={"lead_time": [0, 24, 48], "init_time": runs})) == 8
    rng = np.random.default_rng(3)
    wet_day, skill = rng.gamma(4.0, 25.0, (SERIES, 482)), rng.beta(3, 2, (SERIES, 482))
    wet = sum(wet_day[:, k : k + 480] for k in range(3))
    hits = sum((wet_day * skill)[:, k : k + 480] for k in range(3))
    assert 0.93 <= coverage(hits, wet, 0.6, 8) <= 0.97
    assert coverage(hits, wet, 0.6, 1) < 0.85


# ---- cases -----------------------------------------------------------------------------------------------------------


def test_best_typical_and_worst_case_by_hand() -> None:
    counting = verify.Counter(
        thresholds=(1.0, 10.0, 50.0), models=("m",), regions={"all": np.ones((10, 20), bool)},
        attrs={"rain_window": 1.0},
    )  # fmt: skip
    observed = np.where(np.arange(200) < 100, 20.0, 0.0).reshape(10, 20)
    for lead, hits in ((1, 100), (2, 40), (3, 10), (4, 0), (5, 70)):
        counting.add(RUN, lead, observed, {"m": np.where(np.arange(200) < hits, 20.0, 0.0).reshape(10, 20)})
    counting.add(RUN, 6, np.zeros((10, 20)), {"m": np.zeros((10, 20))})  # dry: no case of rain
    cases = chosen_cases(counting.counts(), "m")
    assert {name: case.lead_time for name, case in cases.items()} == {"best": 1, "typical": 2, "worst": 4}
    assert [(case.csi, case.events, case.threshold, case.of) for case in cases.values()] == [
        (1.0, 100, 10.0, 5), (0.4, 100, 10.0, 5), (0.0, 100, 10.0, 5),
    ]  # fmt: skip
    assert chosen_cases(counting.counts().isel(lead_time=[0, 1]), "m") == {}


def test_a_region_beyond_the_mask_is_no_region(tmp_path: Path) -> None:
    mask = np.zeros(archives.SMALL.shape, bool)
    archive = open_archive(archives.make(tmp_path / "a.zarr", mask=mask))
    assert list(verify.standard_regions(archive, provinces=True)) == ["all"]


def test_a_reference_must_have_been_counted() -> None:
    with pytest.raises(VerifyError, match="no counts of unet"):
        verify.scores(many_cases(range(3, 6)), references=["unet"])


def test_consistency_bars_hold_reliable_forecasts_of_days_that_hang_together() -> None:
    """60 series of 60 days: 240 points, of which 90 to 99 % lie inside; were cells independent, bars would be tiny."""
    inside: list[bool] = []
    cells, binomial = 150, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        counting = verify.Counter(
            thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, cells), bool)}, attrs={"rain_window": 1.0}
        )
        for day in range(60):
            p = rng.choice([0.15, 0.35, 0.65, 0.85], cells)
            shared = np.sqrt(0.3) * rng.normal() + np.sqrt(0.7) * rng.normal(size=cells)
            rain = np.where(norm.cdf(shared) < p, 2.0, 0.0)  # of a probability of p, whatever the day
            counting.add(RUN + day * DAY, 6, rain[None], {"m": p[None, None]})
        bars = verify.reliability_table(counting.counts(), replicates=400).query("n > 0")
        inside += ((bars["low"] <= bars["frequency"]) & (bars["frequency"] <= bars["high"])).tolist()
        spread = 1.96 * np.sqrt(bars["probability"] * (1 - bars["probability"]) / bars["n"])
        binomial += int(((bars["frequency"] - bars["probability"]).abs() <= spread).sum())
    assert 0.90 <= np.mean(inside) <= 0.99
    assert binomial / len(inside) < 0.6
