"""Uploaded files are read in a process with limits: good ones become archives, and no bad one does harm."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import make_grib
import numpy as np
import pytest
import xarray as xr
from scipy.io import netcdf_file
from upload_helpers import kma_run

from sslpdl.archive import open_archive
from sslpdl.dashboard.uploads import child
from sslpdl.dashboard.uploads.batches import kind_of
from sslpdl.dashboard.uploads.limits import Limits
from sslpdl.dashboard.uploads.reading import Refused, read_files

HOUR = "2022-08-08T00:00"
STATED = {"title": "T"}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return kma_run(tmp_path_factory.mktemp("kma"))


def netcdf(path: Path, **change: Any) -> Path:
    """Write sea-level pressure of 1000 hPa as ECMWF's tools do, in netCDF-4."""
    lat, lon = np.arange(46.0, 29.5, -0.5), np.arange(116.0, 136.5, 0.5)
    ds = xr.Dataset(
        {"msl": (("time", "latitude", "longitude"), np.full((2, lat.size, lon.size), 1e5, "float32"), {"units": "Pa"})},
        {"time": np.datetime64("2022-08-08T01", "ns") + np.arange(2) * np.timedelta64(1, "h"), "latitude": lat,
         "longitude": lon},
        {"GRIB_centre": "ecmf"},
    )  # fmt: skip
    ds = ds.assign(change.pop("variables", {})).rename(change.pop("rename", {}))
    ds.to_netcdf(path, engine="h5netcdf", **change)
    return path


def attempt(work: Path, files: list[Path], stated: dict[str, Any] = STATED, **limits: Any) -> dict[str, Any]:
    """Read files as an upload of them would be read."""
    work.mkdir(exist_ok=True)
    taken = {}
    for number, path in enumerate(files):
        copy = (work / f"{number:03d}").with_suffix(kind_of(path.read_bytes()[:8]))
        copy.write_bytes(path.read_bytes())
        taken[copy] = path.name
    out, summary = read_files(work, taken, Limits(work.parent / "uploads", **limits), stated)
    return summary | {"archive": out}


def test_files_of_a_run_become_an_archive(tmp_path: Path, good: list[Path]) -> None:
    found = attempt(tmp_path / "w", good)
    assert (found["runs"], found["leads"], found["channels"], found["missing"]) == (1, [1, 2], 16, [])
    rain = open_archive(found["archive"])["fields"].sel(channel="rain")
    assert np.abs(rain.values - 2).max() < 0.1
    assert open_archive(found["archive"]).attrs["title"] == "T"


def test_what_is_missing_is_told(tmp_path: Path, good: list[Path]) -> None:
    part = make_grib.write_kma_pair(tmp_path, init="2022080800", lead=3, rain=6.0, leave_out=("t_850", "slp"))
    found = attempt(tmp_path / "w", [*good, *part])
    assert found["leads"] == [1, 3]
    assert any("lacks t_850 at +3 h" in note for note in found["notes"])


def test_a_file_that_does_not_say_its_start_is_told_it(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "예보.nc")
    with pytest.raises(Refused, match=r"예보\.nc holds valid times but not the start") as refused:
        attempt(tmp_path / "w", [path])
    assert str(tmp_path) not in refused.value.detail
    assert "--" not in refused.value.detail, "a page has no options"
    found = attempt(tmp_path / "v", [path], {"title": "T", "init_time": HOUR})
    assert (found["leads"], found["channels"]) == ([1, 2], 1)


def cut(folder: Path, good: list[Path]) -> Path:
    path = folder / "cut.gb2"
    path.write_bytes(good[0].read_bytes()[:200_000])
    return path


def picture(folder: Path, good: list[Path]) -> Path:
    path = folder / "picture.gb2"
    path.write_bytes(b"GRIB\x89PNG\r\n\x1a\n" + bytes(500))
    return path


def flipped(folder: Path, good: list[Path]) -> Path:
    content = bytearray(good[0].read_bytes())
    for k in range(100, len(content), 977):
        content[k] ^= 255
    (folder / "flipped.gb2").write_bytes(content)
    return folder / "flipped.gb2"


