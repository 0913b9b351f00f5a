"""What an archive looks like on disk, and how values become integers and back.

A Zarr v3 group holds

- ``fields (init_time, lead_time, channel, y, x)``: int16, ``value = raw * channel_step + channel_offset``, raw -32768
  missing. One chunk is one (run, lead time), that is one training sample; one shard, hence one file, is one run.
- ``qpe (valid_time, y, x)``: int32 in steps of 0.001 mm, missing below zero; one chunk a time, 24 times a file.
- ``fields_coverage``, ``qpe_coverage``: share of cells with a value, so that gaps are known without reading the fields.
- coordinates, the verification ``mask``, ``rain_window`` and the CF grid mapping ``crs``.

Steps are absolute, since relative rounding ruins heights, and rows are stored as differences along x, which halves the
size. Amounts of rain are rounded *down* to their step: ``rain >= threshold`` then gives the same answer before and
after storage for every threshold that is a multiple of the step (0.02 mm for forecasts, 0.001 mm for observations).

A run or a time becomes visible when the root metadata, which carries the shapes of all arrays (Zarr's consolidated
metadata), is replaced in one step; everything written before that moment lies beyond the visible shapes.  An
interrupted write therefore leaves the archive as it was.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.channels import CHANNELS, Channel
from sslpdl.errors import ArchiveError

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "MISSING",
    "QPE_MISSING",
    "QPE_STEP",
    "SOURCES_FILE",
    "Encoding",
    "as_channels",
    "as_time",
    "decode_qpe",
    "encode_qpe",
    "quiet_zarr",
]

FORMAT = "sslpdl-archive"
FORMAT_VERSION = 1
SOURCES_FILE = "source_files.jsonl"

MISSING = -32768
QPE_STEP = 0.001
QPE_MISSING = -1
EPOCH = "seconds since 1970-01-01 00:00:00"

# share of a step by which an amount may fall short of a step and still count as reaching it: float32 and GRIB packing
# make 0.1 mm into 0.0999999 mm
SHORTFALL = 1e-2


@contextmanager
def quiet_zarr() -> Iterator[None]:
    """Silence Zarr's notes on extensions of its version 3 standard and on files beside its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numcodecs codecs are not in the Zarr version 3")
        warnings.filterwarnings("ignore", message="Object at .* is not recognized as a component of a Zarr hierarchy")
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        yield


