"""The notebooks: run from beginning to end, stored without outputs, short, and free of this machine's paths."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from sslpdl.teaching.form import problems

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
PICTURES = ROOT / "notebooks" / "pictures"

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def _code(path: Path) -> list[str]:
    return [cell.source for cell in _read(path).cells if cell.cell_type == "code"]


def test_the_course_is_complete():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07", "08"]


def test_the_map_of_the_course_names_every_notebook():
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in text and f"(pictures/{path.stem}.png)" in text for path in NOTEBOOKS)


def test_pictures_are_small():
    sizes = [path.stat().st_size for path in PICTURES.iterdir()]
    assert len(sizes) == len(NOTEBOOKS)
    assert max(sizes) < 100_000
    assert sum(sizes) < 800_000


@notebooks
def test_has_the_form_of_the_course(path):
    number = int(path.name[:2])
    assert problems(_read(path), number=number, korean=number in (1, len(NOTEBOOKS))) == []


def _spoilt(change) -> list[str]:
    """Return what the check says of the first notebook after a change."""
    notebook = _read(NOTEBOOKS[0])
    change(notebook.cells)
    return problems(notebook, number=1, korean=True)


def _text(cells, old: str, new: str) -> None:
    assert any(old in cell.source for cell in cells), old
    for cell in cells:
        cell.source = cell.source.replace(old, new)


def _code_cell(cells):
    return next(cell for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda cells: _code_cell(cells).update(outputs=[{"output_type": "stream"}]), "holds outputs"),
        (lambda cells: _code_cell(cells).update(execution_count=3), "holds outputs"),
        (lambda cells: _code_cell(cells).update(source="x = 1\n" * 26), "has 26 lines of code"),
        (lambda cells: [cell.update(source="x = 1\n" * 20) for cell in cells if cell.cell_type == "code"], "in all"),
        (lambda cells: _code_cell(cells).update(source='open("/data/x.nc")'), "absolute path"),
        (lambda cells: _code_cell(cells).update(source='fetch("https://example.org")'), "needs the network"),
        (lambda cells: _code_cell(cells).update(source="class Model:\n    pass"), "defines a class"),
        (lambda cells: _code_cell(cells).update(source="def f():\n" + "    x = 1\n" * 11), "long function"),
        (lambda cells: _text(cells, "# 1 · ", "# "), "title"),
        (lambda cells: _text(cells, "**Aim.**", ""), "**Aim.**"),
        (lambda cells: _text(cells, "## 1.3 ", "## 1.4 "), "numbered"),
        (lambda cells: _text(cells, "<details>", "<p>"), "folded answers"),
        (lambda cells: _text(cells, "## Things to try", ""), "Things to try"),
        (lambda cells: _text(cells, "**References.**", ""), "References"),
        (lambda cells: _text(cells, "**Exercise.**", ""), "Exercise"),
        (lambda cells: _text(cells, "**Aim.**", "**Aim.** $\\frac{1}{2}$"), "control character"),
        (lambda cells: [cell.update(source=re.sub("[가-힣]", "x", cell.source)) for cell in cells], "Korean"),
    ],
)  # fmt: skip
def test_the_check_says_what_is_wrong(change, said):
    assert any(said in sentence for sentence in _spoilt(change))


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
def test_calls_synthetic_data_synthetic(path):
    assert any("synthetic" in cell.source.lower() for cell in _read(path).cells[:2])


@notebooks
def test_links_lead_somewhere(path):
    for cell in _read(path).cells:
        for target in re.findall(r"\]\(([^)#]+)\)", cell.source if cell.cell_type == "markdown" else ""):
            assert (path.parent / target).exists(), target


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
    # the real files are for those who have them; the course must do without
    monkeypatch.setenv("SSLPDL_REAL_DAY", str(workplace / "absent"))
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
