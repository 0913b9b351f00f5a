"""The archive: forecasts and observed rain on one grid, in one Zarr v3 folder.

``ArchiveWriter`` makes it, :func:`open_archive` reads it lazily as an ``xarray.Dataset`` for training, forecasting and
verification.  How it is stored is described in :mod:`sslpdl.archive.layout`.
"""

from __future__ import annotations

from sslpdl.archive.check import problems, validate
from sslpdl.archive.describe import summary
from sslpdl.archive.moments import Statistics, statistics
from sslpdl.archive.pairing import pairs
from sslpdl.archive.reader import open_archive
from sslpdl.archive.writer import ArchiveWriter

__all__ = ["ArchiveWriter", "Statistics", "open_archive", "pairs", "problems", "statistics", "summary", "validate"]
