"""Deformable convolution (DCNv3): the function `deform_conv`, the layer `DCNv3`, and the `backend` that runs them.

Beside them `Linear`, the linear layer that goes with it on processors where PyTorch's own is slow.

Importing this package builds the compiled operator once (a few seconds) and loads it from a cache ever after; where
PyTorch sees a GPU, that for the GPU as well (half a minute). Without compiler or ninja it says so and computes in plain
PyTorch. ``SSLPDL_OPS=reference``, ``cpu`` or ``cuda`` in the environment forces one of them, and it is an error if it
cannot be had. ``SSLPDL_CACHE_DIR`` says where the libraries are kept, and ``SSLPDL_OPS_DIR`` a folder of libraries that
were built elsewhere (as by ``make bundle``). ``SSLPDL_ISA=avx2`` or ``portable`` limits the processor instructions
of the one for the CPU; ``SSLPDL_LINEAR=torch`` or ``onednn`` fixes the route of linear layers.
"""

from __future__ import annotations

from typing import Literal

from sslpdl.ops.functional import deform_conv
from sslpdl.ops.library import ACTIVE
from sslpdl.ops.linear import Linear, linear_gelu, product
from sslpdl.ops.module import DCNv3

__all__ = [
    "DCNv3",
    "Linear",
    "backend",
    "deform_conv",
    "linear_gelu",
    "product",
]


def backend() -> Literal["cpu", "cuda", "reference"]:
    """Return the best implementation at hand: with "cuda", tensors on the CPU use the CPU kernel."""
    return ACTIVE.backend
