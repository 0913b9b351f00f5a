"""Bad source files, one row each: how to make them, the command that meets them, and what it must say.

Every command ends with status 2 and one sentence on standard error, and leaves no archive behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import make_grib as make
import make_qpe
import numpy as np

INIT = "2022080800"
SMALL = (33, 41)
CUT_12KM = make.LAMBERT_12KM | {
    "Nx": 41,
    "Ny": 33,
    "latitudeOfFirstGridPoint": 36000000,
    "longitudeOfFirstGridPoint": 125000000,
}


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    Attributes
    ----------
    name : str
        What is wrong.
    arguments : callable
        Makes the files in an empty folder and returns the arguments of ``sslpdl``; OUT stands for the archive.
    message : str
        Regular expression that the sentence on standard error must match.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    message: str


OUT = "OUT"


def gfs(folder: Path, *messages: make.Message, name: str = "gfs.f003.grib2", **grid: object) -> Path:
    """Write a small GFS-like file, with a temperature if nothing else is given."""
    wanted = list(messages) or [make.channel("t_850", np.full(SMALL, 280.0), lead=3)]
    return make.write_grib2(folder / name, wanted, init=INIT, grid=make.SMALL_KOREA | grid, centre=7)


def ingest(*sources: Path | str, qpe: Path | None = None, options: tuple[str, ...] = ("--grid", "native")) -> list[str]:
    """Return the arguments of an ingest."""
    observed = ["--qpe", str(qpe)] if qpe else []
    return ["ingest", *map(str, sources), "--out", OUT, "--quiet", *options, *observed]


def truncated(folder: Path) -> list[str]:
    path = gfs(folder)
    path.write_bytes(path.read_bytes()[:-40])
    return ingest(path)


def empty(folder: Path) -> list[str]:
    path = gfs(folder)
    path.write_bytes(b"")
    return ingest(path)


def not_grib(folder: Path) -> list[str]:
    path = folder / "page.grib2"
    path.write_text("<html><body>Please log in</body></html>")
    return ingest(path)


def mixed_grids(folder: Path) -> list[str]:
    other = {"latitudeOfFirstGridPointInDegrees": 47.0, "latitudeOfLastGridPointInDegrees": 31.0}
    return ingest(
        gfs(folder), gfs(folder, make.channel("t_500", np.full(SMALL, 260.0), lead=3), name="other.grib2", **other)
    )


def wrong_grid(folder: Path) -> list[str]:
    place = {"longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 20.0}
    return ingest(gfs(folder, **place), options=("--grid", "korea-5km"))


def unknown_grid(folder: Path) -> list[str]:
    return ingest(gfs(folder), options=("--grid", "korea-4km"))


def no_known_channel(folder: Path) -> list[str]:
    return ingest(gfs(folder, make.Message((0, 0), make.ISOBARIC, 700e2, np.full(SMALL, 280.0), lead=3)))


def unknown_model(folder: Path) -> list[str]:
    path = folder / "other.grib2"
    message = make.channel("t_850", np.full(SMALL, 280.0), lead=3)
    return ingest(make.write_grib2(path, [message], init=INIT, grid=make.SMALL_KOREA, centre=34))


def unknown_profile(folder: Path) -> list[str]:
    return ingest(gfs(folder), options=("--profile", "gsf"))


def unknown_unit(folder: Path) -> list[str]:
    profile = folder / "mine.yaml"
    keys = "{discipline: 0, parameterCategory: 1, parameterNumber: 8}"
    profile.write_text(f"grid: native\nchannels:\n  rain: {{keys: {keys}, units: inch}}\n", encoding="utf-8")
    path = folder / "rain.gb2"
    message = make.channel("rain", np.ones(SMALL), start=0, lead=3)
    make.write_grib2(path, [message], init=INIT, grid=CUT_12KM)
    return ingest(path, options=("--profile", str(profile)))


def two_models(folder: Path) -> list[str]:
    paths = make.write_kma_pair(folder, init=INIT, lead=3, rain=1.0, grid=CUT_12KM, shape=SMALL)
    return ingest(gfs(folder), *paths)


def duplicate(folder: Path) -> list[str]:
    other = make.channel("t_850", np.full(SMALL, 281.0), lead=3)
    return ingest(gfs(folder), gfs(folder, other, name="again.grib2"))


def renamed(folder: Path) -> list[str]:
    path, _ = make.write_kma_pair(folder, init=INIT, lead=3, rain=1.0, grid=CUT_12KM, shape=SMALL)
    return ingest(path.rename(folder / path.name.replace("h003", "h006")))


def nan_only(folder: Path) -> list[str]:
    return ingest(gfs(folder, make.channel("t_850", np.full(SMALL, np.nan), lead=3)))


def falling_sum(folder: Path) -> list[str]:
    messages = [
        make.channel("rain", np.full(SMALL, amount), start=0, lead=lead) for lead, amount in ((3, 9.0), (6, 2.0))
    ]
    return ingest(gfs(folder, *messages))


def half_hour(folder: Path) -> list[str]:
    return ingest(gfs(folder, make.channel("t_850", np.ones(SMALL), lead=90, indicatorOfUnitOfTimeRange=0)))


def qpe_of_another_year(folder: Path) -> list[str]:
    path = gfs(folder, make.channel("rain", np.ones(SMALL), start=0, lead=1))
    return ingest(path, qpe=make_qpe.write_analysis(folder, datetime(2021, 8, 8, 1), 1.0))


def qpe_of_another_place(folder: Path) -> list[str]:
    path = gfs(folder, make.channel("rain", np.ones(SMALL), start=0, lead=1))
    europe = make.SMALL_KOREA | {"longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 20.0}
    return ingest(path, qpe=make_qpe.write_analysis(folder, datetime(2022, 8, 8, 1), 1.0, grid=europe))


def too_few_frames(folder: Path) -> list[str]:
    path = gfs(folder, make.channel("rain", np.ones(SMALL), start=0, lead=1))
    return ingest(path, qpe=make_qpe.write_hsr(folder, datetime(2022, 8, 8, 1), -25000))


def bad_gauge_table(folder: Path) -> list[str]:
    path = gfs(folder, make.channel("rain", np.ones(SMALL), start=0, lead=1))
    row = "1,2022-08-08 10:00,three,126.978,37.5665"
    return ingest(path, qpe=make_qpe.write_portal_csv(folder / "aws.csv", [row], header="stn,tm,rn,lon,lat"))


def no_match(folder: Path) -> list[str]:
    return ingest(folder / "*.gb2")


def no_such_file(folder: Path) -> list[str]:
    return ingest(folder / "g120_v070_erea_pres_h003.2022080800.gb2")


def no_permission(folder: Path) -> list[str]:
    arguments = ingest(gfs(folder))
    # nobody, not even root, makes folders here
    arguments[arguments.index(OUT)] = "/sys/sslpdl.zarr"
    return arguments


def out_is_a_file(folder: Path) -> list[str]:
    arguments = ingest(gfs(folder))
    (folder / "archive.zarr").write_text("in the way")
    arguments[arguments.index(OUT)] = str(folder / "archive.zarr")
    return arguments


READER_CASES: tuple[BadInput, ...] = (
    BadInput("truncated file", truncated, r"gfs\.f003\.grib2 is cut off .*copy or download it again"),
    BadInput("empty file", empty, r"gfs\.f003\.grib2 is empty"),
    BadInput("not GRIB", not_grib, r"page\.grib2 is not a GRIB file: it begins with b'<html>"),
    BadInput("mixed grids", mixed_grids, r"33 x 41 cells from 30\.00 N.*so there is no native one; name a target grid"),
    BadInput("wrong grid", wrong_grid, r"Grid 'korea-5km' lies outside the grid of .*gfs\.f003\.grib2"),
    BadInput("unknown grid", unknown_grid, r"There is no grid 'korea-4km'; choose one of korea-5km"),
    BadInput(
        "no known channel",
        no_known_channel,
        r"no field that the profile knows in .*gfs\.f003\.grib2, but t at isobaricInhPa 700",
    ),
    BadInput("unknown model", unknown_model, r"is not recognised \(edition 2, centre 34.*name one of gfs, ifs"),
    BadInput("unknown profile", unknown_profile, r"There is no profile 'gsf'; choose one of"),
    BadInput("unknown unit", unknown_unit, r"rain of 2022-08-08 00 UTC \+3 h .* has the unit 'inch'"),
    BadInput("two models", two_models, r"make one archive for each model"),
    BadInput("duplicate field", duplicate, r"t_850 of 2022-08-08 00 UTC \+3 h .* is there twice with different values"),
    BadInput("renamed file", renamed, r"says \+6 h in its name, but holds .* \+3 h"),
    BadInput("NaN-only field", nan_only, r"t_850 of .*gfs\.f003\.grib2\) has no valid value"),
    BadInput("falling sum", falling_sum, r"Rain of the run of 2022-08-08 00 UTC at \+6 h .* falls with time"),
    BadInput("half hours", half_hour, r"90 minutes after the start of the run; lead times must be whole hours"),
    BadInput("QPE of another year", qpe_of_another_year, r"The rain observations .* fill no window of 1 h"),
    BadInput("QPE of another place", qpe_of_another_place, r"lies outside the grid of GRIB rain analysis"),
    BadInput(
        "too few radar frames", too_few_frames, r"No hour has the 10 radar frames that it needs \(at most 1 of 12\)"
    ),
    BadInput("bad gauge table", bad_gauge_table, r"aws\.csv, line 2: 'three' is not an amount of rain"),
    BadInput("no file matches", no_match, r"No file matches '.*\*\.gb2'"),
    BadInput("no such file", no_such_file, r"There is no file or folder .*g120_v070"),
    BadInput("no permission", no_permission, r"no permission to write to /sys|/sys"),
    BadInput("a file in the way", out_is_a_file, r"archive\.zarr"),
)
"""Cases of the readers."""
