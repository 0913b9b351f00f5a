"""What `panel serve app/` does before the first visitor comes."""

from typing import Any

import panel as pn

from sslpdl.dashboard.server import loaded


def on_server_loaded(context: Any) -> None:
    """Refuse authentication without a cookie secret, and read what a first visitor needs."""
    loaded(pn.config)
