"""The build of the CUDA kernels, which needs nvcc but no GPU, and how PyTorch sees them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ops_helpers import needs_kernel
from torch._subclasses import FakeTensorMode

from sslpdl.errors import BuildError
from sslpdl.ops import backend, build, build_cuda, library

LOADED = """
import sys, torch, sslpdl.ops
torch.ops.load_library(sys.argv[1])
for operator in ("deform_conv", "deform_conv_backward"):
    print(torch._C._dispatch_has_kernel_for_dispatch_key(f"sslpdl::{operator}", "CUDA"))
"""


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "SSLPDL_CACHE_DIR", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.slow
@needs_kernel
@pytest.mark.skipif(build_cuda.nvcc() is None, reason="nvcc is needed")
def test_compiles_for_two_generations_without_spills_and_loads_without_a_gpu():
    path = build_cuda.library(build_cuda.CHECKED)
    messages = json.loads(path.with_suffix(".json").read_text())["messages"]
    compiled = [match[1] for line in messages if (match := re.search(r"Compiling entry function .* for '(.*)'", line))]
    spills = [line for line in messages if "spill" in line]
    assert compiled.count("sm_80") == compiled.count("sm_90") == len(spills) / 2 > 30
    assert {re.sub(r"^\d+ bytes stack frame, ", "", line) for line in spills} == {
        "0 bytes spill stores, 0 bytes spill loads"
    }
    environment = {**os.environ, "SSLPDL_OPS": "cpu"}
    command = [sys.executable, "-c", LOADED, str(path)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.split() == ["True", "True"]
    assert str(Path(torch.__file__).parent).encode() not in path.read_bytes()


def test_name_follows_sources_and_architectures(tmp_path, monkeypatch):
    source = tmp_path / "dcnv3"
    shutil.copytree(build.sources(), source)
    monkeypatch.setattr(build, "sources", lambda: source)
    names = {build_cuda.name(targets) for targets in (((8, 0),), ((9, 0),), build_cuda.CHECKED)}
    assert len(names) == 3
    cpu, cuda = build.name(), build_cuda.name(build_cuda.CHECKED)
    (source / "cuda" / "forward.cuh").write_text("// changed\n")
    assert build.name() == cpu
    assert build_cuda.name(build_cuda.CHECKED) != cuda
    cuda = build_cuda.name(build_cuda.CHECKED)
    (source / "lanes.h").write_text("// changed\n")
    assert build.name() != cpu
    assert build_cuda.name(build_cuda.CHECKED) == cuda


def test_missing_tools(no_cache, monkeypatch):
    monkeypatch.setattr(build_cuda, "nvcc", lambda: None)
    with pytest.raises(BuildError, match=r"nvcc not found.*CUDA_HOME"):
        build_cuda.library(build_cuda.CHECKED)
    monkeypatch.setattr(build_cuda, "nvcc", lambda: "/bin/false")
    monkeypatch.setattr(build, "compiler", lambda: None)
    with pytest.raises(BuildError, match=r"no C\+\+ compiler"):
        build_cuda.library(build_cuda.CHECKED)


@pytest.mark.skipif(build.compiler() is None or build.ninja() is None, reason="a C++ compiler and ninja are needed")
def test_nvcc_that_fails(no_cache, monkeypatch, tmp_path):
    broken = tmp_path / "nvcc"
    broken.write_text("#!/bin/sh\necho \"nvcc fatal error : Unsupported gpu architecture 'compute_999'\" >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(build, "compiler", lambda: ["true"])
    monkeypatch.setattr(build_cuda, "nvcc", lambda: str(broken))
    with pytest.raises(BuildError, match=r"nvcc cannot compile the operator: .*compute_999"):
        build_cuda.library(((99, 9),))
    assert not list(tmp_path.rglob("*.so"))


def test_nvcc_is_found_in_the_named_toolkit(monkeypatch, tmp_path):
    program = tmp_path / "bin" / "nvcc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDACXX", raising=False)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert build_cuda.nvcc() == str(program)


def test_machine_code_for_each_gpu_and_ptx_for_later_ones():
    text = " ".join(build_cuda._flags(((8, 0), (9, 0))))
    assert "code=sm_80 -gencode arch=compute_90,code=sm_90 -gencode arch=compute_90,code=compute_90" in text


def with_gpus(monkeypatch, count, outcome):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    def load(_):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(library, "_load", load)


def test_without_a_gpu_nothing_is_built(monkeypatch):
    with_gpus(monkeypatch, 0, AssertionError("built"))
    active = library.Active("cpu")
    assert library._with_cuda(active, "") == active


def test_cpu_alone_can_be_asked_for(monkeypatch):
    with_gpus(monkeypatch, 1, AssertionError("built"))
    assert library._with_cuda(library.Active("cpu"), "cpu").backend == "cpu"


def test_with_a_gpu_both_are_used(monkeypatch):
    with_gpus(monkeypatch, 1, Path("cuda.so"))
    active = library._with_cuda(library.Active("cpu", path=Path("cpu.so")), "")
    assert (active.backend, active.path, active.cuda) == ("cuda", Path("cpu.so"), Path("cuda.so"))


def test_gpu_without_nvcc_is_said_once_and_is_an_error_where_asked_for(monkeypatch):
    with_gpus(monkeypatch, 1, BuildError("nvcc not found"))
    with pytest.warns(RuntimeWarning, match="on a GPU .* plain PyTorch.*nvcc not found"):
        active = library._with_cuda(library.Active("cpu"), "")
    assert (active.backend, active.cuda_reason) == ("cpu", "nvcc not found")
    with pytest.raises(BuildError, match="nvcc"):
        library._with_cuda(library.Active("cpu"), "cuda")


def test_doctor_names_what_is_missing(monkeypatch):
    monkeypatch.setattr(build_cuda, "nvcc", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "H100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    lines = "\n".join(build_cuda.doctor(None, "nvcc not found"))
    assert "13.0, H100 (sm_90)" in lines
    assert "missing: install the CUDA toolkit" in lines
    assert "CUDA library      none: nvcc not found" in lines


@needs_kernel
@pytest.mark.skipif(backend() == "cuda", reason="a fake tensor stands for a GPU where there is none")
@pytest.mark.parametrize(
    ("offset", "expected"), [(torch.float16, torch.float16), (torch.float32, torch.float32)], ids=str
)
def test_autocast_keeps_half_precision_and_takes_the_widest_type(offset, expected):
    window = (2, [3, 3], [1, 1], [1, 1], [1, 1], 1.0, True, False)
    with FakeTensorMode():
        tensors = [
            torch.empty(2, 5, 4, size, device="cuda", dtype=dtype)
            for size, dtype in ((32, torch.float16), (36, offset), (18, torch.float16))
        ]
        torch.set_autocast_enabled("cuda", True)
        try:
            result = torch.ops.sslpdl.deform_conv(*tensors, *window)
            gradients = torch.ops.sslpdl.deform_conv_backward(torch.empty_like(result), *tensors, *window, True)
        finally:
            torch.set_autocast_enabled("cuda", False)
    assert [tensor.dtype for tensor in (result, *gradients)] == [expected] * 4
