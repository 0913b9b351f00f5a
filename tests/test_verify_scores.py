"""Scores: Finley's table by hand, references, decision thresholds, the identities of every table."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_helpers import DAY, RUN, from_table, scored

from sslpdl import verify
from sslpdl.errors import VerifyError

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
        "pofd": 72 / (72 + 2680),
        "peirce": 28 / 51 - 72 / 2752,
        "sedi": (log(72 / 2752) - log(28 / 51) + log(23 / 51) - log(2680 / 2752))
        / (log(72 / 2752) + log(28 / 51) + log(23 / 51) + log(2680 / 2752)),
        "accuracy": (28 + 2680) / 2803,
        "base_rate": 51 / 2803,
        # of a forecast that says 0 or 1: two bins
        "brier_reliability": (2703 * (23 / 2703) ** 2 + 100 * (1 - 28 / 100) ** 2) / 2803,
        "brier_resolution": (2703 * (23 / 2703 - 51 / 2803) ** 2 + 100 * (28 / 100 - 51 / 2803) ** 2) / 2803,
        "brier_uncertainty": 51 / 2803 * 2752 / 2803,
        "roc_area": (1 + 28 / 51 - 72 / 2752) / 2,
        "average_precision": 28 / 51 * 28 / 100 + 23 / 51 * 51 / 2803,
        # cost/loss 0.02 is more than the base rate: climatology never protects and loses 51 times
        "economic_value_0.02": (51 - (0.02 * 100 + 23)) / (51 - 0.02 * 51),
        # 0.5: climatology never protects either
        "economic_value_0.5": (51 - (0.5 * 100 + 23)) / (51 - 0.5 * 51),
        "brier": (72 + 23) / 2803,  # of a forecast that says 0 or 1
        "rps": (72 + 23) / 2803,  # one threshold
    }
    for name, value in expected.items():
        wanted = {"threshold": 1.0} if name != "rps" else {}
        assert scored(table, name, **wanted) == pytest.approx(value, rel=1e-14), name
    # certainty is half of 1/65535 short of 0 and 1
    costs = (95 * log(131070) - 2708 * log(1 - 0.5 / 65535)) / 2803
    assert scored(table, "log_score", threshold=1.0) == pytest.approx(costs, abs=4e-9)  # kept in steps of 2^-28
    assert abs(scored(table, "brier_residual", threshold=1.0)) < 1e-15
    # of two classes, Gerrity and Peirce are one
    for name in ("gerrity_2", "peirce_2"):
        assert scored(table, name) == pytest.approx(28 / 51 - 72 / 2752, rel=1e-13)
    assert scored(table, "heidke_2") == pytest.approx(expected["hss"], rel=1e-13)
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


def test_skill_against_any_model_that_was_counted() -> None:
    counts = verify.with_climatology(from_table(28, 72, 23, 2680).counts())
    table = verify.scores(counts, references=["m"], replicates=0)
    assert scored(table, "bss_m", "climatology", threshold=1.0) == pytest.approx(
        1 - (51 / 2803 * 2752 / 2803) / (95 / 2803), rel=1e-5
    )
    assert scored(table, "rpss_m", "m") == 0
    assert not table["score"].isin(["bss_climatology", "rpss_climatology"]).any()


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
