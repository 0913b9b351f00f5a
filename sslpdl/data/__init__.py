"""What ships inside the package: coastlines and borders (Natural Earth, public domain), stations, radars, regions."""

from __future__ import annotations

from sslpdl.data.coast import coverage, land_polygons, lines, natural_earth_dir
from sslpdl.data.places import Radar, Region, Station, radars, regions, south_korea, stations

__all__ = [
    "Radar",
    "Region",
    "Station",
    "coverage",
    "land_polygons",
    "lines",
    "natural_earth_dir",
    "radars",
    "regions",
    "south_korea",
    "stations",
]
