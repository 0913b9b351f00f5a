"""What the dashboard shows and where it keeps what it computes: from arguments, the environment and a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslpdl.dashboard.config_file import read_config
from sslpdl.errors import ConfigError

__all__ = ["Settings"]

_ROOT = Path(__file__).resolve().parents[2]
_SAMPLES = _ROOT / "data_samples"
SAMPLE_ARCHIVE = _SAMPLES / "august-2022.zarr"
SAMPLE_MODEL = _SAMPLES / "models" / "sslpdl-small"
SAMPLE_VIEW = "init=2022-08-08T00:00&lead=12&threshold=1"


@dataclass(frozen=True)
class Settings:
    """Sources and folders of one dashboard.

    Attributes
    ----------
    archive : Path
        Archive to show (``SSLPDL_ARCHIVE``); the August 2022 analogue of the sample data by default.
    forecast : Path or None
        Stored forecast to show (``SSLPDL_FORECAST``).  Without one, `model` computes the runs that are looked at.
    model : Path
        Model folder (``SSLPDL_MODEL``); the sample model by default.
    cache : Path
        Folder of computed forecasts (``SSLPDL_CACHE_DIR``); ``~/.cache/sslpdl`` by default.
    view : str
        What an address without a query shows, as a query (``SSLPDL_VIEW``): ``"init=2022-08-08T00&lead=12"``.  The last
        run by default; of the sample archive the hour of the heaviest rain.
    counts : Path or None
        Verification counts to show (``SSLPDL_COUNTS``): the file, or the folder of a report by `sslpdl evaluate`; by
        default those of the model folder, else of the archive that is shown.
    folders : tuple of Path
        Folders whose archives and forecasts visitors may choose (``SSLPDL_FOLDERS``, separated as in ``PATH``).

    Examples
    --------
    >>> Settings.from_environment({"SSLPDL_CACHE_DIR": "/var/cache/sslpdl"}).cache
    PosixPath('/var/cache/sslpdl')
    """

    archive: Path
    forecast: Path | None
    model: Path
    cache: Path
    view: str = ""
    counts: Path | None = None
    folders: tuple[Path, ...] = ()

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        archive: str | os.PathLike[str] | None = None,
        forecast: str | os.PathLike[str] | None = None,
        model: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        counts: str | os.PathLike[str] | None = None,
        folders: Sequence[str | os.PathLike[str]] | None = None,
    ) -> Settings:
        """Return settings: an argument goes before its environment variable, that before the file and the sample data.

        Parameters
        ----------
        environ : mapping, optional
            The environment; that of this process by default.
        config : path, optional
            YAML or TOML file whose keys are the attributes (``SSLPDL_CONFIG``); see `sslpdl.dashboard.config_file`.
        archive, forecast, model, cache, counts, folders : path, optional
            See the attributes.

        Raises
        ------
        ConfigError
            If a path holds a NUL character and so cannot name a file, or the file is not as it should be.
        """
        environ = os.environ if environ is None else environ
        file = read_config(config, environ)

        def pick(argument: str | os.PathLike[str] | None, variable: str, key: str) -> Path | None:
            text = os.fspath(argument) if argument is not None else environ.get(variable, "").strip()
            text = text or os.fspath(file.get(key, ""))
            if "\0" in text:
                raise ConfigError(f"{variable} holds a NUL character; give it the path of a file or folder.")
            return Path(text).expanduser() if text else None

        archive_path = pick(archive, "SSLPDL_ARCHIVE", "archive") or SAMPLE_ARCHIVE
        return cls(
            archive=archive_path,
            forecast=pick(forecast, "SSLPDL_FORECAST", "forecast"),
            model=pick(model, "SSLPDL_MODEL", "model") or SAMPLE_MODEL,
            cache=pick(cache, "SSLPDL_CACHE_DIR", "cache") or _default_cache(environ),
            view=environ.get("SSLPDL_VIEW", file.get("view", SAMPLE_VIEW if archive_path == SAMPLE_ARCHIVE else "")),
            counts=pick(counts, "SSLPDL_COUNTS", "counts"),
            folders=_folders(folders, environ.get("SSLPDL_FOLDERS", ""), file.get("folders", ())),
        )


def _folders(
    given: Sequence[str | os.PathLike[str]] | None, listed: str, in_file: Sequence[os.PathLike[str]]
) -> tuple[Path, ...]:
    names = [os.fspath(name) for name in (given or in_file)]
    names = listed.split(os.pathsep) if listed and not given else names
    if any("\0" in name for name in names):
        raise ConfigError("SSLPDL_FOLDERS holds a NUL character; give it paths of folders.")
    return tuple(Path(name.strip()).expanduser() for name in names if name.strip())


def check_paths(settings: Settings) -> None:
    """Check that what is to be shown exists; the sample model may be missing, then the page says so.

    Raises
    ------
    ConfigError
        If a path that was given leads nowhere.
    """
    paths = {"archive": settings.archive, "model": settings.model, "forecast": settings.forecast}
    for what, path in (paths | {"counts": settings.counts}).items():
        if path is not None and path != SAMPLE_MODEL and not path.exists():
            there = "are no counts" if what == "counts" else f"is no {what}"
            raise ConfigError(f"there {there} at {path}; correct --{what} or SSLPDL_{what.upper()}.")
    for path in settings.folders:
        if not path.is_dir():
            raise ConfigError(f"there is no folder {path}; correct --folder or SSLPDL_FOLDERS.")


def _default_cache(environ: Mapping[str, str]) -> Path:
    """Return the user's cache folder, or a private one below the temporary folder where the home is read-only."""
    base = environ.get("XDG_CACHE_HOME", "").strip()
    folder = (Path(base) if base else Path.home() / ".cache") / "sslpdl"
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if os.access(nearest, os.W_OK):
        return folder
    return Path(tempfile.gettempdir()) / f"sslpdl-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
