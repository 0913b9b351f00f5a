"""What the tests of uploads send."""

from __future__ import annotations

from pathlib import Path

import make_grib


def kma_run(folder: Path) -> list[Path]:
    """Write two lead times of a KMA-like run, each in two files; rain of 2 mm an hour."""
    pairs = [make_grib.write_kma_pair(folder, init="2022080800", lead=lead, rain=2.0 * lead) for lead in (1, 2)]
    return [path for pair in pairs for path in pair]
