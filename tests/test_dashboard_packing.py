"""Packed frames: every value keeps its class; what the browser unpacks is what was packed."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sslpdl.dashboard.frames import RAIN_PALETTES, codes
from sslpdl.dashboard.packing import PROBABILITY_CODE, RAIN_CODE, pack_lead, pool
from sslpdl.plots.palettes import PROBABILITY, Palette

RAIN_EDGES = sorted({edge for palette in RAIN_PALETTES for edge in palette.edges})


def browser_class(code: np.ndarray, palette: Palette, edge_codes: list[int], missing: int) -> np.ndarray:
    """The class that the browser gives an integer: the number of edges at or below it."""
    index = np.searchsorted(edge_codes, code, side="right")
    return np.where(code == missing, palette.bad_index, index)


def hard_values(edges: tuple[float, ...], size: int, scale: float, dtype: str) -> np.ndarray:
    """Random values, and for each edge the edge, its neighbours in floating point, and values that round over it."""
    rng = np.random.default_rng(7)
    exact = np.asarray(edges, dtype)
    near = [exact, np.nextafter(exact, dtype_of(dtype, 0)), np.nextafter(exact, dtype_of(dtype, 1e9))]
    near += [(exact + delta).astype(dtype) for delta in (-0.004, 0.004, -0.0024, 0.0024, -1e-6, 1e-6)]
    drawn = (rng.gamma(0.3, scale, size - 10)).astype(dtype)
    return np.concatenate([drawn, np.full(10, np.nan, dtype), *near]).clip(0, None)


def dtype_of(dtype: str, value: float) -> np.floating:
    return np.dtype(dtype).type(value)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(len(RAIN_PALETTES)))
def test_rain_keeps_its_class_in_every_palette(number: int, dtype: str) -> None:
    palette, told = RAIN_PALETTES[number], codes()
    rain = hard_values(palette.edges, 20_000, 12.0, dtype)
    code = RAIN_CODE.encode(rain, RAIN_EDGES)
    entry = told["palettes"][number]
    assert entry["codes"] == [round(100 * edge) for edge in palette.edges]
    np.testing.assert_array_equal(browser_class(code, palette, entry["codes"], 65535), palette.classify(rain))
    known = ~np.isnan(rain)
    assert np.abs(code[known] * 0.01 - rain[known].astype(float)).max() <= 0.01, "a step at most, beside an edge"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probability_keeps_its_class(dtype: str) -> None:
    values = np.minimum(hard_values(PROBABILITY.edges, 20_000, 0.8, dtype), 1)
    code = PROBABILITY_CODE.encode(values, PROBABILITY.edges)
    entry = codes()["probability_palette"]
    assert entry["codes"] == [20, 40, 60, 80, 100, 120, 140, 160, 180]
    np.testing.assert_array_equal(browser_class(code, PROBABILITY, entry["codes"], 255), PROBABILITY.classify(values))
    known = ~np.isnan(values)
    assert np.abs(code[known] * 0.005 - values[known].astype(float)).max() <= 0.005


@given(hnp.arrays("float32", 40, elements=st.just(np.nan) | st.floats(0, 200, width=32)))
def test_any_rain_keeps_its_class(rain: np.ndarray) -> None:
    code = RAIN_CODE.encode(rain, RAIN_EDGES)
    for palette, entry in zip(RAIN_PALETTES, codes()["palettes"], strict=True):
        np.testing.assert_array_equal(browser_class(code, palette, entry["codes"], 65535), palette.classify(rain))


def test_plain_rounding_would_be_wrong() -> None:
    assert round(0.0999 / 0.01) == 10, "the reason for the care"
    np.testing.assert_array_equal(RAIN_CODE.encode(np.array([0.0999, 0.1, 0.1049]), RAIN_EDGES), [9, 10, 10])
    np.testing.assert_array_equal(PROBABILITY_CODE.encode(np.float32([0.0999, 0.1]), PROBABILITY.edges), [19, 20])


def test_edges_too_close_are_refused() -> None:
    with pytest.raises(ValueError, match="told apart"):
        RAIN_CODE.encode(np.zeros(3), [0.101, 0.104])


def test_block_layout() -> None:
    rain, qpe = np.array([[0.0, 3.0]]), np.array([[np.nan, 700.0]])
    probabilities = np.array([[[0.5, 1.0]], [[0.0, np.nan]]])
    block = zlib.decompress(pack_lead(rain, qpe, probabilities, rain_edges=[0.1], probability_edges=[0.1]))
    # 3 mm = 300 = 44 + 1 * 256; 700 mm is held at 655.34 mm = 0xfffe
    assert list(block) == [0, 44, 0, 1, 0xFF, 0xFE, 0xFF, 0xFF, 100, 200, 0, 255]
    short = zlib.decompress(pack_lead(rain, None, None, rain_edges=[0.1], probability_edges=[0.1]))
    assert list(short) == [0, 44, 0, 1]


def test_pool_takes_the_largest_and_forgets_missing() -> None:
    nan = np.nan
    values = np.array([[1, 2, nan], [3, nan, nan], [0, 0, 5.0]])
    np.testing.assert_array_equal(pool(values, 2), [[3, nan], [0, 5]])
    assert pool(values, 1) is values
    assert pool(np.zeros((4, 7, 9)), 4).shape == (4, 2, 3)
