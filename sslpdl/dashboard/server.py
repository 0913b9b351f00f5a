"""Serving the page: on this machine by default, under a few names, and until it is told to stop."""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.service import Service, refuse_missing_secret
from sslpdl.dashboard.settings import Settings, check_paths
from sslpdl.dashboard.uploads.limits import Limits
from sslpdl.errors import ConfigError, SslpdlError

if TYPE_CHECKING:
    import panel as pn
    from tornado.ioloop import IOLoop

    from sslpdl.dashboard.uploads.batches import Receiver

__all__ = ["serve"]

log = logging.getLogger(__name__)
_STATIC = Path(__file__).parent / "static"


def serve(
    settings: Settings,
    port: int | None = None,
    *,
    address: str | None = None,
    service: Service | None = None,
    show: bool = False,
) -> None:
    """Serve the page until interrupted; SIGTERM ends this process and those that it started.

    Parameters
    ----------
    settings : Settings
        What to show.
    port, address : int, str, optional
        Where to listen, in place of the service's; by default only this machine can connect.
    service : Service, optional
        Who may connect and how; see its attributes.
    show : bool, default False
        Open a browser.

    Raises
    ------
    ConfigError
        If a path of the settings leads nowhere, the service would be unsafe, or the address and port cannot be used.
    """
    service = service or Service()
    service = replace(
        service,
        port=service.port if port is None else port,
        address=service.address if address is None else address,
    )
    service.check()
    check_paths(settings)
    if os.environ.get("BOKEH_ALLOW_WS_ORIGIN"):
        raise ConfigError("BOKEH_ALLOW_WS_ORIGIN would go before --origin; unset it and name the origins there.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for noisy in ("bokeh", "tornado.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings, limits = _with_uploads(settings, service)
    with _bound(service):
        server = _server(settings, service, limits)
    if show:
        server.io_loop.add_callback(server.show, "/")
    _run(server, settings, service)


def _with_uploads(settings: Settings, service: Service) -> tuple[Settings, Limits | None]:
    """Return the settings with the folder of uploads among those to choose from, and its limits; None if there is none.

    Where nobody asked for uploads and there is no place for them, the page is shown without them.
    """
    if not service.uploading:
        return settings, None
    limits = Limits.of(service, settings)
    try:
        limits.make()
    except ConfigError as error:
        if service.upload:
            raise
        log.warning("No files can be uploaded: %s", error)
        return settings, None
    return replace(settings, folders=(*settings.folders, limits.folder)), limits


def _server(settings: Settings, service: Service, limits: Limits | None) -> Any:
    """Return Panel's server, which has the port but does not answer yet."""
    import panel as pn
    from panel.io.resources import DIST_DIR
    from tornado.web import StaticFileHandler

    from sslpdl.dashboard.health import HealthHandler

    def page() -> pn.template.Template:
        from sslpdl.dashboard.page import create

        if service.auth != "none":
            log.info("%s opens the page.", pn.state.user)
        return create(settings, receiver)

    # every visitor gets the same models, which a test checks once
    import_module("bokeh.settings").settings.perform_document_validation = False
    receiver, routes = _receiver(limits)
    # signed sessions: nobody can join or invent one; processes behind one name share the secret
    key = (service.cookie_secret or secrets.token_hex(32)).encode()
    return pn.serve(
        {"/": page},
        port=service.port,
        address=service.address or None,
        show=False,
        start=False,
        title="SSLPDL",
        websocket_origin=service.allowed_origins,
        prefix=service.prefix,
        root_path=f"/{service.prefix}/" if service.prefix else None,
        use_xheaders=service.proxy,
        admin=service.admin,
        reuse_sessions=False,
        verbose=False,
        sign_sessions=True,
        secret_key=key,
        extra_patterns=[
            (r"/health", HealthHandler, {"settings": settings}),
            # Bokeh has it at the root only, where no proxy may look
            (r"/(favicon\.ico)", StaticFileHandler, {"path": str(DIST_DIR / "images")}),
            *routes,
        ],
        transforms=[_transform()],
        **_sign_in(service),
    )


def _receiver(limits: Limits | None) -> tuple[Receiver | None, list[tuple[str, type[Any], dict[str, Any]]]]:
    """Return what takes uploads, and the route on which they come."""
    if limits is None:
        return None, []
    from sslpdl.dashboard.uploads.batches import Receiver
    from sslpdl.dashboard.uploads.handler import UploadHandler

    receiver = Receiver(limits)
    return receiver, [(r"/upload", UploadHandler, {"receiver": receiver})]


def _sign_in(service: Service) -> dict[str, Any]:
    """Return Panel's options for signing in, with pages that ask nothing of another host."""
    if service.auth == "none":
        return {}
    options: dict[str, Any] = {"cookie_secret": service.cookie_secret} | {
        key: str(_STATIC / "sign_in.html") for key in ("login_template", "logout_template", "oauth_error_template")
    }
    if service.auth == "basic":
        return options | {"basic_auth": str(service.users)}
    from panel.auth import AUTH_PROVIDERS

    if service.oauth_provider not in AUTH_PROVIDERS:
        from sslpdl.models.config import nearest

        near = nearest(service.oauth_provider, sorted(AUTH_PROVIDERS))
        raise ConfigError(f"OAuth provider {service.oauth_provider!r} is unknown{near}.")
    return options | {
        "oauth_provider": service.oauth_provider,
        "oauth_key": service.oauth_key,
        "oauth_secret": service.oauth_secret,
        "oauth_redirect_uri": service.oauth_redirect_uri or None,
        "oauth_extra_params": dict(service.oauth_extra_params),
    }


def _transform() -> type[Any]:
    """Return what adds the headers of `headers` to every answer."""
    from tornado.web import OutputTransform

    class Guarded(OutputTransform):
        def transform_first_chunk(
            self, status_code: int, headers: Any, chunk: bytes, finishing: bool
        ) -> tuple[int, Any, bytes]:
            headers.pop("Server", None)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            return status_code, headers, chunk

    return Guarded


# Bokeh writes its start into the page and Panel runs a component's module from a blob, so inline scripts and blobs must
# be allowed; text from data is never put into the page as HTML.  Nothing may come from, or go to, another host.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
}


