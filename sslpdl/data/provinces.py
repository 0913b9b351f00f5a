"""Provinces of South Korea as areas, from Natural Earth; made by ``docs/make_provinces.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sslpdl.data.coast import natural_earth_dir

__all__ = ["Province", "provinces"]


@dataclass(frozen=True)
class Province:
    """A province with its metropolitan cities: name in English and Korean, and rings (n, 2) of longitude, latitude."""

    name: str
    name_ko: str
    rings: tuple[NDArray[np.float64], ...]


@lru_cache(maxsize=1)
def provinces() -> dict[str, Province]:
    """Return the nine provinces of South Korea, the capital area (Seoul, Incheon, Gyeonggi) first.

    Outlines are good to about 2 km and reach 3 km out to sea, so that together with the land mask they leave no land
    out.  Natural Earth still draws Uljin (North Gyeongsang since 1963) in Gangwon.
    """
    text = (natural_earth_dir() / "provinces.json").read_text(encoding="utf-8")
    found = {}
    for key, entry in json.loads(text)["provinces"].items():
        rings = tuple(np.asarray(ring, np.float64) for ring in entry["rings"])
        for ring in rings:
            ring.setflags(write=False)  # shared by every caller
        found[key] = Province(entry["name"], entry["name_ko"], rings)
    return found
