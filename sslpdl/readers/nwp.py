"""NWP fields of one run on the target grid: units, winds, rain windows, missing values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslpdl.channels import CHANNELS, WIND_PAIRS
from sslpdl.errors import ReaderError
from sslpdl.grid import Grid, regrid, rotate_winds
from sslpdl.readers import grib, netcdf
from sslpdl.readers.field import Field, stamp
from sslpdl.readers.inventory import Run, RunOptions, fields_of, reader_of
from sslpdl.readers.rain import Way, compose, window_path
from sslpdl.readers.units import convert

__all__ = ["Target", "read_run"]

Values = NDArray[np.float32]
Period = tuple[float, float]

_PARTNER = {one: other for pair in WIND_PAIRS for one, other in (pair, pair[::-1])}


@dataclass(frozen=True)
class Target:
    """What a run is to become.

    Attributes
    ----------
    grid : Grid
        Grid of the result; equal to the source's to keep it.
    channels : tuple of str
        Canonical names.
    leads : tuple of int
        Lead times in hours.
    rain_window : tuple of float
        Length in hours of the rain window at each lead time.
    """

    grid: Grid
    channels: tuple[str, ...]
    leads: tuple[int, ...]
    rain_window: tuple[float, ...]


@dataclass
class _Assembly:
    """A run while it is put together."""

    target: Target
    fields: Values
    skip_bad: bool
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    winds: dict[tuple[int, str], tuple[Field, Values]] = field(default_factory=dict)
    sums: dict[Period, dict[int, tuple[int, Values]]] = field(default_factory=dict)
    seen: dict[tuple[str, float, float, int], tuple[Field, bytes]] = field(default_factory=dict)


def read_run(
    run: Run, options: RunOptions, target: Target, *, skip_bad: bool = False
) -> tuple[Values, list[str], list[tuple[Path, str]]]:
    """Read one run.

    Parameters
    ----------
    run : Run
        From the inventory.
    options : RunOptions
        How headers are understood.
    target : Target
        Grid, channels, lead times and rain windows of the result.
    skip_bad : bool
        Whether damaged files and fields are left out and listed instead of raising.

    Returns
    -------
    fields : array (lead, channel, y, x) of float32
        In canonical units, NaN where missing; state variables bilinearly interpolated, rain conserving area.
    notes : list of str
        What the run lacks.
    skipped : list of (Path, str)
        Damaged files and fields that were left out, and why.

    Raises
    ------
    ReaderError
        If fields contradict each other, are all missing, have an unknown unit, or lie on a grid that does not fit.
    """
    shape = (len(target.leads), len(target.channels), *target.grid.shape)
    work = _Assembly(target, np.full(shape, np.nan, np.float32), skip_bad)
    ways, periods = _rain_ways(run, options, target)
    needed = {period for way in ways.values() for period, _ in way}
    for path, chosen in _chosen(run, options, target, periods, needed):
        with _forgiving(work, path):
            for item, values in _decoded(path, chosen, options):
                with _forgiving(work, path):
                    _take(work, item, values, periods)
    for (lead, name), (item, _) in work.winds.items():
        with _forgiving(work, item.path):
            raise ReaderError(
                f"{item} follows the grid's axes, and {_PARTNER[name]} at +{lead} h is absent, so it cannot be "
                "turned to east and north; add the file that holds it.",
                kind="wind_partner",
            )
    for lead, way in ways.items():
        with _forgiving(work, run.files[0]):
            _put_rain(work, run, lead, way)
    return work.fields, _gaps(run, work), work.skipped


@contextmanager
def _forgiving(work: _Assembly, path: Path) -> Iterator[None]:
    """List what is wrong with a file instead of raising it, if bad input is to be skipped."""
    try:
        yield
    except ReaderError as error:
        if not work.skip_bad:
            raise
        work.skipped.append((path, str(error)))


def _rain_ways(run: Run, options: RunOptions, target: Target) -> tuple[dict[int, Way], dict[Period, Period]]:
    """Return how the rain of each lead time is made, and what each rain sum covers."""
    if "rain" not in target.channels or not run.rain:
        return {}, {}
    periods = run.periods(options.rain_covers)
    found = {
        lead: window_path(set(periods.values()), lead - window, lead)
        for lead, window in zip(target.leads, target.rain_window, strict=True)
    }
    return {lead: way for lead, way in found.items() if way}, periods


def _chosen(
    run: Run, options: RunOptions, target: Target, periods: dict[Period, Period], needed: set[Period]
) -> Iterator[tuple[Path, list[Field]]]:
    """Yield the files of a run with the fields that the target needs: the best of those for one channel."""

    def wanted(item: Field) -> bool:
        # a component along the grid's axis needs its partner, asked for or not
        partner = _PARTNER.get(item.channel) if item.grid_relative else None
        if item.init_time != run.init_time or not {item.channel, partner} & set(target.channels):
            return False
        if item.channel == "rain":
            return periods.get((item.start, item.end)) in needed
        return item.lead in target.leads

    found = {path: [item for item in fields_of(path, options) if wanted(item)] for path in run.files}
    best: dict[tuple[str, float, float], int] = {}
    for items in found.values():
        for item in items:
            key = (item.channel, item.start, item.end)
            best[key] = min(item.rank, best.get(key, item.rank))
    for path, items in found.items():
        yield path, [item for item in items if item.rank == best[item.channel, item.start, item.end]]


def _decoded(path: Path, fields: list[Field], options: RunOptions) -> Iterator[tuple[Field, Values]]:
    if reader_of(path) is netcdf:
        yield from netcdf.values(path, fields)
    else:
        yield from grib.values(path, fields, missing=options.profile.missing)


def _take(work: _Assembly, item: Field, values: Values, periods: dict[Period, Period]) -> None:
    """Convert one field, and put it where it belongs."""
    if not np.isfinite(values).any():
        raise ReaderError(
            f"{item} has no valid value; remove the field, or skip bad input to leave it missing.", kind="no_values"
        )
    if _repeated(work, item, values):
        return
    channel = CHANNELS[item.channel]
    values = convert(values, item.units, channel.units, what=str(item))
    if item.channel == "rain":
        period = periods[item.start, item.end]
        mapped = _mapped(work, item, values, "conservative")
        work.sums.setdefault(period, {})[item.summand] = (item.summands, mapped)
    elif item.grid_relative and item.channel in _PARTNER:
        _pair_winds(work, item, values)
    else:
        _put(work, item, values)


def _repeated(work: _Assembly, item: Field, values: Values) -> bool:
    """Whether the same field came before; raise ReaderError if its values differ."""
    key = (item.channel, item.start, item.end, item.summand)
    digest = blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()
    if key not in work.seen:
        work.seen[key] = (item, digest)
        return False
    first, known = work.seen[key]
    if digest != known:
        raise ReaderError(
            f"{item} is there twice with different values, first in {first.path}; remove one of them, or skip bad "
            "input to keep the first.",
            kind="twice",
        )
    return True


def _pair_winds(work: _Assembly, item: Field, values: Values) -> None:
    """Keep a wind component until its partner comes; then turn both to east and north."""
    partner = work.winds.pop((item.lead, _PARTNER[item.channel]), None)
    if partner is None:
        work.winds[item.lead, item.channel] = (item, values)
        return
    pair = {partner[0].channel: partner, item.channel: (item, values)}
    eastward, northward = next(names for names in WIND_PAIRS if item.channel in names)
    (u_field, u), (v_field, v) = pair[eastward], pair[northward]
    u, v = rotate_winds(u, v, item.grid)
    _put(work, u_field, u)
    _put(work, v_field, v)


def _put(work: _Assembly, item: Field, values: Values) -> None:
    if item.channel not in work.target.channels:
        return
    lead, channel = work.target.leads.index(item.lead), work.target.channels.index(item.channel)
    work.fields[lead, channel] = _mapped(work, item, values, "bilinear")


def _mapped(work: _Assembly, item: Field, values: Values, method: str) -> Values:
    return regrid(values, item.grid, work.target.grid, method=method)  # type: ignore[arg-type]


def _put_rain(work: _Assembly, run: Run, lead: int, way: Way) -> None:
    """Make the rain of one lead time from the sums that were read; it stays missing if one of them was skipped."""

    def total(period: Period) -> Values:
        summands = [values for _, values in work.sums[period].values()]
        return np.sum(summands, axis=0, dtype=np.float32) if len(summands) > 1 else summands[0]

    complete = all(
        period in work.sums and len(work.sums[period]) == next(iter(work.sums[period].values()))[0] for period, _ in way
    )
    if not complete:
        return
    what = (
        f"the run of {stamp(run.init_time)} at +{lead} h ({', '.join(sorted({file.name for file in run.files[:2]}))})"
    )
    work.fields[work.target.leads.index(lead), work.target.channels.index("rain")] = compose(way, total, what=what)


def _gaps(run: Run, work: _Assembly) -> list[str]:
    """Return one sentence for each channel with the lead times that the run lacks."""
    there: NDArray[np.bool_] = np.asarray(np.isfinite(work.fields).any(axis=(2, 3)))  # (lead, channel)
    notes = []
    empty = [lead for lead, row in zip(work.target.leads, there, strict=True) if not row.any()]
    if empty:
        notes.append(f"run {stamp(run.init_time)} lacks {_leads(empty)}")
    for index, channel in enumerate(work.target.channels):
        absent = [
            lead
            for lead, row in zip(work.target.leads, there, strict=True)
            # at the start of a run no rain has fallen yet
            if not row[index] and lead not in empty and not (channel == "rain" and lead == 0)
        ]
        if absent:
            notes.append(f"run {stamp(run.init_time)} lacks {channel} at {_leads(absent)}")
    return notes


def _leads(leads: Sequence[int]) -> str:
    return ", ".join(f"+{lead} h" for lead in leads[:8]) + (f" and {len(leads) - 8} more" if len(leads) > 8 else "")
