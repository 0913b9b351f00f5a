"""What ships inside the package: coastlines, borders and provinces (Natural Earth), stations, radars, regions."""

from __future__ import annotations

from sslpdl.data.coast import coverage, land_polygons, lines, natural_earth_dir
from sslpdl.data.places import Radar, Region, Station, radars, regions, south_korea, stations, towns
from sslpdl.data.provinces import Province, provinces

__all__ = [
    "Province",
    "Radar",
    "Region",
    "Station",
    "coverage",
    "land_polygons",
    "lines",
    "natural_earth_dir",
    "provinces",
    "radars",
    "regions",
    "south_korea",
    "stations",
    "towns",
]
