"""Orders on their way: at most two at once on a server, one for each visitor, and the file at the end."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.exports.order import Order
from sslpdl.errors import SslpdlError

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session

__all__ = ["Cancelled", "Progress", "cancel", "start"]

log = logging.getLogger(__name__)

_AT_ONCE = 2
_IN_LINE = 10
_TYPES = {
    "png": "image/png",
    "gif": "image/gif",
    "nc": "application/x-netcdf",
    "csv": "text/csv;charset=utf-8",
}

Progress = Callable[[int, int], None]
"""Called with how many of how many parts are done; raises `Cancelled` where nobody waits any more."""


class Cancelled(Exception):  # noqa: N818  (no error: the visitor wished it)
    """The visitor no longer wants the file, or has gone."""


@dataclass
class Job:
    """An order of a visitor."""

    number: int
    session: Session
    order: Order
    cancelled: threading.Event = field(default_factory=threading.Event)
    turn: Future[None] | None = None

    def tell(self, state: str, **more: Any) -> None:
        """Tell the browser how it stands: ``waiting``, ``working``, ``done``, ``failed`` or ``cancelled``."""
        self.session.tell({"kind": "export", "job": self.number, "state": state} | more)

    def progress(self, done: int, total: int) -> None:
        """Tell how much is done.

        Raises
        ------
        Cancelled
            If nobody waits for the rest.
        """
        if self.cancelled.is_set() or self.session.gone:
            raise Cancelled
        self.tell("working", done=done, total=total)


_jobs: dict[Session, Job] = {}
_lock = threading.Lock()
_numbers = itertools.count(1)


def start(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Take an order; the answer says its number, its file's name and how many are before it.

    Parameters
    ----------
    session : Session
        Who orders.
    message : dict
        See `Order.from_message`.

    Raises
    ------
    SslpdlError
        If the order makes no sense, the visitor has one already, or too many wait.
    """
    order = Order.from_message(session.source, message)
    with _lock:
        if session in _jobs:
            raise SslpdlError("one file is being made for you already; wait for it, or cancel it.", kind="one_file")
        if len(_jobs) >= _IN_LINE:
            sentence = "the server is making files for others and many wait already; try again in a minute."
            raise SslpdlError(sentence, kind="busy")
        ahead = max(0, len(_jobs) + 1 - _AT_ONCE)
        job = _jobs[session] = Job(next(_numbers), session, order)
        job.turn = _threads().submit(_work, job)
    return {"job": job.number, "name": order.name, "ahead": ahead}


def cancel(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Give up the visitor's order; the browser hears when it has ended."""
    with _lock:
        job = _jobs.get(session)
        if job is None:
            return {"cancelled": False}
        job.cancelled.set()
        waiting = job.turn is not None and job.turn.cancel()
        if waiting:
            _jobs.pop(session)
    if waiting:
        job.tell("cancelled")
    return {"cancelled": True}


def _work(job: Job) -> None:
    try:
        outcome = _outcome(job)
    finally:
        with _lock:
            _jobs.pop(job.session, None)
    job.tell(**outcome)


def _outcome(job: Job) -> dict[str, Any]:
    """Make the file, and return what the browser is told at the end."""
    try:
        job.progress(0, len(job.order.leads))
        content, note = make(job)
    except Cancelled:
        return {"state": "cancelled"}
    except SslpdlError as error:
        return {"state": "failed", "problem": str(error), "problem_kind": error.kind}
    except Exception:
        log.exception("The file %s could not be made.", job.order.name)
        problem = "this file could not be made; the server's log says why."
        return {"state": "failed", "problem": problem, "problem_kind": "unexpected"}
    kind = _TYPES[job.order.name.rpartition(".")[2]]
    return {"state": "done", "name": job.order.name, "type": kind, "content": content, "note": note}


def make(job: Job) -> tuple[bytes, str]:
    """Return the bytes of the file of an order, and a remark for the reader or nothing."""
    order, source = job.order, job.session.source
    if order.form in ("png", "gif"):
        from sslpdl.dashboard.exports import pictures

        return pictures.picture(source, order) if order.form == "png" else pictures.film(source, order, job.progress)
    if order.form == "netcdf":
        from sslpdl.dashboard.exports.netcdf import netcdf

        return netcdf(source, order), ""
    from sslpdl.dashboard.exports import tables

    return (tables.series(source, order) if order.form == "point" else tables.cells(source, order)), ""


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sslpdl-export")
