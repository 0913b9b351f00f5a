"""Files that are written whole or not at all, and their fingerprints."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslpdl.errors import SslpdlError

__all__ = ["atomic_directory", "explain_os_error", "sha256", "write_json_atomic", "write_text_atomic"]


@contextmanager
def atomic_directory(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Build a folder beside its place and move it there only when the block ends without an error.

    Parameters
    ----------
    path : path
        Where the folder will be.  Missing parents are made.
    overwrite : bool
        Whether a folder that is there already is replaced; it stays until the new one is whole.

    Yields
    ------
    Path
        An empty folder to write into.  It disappears if the block raises.

    Raises
    ------
    SslpdlError
        If something is at `path` already and `overwrite` is False.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise SslpdlError(f"{target} exists already; choose another name or allow overwriting.")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        work.chmod(0o777 & ~_umask())  # mkdtemp makes folders that nobody else may read
        yield work
        if target.exists():
            # a folder that is not empty cannot be replaced in one step: move the old one aside first
            old = work.with_suffix(".old.tmp")
            target.replace(old)
            work.replace(target)
            _remove(old)
        else:
            work.replace(target)
    finally:
        if work.exists():
            shutil.rmtree(work, ignore_errors=True)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file so that readers see the old content or the new, never a part."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    work = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        work.chmod(0o666 & ~_umask())
        work.replace(target)
    finally:
        work.unlink(missing_ok=True)


def write_json_atomic(path: str | os.PathLike[str], obj: Any) -> None:
    """Write an object as indented JSON (UTF-8, keys in the given order) whole or not at all.

    Raises
    ------
    ValueError
        If the object holds NaN or infinity, which JSON does not know.
    """
    write_text_atomic(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def explain_os_error(error: OSError, path: str | os.PathLike[str]) -> str:
    """Return one clause that says in plain words why writing to or reading from `path` failed."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds {path} is full; free some space or write elsewhere"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"there is no permission to write to {path}; change its permissions or write elsewhere"
    return f"{path}: {error.strerror or error}"


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
