"""What the tests of the deformable convolution share: random inputs, the definition as a loop, the exactness check."""

from __future__ import annotations

import math

import pytest
import torch

from sslpdl.ops import backend, deform_conv
from sslpdl.ops.reference import deform_conv_reference
from sslpdl.ops.window import Window

needs_kernel = pytest.mark.skipif(backend() == "reference", reason="the compiled operator is not at hand")


def reference(value, offset, modulation, *, groups, offset_scale=1.0, softmax=False, **window):
    window = Window.of(window.pop("kernel_size", 3), **{"stride": 1, "padding": 1, "dilation": 1, **window})
    return deform_conv_reference(value, offset, modulation, window, groups=groups, scale=offset_scale, softmax=softmax)


both = pytest.mark.parametrize("operator", [deform_conv, reference], ids=["active", "reference"])


def inputs(size, groups, width, *, spread=1.0, seed=0, dtype=torch.float64, **options):
    """Random value, offset and modulation that fit together."""
    generator = torch.Generator().manual_seed(seed)
    window = Window.of(
        options.get("kernel_size", 3),
        stride=options.get("stride", 1),
        padding=options.get("padding", 1),
        dilation=options.get("dilation", 1),
        remove_center=options.get("remove_center", False),
    )
    batch, height, columns = size
    out = (batch, *window.output_size(height, columns))

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    points = groups * window.points
    return normal(*size, groups * width), spread * normal(*out, points * 2), normal(*out, points)


def naive(value, offset, modulation, *, groups, kernel_size=3, stride=1, padding=1, dilation=1, offset_scale=1.0,
          remove_center=False):  # fmt: skip
    """The definition, pixel by pixel, in Python numbers."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (
        (a, a) if isinstance(a, int) else a for a in (kernel_size, stride, padding, dilation)
    )
    _, height, width, channels = value.shape
    result = torch.zeros(*offset.shape[:3], channels, dtype=torch.float64)
    size = channels // groups
    for n, i, j, g in torch.cartesian_prod(*(torch.arange(s) for s in (*offset.shape[:3], groups))).tolist():
        channel = slice(g * size, (g + 1) * size)
        point = 0
        for ix in range(kw):
            for iy in range(kh):
                centre_x, centre_y = (dw * (kw - 1)) // 2, (dh * (kh - 1)) // 2
                if remove_center and ix * dw == centre_x and iy * dh == centre_y:
                    continue
                at = (g * (kh * kw - remove_center) + point) * 2
                dx, dy = offset[n, i, j, at].item(), offset[n, i, j, at + 1].item()
                x = j * sw - pw + centre_x + offset_scale * (ix * dw - centre_x + dx)
                y = i * sh - ph + centre_y + offset_scale * (iy * dh - centre_y + dy)
                for row in (math.floor(y), math.floor(y) + 1):
                    for column in (math.floor(x), math.floor(x) + 1):
                        if 0 <= row < height and 0 <= column < width:
                            share = (1 - abs(x - column)) * (1 - abs(y - row)) * modulation[n, i, j, at // 2].item()
                            result[n, i, j, channel] += share * value[n, row, column, channel]
                point += 1
    return result


def gradients(operator, tensors, incoming, **options):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    result = operator(*leaves, **options)
    return [result.detach(), *torch.autograd.grad(result, leaves, incoming)]


def assert_exact(tensors, *, tolerance=5e-7, **options):
    """Float32 against the same numbers in float64: results and all gradients, relative to the largest."""
    single = [tensor.float() for tensor in tensors]
    incoming = torch.randn_like(deform_conv(*single, **options))
    computed = gradients(deform_conv, single, incoming, **options)
    exact = gradients(reference, [tensor.double() for tensor in single], incoming.double(), **options)
    if not incoming.numel():
        return
    # gradients of offset and modulation are differences of such products, and may all be small in a tiny image
    product = float(incoming.abs().max() * single[0].abs().max())
    for name, ours, truth in zip(("result", "value", "offset", "modulation"), computed, exact, strict=True):
        largest = max(float(truth.abs().max()), 0.1 * product if name in ("offset", "modulation") else 0.0)
        assert (ours - truth).abs().max() <= tolerance * largest, name
