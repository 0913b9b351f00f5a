"""The tables of the report's page, from the table of scores."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.verify import page
from sslpdl.verify.table import RAW

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["PROBABILITY", "YES_NO", "by_lead", "by_region", "by_threshold", "classes"]

YES_NO = {
    "csi": "CSI",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall = POD",
    "far": "FAR",
    "frequency_bias": "Bias",
    "ets": "ETS",
    "hss": "HSS",
}
PROBABILITY = {
    "brier": "Brier score",
    "bss_climatology": "BSS vs climatology",
    "bss_raw": "BSS vs raw",
    "ece": "ECE",
    "ece_from_5_percent": "ECE, P ≥ 5 %",
}
# scores of which less is better
_LESS = {"brier", "ece", "ece_from_5_percent", "rps"}
# scores that a forecast can raise by saying yes more or less often are not called better or worse
_NOT_JUDGED = {"precision", "recall", "far", "frequency_bias"}
_REGIONS = {"all": "all verified cells", "land": "land", "sea": "sea", "capital_area": "capital area"}
_BY_LEAD = {"csi": "CSI", "frequency_bias": "Bias", "brier": "Brier score"}


def by_threshold(table: pd.DataFrame, region: str, models: list[str], titles: Mapping[str, str], caption: str) -> str:
    """Return a table of scores by threshold and model for all lead times."""
    part = table[(table["region"] == region) & (table["lead_time"] == "all") & table["threshold"].notna()]
    names = [name for name in titles if (part["score"] == name).any()]
    rows: list[list[str]] = []
    groups: list[int] = []
    for threshold, by_threshold in part.groupby("threshold"):
        groups.append(len(rows))
        for model in models:
            cells = by_threshold[by_threshold["model"] == model].set_index("score")
            events = int(cells["events"].iloc[0])
            head = [f"&ge;&nbsp;{threshold:g}&nbsp;mm", escape(model)]
            rows.append([*head, *(_value(cells.loc[name].to_dict(), name) for name in names), f"{events:,}"])
    head = ["Threshold", "Model", *(titles[name] for name in names), "Events"]
    caption = f"n = {int(part['n'].iloc[0]):,} cells in every row. {caption}"
    return page.table(head, rows, caption=caption, groups=groups, text=2)


def classes(table: pd.DataFrame, region: str, models: list[str]) -> str:
    """Return the table of class scores and RPS for all lead times."""
    part = table[(table["region"] == region) & (table["lead_time"] == "all") & table["threshold"].isna()]
    names = list(dict.fromkeys(part["score"]))
    rows = []
    for model in models:
        cells = part[part["model"] == model].set_index("score")
        values = [_value(cells.loc[name].to_dict(), name) for name in names]
        rows.append([escape(model), *values, f"{int(cells['n'].iloc[0]):,}"])
    head = ["Model", *(_class_title(name) for name in names), "Cells"]
    caption = "Classes: intersection over union, its mean over all and over the wet classes; RPS over all thresholds."
    return f"<h2>Rain classes</h2>{page.table(head, rows, caption=caption)}"


def _class_title(name: str) -> str:
    fixed = {"rps": "RPS", "rpss_climatology": "RPSS vs climatology", "rpss_raw": "RPSS vs raw", "miou_wet": "mIoU wet"}
    if name in fixed:
        return fixed[name]
    return f"mIoU ({name[5:]} classes)" if name.startswith("miou_") else name.replace("iou", "IoU").replace(">=", "≥")


def by_lead(table: pd.DataFrame, region: str, models: list[str]) -> str:
    """Return the scores by lead time, by threshold and of the classes; nothing where all cases have one lead time."""
    part = table[(table["region"] == region) & (table["lead_time"] != "all")]
    if part.empty:
        return ""
    tables = [
        _lead_table(part[part["threshold"] == threshold], models, _BY_LEAD, f"Rain of at least {threshold:g} mm.")
        for threshold in sorted(part["threshold"].dropna().unique())
    ]
    overall = part[part["threshold"].isna()]
    titles = {name: _class_title(name) for name in dict.fromkeys(overall["score"]) if name.startswith("miou")}
    tables.append(_lead_table(overall, models, titles, "Rain classes: mean intersection over union."))
    return "<h2>By lead time</h2><p>Small print: 95 % interval; n: cells.</p>" + "".join(tables)


def _lead_table(part: pd.DataFrame, models: list[str], titles: Mapping[str, str], caption: str) -> str:
    """Return a table of the scores in `titles`, a row per lead-time group and model."""
    rows: list[list[str]] = []
    groups: list[int] = []
    per_threshold = bool(part["threshold"].notna().all())
    for lead_time, inside in part.groupby("lead_time", sort=False):
        groups.append(len(rows))
        for model in models:
            cells = inside[inside["model"] == model].set_index("score")
            some = cells.iloc[0]
            values = [_value(cells.loc[name].to_dict(), name) for name in titles]
            sizes = [f"{int(some['events']):,}"] if per_threshold else []
            rows.append([escape(str(lead_time)), escape(model), *values, *sizes, f"{int(some['n']):,}"])
    head = ["Lead time", "Model", *titles.values(), *(["Events"] if per_threshold else []), "n"]
    return page.table(head, rows, caption=caption, groups=groups, text=2)


def by_region(counts: xr.Dataset, table: pd.DataFrame, models: list[str]) -> str:
    """Return CSI by region."""
    regions = [str(region) for region in counts["region"].values]
    part = table[(table["score"] == "csi") & (table["lead_time"] == "all")]
    rows: list[list[str]] = []
    groups: list[int] = []
    for region in regions:
        groups.append(len(rows))
        for threshold in sorted(part["threshold"].unique()):
            cells = part[(part["region"] == region) & (part["threshold"] == threshold)].set_index("model")
            some = cells.iloc[0]
            head = [escape(_REGIONS.get(region, region)), f"&ge;&nbsp;{threshold:g}&nbsp;mm"]
            values = [_value(cells.loc[model].to_dict(), "csi") for model in models]
            rows.append([*head, *values, f"{int(some['events']):,}", f"{int(some['n']):,}"])
    head = ["Region", "Threshold", *models, "Events", "Cells"]
    tables = page.table(head, rows, caption="CSI, all lead times.", groups=groups, text=2)
    return f"<h2>Regions</h2>{tables}"


def _value(row: Mapping[Any, Any], score: str) -> str:
    """Return a value with its interval, marked where it differs from raw NWP."""
    if np.isnan(row["value"]):
        return "–"
    text = f"{row['value']:.3f}".replace("-", "&minus;")
    if np.isfinite(row["lower"]):
        text += f"<small>{row['lower']:.3f} to {row['upper']:.3f}</small>".replace("-", "&minus;")
    mark = _mark(row, score)
    return f"class:{mark}|{text}" if mark else text


def _mark(row: Mapping[Any, Any], score: str) -> str:
    low, high = row.get("difference_lower", np.nan), row.get("difference_upper", np.nan)
    if row.get("model") == RAW or score in _NOT_JUDGED or not (low > 0 or high < 0):
        return ""
    return "good" if (low > 0) != (score in _LESS) else "bad"
