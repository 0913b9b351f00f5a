"""Who may write to an archive, and whether new data fit it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslpdl.archive.layout import as_channels
from sslpdl.archive.reader import open_archive
from sslpdl.archive.skeleton import window_per_lead
from sslpdl.channels import Channel
from sslpdl.errors import ArchiveError
from sslpdl.files import explain_os_error
from sslpdl.grid import Grid

__all__ = ["compare", "take_lock"]


def take_lock(path: Path) -> int:
    """Return a file descriptor that holds the only right to write; it ends with the process, however that ends.

    The folder itself is locked, so that nothing is left in it.
    """
    import fcntl

    try:
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable", str(path))
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ArchiveError(f"The archive cannot be opened for writing: {explain_os_error(error, path)}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ArchiveError(f"Another process is writing to {path}; wait until it has finished.") from error
    except OSError:
        pass  # some network file systems know no locks; a second writer is then the user's care
    return handle


def compare(
    path: Path,
    grid: Grid | None,
    channels: Sequence[str | Channel] | None,
    lead_time: Any,
    rain_window: Any,
    qpe_window: float | None,
) -> None:
    """Raise if what is given differs from what the archive holds; None stands for anything.

    Raises
    ------
    ArchiveError
        Naming the first difference with both values.
    """
    stored = open_archive(path)
    names = tuple(stored["channel"].values.tolist())
    leads = stored["lead_time"].values
    pairs: list[tuple[str, Any, Any]] = []
    if grid is not None and not (there := Grid.from_dataset(stored)).same_cells(grid):
        raise ArchiveError(
            f"{path} is on grid {there.name!r} {there.shape}, the new data on {grid.name!r} {grid.shape}; "
            "make another archive."
        )
    if channels is not None:
        pairs.append(("channels", names, tuple(channel.name for channel in as_channels(channels))))
    if lead_time is not None:
        pairs.append(("lead times", leads.tolist(), np.asarray(lead_time).tolist()))
    if rain_window is not None:
        pairs.append(
            (
                "rain windows (hours)",
                stored["rain_window"].values.tolist(),
                window_per_lead(rain_window, len(leads)).tolist(),
            )
        )
    if qpe_window is not None:
        pairs.append(("QPE window (hours)", float(stored.attrs["qpe_window"]), float(qpe_window)))
    for what, old, new in pairs:
        if old != new:
            raise ArchiveError(f"{path} has the {what} {old}, the new data {new}; make another archive.")
