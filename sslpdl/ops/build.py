"""Build of the compiled operator: once for each version of sources, flags and PyTorch, at the first import.

The library is named by a hash of everything that decides what is in it, so that a cached one is used without compiler
or ninja, and an outdated one is never used. It is built in a folder of its own and moved into place whole, under a file
lock that the system gives back when its holder dies: whatever happens in the middle, the cache holds complete libraries
only. PyTorch's own extension builder leaves its lock behind when it is killed, and everyone waits for ever.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from sslpdl.errors import BuildError

__all__ = [
    "TARGET",
    "Plan",
    "as_input",
    "built_with",
    "cache_folders",
    "cached_or_built",
    "compiler",
    "doctor",
    "header_flags",
    "key",
    "library",
    "library_flags",
    "name",
    "ninja",
    "prebuilt_folders",
    "quoted",
    "sources",
    "version",
]

# the oldest PyTorch whose stable interface has what the binding uses: 2.10
TARGET = "-DTORCH_TARGET_VERSION=0x020a000000000000"
_FLAGS = ["-std=c++17", "-O3", "-fPIC", "-Wall", "-Wextra", "-fvisibility=hidden"]
# a NaN must stay a NaN, but nobody looks at errno or at the floating-point exception flags
_FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd"]
_AVX2 = ["-mavx2", "-mfma", "-mf16c"]
_AVX512 = [*_AVX2, "-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"]


def sources() -> Path:
    """Return the folder of the C++ sources: inside the installed package, or in the source tree."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_extensions" / "dcnv3", package.parent / "extensions" / "dcnv3"):
        if (folder / "binding.cpp").is_file():
            return folder
    raise BuildError(f"the sources of the operator are not in {package / '_extensions'}, install sslpdl again")


def name() -> str:
    """Return the file name of the library for these sources, flags, PyTorch and machine."""
    folder = sources()
    return f"dcnv3-{key([*folder.glob('*.cpp'), *folder.glob('*.h')], _units(), _FLAGS, _link_flags())}.so"


