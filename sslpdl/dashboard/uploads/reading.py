"""The server's side of `child`: start it, watch it, end it in time, and tell what came of it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sslpdl.dashboard.uploads.limits import Limits, size_of

__all__ = ["Refused", "read_files"]

log = logging.getLogger(__name__)
_LOOK = 0.25
_LONGEST = 600
_OPTION = re.compile(r" \(--[a-z-]+, [a-z_]+\)")
_PRIVATE = ("SSLPDL_", "BOKEH_", "PANEL_")


class Refused(Exception):  # noqa: N818  (the visitor's mistake, said on the page in the visitor's language)
    """Files that do not become an archive.

    Attributes
    ----------
    problem : str
        Why, as a word that the page has a sentence for.
    detail : str
        The sentence of a reader, or what else is worth knowing.
    detail_kind : str
        Of the sentence, see `SslpdlError`.
    """

    def __init__(self, problem: str, detail: str = "", detail_kind: str = "") -> None:
        super().__init__(f"{problem} {detail}".strip())
        self.problem, self.detail, self.detail_kind = problem, detail, detail_kind


def read_files(
    work: Path,
    files: Mapping[Path, str],
    limits: Limits,
    stated: Mapping[str, Any],
    *,
    going: Callable[[float], bool] = lambda _seconds: True,
) -> tuple[Path, dict[str, Any]]:
    """Read files into an archive, in a process of its own.

    Parameters
    ----------
    work : Path
        Folder of this upload; the archive is made in it.
    files : mapping of Path to str
        The files, and what the visitor calls each.
    limits : Limits
        Time, memory and size.
    stated : mapping
        ``title`` of the archive; perhaps ``init_time`` (UTC) and ``rain_covers`` [h], where the files do not say.
    going : callable
        Called a few times a second with the seconds so far; False ends the process.

    Returns
    -------
    (Path, dict)
        The archive and what is in it: ``runs``, ``leads``, ``channels``, ``missing``, ``notes``.

    Raises
    ------
    Refused
        If the files cannot be read, or not within the limits.
    """
    out = work / "archive.zarr"
    order = {
        "files": [str(path) for path in files],
        "out": str(out),
        "stated": dict(stated),
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.kept_bytes,
    }
    place = work / "order.json"
    place.write_text(json.dumps(order), encoding="utf-8")
    with (work / "log").open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "sslpdl.dashboard.uploads.child", str(place)],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=work, env=_environment(), start_new_session=True,
        )  # fmt: skip
    try:
        _watch(child, out, limits, going)
    finally:
        _end(child)
    result = _result(work, child.returncode)
    if "problem" in result:
        detail = _in_their_words(str(result.get("detail", "")), work, files)
        raise Refused(str(result["problem"]), detail, str(result.get("detail_kind", "")))
    result["summary"]["notes"] = [_in_their_words(str(note), work, files) for note in result["summary"]["notes"]]
    return out, result["summary"]


def _watch(child: subprocess.Popen[bytes], out: Path, limits: Limits, going: Callable[[float], bool]) -> None:
    begun = time.monotonic()
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK)
            return
        seconds = time.monotonic() - begun
        if seconds > limits.seconds:
            raise Refused("time")
        if size_of(out) > limits.kept_bytes:
            raise Refused("result")
        if not going(seconds):
            raise Refused("cancelled")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the process with all that it started; nothing happens if it has ended."""
    if child.poll() is None:
        with suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _result(work: Path, status: int) -> dict[str, Any]:
    """Return what the process has written, or what its end means."""
    if status == 0:
        result = json.loads((work / "result.json").read_text(encoding="utf-8"))
        if "problem" in result:
            log.info("An upload was refused (%s): %s %s", result["problem"], result.get("detail", ""), _said(work))
        return dict(result)
    log.warning("The process that read an upload ended with %d: %s", status, _said(work))
    if status == -signal.SIGXCPU:
        return {"problem": "time"}
    # the system kills whoever takes its last memory
    return {"problem": "memory" if status == -signal.SIGKILL or "MemoryError" in _said(work) else "damaged"}


def _said(work: Path) -> str:
    with suppress(OSError), (work / "log").open("rb") as file:
        file.seek(max(0, (work / "log").stat().st_size - 4000))
        return file.read().decode("utf-8", "replace").strip()
    return ""


def _environment() -> dict[str, str]:
    """Return this process's environment without what only the server is to know, for one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    # the address space is limited, and each thread would take a share of it
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


def _in_their_words(text: str, work: Path, files: Mapping[Path, str]) -> str:
    """Return a sentence of a reader with the visitor's names of the files, without paths and options."""
    text = _OPTION.sub("", text)
    for path, name in files.items():
        text = text.replace(str(path), name).replace(path.name, name)
    return text.replace(f"{work}/", "")[:_LONGEST]
