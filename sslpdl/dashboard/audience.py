"""The open sessions of this process, and one thread that tells them what has been added to the data they look at.

The thread lives only while somebody is there, and costs a look at the time of one or two files every few seconds.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.source import Source

__all__ = ["AUDIENCE", "Audience"]

log = logging.getLogger(__name__)


class Audience:
    """Sessions that are open.

    Parameters
    ----------
    every : float
        Seconds between two looks at the disk.
    """

    def __init__(self, every: float = 3.0) -> None:
        self.every = every
        self._sessions: list[Session] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def enter(self, session: Session) -> None:
        """Take a session in until it ends by itself or by `leave`."""
        with self._lock:
            self._sessions.append(session)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="sslpdl-news", daemon=True)
                self._thread.start()

    def leave(self, session: Session) -> None:
        """Let a session go."""
        with self._lock:
            self._sessions = [one for one in self._sessions if one is not session]

    def archives(self) -> list[Path]:
        """Return the archives that somebody looks at."""
        with self._lock:
            return [one.shown.archive for one in self._sessions if not one.gone]

    def tell(self, message: dict[str, Any], *, source: Source | None = None) -> None:
        """Send a message to every session, or to those that look at one source."""
        with self._lock:
            listening = [one for one in self._sessions if source is None or one.source is source]
        for session in listening:
            session.tell(message)

    def look(self) -> bool:
        """Look at the disk once, and tell the sessions what is new; False if nobody is there any more."""
        with self._lock:
            self._sessions = [one for one in self._sessions if not one.gone]
            sources = list({id(one.source): one.source for one in self._sessions}.values())
            if not sources:
                self._thread = None
                return False
        for source in sources:
            try:
                message = source.news()
            except Exception:  # the thread serves all sessions: one damaged archive must not end it
                log.exception("The data could not be looked at again.")
                continue
            if message is not None:
                self.tell(message, source=source)
        return True

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(self.every) and self.look():
            pass


AUDIENCE = Audience()
"""The sessions of this process."""
