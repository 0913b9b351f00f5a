"""The course as a web site: every notebook executed, one page each, the plotting scripts stored once for all pages."""

from __future__ import annotations

import copy
import html
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslpdl.errors import ConfigError, SslpdlError
from sslpdl.plots.still import EXPORT
from sslpdl.progress import bar
from sslpdl.teaching.form import numbered
from sslpdl.teaching.pages import BOKEH, SCRIPTS, card, index_page, page, title_of
from sslpdl.teaching.pictures import formulas, picture_of

__all__ = ["build_site", "executed", "references"]

_CDN = re.compile(r"https://cdn\.holoviz\.org/panel/[^/\"']+/dist/([A-Za-z0-9_./-]+)")
_DROPPED = ("application/vnd.holoviews_load", "application/javascript", "application/vnd.bokehjs_load")
_LIVE = ("application/vnd.jupyter.widget-view+json", "application/vnd.holoviews_exec", "application/vnd.bokehjs_exec")


def build_site(source: Path, out: Path, *, pictures: Path | None = None, progress: bool = True) -> Path:
    """Execute all notebooks of a folder and write them as a site that needs no network.

    Parameters
    ----------
    source, out : Path
        Folder of the notebooks, and folder of the site; it is made anew.
    pictures : Path, optional
        Folder for one small picture of each notebook, for the map of the course.
    progress : bool
        Whether a progress bar is shown.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    SslpdlError
        If a notebook fails, or there is none.
    """
    paths = numbered(source)
    if not paths:
        raise ConfigError(f"{source} holds no notebooks of the course.")
    work = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(work, ignore_errors=True)
    (work / SCRIPTS).mkdir(parents=True)
    names = [path.stem for path in paths]
    cards = []
    with bar("Notebooks", total=len(paths), unit="notebooks", shown=progress) as advance:
        for i, path in enumerate(paths):
            notebook = executed(path)
            picture = picture_of(notebook)
            if picture is not None:
                (work / f"{path.stem}.png").write_bytes(picture)
                if pictures is not None:
                    pictures.mkdir(exist_ok=True)
                    (pictures / f"{path.stem}.png").write_bytes(picture)
            around = (names[i - 1] if i else None, names[i + 1] if i + 1 < len(names) else None)
            body = _local(_body(notebook), work)
            (work / f"{path.stem}.html").write_text(page(notebook, body, around=around), encoding="utf-8")
            cards.append(card(path.stem, notebook, picture=picture is not None))
            advance(1)
    _copy_scripts(work / SCRIPTS)
    (work / "index.html").write_text(index_page(cards), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    work.rename(out)
    return out / "index.html"


def executed(path: Path, *, timeout: int = 600) -> Any:
    """Return a notebook with the outputs that an HTML page can show without a kernel.

    Raises
    ------
    SslpdlError
        If a cell fails; the sentence names the notebook and the error.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=where)
    # printed lines come in any number of messages: one block of them in the page
    client.coalesce_streams = True
    try:
        with _exporting():
            client.execute()
    except CellExecutionError as error:
        # the text of the error holds the whole traceback, coloured
        raise SslpdlError(f"{path.name} fails: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise SslpdlError(f"{path.name} fails: a cell took more than {timeout} s.") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _shown(output)]
    return notebook


@contextmanager
def _exporting() -> Iterator[None]:
    before = os.environ.get(EXPORT)
    os.environ[EXPORT] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[EXPORT]
        else:
            os.environ[EXPORT] = before


def _shown(output: Any) -> bool:
    """Take out what only a kernel could bring to life, and say whether anything is left."""
    if output.output_type == "stream":
        # progress bars write to standard error
        return bool(output.name == "stdout" and output.text.strip())
    data = output.get("data", {})
    lost = [kind for kind in data if kind.startswith((*_DROPPED, *_LIVE))]
    for kind in lost:
        del data[kind]
    # the text of a widget is its name in Python
    return any(kind != "text/plain" for kind in data) or bool(not lost and data.get("text/plain", "").strip())


def _body(notebook: Any) -> str:
    from nbconvert import HTMLExporter

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas(cell.source)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(notebook)
    return str(body).replace("No description has been provided for this image", f"Figure: {title_of(notebook)}")


def _local(body: str, folder: Path) -> str:
    """Let everything that Panel would fetch from its content network come from the folder of scripts, and copy it."""
    import panel

    dist = Path(panel.__file__).parent / "dist"

    def replace(match: re.Match[str]) -> str:
        source, target = dist / match[1], folder / SCRIPTS / "panel" / match[1]
        if not source.is_file():
            return match[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return f"{SCRIPTS}/panel/{match[1]}"

    return _CDN.sub(replace, body)


def _copy_scripts(folder: Path) -> None:
    import bokeh
    import geoviews
    import panel

    static = Path(bokeh.__file__).parent / "server" / "static" / "js"
    for name in BOKEH:
        shutil.copyfile(static / f"{name}.min.js", folder / f"{name}.min.js")
    for package in (panel, geoviews):
        name = f"{package.__name__}.min.js"
        shutil.copyfile(Path(str(package.__file__)).parent / "dist" / name, folder / name)


def references(text: str) -> list[str]:
    """Return what a page would load from elsewhere: sources of scripts, styles, images and frames with a host."""
    found = re.findall(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"' >]+)", text)
    found += re.findall(r"<link\b[^>]*?\bhref=[\"']?((?:https?:)?//[^\"' >]+)", text)
    return [html.unescape(one) for one in found]
