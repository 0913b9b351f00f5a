"""Passes over memory that stand for several: what comes before and after the products of a block.

PyTorch writes a bias, an activation, a scale, a residual and a normalisation one after the other, each over the whole
tensor; at 64 channels that takes as long as the products. These do them while a row lies in the first cache. They know
no gradients: they are for forecasts, and `suits` says whether they may be used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslpdl.ops.library import ACTIVE

__all__ = ["depthwise_norm_gelu", "finish_", "join_", "plain", "suits"]


def plain(*tensors: Tensor) -> bool:
    """Whether these are float32 on the CPU, and nothing watches: no compilation, autocast or mapped dimension."""
    return (
        not torch.compiler.is_compiling()
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
        and tensors[0].numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._functorch.maybe_current_level()
    )


def suits(*tensors: Tensor) -> bool:
    """Whether the passes take these rows of channels, the first of them (..., C), without a gradient."""
    return not torch.is_grad_enabled() and ACTIVE.backend != "reference" and plain(*tensors)


def finish_(rows: Tensor, bias: Tensor, *, gelu: bool = False) -> Tensor:
    """Add a bias (C,) to contiguous rows (..., C) where they lie, and take the GELU if asked for."""
    torch.ops.sslpdl.finish_rows_.default(rows, bias, gelu)
    return rows


def join_(rows: Tensor, residual: Tensor, bias: Tensor, scale: Tensor | None, norm: nn.LayerNorm) -> Tensor:
    """Make rows (..., C) into ``residual + scale * (rows + bias)`` where they lie, and return that normalised.

    All are contiguous, and C is a multiple of 16.
    """
    factor = torch.ones_like(bias) if scale is None else scale
    normed: Tensor = torch.ops.sslpdl.join_rows_.default(rows, residual, bias, factor, norm.weight, norm.bias, norm.eps)
    return normed


def depthwise_norm_gelu(image: Tensor, convolution: nn.Conv2d, norm: nn.LayerNorm) -> Tensor:
    """Return the GELU of the normalised depthwise 3 x 3 convolution of an image (N, H, W, C), C a multiple of 16."""
    result: Tensor = torch.ops.sslpdl.depthwise_norm_gelu.default(
        image.contiguous(), convolution.weight.contiguous(), convolution.bias, norm.weight, norm.bias, norm.eps
    )
    return result