def key(files: Iterable[Path], *flags: object) -> str:
    """Return a hash of these sources and flags, of PyTorch and of the machine."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    abi = torch.compiled_with_cxx11_abi()
    digest.update(json.dumps([*flags, torch.__version__, abi, sys.platform, platform.machine()]).encode())
    return digest.hexdigest()[:20]


def cache_folders() -> list[Path]:
    """Return where a library is looked for and built, best first; the last is a temporary folder of this user."""
    folders = []
    if chosen := os.environ.get("SSLPDL_CACHE_DIR"):
        folders.append(Path(chosen).expanduser() / "ops")
    if shared := os.environ.get("XDG_CACHE_HOME"):
        folders.append(Path(shared) / "sslpdl" / "ops")
    with suppress(RuntimeError):  # no home folder
        folders.append(Path.home() / ".cache" / "sslpdl" / "ops")
    folders.append(Path(tempfile.gettempdir()) / f"sslpdl-{os.getuid()}" / "ops")
    return folders


def prebuilt_folders() -> list[Path]:
    """Return where a library may lie that was built elsewhere, for a machine without compiler; never written to."""
    chosen = os.environ.get("SSLPDL_OPS_DIR")
    return [*([Path(chosen).expanduser()] if chosen else []), Path(__file__).parent / "prebuilt"]


def compiler() -> list[str] | None:
    """Return the C++ compiler as a command: CXX from the environment, or the first of c++, g++, clang++."""
    for command in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    return None


def ninja() -> str | None:
    """Return the path of ninja, which need not be on PATH: it lies beside Python in a virtual environment."""
    beside = Path(sys.executable).parent
    return shutil.which("ninja", path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


@dataclass(frozen=True)
class Plan:
    """How a library is built: what to tell the user, the compiler and the flags to record, and the ninja file."""

    purpose: str
    compiler: list[str]
    flags: list[str]
    steps: str


def library() -> Path:
    """Return the compiled library, built now if there is none yet.

    Raises
    ------
    BuildError
        If compiler or ninja are missing, the compilation fails, or no folder can be written to.
    """
    file = name()
    return cached_or_built(file, lambda: _plan(file))


def _plan(file: str) -> Plan:
    if (command := compiler()) is None:
        raise BuildError("no C++ compiler found, install g++ or clang++ or name one in CXX")
    return Plan("for this machine", command, _FLAGS, _ninja_file(file, command))


def cached_or_built(file: str, plan: Callable[[], Plan]) -> Path:
    """Return the library of this name from a cache, or build it as planned; BuildError if that cannot be done."""
    folders = cache_folders()
    for folder in (*prebuilt_folders(), *folders):
        if _usable(folder / file):
            return folder / file
    planned = plan()
    if (runner := ninja()) is None:
        raise BuildError("ninja not found, install it with `pip install ninja`")
    problem = "no folder to build in"
    for folder in folders:
        try:
            return _build_once(folder, file, planned, runner)
        except OSError as error:
            problem = f"{folder}: {error.strerror or error}"
    raise BuildError(f"the operator cannot be built ({problem}), name a writable folder in SSLPDL_CACHE_DIR")


def _build_once(folder: Path, file: str, plan: Plan, runner: str) -> Path:
    """Build in this folder unless another process just did; OSError when the folder will not do."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _private(folder):
        raise PermissionError(errno.EACCES, "the folder belongs to somebody else")
    with _locked(folder) as alone:
        target = folder / file
        if _usable(target):
            return target
        if alone:  # whoever left a working folder behind is dead
            for stale in folder.glob(".build-*"):
                shutil.rmtree(stale, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=".build-", dir=folder))
        try:
            start = time.monotonic()
            _say(f"sslpdl: building the deformable convolution {plan.purpose}, once ... ")
            messages = _compile(work, plan, runner)
            seconds = time.monotonic() - start
            record = {
                "compiler": version(plan.compiler),
                "flags": plan.flags,
                "torch": torch.__version__,
                "seconds": seconds,
                "messages": messages,
            }
            (work / "record.json").write_text(json.dumps(record, indent=1) + "\n")
            (work / "record.json").replace(target.with_suffix(".json"))
            (work / file).replace(target)
            _say(f"done in {seconds:.0f} s\n")
        except BaseException:
            _say("failed\n")
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _compile(work: Path, plan: Plan, runner: str) -> list[str]:
    """Run the plan in this folder and return what the compiler had to say."""
    (work / "build.ninja").write_text(plan.steps)
    result = subprocess.run([runner, "--quiet", "-C", str(work)], capture_output=True, text=True)
    output = result.stdout + result.stderr
    lines = [line.strip() for line in output.splitlines()]
    if result.returncode == 0:
        return lines
    if "No space left on device" in output:
        raise OSError(errno.ENOSPC, "no space left on device")
    cause = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no message")
    raise BuildError(f"{shlex.join(plan.compiler)} cannot compile the operator: {cause}")


def _units() -> dict[str, tuple[str, list[str]]]:
    """Return the object files, the slowest to compile first: their source and flags."""
    sets: dict[str, list[str]] = {"portable": []}
    if platform.machine().lower() in ("x86_64", "amd64"):
        sets = {"avx512": _AVX512, "avx2": _AVX2, "portable": []}
    units = {
        f"{name}-{source}": (f"{source}.cpp", [f"-DDCNV3_SET={name}", *flags])
        for name, flags in sets.items()
        for source in ("kernels_half", "kernels", "layers")
    }
    return units | {"binding": ("binding.cpp", [TARGET])}


def _link_flags() -> list[str]:
    # PyTorch is loaded before this library, which finds it by name: no path of it may be written into the file
    flags = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-Wl,--as-needed"]
    return ["-shared", *flags, "-ltorch_cpu"]


