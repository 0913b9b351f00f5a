"""What the tests of settings and operation share."""

from __future__ import annotations

from pathlib import Path

SECRET = "0123456789abcdef" * 2


def write(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path
