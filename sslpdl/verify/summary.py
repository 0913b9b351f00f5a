"""The table of scores for other programs: every row says what it is a score of, or one row says all of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.verify.pooling import LEAST_BLOCKS, block_length
from sslpdl.verify.table import RAW, scores

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["HEADLINE", "interval_text", "model_rows", "tidy"]

HEADLINE = ("csi", "frequency_bias", "brier", "bss_climatology", "ece_from_5_percent")
"""Scores of each threshold in `model_rows`."""

_MASK = "archive mask where QPE and all models are valid"


def interval_text(blocks: int, block_days: int, replicates: int) -> str:
    """Return how intervals were made, or why there are none."""
    if blocks >= LEAST_BLOCKS and replicates:
        return f"95 %, block bootstrap of {blocks} blocks of {block_days} day(s) of runs, {replicates} replicates"
    if not replicates:
        return "none: not asked for"
    return f"none: the runs make {blocks} block(s) of {block_days} day(s), and fewer than {LEAST_BLOCKS} say nothing"


def tidy(table: pd.DataFrame, counts: xr.Dataset, *, split: str = "", replicates: int, block_days: int) -> pd.DataFrame:
    """Return a table of scores in which every row states all that is needed to judge it.

    Parameters
    ----------
    table : DataFrame
        From `scores` or `stratified`.
    counts : Dataset
        What it was made of.
    split : str, optional
        Which part of the data this is, in words.
    replicates, block_days : int
        Of the intervals.

    Returns
    -------
    DataFrame
        ``data``, ``synthetic``, ``split``, ``mask``, ``region``, ``lead_time``, ``hour``, ``operator``, ``threshold``,
        ``unit``, then the columns of `scores`, and ``interval`` in words.
    """
    window = float(counts.attrs["rain_window"])
    blocks = table["blocks"].unique().tolist()
    texts = {number: interval_text(int(number), block_days, replicates) for number in blocks}
    stated: dict[str, Any] = {
        "data": str(counts.attrs.get("title", "")),
        "synthetic": str(counts.attrs.get("synthetic", "false")).lower() == "true",
        "split": split or "not stated",
        "mask": _MASK,
    }
    known = table.assign(**stated, operator=">=", unit=f"mm per {window:g} h", interval=table["blocks"].map(texts))
    first = [*stated, "region", "lead_time", "hour", "operator", "threshold", "unit"]
    return known[[*first, *(name for name in known.columns if name not in first)]]


def model_rows(
    counts: xr.Dataset,
    *,
    split: str = "",
    region: str | None = None,
    headline: Sequence[str] = HEADLINE,
    replicates: int = 1000,
    block_days: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row per model, for a table of experiments.

    Parameters
    ----------
    counts : Dataset
        From `count`, all models together, so that all are scored on the same cells.
    split : str, optional
        Which part of the data this is, in words.
    region : str, optional
        The first one by default.
    headline : sequence of str
        Scores of each threshold.
    replicates, block_days, seed
        Of the intervals, see `scores`.

    Returns
    -------
    DataFrame
        ``data``, ``synthetic``, ``split``, ``mask``, ``region``, ``operator``, ``unit``, ``model``, ``n`` cells,
        ``cases``, ``blocks``, ``interval``; then for each score and threshold, such as ``csi_10mm``, the value,
        ``csi_10mm_lower`` and ``_upper``, and, where raw NWP was counted, ``csi_10mm_vs_raw``, the difference, with
        its own ``_lower`` and ``_upper``; the same for ``miou_3`` (or 2), ``miou_wet`` and ``rps``.

    Examples
    --------
    >>> counts = verify.count(archive, {"unet": forecast, "raw": "raw"})  # doctest: +SKIP
    >>> verify.model_rows(counts, split="test: 2022").to_csv("results.csv", index=False)  # doctest: +SKIP
    """
    import pandas as pd

    days = block_length(counts) if block_days is None else block_days
    part = counts.isel(region=[0]) if region is None else counts.sel(region=[region])
    whole = {"all": part["lead_time"].values.tolist()}
    table = scores(part, groups=whole, replicates=replicates, block_days=days, seed=seed)
    wanted = [*headline, *(name for name in table["score"].unique() if name.startswith("miou_")), "rps"]
    stated = tidy(table, part, split=split, replicates=replicates, block_days=days)
    constant = ["data", "synthetic", "split", "mask", "region", "operator", "unit", "model", "n", "blocks", "interval"]
    rows = []
    for _, inside in stated.groupby("model", sort=False):
        row: dict[str, Any] = {name: inside[name].iloc[0] for name in constant}
        row["cases"] = int(counts.attrs.get("cases", 0))
        for cell in inside[inside["score"].isin(wanted)].to_dict("records"):
            limit = cell["threshold"]
            name = cell["score"] if np.isnan(limit) else f"{cell['score']}_{limit:g}mm"
            row |= {name: cell["value"], f"{name}_lower": cell["lower"], f"{name}_upper": cell["upper"]}
            if RAW in part["model"].values:
                row |= {
                    f"{name}_vs_raw": cell["difference"],
                    f"{name}_vs_raw_lower": cell["difference_lower"],
                    f"{name}_vs_raw_upper": cell["difference_upper"],
                }
        rows.append(row)
    return pd.DataFrame(rows)
