"""Scores: Finley's table by hand, other libraries as oracles, intervals, climatology, decision thresholds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sslpdl import verify
from sslpdl.errors import VerifyError
from sslpdl.verify.formulas import CATEGORICAL
from sslpdl.verify.pooling import interval, resampling_weights

RUN = np.datetime64("2022-06-01T00", "ns")
DAY = np.timedelta64(1, "D")


def scored(table: pd.DataFrame, score: str, model: str = "m", **where: Any) -> float:
    """Return one value of a table of scores."""
    where = {"region": "all", "lead_time": "all"} | where
    part = table[(table["score"] == score) & (table["model"] == model)]
    for name, value in where.items():
        part = part[part[name] == value]
    assert len(part) == 1
    return float(part["value"].iloc[0])


def from_table(hits: int, false_alarms: int, misses: int, negatives: int) -> verify.Counter:
    """Return a counter that has seen such a contingency table of rain >= 1 mm, as one long map of one run."""
    observed = np.repeat([2.0, 0.0, 2.0, 0.0], [hits, false_alarms, misses, negatives])[None]
    forecast = np.repeat([2.0, 2.0, 0.0, 0.0], [hits, false_alarms, misses, negatives])[None]
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones(observed.shape, bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 12, observed, {"m": forecast})
    return counting


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_finleys_tornadoes_of_1884() -> None:
    """28 hits, 72 false alarms, 23 misses, 2680 correct negatives (Finley 1884; Murphy 1996)."""
    table = verify.scores(from_table(28, 72, 23, 2680).counts())
    by_chance = (28 + 72) * (28 + 23) / 2803
    expected = {
        "csi": 28 / (28 + 72 + 23),
        "pod": 28 / (28 + 23),
        "recall": 28 / 51,
        "far": 72 / (28 + 72),
        "precision": 28 / 100,
        "frequency_bias": 100 / 51,
        "f1": 2 * 28 / (2 * 28 + 72 + 23),
        "ets": (28 - by_chance) / (28 + 72 + 23 - by_chance),
        "hss": 2 * (28 * 2680 - 72 * 23) / (51 * (23 + 2680) + 100 * (72 + 2680)),
        "accuracy": (28 + 2680) / 2803,
        "base_rate": 51 / 2803,
        "brier": (72 + 23) / 2803,  # of a forecast that says 0 or 1
        "rps": (72 + 23) / 2803,  # one threshold
    }
    for name, value in expected.items():
        wanted = {"threshold": 1.0} if name != "rps" else {}
        assert scored(table, name, **wanted) == pytest.approx(value, rel=1e-14), name
    assert scored(table, "csi", threshold=1.0) == pytest.approx(0.228, abs=5e-4)  # as printed by Murphy
    assert scored(table, "hss", threshold=1.0) == pytest.approx(0.355, abs=5e-4)
    # two classes: dry 2680 of 2680 + 72 + 23, wet = CSI
    assert scored(table, "iou < 1 mm") == pytest.approx(2680 / 2775)
    assert scored(table, "miou_2") == pytest.approx((2680 / 2775 + 28 / 123) / 2)
    assert scored(table, "miou_wet") == pytest.approx(28 / 123)
    assert (table["n"] == 2803).all()
    assert set(table["events"].dropna()) == {51}


def test_counts_are_pooled_not_scores_averaged() -> None:
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, 4), bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 6, np.array([[2.0, 0, 0, 0]]), {"m": np.array([[2.0, 0, 0, 0]])})  # CSI 1
    counting.add(RUN, 12, np.array([[2.0, 2, 0, 0]]), {"m": np.array([[0.0, 0, 2, 2]])})  # CSI 0
    table = verify.scores(counting.counts())
    assert scored(table, "csi", threshold=1.0) == 1 / 5  # not (1 + 0) / 2
    assert scored(table, "csi", threshold=1.0, lead_time="6 h") == 1
    assert scored(table, "csi", threshold=1.0, lead_time="12 h") == 0


def test_nothing_by_nothing_is_missing_and_counted() -> None:
    table = verify.scores(from_table(0, 0, 0, 50).counts())
    for name in ("csi", "pod", "far", "precision", "f1", "frequency_bias", "hss"):
        assert np.isnan(scored(table, name, threshold=1.0)), name
    assert scored(table, "brier", threshold=1.0) == 0
    assert scored(table, "accuracy", threshold=1.0) == 1
    assert np.isnan(scored(table, "miou_2"))  # the wet class never occurs
    assert (table.loc[table["score"] == "csi", "undefined"] == 1).all()


def test_three_classes_are_sums_of_classes() -> None:
    """With thresholds 0.1, 1, 10, 30 the classes 0.1-1 and 1-10 are one, and 10-30 and >= 30 are one."""
    rain = np.array([0.0, 0.5, 5.0, 20.0, 40.0])
    observed, forecast = (x.ravel()[None] for x in np.meshgrid(rain, rain, indexing="ij"))  # every pair once
    counting = verify.Counter(
        thresholds=(0.1, 1, 10, 30), models=("m",), regions={"all": np.ones((1, 25), bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 6, observed, {"m": forecast})
    table = verify.scores(counting.counts())
    # dry: 1 both, 5 + 5 - 1 in either; the others: 4 both, 10 + 10 - 4 in either
    assert scored(table, "iou < 0.1 mm") == 1 / 9
    assert scored(table, "iou 0.1-10 mm") == 4 / 16
    assert scored(table, "iou >= 10 mm") == 4 / 16
    assert scored(table, "miou_3") == pytest.approx((1 / 9 + 1 / 4 + 1 / 4) / 3)
    assert scored(table, "miou_wet") == 1 / 4
    with pytest.raises(VerifyError, match="mIoU"):
        verify.scores(counting.counts(), classes=(0.1, 5.0))


def test_reliability_and_calibration_error_by_hand() -> None:
    # 8 cells of 0.25: 2 events; 2 cells of 0.75: 2 events; 10 cells of 0.02: none
    probability = np.repeat([0.25, 0.75, 0.02], [8, 2, 10])[None, None]
    observed = np.repeat([1.0, 0, 1, 0], [2, 6, 2, 10])[None]
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, 20), bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 6, observed, {"m": probability})
    table = verify.scores(counting.counts())
    assert scored(table, "ece", threshold=1.0) == pytest.approx((8 * 0 + 2 * 0.25 + 10 * 0.02) / 20, abs=1e-5)
    assert scored(table, "ece_from_5_percent", threshold=1.0) == pytest.approx(2 * 0.25 / 10, abs=1e-5)
    curve = verify.reliability_table(counting.counts()).query("n > 0")
    assert curve["bin"].tolist() == [0.0, 0.2, 0.7]
    assert curve["n"].tolist() == [10, 8, 2]
    assert curve["frequency"].tolist() == [0.0, 0.25, 1.0]
    assert curve["probability"].to_numpy() == pytest.approx([0.02, 0.25, 0.75], abs=1e-5)
    assert curve["low"].isna().all()  # one day: nothing to resample


# ---- oracles ---------------------------------------------------------------------------------------------------------


def sample(seed: int) -> tuple[xr.DataArray, xr.DataArray, np.ndarray, xr.Dataset]:
    """Return probabilities (multiples of 1/65535), observed rain, thresholds, and our counts of them."""
    rng = np.random.default_rng(seed)
    thresholds = np.array([0.1, 1.0, 10.0])
    shape = (4, 7)
    steps = -np.sort(-rng.integers(0, 65536, (3, 3, *shape)), axis=1)  # (case, threshold, y, x)
    probability = steps / 65535
    observed = rng.choice([0.0, 0.1, 0.5, 1.0, 5.0, 10.0, 40.0], (3, *shape))
    observed[rng.random(observed.shape) < 0.2] = np.nan
    mask = rng.random(shape) < 0.8
    decision = {"m": dict(zip(thresholds.tolist(), rng.choice(verify.EDGES[1:], 3).tolist(), strict=True))}
    counting = verify.Counter(
        thresholds=thresholds.tolist(), models=("m",), regions={"all": mask}, decision=decision,
        attrs={"rain_window": 1.0},
    )  # fmt: skip
    for k in range(3):
        counting.add(RUN + k * DAY, 6, observed[k], {"m": probability[k]})
    dims = ("case", "threshold", "y", "x")
    masked = xr.DataArray(np.where(mask, observed, np.nan), dims=("case", "y", "x"))
    shown = xr.DataArray(probability, dims=dims, coords={"threshold": thresholds})
    return shown.where(masked.notnull()), masked, thresholds, counting.counts()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_categorical_scores_equal_those_of_scores(seed: int) -> None:
    from scores.categorical import BinaryContingencyManager

    probability, observed, thresholds, counts = sample(seed)
    table = verify.scores(counts, replicates=0)
    decision = json.loads(counts.attrs["decision"])["m"]
    for threshold in thresholds:
        least = np.rint(np.float64(np.float32(decision[f"{threshold:g}"])) * 65535)
        steps = np.rint(probability.sel(threshold=threshold) * 65535)
        said = (steps >= least).where(steps.notnull())
        seen = (observed >= threshold).where(observed.notnull())
        oracle = BinaryContingencyManager(said, seen).transform()
        names = {
            "csi": oracle.critical_success_index,
            "f1": oracle.f1_score,
            "precision": oracle.precision,
            "recall": oracle.recall,
            "pod": oracle.probability_of_detection,
            "far": oracle.false_alarm_ratio,
            "frequency_bias": oracle.frequency_bias,
            "ets": oracle.equitable_threat_score,
            "hss": oracle.heidke_skill_score,
            "accuracy": oracle.accuracy,
            "base_rate": oracle.base_rate,
        }
        assert set(names) == set(CATEGORICAL)
        for name, formula in names.items():
            ours = scored(table, name, threshold=threshold)
            assert ours == pytest.approx(float(formula()), rel=1e-12, abs=1e-12, nan_ok=True), name


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_probability_scores_equal_those_of_scores_and_xskillscore(seed: int) -> None:
    import xskillscore
    from scores.probability import brier_score

    probability, observed, thresholds, counts = sample(seed)
    table = verify.scores(counts, replicates=0)
    outcome = (observed >= probability["threshold"]).where(observed.notnull())
    for threshold in thresholds:
        wanted = float(brier_score(probability.sel(threshold=threshold), outcome.sel(threshold=threshold)))
        assert scored(table, "brier", threshold=threshold) == pytest.approx(wanted, rel=1e-12)
    # cumulative probabilities of not reaching the thresholds; xskillscore takes a missing cell for a perfect forecast
    # (its sum over categories skips NaN), so it gets the valid cells only
    fcst, seen = ((1 - x).rename(threshold="category").stack(cell=("case", "y", "x")) for x in (probability, outcome))
    valid = seen.notnull().all("category")
    rps = xskillscore.rps(seen[:, valid], fcst[:, valid], category_edges=None, dim="cell", input_distributions="c")
    assert scored(table, "rps") == pytest.approx(float(rps), rel=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_reliability_equals_that_of_xskillscore(seed: int) -> None:
    import xskillscore

    probability, observed, thresholds, counts = sample(seed)
    table = verify.reliability_table(counts)
    lower = np.rint(np.array(verify.RELIABILITY_EDGES) * 65535) - 0.5  # between two steps, where no rule is needed
    edges = np.append(lower, 65536) / 65535
    for threshold in thresholds:
        outcome = observed >= threshold  # where there is no observation, there is no probability either
        wanted = xskillscore.reliability(
            outcome, probability.sel(threshold=threshold), probability_bin_edges=edges, dim=["case", "y", "x"]
        )
        ours = table[table["threshold"] == threshold]
        assert ours["n"].tolist() == wanted["samples"].values.tolist()
        np.testing.assert_allclose(ours["frequency"], wanted.values, rtol=1e-12)


# ---- references ------------------------------------------------------------------------------------------------------


def test_climatology_of_the_sample_by_hand() -> None:
    counts = verify.with_climatology(from_table(28, 72, 23, 2680).counts())
    table = verify.scores(counts)
    rate = 51 / 2803
    # quantised to 1/65535, hence not exact
    assert scored(table, "brier", "climatology", threshold=1.0) == pytest.approx(rate * (1 - rate), rel=1e-5)
    assert scored(table, "csi", "climatology", threshold=1.0) == pytest.approx(rate)  # says yes always
    assert scored(table, "recall", "climatology", threshold=1.0) == 1
    assert scored(table, "iou < 1 mm", "climatology") == pytest.approx(1 - rate)  # as a class: dry always
    assert scored(table, "bss_climatology", threshold=1.0) == pytest.approx(
        1 - (95 / 2803) / (rate * (1 - rate)), rel=1e-4
    )
    assert scored(table, "bss_climatology", "climatology", threshold=1.0) == 0
    with pytest.raises(VerifyError, match="already"):
        verify.with_climatology(counts)


def test_climatology_equals_a_constant_forecast_that_is_counted() -> None:
    rng = np.random.default_rng(2)
    regions = {"all": np.ones((6, 6), bool), "part": rng.random((6, 6)) < 0.5}
    rates = {1.0: 0.3, 10.0: 0.05}
    setting: dict[str, Any] = {"thresholds": (1.0, 10.0), "regions": regions, "attrs": {"rain_window": 1.0}}
    two = verify.Counter(models=("raw", "constant"), decision={"constant": {1.0: 0.0, 10.0: 0.0}}, **setting)
    one = verify.Counter(models=("raw",), **setting)
    for lead in range(4):
        observed, raw = rng.gamma(0.3, 8, (2, 6, 6))
        constant = np.stack([np.full((6, 6), rate) for rate in rates.values()])
        two.add(RUN, lead, observed, {"raw": raw, "constant": constant})
        one.add(RUN, lead, observed, {"raw": raw})
    counted = two.counts().sel(model="constant")
    added = verify.with_climatology(one.counts(), rates, source="by hand").sel(model="climatology")
    for name in ("forecasts", "events", "probability_sum", "squared_error"):
        assert np.array_equal(counted[name].values, added[name].values), name
    assert added.attrs["climatology"] == "by hand"
    with pytest.raises(VerifyError, match="no rate"):
        verify.with_climatology(one.counts(), {1.0: 0.3})


def test_differences_to_raw_are_paired() -> None:
    """A model that is raw with one hit more on every day: differences hardly vary though scores do."""
    rng = np.random.default_rng(0)
    counting = verify.Counter(
        thresholds=(1.0,),
        models=("better", "raw"),
        regions={"all": np.ones((20, 20), bool)},
        attrs={"rain_window": 1.0},
    )
    for day in range(40):
        wet = rng.random((20, 20)) < rng.uniform(0.05, 0.6)
        raw = np.where(rng.random((20, 20)) < 0.7, wet, ~wet)
        better = np.where(rng.random((20, 20)) < 0.1, wet, raw)
        counting.add(RUN + day * DAY, 6, wet * 2.0, {"better": better * 2.0, "raw": raw * 2.0})
    table = verify.scores(counting.counts(), replicates=500)
    row = table.query("model == 'better' and score == 'csi' and lead_time == 'all'").iloc[0]
    assert row["difference"] == pytest.approx(row["value"] - scored(table, "csi", "raw", threshold=1.0))
    assert row["lower"] < row["value"] < row["upper"]
    assert 0 < row["difference_lower"] < row["difference"] < row["difference_upper"]
    assert row["difference_upper"] - row["difference_lower"] < 0.5 * (row["upper"] - row["lower"])
    assert row["blocks"] == 40
    again = verify.scores(counting.counts(), replicates=500)
    pd.testing.assert_frame_equal(table, again)
    weeks = verify.scores(counting.counts(), replicates=500, block_days=7)
    assert (weeks["blocks"] == 6).all()


def test_intervals_cover_the_truth() -> None:
    """95 % intervals of a ratio of sums over 60 independent days cover the true ratio in 93 to 97 % of 1000 series."""
    rng = np.random.default_rng(11)
    covered = 0
    for k in range(1000):
        wet = rng.gamma(2.0, 50.0, 60)
        hits = wet * rng.beta(6, 4, 60)  # true ratio 0.6
        weights = resampling_weights(60, 400, k)
        lower, upper, undefined = interval((weights @ hits) / (weights @ wet))
        covered += bool(lower <= 0.6 <= upper)
        assert undefined == 0
    assert 930 <= covered <= 970


def test_interval_ignores_and_counts_undefined_replicates() -> None:
    values = np.array([[np.nan], [1.0], [2.0], [3.0], [np.nan]])
    lower, upper, undefined = interval(values)
    assert (lower[0], upper[0]) == pytest.approx((1.05, 2.95))
    assert undefined[0] == pytest.approx(0.4)
    assert np.isnan(interval(np.full((3, 1), np.nan))[0]).all()


# ---- decisions -------------------------------------------------------------------------------------------------------


def test_best_threshold_by_hand() -> None:
    # P = 0.9: event; 0.6: event, event, dry; 0.3: event, dry x 4; 0: dry
    probability = np.repeat([0.9, 0.6, 0.3, 0.0], [1, 3, 5, 6])[None, None]
    observed = np.array([2, 2, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0])[None]
    counting = verify.Counter(
        thresholds=(1.0, 50.0), models=("m",), regions={"all": np.ones((1, 15), bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 6, observed, {"m": np.concatenate([probability, np.zeros_like(probability)])})
    counts = counting.counts()
    # CSI: P >= 0.9: 1/4; P >= 0.6: 3/5; P >= 0.3: 4/9; the largest p* with the same answer is 0.6
    assert verify.best_threshold(counts) == {1.0: 0.6, 50.0: 0.5}
    curve = verify.decision_curve(counts).query("threshold == 1.0").set_index("p")
    assert curve.loc[0.6, ["hits", "false_alarms", "misses", "correct_negatives"]].tolist() == [3, 1, 1, 10]
    assert curve["csi"].max() == 3 / 5
    assert (np.diff(curve["pod"]) <= 0).all()
    assert curve.loc[0.0, ["pod", "pofd"]].tolist() == [1, 1]
    with pytest.raises(VerifyError, match="no counts of x"):
        verify.best_threshold(counts, model="x")
    with pytest.raises(VerifyError, match="name the model"):
        verify.best_threshold(verify.Counter.counts(from_table(1, 1, 1, 1)))


# ---- tables ----------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(lambda x: sum(x) > 0))
def test_identities_hold_on_every_table(table: list[int]) -> None:
    verify.check_identities(verify.scores(from_table(*table).counts()))


def test_a_broken_table_is_found() -> None:
    table = verify.scores(from_table(28, 72, 23, 2680).counts())
    for name, wrong in (("csi", 0.3), ("precision", 0.5), ("pod", 0.5), ("frequency_bias", 1.0)):
        broken = table.copy()
        broken.loc[broken["score"] == name, "value"] = wrong
        with pytest.raises(VerifyError, match="break"):
            verify.check_identities(broken)


def test_lead_times_are_grouped_when_many() -> None:
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, 2), bool)}, attrs={"rain_window": 1.0}
    )
    for lead in range(1, 31):
        counting.add(RUN, lead, np.zeros((1, 2)), {"m": np.zeros((1, 2))})
    groups = verify.lead_groups(counting.counts())
    assert list(groups) == ["all", "1-6 h", "7-12 h", "13-18 h", "19-24 h", "25-30 h"]
    assert groups["7-12 h"].tolist() == [7, 8, 9, 10, 11, 12]
    assert list(verify.lead_groups(counting.counts().isel(lead_time=slice(0, 2)))) == ["all", "1 h", "2 h"]
