"""The build of the operator: one complete library or none, whatever dies, is missing or runs at the same time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from sslpdl.errors import BuildError
from sslpdl.ops import backend, build, library

pytestmark = pytest.mark.skipif(
    build.compiler() is None or build.ninja() is None, reason="a C++ compiler and ninja are needed"
)


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """Sources that compile in no time, a cache of their own, and a compiler that notes each link."""
    source = tmp_path / "sources"
    source.mkdir()
    (source / "binding.cpp").write_text('extern "C" int answer() { return 42; }\n')
    for name in ("kernels.cpp", "kernels_half.cpp", "layers.cpp"):
        (source / name).write_text("\n")
    monkeypatch.setattr(build, "sources", lambda: source)
    for variable in ("XDG_CACHE_HOME", "SSLPDL_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    use_compiler(tmp_path, monkeypatch, 'exec c++ "$@"')
    return tmp_path


def use_compiler(folder, monkeypatch, last_line):
    wrapper = folder / "cxx"
    wrapper.write_text(f'#!/bin/sh\ncase "$*" in *-shared*) echo link >>"{folder}/links";; esac\n{last_line}\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", str(wrapper))


def links(folder):
    return len((folder / "links").read_text().split()) if (folder / "links").exists() else 0


def test_builds_once_and_then_needs_no_tools(workshop, monkeypatch, capfd):
    path = build.library()
    assert path.parent == workshop / "home" / ".cache" / "sslpdl" / "ops"
    assert "building the deformable convolution" in capfd.readouterr().err
    assert sorted(file.suffix for file in path.parent.iterdir()) == ["", ".json", ".so"]
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX")
    assert build.compiler() is None
    assert build.library() == path
    assert links(workshop) == 1
    assert capfd.readouterr().err == ""


def test_name_follows_sources_and_pytorch_but_not_the_compiler(workshop, monkeypatch):
    name = build.name()
    monkeypatch.setenv("CXX", "another")
    assert build.name() == name
    monkeypatch.setattr(torch, "__version__", "9.9")
    other = build.name()
    assert other != name
    (build.sources() / "kernels.cpp").write_text("// changed\n")
    assert build.name() not in (name, other)


def test_cache_folder_can_be_chosen(workshop, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(workshop / "xdg"))
    assert build.library().parent == workshop / "xdg" / "sslpdl" / "ops"
    monkeypatch.setenv("SSLPDL_CACHE_DIR", str(workshop / "chosen"))
    # found where it was built; a new one goes to the chosen folder
    assert build.library().parent == workshop / "xdg" / "sslpdl" / "ops"
    shutil.rmtree(workshop / "xdg")
    assert build.library().parent == workshop / "chosen" / "ops"


@pytest.mark.parametrize("obstacle", ["a file where the folder should be", "no permission"])
def test_home_that_cannot_be_written_to(workshop, monkeypatch, obstacle):
    home = workshop / "home"
    if obstacle == "no permission":
        if os.getuid() == 0:
            monkeypatch.setattr(build.tempfile, "mkdtemp", refuse_below(home, build.tempfile.mkdtemp))
        home.mkdir(mode=0o555)
    else:
        home.write_text("")
    path = build.library()
    assert path.is_relative_to(workshop / "temporary")
    assert path.parent.parent.name == f"sslpdl-{os.getuid()}"
    assert build.library() == path
    assert links(workshop) == 1


def refuse_below(folder, make):
    """Root may write anywhere: stand in for a read-only home."""

    def mkdtemp(prefix, dir):
        if Path(dir).is_relative_to(folder):
            raise PermissionError(30, "Read-only file system")
        return make(prefix=prefix, dir=dir)

    return mkdtemp


def test_folder_that_others_can_write_to_is_not_trusted(workshop):
    path = build.library()
    path.parent.chmod(0o777)
    assert build.library().is_relative_to(workshop / "temporary")


def test_no_space_left(workshop, monkeypatch, capfd):
    use_compiler(workshop, monkeypatch, 'echo "fatal error: $2: No space left on device" >&2; exit 1')
    with pytest.raises(BuildError, match=r"no space left on device.*SSLPDL_CACHE_DIR"):
        build.library()
    assert not list(workshop.rglob("*.so"))
    assert not list(workshop.rglob(".build-*"))
    use_compiler(workshop, monkeypatch, 'exec c++ "$@"')
    assert build.library().is_file()


def test_compiler_that_fails(workshop):
    (build.sources() / "kernels.cpp").write_text("not C++\n")
    with pytest.raises(BuildError, match=r"cannot compile the operator: .*error"):
        build.library()
    assert not list(workshop.rglob(".build-*"))


def test_missing_compiler_and_missing_ninja(workshop, monkeypatch):
    monkeypatch.setattr(build, "ninja", lambda: None)
    with pytest.raises(BuildError, match="pip install ninja"):
        build.library()
    monkeypatch.setattr(build, "compiler", lambda: None)
    with pytest.raises(BuildError, match=r"no C\+\+ compiler found"):
        build.library()


def test_ninja_is_found_beside_python(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    beside = Path(sys.executable).parent / "ninja"
    assert build.ninja() == (str(beside) if beside.exists() else None)


def test_eight_processes_build_once(workshop, monkeypatch):
    use_compiler(workshop, monkeypatch, 'sleep 0.1; exec c++ "$@"')
    context = get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a process with threads forks
        processes = [context.Process(target=build.library) for _ in range(8)]
        for process in processes:
            process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 8
    assert links(workshop) == 1
    assert not list(workshop.rglob(".build-*"))


def test_killed_builder_stops_nobody(workshop, monkeypatch):
    use_compiler(workshop, monkeypatch, "sleep 60")
    builder = os.fork()
    if builder == 0:
        os.setsid()
        build.library()
        os._exit(0)
    deadline = time.monotonic() + 30
    while not list(workshop.rglob("build.ninja")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(builder, signal.SIGKILL)
    os.waitpid(builder, 0)
    assert list(workshop.rglob(".build-*"))
    use_compiler(workshop, monkeypatch, 'exec c++ "$@"')
    assert build.library().is_file()
    assert not list(workshop.rglob(".build-*"))


@pytest.mark.skipif(backend() == "reference", reason="the compiled operator is not at hand")
def test_library_knows_no_path_of_pytorch():
    # so that the cached library serves a moved or renewed virtual environment
    assert str(Path(torch.__file__).parent).encode() not in library.ACTIVE.path.read_bytes()


def start(code, **environment):
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    return result.returncode, result.stdout.strip(), result.stderr


REPORT = "import sslpdl.ops, sslpdl.ops.build; print(sslpdl.ops.backend()); print(sslpdl.ops.build.doctor())"


@pytest.mark.slow
def test_nothing_to_build_with(tmp_path):
    places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "SSLPDL_CACHE_DIR", "TMPDIR"), str(tmp_path))
    code, output, errors = start(REPORT, **places, PATH="/nowhere", CXX="", SSLPDL_OPS="")
    assert (code, output.split()[0]) == (0, "reference")
    assert errors.count("RuntimeWarning") == 1
    assert "no C++ compiler found" in errors
    assert "missing: install g++ or clang++" in output


@pytest.mark.parametrize(("wanted", "message"), [("cpu", "no compiler"), ("cuda", "CUDA"), ("gpu", "'gpu'")])
def test_backend_that_cannot_be_had(monkeypatch, wanted, message):
    def fail(_):
        raise BuildError("no compiler")

    monkeypatch.setattr(library, "_load", fail)
    monkeypatch.setenv("SSLPDL_OPS", wanted)
    with pytest.raises(BuildError, match=message):
        library._activate()


def test_library_that_cannot_be_loaded_is_removed(monkeypatch, tmp_path):
    damaged = tmp_path / "dcnv3.so"
    damaged.write_bytes(b"half a library")
    monkeypatch.setattr(build, "library", lambda: damaged)
    monkeypatch.setenv("SSLPDL_OPS", "cpu")
    with pytest.raises(BuildError, match="start again to rebuild it"):
        library._activate()
    assert not damaged.exists()


def test_reference_can_be_asked_for(monkeypatch):
    monkeypatch.setattr(library, "_load", None)
    monkeypatch.setenv("SSLPDL_OPS", "reference")
    assert library._activate().backend == "reference"


@pytest.mark.slow
@pytest.mark.skipif(backend() == "reference", reason="the compiled operator is not at hand")
def test_wheel_carries_the_sources(root, tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    tree = tmp_path / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "dashboard", "natural_earth")
    shutil.copytree(root / "sslpdl", tree / "sslpdl", symlinks=True, ignore=ignore)
    shutil.copytree(root / "extensions", tree / "extensions")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree)
    pip = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path)]
    subprocess.run(pip, cwd=tree, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{REPORT}\nprint(sslpdl.ops.build.name())"
    status, output, errors = start(code, SSLPDL_OPS="cpu", PYTHONSAFEPATH="1")
    assert status == 0, errors
    assert f"sources           {tmp_path / 'site' / 'sslpdl' / '_extensions' / 'dcnv3'}" in output
    assert output.split()[-1] == build.name()  # the same library as that of this source tree
    carried = {path.name for path in (tmp_path / "site" / "sslpdl" / "_extensions" / "dcnv3" / "cuda").iterdir()}
    assert carried == {path.name for path in (build.sources() / "cuda").iterdir()}
