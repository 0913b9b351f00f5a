"""Other libraries as oracles, to 1e-12 on random cases with gaps and masks; where we differ, a test says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_helpers import RUN, sample, scored

from sslpdl import verify
from sslpdl.verify.formulas import CATEGORICAL, gerrity
from sslpdl.verify.sums import LOG_UNIT

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=10)
@given(seed=SEEDS)
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
            "pofd": oracle.probability_of_false_detection,
            "peirce": oracle.peirce_skill_score,
            "sedi": oracle.symmetric_extremal_dependence_index,
            "accuracy": oracle.accuracy,
            "base_rate": oracle.base_rate,
        }
        assert set(names) == set(CATEGORICAL)
        for name, formula in names.items():
            ours = scored(table, name, threshold=threshold)
            with np.errstate(divide="ignore", invalid="ignore"):  # scores takes the logarithm of a rate of zero
                wanted = float(formula())
            assert ours == pytest.approx(wanted, rel=1e-12, abs=1e-12, nan_ok=True), name


@settings(max_examples=15)
@given(seed=SEEDS)
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


@settings(max_examples=15)
@given(seed=SEEDS)
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


@settings(max_examples=15)
@given(seed=SEEDS)
def test_roc_area_equals_that_of_scores(seed: int) -> None:
    from scores.probability import roc_curve_data

    probability, observed, thresholds, counts = sample(seed)
    table = verify.scores(counts, replicates=0)
    # one decision threshold at the lower edge of each bin, between two steps, and one above all
    edges = (np.append(np.rint(counts["bin"].values * 65535), 65536) - 0.5) / 65535
    for threshold in thresholds:
        outcome = (observed >= threshold).where(observed.notnull())
        oracle = roc_curve_data(probability.sel(threshold=threshold), outcome, edges, check_args=False)
        wanted = float(oracle["AUC"])
        assert scored(table, "roc_area", threshold=threshold) == pytest.approx(wanted, rel=1e-12, nan_ok=True)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_economic_value_equals_that_of_scores(seed: int) -> None:
    from scores.probability import relative_economic_value_from_rates

    _, _, thresholds, counts = sample(seed)
    curve = verify.decision_curve(counts)
    ours = verify.economic_value_table(counts)
    for threshold in thresholds:
        points = curve[curve["threshold"] == threshold]
        rates = [xr.DataArray(points[name].to_numpy(), dims="p") for name in ("pod", "pofd")]
        some = points.iloc[0]
        base = xr.full_like(rates[0], (some["hits"] + some["misses"]) / some[["hits", "false_alarms"]].sum())
        table = ours[ours["threshold"] == threshold].set_index("cost_loss")
        ratios = [r for r in table.index if r < 1]
        wanted = relative_economic_value_from_rates(*rates, base, ratios).transpose("cost_loss_ratio", "p").values
        at = [points["p"].tolist().index(r) for r in ratios]
        np.testing.assert_allclose(table.loc[ratios, "value"], wanted[range(len(at)), at], rtol=1e-11, atol=1e-12)
        # never protecting saves nothing; it is the user's choice too, which scores does not offer
        np.testing.assert_allclose(
            table.loc[ratios, "envelope"], np.fmax(wanted.max(axis=1), 0), rtol=1e-11, atol=1e-12
        )


@settings(max_examples=12)
@given(seed=SEEDS)
def test_class_scores_equal_those_of_xskillscore(seed: int) -> None:
    import xskillscore

    rng = np.random.default_rng(seed)
    observed, forecast = rng.choice([0.0, 0.5, 5.0, 20.0], (2, 6, 7), p=[0.4, 0.3, 0.2, 0.1])
    gaps = rng.random((6, 7)) < 0.1
    counting = verify.Counter(
        thresholds=(0.1, 10.0), models=("m",), regions={"all": np.ones((6, 7), bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 6, np.where(gaps, np.nan, observed), {"m": forecast})
    table = verify.scores(counting.counts(), replicates=0)
    pair = [xr.DataArray(values[~gaps], dims="cell") for values in (observed, forecast)]
    edges = np.array([-1.0, 0.1, 10.0, 100.0])  # no value lies on an edge
    oracle = xskillscore.Contingency(*pair, edges, edges, dim="cell")
    assert scored(table, "heidke_3") == pytest.approx(float(oracle.heidke_score()), rel=1e-12, abs=1e-12)
    classes = pair[0].values
    if (classes < 0.1).any() and (classes >= 10).any():
        assert scored(table, "gerrity_3") == pytest.approx(float(oracle.gerrity_score()), rel=1e-12, abs=1e-12)
    else:  # xskillscore leaves out what it cannot divide, and what is left is no Gerrity score
        assert np.isnan(scored(table, "gerrity_3"))
    assert scored(table, "peirce_3") == pytest.approx(float(oracle.peirce_score()), rel=1e-12, abs=1e-12)


def test_gerrity_by_its_scoring_matrix() -> None:
    """Seven, seven and six forecasts of three classes, rewarded by hand as in Gerrity (1992)."""
    confusion = np.array([[6, 1, 0], [2, 4, 1], [0, 1, 5]])  # forecast class, observed class; observed 8, 6, 6 of 20
    odds_1, odds_2 = 12 / 8, 6 / 14  # of not staying below each border
    right = [(odds_1 + odds_2) / 2, (1 / odds_1 + odds_2) / 2, (1 / odds_1 + 1 / odds_2) / 2]
    between_1_2, between_2_3 = (-1 + odds_2) / 2, (1 / odds_1 - 1) / 2
    wanted = (6 * right[0] + 4 * right[1] + 5 * right[2] + (2 + 1) * between_1_2 + (1 + 1) * between_2_3) / 20
    assert float(gerrity(confusion.astype(float))) == pytest.approx(wanted, rel=1e-14)


@settings(max_examples=15)
@given(seed=SEEDS)
def test_log_score_precision_and_brier_parts_from_their_definitions(seed: int) -> None:
    probability, observed, thresholds, counts = sample(seed)
    table = verify.scores(counts, replicates=0)
    lower = np.rint(np.array(verify.RELIABILITY_EDGES) * 65535) - 0.5
    for threshold in thresholds:
        p = probability.sel(threshold=threshold).values
        known = np.isfinite(p)
        p, o = p[known], (observed.values >= threshold)[known].astype(float)
        # p = 0 and p = 1 count as half a quantum from certainty, and each cell is rounded to 2^-28
        clipped = np.clip(p, 0.5 / 65535, 1 - 0.5 / 65535)
        log_score = -np.log(np.where(o == 1, clipped, 1 - clipped)).mean()
        assert scored(table, "log_score", threshold=threshold) == pytest.approx(log_score, rel=0, abs=LOG_UNIT)

        place = np.searchsorted(lower, np.rint(p * 65535), side="right") - 1
        within = np.zeros(2)  # variance of p, and covariance of p and o, in the bins (Stephenson et al. 2008)
        for k in np.unique(place):
            spread = p[place == k] - p[place == k].mean()
            within += (spread**2).sum(), (spread * (o[place == k] - o[place == k].mean())).sum()
        residual = (within[0] - 2 * within[1]) / len(p)
        parts = {name: scored(table, f"brier_{name}", threshold=threshold) for name in
                 ("reliability", "resolution", "uncertainty", "residual")}  # fmt: skip
        assert parts["residual"] == pytest.approx(residual, abs=1e-13)
        whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + residual
        assert scored(table, "brier", threshold=threshold) == pytest.approx(whole, abs=1e-13)

        bins = np.searchsorted(np.rint(counts["bin"].values * 65535), np.rint(p * 65535), side="right")
        steps = [(o[bins == k].sum() / o.sum(), o[bins >= k].mean()) for k in np.unique(bins)]
        wanted = sum(share * precision for share, precision in steps)
        assert scored(table, "average_precision", threshold=threshold) == pytest.approx(wanted, rel=1e-12)
