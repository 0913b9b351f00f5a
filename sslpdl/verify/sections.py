"""The tables of the report's page, from the table of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.verify import page
from sslpdl.verify.regions import region_title
from sslpdl.verify.table import RAW

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PARTS",
    "PROBABILITY",
    "VALUE",
    "YES_NO",
    "by_group",
    "by_region",
    "by_threshold",
    "classes",
    "fractions",
    "pooled",
]

YES_NO = {
    "csi": "CSI",
    "recall": "POD = recall",
    "far": "FAR",
    "frequency_bias": "Bias",
    "ets": "ETS",
    "hss": "HSS",
    "peirce": "Peirce",
    "sedi": "SEDI",
}
PROBABILITY = {
    "brier": "Brier score",
    "bss_climatology": "BSS vs clim.",
    "bss_raw": "BSS vs raw",
    "log_score": "Log score",
    "ece": "ECE",
    "ece_from_5_percent": "ECE, P ≥ 5 %",
    "roc_area": "ROC area",
    "average_precision": "Average precision",
}
PARTS = {
    "brier": "Brier score",
    "brier_reliability": "= reliability",
    "brier_resolution": "− resolution",
    "brier_uncertainty": "+ uncertainty",
    "brier_residual": "+ residual",
}
VALUE = {
    "economic_value_0.02": "C/L 0.02",
    "economic_value_0.1": "C/L 0.1",
    "economic_value_0.5": "C/L 0.5",
}
# scores of which less is better
_LESS = {"brier", "ece", "ece_from_5_percent", "rps", "log_score", "brier_reliability"}
# scores that a forecast can raise by saying yes more or less often are not called better or worse
_NOT_JUDGED = {"precision", "recall", "far", "frequency_bias", "brier_uncertainty", "brier_residual"}
_BY_GROUP = {"csi": "CSI", "frequency_bias": "Bias", "brier": "Brier score", "bss_climatology": "BSS vs climatology"}
# parts of the Brier score are small numbers
_DIGITS = {"brier": 4} | {name: 4 for name in PARTS if name.startswith("brier_")}


def pooled(table: pd.DataFrame, region: str) -> pd.DataFrame:
    """Return the rows of one region for all lead times and hours."""
    return table[(table["region"] == region) & (table["lead_time"] == "all") & (table["hour"] == "all")]


def by_threshold(part: pd.DataFrame, models: Sequence[str], titles: Mapping[str, str], caption: str) -> str:
    """Return a table of scores by threshold and model, from rows of one stratum."""
    part = part[part["threshold"].notna()]
    names = [name for name in titles if (part["score"] == name).any()]
    rows: list[list[str]] = []
    groups: list[int] = []
    for threshold, inside in part.groupby("threshold"):
        groups.append(len(rows))
        for model in models:
            cells = inside[inside["model"] == model].set_index("score")
            events = int(cells["events"].iloc[0])
            head = [f"&ge;&nbsp;{threshold:g}&nbsp;mm", escape(model)]
            rows.append([*head, *(_value(cells.loc[name].to_dict(), name) for name in names), f"{events:,}"])
    head = ["Threshold", "Model", *(titles[name] for name in names), "Events"]
    caption = f"n = {int(part['n'].iloc[0]):,} cells in every row. {caption}"
    return page.table(head, rows, caption=caption, groups=groups, text=2)


def classes(part: pd.DataFrame, models: Sequence[str]) -> str:
    """Return the tables of class scores and RPS, from rows of one stratum."""
    part = part[part["threshold"].isna()]
    names = list(dict.fromkeys(part["score"]))
    overlap = [name for name in names if "iou" in name]
    others = [name for name in names if name not in overlap]
    texts = (
        "Intersection over union (IoU) of each class, and its mean over all and over the wet classes.",
        "Skill of the class forecasts (Gerrity, Heidke, Peirce); RPS over all thresholds, and its skill.",
    )
    tables = (_of_classes(part, models, some, text) for some, text in zip((overlap, others), texts, strict=True))
    return "".join(tables)


def _of_classes(part: pd.DataFrame, models: Sequence[str], names: Sequence[str], caption: str) -> str:
    rows = []
    for model in models:
        cells = part[part["model"] == model].set_index("score")
        values = [_value(cells.loc[name].to_dict(), name) for name in names]
        rows.append([escape(model), *values, f"{int(cells['n'].iloc[0]):,}"])
    head = ["Model", *(_class_title(name) for name in names), "Cells"]
    return page.table(head, rows, caption=caption)


def _class_title(name: str) -> str:
    fixed = {"rps": "RPS", "rpss_climatology": "RPSS vs clim.", "rpss_raw": "RPSS vs raw", "miou_wet": "mIoU wet"}
    if name in fixed:
        return fixed[name]
    if name.startswith("miou_"):
        return f"mIoU ({name[5:]} classes)"
    if name.startswith("iou "):
        return name.replace("iou", "IoU").replace(">=", "≥").replace("-", "–")
    return name.partition("_")[0].capitalize()


def fractions(part: pd.DataFrame, models: Sequence[str], widths: Sequence[str]) -> str:
    """Return the table of the fractions skill score of the yes/no forecasts by width, from rows of one stratum."""
    titles = {f"fss {width}": width for width in widths} | {"fss_useful": "Useful from"}
    caption = "Fractions skill score of the yes/no forecasts by width of the neighbourhood."
    return by_threshold(part, models, titles, caption)


def by_group(part: pd.DataFrame, models: Sequence[str], axis: str, title: str) -> str:
    """Return tables by threshold and of the classes, a row per group on one axis of the table and model.

    Parameters
    ----------
    part : DataFrame
        Rows of one region, the group ``"all"`` left out.
    models : sequence of str
        In which order.
    axis : {"lead_time", "hour"}
        What the groups are of.
    title : str
        What they are called.
    """
    tables = [
        _grouped(part[part["threshold"] == threshold], models, _BY_GROUP, axis, title, f"Rain ≥ {threshold:g} mm.")
        for threshold in sorted(part["threshold"].dropna().unique())
    ]
    overall = part[part["threshold"].isna()]
    titles = {name: _class_title(name) for name in dict.fromkeys(overall["score"]) if name.startswith("miou")}
    tables.append(_grouped(overall, models, titles, axis, title, "Rain classes: mean intersection over union."))
    return "".join(tables)


def _grouped(
    part: pd.DataFrame, models: Sequence[str], titles: Mapping[str, str], axis: str, title: str, caption: str
) -> str:
    rows: list[list[str]] = []
    groups: list[int] = []
    per_threshold = bool(part["threshold"].notna().all())
    names = [name for name in titles if (part["score"] == name).any()]
    for group, inside in part.groupby(axis, sort=False):
        groups.append(len(rows))
        for model in models:
            cells = inside[inside["model"] == model].set_index("score")
            some = cells.iloc[0]
            values = [_value(cells.loc[name].to_dict(), name) for name in names]
            sizes = [f"{int(some['events']):,}"] if per_threshold else []
            rows.append([escape(str(group)), escape(model), *values, *sizes, f"{int(some['n']):,}"])
    head = [title, "Model", *(titles[name] for name in names), *(["Events"] if per_threshold else []), "n"]
    return page.table(head, rows, caption=caption, groups=groups, text=2)


def by_region(table: pd.DataFrame, models: Sequence[str]) -> str:
    """Return CSI by region."""
    part = table[(table["score"] == "csi") & (table["lead_time"] == "all") & (table["hour"] == "all")]
    rows: list[list[str]] = []
    groups: list[int] = []
    for region, inside in part.groupby("region", sort=False):
        groups.append(len(rows))
        for threshold, at in inside.groupby("threshold"):
            cells = at.set_index("model")
            some = cells.iloc[0]
            head = [escape(region_title(str(region))), f"&ge;&nbsp;{threshold:g}&nbsp;mm"]
            values = [_value(cells.loc[model].to_dict(), "csi") for model in models]
            rows.append([*head, *values, f"{int(some['events']):,}", f"{int(some['n']):,}"])
    head = ["Region", "Threshold", *models, "Events", "Cells"]
    return page.table(head, rows, caption="CSI, all lead times and hours.", groups=groups, text=2)


def _value(row: Mapping[Any, Any], score: str) -> str:
    """Return a value with its interval, marked where it differs from raw NWP."""
    if np.isnan(row["value"]):
        return "–"
    digits = _DIGITS.get(score, 3)
    text = _number(row["value"], digits)
    if np.isfinite(row["lower"]):
        text += f"<small>{_number(row['lower'], digits)} to {_number(row['upper'], digits)}</small>"
    mark = _mark(row, score)
    return f"class:{mark}|{text}" if mark else text


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("-", "&minus;") if float(text) else text.lstrip("-")


def _mark(row: Mapping[Any, Any], score: str) -> str:
    low, high = row.get("difference_lower", np.nan), row.get("difference_upper", np.nan)
    if row.get("model") == RAW or score in _NOT_JUDGED or not (low > 0 or high < 0):
        return ""
    return "good" if (low > 0) != (score in _LESS) else "bad"