def too_many_points(folder: Path, good: list[Path]) -> Path:
    """A field of 64,000 x 64,000 equal values in some 200 bytes."""
    grid = make_grib.SMALL_KOREA | {
        "Ni": 2,
        "Nj": 2,
        "iDirectionIncrementInDegrees": 20.0,
        "jDirectionIncrementInDegrees": 16.0,
    }
    path = make_grib.write_grib2(
        folder / "points.gb2",
        [make_grib.channel("slp", np.ones((2, 2)), lead=1)],
        init="2022080800",
        grid=grid,
        centre=98,
    )
    content = bytearray(path.read_bytes())
    place = 16 + int.from_bytes(content[16:20])  # section 3
    content[place + 6 : place + 10] = (64_000**2 & 0xFFFFFFFF).to_bytes(4)
    content[place + 30 : place + 38] = (64_000).to_bytes(4) * 2
    place += int.from_bytes(content[place : place + 4])
    place += int.from_bytes(content[place : place + 4])  # section 5
    content[place + 5 : place + 9] = (64_000**2 & 0xFFFFFFFF).to_bytes(4)
    path.write_bytes(content)
    return path


def hdf_without_data(folder: Path, good: list[Path]) -> Path:
    with h5py.File(folder / "empty.nc", "w") as file:
        file.attrs["Conventions"] = "CF-1.8"
    return folder / "empty.nc"


def hdf_cut(folder: Path, good: list[Path]) -> Path:
    path = netcdf(folder / "cut.nc")
    path.write_bytes(path.read_bytes()[:3000])
    return path


def wrong_dimensions(folder: Path, good: list[Path]) -> Path:
    return netcdf(folder / "profile.nc", rename={"latitude": "station", "longitude": "sample"})


def no_times(folder: Path, good: list[Path]) -> Path:
    return netcdf(folder / "times.nc", variables={"time": ("time", [1.0, 2.0])})


def classic_cut(folder: Path, good: list[Path]) -> Path:
    path = folder / "classic.nc"
    with netcdf_file(path, "w") as file:
        file.createDimension("x", 1000)
        file.createVariable("a", "f8", ("x",))[:] = 1.0
    path.write_bytes(path.read_bytes()[:100])
    return path


def bomb(folder: Path, good: list[Path]) -> Path:
    """A hundred kilobytes that declare, and hold if they are unpacked, 40 GB of zeros."""
    path = netcdf(folder / "bomb.nc")
    with h5py.File(path, "a") as file:
        file.create_dataset("t", (100_000, 100_000), "f4", chunks=(10_000, 10_000), compression="gzip", fillvalue=0)
        file["t"][:10_000, :10_000] = 0
    return path


def many_planes(folder: Path, good: list[Path]) -> Path:
    path = netcdf(folder / "planes.nc")
    with h5py.File(path, "a") as file:
        file.create_dataset("u", (10**9, 33, 41), "f4", chunks=(1000, 33, 41), compression="gzip")
    return path


def far_coordinate(folder: Path, good: list[Path]) -> Path:
    path = folder / "line.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("latitude", (10**11,), "f8", chunks=(10**6,), compression="gzip")
    return path


