"""Keys of GRIB messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sslpdl.errors import ReaderError

__all__ = ["get"]


def get(handle: Any, key: str, default: Any = ..., *, kind: Callable[[Any], Any] | None = None) -> Any:
    """Return the value of a key; without it the default, or ReaderError if there is none."""
    import eccodes

    try:
        return eccodes.codes_get(handle, key, ktype=kind)
    except eccodes.KeyValueNotFoundError:
        if default is ...:
            raise ReaderError(f"A GRIB message has no key {key!r}; its kind of field is not supported.") from None
        return default
    except eccodes.CodesInternalError as error:
        raise ReaderError(f"A GRIB message is damaged: its key {key!r} cannot be read ({error}).") from error
