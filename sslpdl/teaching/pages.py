"""HTML of the course: one page for each notebook, and the index."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["BOKEH", "SCRIPTS", "aim_of", "card", "index_page", "page", "title_of"]

SCRIPTS = "scripts"
"""Folder of the plotting scripts, for all pages."""

BOKEH = ("bokeh", "bokeh-widgets", "bokeh-tables")
"""Scripts of Bokeh that the plots need, in order; those of Panel and GeoViews follow."""

_STYLE = """
:root { --ink: #1d2733; --soft: #4f5b67; --line: #d7dde3; --paper: #fff; --ground: #f6f8fa; --accent: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.6 system-ui, "Noto Sans",
  "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif; }
main, nav { max-width: 64rem; margin: 0 auto; padding: 0 1rem; }
nav { display: flex; gap: 1rem; flex-wrap: wrap; padding: .7rem 1rem; font-size: .92rem; }
header { border-bottom: 1px solid var(--line); background: var(--ground); }
footer { border-top: 1px solid var(--line); margin-top: 3rem; }
a { color: var(--accent); }
h1 { line-height: 1.25; } h2 { margin-top: 2.4rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p, li, blockquote, details { max-width: 46rem; }
blockquote { margin: 0 0 1rem; padding: .2rem 1rem; border-left: 3px solid var(--accent); background: var(--ground); }
details { margin: .4rem 0; padding: .3rem .8rem; background: var(--ground); border-radius: 4px; }
summary { cursor: pointer; }
.highlight { background: var(--ground); border: 1px solid var(--line); border-radius: 4px; overflow-x: auto; }
.highlight pre, .jp-OutputArea-output pre { margin: 0; padding: .6rem .8rem; font-size: .85rem; line-height: 1.45; }
pre { overflow-x: auto; } code { font-size: .9em; } p code, li code { overflow-wrap: anywhere; }
.output_wrapper, .jp-OutputArea, .output { overflow-x: auto; margin: .6rem 0 1.2rem; }
.anchor-link, .prompt { display: none; }
img { max-width: 100%; height: auto; } img.math { max-width: none; }
.formula { text-align: center; overflow-x: auto; }
table { border: 0; border-collapse: collapse; font-size: .88rem; margin: .6rem 0; }
td, th { padding: .25rem .6rem; border: 0 solid var(--line); border-bottom-width: 1px; }
td, th { text-align: left; vertical-align: top; }
.dataframe td, .dataframe th { text-align: right; } .dataframe tbody th { white-space: nowrap; }
table:not(.dataframe) { display: block; overflow-x: auto; }
.still-controls { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin-bottom: .5rem; font-size: .9rem; }
.still-controls label { display: flex; gap: .4rem; align-items: center; }
.still-note { color: var(--soft); font-size: .85rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1.2rem; padding: 0; }
.cards li { list-style: none; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; max-width: none; }
.cards img { display: block; width: 100%; height: 11rem; object-fit: contain; background: #fff; padding: .5rem; }
.cards div { padding: .2rem 1rem 1rem; } .cards h2 { border: 0; margin: 0; padding: 0; font-size: 1.05rem; }
.cards p { margin: .4rem 0 0; font-size: .92rem; color: var(--soft); }
@media (max-width: 40rem) { .output img { max-width: max(100%, 34rem); } }
"""


def title_of(notebook: Any) -> str:
    """Return the title of a notebook, as its first line has it."""
    return str(notebook["cells"][0]["source"].splitlines()[0].lstrip("# ").strip())


def aim_of(notebook: Any) -> str:
    """Return the sentence after **Aim.** in the first cell."""
    found = re.search(r"\*\*Aim\.\*\*\s*(.+?)(?:\n\n|$)", notebook["cells"][0]["source"], flags=re.DOTALL)
    return re.sub(r"[*`]", "", " ".join(found[1].split())) if found else ""


def page(notebook: Any, body: str, *, around: tuple[str | None, str | None]) -> str:
    """Return the page of a notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        For the title.
    body : str
        HTML of its cells.
    around : tuple of str or None
        Names of the notebooks before and after.
    """
    # links between notebooks lead to their pages
    body = re.sub(r'href="([0-9]{2}_\w+)\.ipynb"', r'href="\1.html"', body).replace(
        'href="README.md"', 'href="index.html"'
    )
    # MathJax and the like belong to nbconvert's templates, not to this page
    loaded = [f"{SCRIPTS}/{name}.min.js" for name in (*BOKEH, "panel", "geoviews")] if "data-root-id" in body else []
    before, after = around
    links = ['<a href="index.html">The course</a>']
    links += [f'<a rel="prev" href="{before}.html">← before</a>'] if before else []
    links += [f'<a rel="next" href="{after}.html">next →</a>'] if after else []
    return _document(title_of(notebook), f"<main>{body}</main>", nav="".join(links), scripts=loaded)


def card(name: str, notebook: Any, *, picture: bool) -> str:
    """Return the entry of a notebook in the index."""
    image = f'<img src="{name}.png" alt="" loading="lazy">' if picture else ""
    title, aim = html.escape(title_of(notebook)), html.escape(aim_of(notebook))
    return f'<li>{image}<div><h2><a href="{name}.html">{title}</a></h2><p>{aim}</p></div></li>'


def index_page(cards: Sequence[str]) -> str:
    """Return the index from the entries of `card`."""
    text = (
        "<h1>From raw forecast to probability</h1><p>A course in notebooks, executed. All data are synthetic unless a "
        "page says otherwise. Nothing here needs a network; plots can be zoomed, and sliders move between stored "
        f'positions.</p><ul class="cards">{"".join(cards)}</ul>'
    )
    return _document("SSLPDL: from raw forecast to probability", f"<main>{text}</main>", nav="", scripts=[])


def _document(title: str, body: str, *, nav: str, scripts: Sequence[str]) -> str:
    from pygments.formatters import HtmlFormatter

    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    loaded = "".join(f'<script src="{name}"></script>' for name in scripts)
    top = f"<header><nav>{nav}</nav></header>" if nav else ""
    bottom = f"<footer><nav>{nav}</nav></footer>" if nav else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{colours}{_STYLE}</style>{loaded}</head>"
        f"<body>{top}{body}{bottom}</body></html>\n"
    )
