"""Fractions skill score: by hand, cell by cell, by another library, and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from verify_helpers import RUN, scored

from sslpdl import verify
from sslpdl.errors import VerifyError

SCALES = (1, 3, 5, 9)
SEEDS = st.integers(0, 2**32 - 1)


def counter(mask: np.ndarray, **changes: Any) -> verify.Counter:
    arguments: dict[str, Any] = {
        "thresholds": (0.1, 10.0), "models": ("m", "raw"), "regions": {"all": mask}, "scales": SCALES,
        "decision": {"m": {0.1: 0.4, 10.0: 0.25}}, "attrs": {"rain_window": 1.0, "cell_km": 5.0},
    }  # fmt: skip
    return verify.Counter(**(arguments | changes))


def case(seed: int, shape: tuple[int, int] = (7, 6)) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Return rain and forecasts with gaps, and a mask."""
    rng = np.random.default_rng(seed)
    observed, raw = rng.choice([0.0, 0.1, 3.0, 10.0, 30.0], (2, *shape))
    probability = -np.sort(-rng.integers(0, 65536, (2, *shape)) / 65535, axis=0)
    observed[rng.random(shape) < 0.1] = np.nan
    probability[:, rng.random(shape) < 0.1] = np.nan
    return observed, {"m": probability, "raw": raw}, rng.random(shape) < 0.7


def test_a_displaced_shower_by_hand() -> None:
    """One wet cell, forecast two cells to the east on a strip of five: no use cell by cell, better in a wide window."""
    observed, raw = np.array([[0.0, 1, 0, 0, 0]]), np.array([[0.0, 0, 0, 1, 0]])
    counting = verify.Counter(
        thresholds=(1.0,), models=("raw",), regions={"all": np.ones((1, 5), bool)}, scales=(1, 3, 5),
        attrs={"rain_window": 1.0, "cell_km": 5.0},
    )  # fmt: skip
    counting.add(RUN, 6, observed, {"raw": raw})
    table = verify.scores(counting.counts())
    assert scored(table, "fss 1 cell", "raw") == 0
    # fractions in windows of three, cut at the ends: observed 1/2 1/3 1/3 0 0, forecast 0 0 1/3 1/3 1/2
    power = 2 * (1 / 4 + 1 / 9 + 1 / 9)
    assert scored(table, "fss 15 km", "raw") == pytest.approx(1 - 2 * (1 / 4 + 1 / 9) / power, abs=1e-4)
    # of five: observed 1/3 1/4 1/5 1/4 0, forecast 0 1/4 1/5 1/4 1/3
    power = 2 * (1 / 9 + 1 / 16 + 1 / 25 + 1 / 16)
    assert scored(table, "fss 25 km", "raw") == pytest.approx(1 - (2 / 9) / power, abs=1e-4)
    assert scored(table, "fss_useful", "raw") == 0.5 + 0.2 / 2


@settings(max_examples=12)
@given(seed=SEEDS)
def test_sums_equal_those_of_a_loop_over_cells(seed: int) -> None:
    observed, forecasts, mask = case(seed)
    valid = mask & np.isfinite(observed) & np.isfinite(forecasts["m"]).all(axis=0)
    corner = mask & (np.arange(42).reshape(7, 6) % 6 < 3)
    counting = counter(mask, regions={"all": mask, "part": corner})
    if not counting.add(RUN, 6, observed, forecasts):
        return
    counts = counting.counts()
    q = np.rint(np.nan_to_num(forecasts["m"]).astype(np.float32).astype(float) * 65535)
    for t, threshold in enumerate((0.1, 10.0)):
        least = np.rint(float(np.float32((0.4, 0.25)[t])) * 65535)
        fields = {
            ("m", "yes_no"): (q[t] >= least) * 65535.0,
            ("m", "probability"): q[t],
            ("raw", "yes_no"): (forecasts["raw"] >= threshold) * 65535.0,
            ("raw", "probability"): (forecasts["raw"] >= threshold) * 65535.0,
        }
        for (model, field), values in fields.items():
            for width in SCALES:
                error = {"all": 0, "part": 0}
                power = {"all": 0, "part": 0}
                for row, column in zip(*np.nonzero(valid), strict=True):
                    half = width // 2
                    box = (slice(max(row - half, 0), row + half + 1), slice(max(column - half, 0), column + half + 1))
                    near = valid[box]
                    f = round(float(values[box][near].sum() / near.sum()))
                    o = round(float(((observed >= threshold) * 65535.0)[box][near].sum() / near.sum()))
                    for region in ("all", "part") if corner[row, column] else ("all",):
                        error[region] += (f - o) ** 2
                        power[region] += f * f + o * o
                for region in ("all", "part"):
                    one = counts.sel(model=model, threshold=threshold, region=region, field=field, scale=width)
                    assert one["fraction_error"].item() == error[region]
                    assert one["fraction_power"].item() == power[region]


