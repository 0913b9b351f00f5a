"""The CUDA kernels for tests: on a GPU, or the same sources compiled for the CPU and run thread by thread."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import torch

from sslpdl.ops import build
from sslpdl.ops.window import Window

TYPES = {
    torch.float32: ("float", "cuda_single"),
    torch.float64: ("double", "cuda_double"),
    torch.float16: ("__half", "cuda_half"),
    torch.bfloat16: ("__nv_bfloat16", "cuda_bfloat16"),
}


class Problem(ctypes.Structure):
    """`Problem` of extensions/dcnv3/problem.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "height", "width", "channels", "groups", "rows", "columns")),
        *(
            (f"{name}_{axis}", ctypes.c_int64)
            for name in ("kernel", "stride", "padding", "dilation")
            for axis in ("h", "w")
        ),
        ("scale", ctypes.c_double),
        ("softmax", ctypes.c_bool),
        ("remove_center", ctypes.c_bool),
    ]  # fmt: skip


def window_of(options):
    sizes = {name: options.get(name, 1) for name in ("stride", "padding", "dilation")}
    return Window.of(options.get("kernel_size", 3), remove_center=options.get("remove_center", False), **sizes)


class Emulated:
    """The kernels on the CPU: every thread, shuffle and atomic addition of theirs, but none of their speed."""

    name = "emulated"
    device = "cpu"

    def __init__(self, folder: Path) -> None:
        here, kernels = Path(__file__).parent / "cuda_emulation", build.sources() / "cuda" / "kernels.cu"
        command = [*build.compiler(), "-std=c++17", "-O1", "-fPIC", "-w", "-U_FORTIFY_SOURCE", "-I", str(here)]
        compilations = [
            subprocess.Popen(
                [*command, f"-DDCNV3_STORAGE={storage}", f"-DDCNV3_SET={name}", "-x", "c++", "-c", str(kernels),
                 "-o", str(folder / f"{name}.o")]
            )
            for storage, name in TYPES.values()
        ]  # fmt: skip
        assert all(compilation.wait() == 0 for compilation in compilations)
        objects = [str(folder / f"{name}.o") for _, name in TYPES.values()]
        subprocess.run(
            [*command, "-shared", str(here / "entry.cpp"), *objects, "-o", str(folder / "kernels.so")], check=True
        )
        self._library = ctypes.CDLL(str(folder / "kernels.so"))
        self._library.sslpdl_workspace.restype = ctypes.c_int64

    def problem(self, value, offset, groups, *, softmax=False, offset_scale=1.0, **options):
        window = window_of(options)
        pairs = (*window.kernel, *window.stride, *window.padding, *window.dilation)
        sizes = (*value.shape, groups, *offset.shape[1:3], *pairs)
        return Problem(*sizes, offset_scale, softmax, window.remove_center)

    def takes(self, value, offset, groups, **options):
        return bool(self._library.sslpdl_takes(ctypes.byref(self.problem(value, offset, groups, **options))))

    def __call__(self, value, offset, modulation, *, groups, **options):
        value, offset, modulation = (tensor.contiguous() for tensor in (value, offset, modulation))
        problem = self.problem(value, offset, groups, **options)
        result = torch.full((*offset.shape[:3], value.shape[3]), 7.0, dtype=value.dtype)
        arrays = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (value, offset, modulation, result))
        assert self._library.sslpdl_forward(self._type(value), ctypes.byref(problem), *arrays) == 0
        return result

    def gradients(self, tensors, incoming, *, groups, deterministic=False, seed=0, **options):
        """Result and gradients; the threads of a block take turns in an order that depends on `seed`."""
        value, offset, modulation = (tensor.contiguous() for tensor in tensors)
        problem = self.problem(value, offset, groups, **options)
        size = self._library.sslpdl_workspace(self._type(value), ctypes.byref(problem), deterministic)
        workspace = torch.full((size,), 7, dtype=torch.uint8)
        found = [torch.full_like(tensor, 7.0) for tensor in (value, offset, modulation)]
        arrays = (
            ctypes.c_void_p(tensor.data_ptr())
            for tensor in (value, offset, modulation, incoming.contiguous(), *found, workspace)
        )
        arguments = (self._type(value), ctypes.byref(problem), *arrays, deterministic, seed)
        assert self._library.sslpdl_backward(*arguments) == 0
        return [self(*tensors, groups=groups, **options), *found]

    @staticmethod
    def _type(tensor):
        return list(TYPES).index(tensor.dtype)


class Gpu:
    """The kernels on the GPU, through PyTorch."""

    name = "gpu"
    device = "cuda"

    def __call__(self, *tensors, groups, **options):
        return torch.ops.sslpdl.deform_conv.default(*self._moved(tensors), *self._rest(groups, options)).cpu()

    def gradients(self, tensors, incoming, *, groups, deterministic=False, seed=0, **options):
        arguments = (*self._moved((incoming, *tensors)), *self._rest(groups, options), deterministic)
        found = torch.ops.sslpdl.deform_conv_backward.default(*arguments)
        return [self(*tensors, groups=groups, **options), *(tensor.cpu() for tensor in found)]

    def _moved(self, tensors):
        return [tensor.to(self.device) for tensor in tensors]

    @staticmethod
    def _rest(groups, options):
        window = window_of(options)
        pairs = (window.kernel, window.stride, window.padding, window.dilation)
        scale, softmax = options.get("offset_scale", 1.0), options.get("softmax", False)
        return (groups, *pairs, scale, softmax, window.remove_center)
