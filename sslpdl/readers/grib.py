"""GRIB files, edition 1 and 2: headers, grids and values, message by message through ecCodes.

No index files are made.  Messages that hold several fields (as JMA and NCEP pack u and v) are split in
:mod:`sslpdl.readers.gribfile`.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import GridError, ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.field import Field
from sslpdl.readers.gribfile import fields_at, opened, positions
from sslpdl.readers.gribgrid import grid_of
from sslpdl.readers.gribkeys import get as _get
from sslpdl.readers.profile import Keys, Profile

__all__ = ["first_keys", "scan", "values"]

_NUMBERS = {
    1: ("table2Version", "indicatorOfParameter"),
    2: ("discipline", "parameterCategory", "parameterNumber"),
}
_HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "3h": 3.0, "6h": 6.0, "12h": 12.0, "D": 24.0}
_DESCRIPTIONS: dict[tuple[int | float | str, ...], str] = {}
_MISSING = -1e30
"""Set by ecCodes where the bitmap says missing; no field has it as a value."""


def scan(path: Path, profile: Profile, *, others: set[str] | None = None) -> Iterator[Field]:
    """Yield the fields that a profile knows, from headers alone.

    Parameters
    ----------
    path : Path
        GRIB file.
    profile : Profile
        What to look for.
    others : set of str, optional
        Gets a short description of every field that the profile does not know.

    Raises
    ------
    ReaderError
        If the file is empty, not GRIB, or cut off, or a field's grid is of a kind that is not supported.
    """
    grids: dict[str, Grid] = {}
    with closing(_messages(path)) as messages:
        for handle, position, part in messages:
            with _where(path):
                found = _field(handle, path, position, part, profile, grids, others)
            if found is not None:
                yield found


def _field(
    handle: Any,
    path: Path,
    position: int,
    part: int,
    profile: Profile,
    grids: dict[str, Grid],
    others: set[str] | None,
) -> Field | None:
    """Return what the header of a message says, or None if the profile does not know the field."""
    keys = _keys(handle, with_name=profile.needs_names)
    rule = profile.match(keys)
    if rule is None:
        if others is not None:
            others.add(_description(handle, keys))
        return None
    init_time, start, end = _times(handle)
    if profile.rain_from_start and rule.channel == "rain" and start == end:
        start = 0.0
    return Field(
        path=path,
        position=position,
        part=part,
        source_name=_description(handle, keys),
        channel=rule.channel,
        rank=rule.rank,
        summand=rule.part,
        summands=rule.parts,
        units=rule.units or str(_get(handle, "units", "unknown")),
        init_time=init_time,
        start=start,
        end=end,
        grid=grid_of(handle, grids, profile.native_name),
        grid_relative=bool(_get(handle, "uvRelativeToGrid", 0)),
    )


def values(
    path: Path, fields: Iterable[Field], *, missing: tuple[float, ...] = ()
) -> Iterator[tuple[Field, NDArray[np.float32]]]:
    """Yield fields of one file with their values (y, x) in the file's unit, row 0 south, NaN where missing.

    Parameters
    ----------
    path : Path
        GRIB file.
    fields : iterable of Field
        Fields that :func:`scan` found in it; they come in the order of the file.
    missing : tuple of float
        Values that mean "missing" in fields without a bitmap.
    """
    wanted = {(field.position, field.part): field for field in fields}
    with opened(path) as data:
        for position in sorted({position for position, _ in wanted}):
            for part, message in enumerate(fields_at(path, data, position)):
                if (position, part) in wanted:
                    with _handle(path, position, message) as handle:
                        decoded = _decoded(handle, path, missing)
                    yield wanted[position, part], decoded


def first_keys(path: Path) -> Keys:
    """Return the header keys of the first field that tell the model: edition, centre, gridType, spacing."""
    with closing(_messages(path)) as messages:
        handle, _, _ = next(messages)
        with _where(path):
            keys: dict[str, int | float | str] = {
                "edition": int(_get(handle, "edition")),
                "centre": int(_get(handle, "centre", kind=int)),
                "gridType": str(_get(handle, "gridType")),
            }
            spacing = _get(handle, "DxInMetres", None)
            if spacing is not None:
                keys["spacing"] = float(spacing)
        return keys


# ---- messages -------------------------------------------------------------------------------------------------------


def _messages(path: Path) -> Generator[tuple[Any, int, int]]:
    """Yield (handle, byte offset, number of the field in its message); a handle lives until the next is asked for."""
    with opened(path) as data:
        for position in positions(path, data):
            for part, message in enumerate(fields_at(path, data, position)):
                with _handle(path, position, message) as handle:
                    yield handle, position, part


@contextmanager
def _where(path: Path) -> Iterator[None]:
    """Name the file in errors about one of its messages."""
    try:
        yield
    except (GridError, ReaderError) as error:
        raise ReaderError(f"{path}: {error}", kind=error.kind) from error


@contextmanager
def _handle(path: Path, position: int, message: bytes) -> Iterator[Any]:
    """Give a message to ecCodes as long as the block runs."""
    import eccodes

    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as error:
        raise ReaderError(
            f"{path} is damaged in the message at byte {position} ({error}); copy or download it again.",
            kind="damaged_file",
        ) from error
    try:
        yield handle
    finally:
        eccodes.codes_release(handle)


def _keys(handle: Any, *, with_name: bool) -> dict[str, int | float | str]:
    edition = int(_get(handle, "edition"))
    keys: dict[str, int | float | str] = {name: _get(handle, name, -1) for name in _NUMBERS[edition]}
    keys["typeOfLevel"] = str(_get(handle, "typeOfLevel", "unknown"))
    if with_name:
        keys["shortName"] = str(_get(handle, "shortName", "unknown"))
    level = float(_get(handle, "level", 0.0, kind=float))
    # levels of pressure are in hPa everywhere in this package
    keys["level"] = level / 100 if keys["typeOfLevel"] == "isobaricInPa" else level
    return keys


def _description(handle: Any, keys: Keys) -> str:
    """Return what people call a field; looking up its name takes ecCodes longer than all the rest, so it is kept."""
    key = (int(_get(handle, "centre", kind=int)), *keys.values())
    if key not in _DESCRIPTIONS:
        name = str(_get(handle, "shortName", "unknown"))
        if name == "unknown":
            numbers = (str(keys[number]) for names in _NUMBERS.values() for number in names if number in keys)
            name = f"parameter {'.'.join(numbers)}"
        _DESCRIPTIONS[key] = f"{name} at {keys['typeOfLevel']} {keys['level']:g}"
    return _DESCRIPTIONS[key]


def _times(handle: Any) -> tuple[np.datetime64, float, float]:
    date, time = int(_get(handle, "dataDate")), int(_get(handle, "dataTime"))
    start, end = (_in_hours(str(_get(handle, name, kind=str))) for name in ("startStep", "endStep"))
    try:
        moment = datetime(date // 10000, date // 100 % 100, date % 100, time // 100, time % 100)
    except ValueError:
        raise ReaderError(
            f"A GRIB message has the impossible date {date} and time {time}.", kind="damaged_file"
        ) from None
    return np.datetime64(moment, "s"), start, end


def _in_hours(step: str) -> float:
    """Read a step such as ``12`` (hours) or ``90m``."""
    match = re.fullmatch(r"(-?\d+)(\D*)", step)
    if match is None or (match[2] or "h") not in _HOURS:
        raise ReaderError(f"A GRIB message has the time step {step!r}, which is not understood.", kind="damaged_file")
    return int(match[1]) * _HOURS[match[2] or "h"]


def _decoded(handle: Any, path: Path, missing: tuple[float, ...]) -> NDArray[np.float32]:
    import eccodes

    with _where(path):
        expected = int(_get(handle, "Ni")) * int(_get(handle, "Nj"))
        try:
            if (count := eccodes.codes_get_size(handle, "values")) != expected:
                raise ReaderError(
                    f"A message has {count} values on a grid of {expected} points; download it again.",
                    kind="damaged_file",
                )
            eccodes.codes_set(handle, "missingValue", _MISSING)
            flat = eccodes.codes_get_values(handle)
        except eccodes.CodesInternalError as error:
            raise ReaderError(
                f"The values of a message cannot be decoded ({error}); copy or download the file again.",
                kind="damaged_file",
            ) from error
    lost = flat == _MISSING
    for code in missing:
        lost |= flat == code
    field = flat.astype(np.float32)
    field[lost] = np.nan
    return _south_up(field, handle)


def _south_up(flat: NDArray[np.float32], handle: Any) -> NDArray[np.float32]:
    """Return a flat array as (y, x) with row 0 south and column 0 west, by the message's scanning mode."""
    columns, rows = int(_get(handle, "Ni")), int(_get(handle, "Nj"))
    by_column = bool(_get(handle, "jPointsAreConsecutive", 0))
    field = flat.reshape((columns, rows) if by_column else (rows, columns))
    if _get(handle, "alternativeRowScanning", 0):
        field[1::2] = field[1::2, ::-1]
    if by_column:
        field = field.T
    if _get(handle, "iScansNegatively", 0):
        field = field[:, ::-1]
    if not _get(handle, "jScansPositively", 0):
        field = field[::-1]
    return np.ascontiguousarray(field)
