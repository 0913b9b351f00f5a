"""Files are whole or absent."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from sslpdl.errors import SslpdlError
from sslpdl.files import atomic_directory, explain_os_error, sha256, write_json_atomic, write_text_atomic


def test_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model"
    with atomic_directory(target) as work:
        (work / "a.txt").write_text("1")
        assert not target.exists()
        assert work.parent == target.parent
    assert (target / "a.txt").read_text() == "1"
    assert [p.name for p in target.parent.iterdir()] == ["model"]
    assert target.stat().st_mode & 0o077 == 0o777 & ~_umask() & 0o077


def test_failure_leaves_nothing_or_the_old(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for old in (None, "old"):
        if old:
            target.mkdir()
            (target / "a.txt").write_text(old)
        with pytest.raises(RuntimeError), atomic_directory(target, overwrite=True) as work:
            (work / "a.txt").write_text("new")
            raise RuntimeError
        assert [p.name for p in tmp_path.iterdir()] == (["model"] if old else [])
        assert not old or (target / "a.txt").read_text() == old


def test_overwriting_must_be_allowed(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(SslpdlError, match="exists already"), atomic_directory(target):
        pass
    with atomic_directory(target, overwrite=True) as work:
        (work / "new.txt").write_text("new")
    assert [p.name for p in target.iterdir()] == ["new.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_json_is_readable_and_strict(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json_atomic(path, {"b": 1.5, "a": "서울"})
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {"b": 1.5, "a": "서울"}
    assert "서울" in text
    assert text.index('"b"') < text.index('"a"')
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_atomic(path, {"a": float("nan")})
    assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_failed_replacement_keeps_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    write_text_atomic(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert sha256(path) == hashlib.sha256(b"abc").hexdigest()
    assert sha256(path).startswith("ba7816bf")


def test_plain_words() -> None:
    assert "is full" in explain_os_error(OSError(errno.ENOSPC, "x"), "/data")
    assert "no permission" in explain_os_error(OSError(errno.EACCES, "x"), "/data")
    assert "no permission" in explain_os_error(OSError(errno.EROFS, "x"), "/data")
    assert explain_os_error(OSError(errno.EIO, "Input/output error"), "/data") == "/data: Input/output error"


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
