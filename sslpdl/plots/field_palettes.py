"""Palettes of the input fields, the accumulations and the comparisons, in the units that forecasters use.

The ramps run between few colours that stay apart in every colour-vision deficiency: blue to red through pale yellow,
brown to teal, violet to orange, and lightness alone.
"""

from __future__ import annotations

from sslpdl.plots.palettes import CLEAR, Palette

__all__ = ["CHANGE", "DIFFERENCE", "DISAGREEMENT", "FIELD_PALETTES", "RAIN_CLASSES", "rain_classes", "ramp"]

_TEMPERATURE = ("#313695", "#74add1", "#e0f3f8", "#fee090", "#f46d43", "#a50026")
_HUMIDITY = ("#8c510a", "#dfc27d", "#f5f5f5", "#80cdc1", "#01665e")
_HEIGHT = ("#00224e", "#434e6c", "#7d7c78", "#bcae6c", "#fee838")
_WIND = ("#5e3c99", "#b2abd2", "#f7f7f7", "#fdb863", "#b35806")
_DIFFERENCE = ("#8c510a", "#dfc27d", "#f5f5f5", "#92c5de", "#2166ac")


def ramp(anchors: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return `count` colours in even steps along a line through the anchors, both ends included.

    Parameters
    ----------
    anchors : tuple of str
        Colours ``#rrggbb``, at least two.
    count : int
        At least two.

    Examples
    --------
    >>> ramp(("#000000", "#ff0000"), 3)
    ('#000000', '#800000', '#ff0000')
    """
    points = [tuple(bytes.fromhex(colour[1:])) for colour in anchors]
    colours = []
    for k in range(count):
        position = k / (count - 1) * (len(points) - 1)
        first = min(int(position), len(points) - 2)
        share = position - first
        pairs = zip(points[first], points[first + 1], strict=True)
        colours.append("#" + "".join(f"{int(low + (high - low) * share + 0.5):02x}" for low, high in pairs))
    return tuple(colours)


def _steps(name: str, title: str, units: str, edges: tuple[float, ...], anchors: tuple[str, ...]) -> Palette:
    """Return a palette whose outermost classes are coloured too."""
    under, *between, over = ramp(anchors, len(edges) + 1)
    return Palette(name, title, units, edges, tuple(between), over=over, under=under)


def _every(low: int, high: int, step: int) -> tuple[float, ...]:
    return tuple(float(edge) for edge in range(low, high + 1, step))


_WIND_EDGES = (-40.0, -30.0, -20.0, -15.0, -10.0, -5.0, -2.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0)

FIELD_PALETTES: dict[str, Palette] = {
    "slp": _steps("slp", "Sea-level pressure", "hPa", _every(980, 1032, 4), _HEIGHT),
    "gph_100": _steps("gph_100", "Height of 100 hPa", "gpm", _every(16000, 16900, 100), _HEIGHT),
    "gph_500": _steps("gph_500", "Height of 500 hPa", "gpm", _every(5400, 5940, 60), _HEIGHT),
    "gph_850": _steps("gph_850", "Height of 850 hPa", "gpm", _every(1290, 1590, 30), _HEIGHT),
    "t_2m": _steps("t_2m", "Temperature at 2 m", "°C", _every(-16, 36, 4), _TEMPERATURE),
    "t_500": _steps("t_500", "Temperature at 500 hPa", "°C", _every(-40, 4, 4), _TEMPERATURE),
    "t_850": _steps("t_850", "Temperature at 850 hPa", "°C", _every(-20, 28, 4), _TEMPERATURE),
    "rh": _steps("rh", "Relative humidity", "%", _every(10, 90, 10), _HUMIDITY),
    "wind": _steps("wind", "Wind component", "m/s", _WIND_EDGES, _WIND),
}
"""Palettes by channel, or by kind where several channels share one."""

_under, *_between, _over = ramp(_DIFFERENCE, 11)
_neutral = len(_between) // 2

# what hardly differs lets the map show through
DIFFERENCE = Palette(
    "difference",
    "NWP rain less QPE",
    "mm",
    (-30.0, -15.0, -7.0, -3.0, -1.0, 1.0, 3.0, 7.0, 15.0, 30.0),
    tuple(CLEAR if k == _neutral else colour for k, colour in enumerate(_between)),
    over=_over,
    under=_under,
)

CHANGE = Palette(
    "change",
    "Change of the probability from the previous run",
    "1",
    (-0.8, -0.6, -0.4, -0.2, -0.1, 0.1, 0.2, 0.4, 0.6, 0.8),
    DIFFERENCE.colours,
    over=_over,
    under=_under,
)

RAIN_CLASSES: tuple[str, ...] = (CLEAR, "#a6cee3", "#1f78b4", "#fdbf6f", "#e8601c", "#882255", "#332288", "#111111")
"""One colour for each rain class, from that below the first threshold; the last serves all that follow."""


def rain_classes(thresholds: tuple[float, ...]) -> Palette:
    """Return the palette of the rain classes between thresholds [mm]."""
    under, *between, over = (RAIN_CLASSES[min(k, len(RAIN_CLASSES) - 1)] for k in range(len(thresholds) + 1))
    return Palette("classes", "Rain class", "mm", thresholds, tuple(between), over=over, under=under)


# kinds 0, 1, 2, 3: neither of the two, both, the NWP only, the probability only
DISAGREEMENT = Palette(
    "disagreement", "Disagreement of NWP and probability", "", (1.0, 2.0, 3.0), ("#6b7a88", "#e8601c"), over="#1f78b4"
)
