"""Measure the twin again: the table of ``twin.md`` and its picture.

Run ``python docs/twin.py``; it takes some 20 seconds of one core.
"""

from __future__ import annotations

import re
from pathlib import Path

from sslpdl.plots import twin_figure
from sslpdl.twin import VERSION, statistics

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Write the table and the picture."""
    measured = statistics()
    twin_figure(measured, title=f"The synthetic twin, version {VERSION}, beside its targets").savefig(
        FOLDER / "images" / "twin.png", dpi=110
    )
    page = FOLDER / "twin.md"
    text = page.read_text(encoding="utf-8")
    table = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->)", re.DOTALL)
    page.write_text(table.sub(rf"\g<1>{measured.markdown()}\n\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main()