@settings(max_examples=15)
@given(seed=SEEDS)
def test_full_windows_agree_with_scores_but_for_rounding(seed: int) -> None:
    """Where no window is cut.  `scores` keeps fractions unrounded, hence the tolerance; at edges it either leaves the
    cell out or fills up with zeros, and knows no mask, where we divide by the valid cells alone."""
    from scores.spatial import fss_2d_single_field

    rng = np.random.default_rng(seed)
    observed, raw = rng.gamma(0.4, 5, (2, 20, 18))
    for width in (3, 5, 9):
        half = width // 2
        inner = np.zeros((20, 18), bool)
        inner[half:-half, half:-half] = True
        counting = verify.Counter(
            thresholds=(1.0,), models=("raw",), regions={"inner": inner, "all": np.ones((20, 18), bool)},
            scales=(width,), attrs={"rain_window": 1.0},
        )  # fmt: skip
        counting.add(RUN, 6, observed, {"raw": raw})
        ours = scored(verify.scores(counting.counts()), f"fss {width} cells", "raw", region="inner")
        wanted = fss_2d_single_field(raw, observed, event_threshold=1.0, window_size=(width, width), zero_padding=False)
        assert ours == pytest.approx(float(wanted), abs=1e-4)


@pytest.mark.parametrize("filling", [np.nan, 0.0, 1e6])
def test_values_outside_the_mask_cannot_matter(filling: float) -> None:
    observed, forecasts, mask = case(3)
    plain, changed = counter(mask), counter(mask)
    plain.add(RUN, 6, observed, forecasts)
    changed.add(
        RUN, 6, np.where(mask, observed, filling), {k: np.where(mask, v, filling) for k, v in forecasts.items()}
    )
    xr.testing.assert_identical(plain.counts(), changed.counts())


@settings(max_examples=12)
@given(parts=st.lists(st.integers(0, 2), min_size=5, max_size=5), order=st.permutations(range(3)))
def test_parts_of_any_partition_add_up_bit_for_bit(parts: list[int], order: list[int]) -> None:
    mask = case(0)[2]
    whole, counters = counter(mask), [counter(mask) for _ in range(3)]
    for k, part in enumerate(parts):
        observed, forecasts, _ = case(k)
        whole.add(RUN, k, observed, forecasts)
        counters[part].add(RUN, k, observed, forecasts)
    merged = verify.merge([counters[part].counts() for part in order if part in parts])
    xr.testing.assert_identical(merged, whole.counts())


def test_sums_beyond_32_bits_are_exact() -> None:
    """The integral image of certain rain on 300 x 300 cells passes 2^32, and begins anew there."""
    rain = np.full((300, 300), 20.0)
    counting = verify.Counter(
        thresholds=(1.0,), models=("raw",), regions={"all": np.ones((300, 300), bool)}, scales=(1, 255)
    )
    counting.add(RUN, 6, rain, {"raw": rain})
    counts = counting.counts()
    assert (counts["fraction_power"] == 2 * 90000 * 65535**2).all()
    assert (counts["fraction_error"] == 0).all()


@pytest.mark.parametrize("scales", [(2,), (3, 1), (0,), (-1,), (3, 3), (257,)])
def test_widths_are_odd_and_ascend(scales: tuple[int, ...]) -> None:
    with pytest.raises(VerifyError, match="neighbourhoods"):
        counter(np.ones((3, 3), bool), scales=scales)


def test_an_fss_of_one_cell_that_is_not_f1_is_found() -> None:
    observed, forecasts, mask = case(1)
    counting = counter(mask)
    counting.add(RUN, 6, observed, forecasts)
    table = verify.scores(verify.with_climatology(counting.counts()))
    table.loc[table["score"] == "fss 1 cell", "value"] += 0.01
    with pytest.raises(VerifyError, match="FSS of one cell = F1"):
        verify.check_identities(table)
