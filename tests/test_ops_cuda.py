"""The arithmetic of the CUDA kernels: on a GPU where there is one, and by running their source on the CPU anywhere."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from ops_cuda_helpers import Emulated, Gpu
from ops_helpers import gradients, inputs, reference

from sslpdl.ops import backend, build, deform_conv

NAMES = ("result", "value", "offset", "modulation")


RUNNERS = [
    *(["emulated"] if build.compiler() and sys.platform == "linux" else []),
    *(["gpu"] if backend() == "cuda" and torch.cuda.is_available() else []),
]


@pytest.fixture(scope="module", params=RUNNERS)
def kernels(request, tmp_path_factory):
    return Emulated(tmp_path_factory.mktemp("emulated")) if request.param == "emulated" else Gpu()


def assert_exact(kernels, tensors, *, groups, tolerance=5e-7, deterministic=False, **options):
    """Results and gradients against the reference in double precision on the same stored numbers."""
    dtype, result = tensors[0].dtype, torch.empty(*tensors[1].shape[:3], tensors[0].shape[3])
    incoming = torch.randn(result.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    computed = kernels.gradients(tensors, incoming, groups=groups, deterministic=deterministic, **options)
    exact = gradients(reference, [tensor.double() for tensor in tensors], incoming.double(), groups=groups, **options)
    product = float(incoming.abs().max() * tensors[0].abs().max())
    # a half type is right when it is the exact number rounded, give or take the float32 error before rounding
    ulp = torch.finfo(dtype).eps / 2 if dtype.itemsize == 2 else 0.0
    for name, ours, truth in zip(NAMES, computed, exact, strict=True):
        assert ours.shape == truth.shape
        assert ours.dtype == dtype
        largest = max(float(truth.abs().max()), 0.1 * product if name in ("offset", "modulation") else 0.0)
        error = (ours.double() - truth).abs() - ulp * truth.abs() * 1.001 - (ulp > 0) * torch.finfo(dtype).tiny
        assert error.max() <= tolerance * largest, name


WINDOWS = [
    {},
    {"softmax": True},
    {"stride": 2, "softmax": True},
    {"dilation": (2, 3), "padding": 3},
    {"remove_center": True, "softmax": True, "offset_scale": 2.0},
    {"kernel_size": 2, "padding": 0, "softmax": True},
    {"kernel_size": (3, 5), "padding": (1, 2), "stride": (1, 2), "softmax": True},
    {"kernel_size": 5, "padding": 2, "remove_center": True},
    {"kernel_size": (1, 9), "padding": (0, 4), "softmax": True},
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("options", WINDOWS, ids=str)
def test_exact_for_any_window(kernels, options, dtype):
    tensors = inputs((2, 6, 7), 3, 16, dtype=dtype, spread=1.5, **options)
    assert_exact(kernels, tensors, groups=3, tolerance=1e-13 if dtype == torch.float64 else 5e-7, **options)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("width", [1, 5, 8, 24, 32, 40, 136, 264])
def test_exact_for_any_width_of_the_groups(kernels, width, dtype, deterministic):
    # 5 is read number by number, 24 and 40 leave threads of a team idle, 136 and 264 are more than a team holds at once
    tensors = inputs((1, 4, 3), 2, width, dtype=dtype)
    assert_exact(kernels, tensors, groups=2, softmax=True, deterministic=deterministic)


@pytest.mark.parametrize("size", [(1, 1, 5), (1, 5, 1), (2, 1, 1), (300, 2, 1)])
def test_thin_images_and_batches(kernels, size):
    tensors = inputs(size, 2, 16, dtype=torch.float32)
    assert_exact(kernels, tensors, groups=2, softmax=True)


@pytest.mark.skipif("gpu" not in RUNNERS, reason="no GPU: an empty batch never reaches a kernel")
def test_empty_batch_and_views_on_a_gpu():
    tensors = inputs((0, 4, 4), 2, 16, dtype=torch.float32)
    assert [found.shape[0] for found in Gpu().gradients(tensors, torch.zeros(0, 4, 4, 32), groups=2)] == [0] * 4
    value, offset, modulation = (tensor.cuda() for tensor in inputs((1, 4, 4), 2, 16, dtype=torch.float32))
    shifted = torch.cat((value.new_zeros(1), value.flatten()))[1:].view_as(value)  # not aligned to 16 bytes
    arguments = (offset, modulation)
    assert torch.equal(deform_conv(shifted, *arguments, groups=2), deform_conv(value, *arguments, groups=2))


def test_more_images_than_a_grid_holds(kernels):
    tensors = inputs((65_537, 1, 1), 1, 1, dtype=torch.float32, spread=0.3, kernel_size=1, padding=0)
    assert_exact(kernels, tensors, groups=1, kernel_size=1, padding=0)


@pytest.mark.parametrize("options", [{}, {"kernel_size": (1, 9), "padding": (0, 4)}], ids=["known", "any"])
@pytest.mark.parametrize("distance", [1e3, 1e7, 1e20, 1e38])
def test_far_points_weigh_nothing(kernels, distance, options):
    value, offset, modulation = inputs((1, 4, 4), 1, 16, dtype=torch.float32, **options)
    offset = torch.where(offset > 0, distance, -distance)
    for found in kernels.gradients((value, offset, modulation), torch.ones_like(value), groups=1, **options):
        assert (found == 0).all()


@pytest.mark.parametrize("options", [{}, {"kernel_size": (1, 9), "padding": (0, 4)}], ids=["known", "any"])
@pytest.mark.parametrize(("which", "bad"), [(0, math.nan), (1, math.nan), (1, math.inf), (1, -math.inf), (2, math.nan)])
@pytest.mark.parametrize("deterministic", [False, True])
def test_not_a_number_in_gives_not_a_number_out(kernels, which, bad, options, deterministic):
    tensors = inputs((1, 5, 5), 1, 16, spread=0.2, dtype=torch.float32, **options)
    tensors[which][0, 2, 2, 8 if which < 2 else 4] = bad
    incoming = torch.ones_like(tensors[0])
    ours = kernels.gradients(tensors, incoming, groups=1, deterministic=deterministic, **options)
    exact = gradients(reference, tensors, incoming, groups=1, **options)
    assert ours[0].isnan().any(-1)[0, 2, 2]
    for name, found, truth in zip(NAMES, ours, exact, strict=True):
        if name == "value" and which == 1:  # a point without a place has none in the image either
            assert found.isnan().any()
        else:
            assert torch.equal(found.isnan(), truth.isnan()), name


def test_a_far_point_with_a_modulation_of_nan_is_seen(kernels):
    value, offset, modulation = inputs((1, 4, 4), 1, 16, dtype=torch.float32)
    offset[0, 1, 1, :2], modulation[0, 1, 1, 0] = 1e6, math.nan
    touched = kernels(value, offset, modulation, groups=1).isnan()
    assert touched[0, 1, 1].all()
    assert touched.sum() == 16


def test_derivative_on_a_pixel_is_to_the_right(kernels):
    image = (torch.arange(1.0, 5) ** 2)[None, None, :, None]  # columns of 1, 4, 9, 16
    modulation = torch.ones(1, 1, 4, 1)
    found = {}
    for x in (-1.5, -1.0, -0.5, 0.0, 1.0, 2.0, 3.0, 3.5, 4.0):
        offset = torch.tensor([x, 0.0]).expand(1, 1, 4, 2).clone()
        tensors, incoming = (image, offset, modulation), torch.tensor([1.0, 0, 0, 0])[None, None, :, None]
        gradient = kernels.gradients(tensors, incoming, groups=1, kernel_size=1, padding=0)[2]
        found[x] = gradient[0, 0, 0, 0].item()
    assert found == {-1.5: 0, -1.0: 1, -0.5: 1, 0.0: 3, 1.0: 5, 2.0: 7, 3.0: -16, 3.5: -16, 4.0: 0}


@pytest.mark.parametrize("logits", [1e4, -1e4, 88.0, -math.inf])
@pytest.mark.parametrize("options", [{}, {"kernel_size": (1, 9), "padding": (0, 4)}], ids=["known", "any"])
def test_softmax_of_extreme_logits(kernels, logits, options):
    value, offset, modulation = inputs((1, 4, 4), 1, 16, dtype=torch.float32, **options)
    modulation[..., 3] = logits
    assert_exact(kernels, (value, offset, modulation), groups=1, softmax=True, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("softmax", [False, True])
def test_deterministic_gradients_have_the_same_bits_in_any_order(kernels, dtype, softmax):
    # many points meet on a few pixels, with addends of very different size
    value, offset, modulation = inputs((3, 6, 5), 2, 8, dtype=dtype, spread=0.3)
    incoming = torch.randn(3, 6, 5, 16, dtype=torch.float64).mul(torch.logspace(-3, 0, 16)).to(dtype)
    runs = {
        deterministic: [
            kernels.gradients(
                (value, offset, modulation), incoming, groups=2, softmax=softmax, seed=seed, deterministic=deterministic
            )
            for seed in range(4)
        ]
        for deterministic in (False, True)
    }
    for other in runs[True][1:]:
        for first, second in zip(runs[True][0], other, strict=True):
            assert torch.equal(first, second)
    if dtype == torch.float32 and kernels.name == "emulated":  # the orders do differ, and a float sum shows it
        assert not all(torch.equal(runs[False][0][1], other[1]) for other in runs[False][1:])


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_deterministic_gradients_at_any_scale(kernels, size):
    value, offset, modulation = inputs((2, 6, 5), 2, 8, dtype=torch.float32)
    modulation[1] *= 1e-4  # each image has a unit of its own
    incoming = size * torch.randn(2, 6, 5, 16, generator=torch.Generator().manual_seed(2))
    ours = kernels.gradients((value, offset, modulation), incoming, groups=2, deterministic=True)[1]
    exact = gradients(
        reference, [tensor.double() for tensor in (value, offset, modulation)], incoming.double(), groups=2
    )[1]
    for image in range(2):
        assert (ours[image] - exact[image]).abs().max() <= 2e-7 * exact[image].abs().max()


@pytest.mark.parametrize("which", ["gradient", "modulation"])
@pytest.mark.parametrize("tiny", [0.0, 1e-44])
def test_deterministic_gradients_of_nearly_nothing(kernels, tiny, which):
    value, offset, modulation = inputs((2, 4, 4), 1, 8, dtype=torch.float32, spread=0.2)
    incoming = torch.ones_like(value)
    (incoming if which == "gradient" else modulation)[0] = tiny
    ours = kernels.gradients((value, offset, modulation), incoming, groups=1, deterministic=True)[1]
    assert ours[0].abs().max() <= 50 * tiny
    assert ours[1].abs().max() > 0.1


def test_deterministic_gradients_of_an_infinite_gradient(kernels):
    value, offset, modulation = inputs((2, 4, 4), 1, 8, dtype=torch.float32, spread=0.2)
    incoming = torch.ones_like(value)
    incoming[0, 1, 1, 3] = math.inf
    ours = kernels.gradients((value, offset, modulation), incoming, groups=1, deterministic=True)[1]
    assert ours.isnan().any(0).any(0).any(0).tolist() == [channel == 3 for channel in range(8)]
    assert ours[1].isfinite().all()
