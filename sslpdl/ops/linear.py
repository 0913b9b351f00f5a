"""Linear layers by way of oneDNN on processors whose default matrix product is slow.

PyTorch multiplies float32 matrices with MKL, which on AMD processors runs at less than half of what they can do;
oneDNN, which PyTorch ships too, does not. Its operator for this is private, so a probe at the first use checks that it
is there, that it computes the same and that it gains enough, for each of the three products of a layer; otherwise
everything stays with `torch.nn.functional.linear`. ``SSLPDL_LINEAR=torch`` or ``onednn`` in the environment decides
without a probe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.errors import BuildError
from sslpdl.ops import passes

__all__ = ["Linear", "Route", "linear", "linear_gelu", "product", "route"]

# a gain that no noise of a busy machine brings about: with the same route every time, a training gives the same bits
_WORTH = 1.4
# (rows, inputs, outputs) of a perceptron in the third level of InternImage
_PROBE = (448, 256, 1024)


@dataclass(frozen=True)
class Route:
    """Which products of a linear layer go by way of oneDNN, and why."""

    result: bool = False
    input_gradient: bool = False
    weight_gradient: bool = False
    reason: str = ""

    def __bool__(self) -> bool:
        return self.result or self.input_gradient or self.weight_gradient


@lru_cache(maxsize=1)
def route() -> Route:
    """Return the route of this process, found by a probe at the first call (some 50 ms).

    Raises
    ------
    BuildError
        If ``SSLPDL_LINEAR`` is set to anything but auto, torch or onednn, or to onednn where that does not work.
    """
    wanted = os.environ.get("SSLPDL_LINEAR", "").strip().lower() or "auto"
    if wanted not in ("auto", "torch", "onednn"):
        raise BuildError(f"SSLPDL_LINEAR is {wanted!r}, set it to auto, torch or onednn")
    if wanted == "torch":
        return Route(reason="asked for by SSLPDL_LINEAR")
    try:
        gains = _probe()
    except (AttributeError, RuntimeError, TypeError) as error:  # absent, or changed in this PyTorch
        if wanted == "onednn":
            raise BuildError(f"SSLPDL_LINEAR asks for oneDNN, which cannot be used here: {error}") from error
        return Route(reason=f"oneDNN cannot be used: {error}")
    if wanted == "onednn":
        return Route(True, True, True, reason="asked for by SSLPDL_LINEAR")
    found = "times the speed of the default with oneDNN: " + ", ".join(f"{gain:.1f}" for gain in gains)
    result, input_gradient, weight_gradient = (gain >= _WORTH for gain in gains)
    return Route(result, input_gradient, weight_gradient, reason=found)


def _product(rows: Tensor, columns: Tensor, bias: Tensor | None = None, *, gelu: bool = False) -> Tensor:
    """Return ``rows @ columns.T + bias`` by oneDNN, or its GELU: (M, K), (N, K) and (N,) to (M, N)."""
    after, form = ("gelu", "none") if gelu else ("none", "")  # the form "none" is exact, with erf
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, columns, bias, after, [], form)
    return result


def _probe() -> tuple[float, float, float]:
    """Return how much faster oneDNN is in each product; RuntimeError where it computes something else."""
    rows, inputs, outputs = _PROBE
    generator = torch.Generator().manual_seed(0)
    x, weight, gradient = (
        torch.randn(shape, generator=generator) for shape in ((rows, inputs), (outputs, inputs), (rows, outputs))
    )
    bias = torch.randn(outputs, generator=generator)
    contestants: list[tuple[Callable[[], Tensor], Callable[[], Tensor]]] = [
        (lambda: F.linear(x, weight, bias), lambda: _product(x, weight, bias)),
        (lambda: gradient @ weight, lambda: _product(gradient, weight.t())),
        (lambda: gradient.t() @ x, lambda: _product(gradient.t(), x.t())),
    ]
    gains = []
    with _one_thread(), torch.inference_mode():
        for default, ours in contestants:
            expected = default()
            if not torch.allclose(ours(), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())):
                raise RuntimeError("its results differ")
            # the best of some turns: other work on the machine only ever adds to a time
            times = [(_seconds(default), _seconds(ours)) for _ in range(5)]
            gains.append(min(first for first, _ in times) / min(second for _, second in times))
        if not torch.allclose(_product(x, weight, bias, gelu=True), F.gelu(F.linear(x, weight, bias)), atol=1e-4):
            raise RuntimeError("its GELU differs")
    return gains[0], gains[1], gains[2]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in this thread alone: its own clock does not count what other processes take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds(run: Callable[[], Tensor]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


class _OneDNN(torch.autograd.Function):
    """The products of a linear layer, each by its route."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, way: tuple[bool, bool, bool]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.way = way
        if not way[0]:
            return F.linear(x, weight, bias)
        return _product(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        _, by_input, by_weight = ctx.way
        flat, rows = gradient.reshape(-1, gradient.shape[-1]), x.reshape(-1, x.shape[-1])
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = (_product(flat, weight.t()) if by_input else flat @ weight).view_as(x)
        if ctx.needs_input_grad[1]:
            for_weight = _product(flat.t(), rows.t()) if by_weight else flat.t() @ rows
        if ctx.needs_input_grad[2]:
            for_bias = flat.sum(0)
        return for_x, for_weight, for_bias, None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias``, as `torch.nn.functional.linear`, by the faster route.

    Parameters
    ----------
    x : Tensor
        Shape (..., K).
    weight : Tensor
        Shape (N, K).
    bias : Tensor, optional
        Shape (N,).

    Returns
    -------
    Tensor
        Shape (..., N).
    """
    if not passes.plain(x, weight):
        return F.linear(x, weight, bias)
    if bias is not None and not route().result and passes.suits(x, bias):
        # PyTorch copies the bias into the result first and then adds the product to it; after it is cheaper
        return passes.finish_(product(x, weight), bias)
    if not route():
        return F.linear(x, weight, bias)
    way = astuple(route())[:3]
    result: Tensor = _OneDNN.apply(x, weight, bias, way)  # type: ignore[no-untyped-call]
    return result


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the GELU (exact, with erf) of what `linear` returns, in one pass where no gradient is asked for."""
    learns = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))
    if learns or not passes.plain(x, weight):
        return F.gelu(linear(x, weight, bias))
    if route().result:
        return _product(x.reshape(-1, x.shape[-1]), weight, bias, gelu=True).view(*x.shape[:-1], weight.shape[0])
    if bias is None or weight.shape[0] % 16 or not passes.suits(x, bias):
        return F.gelu(linear(x, weight, bias))
    return passes.finish_(product(x, weight), bias, gelu=True)


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T`` by the faster route and without a gradient: (..., K) and (N, K) to (..., N), new memory.

    The tensors are plain, see `sslpdl.ops.passes.plain`.
    """
    rows = x.reshape(-1, x.shape[-1])
    result = _product(rows, weight) if route().result else rows @ weight.t()
    return result.view(*x.shape[:-1], weight.shape[0])


class Linear(nn.Linear):
    """A linear layer with the parameters of `torch.nn.Linear`, computed by the faster route; see `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output (..., N) for an input of shape (..., K)."""
        return linear(input, self.weight, self.bias)
