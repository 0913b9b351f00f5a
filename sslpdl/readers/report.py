"""What an ingest has done."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from pathlib import Path

from sslpdl.channels import CANONICAL

__all__ = ["IngestReport"]

_SHOWN = 20


@dataclass(frozen=True)
class IngestReport:
    """Result of :func:`sslpdl.readers.ingest`.

    Attributes
    ----------
    archive : Path
        The archive.
    title : str
        The model.
    grid : str
        Name and shape of the archive's grid.
    channels : tuple of str
        Channels of the archive.
    lead_time : tuple of int
        Lead times of the archive in hours.
    rain_window : tuple of float
        Rain window in hours at each lead time; NaN where no run has rain.
    qpe_window : float
        Window of the observed rain in hours.
    runs_written, runs_kept : int
        Runs stored now, and runs that were there already.
    qpe_written, qpe_kept : int
        Times of observed rain stored now, and those that were there already.
    qpe_absent : tuple of str
        Valid times of forecasts without observed rain.
    notes : tuple of str
        What single runs lack, and other things worth knowing.
    skipped : tuple of (Path, str)
        Files that could not be read, and why.
    megabytes, seconds : float
        Size of the source files read, and the time that it took.
    """

    archive: Path
    title: str
    grid: str
    channels: tuple[str, ...]
    lead_time: tuple[int, ...]
    rain_window: tuple[float, ...]
    qpe_window: float
    runs_written: int
    runs_kept: int
    qpe_written: int
    qpe_kept: int
    qpe_absent: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: tuple[tuple[Path, str], ...]
    megabytes: float
    seconds: float

    @property
    def missing_channels(self) -> tuple[str, ...]:
        """Canonical channels that the archive does not have."""
        return tuple(name for name in CANONICAL if name not in self.channels)

    def __str__(self) -> str:
        """Return the report for the command line."""
        rate = self.megabytes / max(self.seconds, 1e-9)
        lines = [
            f"{self.archive}: {self.title}",
            f"  grid         {self.grid}",
            f"  channels     {len(self.channels)}: {' '.join(self.channels)}",
            f"  lead times   {_span(self.lead_time)}",
            f"  rain window  {_windows(self.lead_time, self.rain_window)}",
            f"  runs         {self.runs_written} written, {self.runs_kept} there before",
            f"  QPE          {self.qpe_written} times written, {self.qpe_kept} before, window {self.qpe_window:g} h",
            f"  read         {self.megabytes:.1f} MB in {self.seconds:.1f} s ({rate:.0f} MB/s)",
        ]
        if self.missing_channels:
            lines.insert(3, f"  not there    {len(self.missing_channels)}: {' '.join(self.missing_channels)}")
        lines += _listed(f"{len(self.qpe_absent)} valid times without QPE", self.qpe_absent)
        lines += _listed(f"{len(self.notes)} notes", self.notes)
        lines += _listed(f"{len(self.skipped)} files skipped", [reason for _, reason in self.skipped])
        return "\n".join(lines)


def _windows(leads: tuple[int, ...], windows: tuple[float, ...]) -> str:
    known = {window for window in windows if not isnan(window)}
    if not known:
        return "- (no rain)"
    dry = [lead for lead, window in zip(leads, windows, strict=True) if isnan(window)]
    if len(known) == 1:
        return f"{known.pop():g} h" + (f"; - (no rain) at {_span(tuple(dry))}" if dry else "")
    listed = (
        f"+{lead} h: -" if isnan(window) else f"+{lead} h: {window:g} h"
        for lead, window in zip(leads, windows, strict=True)
    )
    return ", ".join(listed) + (" (- no rain)" if dry else "")


def _span(leads: tuple[int, ...]) -> str:
    steps = {later - earlier for earlier, later in pairwise(leads)}
    if len(steps) == 1 and len(leads) > 2:
        return f"+{leads[0]} to +{leads[-1]} h every {steps.pop()} h"
    return " ".join(f"+{lead}" for lead in leads) + " h"


def _listed(title: str, entries: tuple[str, ...] | list[str]) -> list[str]:
    if not entries:
        return []
    more = [f"    ... and {len(entries) - _SHOWN} more"] if len(entries) > _SHOWN else []
    return [f"  {title}:", *(f"    {entry}" for entry in entries[:_SHOWN]), *more]
