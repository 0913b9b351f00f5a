"""What goes wrong is said in Korean too: each kind of error that reaches the page has its sentence there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sslpdl
from sslpdl.dashboard.viewer import STATIC

PACKAGE = Path(sslpdl.__file__).parent
KIND = re.compile(r'kind="([a-z_]+)"')


def kinds(*parts: str) -> set[str]:
    """Kinds that are raised in modules of the package."""
    sources = [path for part in parts for path in sorted((PACKAGE / part).glob("*.py"))]
    return {kind for path in sources for kind in KIND.findall(path.read_text(encoding="utf-8"))}


def test_every_kind_of_the_readers_has_a_korean_sentence() -> None:
    script = (STATIC / "viewer" / "2_problems.js").read_text(encoding="utf-8")
    known = dict(re.findall(r"^  ([a-z_]+): (.+)$", script, re.MULTILINE))
    raised = kinds("readers", "dashboard/uploads", "dashboard/exports")
    assert {"damaged_file", "init_needed", "covers_needed", "too_large", "no_uploads"} <= raised
    assert raised - set(known) == set()
    assert [kind for kind in raised if not re.search("[가-힣]", known[kind])] == []


def test_every_kind_that_keeps_the_page_from_opening_has_a_korean_sentence() -> None:
    pytest.importorskip("panel")
    from sslpdl.dashboard.page import KOREAN

    opening = [PACKAGE / "archive" / "reader.py", PACKAGE / "dashboard" / "opening.py"]
    raised = {kind for path in opening for kind in KIND.findall(path.read_text(encoding="utf-8"))} - {"stable"}
    assert {"no_archive", "not_archive", "newer_format"} <= raised
    assert raised <= set(KOREAN)
