"""Pack everything that the page needs into one archive, for a network without registries and machines without compiler.

`make bundle` runs it.  The archive holds the wheels of the package and of all that it needs, in the versions installed
here, the operator built here, the sample case and model, the documents, and `install.sh`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("app", "configs", "data_samples", "deploy", "docs")
FILES = ("LICENSE", "README.md", "CITATION.cff")
_SPACE_GIB = 4


def main() -> None:
    """Write ``dist/sslpdl-bundle-VERSION-PLATFORM.tar``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pip-args", default="", help="Handed to pip, as PIP_ARGS of make.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="Folder to write to.")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(options.out).free < _SPACE_GIB * 2**30:
        sys.exit(f"bundle: {options.out} has less than {_SPACE_GIB} GiB free; make room or name another --out.")
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=options.out) as folder:
        work = Path(folder) / bundle_name()
        work.mkdir()
        source = Path(folder) / "source"
        copy_tracked(ROOT, source)
        print("Collecting wheels ...", flush=True)
        collect_wheels(source, work / "wheels", shlex.split(options.pip_args))
        copy_operator(work / "operator")
        fill(source, work)
        write_sums(work)
        check_wheels(work)
        target = options.out / f"{work.name}.tar"
        print("Packing ...", flush=True)
        pack(work, Path(folder) / target.name)
        (Path(folder) / target.name).replace(target)
    print(f"Wrote {target} ({target.stat().st_size / 2**20:.0f} MiB).")


def bundle_name() -> str:
    """Return a name that says for which Python and machine the archive is."""
    version = importlib.metadata.version("sslpdl")
    return f"sslpdl-bundle-{version}-{platform.system().lower()}-{platform.machine()}-{python_tag()}"


def python_tag() -> str:
    """Return Python's version as in names of wheels: cp311."""
    return f"cp{sys.version_info.major}{sys.version_info.minor}"


def copy_tracked(root: Path, target: Path) -> None:
    """Copy the files that belong to the repository, links as links."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        file = root / name
        if file.is_symlink() or file.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target / name, follow_symlinks=False)


def collect_wheels(source: Path, target: Path, pip_args: list[str]) -> None:
    """Fetch or build the wheels of the package and of all that it needs, in the versions installed here."""
    pins = target.parent / "versions.txt"
    installed = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    lines = [f"{name}=={version}" for name, version in sorted(installed.items()) if name != "sslpdl"]
    pins.write_text("\n".join(lines) + "\n", encoding="utf-8")
    pip("wheel", *pip_args, "--wheel-dir", str(target), "-c", str(pins), f"{source}[app]")


def pip(*arguments: str) -> None:
    """Run pip, quietly; its own words tell what went wrong."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        sys.exit("bundle: pip could not do its part; its message is above (PIP_ARGS names another index).")


def copy_operator(target: Path) -> None:
    """Copy the operator built for this PyTorch; its name is found again wherever the same PyTorch is installed."""
    from sslpdl.ops import build

    library = build.library()
    target.mkdir()
    for file in (library, library.with_suffix(".json")):
        shutil.copy2(file, target / file.name)


def fill(source: Path, work: Path) -> None:
    """Copy the sample case and model, documents and scripts, and say for which machine the bundle is."""
    for name in FOLDERS:
        shutil.copytree(source / name, work / name, symlinks=True)
    for name in FILES:
        shutil.copy2(source / name, work / name)
    shutil.copy2(source / "deploy" / "install.sh", work / "install.sh")
    facts = {
        "VERSION": importlib.metadata.version("sslpdl"),
        "SYSTEM": platform.system(),
        "MACHINE": platform.machine(),
        "PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    (work / "bundle.env").write_text("".join(f"{key}={value}\n" for key, value in facts.items()), encoding="ascii")
    torch = importlib.metadata.version("torch")
    (work / "bundle.json").write_text(json.dumps(facts | {"TORCH": torch}, indent=1) + "\n", encoding="ascii")


def write_sums(work: Path) -> None:
    """Write the SHA-256 of every file, as `sha256sum -c` reads them."""
    files = sorted(path for path in work.rglob("*") if path.is_file() and not path.is_symlink())
    lines = [f"{_sha256(path)}  {path.relative_to(work).as_posix()}" for path in files if path.name != "SHA256SUMS"]
    (work / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_wheels(work: Path) -> None:
    """Let pip resolve the package from the wheels alone."""
    pip("install", "--dry-run", "--ignore-installed", "--no-index", f"--find-links={work / 'wheels'}", "sslpdl[app]")


def pack(work: Path, target: Path) -> None:
    """Write the archive, without the names of whoever made it; wheels are compressed already."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return entry

    with tarfile.open(target, "w") as archive:
        archive.add(work, work.name, filter=anonymous)


if __name__ == "__main__":
    main()
