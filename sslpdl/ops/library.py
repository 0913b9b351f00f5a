"""The compiled operator as PyTorch sees it: loaded once, with shapes, gradients, autocast and vmap registered."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sslpdl.errors import BuildError
from sslpdl.ops import build, build_cuda

__all__ = ["ACTIVE", "Active"]

Backend = Literal["cpu", "cuda", "reference"]


@dataclass(frozen=True)
class Active:
    """What runs the operator: backend, library file, instruction set, and why it is the reference if it is.

    With the backend "cuda" there is a second library for tensors on a GPU; `cuda_reason` says why there is none where
    PyTorch sees a GPU.
    """

    backend: Backend
    path: Path | None = None
    instructions: str = ""
    reason: str = ""
    cuda: Path | None = None
    cuda_reason: str = ""


def _activate() -> Active:
    wanted = os.environ.get("SSLPDL_OPS", "").strip().lower()
    if wanted not in ("", "auto", "reference", "cpu", "cuda"):
        raise BuildError(f"SSLPDL_OPS is {wanted!r}, set it to reference, cpu or cuda")
    if wanted == "reference":
        return Active("reference", reason="asked for by SSLPDL_OPS")
    if wanted == "cuda" and torch.version.cuda is None:
        raise BuildError("SSLPDL_OPS asks for the CUDA kernel, but this PyTorch has no CUDA, install one that has")
    try:
        path = _load(build.library)
    except BuildError as error:
        if wanted in ("cpu", "cuda"):
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
    return _with_cuda(Active("cpu", path=path, instructions=describe().decode()), wanted)


def _with_cuda(active: Active, wanted: str) -> Active:
    """Load the CUDA kernel as well, if there is a GPU or it is asked for."""
    # counting GPUs does not start CUDA, and where there is none no compiler is looked for
    if wanted == "cpu" or (wanted != "cuda" and not (torch.version.cuda and torch.cuda.device_count())):
        return active
    try:
        return replace(active, backend="cuda", cuda=_load(build_cuda.library))
    except BuildError as error:
        if wanted == "cuda":
            raise
        warnings.warn(
            f"on a GPU the deformable convolution runs in plain PyTorch, many times slower: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return replace(active, cuda_reason=str(error))


def _load(library: Callable[[], Path]) -> Path:
    path = library()
    try:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    except OSError as error:
        # a file that cannot be loaded is of no use to anyone; the next start builds it again
        try:
            path.unlink(missing_ok=True)
        except OSError:  # a library that was built elsewhere and belongs to somebody else
            raise BuildError(f"{path} could not be loaded ({error}), have it removed to build another") from error
        raise BuildError(f"{path} could not be loaded ({error}) and was removed, start again to rebuild it") from error
    return path


# registrations last as long as these objects
_AUTOCAST = {
    key: torch.library.Library("sslpdl", "IMPL", key)  # type: ignore[no-untyped-call]
    for key in ("AutocastCPU", "AutocastCUDA")
}


def _register() -> None:
    for operator, shapes in (("deform_conv", _result_shape), ("deform_conv_backward", _gradient_shapes)):
        torch.library.register_fake(f"sslpdl::{operator}", shapes)
        for key, registered in _AUTOCAST.items():
            promoted = _in_widest_type(getattr(torch.ops.sslpdl, operator).default, key)
            registered.impl(operator, promoted)  # type: ignore[no-untyped-call]
    torch.library.register_autograd("sslpdl::deform_conv", _backward, setup_context=_remember)
    torch.library.register_vmap("sslpdl::deform_conv", _batched)


def _in_widest_type(operator: Callable[..., Any], key: str) -> Callable[..., Any]:
    """Return what autocast calls: half precision stays, since its arithmetic is float32 in the kernel.

    Where the types differ nothing is narrowed; that is autocast's rule for functions of several tensors.
    """
    excluded = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, key))

    def promoted(*arguments: Any) -> Any:
        types = [argument.dtype for argument in arguments if isinstance(argument, Tensor)]
        widest = reduce(torch.promote_types, types)
        with torch._C._ExcludeDispatchKeyGuard(excluded):
            return operator(*(item.to(widest) if isinstance(item, Tensor) else item for item in arguments))

    return promoted


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
