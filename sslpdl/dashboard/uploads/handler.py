"""``POST /upload``: one file, streamed to the disk.

A request needs a ticket that a page has got over its WebSocket, so it comes from a page of this server whose visitor
is signed in; the origin and the sign-in are checked once more.  A file that is refused is read to its end and thrown
away: a browser only hears a refusal once it has sent everything.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlparse

from bokeh.server.util import check_allowlist
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import stream_request_body

from sslpdl.dashboard.uploads.batches import Batch, Receiver, kind_of
from sslpdl.dashboard.uploads.reading import Refused

__all__ = ["UploadHandler"]

_SECONDS_TO_SEND = 3600
_START = 8
_STATUS = {"ticket": 403, "origin": 403, "signin": 403, "large": 413, "together": 413, "many": 413, "kind": 415}


@stream_request_body
class UploadHandler(AuthRequestHandler):
    """Takes one file; answers ``{}``, or ``problem`` and ``detail`` with a status of 400 or more."""

    def initialize(self, receiver: Receiver) -> None:
        """Take what keeps the files."""
        self.receiver = receiver
        self.batch: Batch | None = None
        self.refused: Refused | None = None
        self.path = Path()
        self.size = self.received = 0
        self.start = b""
        self.file: IO[bytes] | None = None

    async def prepare(self) -> None:
        """Decide by the headers alone whether anything is taken."""
        await super().prepare()  # type: ignore[no-untyped-call]
        if self.request.method != "POST":
            return
        try:
            self._admit()
        except Refused as error:
            self.refused = error
            if not 0 <= self.size <= self.receiver.limits.file_bytes:
                self._answer()
                return
        connection: Any = self.request.connection
        connection.set_max_body_size(self.receiver.limits.file_bytes)
        connection.set_body_timeout(_SECONDS_TO_SEND)

    def _admit(self) -> None:
        length = self.request.headers.get("Content-Length", "")
        self.size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1
        application: Any = self.application
        origin = urlparse(self.request.headers.get("Origin", "")).netloc.lower()
        if not origin or not check_allowlist(origin, application.websocket_origins):
            raise Refused("origin")
        if not self.current_user:
            raise Refused("signin")
        batch = self.receiver.batch(self.request.headers.get("X-Upload-Ticket", ""))
        if batch is None or batch.session.gone:
            raise Refused("ticket")
        if self.size < 0:
            raise Refused("length")
        self.path = batch.promise(self.size)
        self.batch = batch

    def data_received(self, chunk: bytes) -> None:
        """Write a part of the file, once its beginning is that of a kind that is read."""
        self.received += len(chunk)
        if self.refused or self.batch is None:
            return
        try:
            if self.file is None:
                self.start += chunk
                if len(self.start) < min(_START, self.size):
                    return
                chunk = self.start
                ending = kind_of(self.start)
                if not ending:
                    raise Refused("kind")
                self.path = self.path.with_suffix(ending)
                self.file = self.path.open("xb")
            self.file.write(chunk)
        except Refused as error:
            self.refused = error
        except OSError:
            # full, or the upload was given up and its folder is gone
            self.refused = Refused("ticket" if self.batch.cancelled else "disk")

    def post(self) -> None:
        """Take the file in, now that it is whole."""
        whole = self.file is not None and self.received == self.size
        self._close()
        if self.refused is None and not whole:
            self.refused = Refused("empty")
        if self.refused is None and self.batch is not None:
            self.batch.add(self.path, unquote(self.request.headers.get("X-Upload-Name", "")))
            self.batch = None
        self._answer()

    def _answer(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        if self.refused is not None:
            self.set_status(_STATUS.get(self.refused.problem, 400))
        answer = {} if self.refused is None else {"problem": self.refused.problem, "detail": self.refused.detail}
        self.finish(json.dumps(answer))

    def _close(self) -> None:
        if self.file is not None:
            try:
                self.file.close()
            except OSError:
                self.refused = Refused("disk")
            self.file = None

    def _give_up(self) -> None:
        """Throw away what has not been taken in."""
        self._close()
        if self.batch is not None:
            self.path.unlink(missing_ok=True)
            self.batch.release(self.size)
            self.batch = None

    def on_finish(self) -> None:
        """Leave nothing of a file that was refused."""
        self._give_up()

    def on_connection_close(self) -> None:
        """Leave nothing of a file whose sender has gone."""
        self._give_up()

    def check_xsrf_cookie(self) -> None:
        """Ask for no cookie: a ticket is known to its page alone."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in JSON and never with a traceback."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"problem": "server", "detail": ""}))
