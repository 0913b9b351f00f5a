"""Questions that the browser asks a session, and who answers them.

A message is a dict with ``kind``, ``id`` and whatever the kind needs; the answer carries the same ``id`` and either
``answer`` or ``problem``, a sentence for the reader, with its kind, by which the page knows it in another language.
What comes from a browser is not to be trusted: a function that answers checks what it uses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sslpdl.errors import SslpdlError

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session

__all__ = ["ANSWERS", "answer", "submit"]

log = logging.getLogger(__name__)

ANSWERS: dict[str, str] = {
    "influence": "inspecting:influence",
    "reconstruction": "inspecting:reconstruction",
    "export": "exports.jobs:start",
    "export-cancel": "exports.jobs:cancel",
    "verification": "verification:verification",
    "catalogue": "catalogue:answer",
    "jobs": "jobs:listing",
    "forecast": "jobs:start",
    "cancel": "jobs:cancel",
    "upload": "uploads.answers:begin",
    "upload-read": "uploads.answers:read",
    "upload-cancel": "uploads.answers:cancel",
    "upload-remove": "uploads.answers:remove",
    "field": "fields:field",
    "run": "fields:run",
    "overlay": "overlays:overlay",
}
"""Function that answers each kind of question, as ``module:function`` below `sslpdl.dashboard`, imported when asked.

It is called in a thread as ``function(session, message)`` and returns a dict of plain values, bytes and arrays.
"""


def answer(session: Session, message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the reply to a message, or None if it is no question.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        As it came from the browser.
    """
    kind, number = message.get("kind"), message.get("id")
    if not isinstance(kind, str) or kind not in ANSWERS or not isinstance(number, int):
        return None
    module, _, name = ANSWERS[kind].partition(":")
    try:
        function: Callable[[Session, dict[str, Any]], dict[str, Any]]
        function = getattr(import_module(f"sslpdl.dashboard.{module}"), name)
        return {"id": number, "answer": function(session, message)}
    except SslpdlError as error:
        return {"id": number, "problem": str(error), "problem_kind": error.kind}
    except Exception:
        log.exception("The question %r could not be answered.", kind)
        problem = "this could not be done; the server's log says why."
        return {"id": number, "problem": problem, "problem_kind": "unexpected"}


def submit(session: Session, message: dict[str, Any]) -> None:
    """Answer a message in a thread, and tell the session."""

    def work() -> None:
        reply = answer(session, message)
        if reply is not None:
            session.tell(_joined(reply))

    _threads().submit(work)


def _joined(reply: dict[str, Any]) -> dict[str, Any]:
    """Return a reply with its ``blocks``, one per lead time, as one piece with their ``sizes``.

    Each piece alone would be two frames on the WebSocket: a field of 36 lead times is drawn a fifth later then.
    """
    blocks = reply.get("answer", {}).get("blocks")
    if not isinstance(blocks, list):
        return reply
    joined = {"blocks": b"".join(blocks), "sizes": [len(block) for block in blocks]}
    return reply | {"answer": reply["answer"] | joined}


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, thread_name_prefix="sslpdl-answer")
