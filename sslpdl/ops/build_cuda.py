"""Build of the CUDA kernels, a library of its own beside that of the CPU: where PyTorch sees a GPU and nvcc is found.

It is kept, named and built like the other one (`sslpdl.ops.build`); the architectures are part of its flags and so of
its name.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from sslpdl.errors import BuildError
from sslpdl.ops import build

__all__ = ["CHECKED", "architectures", "doctor", "library", "name", "nvcc"]

# architectures to compile for where no GPU says which: A100 and H100
CHECKED = ((8, 0), (9, 0))

_TYPES = {"single": "float", "double": "double", "half": "__half", "bfloat16": "__nv_bfloat16"}
_HOST = ["-fPIC", "-fvisibility=hidden"]
# -v: registers and spills of each kernel go into the record beside the library
_FLAGS = ["-std=c++17", "-O3", "-Xptxas", "-v", *(word for flag in _HOST for word in ("-Xcompiler", flag))]

Capability = tuple[int, int]


def nvcc() -> str | None:
    """Return the path of nvcc: from CUDACXX, CUDA_HOME or CUDA_PATH, on PATH, or where the toolkit is by default."""
    folders = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH")]
    places = [os.environ.get("CUDACXX"), *(f"{folder}/bin/nvcc" for folder in folders if folder)]
    return next((path for place in [*places, "nvcc", "/usr/local/cuda/bin/nvcc"] if (path := _program(place))), None)


def _program(place: str | None) -> str | None:
    return shutil.which(place) if place else None


def architectures() -> tuple[Capability, ...]:
    """Return the compute capabilities of the GPUs of this machine, or those that are checked without one."""
    try:
        found = _capabilities_by_driver()
    except (OSError, AttributeError):
        found = {torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())}
    return tuple(sorted(found)) or CHECKED


def _capabilities_by_driver() -> set[Capability]:
    """Ask the driver's management library, which starts no CUDA: a process that has started CUDA cannot fork."""
    driver = ctypes.CDLL("libnvidia-ml.so.1")
    count, handle = ctypes.c_uint(), ctypes.c_void_p()
    major, minor = ctypes.c_int(), ctypes.c_int()
    found = set()
    if driver.nvmlInit_v2():
        raise OSError("no driver")
    try:
        if driver.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            raise OSError("no GPUs")
        for index in range(count.value):
            if driver.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) or (
                driver.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
            ):
                raise OSError("a GPU does not answer")
            found.add((major.value, minor.value))
    finally:
        driver.nvmlShutdown()
    return found


def name(targets: Sequence[Capability]) -> str:
    """Return the file name of the library for these sources, flags, architectures, PyTorch and machine."""
    folder = build.sources()
    kernels = [path for path in (folder / "cuda").iterdir() if path.suffix in (".cu", ".cuh", ".h", ".cpp")]
    files = [*kernels, *(folder / f"{header}.h" for header in ("arguments", "problem", "storage"))]
    return f"dcnv3-cuda-{build.key(files, _TYPES, _flags(targets), build.TARGET, _link_flags())}.so"


def library(targets: Sequence[Capability] | None = None) -> Path:
    """Return the compiled library for these architectures, by default those of this machine; built if there is none.

    Raises
    ------
    BuildError
        If nvcc, a C++ compiler or ninja are missing, the compilation fails, or no folder can be written to.
    """
    targets = architectures() if targets is None else targets
    file = name(targets)
    return build.cached_or_built(file, lambda: _plan(file, targets))


def _plan(file: str, targets: Sequence[Capability]) -> build.Plan:
    if (cuda := nvcc()) is None:
        raise BuildError("nvcc not found, install the CUDA toolkit or name its folder in CUDA_HOME")
    if (host := build.compiler()) is None:
        raise BuildError("no C++ compiler found, install g++ or clang++ or name one in CXX")
    flags = _flags(targets)
    folder = build.sources() / "cuda"
    binding = ["-std=c++17", "-O2", *_HOST, build.TARGET, *build.header_flags()]
    steps = [f"nvcc = {build.quoted([cuda])}", f"cxx = {build.quoted(host)}"]
    steps += ["rule kernel", "  command = $nvcc $flags -c $in -o $out"]
    steps += ["rule compile", "  command = $cxx $flags -c $in -o $out"]
    steps += ["rule link", "  command = $nvcc -shared $in $flags -o $out"]
    for unit, storage in _TYPES.items():
        steps.append(f"build {unit}.o: kernel {build.as_input(folder / 'kernels.cu')}")
        steps.append(f"  flags = {build.quoted([*flags, f'-DDCNV3_STORAGE={storage}', f'-DDCNV3_SET=cuda_{unit}'])}")
    steps += [f"build errors.o: kernel {build.as_input(folder / 'errors.cu')}", f"  flags = {build.quoted(flags)}"]
    steps += [f"build binding.o: compile {build.as_input(folder / 'binding.cpp')}"]
    steps += [f"  flags = {build.quoted(binding)}"]
    steps += [f"build {file}: link {' '.join(f'{unit}.o' for unit in (*_TYPES, 'errors', 'binding'))}"]
    steps += [f"  flags = {build.quoted([*build.library_flags(), *_link_flags()])}"]
    text = ", ".join(_text(target) for target in targets)
    return build.Plan(f"for GPUs of {text}", [cuda], flags, "\n".join(steps) + "\n")


def _flags(targets: Sequence[Capability]) -> list[str]:
    """Return the flags of nvcc: machine code for each architecture, and PTX of the last one for later ones."""
    numbers = [f"{major}{minor}" for major, minor in targets]
    codes = [f"arch=compute_{number},code=sm_{number}" for number in numbers]
    codes.append(f"arch=compute_{numbers[-1]},code=compute_{numbers[-1]}")
    return [*_FLAGS, *(word for code in codes for word in ("-gencode", code))]


def _link_flags() -> list[str]:
    # no kernel calls one of another file; a device link would write the paths of this machine into the library
    flags = ["--no-device-link", "-cudart", "static", "-ltorch_cpu"]
    # the current stream comes from here; nothing but a weak symbol needs it, so that the linker would leave it out
    return [*flags, "-Xlinker", "--no-as-needed", "-ltorch_cuda"] if torch.version.cuda else flags


def _text(target: Capability) -> str:
    return f"sm_{target[0]}{target[1]}"


def doctor(path: Path | None, reason: str) -> list[str]:
    """Return what there is of CUDA: GPUs, compiler, library and what is missing."""
    if torch.version.cuda is None:
        gpus = "this PyTorch has none, install one for CUDA to use a GPU"
    elif not torch.cuda.is_available():
        gpus = f"{torch.version.cuda}, but no GPU"
    else:
        gpus = f"{torch.version.cuda}, " + ", ".join(
            f"{torch.cuda.get_device_name(index)} ({_text(torch.cuda.get_device_capability(index))})"
            for index in range(torch.cuda.device_count())
        )
    lines = [f"CUDA              {gpus}", f"nvcc              {_compiler_text(torch.cuda.is_available())}"]
    if path is not None:
        lines += [f"CUDA library      {path}", *build.built_with(path)]
    elif reason:
        lines.append(f"CUDA library      none: {reason}")
    return lines


def _compiler_text(wanted: bool) -> str:
    if path := nvcc():
        return f"{path}: {build.version([path])}"
    return "missing: install the CUDA toolkit" if wanted else "not found, and not needed"
