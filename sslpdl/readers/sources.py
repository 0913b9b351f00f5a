"""Files that the user names: paths, folders and patterns."""

from __future__ import annotations

import os
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from sslpdl.errors import ReaderError

__all__ = ["Paths", "expand", "is_data"]

Paths = Iterable[str | os.PathLike[str]] | str | os.PathLike[str]
"""Files, folders and patterns, or one of them."""

_NO_DATA = frozenset(
    [
        ".csv",
        ".gif",
        ".htm",
        ".html",
        ".idx",
        ".inv",
        ".ipynb",
        ".jpg",
        ".json",
        ".log",
        ".md",
        ".pdf",
        ".png",
        ".py",
        ".sh",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    ]
)
"""Endings of files that lie beside data; in a folder they are passed over, named one by one they are read."""


def expand(sources: Paths, *, suffixes: Iterable[str] = (), what: str = "NWP") -> list[Path]:
    """Return the files that the user means, each once, in the order of their names.

    Parameters
    ----------
    sources : path or iterable of paths
        Files; folders, which stand for the files directly in them; patterns such as ``"nwp/**/*.gb2"``.
    suffixes : iterable of str, optional
        Only these endings are taken from folders; without them all but documents and pictures are.
    what : str
        What is looked for, for the message.

    Raises
    ------
    ReaderError
        If a path does not exist or cannot be read, or nothing is found.
    """
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    wanted = frozenset(suffixes)
    found: dict[Path, None] = {}
    for source in listed:
        path = Path(source)
        if path.is_dir():
            found |= dict.fromkeys(_inside(path, wanted, what))
        elif path.exists():
            found[path] = None
        elif any(sign in str(source) for sign in "*?["):
            matches = sorted(Path(name) for name in glob(str(source), recursive=True))  # noqa: PTH207  (absolute ones too)
            found |= dict.fromkeys(path for path in matches if path.is_file())
            if not matches:
                raise ReaderError(f"No file matches {str(source)!r}; check the pattern.")
        else:
            raise ReaderError(f"There is no file or folder {path}; check the path.")
    if not found:
        raise ReaderError(f"No {what} files are named; give files, folders or patterns.")
    if closed := [path for path in found if not os.access(path, os.R_OK)]:
        raise ReaderError(f"There is no permission to read {closed[0]}; change its permissions.")
    return sorted(found, key=lambda path: (path.name, str(path)))


def is_data(path: Path) -> bool:
    """Whether a file in a folder is taken for data by its name, and not for a document or a picture."""
    return not path.name.startswith(".") and path.suffix.lower() not in _NO_DATA


def _inside(folder: Path, wanted: frozenset[str], what: str) -> list[Path]:
    """Return the data files directly in a folder."""
    try:
        entries = sorted(folder.iterdir())
    except PermissionError:
        raise ReaderError(f"There is no permission to read the folder {folder}; change its permissions.") from None
    files = [
        path
        for path in entries
        if path.is_file()
        and (path.name.lower().endswith(tuple(wanted)) if wanted else is_data(path))
        and not path.name.startswith(".")
    ]
    if not files:
        deeper = f"; for folders below it write '{folder}/**/*'" if any(path.is_dir() for path in entries) else ""
        raise ReaderError(f"The folder {folder} holds no {what} files{deeper}.")
    return files
