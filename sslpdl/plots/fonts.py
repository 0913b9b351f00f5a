"""Fonts: Hangul where the machine has it, and never boxes in place of letters."""

from __future__ import annotations

import re
from functools import lru_cache

from matplotlib import font_manager

__all__ = ["families", "hangul_font", "printable"]

# matplotlib brings it along
_LATIN = "DejaVu Sans"
_KNOWN = re.compile(
    r"(noto|source han) sans( mono)?( cjk)? ?kr?|nanum|malgun|apple ?sd ?gothic|applegothic|pretendard|gulim|dotum"
    r"|batang|baekmuk|spoqa|d2coding|kopub|ibm plex sans kr|arial unicode",
    re.IGNORECASE,
)
# serifs, handwriting, and letters for programs
_ORNATE = re.compile(r"serif|myeong|batang|gungsuh|pen|brush|mono|coding", re.IGNORECASE)


@lru_cache(maxsize=1)
def hangul_font() -> str | None:
    """Return the name of an installed font with Hangul, or None."""
    candidates = [font for font in font_manager.fontManager.ttflist if _KNOWN.search(font.name)]
    # a regular sans serif first, and among these one with a bold weight for titles
    bold = {font.name for font in candidates if str(font.weight) in ("700", "bold")}
    candidates.sort(
        key=lambda font: (
            str(font.weight) not in ("400", "normal", "regular"),
            bool(_ORNATE.search(font.name)),
            font.name not in bold,
        )
    )
    for font in candidates:
        try:
            if {ord("가"), ord("힣")} <= _characters(font.fname):
                return str(font.name)
        except (OSError, RuntimeError):
            continue  # the file is gone or no font
    return None


def families() -> list[str]:
    """Return the fonts to write with, the first that has a letter is taken."""
    found = hangul_font()
    return [_LATIN] if found is None else [_LATIN, found]


def printable(text: str) -> str:
    """Return a text without the characters for which there is no font.

    Examples
    --------
    >>> printable("P(rain ≥ 1 mm)")
    'P(rain ≥ 1 mm)'
    """
    known: set[int] = set()
    for family in families():
        known |= _characters(font_manager.findfont(family))
    return " ".join("".join(letter if ord(letter) in known else " " for letter in text).split())


@lru_cache(maxsize=8)
def _characters(path: str) -> frozenset[int]:
    return frozenset(font_manager.get_font(path).get_charmap())
