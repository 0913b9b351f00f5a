"""Where to verify: parts of the verification mask that answer different questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslpdl.errors import GridError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.grid import Grid

__all__ = ["region_title", "standard_regions"]

_TITLES = {"all": "all verified cells", "land": "land", "sea": "sea"}
_CAPITAL = "capital_area"


def standard_regions(archive: xr.Dataset, *, provinces: bool = False) -> dict[str, NDArray[np.bool_]]:
    """Return the regions of a report: ``all`` (the mask), ``land``, ``sea`` and ``capital_area``.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.
    provinces : bool, default False
        Add the land of the other eight provinces of South Korea, each with its metropolitan cities.

    Returns
    -------
    dict
        Masks of shape (y, x) inside the archive's verification mask.  The capital area is the land of Seoul, Incheon
        and Gyeonggi.  A region without a cell on this grid is left out; beyond the shipped coastline only ``all`` is
        there.
    """
    from sslpdl.data import coverage
    from sslpdl.grid import Grid

    mask = archive["mask"].values.astype(bool)
    found = {"all": mask}
    lon, lat = archive["lon"].values, archive["lat"].values
    west, south, east, north = coverage()
    if lon.min() >= west and lon.max() <= east and lat.min() >= south and lat.max() <= north:
        try:
            grid = Grid.from_dataset(archive)
            land = grid.land()
        except GridError:
            return found
        found |= {"land": mask & land, "sea": mask & ~land}
        areas = _provinces(grid, mask & land)
        found |= areas if provinces else {_CAPITAL: areas[_CAPITAL]}
    return {name: region for name, region in found.items() if name == "all" or region.any()}


def _provinces(grid: Grid, land: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Divide land among the provinces of South Korea; a cell on a border belongs to the first of its two."""
    from sslpdl.data import provinces
    from sslpdl.masks import inside_rings

    left = land.copy()
    areas = {}
    for name, province in provinces().items():
        areas[name] = left & inside_rings(grid, province.rings)
        left &= ~areas[name]
    return areas


def region_title(name: str) -> str:
    """Return what a region is called in tables: ``"Jeju"`` for ``"jeju"``; a name that is not ours stays as it is.

    Examples
    --------
    >>> region_title("capital_area")
    'Seoul, Incheon, Gyeonggi'
    """
    from sslpdl.data import provinces

    province = provinces().get(name)
    return province.name if province else _TITLES.get(name, name)
