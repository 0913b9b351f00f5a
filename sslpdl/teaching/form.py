"""What every notebook of the course must have, and what none may have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["CELL_LINES", "CODE_LINES", "code_lines", "numbered", "problems"]

CODE_LINES, CELL_LINES, QUESTIONS = 120, 25, 2
"""Most lines of code in a notebook and in a cell, blank ones and comments not counted; fewest questions."""

_HEAD = ("**Aim.**", "**You need**", "**Time:**")
_HANGUL = re.compile("[가-힣]")
_PATH = re.compile(r"""["'](/|~|[A-Za-z]:\\)""")
_NETWORK = re.compile(r"https?://|pip install|!pip|%pip")
# panel serve reads text as a string of Python: \frac would begin with a form feed, and no formula would be drawn
_ESCAPE = re.compile(r"\\[abfnrtvxuUN0-7]\w*")


def problems(notebook: Any, *, number: int, korean: bool = False) -> list[str]:
    """Return what is wrong with a notebook, one sentence each; empty if nothing is.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        As stored.
    number : int
        Its place in the course.
    korean : bool, default False
        Whether each section must begin with a summary in Korean.
    """
    cells = notebook["cells"]
    text = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    return [*_code(cells), *_parts(cells, text, number), *(_korean(cells) if korean else ())]


def code_lines(source: str) -> int:
    """Return the number of lines of code, without blank lines and comments."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in source.splitlines())


def _code(cells: Sequence[Any]) -> Iterator[str]:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        name = cell.get("id", "?")
        if cell["outputs"] or cell["execution_count"] is not None:
            yield f"cell {name} holds outputs; clear them before you commit."
        if (lines := code_lines(cell["source"])) > CELL_LINES:
            yield f"cell {name} has {lines} lines of code, more than {CELL_LINES}."
        if _PATH.search(cell["source"]):
            yield f"cell {name} holds an absolute path."
        if _NETWORK.search(cell["source"]):
            yield f"cell {name} needs the network."
        if re.search(r"^class ", cell["source"], flags=re.MULTILINE):
            yield f"cell {name} defines a class; it belongs into the package."
        # a definition as long as this belongs into the package
        for body in re.findall(r"^def .*\n((?:[ \t]+.*\n?|\n)*)", cell["source"], flags=re.MULTILINE):
            if code_lines(body) > 10:
                yield f"cell {name} defines a long function; it belongs into the package."
    if (total := sum(code_lines(cell["source"]) for cell in code)) > CODE_LINES:
        yield f"it has {total} lines of code in all, more than {CODE_LINES}."


def _parts(cells: Sequence[Any], text: str, number: int) -> Iterator[str]:
    first = cells[0]["source"] if cells and cells[0]["cell_type"] == "markdown" else ""
    if not re.match(rf"# {number} · \S", first):
        yield f"it does not begin with a title '# {number} · …'."
    for words in _HEAD:
        if words not in first:
            yield f"its first cell does not say {words}"
    sections = [int(part) for part in re.findall(rf"^## {number}\.(\d+) \S", text, flags=re.MULTILINE)]
    if not sections or sections != list(range(1, len(sections) + 1)):
        yield f"its sections are numbered {sections}, not 1, 2, 3, …"
    questions = text.partition("## Check yourself")[2]
    if questions.count("<details><summary>") < QUESTIONS or questions.count("<details>") != questions.count(
        "</details>"
    ):
        yield f"under '## Check yourself' there are not at least {QUESTIONS} questions with folded answers."
    for command in sorted(set(_ESCAPE.findall(text))):
        yield f"its text has {command}, which panel serve takes for a control character."
    if "## Things to try" not in text:
        yield "it has no section '## Things to try'."
    references = text.partition("**References.**")[2].split("\n\n")[0]
    if not re.search(r"arXiv|doi", references) or not re.search(r"section|equation|chapter|table|figure", references):
        yield "it has no '**References.**' that name a paper and a section, an equation, a table or a figure."
    solutions = [cell for cell in cells if "solution" in cell["metadata"].get("tags", ())]
    if not solutions or "**Exercise" not in text:
        yield "it has no '**Exercise**' with a cell tagged solution."


def _korean(cells: Sequence[Any]) -> Iterator[str]:
    for cell in cells:
        if cell["cell_type"] == "markdown":
            for part in re.split(r"^(?=## \d)", cell["source"], flags=re.MULTILINE):
                if re.match(r"## \d", part) and not _HANGUL.search(part.split("\n\n")[1] if "\n\n" in part else ""):
                    yield f"section '{part.splitlines()[0][3:]}' does not begin with a summary in Korean."


def numbered(folder: Path) -> list[Path]:
    """Return the notebooks of the course in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))
