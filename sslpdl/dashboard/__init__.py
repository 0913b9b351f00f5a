"""The page: three linked maps of NWP rain, SSLPDL probability and QPE, and a player that runs in the browser.

Importing this package is cheap; Panel and the data packages are imported where a page is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslpdl.dashboard.settings import Settings

if TYPE_CHECKING:
    from sslpdl.dashboard.server import serve
    from sslpdl.dashboard.state import State

__all__ = ["Settings", "State", "serve"]


def __getattr__(name: str) -> Any:
    if name == "State":
        from sslpdl.dashboard.state import State

        return State
    if name == "serve":
        from sslpdl.dashboard.server import serve

        return serve
    raise AttributeError(f"module 'sslpdl.dashboard' has no attribute {name!r}")