@contextmanager
def _bound(service: Service) -> Iterator[None]:
    """Take the port before the packages of the page are imported: connections wait there instead of being refused."""
    from tornado.netutil import bind_sockets

    try:
        sockets = bind_sockets(service.port, address=service.address or None)
    except OSError as error:
        raise ConfigError(
            f"the page cannot be served on {service.address}:{service.port} ({error.strerror or error}); "
            "choose another --port."
        ) from error
    for one in sockets:
        # a message of Bokeh's is many small frames, and connections inherit this: without it the second one of each
        # waits until the browser has acknowledged the first, which may take 40 ms
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bokeh_server: Any = import_module("bokeh.server.server")
    original = bokeh_server.bind_sockets
    # Bokeh has no argument for sockets that are open already
    bokeh_server.bind_sockets = lambda *_: (sockets, service.port)
    try:
        yield
    except BaseException:
        for one in sockets:
            one.close()
        raise
    finally:
        bokeh_server.bind_sockets = original


def _run(server: Any, settings: Settings, service: Service) -> None:
    """Answer until a signal comes, then end what was started."""
    loop: IOLoop = server.io_loop
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        loop.stop()

    with suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread, or not Unix
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.asyncio_loop.add_signal_handler(number, stop)  # type: ignore[attr-defined]
    # the port answers first, then what a first visitor would wait for is prepared
    worker = threading.Thread(target=prepare, args=(settings,), name="sslpdl-prepare", daemon=True)
    loop.add_callback(worker.start)
    host = "localhost" if service.local or service.address in ("", "0.0.0.0", "::") else service.address
    path = f"{service.prefix}/" if service.prefix else ""
    loop.add_callback(log.info, "SSLPDL is at http://%s:%d/%s (Ctrl+C ends it).", host, service.port, path)
    if not service.local and service.auth == "none":
        log.warning("Everyone who can reach %s can open the page; auth is none.", service.address or "this machine")
    server.start()
    loop.start()
    if stopped.is_set():
        log.info("SSLPDL stops.")
        server.unlisten()
        _end_children()
        # threads may be in the middle of a forecast; whatever they write is written whole or not at all
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _end_children() -> None:
    """Kill the processes that this one has started: they compute for pages that are gone."""
    children = {process.pid for process in multiprocessing.active_children() if process.pid}
    for tasks in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        with suppress(OSError, ValueError):
            children |= {int(word) for word in tasks.read_text().split()}
    for child in children:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)


def prepare(settings: Settings) -> None:
    """Open the data and read the run that the page begins with, so that the first visitor does not wait."""
    from sslpdl.dashboard.page import prepare_first_page

    try:
        prepare_first_page(settings)
    except SslpdlError as error:
        log.error("%s", error)


def loaded(config: Any) -> None:
    """Begin as `serve` does where Panel serves: check how visitors sign in, and prepare the first page.

    Parameters
    ----------
    config : panel.config
        Of the running server; without a proper cookie secret the process ends with one sentence and status 2.
    """
    settings = Settings.from_environment()
    try:
        if config.basic_auth or config.oauth_provider:
            refuse_missing_secret(config.cookie_secret or "")
        check_paths(settings)
    except ConfigError as error:
        sys.stderr.write(f"sslpdl: {error}\n")
        # Bokeh logs what a hook raises and goes on
        os._exit(2)
    threading.Thread(target=prepare, args=(settings,), name="sslpdl-prepare", daemon=True).start()
