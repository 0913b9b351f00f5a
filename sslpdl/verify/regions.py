"""Where to verify: parts of the verification mask that answer different questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslpdl.errors import GridError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["standard_regions"]


def standard_regions(archive: xr.Dataset) -> dict[str, NDArray[np.bool_]]:
    """Return the regions of a report: ``all`` (the mask), ``land``, ``sea`` and ``capital_area``.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.

    Returns
    -------
    dict
        Masks of shape (y, x) inside the archive's verification mask.  A region without a cell on this grid is left out;
        beyond the shipped coastline only ``all`` is there.
    """
    from sslpdl.data import coverage
    from sslpdl.data import regions as presets
    from sslpdl.grid import Grid

    mask = archive["mask"].values.astype(bool)
    found = {"all": mask}
    lon, lat = archive["lon"].values, archive["lat"].values
    west, south, east, north = coverage()
    if lon.min() >= west and lon.max() <= east and lat.min() >= south and lat.max() <= north:
        try:
            land = Grid.from_dataset(archive).land()
        except GridError:
            return found
        found |= {"land": mask & land, "sea": mask & ~land}
        found["capital_area"] = mask & presets()["capital_area"].contains(lon, lat)
    return {name: region for name, region in found.items() if name == "all" or region.any()}
