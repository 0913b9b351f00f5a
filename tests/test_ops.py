"""The deformable convolution against a naive loop in double precision, and its conventions one by one."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ops_helpers import assert_exact, both, gradients, inputs, naive, reference

from sslpdl.ops import deform_conv

CONFIGURATIONS = [
    {},
    {"kernel_size": (3, 5), "padding": (1, 2)},
    {"kernel_size": (5, 3), "padding": (1, 2), "stride": (1, 2)},
    {"kernel_size": 2, "padding": 0},
    {"kernel_size": 4, "padding": 1},
    {"stride": 2},
    {"dilation": 2, "padding": 2},
    {"dilation": (2, 3), "padding": 3},
    {"offset_scale": 0.5},
    {"offset_scale": 2.0},
    {"remove_center": True},
    {"kernel_size": 5, "padding": 2, "remove_center": True},
]


@both
@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_agrees_with_the_definition(operator, options):
    tensors = inputs((2, 6, 7), 2, 3, **options)
    expected = naive(*tensors, groups=2, **options)
    torch.testing.assert_close(operator(*tensors, groups=2, **options), expected, rtol=1e-12, atol=1e-12)


@both
@pytest.mark.parametrize("size", [(1, 1, 5), (1, 5, 1), (2, 1, 1), (1, 2, 2)])
def test_thin_images(operator, size):
    tensors = inputs(size, 2, 2)
    torch.testing.assert_close(operator(*tensors, groups=2), naive(*tensors, groups=2), rtol=1e-12, atol=1e-12)


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(0, 3), st.integers(1, 13), st.integers(1, 13)),
    groups=st.integers(1, 5),
    width=st.sampled_from([1, 3, 8, 16, 20, 32]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    scale=st.sampled_from([1.0, 0.5, 2.0, 1.7]),
    softmax=st.booleans(),
    spread=st.sampled_from([0.1, 1.0, 8.0, 1e3]),
)
def test_exact_in_single_precision(size, groups, width, kernel, stride, padding, dilation, scale, softmax, spread):
    options = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    tensors = inputs(size, groups, width, spread=spread, **options)
    # a power of two leaves the fraction of a position exact; another scale rounds it with the size of the offset
    tolerance = 5e-7 * (1.0 if math.frexp(scale)[0] == 0.5 else max(1.0, 4 * spread))
    assert_exact(tensors, groups=groups, offset_scale=scale, softmax=softmax, tolerance=tolerance, **options)


def test_windows_of_any_size():
    # 441 points fill nearly a whole block; 529 are more than the kernel takes and go to the reference
    for kernel in (21, 23):
        tensors = inputs((1, 4, 3), 2, 8, kernel_size=kernel, padding=kernel // 2)
        assert_exact(tensors, groups=2, kernel_size=kernel, padding=kernel // 2, softmax=True, tolerance=2e-6)


def test_exact_at_the_size_of_the_first_level():
    assert_exact(inputs((1, 112, 64), 4, 16), groups=4, softmax=True)


@pytest.mark.parametrize(
    "options",
    [{"stride": 2}, {"dilation": 2, "offset_scale": 1.5}, {"remove_center": True}, {"kernel_size": 2},
     {"kernel_size": (3, 5), "softmax": True}],
    ids=str,
)  # fmt: skip
@both
def test_gradcheck(operator, options):
    geometry = {key: value for key, value in options.items() if key not in ("softmax", "offset_scale")}
    tensors = [tensor.requires_grad_() for tensor in inputs((1, 4, 3), 2, 2, **geometry)]
    assert torch.autograd.gradcheck(lambda *leaves: operator(*leaves, groups=2, **options), tensors)


# ---- conventions


def one_point(operator, image, point, shift, *, pixel=(2, 2), **options):
    """Value of one point alone (weight 1) moved by (dx, dy), at one pixel of an image of one channel."""
    rows, columns = image.shape
    points = options.pop("points", 9)
    offset, modulation = torch.zeros(1, rows, columns, points, 2), torch.zeros(1, rows, columns, points)
    offset[0, :, :, point] = torch.tensor(shift)
    modulation[0, :, :, point] = 1.0
    image = image.double()[None, :, :, None]
    return operator(image, offset.double().flatten(3), modulation.double(), groups=1, **options)[0, *pixel, 0].item()


IMAGE = torch.arange(36.0).reshape(6, 6)  # pixel (row, column) holds 6 row + column


@both
def test_points_go_down_the_columns(operator):
    # from (2, 2): point 0 is up left (1, 1) = 7, point 1 is left (2, 1) = 13, point 3 is up (1, 2) = 8, point 8 (3, 3)
    assert [one_point(operator, IMAGE, k, (0, 0)) for k in (0, 1, 3, 4, 8)] == [7, 13, 8, 14, 21]


@both
def test_offsets_are_x_then_y(operator):
    assert one_point(operator, IMAGE, 4, (1, 0)) == 15
    assert one_point(operator, IMAGE, 4, (0, 1)) == 20
    assert one_point(operator, IMAGE, 4, (0.25, -0.5)) == pytest.approx(14 + 0.25 - 3)


@both
def test_scale_multiplies_window_and_offset(operator):
    # point 8 is (+1, +1): with scale 2 and an offset of (0.5, 0) it lies at (2 + 2, 2 + 3)
    assert one_point(operator, IMAGE, 8, (0.5, 0.0), offset_scale=2.0) == 4 * 6 + 5


@both
def test_removed_centre_leaves_the_other_eight_in_order(operator):
    options = {"remove_center": True, "points": 8}
    assert [one_point(operator, IMAGE, k, (0, 0), **options) for k in (3, 4)] == [8, 20]  # up, then down


@both
def test_even_windows_are_centred_low(operator):
    # kernel 4, padding 1: output (2, 2) begins at input (1, 1), and its centre is (2, 2)
    image = torch.arange(64.0).reshape(8, 8)
    offset, modulation = torch.zeros(1, 7, 7, 32), torch.zeros(1, 7, 7, 16)
    modulation[..., 0] = 1.0
    result = operator(image[None, :, :, None], offset, modulation, groups=1, kernel_size=4, padding=1)
    assert result[0, 2, 2, 0] == image[1, 1]


@both
def test_image_ends_in_zeros(operator):
    image = torch.full((3, 3), 8.0)
    # a quarter of a pixel outside on each side leaves three quarters of the value
    for shift in ((-1.25, 0.0), (1.25, 0.0), (0.0, -1.25), (0.0, 1.25)):
        assert one_point(operator, image, 4, shift, pixel=(1, 1)) == pytest.approx(6.0)
    assert one_point(operator, image, 4, (-2.0, 0.0), pixel=(1, 1)) == 0.0
    assert one_point(operator, image, 4, (2.0, 0.0), pixel=(1, 1)) == 0.0


def offset_gradient(operator, x, width=4):
    """Derivative in x of an image whose columns are 1, 4, 9, 16, read at position x."""
    image = (torch.arange(1.0, width + 1) ** 2)[None, None, :, None].double()
    offset = torch.tensor([x, 0.0], dtype=torch.float64).expand(1, 1, width, 2).clone().requires_grad_()
    modulation = torch.ones(1, 1, width, 1, dtype=torch.float64)
    operator(image, offset, modulation, groups=1, kernel_size=1, padding=0)[0, 0, 0].sum().backward()
    return offset.grad[0, 0, 0, 0].item()


@both
def test_derivative_on_a_pixel_is_to_the_right(operator):
    assert [offset_gradient(operator, x) for x in (0.0, 1.0, 2.0)] == [3, 5, 7]
    assert offset_gradient(operator, 3.0) == -16  # from the last column into the zeros
    assert offset_gradient(operator, -1.0) == 1  # from the zeros into the first column
    assert [offset_gradient(operator, x) for x in (-1.5, 4.0, 4.5)] == [0, 0, 0]
    assert [offset_gradient(operator, x) for x in (-0.5, 0.5, 3.5)] == [1, 3, -16]


@both
@pytest.mark.parametrize("distance", [1e3, 1e7, 1e20, 1e38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_points_weigh_nothing(operator, distance, dtype):
    value, offset, modulation = inputs((1, 4, 4), 1, 16, dtype=dtype)
    offset = torch.where(offset > 0, distance, -distance)
    results = gradients(operator, (value, offset, modulation), torch.ones_like(value), groups=1)
    for result in results:
        assert (result == 0).all()


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_not_a_number_in_gives_not_a_number_out(operator, dtype):
    for which, bad in ((0, math.nan), (1, math.nan), (1, math.inf), (1, -math.inf), (2, math.nan)):
        tensors = inputs((1, 5, 5), 1, 16, spread=0.2, dtype=dtype)
        tensors[which][0, 2, 2, 8] = bad
        result = operator(*tensors, groups=1)
        touched = result.isnan().any(-1)[0]
        assert touched[2, 2], (which, bad)
        assert not touched[0].any() or which == 0
        assert torch.equal(touched, result.isnan().all(-1)[0]) or which == 0
    assert not deform_conv(*inputs((1, 5, 5), 1, 16, dtype=dtype), groups=1).isnan().any()


@both
def test_softmax_is_taken_over_the_points_of_a_group(operator):
    value, offset, logits = inputs((2, 5, 4), 3, 16)
    weights = logits.unflatten(-1, (3, 9)).softmax(-1).flatten(-2)
    expected = operator(value, offset, weights, groups=3)
    torch.testing.assert_close(
        operator(value, offset, logits, groups=3, softmax=True), expected, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("logits", [1e4, -1e4, 88.0, -math.inf])
def test_softmax_of_extreme_logits(logits):
    value, offset, modulation = inputs((1, 4, 4), 1, 16, dtype=torch.float32)
    modulation[..., 3] = logits
    result = deform_conv(value, offset, modulation, groups=1, softmax=True)
    expected = reference(value.double(), offset.double(), modulation.double(), groups=1, softmax=True)
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-6)
