"""What made a result: package, commit and kind of machine, without anything that names a person or a place."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from sslpdl import __version__

__all__ = ["commit", "machine", "made_by"]


def made_by() -> dict[str, Any]:
    """Return package version, commit, PyTorch version and machine class."""
    return {
        "sslpdl_version": __version__,
        "commit": commit(),
        "torch_version": str(torch.__version__),
        "machine": machine(),
    }


def commit() -> str | None:
    """Return the commit of the source tree, with ``+`` where files differ from it; None outside a Git checkout."""
    folder = Path(__file__).resolve().parent
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def machine() -> str:
    """Return processor family, cores that may be used, threads of PyTorch, and the GPU if there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [platform.system(), platform.machine(), f"{allowed} cores", f"{torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)