def as_channels(channels: Sequence[str | Channel]) -> tuple[Channel, ...]:
    """Return channel descriptions for canonical names or descriptions.

    Raises
    ------
    ArchiveError
        If a name is not canonical or occurs twice, or there is none.
    """
    found = []
    for channel in channels:
        if isinstance(channel, Channel):
            found.append(channel)
        elif channel in CHANNELS:
            found.append(CHANNELS[channel])
        else:
            near = difflib.get_close_matches(channel, CHANNELS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(CHANNELS)}."
            raise ArchiveError(f"Channel {channel!r} is not a canonical name; {hint}")
    names = [channel.name for channel in found]
    if not names:
        raise ArchiveError("An archive needs at least one channel.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArchiveError(f"Channel {twice[0]!r} is listed more than once.")
    return tuple(found)


def as_time(time: Any) -> np.datetime64:
    """Return a time in UTC as datetime64[ns]; times with a zone are converted, times without one are UTC.

    Raises
    ------
    ArchiveError
        If it is not a time, or not a whole second.
    """
    if isinstance(time, datetime) and time.tzinfo is not None:
        time = time.astimezone(UTC).replace(tzinfo=None)
    if isinstance(time, int | float | np.number) and not isinstance(time, np.datetime64):
        raise ArchiveError(f"{time!r} is a number, not a time; use for example '2022-08-08T12:00' (UTC).")
    try:
        stamp = np.datetime64(time, "ns")
    except (TypeError, ValueError) as error:
        raise ArchiveError(f"{time!r} is not a time; use for example '2022-08-08T12:00' (UTC).") from error
    if np.isnat(stamp) or stamp != stamp.astype("datetime64[s]"):
        raise ArchiveError(f"{time!r} is not a time in whole seconds.")
    return stamp


@dataclass(frozen=True)
class Encoding:
    """Conversion between physical values of some channels and the stored 16-bit integers."""

    channels: tuple[Channel, ...]

    def encode(self, fields: NDArray[np.float32]) -> NDArray[np.int16]:
        """Return stored integers of fields (lead, channel, y, x); NaN and infinity become missing.

        Raises
        ------
        ArchiveError
            If a value cannot be stored because it is out of the channel's range, which means that its unit is wrong.
        """
        raw = np.empty(fields.shape, np.int16)
        for index, channel in enumerate(self.channels):
            raw[:, index] = _encode_channel(channel, fields[:, index])
        return raw

    def decode(self, raw: NDArray[np.int16], channel_key: Any = slice(None), channel_axis: int | None = -3) -> Any:
        """Return physical values (float32, NaN missing) of stored integers.

        `channel_key` selects the channels that `raw` holds along `channel_axis` (None if a single one was selected).
        """
        # dividing by the inverse step gives the float32 nearest to a decimal such as 0.1; multiplying by 0.02 does not
        inverse = np.asarray([1.0 / channel.step for channel in self.channels], np.float32)[channel_key]
        offset = np.asarray([channel.offset for channel in self.channels], np.float32)[channel_key]
        if channel_axis is not None:
            shape = [1] * raw.ndim
            shape[channel_axis] = -1
            inverse, offset = inverse.reshape(shape), offset.reshape(shape)
        values = np.divide(raw, inverse, dtype=np.float32)
        values = values + offset
        missing = raw == MISSING
        return np.where(missing, np.float32(np.nan), values) if np.any(missing) else values


def _encode_channel(channel: Channel, values: NDArray[np.float32]) -> NDArray[np.int16]:
    valid = np.isfinite(values)
    steps = (values - np.float32(channel.offset)) * np.float32(1.0 / channel.step)
    if channel.is_rain:
        _refuse_negative(channel.name, values, tolerance=0.05)
        steps = np.floor(np.maximum(steps, 0.0) + np.float32(SHORTFALL))
    else:
        steps = np.rint(steps)
    outside = valid & (np.abs(steps) > -MISSING - 1)
    if outside.any():
        low, high = (channel.offset + sign * channel.step * (-MISSING - 1) for sign in (-1, 1))
        low = max(low, 0.0) if channel.is_rain else low
        raise ArchiveError(
            f"{channel.name} holds {values[outside][0]:g}, outside the {low:g} to "
            f"{high:g} {channel.units} that can be stored; is its unit {channel.units}?"
        )
    return np.where(valid, steps, MISSING).astype(np.int16)


def encode_qpe(rain: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
    """Return stored integers of observed rain in mm; NaN and infinity become missing.

    Raises
    ------
    ArchiveError
        If rain is negative (by more than 0.001 mm) or beyond 100 m.
    """
    valid = np.isfinite(rain)
    _refuse_negative("QPE", rain, tolerance=QPE_STEP)
    amount = np.where(valid, np.maximum(rain, 0.0), 0.0).astype(np.float64)
    if amount.size and amount.max() > 1e5:
        raise ArchiveError(f"QPE holds {amount.max():g} mm, which no rain can be; is its unit mm?")
    steps = np.floor(amount / QPE_STEP + SHORTFALL)
    return np.where(valid, steps, QPE_MISSING).astype(np.int32)


def decode_qpe(raw: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Return observed rain in mm, NaN missing, of stored integers."""
    rain = np.divide(raw, np.float32(1.0 / QPE_STEP), dtype=np.float32)
    return np.where(raw == QPE_MISSING, np.float32(np.nan), rain)


def _refuse_negative(name: str, values: NDArray[Any], *, tolerance: float) -> None:
    lowest = np.fmin.reduce(values, axis=None, initial=0.0)
    if lowest < -tolerance:
        raise ArchiveError(
            f"{name} holds {lowest:g} mm, but rain cannot be negative; are missing values marked as NaN?"
        )


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether a path is an fsspec URL such as ``s3://bucket/archive.zarr``."""
    return "://" in str(path)