def _ninja_file(file: str, command: list[str]) -> str:
    lines = [f"cxx = {quoted(command)}", "rule compile", "  command = $cxx $flags -c $in -o $out"]
    lines += ["rule link", "  command = $cxx $in $flags -o $out"]
    for unit, (source, flags) in _units().items():
        lines.append(f"build {unit}.o: compile {as_input(sources() / source)}")
        lines.append(f"  flags = {quoted([*_FLAGS, *flags, *(header_flags() if unit == 'binding' else [])])}")
    lines.append(f"build {file}: link {' '.join(f'{unit}.o' for unit in _units())}")
    lines.append(f"  flags = {quoted([*library_flags(), *_link_flags()])}")
    return "\n".join(lines) + "\n"


def header_flags() -> list[str]:
    """Return the flags that find PyTorch's headers."""
    root = Path(torch.__file__).parent
    # the headers put their own path into error messages; a library must not depend on where PyTorch was installed
    return ["-isystem", str(root / "include"), f"-fmacro-prefix-map={root}=torch"]


def library_flags() -> list[str]:
    """Return the flag that finds PyTorch's libraries."""
    return ["-L" + str(Path(torch.__file__).parent / "lib")]


def quoted(words: list[str]) -> str:
    """Return a command line for a ninja file."""
    return shlex.join(words).replace("$", "$$")


def as_input(path: Path) -> str:
    """Return a path for the build line of a ninja file, which the command line quotes by itself."""
    return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; the system frees it when this process ends, however that happens."""
    import fcntl

    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("sslpdl: another process is building the deformable convolution, waiting for it\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: two may build, and the last one to finish wins
            yield False
            return
        yield True


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _usable(file: Path) -> bool:
    try:
        return file.is_file() and _private(file.parent)
    except OSError:
        return False


def _private(folder: Path) -> bool:
    """Whether nobody else can put a library there: code is loaded from this folder."""
    status = folder.stat()
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & stat.S_IWOTH


def version(command: list[str]) -> str:
    """Return the line by which a compiler names itself: the first, or that of nvcc with its release."""
    result = subprocess.run([*command, "--version"], capture_output=True, text=True)
    lines = (result.stdout or shlex.join(command)).splitlines()
    return next((line for line in lines if "release " in line), lines[0])


def doctor() -> str:
    """Return what runs the operator, what it was built from and where, and what is missing."""
    from sslpdl.ops import build_cuda
    from sslpdl.ops.library import ACTIVE
    from sslpdl.ops.linear import route

    linear = "oneDNN" if route() else "PyTorch's own"
    command, runner = compiler(), ninja()
    lines = [f"operator          {ACTIVE.backend}" + (f": {ACTIVE.reason}" if ACTIVE.reason else "")]
    if ACTIVE.path is not None:
        lines += [f"instructions      {ACTIVE.instructions}", f"library           {ACTIVE.path}"]
        lines += built_with(ACTIVE.path)
    lines += [
        f"sources           {sources()}",
        f"compiler          {version(command) if command else 'missing: install g++ or clang++'}",
        f"ninja             {runner or 'missing: pip install ninja'}",
        f"PyTorch           {torch.__version__}, {_threads()}",
        f"linear layers     {linear} ({route().reason})",
        *build_cuda.doctor(ACTIVE.cuda, ACTIVE.cuda_reason),
        f"Python            {platform.python_version()} on {platform.system()} {platform.machine()}",
    ]
    return "\n".join(lines)


def _threads() -> str:
    # the kernel's threads are PyTorch's own
    facts = torch.__config__.parallel_info()
    if not any(f"parallel backend: {kind}" in facts for kind in ("OpenMP", "native thread pool")):
        return "built without threads: everything is serial"
    return f"{torch.get_num_threads()} threads"


def built_with(path: Path) -> list[str]:
    """Return the line that says what built this library, if there is a record of it."""
    with suppress(OSError, ValueError, KeyError):
        record = json.loads(path.with_suffix(".json").read_text())
        return [f"built with        {record['compiler']} in {record['seconds']:.1f} s"]
    return []
