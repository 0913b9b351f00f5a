"""SSLPDL: rain probabilities from numerical weather prediction.

Masked self-supervised pre-training and probabilistic density labels (arXiv 2310.20187, arXiv 2412.05825), from the
raw NWP file to the forecaster's screen.  Heavy packages are imported where they are used, so that ``import sslpdl``
is cheap.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from sslpdl.errors import SslpdlError

if TYPE_CHECKING:
    from sslpdl.archive import open_archive
    from sslpdl.forecast import open_forecast

__all__ = ["SslpdlError", "__version__", "open_archive", "open_forecast"]

try:
    __version__ = version("sslpdl")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "open_archive":
        from sslpdl.archive import open_archive

        return open_archive
    if name == "open_forecast":
        from sslpdl.forecast import open_forecast

        return open_forecast
    raise AttributeError(f"module 'sslpdl' has no attribute {name!r}")
