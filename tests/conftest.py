"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# one thread per test process: results do not depend on it, and two cores are often shared
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a busy machine is slow, not wrong; the same examples every time
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real weather files beside the repository, or skip where it is not at hand."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real weather files are not at hand (../shared/data)")
    return folder
