"""Messages of a GRIB file: where each begins and ends, whether it is whole, and the fields in it.

The structure is walked here and not left to ecCodes for two reasons: ecCodes follows damaged section lengths into
memory that is not its own, and its support for several fields in one message is a switch for the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path

from sslpdl.errors import ReaderError

__all__ = ["fields_at", "opened", "positions"]

_NEXT = {0: (1,), 1: (2, 3), 2: (3,), 3: (4,), 4: (5,), 5: (6,), 6: (7,), 7: (2, 3, 4)}
"""Sections of edition 2 that may follow each other."""

_SHORTEST = {1: 21, 3: 14, 4: 9, 5: 11, 6: 6}
"""Bytes that these sections have at least."""

_SHORTEST_1 = {1: 28, 2: 32, 3: 7, 4: 11}
"""The same for edition 1."""

_REPEATED_BITMAP = 254


@contextmanager
def opened(path: Path) -> Iterator[mmap]:
    """Map a file into memory.

    Raises
    ------
    ReaderError
        If it is empty.
    """
    if path.stat().st_size == 0:
        raise ReaderError(f"{path} is empty; copy or download it again.", kind="damaged_file")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        yield data


def positions(path: Path, data: mmap) -> Iterator[int]:
    """Yield the byte offset of every message; bulletin headers between messages are passed over.

    Raises
    ------
    ReaderError
        If there is none, or one is cut off or damaged.
    """
    place, found = 0, False
    while (place := data.find(b"GRIB", place)) >= 0:
        found = True
        yield place
        place += _length(path, data, place)
    if not found:
        raise ReaderError(
            f"{path} is not a GRIB file: it begins with {data[:16]!r}; check where it came from.", kind="not_grib"
        )


def fields_at(path: Path, data: mmap, position: int) -> Iterator[bytes]:
    """Yield the fields of the message at a byte offset, each as a message of its own.

    Raises
    ------
    ReaderError
        If the message is cut off or its sections do not fit together.
    """
    end = position + _length(path, data, position)
    if data[position + 7] == 1:
        yield data[position:end]
        return
    head = data[position : position + 8]
    kept: dict[int, bytes] = {}
    bitmap = b""
    place, previous = position + 16, 0
    while place < end - 4:
        length, number = int.from_bytes(data[place : place + 4]), data[place + 4]
        if number not in _NEXT[previous] or length < _SHORTEST.get(number, 5) or place + length > end - 4:
            raise _damaged(path, position)
        section = data[place : place + length]
        if number == 2:
            kept.pop(2, None)
        if number == 6:
            # "the bitmap of the field before": ecCodes sees each field alone
            section = bitmap if section[5] == _REPEATED_BITMAP else section
            bitmap = section if section and section[5] == 0 else bitmap
        kept[number] = section
        place, previous = place + length, number
        if number == 7:
            body = b"".join(kept[number] for number in sorted(kept))
            yield head + (16 + len(body) + 4).to_bytes(8) + body + b"7777"
    if previous != 7:
        raise _damaged(path, position)


def _length(path: Path, data: mmap, position: int) -> int:
    """Return the length of a message in bytes, having checked its beginning and its end."""
    head = data[position : position + 16]
    if len(head) < 16:
        raise ReaderError(
            f"{path} is cut off within the message at byte {position}; copy or download it again.", kind="damaged_file"
        )
    if head[7] == 2:
        length = int.from_bytes(head[8:16])
    elif head[7] == 1:
        length = _length_1(path, data, position)
    else:
        raise ReaderError(
            f"{path} has a message of GRIB edition {head[7]} at byte {position}; editions 1 and 2 are read.",
            kind="grib_edition",
        )
    if position + length > len(data):
        raise ReaderError(
            f"{path} is cut off within the message at byte {position}; copy or download it again.", kind="damaged_file"
        )
    if length < 16 or data[position + length - 4 : position + length] != b"7777":
        raise _damaged(path, position)
    return length


def _length_1(path: Path, data: mmap, position: int) -> int:
    """Return the length of a message of edition 1 from its sections, which must add up to it."""
    stated = int.from_bytes(data[position + 4 : position + 7])
    flags = data[position + 15] if position + 15 < len(data) else 0
    place, length = position + 8, 0
    for number, present in ((1, True), (2, flags & 128), (3, flags & 64), (4, True)):
        if not present:
            continue
        length = int.from_bytes(data[place : place + 3])
        if place + length > len(data):
            raise ReaderError(
                f"{path} is cut off within the message at byte {position}; copy or download it again.",
                kind="damaged_file",
            )
        if length < _SHORTEST_1[number] or (number == 2 and not _list_fits(data[place + 3], data[place + 4], length)):
            raise _damaged(path, position)
        place += length
    if stated & 0x800000:
        # messages beyond 8 MB state their length in units of 120 bytes, and in section 4 what is too much
        return (stated & 0x7FFFFF) * 120 - length + 4
    if place + 4 - position != stated:
        raise _damaged(path, position)
    return stated


def _list_fits(count: int, octet: int, length: int) -> bool:
    """Whether the list of numbers in a grid section of edition 1 lies in it; octet 255 means that there is none."""
    return count == 0 if octet == 255 else octet - 1 + 4 * count <= length


def _damaged(path: Path, position: int) -> ReaderError:
    return ReaderError(
        f"{path} is damaged in the message at byte {position}; copy or download it again.", kind="damaged_file"
    )
