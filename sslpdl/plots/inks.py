"""Colours and dashes of what is drawn over maps, on the page and in pictures."""

from __future__ import annotations

__all__ = ["DASHES", "INKS"]

INKS: dict[str, dict[str, str]] = {
    name: {"light": light, "dark": dark}
    for name, light, dark in (
        ("slp", "#3d1d66", "#d9b8ff"),
        ("gph_850", "#7a2f00", "#ffb27d"),
        ("gph_500", "#0a3b8c", "#9cc4ff"),
        ("gph_100", "#00565b", "#7fe3e8"),
        ("wind_10m", "#12212f", "#f2f6fa"),
        ("wind_850", "#8c1230", "#ff9db2"),
        ("wind_500", "#0a3b8c", "#9cc4ff"),
        ("flux_850", "#06572f", "#7fe0a8"),
        ("gauges", "#12212f", "#f2f6fa"),
    )
}
"""Colours of the lines on a light and on a dark map, legible on every class of the palettes."""

DASHES: dict[str, list[float]] = {"gph_500": [9, 4], "gph_100": [9, 3, 2, 3]}
"""Dashes and gaps of lines in pixels of a screen; the others are solid."""
