"""``/health``: whether the page can be shown, for a monitor, a proxy or a container.

`sslpdl app` has it; with ``panel serve app/ --plugins sslpdl.dashboard.health`` it is there as well.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from tornado.web import RequestHandler

from sslpdl.dashboard.settings import Settings
from sslpdl.errors import SslpdlError

__all__ = ["ROUTES", "HealthHandler", "health"]

_STARTED = time.monotonic()
_SECONDS_TO_WAIT = 2.0


def health(settings: Settings) -> tuple[int, dict[str, Any]]:
    """Return the status of an HTTP answer and its content.

    Parameters
    ----------
    settings : Settings
        What is shown.

    Returns
    -------
    (int, dict)
        200 and what is shown, or 503 and the problem.
    """
    from sslpdl import __version__
    from sslpdl.dashboard.source import open_source

    facts: dict[str, Any] = {"version": __version__, "archive": settings.archive.name}
    try:
        source = open_source(settings)
        # the archive is opened once; that it is still there is asked each time
        if not settings.archive.exists():
            raise SslpdlError(f"the archive {settings.archive} is gone.")
    except (SslpdlError, OSError) as error:
        return 503, {"status": "unavailable", **facts, "problem": str(error), "uptime": _uptime()}
    return 200, {
        "status": "ok",
        **facts,
        "runs": len(source.init_times),
        "latest_run": f"{source.init_times[-1]}Z",
        "model": source.probabilities.title,
        "uptime": _uptime(),
    }


def _uptime() -> float:
    """Seconds since this process began to serve."""
    return round(time.monotonic() - _STARTED, 1)


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="sslpdl-health")


class HealthHandler(RequestHandler):
    """Answers without opening a session; while the archive is being opened it says so after two seconds."""

    def initialize(self, settings: Settings | None = None) -> None:
        """Take the settings of the server, or those of the environment."""
        self.settings_shown = settings or Settings.from_environment()

    async def get(self) -> None:
        """Answer in JSON."""
        asked = asyncio.get_running_loop().run_in_executor(_thread(), health, self.settings_shown)
        try:
            status, content = await asyncio.wait_for(asyncio.shield(asked), _SECONDS_TO_WAIT)
        except TimeoutError:
            status, content = 503, {"status": "starting", "uptime": _uptime()}
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.write(content)


ROUTES: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [(r"/health", HealthHandler, {})]
