"""Serving the page on this machine."""

from __future__ import annotations

import logging
import threading

from sslpdl.dashboard.settings import Settings, check_paths
from sslpdl.errors import ConfigError, SslpdlError

__all__ = ["serve"]

log = logging.getLogger(__name__)


def serve(settings: Settings, port: int = 5006, *, address: str = "127.0.0.1", show: bool = False) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    settings : Settings
        What to show.
    port, address : int, str
        Where to listen; by default only this machine can connect.
    show : bool, default False
        Open a browser.

    Raises
    ------
    ConfigError
        If a path of the settings leads nowhere, or the address and port cannot be used.
    """
    check_paths(settings)
    import panel as pn
    from tornado.ioloop import IOLoop

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for noisy in ("bokeh", "tornado.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    names = {"localhost", "127.0.0.1", address}

    def page() -> pn.template.Template:
        from sslpdl.dashboard.page import create

        return create(settings)

    # the port answers first, then what a first visitor would wait for is prepared
    worker = threading.Thread(target=prepare, args=(settings,), name="sslpdl-prepare", daemon=True)
    loop = IOLoop.current()
    loop.add_callback(worker.start)
    loop.add_callback(log.info, "SSLPDL is at http://localhost:%d (Ctrl+C ends it).", port)
    try:
        pn.serve(  # type: ignore[no-untyped-call]
            {"/": page},
            port=port,
            address=address,
            show=show,
            title="SSLPDL",
            websocket_origin=[f"{name}:{port}" for name in sorted(names)],
            reuse_sessions=False,
            verbose=False,
        )
    except OSError as error:
        raise ConfigError(
            f"the page cannot be served on {address}:{port} ({error.strerror or error}); choose another --port."
        ) from error


def prepare(settings: Settings) -> None:
    """Open the data and read the run that the page begins with, so that the first visitor does not wait."""
    from sslpdl.dashboard.page import prepare_first_page

    try:
        prepare_first_page(settings)
    except SslpdlError as error:
        log.error("%s", error)
