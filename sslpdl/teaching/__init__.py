"""Around the notebooks: the samples they use, the check of their form, their web pages, and the student edition.

``python -m sslpdl.teaching`` is what ``make notebooks-html`` and ``make notebooks-student`` call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sslpdl.teaching.samples import (
    choose_archive,
    course_archive,
    own_files,
    real_day,
    sample_archive,
    sample_model,
)

if TYPE_CHECKING:
    from sslpdl.teaching.lessons import best_with_labels, decision_table, dependence, rain_pairs
    from sslpdl.teaching.watching import LiveCurve, Snapshots

__all__ = [
    "LiveCurve", "Snapshots", "best_with_labels", "choose_archive", "course_archive", "decision_table", "dependence",
    "own_files", "rain_pairs", "real_day", "sample_archive", "sample_model",
]  # fmt: skip

_WHERE = {
    "LiveCurve": "watching",
    "Snapshots": "watching",
    "best_with_labels": "lessons",
    "decision_table": "lessons",
    "dependence": "lessons",
    "rain_pairs": "lessons",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"sslpdl.teaching.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'sslpdl.teaching' has no attribute {name!r}")