BAD: list[tuple[Callable[[Path, list[Path]], Path], str]] = [
    (cut, "unreadable"), (picture, "unreadable"), (flipped, "unreadable"), (too_many_points, "memory"),
    (hdf_without_data, "unreadable"), (hdf_cut, "unreadable"), (wrong_dimensions, "unreadable"),
    (no_times, "unreadable"), (classic_cut, "unreadable"), (bomb, "dimensions"), (many_planes, "dimensions"),
    (far_coordinate, "dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "problem"), BAD, ids=[make.__name__ for make, _ in BAD])
def test_a_bad_file_is_refused_in_words(
    tmp_path: Path, good: list[Path], make: Callable[[Path, list[Path]], Path], problem: str
) -> None:
    before = time.monotonic()
    with pytest.raises(Refused) as refused:
        attempt(tmp_path / "w", [make(tmp_path, good)], {"title": "T", "init_time": HOUR})
    assert refused.value.problem == problem
    assert time.monotonic() - before < 60
    for word in ("Traceback", str(tmp_path), "Error:", "site-packages"):
        assert word not in refused.value.detail
    assert not (tmp_path / "w" / "archive.zarr").exists()


def running(work: Path) -> list[str]:
    """Return the processes that still work on an upload."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    return [line.decode() for line in lines if str(work).encode() in line]


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path, good: list[Path]) -> None:
    with pytest.raises(Refused, match="time"):
        attempt(tmp_path / "w", good, seconds=0.4)
    assert running(tmp_path / "w") == []


def test_a_process_is_killed_when_nobody_waits(tmp_path: Path, good: list[Path]) -> None:
    taken = {good[0]: "a"}
    with pytest.raises(Refused, match="cancelled"):
        read_files(tmp_path, taken, Limits(tmp_path), STATED, going=lambda seconds: seconds < 0.3)
    assert running(tmp_path) == []


def test_an_archive_that_grows_too_large_is_given_up(tmp_path: Path, good: list[Path]) -> None:
    with pytest.raises(Refused, match=r"result|unreadable"):
        attempt(tmp_path / "w", good, kept_bytes=2_000)
    assert running(tmp_path / "w") == []


LIMITED = """
import sys, numpy as np
from sslpdl.dashboard.uploads.child import limit
limit(seconds=2, memory_bytes=1_500_000_000, file_bytes=1_000_000)
if sys.argv[1] == "memory":
    np.ones(400_000_000)
elif sys.argv[1] == "file":
    open(sys.argv[2], "wb").write(bytes(2_000_000))
else:
    while True: pass
"""


def test_the_process_limits_itself(tmp_path: Path) -> None:
    def run(what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, what, str(tmp_path / "big")]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert "MemoryError" in run("memory").stderr
    assert "File too large" in run("file").stderr
    assert run("time").returncode in (-9, -24)  # SIGKILL, SIGXCPU
    assert resource.getrlimit(resource.RLIMIT_CPU)[1] == resource.RLIM_INFINITY, "not this process"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise MemoryError", "memory"),
        ("import os; os.kill(os.getpid(), 11)", "damaged"),
        ("import os; os.kill(os.getpid(), 9)", "memory"),
        ("import os; os.kill(os.getpid(), 24)", "time"),
        ("raise KeyError('x')", "unreadable"),
    ],
)
def test_the_end_of_the_process_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, problem: str
) -> None:
    (tmp_path / "sslpdl_end.py").write_text(
        f"import sslpdl.readers\ndef end(*_, **__):\n    {body}\nsslpdl.readers.ingest = end\n"
        "from sslpdl.dashboard.uploads.child import main\nimport sys\nmain(sys.argv[-1:])\n"
    )
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return real([sys.executable, str(tmp_path / "sslpdl_end.py"), command[-1]], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    (tmp_path / "w").mkdir()
    with pytest.raises(Refused) as refused:
        read_files(tmp_path / "w", {tmp_path / "w" / "001.grib": "a"}, Limits(tmp_path), STATED)
    assert refused.value.problem == problem
    assert refused.value.detail == ""


def test_the_process_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLPDL_COOKIE_SECRET", "s" * 40)
    seen: dict[str, str] = {}
    real = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        seen.update(options["env"])
        return real([sys.executable, "-c", "pass"], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(FileNotFoundError):
        read_files(tmp_path, {}, Limits(tmp_path), STATED)
    assert "PATH" in seen
    assert not [name for name in seen if "SECRET" in name]


def test_declared_sizes_are_checked_without_reading(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("fine", (50, 16, 400, 400), "f4", chunks=(1, 1, 400, 400), compression="gzip")
        file.create_dataset("number", data=1.0)
    assert child.check_dimensions(tmp_path / "a.h5", 10**9) == ""
    assert child.check_dimensions(tmp_path / "a.h5", 10**7) == "fine (50 × 16 × 400 × 400)"
