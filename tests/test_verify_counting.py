"""Counting: what is counted by hand, what must not matter, and that parts add up to the whole bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sslpdl import verify
from sslpdl.errors import VerifyError

RUN = np.datetime64("2022-08-08T00", "ns")
THRESHOLDS = (0.1, 10.0)


def counter(shape: tuple[int, int], **changes: Any) -> verify.Counter:
    arguments: dict[str, Any] = {
        "thresholds": THRESHOLDS,
        "models": ("sslpdl", "raw"),
        "regions": {"all": np.ones(shape, bool)},
        "decision": {"sslpdl": {0.1: 0.4, 10.0: 0.25}},
        "attrs": {"rain_window": 1.0, "synthetic": "true"},
    }
    return verify.Counter(**(arguments | changes))


def random_case(seed: int, shape: tuple[int, int] = (5, 6)) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return observed rain and forecasts, with values on the thresholds and gaps."""
    rng = np.random.default_rng(seed)
    amounts = np.array([0.0, 0.05, 0.1, 3.0, 10.0, 30.0], np.float32)
    observed, raw = rng.choice(amounts, shape), rng.choice(amounts, shape)
    probability = -np.sort(-rng.integers(0, 21, (2, *shape)) / 20, axis=0).astype(np.float32)
    observed[rng.random(shape) < 0.1] = np.nan
    raw[rng.random(shape) < 0.05] = np.nan
    probability[:, rng.random(shape) < 0.05] = np.nan
    return observed, {"sslpdl": probability, "raw": raw}


def outcomes(counts: xr.Dataset, model: str, threshold: float) -> list[int]:
    """Return hits, false alarms, misses, correct negatives over all cases of the first region."""
    table = verify.contingency(counts).isel(region=0).sel(model=model, threshold=threshold)
    return [int(x) for x in table.sum(("init_time", "lead_time"))]


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_one_map_by_hand() -> None:
    counting = counter((1, 6))
    observed = np.array([[0.0, 0.1, 10.0, 12.0, 0.0, np.nan]])
    raw = np.array([[0.2, 0.1, 0.0, 10.0, 0.0, 50.0]])
    probability = np.array([[[0.4, 0.39, 0.9, 1.0, 0.0, 0.9]], [[0.0, 0.1, 0.25, 0.2, 0.0, 0.9]]])
    assert counting.add(RUN, 12, observed, {"sslpdl": probability, "raw": raw}) == 5  # the sixth cell is unobserved
    counts = counting.counts()
    # rain: yes where >= 0.1: cells 1 2 4; observed 2 3 4
    assert outcomes(counts, "raw", 0.1) == [2, 1, 1, 1]
    assert outcomes(counts, "raw", 10.0) == [1, 0, 1, 3]
    # P >= 0.4: cells 1 3 4; P >= 0.25: cell 3
    assert outcomes(counts, "sslpdl", 0.1) == [2, 1, 1, 1]
    assert outcomes(counts, "sslpdl", 10.0) == [1, 0, 1, 3]
    # Brier sums: (.4-0)^2 + (.39-1)^2 + (.9-1)^2 + 0 + 0 at 0.1 mm; each rounded to 1/65535 first
    q = np.rint(np.float32([0.4, 0.39, 0.9, 1.0, 0.0]).astype(float) * 65535).astype(int)
    squares = ((q - 65535 * np.array([0, 1, 1, 1, 0])) ** 2).sum()
    assert counts["squared_error"].sel(model="sslpdl", threshold=0.1).item() == squares
    assert squares / 65535**2 == pytest.approx(0.16 + 0.61**2 + 0.01, abs=1e-4)
    # classes: observed 0 1 2 2 0, forecast 1 0 2 1 0
    confusion = counts["confusion"].sel(model="sslpdl").values.squeeze()
    assert confusion.tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("amount", [0.1, 0.7, 10.0])
def test_rain_on_the_threshold_is_an_event(kind: str, amount: float) -> None:
    counting = verify.Counter(thresholds=(amount,), models=("raw",), regions={"all": np.ones((1, 3), bool)})
    below = np.nextafter(np.array(amount, kind), np.array(0, kind))
    rain = np.array([[amount, below, 0.0]], kind)
    counting.add(RUN, 1, rain, {"raw": rain})
    assert outcomes(counting.counts(), "raw", amount) == [1, 0, 0, 2]


@pytest.mark.parametrize("p", [*verify.EDGES[1:], 0.37, 0.123456])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_probability_on_the_decision_threshold_says_yes(p: float, kind: str) -> None:
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, 2), bool)}, decision={"m": {1.0: p}}
    )
    below = np.array(p, kind) - np.array(2e-5, kind)  # more than the quantum of 1/65535
    counting.add(RUN, 1, np.array([[2.0, 2.0]]), {"m": np.array([[[p, below]]], kind)})
    assert outcomes(counting.counts(), "m", 1.0) == [1, 0, 1, 0]


