"""Units of source files and their conversion to the units of the canonical channels."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError

__all__ = ["convert", "factor", "spelled"]

Values = TypeVar("Values", bound=NDArray[np.floating])

STANDARD_GRAVITY = 9.80665
"""m s-2; geopotential divided by it is geopotential height (WMO)."""

# (source, target): value * scale + offset
_CONVERSIONS: dict[tuple[str, str], tuple[float, float]] = {
    ("Pa", "hPa"): (0.01, 0.0),
    ("mb", "hPa"): (1.0, 0.0),
    ("m", "mm"): (1000.0, 0.0),
    ("kg m-2", "mm"): (1.0, 0.0),  # a litre of water on a square metre
    ("m", "gpm"): (1.0, 0.0),
    ("m2 s-2", "gpm"): (1.0 / STANDARD_GRAVITY, 0.0),
    ("degC", "K"): (1.0, 273.15),
    ("1", "%"): (100.0, 0.0),
    ("kt", "m s-1"): (1852.0 / 3600.0, 0.0),
}

_SPELLINGS = {
    "celsius": "degC",
    "c": "degC",
    "deg c": "degC",
    "m/s": "m s-1",
    "kg/m2": "kg m-2",
    "kg/m^2": "kg m-2",
    "m2/s2": "m2 s-2",
    "percent": "%",
    "0-1": "1",
    "(0 - 1)": "1",
    "hpa": "hPa",
    "pa": "Pa",
    "knots": "kt",
}


def spelled(units: str) -> str:
    """Return a unit in this package's spelling: ``"kg m**-2"`` becomes ``"kg m-2"``."""
    plain = " ".join(units.replace("**", "").split())
    return _SPELLINGS.get(plain.lower(), plain)


def factor(source: str, target: str, *, what: str) -> tuple[float, float]:
    """Return (scale, offset) so that ``value * scale + offset`` is in the target unit.

    Parameters
    ----------
    source, target : str
        Units in any usual spelling.
    what : str
        What has the unit, for the message.

    Raises
    ------
    ReaderError
        If the conversion is not known.
    """
    have, want = spelled(source), spelled(target)
    if have == want:
        return 1.0, 0.0
    if (have, want) not in _CONVERSIONS:
        known = ", ".join(sorted({pair[0] for pair in _CONVERSIONS if pair[1] == want} | {want}))
        raise ReaderError(
            f"{what} has the unit {source!r}, which cannot be converted to {want!r}; known units are {known}: "
            "state the right one under 'units' in a profile of your own.",
            kind="units",
        )
    return _CONVERSIONS[have, want]


def convert(values: Values, source: str, target: str, *, what: str) -> Values:
    """Return values (any shape) in the target unit, in the same floating type."""
    scale, offset = factor(source, target, what=what)
    if (scale, offset) == (1.0, 0.0):
        return values
    # in double precision: 100 800 Pa has more digits than a product in single precision keeps
    return (values.astype(np.float64) * scale + offset).astype(values.dtype)  # type: ignore[return-value]
