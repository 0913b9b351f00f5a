"""The bundle for a closed network: its script, its sums, and the operator that was built elsewhere."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

SH = shutil.which("dash") or "/bin/sh"


@pytest.fixture
def bundle(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", root / "deploy" / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packed(bundle: ModuleType, root: Path, tmp_path: Path) -> Path:
    """A bundle without wheels."""
    source, work = tmp_path / "source", tmp_path / bundle.bundle_name()
    bundle.copy_tracked(root, source)
    work.mkdir()
    (work / "wheels").mkdir()
    bundle.copy_operator(work / "operator")
    bundle.fill(source, work)
    bundle.write_sums(work)
    return work


def install(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SH, str(folder / "install.sh"), *arguments], env=os.environ | {"PYTHON": sys.executable} | environ,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_script_is_plain_shell(root: Path) -> None:
    done = subprocess.run([SH, "-n", str(root / "deploy" / "install.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_bundle_has_all_and_the_sums_agree(packed: Path) -> None:
    for name in ("install.sh", "bundle.env", "README.md", "LICENSE", "app/main.py", "docs/operation.md",
                 "deploy/nginx.conf", "data_samples/august-2022.zarr/zarr.json",
                 "data_samples/models/sslpdl-small/model.safetensors"):  # fmt: skip
        assert (packed / name).is_file(), name
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=packed, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    listed = {line.split("  ", 1)[1] for line in (packed / "SHA256SUMS").read_text().splitlines()}
    files = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert files - listed == {"SHA256SUMS"}
    assert all(not path.is_symlink() or path.resolve().is_relative_to(packed.resolve()) for path in packed.rglob("*"))


def test_the_archive_tells_nothing_about_who_packed_it(bundle: ModuleType, packed: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    bundle.pack(packed, target)
    with tarfile.open(target) as archive:
        members = archive.getmembers()
    assert {member.name.split("/")[0] for member in members} == {packed.name}
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "root")}


def test_another_machine_python_or_a_damaged_file_is_refused_in_one_sentence(packed: Path, tmp_path: Path) -> None:
    facts = (packed / "bundle.env").read_text()
    for before, after, said in (
        ("MACHINE=", "MACHINE=riscv-", "this bundle is for"),
        ("PYTHON=3.", "PYTHON=2.", "this bundle is for Python 2."),
    ):
        (packed / "bundle.env").write_text(facts.replace(before, after))
        done = install(packed, str(tmp_path / "opt"))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr
    (packed / "bundle.env").write_text(facts)
    assert "there is no python-nowhere" in install(packed, str(tmp_path / "opt"), PYTHON="python-nowhere").stderr
    with (packed / "README.md").open("a") as file:
        file.write("x")
    done = install(packed, str(tmp_path / "opt"))
    assert done.returncode == 2
    assert "README.md: FAILED" in done.stderr
    assert "copy the bundle again" in done.stderr
    assert not (tmp_path / "opt").exists(), "nothing is left behind"


def test_an_installation_that_fails_leaves_nothing_half_done(packed: Path, tmp_path: Path) -> None:
    done = install(packed, str(tmp_path / "opt"))  # there are no wheels
    assert done.returncode != 0
    assert list((tmp_path / "opt" / "releases").iterdir()) == []
    assert not (tmp_path / "opt" / "current").exists()


def test_the_operator_of_a_bundle_is_found_without_compiler_and_ninja(packed: Path, tmp_path: Path, root: Path) -> None:
    code = "from sslpdl.ops.library import ACTIVE; print(ACTIVE.backend, ACTIVE.path)"
    nothing = {"PATH": "", "CXX": "", "HOME": str(tmp_path), "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    for chosen, wanted in ((str(packed / "operator"), "cpu"), (str(tmp_path), "reference")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=nothing | {"SSLPDL_OPS_DIR": chosen}, capture_output=True, text=True
        )
        assert done.stdout.split()[0] == wanted, done.stderr
        assert (str(packed / "operator") in done.stdout) == (wanted == "cpu")
