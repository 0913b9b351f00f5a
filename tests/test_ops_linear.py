"""Linear layers by way of oneDNN: the same numbers, and a probe that decides."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional as F

from sslpdl import models
from sslpdl.errors import BuildError
from sslpdl.ops.linear import Linear, Route, linear, linear_gelu, route

module = sys.modules["sslpdl.ops.linear"]
EVERY = Route(True, True, True)
needs_onednn = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this PyTorch has no oneDNN"
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    route.cache_clear()
    monkeypatch.delenv("SSLPDL_LINEAR", raising=False)
    yield
    route.cache_clear()


def gradients(function, *tensors):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    incoming = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
    return [result.detach(), *torch.autograd.grad(result, leaves, incoming)]


@needs_onednn
@pytest.mark.parametrize("shape", [(7, 5), (2, 6, 5, 8), (1, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("way", [EVERY, Route(True, False, False), Route(False, True, True)], ids=str)
def test_same_numbers_by_every_route(monkeypatch, shape, way):
    monkeypatch.setattr(module, "route", lambda: way)
    x, weight, bias = torch.randn(shape), torch.randn(4, shape[-1]), torch.randn(4)
    for ours, theirs in zip(gradients(linear, x, weight, bias), gradients(F.linear, x, weight, bias), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients(linear, x, weight), gradients(F.linear, x, weight), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_strided_input(monkeypatch):
    monkeypatch.setattr(module, "route", lambda: EVERY)
    x, weight = torch.randn(2, 8, 5, 6).permute(0, 2, 3, 1), torch.randn(3, 8)
    for ours, theirs in zip(gradients(linear, x, weight), gradients(F.linear, x, weight), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize("way", [EVERY, Route(), Route(False, True, True)], ids=str)
def test_gelu_in_the_same_pass_is_the_same_gelu(monkeypatch, way):
    monkeypatch.setattr(module, "route", lambda: way)
    x, weight, bias = 3 * torch.randn(2, 6, 5, 8), torch.randn(4, 8), torch.randn(4)
    gelu = lambda *tensors: F.gelu(F.linear(*tensors))  # noqa: E731
    torch.testing.assert_close(linear_gelu(x, weight, bias), gelu(x, weight, bias), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear_gelu(x, weight), gelu(x, weight), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(gradients(linear_gelu, x, weight, bias), gradients(gelu, x, weight, bias), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_a_gelu_of_another_form_is_noticed(monkeypatch):
    product = module._product

    def approximate(rows, columns, bias=None, *, gelu=False):
        found = product(rows, columns, bias)
        return F.gelu(1.01 * found) if gelu else found

    monkeypatch.setattr(module, "_product", approximate)
    assert not route()
    assert "GELU differs" in route().reason


@needs_onednn
def test_a_whole_network_has_the_same_gradients(monkeypatch):
    torch.manual_seed(0)
    network = models.build("tiny", classes=3, shape=(32, 32)).eval()
    fields = torch.randn(2, 16, 32, 32)
    found = []
    for way in (Route(), EVERY):
        monkeypatch.setattr(module, "route", lambda way=way: way)
        network.zero_grad()
        network(fields).square().mean().backward()
        found.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max() + 1))


@pytest.mark.parametrize("case", ["float64", "autocast", "empty", "vmap", "compile"])
def test_everything_else_takes_the_ordinary_way(monkeypatch, case):
    monkeypatch.setattr(module, "route", lambda: EVERY)
    monkeypatch.setattr(module, "_product", None)  # would fail if it were called
    layer = Linear(5, 3)
    expected = torch.nn.Linear(5, 3)
    expected.load_state_dict(layer.state_dict())
    x = torch.randn(4, 5)
    if case == "float64":
        torch.testing.assert_close(layer.double()(x.double()), expected.double()(x.double()))
    elif case == "autocast":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer(x), expected(x))
    elif case == "empty":
        assert layer(x[:0]).shape == (0, 3)
    elif case == "vmap":
        torch.testing.assert_close(torch.vmap(layer)(x), expected(x))
    else:
        assert torch.equal(torch.compile(layer, backend="eager", fullgraph=True)(x), expected(x))


def test_probe_decides_for_each_product(monkeypatch):
    monkeypatch.setattr(module, "_probe", lambda: (2.3, 1.1, 1.5))
    assert (route().result, route().input_gradient, route().weight_gradient) == (True, False, True)
    assert route().reason.endswith("2.3, 1.1, 1.5")


def test_probe_measures_and_leaves_the_threads_alone():
    threads = torch.get_num_threads()
    gains = module._probe()
    assert len(gains) == 3
    assert all(gain > 0 for gain in gains)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("fault", [AttributeError("no such operator"), RuntimeError("its results differ")])
def test_falls_back_silently(monkeypatch, fault, recwarn):
    def fail(*_arguments):
        raise fault

    monkeypatch.setattr(module, "_product", fail)
    assert not route()
    assert str(fault) in route().reason
    assert not recwarn.list
    route.cache_clear()
    monkeypatch.setenv("SSLPDL_LINEAR", "onednn")
    with pytest.raises(BuildError, match=str(fault)):
        route()


def test_wrong_numbers_are_noticed(monkeypatch):
    monkeypatch.setattr(module, "_product", lambda rows, columns, bias=None, **_: 1.01 * F.linear(rows, columns, bias))
    assert not route()
    assert "differ" in route().reason


@needs_onednn
def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("SSLPDL_LINEAR", "torch")
    assert not route()
    route.cache_clear()
    monkeypatch.setenv("SSLPDL_LINEAR", "onednn")
    assert all((route().result, route().input_gradient, route().weight_gradient))
    route.cache_clear()
    monkeypatch.setenv("SSLPDL_LINEAR", "mkl")
    with pytest.raises(BuildError, match="'mkl'"):
        route()