def test_probability_bins_hold_their_lower_edge_and_the_last_one_holds_one() -> None:
    edges = np.array(verify.EDGES)
    counting = verify.Counter(thresholds=(1.0,), models=("m",), regions={"all": np.ones((1, len(edges) + 1), bool)})
    values = np.append(edges, 1.0)[None, None]
    counting.add(RUN, 1, np.zeros((1, len(edges) + 1)), {"m": values})
    counts = counting.counts()
    in_bins = counts["forecasts"].values.ravel()
    assert len(in_bins) == len(set(verify.EDGES) | set(verify.RELIABILITY_EDGES))
    assert in_bins[-1] == 2
    assert (in_bins[:-1] == 1).all()


def test_a_deterministic_forecast_is_a_probability_of_zero_or_one() -> None:
    observed, forecasts = random_case(3)
    reached = np.stack([forecasts["raw"] >= np.float32(r) for r in THRESHOLDS]).astype(float)
    reached[:, np.isnan(forecasts["raw"])] = np.nan
    a, b = counter((5, 6)), counter((5, 6))
    a.add(RUN, 3, observed, forecasts)
    b.add(RUN, 3, observed, forecasts | {"raw": reached})
    for name in ("forecasts", "events", "probability_sum", "squared_error", "confusion"):
        assert np.array_equal(a.counts()[name].values, b.counts()[name].values), name


def test_overlapping_regions_are_counted_as_if_alone() -> None:
    rng = np.random.default_rng(5)
    regions = {"all": np.ones((5, 6), bool), "land": rng.random((5, 6)) < 0.5, "corner": np.zeros((5, 6), bool)}
    regions["corner"][:2, :3] = True
    together = counter((5, 6), regions=regions)
    for seed in range(4):
        together.add(RUN, seed, *random_case(seed))
    for name, region in regions.items():
        alone = counter((5, 6), regions={name: region})
        for seed in range(4):
            alone.add(RUN, seed, *random_case(seed))
        xr.testing.assert_identical(together.counts().sel(region=[name]), alone.counts())


# ---- what must not matter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filling", [np.nan, 0.0, 1e6])
def test_values_outside_the_mask_cannot_matter(filling: float) -> None:
    mask = np.random.default_rng(1).random((5, 6)) < 0.6
    plain, changed = counter((5, 6), regions={"all": mask}), counter((5, 6), regions={"all": mask})
    for seed in range(3):
        observed, forecasts = random_case(seed)
        plain.add(RUN, seed, observed, forecasts)
        other = {
            "raw": np.where(mask, forecasts["raw"], filling),
            "sslpdl": np.where(mask, forecasts["sslpdl"], filling),
        }
        changed.add(RUN, seed, np.where(mask, observed, filling), other)
    xr.testing.assert_identical(plain.counts(), changed.counts())


def test_all_models_are_scored_on_the_same_cells() -> None:
    counting = counter((5, 6))
    for seed in range(5):
        counting.add(RUN, seed, *random_case(seed))
    n = counting.counts()["forecasts"].sum("bin")
    assert (n == n.isel(model=0, threshold=0)).all()


