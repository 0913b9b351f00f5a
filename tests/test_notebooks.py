"""The notebooks: run from beginning to end, stored without outputs, short, and free of this machine's paths."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
CODE_LINES, CELL_LINES = 120, 25

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def _code(path: Path) -> list[str]:
    return [cell.source for cell in _read(path).cells if cell.cell_type == "code"]


def _lines(source: str) -> int:
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in source.splitlines())


def test_the_course_is_complete():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]


def test_the_map_of_the_course_names_every_notebook():
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in text for path in NOTEBOOKS)


@notebooks
def test_stored_without_outputs(path):
    for cell in _read(path).cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, f"clear the outputs of cell {cell.id}"


@notebooks
def test_short(path):
    lengths = [_lines(source) for source in _code(path)]
    assert sum(lengths) < CODE_LINES
    assert max(lengths) < CELL_LINES


@notebooks
def test_valid_with_telling_cell_names(path):
    notebook = _read(path)
    nbformat.validate(notebook)
    assert notebook.nbformat_minor >= 5
    names = [cell.id for cell in notebook.cells]
    assert len(set(names)) == len(names)
    # names given by hand do not change when a cell is edited; random ones are eight hexadecimal digits
    assert not [name for name in names if re.fullmatch(r"[0-9a-f]{8}", name)]


@notebooks
def test_no_absolute_path_and_no_network(path):
    text = "\n".join(_code(path))
    assert not re.search(r"""["'](/|~|[A-Za-z]:\\)""", text)
    assert "http" not in text and "pip install" not in text


@notebooks
def test_begins_with_title_and_aim_and_ends_with_things_to_try(path):
    cells = _read(path).cells
    assert cells[0].cell_type == cells[-1].cell_type == "markdown"
    assert re.match(rf"# {int(path.name[:2])} · ", cells[0].source)
    assert all(word in cells[0].source for word in ("**Aim.**", "**You need**", "**Time:**"))
    assert "## Things to try" in cells[-1].source


@notebooks
def test_calls_synthetic_data_synthetic(path):
    assert any("synthetic" in cell.source.lower() for cell in _read(path).cells[:2])


@notebooks
def test_links_lead_somewhere(path):
    for cell in _read(path).cells:
        for target in re.findall(r"\]\(([^)#]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert (path.parent / target).exists(), target


@notebooks
def test_holds_no_logic(path):
    for source in _code(path):
        assert not re.search(r"^class ", source, flags=re.MULTILINE)
        # a definition as long as this belongs into the package
        for body in re.findall(r"^def .*\n((?:[ \t]+.*\n?|\n)*)", source, flags=re.MULTILINE):
            assert _lines(body) <= 10


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Path:
    """Return a folder laid out as the repository is, where notebooks may write their runs."""
    place = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "notebooks", place / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name in ("configs", "data_samples"):
        (place / name).symlink_to(ROOT / name, target_is_directory=True)
    return place


@pytest.mark.slow
@notebooks
def test_runs(path, workplace, monkeypatch):
    client = pytest.importorskip("nbclient", reason="nbclient runs the notebooks; install the extra notebooks")
    for package in ("geoviews", "hvplot", "ipykernel", "ipywidgets"):
        pytest.importorskip(package, reason=f"the notebooks need {package}; install the extra notebooks")
    if "data_samples/models" in "\n".join(_code(path)) and not (ROOT / "data_samples/models").is_dir():
        pytest.skip("the sample model is not there")
    # a proxy that nobody answers: whatever asks for the network fails
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    notebook = _read(workplace / "notebooks" / path.name)
    where = {"metadata": {"path": str(workplace / "notebooks")}}
    client.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    errors = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr" and "Warning" in output.text
    ]
    assert not errors, errors[0]


@pytest.mark.slow
def test_course_configuration_is_the_one_of_notebooks_3_to_5():
    from sslpdl.training import load_config

    experiment = load_config(ROOT / "configs" / "course.yaml")
    assert experiment.pretrain is not None
    assert experiment.finetune.thresholds == (0.1, 10.0)
    for number in ("03", "04", "05"):
        path = next(path for path in NOTEBOOKS if path.name.startswith(number))
        assert "configs/course.yaml" in "\n".join(_code(path))
