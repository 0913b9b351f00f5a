"""The student edition: the same notebooks without solutions and answers."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

from sslpdl.errors import ConfigError
from sslpdl.teaching.form import numbered

__all__ = ["student_edition", "without_solutions"]

SOLUTION = "solution"
"""Tag of cells that only teachers get."""

_BLANK = "# Your solution:\n"
_ANSWER = re.compile(r"<details><summary>(.*?)</summary>.*?</details>", flags=re.DOTALL)
_NOTE = "*Student edition: solutions and answers are taken out.*"


def without_solutions(notebook: Any) -> Any:
    """Return a copy of a notebook for students.

    Cells tagged ``solution`` become empty cells to fill in, folded answers become an empty line below the question, and
    the first cell says so.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        A notebook of the course.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if SOLUTION in cell["metadata"].get("tags", ()):
            cell["source"] = _BLANK if cell["cell_type"] == "code" else "*Your answer:*"
            cell["metadata"] = {}
        elif cell["cell_type"] == "markdown":
            cell["source"] = _ANSWER.sub(r"**\1**\n\n*Your answer:*\n", cell["source"])
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    head, _, rest = notebook["cells"][0]["source"].partition("\n")
    notebook["cells"][0]["source"] = f"{head}\n\n{_NOTE}\n{rest}"
    return notebook


def student_edition(source: Path, out: Path) -> list[Path]:
    """Write the student edition of all notebooks of a folder, with the map of the course and its pictures.

    Parameters
    ----------
    source, out : Path
        Folder of the notebooks, and the folder to write; beside the first one, so that relative paths hold.

    Returns
    -------
    list of Path
        The notebooks written.

    Raises
    ------
    ConfigError
        If the two folders are one, or the source holds no notebooks.
    """
    import nbformat

    if source.resolve() == out.resolve():
        raise ConfigError(f"the student edition would overwrite the notebooks in {source}; give another folder.")
    paths = numbered(source)
    if not paths:
        raise ConfigError(f"{source} holds no notebooks of the course.")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), out / path.name)
        written.append(out / path.name)
    # the notebooks link to the map of the course, and that shows the pictures
    for path in (source / "README.md", *sorted((source / "pictures").glob("*.png"))):
        if path.is_file():
            target = out / path.relative_to(source)
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
    return written
