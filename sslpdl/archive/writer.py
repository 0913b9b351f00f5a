"""Writing an archive run by run; each run is visible when it is whole, and never before."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sslpdl.archive.layout import (
    QPE_MISSING,
    SOURCES_FILE,
    Encoding,
    as_channels,
    as_time,
    encode_qpe,
    is_url,
    quiet_zarr,
)
from sslpdl.archive.reader import open_group, read_channels, read_sources, stored_array
from sslpdl.archive.session import compare, take_lock
from sslpdl.archive.skeleton import make_skeleton
from sslpdl.channels import Channel
from sslpdl.errors import ArchiveError
from sslpdl.files import atomic_directory, explain_os_error
from sslpdl.grid import Grid

if TYPE_CHECKING:
    import zarr

__all__ = ["ArchiveWriter"]

_RUN_ARRAYS = ("fields", "fields_coverage", "init_time")
_QPE_ARRAYS = ("qpe", "qpe_coverage", "valid_time")


class ArchiveWriter:
    """Writes runs and observed rain into an archive; make one with :meth:`create` or :meth:`append`.

    Use it in a ``with`` block.  One process at a time may write; any number may read meanwhile.

    Examples
    --------
    >>> with ArchiveWriter.create("my.zarr", grid=KOREA_5KM, channels=CANONICAL, lead_time=range(25)) as writer:  #
    doctest: +SKIP ...     writer.write_run("2022-08-08T00", fields)  # (25, 16, 224, 128)
    ...     writer.write_qpe(times, rain)  # (n,), (n, 224, 128)
    """

    def __init__(self, path: Path, group: zarr.Group, lock: int) -> None:
        self.path = path
        self._group = group
        self._channels = read_channels(group)
        self._init_times = np.asarray(stored_array(group, "init_time")[...]).astype("datetime64[s]")
        self._valid_times = np.asarray(stored_array(group, "valid_time")[...]).astype("datetime64[s]")
        self._sources = {(source["name"], source["sha256"]) for source in read_sources(path)}
        # also frees the lock if nobody closes the writer
        self._free_lock = weakref.finalize(self, os.close, lock)
        self._torn = False

    # ---- making and opening -----------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        grid: Grid,
        channels: Sequence[str | Channel],
        lead_time: Sequence[int] | range | NDArray[Any],
        rain_window: float | Sequence[float] | NDArray[Any] = 1.0,
        qpe_window: float = 1.0,
        mask: ArrayLike | None = None,
        attrs: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Make a new archive without runs.

        Parameters
        ----------
        path : path
            Folder to make, on this machine.
        grid : Grid
            Grid of all fields and of QPE.
        channels : sequence of str or Channel
            Canonical names, or descriptions of other variables.
        lead_time : sequence of int
            Lead times in whole hours, increasing.
        rain_window : float or sequence of float
            Length in hours of the accumulation that the channel ``rain`` holds, one for all or one per lead time.
        qpe_window : float
            Length in hours of the accumulation that ends at each time of QPE.
        mask : array of bool (y, x), optional
            Where verification counts; by default :meth:`Grid.verification_mask`, or everywhere if that is empty.
        attrs : mapping, optional
            ``title``, ``source``, ``synthetic``, ``config`` (stored as JSON) and others.
        overwrite : bool
            Whether an archive that is there already is replaced.  Anything that is not an archive is never replaced.

        Raises
        ------
        ArchiveError
            If something is at `path`, an argument makes no sense, or the folder cannot be written.
        """
        target = _local(path)
        if target.exists() and (target.is_file() or any(target.iterdir())):
            if not overwrite:
                raise ArchiveError(f"{target} exists already; choose another name, append to it, or allow overwriting.")
            open_group(target)  # refuses to delete what is not an archive
            os.close(take_lock(target))  # or what another process is writing
        try:
            with atomic_directory(target, overwrite=True) as work:
                make_skeleton(
                    work, grid=grid, channels=as_channels(channels), lead_time=lead_time, rain_window=rain_window,
                    qpe_window=qpe_window, mask=mask, attrs=attrs or {},
                )  # fmt: skip
        except OSError as error:
            raise ArchiveError(f"The archive was not made: {explain_os_error(error, target)}.") from error
        return cls.append(target)

    @classmethod
    def append(
        cls,
        path: str | os.PathLike[str],
        *,
        grid: Grid | None = None,
        channels: Sequence[str | Channel] | None = None,
        lead_time: Sequence[int] | range | NDArray[Any] | None = None,
        rain_window: float | Sequence[float] | NDArray[Any] | None = None,
        qpe_window: float | None = None,
    ) -> Self:
        """Open an archive to add to it, or to go on after an interruption.

        What is given beside the path must be what the archive holds.

        Raises
        ------
        ArchiveError
            If it is not an archive, differs from what was given, is being written by another process, or is read-only.
        """
        target = _local(path)
        open_group(target)  # says what is wrong before anything is touched
        lock = take_lock(target)
        try:
            compare(target, grid, channels, lead_time, rain_window, qpe_window)
            writer = cls(target, open_group(target, mode="r+"), lock)
        except ArchiveError:
            os.close(lock)
            raise
        try:
            for partial in target.rglob("*.partial"):  # files that an interrupted process left behind
                partial.unlink(missing_ok=True)
            writer._settle()
        except OSError as error:
            writer.close()
            why = explain_os_error(error, target)
            raise ArchiveError(f"The archive cannot be opened for writing: {why}.") from error
        return writer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others write; everything written so far is stored already."""
        self._free_lock()

    # ---- what is there ----------------------------------------------------------------------------------------------

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels of the archive in order."""
        return self._channels

    @property
    def init_times(self) -> NDArray[np.datetime64]:
        """Start times of the stored runs in order, datetime64[ns]; skip these to resume."""
        return np.sort(self._init_times).astype("datetime64[ns]")

    @property
    def valid_times(self) -> NDArray[np.datetime64]:
        """Times of the stored QPE in order, datetime64[ns]."""
        return np.sort(self._valid_times).astype("datetime64[ns]")

    # ---- writing ----------------------------------------------------------------------------------------------------

    def write_run(self, init_time: Any, fields: ArrayLike) -> None:
        """Store one run.

        Parameters
        ----------
        init_time : time
            Start of the run, UTC.
        fields : array (lead_time, channel, y, x)
            In the archive's units; NaN where missing.  Rounded to ``channel_step``.

        Raises
        ------
        ArchiveError
            If the run is there already, its shape is wrong, it holds no value at all or an impossible one, or it cannot
            be written.  The archive is then as before.
        """
        time = as_time(init_time).astype("datetime64[s]")
        where = f"run {time} of {self.path}"
        values = np.asarray(fields, np.float32)
        expected = stored_array(self._group, "fields").shape[1:]
        if values.shape != expected:
            raise ArchiveError(
                f"The fields for {where} have the shape {values.shape} instead of {expected} (lead, channel, y, x)."
            )
        if time in self._init_times:
            raise ArchiveError(f"The {where} is stored already; leave it out, or make a new archive to replace it.")
        coverage = np.isfinite(values).mean(axis=(2, 3), dtype=np.float64).astype(np.float32)
        if not coverage.any():
            raise ArchiveError(f"The {where} holds no value at all, only missing ones; check the source file.")
        try:
            raw = Encoding(self._channels).encode(values)
        except ArchiveError as error:
            raise ArchiveError(f"The {where} was refused: {error}") from error
        slot = len(self._init_times)
        with self._commit(where):
            self._put("fields", slot, raw[None])
            self._put("fields_coverage", slot, coverage[None])
            self._put("init_time", slot, time.astype(np.int64)[None])
        self._init_times = np.append(self._init_times, time)

    def write_qpe(self, valid_time: Any, rain: ArrayLike) -> None:
        """Store observed rain of one time or several.

        Parameters
        ----------
        valid_time : time or sequence of times
            End of the accumulation window, UTC; several must increase.
        rain : array (y, x) or (time, y, x)
            Rain in mm in the window that ends at the time; NaN where unknown.  Rounded down to 0.001 mm.

        Raises
        ------
        ArchiveError
            If a time is there already or out of order, a shape or value is wrong, or it cannot be written.  The archive
            is then as before.
        """
        times = np.asarray([as_time(time) for time in np.atleast_1d(np.asarray(valid_time))]).astype("datetime64[s]")
        where = f"QPE of {self.path}"
        values = np.asarray(rain, np.float32)
        values = values[None] if values.ndim == 2 else values
        expected = (len(times), *stored_array(self._group, "qpe").shape[1:])
        if values.shape != expected:
            raise ArchiveError(f"The rain for {where} has the shape {values.shape} instead of {expected} (time, y, x).")
        if not len(times):
            return
        if np.any(late := np.diff(times) <= np.timedelta64(0, "s")):
            index = int(np.argmax(late))
            raise ArchiveError(f"The times for {where} do not increase: {times[index + 1]} comes after {times[index]}.")
        if np.any(known := np.isin(times, self._valid_times)):
            raise ArchiveError(f"{where} at {times[known][0]} is stored already; leave it out.")
        raw = encode_qpe(values)
        slot = len(self._valid_times)
        with self._commit(f"{where} from {times[0]} to {times[-1]}"):
            self._put("qpe", slot, raw)
            self._put("qpe_coverage", slot, (raw != QPE_MISSING).mean(axis=(1, 2)).astype(np.float32))
            self._put("valid_time", slot, times.astype(np.int64))
        self._valid_times = np.append(self._valid_times, times)

    def add_sources(self, sources: Iterable[Mapping[str, str]]) -> None:
        """Note the files that data came from, each ``{"name": ..., "sha256": ...}``; a file noted before is skipped.

        Call it before the run or QPE that they gave is written, so that no data are without a source.
        """
        new = {(str(source["name"]), str(source["sha256"])): None for source in sources}
        lines = [
            json.dumps({"name": name, "sha256": digest}, ensure_ascii=False)
            for name, digest in new
            if (name, digest) not in self._sources
        ]
        if not lines:
            return
        self._need_open()
        try:
            with (self.path / SOURCES_FILE).open("a", encoding="utf-8") as file:
                # the newline comes first too: it ends a line that a kill cut short
                file.write("\n" + "\n".join(lines) + "\n")
        except OSError as error:
            raise ArchiveError(f"The sources were not noted: {explain_os_error(error, self.path)}.") from error
        self._sources |= set(new)

    def _put(self, name: str, start: int, values: NDArray[Any]) -> None:
        array = stored_array(self._group, name)
        array.resize((start + len(values), *array.shape[1:]))
        array[start : start + len(values)] = values

    @contextmanager
    def _commit(self, where: str) -> Iterator[None]:
        """Make what the block writes visible in one step at its end."""
        import zarr

        self._need_open()
        try:
            if self._torn:
                self._settle()
            self._torn = True
            with quiet_zarr():
                yield
                zarr.consolidate_metadata(self._group.store)
            self._torn = False
        except OSError as error:
            raise ArchiveError(f"The {where} was not stored: {explain_os_error(error, self.path)}.") from error

    def _settle(self) -> None:
        """Bring every array back to its visible length after a write that did not end."""
        with quiet_zarr():
            for names, length in ((_RUN_ARRAYS, len(self._init_times)), (_QPE_ARRAYS, len(self._valid_times))):
                for name in names:
                    array = stored_array(self._group, name)
                    array.resize((length, *array.shape[1:]))
        self._torn = False

    def _need_open(self) -> None:
        if not self._free_lock.alive:
            raise ArchiveError(f"The writer of {self.path} is closed; open it again with ArchiveWriter.append.")


def _local(path: str | os.PathLike[str]) -> Path:
    if is_url(path):
        raise ArchiveError(f"{path} is a URL; archives are written to a folder and copied from there.")
    return Path(path)
