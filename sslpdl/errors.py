"""Errors that a user can cause; each message is one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "BuildError",
    "ConfigError",
    "ForecastError",
    "GridError",
    "ModelError",
    "ReaderError",
    "SslpdlError",
    "VerifyError",
]


class SslpdlError(Exception):
    """Base of every error that SSLPDL raises on purpose; the command line prints it and exits with status 2.

    Parameters
    ----------
    message : str
        The sentence.
    kind : str, optional
        Short name of what has happened, by which the page knows it in another language.
    """

    def __init__(self, message: str = "", *, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class GridError(SslpdlError):
    """A grid, projection or regridding request that cannot be met."""


class ReaderError(SslpdlError):
    """A source file (GRIB, radar composite, gauge table, array folder) that cannot be read as asked."""


class ArchiveError(SslpdlError):
    """An archive that is missing, damaged, of a newer format, or without what was asked of it."""


class ConfigError(SslpdlError):
    """A configuration with an unknown key or an impossible value."""


class ModelError(SslpdlError):
    """A model folder that is damaged, or a model that does not fit the data."""


class ForecastError(SslpdlError):
    """A forecast that cannot be made, stored or opened."""


class VerifyError(SslpdlError):
    """A verification request without usable pairs of forecast and observation."""


class BuildError(SslpdlError):
    """The compiled operator was demanded and cannot be built or loaded."""
