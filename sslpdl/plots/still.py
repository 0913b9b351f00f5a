"""Pictures for pages that no kernel stands behind: exported notebooks keep their sliders, with the states stored.

`sslpdl.teaching` sets the variable ``SSLPDL_EXPORT`` when it runs notebooks for an HTML page.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

__all__ = ["EXPORT", "embedded", "exporting", "player", "serving", "thinned", "without_foreign_fonts"]

EXPORT = "SSLPDL_EXPORT"
"""Environment variable that says that outputs must do without a kernel."""

_STATES = 9

_PLAYER = """<div class="still" id="still-{key}"><img alt="{alt}" src="data:image/png;base64,{first}">
<p class="still-note">{note}</p></div>
<script>(() => {{
  const place = document.getElementById("still-{key}"), picture = place.querySelector("img");
  const rows = {rows}, first = picture.src, box = document.createElement("div");
  box.className = "still-controls";
  const all = [];
  for (const [r, row] of rows.entries()) {{
    const label = document.createElement("label"), input = document.createElement("input");
    const value = document.createElement("output");
    Object.assign(input, {{type: "range", min: 0, max: row.texts.length - 1, step: 1, value: row.start}});
    value.textContent = row.texts[row.start];
    label.append(row.label + " ", input, " ", value);
    all.push([input, value, row]);
    input.addEventListener("input", () => {{
      all.forEach(([other, text, about], o) => {{
        if (o !== r) {{ other.value = about.start; text.textContent = about.texts[about.start]; }}
      }});
      value.textContent = row.texts[input.value];
      const stored = row.pictures[input.value];
      picture.src = stored ? "data:image/png;base64," + stored : first;
    }});
    box.append(label);
  }}
  place.prepend(box);
}})();</script>"""


def exporting() -> bool:
    """Whether the notebook is run for an HTML page, see `EXPORT`."""
    return os.environ.get(EXPORT, "") not in ("", "0")


def serving() -> bool:
    """Whether the notebook is run by ``panel serve``, one visitor at a time."""
    if "bokeh" not in sys.modules:
        return False
    from bokeh.io import curdoc

    return curdoc().session_context is not None


def without_foreign_fonts() -> None:
    """Keep the page that ``panel serve`` makes of a notebook from asking a foreign host for its font."""
    from panel.template import EditableTemplate

    EditableTemplate._resources["css"].pop("lato", None)


def thinned(values: Sequence[Any], start: Any, *, count: int = _STATES) -> list[Any]:
    """Return at most so many of the values of a slider, evenly spread, with the ends and `start` among them.

    Parameters
    ----------
    values : sequence
        All positions, in order.
    start : any
        The position shown first, one of the values.
    count : int
        How many to keep.

    Examples
    --------
    >>> thinned([1, 2, 3, 4, 5, 6, 7], 2, count=4)
    [1, 2, 5, 7]
    """
    values = list(values)
    if len(values) <= count:
        return values
    places = {round(float(place)) for place in np.linspace(0, len(values) - 1, count)}
    wanted = values.index(start)
    if wanted not in places:
        inner = sorted(places - {0, len(values) - 1}) or [0]
        places.discard(min(inner, key=lambda place: abs(place - wanted)))
        places.add(wanted)
    return [values[place] for place in sorted(places)]


def embedded(pane: Any, states: Mapping[Any, Sequence[Any]] | None = None) -> Any:
    """Return a Panel pane as HTML that needs Bokeh's and Panel's scripts on the page, but no kernel.

    Parameters
    ----------
    pane : panel.viewable.Viewable
        What to show; its sliders keep answering.
    states : mapping of widget to sequence, optional
        The positions of each slider that are stored.

    Returns
    -------
    IPython.display.HTML
    """
    from bokeh.document import Document
    from bokeh.embed import components
    from IPython.display import HTML
    from panel import config
    from panel.io.embed import embed_state
    from pyviz_comms import Comm

    document = Document()
    with config.set(embed=True):
        model = pane.get_root(document, Comm())
        embed_state(pane, model, document, max_states=1000, max_opts=_STATES, progress=False, states=states or {})
    script, places = components(document.roots, wrap_script=True)
    return HTML("\n".join(places) + script)


def player(pictures: Mapping[str, Sequence[tuple[str, bytes]]], *, starts: Mapping[str, int], alt: str) -> Any:
    """Return pictures behind sliders as HTML: moving one slider puts the others back to their start.

    Parameters
    ----------
    pictures : mapping of label to sequence of (text, png)
        The positions of each slider; the picture at its start is the same for all.
    starts : mapping of label to int
        Which position each slider starts from.
    alt : str
        What the picture shows, for those who cannot see it.

    Returns
    -------
    IPython.display.HTML
    """
    from IPython.display import HTML

    def text(picture: bytes) -> str:
        return base64.b64encode(picture).decode("ascii")

    first = text(next(iter(pictures.values()))[starts[next(iter(pictures))]][1])
    rows = [
        {
            "label": label,
            "start": starts[label],
            "texts": [name for name, _ in positions],
            # the first picture stands in the page already
            "pictures": ["" if i == starts[label] else text(picture) for i, (_, picture) in enumerate(positions)],
        }
        for label, positions in pictures.items()
    ]
    note = "Stored positions: moving one control puts the others back. In JupyterLab all of them move freely."
    data = json.dumps(rows).replace("</", "<\\/")
    return HTML(_PLAYER.format(key=uuid4().hex[:8], alt=alt, first=first, note=note, rows=data))
