"""The questions of the page about uploads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.uploads.reading import Refused
from sslpdl.errors import SslpdlError

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.uploads.batches import Receiver

__all__ = ["begin", "cancel", "read", "remove"]

_LONGEST_LIST = 200
_NUMBER = re.compile(r"\d{1,3}(\.\d{1,2})?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d", re.ASCII)


def begin(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``upload``: the ``ticket`` to send files with, or the ``refused`` word why not."""
    try:
        return {"ticket": _receiver(session).begin(session).ticket}
    except Refused as error:
        return {"refused": error.problem, "detail": error.detail}


def read(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``upload-read``, which names the ``ticket`` and perhaps ``init``, the start of the run, UTC.

    ``covers``, the hours that each rain field covers, is for files that do not say that either.
    The answer says how many uploads are ``ahead``, or the ``refused`` word why not; messages of the kind ``upload``
    tell how it goes on.
    """
    ticket, init = message.get("ticket"), message.get("init") or None
    try:
        if not isinstance(ticket, str):
            raise Refused("ticket")
        if init is not None and not (isinstance(init, str) and _TIME.fullmatch(init)):
            raise Refused("init")
        return {"ahead": _receiver(session).read(session, ticket, init, _hours(message.get("covers")))}
    except Refused as error:
        return {"refused": error.problem, "detail": error.detail}


def cancel(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``upload-cancel``."""
    _receiver(session).cancel(session)
    return {}


def remove(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``upload-remove``, which has the ``name`` of an upload; or the ``refused`` word why not."""
    try:
        _receiver(session).remove(session, str(message.get("name")))
    except Refused as error:
        return {"refused": error.problem}
    return {}


def _hours(text: Any) -> list[float] | None:
    """Return the numbers of a list such as ``12, 12, 2``; None for nothing."""
    if text is None or text == "":
        return None
    words = re.split(r"[,\s]+", text.strip()) if isinstance(text, str) and len(text) <= _LONGEST_LIST else [""]
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise Refused("covers")
    return [float(word) for word in words]


def _receiver(session: Session) -> Receiver:
    if session.receiver is None:
        raise SslpdlError(
            "this server takes no files; its operator can switch that on (docs/operation.md).", kind="no_uploads"
        )
    return session.receiver
