"""Readers: source files in, canonical channels in their units out, and from there into an archive.

``ingest`` does the whole way; the others read one kind of file for a closer look.
"""

from __future__ import annotations

from sslpdl.readers.dataset import read_nwp
from sslpdl.readers.gauges import grid_gauges, read_gauges
from sslpdl.readers.hsr import read_hsr
from sslpdl.readers.ingest import ingest
from sslpdl.readers.profile import PROFILES, load_profile
from sslpdl.readers.qpe import QpeOptions, open_qpe
from sslpdl.readers.report import IngestReport

__all__ = [
    "PROFILES",
    "IngestReport",
    "QpeOptions",
    "grid_gauges",
    "ingest",
    "load_profile",
    "open_qpe",
    "read_gauges",
    "read_hsr",
    "read_nwp",
]
