"""Uploads on their way: one for each visitor, few at once, read one after the other."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.audience import AUDIENCE
from sslpdl.dashboard.uploads.limits import INCOMING, MEGABYTE, MOST_FILES, Limits, discard
from sslpdl.dashboard.uploads.reading import Refused, read_files
from sslpdl.files import write_json_atomic

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session

__all__ = ["Batch", "Receiver", "kind_of", "label"]

log = logging.getLogger(__name__)
_AT_ONCE = 4
_OPEN_SECONDS = 3600.0
_LONGEST_NAME = 80
_NAME = re.compile(r"upload-\d{8}-\d{6}-[0-9a-f]{6}\.zarr", re.ASCII)
_SIGNED = "uploaded_by"
_KINDS = (
    (b"CDF\x01", ".nc"),
    (b"CDF\x02", ".nc"),
    (b"CDF\x05", ".nc"),
    (b"\x89HDF\r\n\x1a\n", ".h5"),
    (b"GRIB", ".grib"),
)


def kind_of(start: bytes) -> str:
    r"""Return the ending for a file by its first eight bytes: ``.nc``, ``.h5``, ``.grib``; empty if it is none.

    Examples
    --------
    >>> kind_of(b"GRIB...."), kind_of(b"\x89PNG\r\n\x1a\n")
    ('.grib', '')
    """
    return next((ending for magic, ending in _KINDS if start.startswith(magic)), "")


def label(name: str) -> str:
    r"""Return what the visitor calls a file, fit to be shown: its last part, one line, not too long.

    Examples
    --------
    >>> label("C:\\data\\예보.nc"), label("../../etc/passwd"), label("")
    ('예보.nc', 'passwd', 'file')
    """
    last = re.split(r"[\\/]", name)[-1]
    clean = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C").strip()
    return clean[:_LONGEST_NAME] or "file"


@dataclass(eq=False)
class Batch:
    """The files of one upload.

    Attributes
    ----------
    session : Session
        Whose it is.
    ticket : str
        What a request must show to add to it.
    work : Path
        Its folder.
    limits : Limits
        What it may take.
    files : dict of Path to str
        What has arrived, and what the visitor calls it.
    """

    session: Session
    ticket: str
    work: Path
    limits: Limits
    files: dict[Path, str] = field(default_factory=dict)
    reading: bool = False
    cancelled: bool = False
    opened: float = field(default_factory=time.monotonic)
    _promised: int = 0
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def promise(self, size: int) -> Path:
        """Take note of a file on its way, and return where it goes, without ending.

        Raises
        ------
        Refused
            If it is empty or too large, or the upload is full or over.
        """
        if size <= 0:
            raise Refused("empty")
        if size > self.limits.file_bytes:
            raise Refused("large", f"{self.limits.file_bytes // MEGABYTE}")
        with self._lock:
            if self.reading or self.cancelled:
                raise Refused("ticket")
            if self._count >= MOST_FILES:
                raise Refused("many", f"{MOST_FILES}")
            if self._promised + size > self.limits.together_bytes:
                raise Refused("together", f"{self.limits.together_bytes // MEGABYTE}")
            self._promised += size
            self._count += 1
            return self.work / f"{self._count:03d}"

    def release(self, size: int) -> None:
        """Give back what was promised to a file that did not come."""
        with self._lock:
            self._promised -= size

    def add(self, path: Path, name: str) -> None:
        """Take in a file that is whole."""
        with self._lock:
            self.files[path] = label(name)

    @property
    def title(self) -> str:
        """Title of the archive: the first file, and how many others."""
        names = sorted(self.files.values())
        return names[0] + (f" (+{len(names) - 1})" if len(names) > 1 else "")

    def tell(self, state: str, **more: Any) -> None:
        """Tell the visitor how it stands: ``waiting``, ``reading``, ``done``, ``failed`` or ``cancelled``."""
        self.session.tell({"kind": "upload", "state": state} | more)


class Receiver:
    """Takes files in and makes archives of them.

    Parameters
    ----------
    limits : Limits
        Where they go and how much; the folder exists.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._batches: dict[str, Batch] = {}
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sslpdl-upload")
        self._thread.submit(limits.tidy)

    def describe(self) -> dict[str, Any]:
        """Return what the page says about the limits."""
        limits = self.limits
        return {
            "megabytes": limits.file_bytes // MEGABYTE,
            "together": limits.together_bytes // MEGABYTE,
            "files": MOST_FILES,
            "days": limits.kept_days,
        }

    def begin(self, session: Session) -> Batch:
        """Open an upload; one that the visitor has not finished sending is given up.

        Raises
        ------
        Refused
            If the visitor's last upload is still being read, or too many others are on their way.
        """
        with self._lock:
            for batch in list(self._batches.values()):
                stale = batch.session is session or batch.session.gone
                if not batch.reading and (stale or time.monotonic() - batch.opened > _OPEN_SECONDS):
                    self._drop(batch)
            if any(batch.session is session for batch in self._batches.values()):
                raise Refused("one")
            if len(self._batches) >= _AT_ONCE:
                raise Refused("busy")
            ticket = secrets.token_urlsafe(24)
            work = self.limits.folder / f"{INCOMING}{secrets.token_hex(8)}"
            try:
                work.mkdir(mode=0o700)
            except OSError as error:
                log.error("No upload can be taken: %s", error)
                raise Refused("disk") from error
            batch = self._batches[ticket] = Batch(session, ticket, work, self.limits)
            return batch

    def batch(self, ticket: str) -> Batch | None:
        """Return the upload that a ticket is for."""
        with self._lock:
            return self._batches.get(ticket)

    def read(
        self, session: Session, ticket: str, init_time: str | None = None, rain_covers: list[float] | None = None
    ) -> int:
        """Read what was sent when its turn comes; return how many uploads are before it.

        Parameters
        ----------
        session : Session
            Who asks.
        ticket : str
            Of the upload.
        init_time : str, optional
            Start of the run, UTC, where the files do not say.
        rain_covers : list of float, optional
            Hours that each rain field covers, where the files do not say.

        Raises
        ------
        Refused
            If there is no such upload of this visitor, or nothing was sent.
        """
        batch = self.batch(ticket)
        if batch is None or batch.session is not session or batch.reading or batch.cancelled:
            raise Refused("ticket")
        if not batch.files:
            raise Refused("nothing")
        with self._lock:
            batch.reading = True
            ahead = sum(one.reading for one in self._batches.values()) - 1
        self._thread.submit(self._work, batch, {"init_time": init_time, "rain_covers": rain_covers})
        return ahead

    def cancel(self, session: Session) -> None:
        """Give up the visitor's upload; what is being read ends within a second."""
        with self._lock:
            for batch in [one for one in self._batches.values() if one.session is session]:
                batch.cancelled = True
                if not batch.reading:
                    self._drop(batch)

    def removable(self, session: Session, archive: Path) -> bool:
        """Return whether a visitor may remove an archive: an upload, where people sign in one of the same person."""
        if archive.parent != self.limits.folder or not _NAME.fullmatch(archive.name) or archive.is_symlink():
            return False
        try:
            return _signed_by(archive) == session.user
        except (OSError, ValueError, KeyError):
            return False

    def remove(self, session: Session, name: str) -> None:
        """Remove an upload for good.

        Parameters
        ----------
        session : Session
            Who asks.
        name : str
            As told when it was made.

        Raises
        ------
        Refused
            If there is no such upload of this visitor, or somebody looks at it.
        """
        archive = self.limits.folder / f"{name}.zarr"
        if not self.removable(session, archive):
            raise Refused("gone")
        if archive.resolve() in {path.resolve() for path in AUDIENCE.archives()}:
            raise Refused("used")
        if not discard(archive):
            raise Refused("server")
        log.info("The upload %s is removed by a visitor.", name)

    def leave(self, session: Session) -> None:
        """Forget what a visitor who has gone did not finish sending; files that are all here are still read."""
        with self._lock:
            for batch in [one for one in self._batches.values() if one.session is session and not one.reading]:
                self._drop(batch)

    def _drop(self, batch: Batch) -> None:
        batch.cancelled = True
        self._batches.pop(batch.ticket, None)
        shutil.rmtree(batch.work, ignore_errors=True)

    def _work(self, batch: Batch, stated: dict[str, Any]) -> None:
        try:
            outcome = self._outcome(batch, stated)
        finally:
            with self._lock:
                self._drop(batch)
        batch.tell(**outcome)
        self.limits.tidy(AUDIENCE.archives())

    def _outcome(self, batch: Batch, stated: dict[str, Any]) -> dict[str, Any]:
        """Make the archive, and return what the page is told at the end."""
        told = 0

        def going(seconds: float) -> bool:
            nonlocal told
            if int(seconds) > told:
                told = int(seconds)
                batch.tell("reading", seconds=told)
            return not batch.cancelled

        try:
            if batch.cancelled:
                return {"state": "cancelled"}
            batch.tell("reading", seconds=0)
            files = {path: batch.files[path] for path in sorted(batch.files)}
            order = {"title": batch.title, **stated}
            made, summary = read_files(batch.work, files, self.limits, order, going=going)
            name = f"upload-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
            _sign(made, batch.session.user)
            made.rename(self.limits.folder / f"{name}.zarr")
        except Refused as error:
            if error.problem == "cancelled":
                return {"state": "cancelled"}
            why = {"problem": error.problem, "detail": error.detail, "detail_kind": error.detail_kind}
            return {"state": "failed", **why}
        except Exception:
            log.exception("An upload could not be read.")
            return {"state": "failed", "problem": "server", "detail": ""}
        log.info("An upload became the archive %s.", name)
        return {"state": "done", "archive": name, "title": batch.title, **summary}


def _sign(archive: Path, user: str) -> None:
    """Write into an archive whose it is; empty where nobody signs in."""
    root = json.loads((archive / "zarr.json").read_text(encoding="utf-8"))
    root["attributes"][_SIGNED] = user
    write_json_atomic(archive / "zarr.json", root)


def _signed_by(archive: Path) -> str:
    root = json.loads((archive / "zarr.json").read_text(encoding="utf-8"))
    return str(root["attributes"].get(_SIGNED, ""))
