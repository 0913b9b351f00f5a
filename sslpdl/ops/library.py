"""The compiled operator as PyTorch sees it: loaded once, with shapes, gradients, autocast and vmap registered."""

from __future__ import annotations

import ctypes
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sslpdl.errors import BuildError
from sslpdl.ops import build

__all__ = ["ACTIVE", "Active"]

Backend = Literal["cpu", "cuda", "reference"]


@dataclass(frozen=True)
class Active:
    """What runs the operator: backend, library file, instruction set, and why it is the reference if it is."""

    backend: Backend
    path: Path | None = None
    instructions: str = ""
    reason: str = ""


def _activate() -> Active:
    wanted = os.environ.get("SSLPDL_OPS", "").strip().lower()
    if wanted not in ("", "auto", "reference", "cpu", "cuda"):
        raise BuildError(f"SSLPDL_OPS is {wanted!r}, set it to reference, cpu or cuda")
    if wanted == "reference":
        return Active("reference", reason="asked for by SSLPDL_OPS")
    if wanted == "cuda":
        raise BuildError("SSLPDL_OPS asks for the CUDA kernel, which this version does not have")
    try:
        path = _load()
    except BuildError as error:
        if wanted == "cpu":
            raise
        warnings.warn(
            f"the deformable convolution runs in plain PyTorch, twenty to fifty times slower: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return Active("reference", reason=str(error))
    _register()
    describe = ctypes.CDLL(str(path)).sslpdl_dcnv3_instructions
    describe.restype = ctypes.c_char_p
    return Active("cpu", path=path, instructions=describe().decode())


def _load() -> Path:
    path = build.library()
    try:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    except OSError as error:
        # a cached file that cannot be loaded is of no use to anyone; the next start builds it again
        path.unlink(missing_ok=True)
        raise BuildError(f"{path} could not be loaded ({error}) and was removed, start again to rebuild it") from error
    return path


def _register() -> None:
    for operator, shapes in (("deform_conv", _result_shape), ("deform_conv_backward", _gradient_shapes)):
        torch.library.register_fake(f"sslpdl::{operator}", shapes)
        torch.library.register_autocast(f"sslpdl::{operator}", "cpu", torch.float32)
    torch.library.register_autograd("sslpdl::deform_conv", _backward, setup_context=_remember)
    torch.library.register_vmap("sslpdl::deform_conv", _batched)


def _result_shape(value: Tensor, offset: Tensor, modulation: Tensor, *_: Any) -> Tensor:
    return value.new_empty((*offset.shape[:3], value.shape[3]))


def _gradient_shapes(
    gradient: Tensor, value: Tensor, offset: Tensor, modulation: Tensor, *_: Any
) -> tuple[Tensor, Tensor, Tensor]:
    return value.new_empty(value.shape), offset.new_empty(offset.shape), modulation.new_empty(modulation.shape)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.arguments = inputs[3:]


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.sslpdl.deform_conv_backward.default(
        gradient, *ctx.saved_tensors, *ctx.arguments, torch.are_deterministic_algorithms_enabled()
    )
    return (*gradients, *(None for _ in ctx.arguments))


def _batched(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
    """Run a mapped dimension as part of the batch."""
    tensors = [
        tensor.movedim(dim, 0) if dim is not None else tensor.expand(info.batch_size, *tensor.shape)
        for tensor, dim in zip(inputs[:3], dims[:3], strict=True)
    ]
    result = torch.ops.sslpdl.deform_conv.default(*(tensor.flatten(0, 1) for tensor in tensors), *inputs[3:])
    return result.unflatten(0, (info.batch_size, tensors[0].shape[1])), 0


ACTIVE = _activate()
