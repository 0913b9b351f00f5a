"""The report as one HTML page that can be mailed: no script, no link to anything outside, pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["facts", "figure", "folded", "lighter", "page", "table"]

_STYLE = """
:root { --ink: #1d2733; --muted: #5b6670; --line: #d9dfe5; --accent: #0b5c9c; --soft: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 15px/1.5 system-ui, "Noto Sans KR", sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .5rem; padding-top: .5rem; border-top: 2px solid var(--line); }
p { max-width: 52rem; margin: .4rem 0 .8rem; }
.lead { color: var(--muted); margin-top: 0; }
.synthetic { background: #fff3cd; border-left: 4px solid #b8860b; padding: .5rem .8rem; max-width: 52rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: .3rem 0 1rem; }
caption { text-align: left; color: var(--muted); padding-bottom: .3rem; }
th, td { padding: .22rem .5rem; text-align: right; white-space: nowrap; vertical-align: top; }
thead th { white-space: normal; vertical-align: bottom; border-bottom: 2px solid var(--ink); font-weight: 600; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody tr.first { border-top: 2px solid var(--line); }
th[scope=row], th.text { text-align: left; }
th[scope=row] { font-weight: 400; }
th.again { color: transparent; }
small { color: var(--muted); display: block; font-size: .92em; }
td.good { background: #e3f2e6; } td.bad { background: #fbe9e7; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; max-width: 60rem; }
dt { color: var(--muted); } dd { margin: 0; }
figure { margin: .6rem 0 1.4rem; } img { max-width: 100%; height: auto; border: 1px solid var(--line); }
details { margin: .6rem 0 1rem; } summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
nav { columns: 3 14rem; margin: .8rem 0 0; font-size: .92rem; } nav a { color: var(--accent); display: block; }
figcaption { color: var(--muted); max-width: 52rem; font-size: .9rem; }
@media print { nav { display: none; } main { max-width: none; padding: 0; } h2, figure, table { break-inside: avoid; } }
"""


def page(title: str, body: Sequence[str]) -> str:
    """Return the whole page; `title` is text, the parts of `body` are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def lighter(png: bytes) -> bytes:
    """Return a diagram with at most 128 colours, which nobody sees and which is a third of the bytes."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        buffer = io.BytesIO()
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return min(png, buffer.getvalue(), key=len)


def figure(png: bytes, *, alt: str, text: str) -> str:
    """Return a figure with the picture inside the page; `alt` says in words what it shows."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(alt, quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
    )


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", groups: Sequence[int] = (), text: int = 1
) -> str:
    """Return a table of ready HTML cells.

    Parameters
    ----------
    head : sequence of str
        Column titles, as text.
    rows : sequence of sequences of str
        Cells as HTML; a cell that begins with ``class:`` and a word and ``|`` gets that class.
    caption : str, optional
        Text above.
    groups : sequence of int, optional
        Rows before which a line is drawn.
    text : int, default 1
        So many first columns are text and stand on the left.
    """
    lines = ['<div class="scroll"><table>', f"<caption>{escape(caption)}</caption>" if caption else "", "<thead><tr>"]
    left = ' class="text"'
    lines += [f'<th scope="col"{left if k < text else ""}>{escape(name)}</th>' for k, name in enumerate(head)]
    lines.append("</tr></thead><tbody>")
    for k, row in enumerate(rows):
        lines.append('<tr class="first">' if k in groups else "<tr>")
        # what the row above says already is there for copying and reading aloud, but not shown
        again = text > 1 and k > 0 and k not in groups and row[0] == rows[k - 1][0]
        lines += [_cell(cell, column < text, again=again and column == 0) for column, cell in enumerate(row)]
        lines.append("</tr>")
    return "".join([*lines, "</tbody></table></div>"])


def _cell(cell: str, text: bool, *, again: bool) -> str:
    if text:
        return f'<th scope="row"{" class=again" if again else ""}>{cell}</th>'
    if cell.startswith("class:"):
        kind, _, cell = cell[len("class:") :].partition("|")
        return f'<td class="{kind}">{cell}</td>'
    return f"<td>{cell}</td>"


def folded(title: str, body: str) -> str:
    """Return HTML that is shown when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def facts(entries: Mapping[str, str]) -> str:
    """Return a list of terms and what they are, both text."""
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in entries.items()) + "</dl>"
