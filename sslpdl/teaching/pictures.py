"""Small pictures from executed notebooks, and formulas as pictures, so that pages need no script for them."""

from __future__ import annotations

import base64
import html
import io
import re
from typing import Any

__all__ = ["formulas", "picture_of"]

PICTURE = "picture"
"""Tag of the cell whose figure stands for the notebook."""

_WIDTH, _COLOURS = 520, 96
_DISPLAYED = re.compile(r"\$\$(.+?)\$\$", flags=re.DOTALL)
_INLINE = re.compile(r"(?<![\\$\w])\$([^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$])")


def picture_of(notebook: Any) -> bytes | None:
    """Return the figure of the cell tagged ``picture`` as a small PNG, or None."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and PICTURE in cell["metadata"].get("tags", ()):
            for output in cell["outputs"]:
                data = output.get("data", {}).get("image/png")
                if data:
                    return _small(base64.b64decode(data))
    return None


def formulas(text: str) -> str:
    """Return Markdown with its formulas as SVG images, the source as their text for those who cannot see them.

    Code between back quotes is left alone.
    """
    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.DOTALL)
    for i in range(0, len(parts), 2):
        parts[i] = _DISPLAYED.sub(lambda match: f'<p class="formula">{_svg(match[1], 15)}</p>', parts[i])
        parts[i] = _INLINE.sub(lambda match: _svg(match[1], 11), parts[i])
    return "".join(parts)


def _small(picture: bytes) -> bytes:
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(_COLOURS, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _svg(source: str, size: float) -> str:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    # matplotlib knows the longer names of these only
    known = re.sub(r"\\([gln]e)(?![a-zA-Z])", r"\\\1q", " ".join(source.split()))
    formula = f"${known}$"
    properties = FontProperties(size=size)
    try:
        width, height, depth, *_ = MathTextParser("path").parse(formula, dpi=72, prop=properties)
    except ValueError:  # what matplotlib cannot set is shown as it was typed
        return f"<code>{html.escape(source)}</code>"
    figure = Figure(figsize=((width + 2) / 72, (height + 2) / 72))
    figure.text(1 / (width + 2), (depth + 1) / (height + 2), formula, fontproperties=properties)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    place = f"width:{(width + 2) / 11:.2f}em;vertical-align:{-(depth + 1) / 11:.2f}em"
    return f'<img class="math" style="{place}" alt="{html.escape(source)}" src="data:image/svg+xml;base64,{data}">'
