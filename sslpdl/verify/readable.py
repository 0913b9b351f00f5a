"""Scores as people read them: one line a model, the interval beside the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["with_intervals"]

MAIN = ("csi", "precision", "recall", "frequency_bias", "bss_climatology")


def with_intervals(
    table: pd.DataFrame,
    scores: Sequence[str] = MAIN,
    *,
    region: str = "all",
    lead_time: str = "all",
    digits: int = 2,
) -> pd.DataFrame:
    """Return scores as text with their 95 % intervals, such as ``"0.31 (0.27–0.35)"``.

    Parameters
    ----------
    table : DataFrame
        From `scores` or `stratified`.
    scores : sequence of str
        Columns of the result; those that the table lacks are left out.
    region, lead_time : str
        Which part of the table.
    digits : int
        Digits after the point.

    Returns
    -------
    DataFrame
        One row a threshold and model, with the number of observed events; a dash where a score is undefined (0/0).
    """
    part = table[(table["region"] == region) & (table["lead_time"] == lead_time) & (table["hour"] == "all")]
    part = part[part["threshold"].notna()]
    shown = [name for name in scores if (part["score"] == name).any()]
    part = part[part["score"].isin(shown)]

    def text(value: float, lower: float, upper: float) -> str:
        if np.isnan(value):
            return "–"
        between = " to " if lower < 0 else "–"  # a dash before a minus sign is hard to read
        interval = "" if np.isnan(lower) else f" ({lower:.{digits}f}{between}{upper:.{digits}f})"
        return f"{value:.{digits}f}{interval}"

    words = [text(*row) for row in part[["value", "lower", "upper"]].itertuples(index=False)]
    order = list(dict.fromkeys(part["model"]))
    wide = part.assign(text=words).pivot(index=["threshold", "model"], columns="score", values="text")
    events = part.groupby(["threshold", "model"])["events"].first()
    rows = [(r, m) for r in sorted(part["threshold"].unique()) for m in order]
    return wide[shown].assign(events=events).reindex(rows)