CASES = [random_case(seed) for seed in range(6)]
KEYS = [(RUN + np.timedelta64(12 * (k // 3), "h"), 6 * (k % 3)) for k in range(6)]
TILE = np.arange(30).reshape(5, 6) % 2 == 0


def _whole() -> xr.Dataset:
    counting = counter((5, 6))
    for key, case in zip(KEYS, CASES, strict=True):
        counting.add(*key, *case)
    return counting.counts()


WHOLE = _whole()


def _parts(parts: list[int], order: list[int]) -> list[xr.Dataset]:
    """Count every tile of every case with one of four counters, and return their counts in an order."""
    counters: dict[int, verify.Counter] = {}
    tiles = ((key, case, even) for key, case in zip(KEYS, CASES, strict=True) for even in (False, True))
    for part, (key, (observed, forecasts), even) in zip(parts, tiles, strict=True):
        counting = counters.setdefault(part, counter((5, 6)))
        counting.add(*key, np.where(even == TILE, observed, np.nan), forecasts)
    return [counters[part].counts() for part in order if part in counters]


PARTS = {"parts": st.lists(st.integers(0, 3), min_size=12, max_size=12), "order": st.permutations(range(4))}


@settings(max_examples=150, deadline=None)
@given(**PARTS)
def test_parts_of_any_partition_add_up_bit_for_bit(parts: list[int], order: list[int]) -> None:
    xr.testing.assert_identical(verify.merge(_parts(parts, order)), WHOLE)


@settings(max_examples=15, deadline=None)
@given(**PARTS)
def test_a_climatology_of_the_sample_is_that_of_the_merged_sample(parts: list[int], order: list[int]) -> None:
    merged = verify.merge([verify.with_climatology(part) for part in _parts(parts, order)])
    xr.testing.assert_identical(merged, verify.with_climatology(WHOLE))


def test_counts_survive_a_file(tmp_path: Path) -> None:
    whole = verify.with_climatology(WHOLE)
    xr.testing.assert_identical(verify.read_counts(verify.write_counts(whole, tmp_path / "counts.npz")), whole)
    (tmp_path / "text.npz").write_text("no counts")
    for name in ("text.npz", "missing.npz"):
        with pytest.raises(VerifyError, match="cannot be read"):
            verify.read_counts(tmp_path / name)


def test_many_cells_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslpdl.verify.counting.BLOCK", 7)
    xr.testing.assert_identical(_whole(), WHOLE)


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_refusals() -> None:
    observed, forecasts = random_case(0)
    with pytest.raises(VerifyError, match="ascending"):
        counter((5, 6), thresholds=(10.0, 0.1))
    with pytest.raises(VerifyError, match="p\\*"):
        counter((5, 6), decision={"sslpdl": {0.1: 1.5}})
    with pytest.raises(VerifyError, match="distinct"):
        counter((5, 6), models=("raw", "raw"))
    with pytest.raises(VerifyError, match="no region"):
        counter((5, 6), regions={})
    counting = counter((5, 6))
    with pytest.raises(VerifyError, match="are counted"):
        counting.add(RUN, 0, observed, {"raw": forecasts["raw"]})
    with pytest.raises(VerifyError, match="shape"):
        counting.add(RUN, 0, observed[:, :5], forecasts)
    with pytest.raises(VerifyError, match="between 0 and 1"):
        counting.add(RUN, 0, observed, forecasts | {"sslpdl": forecasts["sslpdl"] * 2})
    with pytest.raises(VerifyError, match="no cell"):
        counting.counts()
    counting.add(RUN, 0, observed, forecasts)
    with pytest.raises(VerifyError, match="both as rain and as probabilities"):
        counting.add(RUN, 1, observed, forecasts | {"raw": forecasts["sslpdl"]})
    other = counter((5, 6), decision={"sslpdl": {0.1: 0.5, 10.0: 0.25}})
    other.add(RUN, 0, observed, forecasts)
    with pytest.raises(VerifyError, match="cannot be merged"):
        verify.merge([counting.counts(), other.counts()])
    with pytest.raises(VerifyError, match="not an edge"):
        verify.contingency(counting.counts(), {"sslpdl": {0.1: 0.3333}})


# ---- real data -------------------------------------------------------------------------------------------------------


def test_raw_rain_of_a_real_wrf_run_against_stage_ii(shared_data: Path) -> None:
    """Rain of three hours to +12 h of the WRF run of 7 August 2005 on its native grid, read without our readers."""
    folder = shared_data / "wrf_stage2_20050807"
    forecast = _grib_rain(folder / "wrfprs_ruc13_12.tm00_G212", step="9-12")
    hourly = [_grib_rain(folder / "stage2" / f"ST2ml20050807{hour}.Grb_G212") for hour in (10, 11, 12)]
    counting = verify.Counter(
        thresholds=(0.1,), models=("raw",), regions={"all": np.ones(forecast.shape, bool)}, attrs={"rain_window": 3.0}
    )
    counting.add("2005-08-07", 12, np.sum(hourly, axis=0), {"raw": forecast})
    assert outcomes(counting.counts(), "raw", 0.1) == [153, 526, 397, 5443]


def _grib_rain(path: Path, step: str | None = None) -> np.ndarray:
    """Return the field of total precipitation [mm] as (y, x), NaN where missing."""
    import eccodes

    with path.open("rb") as file:
        while (message := eccodes.codes_grib_new_from_file(file)) is not None:
            key = {name: eccodes.codes_get(message, name) for name in ("indicatorOfParameter", "stepRange", "Ni", "Nj")}
            values = eccodes.codes_get_values(message)
            eccodes.codes_release(message)
            if int(key["indicatorOfParameter"]) == 61 and step in (None, str(key["stepRange"])):
                missing = (values < 0) | (values > 9000)
                return np.where(missing, np.nan, values).reshape(int(key["Nj"]), int(key["Ni"]))
    raise AssertionError(f"no rain over {step} in {path}")
