"""From source files to an archive: run by run, so that memory does not grow with the length of the period."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.errors import ArchiveError, ReaderError
from sslpdl.files import explain_os_error, sha256
from sslpdl.grid import Grid
from sslpdl.progress import bar
from sslpdl.readers.field import stamp
from sslpdl.readers.inventory import Covers
from sslpdl.readers.nwp import Target
from sslpdl.readers.plan import Plan, Request, make_plan, valid_times
from sslpdl.readers.qpe import QpeOptions, RainSource, Windows
from sslpdl.readers.report import IngestReport
from sslpdl.readers.runs import RunSource
from sslpdl.readers.sources import Paths

__all__ = ["ingest"]

QPE_BATCH = 24
"""Times of observed rain written at once; an archive keeps as many in one file."""


def ingest(
    sources: Paths,
    out: str | os.PathLike[str],
    *,
    profile: str | Path = "auto",
    grid: str | Grid | None = None,
    channels: Sequence[str] | None = None,
    rain_window: float | None = None,
    rain_covers: Covers | None = None,
    init_time: Any = None,
    qpe: Paths = (),
    qpe_kind: str = "auto",
    qpe_window: float | None = None,
    qpe_options: QpeOptions | None = None,
    statistics: str | os.PathLike[str] | None = None,
    title: str | None = None,
    skip_bad: bool = False,
    resume: bool = True,
    overwrite: bool = False,
    progress: bool = True,
) -> IngestReport:
    """Read NWP files and observed rain into an archive.

    Runs that the archive has already are passed over, so an interrupted ingest goes on where it stopped, and new
    files are added by the same command.

    Parameters
    ----------
    sources : path or iterable of paths
        GRIB or netCDF files, folders (the files directly in them), patterns; for profile ``"legacy"`` the folder of
        arrays.
    out : path
        Archive to make or to add to.
    profile : str or Path
        Name of a profile (``rdaps-um12``, ``rdaps-kim3``, ``ifs``, ``gfs``, ``wrf-g212``), a YAML file, ``"auto"``
        (the model is recognised by its files), or ``"legacy"`` (arrays of the published code).
    grid : str or Grid, optional
        Target grid by name, ``"native"`` to keep the files' own; by default what the profile says.
    channels : sequence of str, optional
        Channels that must be there; by default those that are there.
    rain_window : float, optional
        Rain window in hours; by default the shortest that the files allow, at each lead time.
    rain_covers : sequence or mapping, optional
        Hours that each rain field covers, in order of or by lead time, where headers do not say or are wrong.
    init_time : time, optional
        Start of the run, UTC, for netCDF files without it.
    qpe : path or iterable of paths
        Rain observations; those that a forecast is valid at are stored, added up to the window.
    qpe_kind : {"auto", "hsr", "grib", "gauges"}
        What they are.
    qpe_window : float, optional
        Window of the observed rain in hours; by default that of the forecasts.
    qpe_options : QpeOptions, optional
        Z-R coefficients, number of radar frames, station table.
    statistics : path, optional
        For profile ``"legacy"``: JSON file with the mean and deviation that the arrays were scaled with.
    title : str, optional
        Title of the archive.
    skip_bad : bool
        Whether bad files and fields are skipped, counted and listed instead of stopping.
    resume : bool
        Whether an archive that is there is added to; otherwise it is an error, unless `overwrite`.
    overwrite : bool
        Whether an archive that is there is replaced.
    progress : bool
        Whether a progress bar is shown.

    Returns
    -------
    IngestReport
        What was written, and everything that was not as it should be.

    Raises
    ------
    ReaderError
        If a source cannot be read as asked.
    ArchiveError
        If the archive cannot be written, or does not fit what is added.

    Notes
    -----
    At most one run and a day of observed rain are in memory.  The SHA-256 of every source file is stored.
    """
    begun = time.perf_counter()
    target = Path(out)
    if target.exists() and not (resume or overwrite) and (target.is_file() or any(target.iterdir())):
        raise ReaderError(
            f"{target} exists already; let it be added to (resume) or replaced (overwrite), or choose another name."
        )
    try:
        request = Request(
            sources=sources,
            out=target,
            profile=profile,
            grid=grid,
            channels=channels,
            rain_window=rain_window,
            rain_covers=rain_covers,
            init_time=init_time,
            qpe=qpe,
            qpe_kind=qpe_kind,
            qpe_window=qpe_window,
            qpe_options=replace(qpe_options or QpeOptions(), skip_bad=skip_bad),
            statistics=statistics,
            title=title,
            skip_bad=skip_bad,
            adding=resume and not overwrite and (target / "zarr.json").exists(),
            progress=progress,
        )
        plan = make_plan(request)
        work = _Ingest(plan, target, skip_bad=skip_bad, overwrite=overwrite, progress=progress)
        with work:
            work.write_runs()
            work.write_qpe()
    except OSError as error:
        where = error.filename or target
        raise ReaderError(
            f"The ingest stopped: {explain_os_error(error, where)}; what is stored so far is kept."
        ) from error
    return work.report(time.perf_counter() - begun)


@dataclass
class _Ingest:
    """An ingest under way."""

    plan: Plan
    path: Path
    _: KW_ONLY
    skip_bad: bool
    overwrite: bool
    progress: bool
    writer: ArchiveWriter | None = None
    runs_written: int = 0
    qpe_written: int = 0
    qpe_kept: int = 0
    qpe_absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    digests: dict[Path, str] = field(default_factory=dict)
    size: int = 0

    def __enter__(self) -> None:
        if self.plan.adding:
            self.writer = ArchiveWriter.append(self.path)

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write_runs(self) -> None:
        """Write the runs that the archive does not have; it is made when the first of them has been read."""
        plan = self.plan
        with bar("Ingesting runs", total=len(plan.new_times), unit="runs", shown=self.progress) as advance:
            for init_time in plan.new_times:
                assert plan.runs is not None  # or there would be no new times
                fields, notes = plan.runs.read(init_time, plan.target, skip_bad=self.skip_bad)
                self.notes += notes
                if self.skip_bad and not np.isfinite(fields).any():
                    self.notes.append(f"run {stamp(init_time)} was left out: nothing in it can be read")
                else:
                    self._write_run(init_time, fields, plan.runs.files(init_time))
                advance(1)

    def _write_run(self, init_time: np.datetime64, fields: NDArray[np.float32], files: list[Path]) -> None:
        if self.writer is None:
            target = self.plan.target
            self.writer = ArchiveWriter.create(
                self.path,
                grid=target.grid,
                channels=target.channels,
                lead_time=target.leads,
                rain_window=target.rain_window,
                qpe_window=self.plan.qpe_window,
                attrs=self.plan.attributes,
                overwrite=self.overwrite,
            )
        self._note_sources(files)
        try:
            self.writer.write_run(init_time, fields)
        except ArchiveError as error:
            if isinstance(error.__cause__, OSError) or not self.skip_bad:
                raise
            # values that cannot be stored: the archive is as before
            self.skipped.append((files[0], str(error)))
            return
        self.runs_written += 1

    def write_qpe(self) -> None:
        """Write observed rain at the valid times of all stored runs, a day at a time."""
        rain, writer = self.plan.rain, self.writer
        if rain is None or writer is None:
            return
        windows = Windows(rain, self.plan.target.grid, self.plan.qpe_window)
        wanted = valid_times(writer.init_times, self.plan.target.leads)
        there = np.isin(wanted, writer.valid_times.astype("datetime64[s]"))
        self.qpe_kept = int(there.sum())
        wanted = wanted[~there]
        with bar("Reading QPE", total=len(wanted), unit="times", shown=self.progress) as advance:
            for first in range(0, len(wanted), QPE_BATCH):
                batch = wanted[first : first + QPE_BATCH]
                self._write_batch(writer, windows, batch)
                advance(len(batch))

    def _write_batch(self, writer: ArchiveWriter, windows: Windows, times: NDArray[np.datetime64]) -> None:
        maps, found = [], []
        for valid_time in times:
            rain = windows.read(valid_time)
            if rain is None:
                self.qpe_absent.append(stamp(valid_time))
                continue
            maps.append(rain)
            found.append(valid_time)
            for period in windows.pieces(valid_time) or []:
                self._note_sources(windows.source.files(period))
        if found:
            writer.write_qpe(found, np.stack(maps))
            self.qpe_written += len(found)

    def _note_sources(self, files: Iterable[Path]) -> None:
        """Store name and SHA-256 of files before what they gave is stored."""
        assert self.writer is not None
        new = [path for path in files if path not in self.digests]
        for path in new:
            self.digests[path] = sha256(path)
            self.size += path.stat().st_size
        self.writer.add_sources({"name": path.name, "sha256": self.digests[path]} for path in new)

    def report(self, seconds: float) -> IngestReport:
        """Return what was done."""
        plan = self.plan
        target = plan.target
        return IngestReport(
            archive=self.path,
            title=plan.title,
            grid=f"{target.grid.name} ({target.grid.shape[0]} rows, {target.grid.shape[1]} columns)",
            channels=target.channels,
            lead_time=target.leads,
            rain_window=_with_rain(self.path, target),
            qpe_window=plan.qpe_window,
            runs_written=self.runs_written,
            runs_kept=plan.runs_kept,
            qpe_written=self.qpe_written,
            qpe_kept=self.qpe_kept,
            qpe_absent=tuple(self.qpe_absent),
            notes=(*plan.notes, *self.notes),
            skipped=(*self.skipped, *_skipped(plan.runs), *_skipped(plan.rain)),
            megabytes=self.size / 1e6,
            seconds=seconds,
        )


def _with_rain(path: Path, target: Target) -> tuple[float, ...]:
    """Return the rain window at each lead time, NaN where no run of the archive has rain."""
    ds = open_archive(path)
    if "rain" not in target.channels or not ds.sizes["init_time"]:
        return (float("nan"),) * len(target.leads)
    there = (ds["fields_coverage"].sel(channel="rain") > 0).any("init_time").values
    return tuple(np.where(there, target.rain_window, np.nan).tolist())


def _skipped(source: RunSource | RainSource | None) -> list[tuple[Path, str]]:
    return [] if source is None else list(dict.fromkeys(source.skipped))
