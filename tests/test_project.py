"""The house itself: set-up files that agree, imports that stay light, a repository that stays small."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

# names that differ between the two package worlds
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "eccodes": "python-eccodes"}


def _requirement(text: str) -> tuple[str, str]:
    name = re.match(r"[A-Za-z0-9_.-]+", text)
    assert name, text
    return name[0].lower().replace("_", "-"), text[name.end() :].replace(" ", "")


def test_environment_yml_agrees_with_pyproject(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = dict(_requirement(text) for text in project["dependencies"])
    for extra in ("app", "notebooks"):
        wanted |= dict(_requirement(text) for text in project["optional-dependencies"][extra])
    wanted = {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items()}
    wanted |= {"python": project["requires-python"], "pip": "", "cxx-compiler": ""}

    environment = yaml.safe_load((root / "environment.yml").read_text())
    *packages, by_pip = environment["dependencies"]
    assert dict(_requirement(text) for text in packages) == wanted
    assert by_pip == {"pip": ["-e .[app,notebooks]"]}


def test_constraints_satisfy_pyproject(root: Path) -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    bounds = {r.name.lower(): r.specifier for group in groups for r in map(Requirement, group)}
    for line in (root / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            version = next(iter(pin.specifier)).version
            if pin.name.lower() in bounds:
                assert bounds[pin.name.lower()].contains(version), f"{line} is outside {bounds[pin.name.lower()]}"


def test_help_imports_nothing_heavy() -> None:
    heavy = ("torch", "xarray", "panel", "lightning", "eccodes", "zarr", "numpy")
    code = f"import sys, sslpdl.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("optional", ["panel", "geoviews", "cartopy", "dask", "h5netcdf"])
def test_core_runs_without_the_packages_of_the_app(optional: str) -> None:
    modules = "sslpdl.archive, sslpdl.grid, sslpdl.labels, sslpdl.models, sslpdl.forecast, sslpdl.verify, sslpdl.twin"
    code = f"import sys; sys.modules[{optional!r}] = None; import {modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_repository_stays_small(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    files = [root / name for name in listed.split("\0") if name and (root / name).is_file()]
    sizes = {file: file.stat().st_size for file in files}
    too_large = [file.name for file, size in sizes.items() if size > 20 * 2**20]
    assert not too_large
    assert sum(sizes.values()) < 60 * 2**20


def test_notebooks_are_stored_without_outputs(root: Path) -> None:
    import json

    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    assert len(notebooks) >= 6
    for notebook in notebooks:
        cells = json.loads(notebook.read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code), notebook.name
        lines = sum(len([line for line in cell["source"] if line.strip()]) for cell in code)
        assert lines <= 120, f"{notebook.name} has {lines} lines of code"


@pytest.mark.parametrize("page", ["README.md", "docs/operator.md"])
def test_the_examples_of_a_page_run(root: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    examples = re.findall(r"```python\n(.*?)```", (root / page).read_text(), re.S)
    assert examples
    monkeypatch.chdir(root)
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, page, "exec"), names)


def test_the_settings_of_the_page_on_training_are_known(root: Path, tmp_path: Path) -> None:
    from sslpdl.training import load_config

    (settings,) = re.findall(r"```yaml\n(.*?)```", (root / "docs/training.md").read_text(), re.S)
    (tmp_path / "my.yaml").write_text(settings)
    assert load_config(tmp_path / "my.yaml").pretrain is not None


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_the_commands_of_a_page_exist(root: Path, page: str) -> None:
    from typer.main import get_command

    from sslpdl.cli import app

    text = (root / page).read_text()
    known = get_command(app).commands
    for verb, rest in re.findall(r"(?:^|`|&& )sslpdl ([a-z]+)\b([^`#\n]*)", text, re.M):
        options = {option for parameter in known[verb].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-z-]+", rest)) <= options, f"sslpdl {verb}{rest}"
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make ([a-z-]+)", text)) <= targets
