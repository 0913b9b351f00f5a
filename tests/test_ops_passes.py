"""The passes around the convolution: exact against float64, the same bits for any number of threads, left out else."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile

import pytest
import torch
from ops_helpers import needs_kernel
from torch import nn
from torch.nn import functional as F

from sslpdl import models
from sslpdl.ops import DCNv3, passes
from sslpdl.ops.library import Active
from sslpdl.ops.linear import Route, linear, linear_gelu

pytestmark = needs_kernel
module = sys.modules["sslpdl.ops.linear"]


@pytest.fixture(autouse=True)
def without_gradient(monkeypatch):
    monkeypatch.setattr(module, "route", Route)  # PyTorch's own products, which need the passes
    with torch.no_grad():
        yield


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def norm(channels, seed=0):
    layer = nn.LayerNorm(channels, eps=1e-6)
    layer.weight.copy_(1 + 0.3 * normal(channels)), layer.bias.copy_(0.3 * normal(channels))
    return layer


def assert_exact(ours, truth, tolerance=5e-7):
    assert ours.dtype == torch.float32
    assert (ours - truth).abs().max() <= tolerance * truth.abs().max()


def normalised(x, layer):
    return F.layer_norm(x.double(), layer.normalized_shape, layer.weight.double(), layer.bias.double(), layer.eps)


@pytest.mark.parametrize("spread", [0.1, 1.0, 6.0, 30.0])
def test_gelu_has_the_digits_of_a_float_in_both_tails(spread):
    x = spread * normal(50, 64)
    ours = passes.finish_(x.clone(), torch.zeros(64), gelu=True)
    truth = 0.5 * x.double() * torch.erfc(-x.double() / math.sqrt(2))
    assert ((ours - truth).abs() <= 3e-7 * x.abs()).all()
    tail = (x < 0) & (x > -8)  # where 1 + erf has lost all of them
    assert ((ours - truth).abs()[tail] <= 3e-6 * truth.abs()[tail]).all()


def test_gelu_of_what_is_no_number():
    x = torch.tensor([torch.inf, -torch.inf, torch.nan, 1e30, -1e30, 0.0, 100.0, -100.0]).repeat(2)
    ours = passes.finish_(x.clone(), torch.zeros(16), gelu=True)[:8]
    expected = torch.tensor([torch.inf, 0.0, torch.nan, 1e30, 0.0, 0.0, 100.0, 0.0])
    torch.testing.assert_close(ours, expected, equal_nan=True, atol=1e-30, rtol=0.0)


@pytest.mark.parametrize("channels", [1, 15, 16, 36, 72])
def test_bias(channels):
    rows, bias = normal(7, 5, channels), normal(channels)
    assert torch.equal(passes.finish_(rows.clone(), bias), rows + bias)


@pytest.mark.parametrize("shape", [(1, 16), (3, 5, 48), (2, 7, 9, 64), (4, 512)], ids=str)
@pytest.mark.parametrize("scaled", [True, False])
def test_residual_scale_and_normalisation(shape, scaled):
    rows, residual, bias = normal(*shape), 100 + normal(*shape), normal(shape[-1])
    scale, layer = (normal(shape[-1]) if scaled else None), norm(shape[-1])
    truth = residual.double() + (1.0 if scale is None else scale.double()) * (rows.double() + bias)
    normed = passes.join_(rows, residual, bias, scale, layer)
    assert_exact(rows, truth)
    assert_exact(normed, normalised(rows, layer), 2e-6)


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 5), (2, 3, 1), (2, 7, 9), (1, 14, 8), (3, 4, 4)], ids=str)
@pytest.mark.parametrize("channels", [16, 48, 128])
def test_depthwise_convolution_normalised_and_activated(size, channels):
    image, layer = normal(*size, channels), norm(channels)
    convolution = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    exact = F.conv2d(
        image.double().permute(0, 3, 1, 2), convolution.weight.double(), convolution.bias.double(), padding=1,
        groups=channels,
    )  # fmt: skip
    truth = F.gelu(normalised(exact.permute(0, 2, 3, 1), layer))
    assert_exact(passes.depthwise_norm_gelu(image, convolution, layer), truth, 2e-6)
    strided = image.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert_exact(passes.depthwise_norm_gelu(strided, convolution, layer), truth, 2e-6)


def test_a_missing_pixel_stays_missing_within_reach():
    image = normal(1, 5, 6, 16)
    image[0, 2, 2] = torch.nan
    convolution = nn.Conv2d(16, 16, 3, padding=1, groups=16)
    found = passes.depthwise_norm_gelu(image, convolution, norm(16)).isnan()
    expected = torch.zeros(1, 5, 6, 16, dtype=torch.bool)
    expected[0, 1:4, 1:4] = True
    assert torch.equal(found, expected)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def block_results():
    torch.manual_seed(0)
    encoder = models.build("tiny", classes=3, shape=(64, 48)).encoder.eval()
    for layer in encoder.modules():
        if isinstance(layer, DCNv3):
            nn.init.normal_(layer.offset.weight, std=0.1)
    return encoder, encoder(normal(2, 16, 64, 48))


def test_the_same_bits_for_any_number_of_threads(threads):
    image, layer = normal(2, 56, 32, 128), norm(128)
    convolution = nn.Conv2d(128, 128, 3, padding=1, groups=128)
    found = []
    for count in (1, 2, 3):
        threads(count)
        rows = image.clone()
        normed = passes.join_(rows, image, convolution.bias, None, layer)
        finished = passes.finish_(image.clone(), convolution.bias, gelu=True)
        found.append([rows, normed, finished, passes.depthwise_norm_gelu(image, convolution, layer)])
    for other in found[1:]:
        for ours, first in zip(other, found[0], strict=True):
            assert torch.equal(ours, first)


def test_an_encoder_gives_the_same_with_and_without(monkeypatch):
    encoder, found = block_results()
    calls = []
    join = passes.join_
    monkeypatch.setattr(passes, "join_", lambda *arguments: calls.append(1) or join(*arguments))
    encoder(normal(2, 16, 64, 48))
    assert len(calls) == 2 * sum(encoder.config.depths)
    monkeypatch.setattr(passes, "ACTIVE", Active("reference"))
    for ours, expected in zip(found, encoder(normal(2, 16, 64, 48)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_every_instruction_set_gives_the_same():
    code = (
        "import sys, torch; sys.path[:0] = ['tests', '.']; from test_ops_passes import block_results;"
        "from sslpdl.ops.library import ACTIVE; torch.set_grad_enabled(False);"
        "torch.save([ACTIVE.instructions, *block_results()[1]], sys.argv[1])"
    )
    _, expected = block_results()
    for limit in ("avx2", "portable"):
        with tempfile.NamedTemporaryFile() as file:
            environment = {**os.environ, "SSLPDL_ISA": limit, "SSLPDL_LINEAR": "torch"}
            subprocess.run([sys.executable, "-c", code, file.name], env=environment, check=True)
            instructions, *found = torch.load(file.name)
        assert instructions in (limit, "portable")
        for ours, first in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, first, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["gradient", "float64", "autocast", "vmap", "compile", "reference", "empty"])
def test_left_out_where_they_do_not_fit(monkeypatch, case):
    for name in ("finish_", "join_", "depthwise_norm_gelu"):
        monkeypatch.setattr(passes, name, None)  # would fail if it were called
    torch.manual_seed(0)
    layer, x = DCNv3(16, group=1), normal(2, 4, 3, 16)
    if case == "gradient":
        with torch.enable_grad():
            assert layer(x).requires_grad
    elif case == "float64":
        assert layer.double()(x.double()).dtype == torch.float64
    elif case == "autocast":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer(x).shape == x.shape
    elif case == "vmap":
        assert torch.vmap(layer)(x[:, None]).shape == (2, 1, 4, 3, 16)
    elif case == "compile":
        assert torch.compile(layer, backend="eager", fullgraph=True)(x).shape == x.shape
    elif case == "empty":
        assert layer(x[:0]).shape == (0, 4, 3, 16)
    else:
        monkeypatch.setattr(passes, "ACTIVE", Active("reference"))
        assert layer(x).shape == x.shape


@pytest.mark.parametrize("outputs", [16, 10])
def test_linear_layers(outputs):
    x, weight, bias = normal(2, 5, 4, 24), normal(outputs, 24), normal(outputs)
    exact = F.linear(x.double(), weight.double(), bias.double())
    assert_exact(linear(x, weight, bias), exact, 1e-6)
    assert_exact(linear_gelu(x, weight, bias), F.gelu(exact), 1e-6)
    assert_exact(linear(x, weight), F.linear(x.double(), weight.double()), 1e-6)


@pytest.mark.parametrize("rows", [torch.zeros(3, 32)[:, ::2], torch.zeros(3, 16).double(), torch.zeros(3, 12)])
def test_what_a_kernel_cannot_take_is_refused(rows):
    channels = rows.shape[-1]
    with pytest.raises(RuntimeError, match="sslpdl"):
        passes.join_(rows, rows, torch.zeros(channels), None, norm(channels))
