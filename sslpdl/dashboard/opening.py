"""What a dashboard shows, as it lies on the disk: opened, and looked at again to see whether it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sslpdl.dashboard.probabilities import (
    ComputedForecast,
    NoForecast,
    Probabilities,
    StoredForecast,
    fits,
    metadata_of,
)
from sslpdl.errors import ArchiveError, ModelError

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.dashboard.settings import Settings

__all__ = ["Files", "Mark"]

Mark: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"
"""Identity, size and time of change of the metadata of archive and forecast."""


@dataclass(frozen=True)
class Files:
    """Archive, and forecast or model, of a dashboard."""

    settings: Settings

    def mark(self) -> Mark:
        """Return something that changes whenever a writer has published: both artefacts replace one file for that."""
        paths = [self.settings.archive / "zarr.json"]
        if self.settings.forecast is not None:
            forecast = self.settings.forecast
            paths.append(forecast if forecast.is_file() else forecast / "zarr.json")
        return tuple(_mark(path) for path in paths)

    def open(self) -> tuple[xr.Dataset, Probabilities]:
        """Return the archive and where its probabilities come from.

        Raises
        ------
        SslpdlError
            If the archive or the stored forecast is missing or damaged.
        """
        from sslpdl.archive import open_archive
        from sslpdl.forecast import open_forecast

        settings = self.settings
        if not settings.archive.exists():
            raise ArchiveError(
                f"there is no archive at {settings.archive}; give one with `sslpdl app --archive` or SSLPDL_ARCHIVE, "
                "or make one with `sslpdl ingest` or `sslpdl twin`.",
                kind="no_archive",
            )
        archive = open_archive(settings.archive)
        if settings.forecast is not None:
            return archive, StoredForecast(open_forecast(settings.forecast))
        return archive, _modelled(settings, archive)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _modelled(settings: Settings, archive: xr.Dataset) -> Probabilities:
    """Return the forecast of the model, or why there is none: a model of other rain is not shown beside this."""
    from sslpdl.dashboard.settings import SAMPLE_MODEL

    try:
        if fits(settings.model, archive):
            return ComputedForecast(settings.archive, settings.model, settings.cache, metadata_of(archive))
    except ModelError as error:
        return NoForecast(str(error))
    if settings.model == SAMPLE_MODEL:
        return NoForecast("no model was given, and the sample model is made for other channels or another rain window.")
    return NoForecast(f"the model in {settings.model} is made for other channels or another rain window.")
