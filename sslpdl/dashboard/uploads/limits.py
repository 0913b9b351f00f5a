"""Where uploads are kept, how large they may be and how long they stay."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from sslpdl.dashboard.service import Service
    from sslpdl.dashboard.settings import Settings

__all__ = ["INCOMING", "MEGABYTE", "MOST_FILES", "Limits", "discard", "size_of"]

log = logging.getLogger(__name__)
MEGABYTE = 1_000_000
MOST_FILES = 200
INCOMING = ".incoming-"
"""How the folders of files on their way begin; the catalogue passes hidden ones over."""

_A_DAY = 86400.0


@dataclass(frozen=True)
class Limits:
    """The private folder of uploads and what it may take.

    Attributes
    ----------
    folder : Path
        Holds the archives made of uploads, and for as long as they are read the files themselves.
    file_bytes, kept_bytes : int
        Size of one file at most, and of all archives that are kept.
    kept_days : float
        How long an archive is kept.
    seconds : float
        Time to read the files of one upload.
    memory_bytes : int
        Address space of the process that reads them.
    """

    folder: Path
    file_bytes: int = 256 * MEGABYTE
    kept_bytes: int = 4096 * MEGABYTE
    kept_days: float = 7
    seconds: float = 600
    memory_bytes: int = 3072 * MEGABYTE

    @classmethod
    def of(cls, service: Service, settings: Settings) -> Limits:
        """Return what the settings say; by default the folder lies in the cache."""
        return cls(
            folder=service.upload_folder or settings.cache / "uploads",
            file_bytes=service.upload_megabytes * MEGABYTE,
            kept_bytes=service.upload_kept_megabytes * MEGABYTE,
            kept_days=service.upload_kept_days,
            seconds=service.upload_seconds,
            memory_bytes=service.upload_memory_megabytes * MEGABYTE,
        )

    @property
    def together_bytes(self) -> int:
        """Size of all files of one upload at most: an upload on its way may not fill the disk either."""
        return max(self.file_bytes, self.kept_bytes // 4)

    def make(self) -> None:
        """Make the folder, for this user only.

        Raises
        ------
        ConfigError
            If it cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise ConfigError(
                f"the folder of uploads {self.folder} cannot be made ({error.strerror}); set SSLPDL_UPLOAD_FOLDER to "
                "another, or switch uploads off (SSLPDL_UPLOAD=false)."
            ) from error
        if not os.access(self.folder, os.W_OK):
            raise ConfigError(f"the folder of uploads {self.folder} cannot be written to; set SSLPDL_UPLOAD_FOLDER.")

    def tidy(self, in_use: Collection[Path] = ()) -> None:
        """Remove archives that are too old, then the oldest ones beyond the size that is kept.

        Parameters
        ----------
        in_use : collection of Path
            Archives that somebody looks at: they stay.
        """
        now = time.time()
        used = {path.resolve() for path in in_use}
        kept: list[tuple[float, int, Path]] = []
        for path in self._inside():
            try:
                age = now - path.stat().st_mtime
            except OSError:
                continue  # another process was quicker
            if path.name.startswith("."):
                # files on their way belong to an open page; what a process left behind that was killed goes
                if age > _A_DAY:
                    shutil.rmtree(path, ignore_errors=True)
            elif age > self.kept_days * _A_DAY and path.resolve() not in used:
                log.info("The upload %s is removed: it is too old.", path.name)
                discard(path)
            else:
                kept.append((age, size_of(path), path))
        total = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept, reverse=True):
            if total > self.kept_bytes and path.resolve() not in used:
                log.info("The upload %s is removed: too much is kept.", path.name)
                discard(path)
                total -= size

    def _inside(self) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            return []


def size_of(folder: Path) -> int:
    """Return the size of the files below a folder, in bytes; those that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118  (many files)
            except OSError:
                continue
    return total


def discard(path: Path) -> bool:
    """Remove an archive, out of the catalogue at once and whole; False if that is not possible."""
    hidden = path.with_name(f".{path.name}.old")
    try:
        path.rename(hidden)
    except OSError:
        return False
    shutil.rmtree(hidden, ignore_errors=True)
    return True
