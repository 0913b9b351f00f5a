"""Deformable convolution of bfloat16 and float16: stored in half the size, computed in float32."""

from __future__ import annotations

import pytest
import torch
from ops_helpers import gradients, inputs, needs_kernel, reference

from sslpdl.ops import deform_conv

halves = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])


def copied(value, factor=None):
    """The operator as a product: a window of one point that does not move, each pixel weighted by `factor`."""
    value = value.reshape(1, -1, 1, 1)
    offset = torch.zeros(*value.shape[:3], 2, dtype=value.dtype)
    factor = torch.ones_like(value) if factor is None else factor.reshape(value.shape)
    return deform_conv(value, offset, factor, groups=1, kernel_size=1, padding=0).flatten()


@needs_kernel
@halves
def test_every_finite_number_is_read_and_written_unchanged(dtype):
    numbers = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    numbers = numbers[torch.isfinite(numbers)]
    assert len(numbers) > 63000
    assert torch.equal(copied(numbers), numbers)


@needs_kernel
@halves
def test_products_are_rounded_once(dtype):
    # results from far below the smallest denormal to beyond the largest number, ties among them
    generator = torch.Generator().manual_seed(0)
    size = torch.rand(200_000, generator=generator) * 36 - 25
    first = (2.0**size * torch.randn(200_000, generator=generator)).to(dtype)
    first = first.nan_to_num(1.0, posinf=1.0, neginf=-1.0)
    second = torch.randint(-8, 9, (200_000,), generator=generator).to(dtype) / 4
    exact = first.float() * second.float()
    assert torch.equal(copied(first, second), exact.to(dtype) + 0.0)


@needs_kernel
@halves
@pytest.mark.parametrize("width", [8, 16, 32, 5])
@pytest.mark.parametrize(
    "options", [{}, {"kernel_size": 2}, {"remove_center": True}, {"stride": 2}, {"dilation": 2, "padding": 2}], ids=str
)
@pytest.mark.parametrize("softmax", [False, True])
def test_within_the_rounding_of_storage(dtype, width, options, softmax):
    tensors = inputs((2, 11, 9), 3, width, dtype=dtype, **options)
    incoming = torch.randn_like(deform_conv(*tensors, groups=3, **options))
    ours = gradients(deform_conv, tensors, incoming, groups=3, softmax=softmax, **options)
    exact = gradients(reference, [t.double() for t in tensors], incoming.double(), groups=3, softmax=softmax, **options)
    for name, computed, truth in zip(("result", "value", "offset", "modulation"), ours, exact, strict=True):
        assert computed.dtype == dtype
        # half a unit in the last place of storage, and the rounding of float32 on the way
        allowed = torch.finfo(dtype).eps / 2 * truth.abs() + 1e-5 * truth.abs().max()
        assert ((computed.double() - truth).abs() <= allowed).all(), name


@needs_kernel
@halves
def test_not_a_number_stays_not_a_number(dtype):
    value, offset, modulation = inputs((1, 5, 5), 1, 16, dtype=dtype)
    modulation[0, 2, 2, 4] = torch.nan
    result = deform_conv(value, offset, modulation, groups=1)
    assert result[0, 2, 2].isnan().all()
    assert result.isnan().sum() == 16


@needs_kernel
@halves
def test_autocast_keeps_half(dtype):
    tensors = inputs((1, 6, 5), 2, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        result = deform_conv(*(tensor.to(dtype) for tensor in tensors), groups=2)
    assert result.dtype == dtype
