"""The browser's part of the page as a Panel component: data go in, requests for another run come out.

The scripts in ``static/viewer`` are joined in the order of their names into one module, those in ``static/style`` into
one stylesheet.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent
from panel.viewable import Child

__all__ = ["Viewer"]

STATIC = Path(__file__).parent / "static"


def _joined(folder: str) -> str:
    paths = sorted(path for path in (STATIC / folder).iterdir() if path.suffix in (".js", ".css"))
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


class Viewer(JSComponent):
    """Header, controls, maps and footer."""

    config = param.Dict(default={}, doc="What does not change from run to run, see `page.configuration`.")
    start = param.Dict(default={}, doc="The state that the page begins with.")
    run = param.Dict(default={}, doc="`Frames.message` of the run that is shown.")
    nwp = Child()
    probability = Child()
    qpe = Child()
    extra = Child(doc="The fourth map, where it is wanted.")

    # a map that comes later is put in its place by the scripts: the others stay as they are
    _render_policy = "manual"
    _esm = _joined("viewer")
    _scripts = hashlib.sha256(_esm.encode()).hexdigest()
    _stylesheets = [_joined("style")]  # noqa: RUF012  (Panel's own declaration)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]
        self._on_request: list[Any] = []

    def _get_properties(self, doc: Any) -> dict[str, Any]:
        # the scripts are plain JavaScript: named as a bundle, they are not compiled once more in the browser
        return super()._get_properties(doc) | {"bundle": self._scripts}

    @classmethod
    def _patch_datamodel_ref(cls, props: Any, ref: str) -> None:
        # Panel looks through all that lies below, the maps too, for further data models whenever a run is sent
        tag = f"__ref:{ref}"
        if tag not in props.tags:
            props.tags.append(tag)

    def on_request(self, callback: Any) -> None:
        """Call `callback(message)` for each message of the browser, a dict; see `sslpdl.dashboard.requests`."""
        self._on_request.append(callback)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to the browser; bytes in it travel as they are."""
        self._send_msg(message)

    def _handle_msg(self, data: Any) -> None:
        for callback in self._on_request:
            callback(data if isinstance(data, dict) else {})
