"""The sixteen input variables of SSLPDL, in the published order, with units and storage precision.

The order matters: the patch embedding groups four consecutive channels into one slab (``spec`` of the method:
Table of input variables; arXiv 2310.20187, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CANONICAL", "CHANNELS", "WIND_PAIRS", "Channel"]


@dataclass(frozen=True)
class Channel:
    """One NWP variable on one level.

    Attributes
    ----------
    name : str
        Canonical short name, such as ``"t_850"``.
    long_name, standard_name : str
        For people, and by the CF standard name table.
    units : str
        Unit of the values in memory, in CF notation.
    level : float or None
        Pressure level in hPa, or None for a surface variable.
    step, offset : float
        Values are stored as ``round((value - offset) / step)`` in 16-bit integers.  The step is absolute because
        relative rounding ruins heights: their horizontal differences are the geostrophic wind.
    """

    name: str
    long_name: str
    standard_name: str
    units: str
    level: float | None
    step: float
    offset: float

    @property
    def is_rain(self) -> bool:
        """Whether the variable is an accumulation over the rain window."""
        return self.standard_name == "precipitation_amount"


def _pressure_level(
    prefix: str, long_name: str, standard_name: str, units: str, step: float, offset: float, *levels: int
) -> list[Channel]:
    return [
        Channel(f"{prefix}_{level}", f"{long_name} at {level} hPa", standard_name, units, float(level), step, offset)
        for level in levels
    ]


_ALL = [
    *_pressure_level("gph", "geopotential height", "geopotential_height", "gpm", 0.5, 10000.0, 100, 500, 850),
    Channel("slp", "sea-level pressure", "air_pressure_at_mean_sea_level", "hPa", None, 0.02, 1000.0),
    *_pressure_level("rh", "relative humidity", "relative_humidity", "%", 0.5, 0.0, 500, 850),
    Channel("t_2m", "temperature at 2 m", "air_temperature", "K", None, 0.05, 273.15),
    *_pressure_level("t", "temperature", "air_temperature", "K", 0.05, 273.15, 500, 850),
    Channel("u_10m", "eastward wind at 10 m", "eastward_wind", "m s-1", None, 0.1, 0.0),
    *_pressure_level("u", "eastward wind", "eastward_wind", "m s-1", 0.1, 0.0, 500, 850),
    Channel("v_10m", "northward wind at 10 m", "northward_wind", "m s-1", None, 0.1, 0.0),
    *_pressure_level("v", "northward wind", "northward_wind", "m s-1", 0.1, 0.0, 500, 850),
    Channel("rain", "precipitation in the rain window", "precipitation_amount", "mm", None, 0.02, 0.0),
]

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in _ALL}
"""The sixteen variables by canonical name, in the published order."""

CANONICAL: tuple[str, ...] = tuple(CHANNELS)
"""The sixteen canonical names in order."""

WIND_PAIRS: tuple[tuple[str, str], ...] = (("u_10m", "v_10m"), ("u_500", "v_500"), ("u_850", "v_850"))
"""Eastward and northward components that must be rotated together."""
