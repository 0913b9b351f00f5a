"""Small files of observed rain for tests: HSR composites, GRIB analyses, gauge tables, arrays of the published
layout."""

from __future__ import annotations

import gzip
import json
import struct
from datetime import datetime, timedelta
from pathlib import Path

import make_grib
import numpy as np
from numpy.typing import ArrayLike

HSR_SHAPE = (2881, 2305)
KST = timedelta(hours=9)


def dbz_of(rate: float, a: float = 200.0, b: float = 1.6) -> float:
    """Return the reflectivity in dBZ of a rain rate in mm/h."""
    return 10 * np.log10(a * rate**b)


def hsr_bytes(time_kst: datetime, raw: ArrayLike) -> bytes:
    """Return an HSR composite; `raw` is (2881, 2305) of dBZ * 100 and codes, row 0 south, or one value for all
    cells."""

    def stamp(time: datetime) -> bytes:
        return struct.pack("<hBBBBB", time.year, time.month, time.day, time.hour, time.minute, time.second)

    rows, columns = HSR_SHAPE
    header = struct.pack("<bh", 1, 0) + stamp(time_kst) + stamp(time_kst + timedelta(minutes=3))
    header += struct.pack("<BBB", 10, 1, 0) + struct.pack("<hhhhhh", columns, rows, 1, 500, 0, 0) + struct.pack("<B", 1)
    header += bytes(16) + bytes(15)
    header += 48 * (b"KWK\0\0\0" + 2 * stamp(time_kst))
    assert len(header) == 1024
    return header + np.broadcast_to(np.asarray(raw, "<i2"), HSR_SHAPE).tobytes()


def write_hsr(folder: Path, time_utc: datetime, raw: ArrayLike) -> Path:
    """Write one frame as KMA names it, in Korean time."""
    time = time_utc + KST
    path = folder / f"RDR_CMP_HSR_PUB_{time:%Y%m%d%H%M}.bin.gz"
    path.write_bytes(gzip.compress(hsr_bytes(time, raw), compresslevel=1))
    return path


def write_hsr_hour(folder: Path, end_utc: datetime, raws: list[ArrayLike]) -> list[Path]:
    """Write the frames of the hour that ends at a time, the last `raws` of the twelve."""
    times = [end_utc - timedelta(minutes=5 * i) for i in range(len(raws))][::-1]
    return [write_hsr(folder, time, raw) for time, raw in zip(times, raws, strict=True)]


def write_analysis(
    folder: Path,
    end: datetime,
    rain: ArrayLike,
    *,
    hours: int = 1,
    grid: dict[str, object] | None = None,
    centre: int = 7,
) -> Path:
    """Write a rain analysis of the hours that end at a time, in GRIB2."""
    start = end - timedelta(hours=hours)
    path = folder / f"rain_{end:%Y%m%d%H}_{hours:02d}h.grib2"
    grid = grid or make_grib.SMALL_KOREA
    shape = (int(grid["Nj"]), int(grid["Ni"]))
    message = make_grib.channel("rain", np.broadcast_to(np.asarray(rain, float), shape), start=0, lead=hours)
    return make_grib.write_grib2(path, [message], init=f"{start:%Y%m%d%H}", grid=grid, centre=centre)


PORTAL_HEADER = "지점,지점명,일시,기온(°C),강수량(mm),습도(%)"


def write_portal_csv(path: Path, rows: list[str], *, encoding: str = "cp949", header: str = PORTAL_HEADER) -> Path:
    """Write a gauge table as KMA's portal gives it."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


LEGACY = [
    "GPH100", "GPH500", "GPH850", "SLP", "RH500", "RH850", "T2", "T500",
    "T850", "U10", "U500", "U850", "V10", "V500", "V850", "RAIN",
]  # fmt: skip


def write_legacy_tree(root: Path, times: list[str], *, qpe: float = 2.5, shape: tuple[int, int] = (224, 128)) -> Path:
    """Write the published layout: every variable is the z-score 0.5 everywhere; return the file of statistics.

    The mean of variable number i is 100 (i + 1) and the deviation 2, so that its value is 100 (i + 1) + 1; rain has
    mean 1 and deviation 2, so that it is 2 mm.
    """
    statistics = {name: {"mean": 100.0 * (i + 1), "std": 2.0} for i, name in enumerate(LEGACY)}
    statistics["GPH100"]["mean"], statistics["RAIN"]["mean"] = 16000.0, 1.0
    statistics["SLP"]["mean"] = 1000.0
    for time in times:
        folder = root / f"{time[:4]}-zscore"
        for name in [*LEGACY, "QPE"]:
            (folder / name).mkdir(parents=True, exist_ok=True)
            np.save(folder / name / f"{time}.npy", np.full(shape, qpe if name == "QPE" else 0.5, np.float32))
    path = root / "statistics.json"
    path.write_text(json.dumps(statistics), encoding="utf-8")
    return path
