"""Counts of blocks of days, and of selections, give the scores of the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sslpdl import verify
from sslpdl.errors import VerifyError

THRESHOLDS = (0.1, 1.0, 10.0)
LEADS = (3, 6, 9, 24)


@pytest.fixture(scope="module")
def counts() -> xr.Dataset:
    """Forty days with a run at 00 and, but for every fifth day, at 12 UTC, in two regions that part the grid."""
    rng = np.random.default_rng(3)
    west = np.arange(12) < 5
    regions = {"all": np.ones((1, 12), bool), "west": west[None], "east": ~west[None]}
    counter = verify.Counter(
        thresholds=THRESHOLDS, models=("m", "raw"), regions=regions, scales=(1, 3), attrs={"rain_window": 1.0},
        decision={"m": {0.1: 0.3, 1.0: 0.2, 10.0: 0.05}},
    )  # fmt: skip
    for day in range(40):
        for hour in (0, 12) if day % 5 else (0,):
            for lead in LEADS:
                observed, raw = rng.gamma(0.4, 6.0, (2, 1, 12))
                chance = -np.sort(-(rng.random((3, 1, 12)) ** 2), axis=0)
                init = np.datetime64("2022-06-01T00") + np.timedelta64(24 * day + hour, "h")
                counter.add(init, lead, observed, {"m": chance, "raw": raw})
    return verify.with_climatology(counter.counts())


def rows(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    for name, value in where.items():
        table = table[table[name] == value]
    keys = ["lead_time", "hour", "model", "score"]
    kept = table[~table["score"].str.contains("fss") & table["threshold"].notna()]
    return kept.drop(columns=["region"]).sort_values([*keys, "threshold"]).reset_index(drop=True)


def test_condensed_counts_give_the_same_scores_and_intervals(counts: xr.Dataset) -> None:
    small = verify.condense(counts)
    assert small.sizes["init_time"] < counts.sizes["init_time"] / 3
    assert (small.attrs["runs"], small.attrs["days"]) == (72, 40)
    how = {"groups": {"near": [3, 6], "far": [24]}, "hours": {"noon": [3, 6, 9], "night": [0, 12, 15]}}
    ours, theirs = (rows(verify.scores(c, **how, replicates=50)) for c in (small, counts))
    assert ours["blocks"].iloc[0] >= 5
    assert ours["lower"].notna().any()
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-12)
    again = verify.condense(small)
    xr.testing.assert_identical(again, small)


def test_condensed_counts_travel_as_a_file(counts: xr.Dataset, tmp_path: Path) -> None:
    small = verify.condense(counts, models=["m", "raw"])
    read = verify.read_counts(verify.write_counts(small, tmp_path / "test_counts.npz"))
    assert read["model"].values.tolist() == ["m", "raw"]
    xr.testing.assert_equal(read, small)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_a_selection_has_the_scores_of_the_whole(counts: xr.Dataset, threshold: float) -> None:
    how = {"replicates": 50, "block_days": 3}
    whole = verify.scores(counts, groups={"g": [6, 9]}, **how)
    east = verify.select(counts, regions=["east"], threshold=threshold, leads=[6, 9])
    pd.testing.assert_frame_equal(
        rows(verify.scores(east, groups={"g": [6, 9]}, **how)), rows(whole, region="east", threshold=threshold)
    )
    both = verify.select(counts, regions=["east", "west"], threshold=threshold, leads=[6, 9])
    pd.testing.assert_frame_equal(
        rows(verify.scores(both, groups={"g": [6, 9]}, **how)), rows(whole, region="all", threshold=threshold)
    )
    # a class forecast is the highest threshold said yes to, so only what was observed must agree with the table
    hits, false_alarms, misses, negatives = (
        verify.contingency(both).sel(model="m").sum(("init_time", "lead_time")).values.ravel()
    )
    observed = both["confusion"].sel(model="m").sum(("init_time", "lead_time", "forecast_class")).values[0]
    assert observed.tolist() == [false_alarms + negatives, hits + misses]


def test_a_selection_of_hours(counts: xr.Dataset) -> None:
    how = {"replicates": 50, "block_days": 3}
    whole = verify.scores(counts, groups={"g": [6, 9]}, hours={"all": [6, 21]}, **how)
    part = verify.select(counts, regions=["west"], threshold=1.0, leads=[6, 9], hours=[21, 6])
    ours = rows(verify.scores(part, groups={"g": [6, 9]}, **how))
    pd.testing.assert_frame_equal(ours, rows(whole, region="west", threshold=1.0))
    assert verify.scores(part, groups={"g": [6, 9]}, replicates=0)["n"].max() == 5 * (40 + 32)


def test_what_was_not_counted_is_said(counts: xr.Dataset) -> None:
    with pytest.raises(VerifyError, match="north"):
        verify.select(counts, regions=["north"], threshold=1.0, leads=[6])
    with pytest.raises(VerifyError, match=r"at least 5 mm was not counted; counted were 0\.1, 1, 10 mm"):
        verify.select(counts, regions=["all"], threshold=5.0, leads=[6])
    with pytest.raises(VerifyError, match="none of these lead times"):
        verify.select(counts, regions=["all"], threshold=1.0, leads=[7])
