"""The thirteen properties of probabilistic density labels, and values that can be redone by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sslpdl.errors import ConfigError
from sslpdl.labels import LabelConfig, class_index, mixed, one_hot, probabilistic_density

PAPER = (0.1, 10.0)
# thresholds at least 0.05 apart, so that a ramp is not narrower than the rounding of a sum
THRESHOLDS = st.lists(st.floats(0.05, 20), min_size=1, max_size=6).map(lambda gaps: tuple(np.cumsum(gaps)))
RAIN = st.floats(-5, 300)
RHO = st.floats(0.01, 1)


def pdl(rain, thresholds=PAPER, **options):
    return probabilistic_density(np.asarray(rain, dtype=np.float64), thresholds, **options)


def exceedance(label):
    """P(class > k) for k = 0 .. m - 2."""
    return np.cumsum(label[..., ::-1], axis=-1)[..., ::-1][..., 1:]


def test_values_by_hand():
    # hats over the knots 0, 0.1, 10: 0.05 is half-way up the first ramp, 5.05 half-way up the second (9.9 wide)
    rain = [0.0, 0.05, 0.1, 1.09, 5.05, 10.0, 80.0]
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.9, 0.1], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(pdl(rain), expected, atol=1e-12)


def test_class_index_and_one_hot_by_hand():
    rain = np.array([-1.0, 0.0, 0.0999, 0.1, 9.99, 10.0, 300.0, np.nan])
    assert class_index(rain, PAPER).tolist() == [0, 0, 0, 1, 1, 2, 2, -1]
    labels = one_hot(rain, PAPER)
    assert labels[:-1].argmax(-1).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert labels[:-1].sum() == 7
    assert np.isnan(labels[-1]).all()


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7, 30.0])
def test_a_threshold_in_single_precision_is_reached(threshold):
    # 0.7 as float32 lies below 0.7 as float64: the threshold must be rounded like the rain
    assert class_index(np.float32([threshold]), (threshold,)).tolist() == [1]
    assert class_index(torch.tensor([threshold]), (threshold,)).tolist() == [1]


@given(st.lists(RAIN, min_size=1, max_size=20), THRESHOLDS, RHO, st.booleans(), st.floats(0, 1))
def test_1_distribution(rain, thresholds, rho, symmetric, alpha):
    label = pdl([*rain, 1e30, np.inf], thresholds, rho=rho, symmetric=symmetric, alpha=alpha)
    assert label.min() >= 0
    np.testing.assert_allclose(label.sum(-1), 1, atol=1e-12)


@given(RAIN, THRESHOLDS, RHO, st.booleans())
def test_2_at_most_two_neighbours(rain, thresholds, rho, symmetric):
    positive = np.flatnonzero(pdl(rain, thresholds, rho=rho, symmetric=symmetric) > 0)
    assert len(positive) <= 2
    assert positive[-1] - positive[0] <= 1


@given(THRESHOLDS)
def test_3_knots_are_one_hot(thresholds):
    np.testing.assert_array_equal(pdl((0.0, *thresholds), thresholds), np.eye(len(thresholds) + 1))
    np.testing.assert_array_equal(pdl([-1.0, thresholds[-1] * 2], thresholds), np.eye(len(thresholds) + 1)[[0, -1]])


@given(THRESHOLDS, st.floats(0, 1), st.integers(0, 5))
def test_4_piecewise_linear(thresholds, weight, ramp):
    knots = (0.0, *thresholds)
    low, high = knots[ramp % len(thresholds)], knots[ramp % len(thresholds) + 1]
    between = pdl((1 - weight) * low + weight * high, thresholds)
    expected = (1 - weight) * pdl(low, thresholds) + weight * pdl(high, thresholds)
    np.testing.assert_allclose(between, expected, atol=1e-9)


@given(RAIN, RAIN, THRESHOLDS, RHO, st.booleans())
def test_5_more_rain_reaches_every_threshold_at_least_as_surely(first, second, thresholds, rho, symmetric):
    low, high = exceedance(pdl([min(first, second), max(first, second)], thresholds, rho=rho, symmetric=symmetric))
    assert (low <= high + 1e-12).all()


@given(RAIN, THRESHOLDS)
def test_6_reproduces_the_rain(rain, thresholds):
    mean = pdl(rain, thresholds) @ np.array([0.0, *thresholds])
    assert mean == pytest.approx(np.clip(rain, 0, thresholds[-1]), rel=1e-12, abs=1e-12)


def test_7_likeliest_class_changes_half_way_between_knots():
    below, above = pdl([0.049, 5.04]), pdl([0.051, 5.06])
    assert below.argmax(-1).tolist() == [0, 1]
    assert above.argmax(-1).tolist() == [1, 2]
    # so it is not the class of the rain between the half-way point and the threshold
    assert class_index(np.array([0.051, 5.06]), PAPER).tolist() == [0, 1]


@given(RAIN, THRESHOLDS, RHO)
def test_8_never_below_the_hard_label(rain, thresholds, rho):
    assert (exceedance(pdl(rain, thresholds, rho=rho)) >= exceedance(one_hot(np.array(rain), thresholds)) - 1e-12).all()


@given(RAIN, THRESHOLDS)
def test_9_narrow_ramps_give_the_hard_label(rain, thresholds):
    if min(abs(rain - bound) for bound in thresholds) < 1e-3:
        rain += 2e-3  # not on a threshold, nor within the narrow ramp below one
    if min(abs(rain - bound) for bound in thresholds) < 1e-3:
        return
    np.testing.assert_array_equal(pdl(rain, thresholds, rho=1e-6), one_hot(np.array(rain), thresholds))


@given(RAIN, THRESHOLDS, st.floats(0, 1))
def test_10_smoothing(rain, thresholds, alpha):
    classes = len(thresholds) + 1
    label = pdl(rain, thresholds, alpha=alpha)
    assert label.min() >= alpha / classes - 1e-12
    assert label.max() <= 1 - alpha + alpha / classes + 1e-12
    np.testing.assert_allclose(pdl(rain, thresholds, alpha=1.0), 1 / classes, atol=1e-12)


def test_11_a_new_threshold_changes_only_the_interval_that_it_splits():
    rain = [0.0, 0.05, 0.1, 12.0, 25.0, 30.0, 50.0]  # none between 0.1 and 10 mm
    coarse, fine = pdl(rain, (0.1, 10.0, 30.0)), pdl(rain, (0.1, 2.0, 10.0, 30.0))
    np.testing.assert_allclose(fine[:, [0, 1, 3, 4]], coarse, atol=1e-12)
    np.testing.assert_allclose(fine[:, 2], 0, atol=1e-12)
    assert pdl(5.0, (0.1, 2.0, 10.0, 30.0))[2] > 0


@given(RAIN, st.floats(0.05, 50))
def test_12_two_classes(rain, threshold):
    assert pdl(rain, (threshold,))[1] == pytest.approx(np.clip(rain / threshold, 0, 1), abs=1e-12)


@pytest.mark.parametrize("label", [one_hot, probabilistic_density, mixed])
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_13_missing_rain_is_missing(label, kind):
    result = label(kind([np.nan, 1.0]), PAPER)
    assert np.isnan(np.asarray(result[0])).all()
    assert np.isfinite(np.asarray(result[1])).all()
    assert class_index(kind([np.nan, 1.0]), PAPER).tolist() == [-1, 1]


def test_symmetric_ramp_is_centred_on_its_threshold():
    # first ramp 0.05 to 0.15 (half of 0.1 on both sides), second 5.05 to 14.95 (half of 9.9)
    label = pdl([0.05, 0.1, 0.15, 5.05, 10.0, 14.95], symmetric=True)
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    np.testing.assert_allclose(label, expected, atol=1e-12)


def test_transform_is_applied_to_rain_and_knots():
    # sqrt: knots 0, 1, 3; sqrt(4) = 2 is half-way from 1 to 3
    np.testing.assert_allclose(pdl(4.0, (1.0, 9.0), transform="sqrt"), [0, 0.5, 0.5], atol=1e-12)
    np.testing.assert_allclose(pdl(-4.0, (1.0, 9.0), transform="sqrt"), [1, 0, 0], atol=1e-12)
    by_name = pdl([0.3, 4.0], transform="log1p")
    np.testing.assert_array_equal(pdl([0.3, 4.0], transform=lambda rain: np.log1p(rain)), by_name)


def test_mixture_keeps_the_class_of_the_rain():
    rain = np.linspace(0, 20, 401)
    label = mixed(rain, PAPER, beta=0.75)
    assert (label.argmax(-1) == class_index(rain, PAPER)).all()
    np.testing.assert_allclose(label, 0.75 * one_hot(rain, PAPER) + 0.25 * pdl(rain), atol=1e-15)


@settings(max_examples=25)
@given(st.lists(RAIN, min_size=1, max_size=8), THRESHOLDS, st.sampled_from([None, "log1p", "sqrt"]))
def test_tensors_and_data_arrays_give_the_same_labels(rain, thresholds, transform):
    array = np.array(rain)
    expected = mixed(array, thresholds, transform=transform)
    tensor = mixed(torch.tensor(array), thresholds, transform=transform)
    assert tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-14)
    data = xr.DataArray(array, dims="x", coords={"x": np.arange(array.size)})
    labelled = mixed(data, thresholds, transform=transform)
    assert labelled.dims == ("x", "rain_class")
    np.testing.assert_array_equal(labelled.values, expected)
    assert class_index(data, thresholds).dims == ("x",)


def test_types_and_shapes():
    rain = np.zeros((2, 3), np.float32)
    assert one_hot(rain, PAPER).shape == (2, 3, 3)
    assert one_hot(rain, PAPER).dtype == pdl_dtype(rain) == np.float32
    assert pdl_dtype(np.zeros(2, np.int16)) == np.float64
    assert class_index(rain, PAPER).dtype == np.int64
    assert one_hot(torch.zeros(2, dtype=torch.float16), PAPER).dtype == torch.float32


def pdl_dtype(rain):
    return probabilistic_density(rain, PAPER).dtype


@pytest.mark.parametrize("thresholds", [(), (0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (-1.0,), (1.0, np.inf), (np.nan,)])
def test_unusable_thresholds(thresholds):
    with pytest.raises(ConfigError, match="thresholds"):
        one_hot(np.zeros(1), thresholds)


@pytest.mark.parametrize(
    "options", [{"alpha": -0.1}, {"alpha": 1.1}, {"rho": 0.0}, {"rho": 1.5}, {"beta": 2.0}, {"transform": "cube"}]
)
def test_unusable_options(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        mixed(np.zeros(1), PAPER, **options)
    with pytest.raises(ConfigError, match=next(iter(options))):
        LabelConfig(**options)


def test_config_chooses_the_label():
    rain = np.array([0.05, 7.0])
    np.testing.assert_array_equal(LabelConfig("one_hot").encode(rain, PAPER), one_hot(rain, PAPER))
    np.testing.assert_array_equal(LabelConfig("pdl", alpha=0.2).encode(rain, PAPER), pdl(rain, alpha=0.2))
    np.testing.assert_array_equal(LabelConfig("mixed", beta=0.5).encode(rain, PAPER), mixed(rain, PAPER, beta=0.5))
    with pytest.raises(ConfigError, match="kind"):
        LabelConfig("hard")
