"""Small GRIB files for tests: the layout of KMA's 12-km files and of others, with values that can be redone by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RDAPS_SHAPE = (419, 491)

LAMBERT_12KM = {
    # the header of a real r120 file
    "gridType": "lambert",
    "shapeOfTheEarth": 6,
    "Nx": 491,
    "Ny": 419,
    "latitudeOfFirstGridPoint": 12217029,
    "longitudeOfFirstGridPoint": 101577323,
    "resolutionAndComponentFlags": 48,
    "LaD": 38000000,
    "LoV": 126000000,
    "Dx": 12000000,
    "Dy": 12000000,
    "projectionCentreFlag": 0,
    "scanningMode": 64,
    "Latin1": 30000000,
    "Latin2": 60000000,
}

SMALL_KOREA = {
    # 0.5 degrees, 30-46 N and 116-136 E, rows from north to south
    "gridType": "regular_ll",
    "shapeOfTheEarth": 6,
    "Ni": 41,
    "Nj": 33,
    "latitudeOfFirstGridPointInDegrees": 46.0,
    "longitudeOfFirstGridPointInDegrees": 116.0,
    "latitudeOfLastGridPointInDegrees": 30.0,
    "longitudeOfLastGridPointInDegrees": 136.0,
    "iDirectionIncrementInDegrees": 0.5,
    "jDirectionIncrementInDegrees": 0.5,
    "scanningMode": 0,
}

ISOBARIC, METRES, SEA, SURFACE = 100, 103, 101, 1

NUMBERS = {
    # discipline 0: category, number
    "gph": (3, 5),
    "rh": (1, 1),
    "t": (0, 0),
    "u": (2, 2),
    "v": (2, 3),
    "slp": (3, 1),
    "rain": (1, 8),
}


@dataclass
class Message:
    """One field: category and number, level, values, and what else its header says."""

    numbers: tuple[int, int]
    surface: int
    level: float
    values: ArrayLike
    start: int | None = None
    lead: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def channel(name: str, values: ArrayLike, *, lead: int = 0, start: int | None = None, **extra: Any) -> Message:
    """Return the message of a canonical channel; rain from `start` to `lead`."""
    variable, _, level = name.partition("_")
    if level == "":
        surface, height = (SEA, 0.0) if name == "slp" else (SURFACE, 0.0)
    elif level.endswith("m"):
        surface, height = METRES, float(level[:-1])
    else:
        surface, height = ISOBARIC, float(level) * 100
    return Message(NUMBERS[variable], surface, height, values, start, lead, extra)


def write_grib2(
    path: Path, messages: Iterable[Message], *, init: str, grid: dict[str, Any] | None = None, centre: int = 40
) -> Path:
    """Write a GRIB2 file; `init` is YYYYMMDDHH, values are (y, x) with row 0 as the grid's scanning mode has it
    first."""
    import eccodes

    with path.open("wb") as file:
        for message in messages:
            handle = new_message(message, init=init, grid=grid or LAMBERT_12KM, centre=centre)
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    return path


def write_multi_field(
    path: Path, messages: list[Message], *, init: str, grid: dict[str, Any], centre: int = 40
) -> Path:
    """Write one GRIB2 message that holds several fields, as JMA and NCEP pack u and v."""
    import eccodes

    multi = eccodes.codes_grib_multi_new()
    for index, message in enumerate(messages):
        handle = new_message(message, init=init, grid=grid, centre=centre)
        # sections before the product definition (4) are shared
        eccodes.codes_grib_multi_append(handle, 0 if index == 0 else 4, multi)
        eccodes.codes_release(handle)
    with path.open("wb") as file:
        eccodes.codes_grib_multi_write(multi, file)
    eccodes.codes_grib_multi_release(multi)
    return path


def new_message(message: Message, *, init: str, grid: dict[str, Any], centre: int) -> Any:
    """Return the ecCodes handle of a message."""
    import eccodes

    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    put = eccodes.codes_set
    put(handle, "centre", centre)
    put(handle, "dataDate", int(init[:8]))
    put(handle, "dataTime", int(init[8:10]) * 100)
    for key, value in grid.items():
        put(handle, key, value)
    put(handle, "productDefinitionTemplateNumber", 0 if message.start is None else 8)
    put(handle, "discipline", 0)
    put(handle, "parameterCategory", message.numbers[0])
    put(handle, "parameterNumber", message.numbers[1])
    put(handle, "typeOfFirstFixedSurface", message.surface)
    decimals = 0 if message.level == round(message.level) else 1
    put(handle, "scaleFactorOfFirstFixedSurface", decimals)
    put(handle, "scaledValueOfFirstFixedSurface", round(message.level * 10**decimals))
    if message.start is None:
        put(handle, "forecastTime", message.lead)
    else:
        put(handle, "typeOfStatisticalProcessing", 1)
        put(handle, "stepRange", f"{message.start}-{message.lead}")
    for key, value in message.extra.items():
        put(handle, key, value)
    values = np.asarray(message.values, float).ravel()
    missing = np.isnan(values)
    if missing.any():
        put(handle, "bitmapPresent", 1)
        put(handle, "missingValue", 1e20)
        values = np.where(missing, 1e20, values)
    put(handle, "bitsPerValue", 16)
    eccodes.codes_set_values(handle, values)
    return handle


def plane(shape: tuple[int, int], base: float, per_row: float = 0.0, per_column: float = 0.0) -> NDArray[np.float64]:
    """Return values that rise evenly along rows and columns, so that bilinear interpolation is exact."""
    row, column = np.indices(shape)
    return base + per_row * row + per_column * column


BASE = {
    "gph_100": 16700.0, "gph_500": 5850.0, "gph_850": 1480.0, "slp": 100800.0, "rh_500": 40.0, "rh_850": 70.0,
    "t_2m": 300.0, "t_500": 268.0, "t_850": 291.0, "u_10m": 2.0, "u_500": 15.0, "u_850": 8.0,
    "v_10m": 1.0, "v_500": 3.0, "v_850": 6.0,
}  # fmt: skip
"""Value in the south-western cell, in the unit of the file."""


def write_kma_pair(
    folder: Path,
    *,
    init: str,
    lead: int,
    rain: float | ArrayLike,
    rain_start: int = 0,
    grid: dict[str, Any] | None = None,
    shape: tuple[int, int] = RDAPS_SHAPE,
    prefix: str = "g120",
    leave_out: tuple[str, ...] = (),
    others: bool = False,
) -> list[Path]:
    """Write the files of one lead time, pressure levels (pres) and surface (unis), as KMA names them.

    Every channel rises by 0.01 a row and 0.02 a column from its :data:`BASE`.  `rain` is the sum from `rain_start` to
    `lead`. With `others`, levels that no channel needs are written as well.
    """
    fields = {name: plane(shape, base, 0.01, 0.02) for name, base in BASE.items() if name not in leave_out}
    pressure = [channel(name, values, lead=lead) for name, values in fields.items() if name.split("_")[-1].isdigit()]
    if others:
        pressure += [Message(NUMBERS["t"], ISOBARIC, 700e2, plane(shape, 281.0), lead=lead)]
    surface = [channel(name, values, lead=lead) for name, values in fields.items() if not name.split("_")[-1].isdigit()]
    if "rain" not in leave_out:
        surface.append(channel("rain", np.broadcast_to(np.asarray(rain, float), shape), start=rain_start, lead=lead))
    paths = []
    for kind, messages in (("pres", pressure), ("unis", surface)):
        path = folder / f"{prefix}_v070_erea_{kind}_h{lead:03d}.{init}.gb2"
        paths.append(write_grib2(path, messages, init=init, grid=grid or LAMBERT_12KM))
    return paths
