"""The report folder: the numbers as CSV and JSON, the counts, the pictures, and one page with all of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl import plots
from sslpdl.errors import VerifyError
from sslpdl.files import atomic_directory, explain_os_error
from sslpdl.verify import page
from sslpdl.verify.drawing import case_figures, diagrams, is_synthetic, wettest_case
from sslpdl.verify.merging import write_counts
from sslpdl.verify.table import RAW, scores, three_classes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["report"]

_YES_NO = {
    "csi": "CSI",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall = POD",
    "far": "FAR",
    "frequency_bias": "Bias",
    "ets": "ETS",
    "hss": "HSS",
}
_PROBABILITY = {
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


def report(
    counts: xr.Dataset,
    out: str | os.PathLike[str],
    *,
    archive: xr.Dataset | None = None,
    forecast: xr.Dataset | None = None,
    split: str = "",
    replicates: int = 1000,
    block_days: int = 1,
    seed: int = 0,
) -> Path:
    """Write the report of a verification into a folder.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    out : path
        The folder: ``index.html`` (self-contained), ``scores.csv``, ``scores.json``, ``counts.npz`` and the pictures as
        PNG.  An earlier report there is replaced, anything else is left alone and refused.
    archive, forecast : Dataset, optional
        To draw maps of the wettest case.
    split : str, optional
        Which part of the data this is, in words, such as ``"test: June to September 2022"``.
    replicates, block_days, seed
        Of the intervals, see `scores`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    VerifyError
        If the folder holds something else or cannot be written.
    """
    out = Path(out)
    earlier = out.is_dir() and ((out / "scores.json").exists() or not any(out.iterdir()))
    if out.exists() and not earlier:
        raise VerifyError(f"{out} exists and is no report; choose another folder.")
    options = {"replicates": replicates, "block_days": block_days, "seed": seed}
    table = scores(counts, **options)  # type: ignore[arg-type]
    figures = diagrams(counts, table, **options)
    if archive is not None and forecast is not None:
        figures |= case_figures(archive, forecast, counts, classes=three_classes(counts["threshold"].values.tolist()))
    pictures = {name: plots.png(picture) for name, picture in figures.items()}
    about = _about(counts, table, split, options)
    try:
        with atomic_directory(out, overwrite=earlier) as work:
            table.to_csv(work / "scores.csv", index=False, lineterminator="\n")
            document = {"about": about, "scores": _records(table)}
            (work / "scores.json").write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
            write_counts(counts, work / "counts.npz")
            for name, picture in pictures.items():
                (work / f"{name}.png").write_bytes(picture)
            (work / "index.html").write_text(_page(counts, table, pictures, about), encoding="utf-8")
    except OSError as error:
        raise VerifyError(f"the report cannot be written: {explain_os_error(error, out)}.") from error
    return out / "index.html"


def _about(counts: xr.Dataset, table: pd.DataFrame, split: str, options: Mapping[str, int]) -> dict[str, str]:
    """Return what a reader must know to judge the figures."""
    attrs = counts.attrs
    window = float(attrs["rain_window"])
    leads = counts["lead_time"].values
    runs = counts.sizes["init_time"]
    blocks = int(table["blocks"].max())
    interval = (
        f"95 %, percentile bootstrap of {blocks} blocks of {options['block_days']} day(s) of runs, "
        f"{options['replicates']} replicates, seed {options['seed']}; differences are paired"
        if blocks > 1 and options["replicates"]
        else "none: all runs start within one block of days, so that nothing can be resampled"
    )
    undefined = int(table["value"].isna().sum())
    facts = {
        "Data": " · ".join(str(attrs.get(key, "")) for key in ("title", "source") if attrs.get(key)),
        "Synthetic": "yes: made by a generator, no measurement" if is_synthetic(counts) else "no",
        "Split": split or "not stated; all runs that archive and forecasts have in common",
        "Runs": f"{runs} run{'s' if runs > 1 else ''}, {attrs['first_run']} to {attrs['last_run']} UTC",
        "Lead times": f"{leads.min()} to {leads.max()} h ({len(leads)})",
        "Rain window": f"{window:g} h, ending at the valid time; amounts are totals of the window",
        "Threshold operator": f">= (an event is rain of at least the threshold, in mm per {window:g} h)",
        "Mask": "cells of the archive's verification mask where QPE and all models are valid; the same for all models",
        "Sample": f"{int(attrs.get('cases', 0))} fields; {int(attrs.get('skipped', 0))} left out for want of any "
        "valid cell; cells are counted over all fields",
        "Decision": f"yes where P >= p*, {_decision_text(counts)}; raw NWP: yes where its rain >= threshold",
        "Climatology": f"constant probability, {attrs.get('climatology', 'not used')}; its yes/no forecast is always "
        "yes (the rule that maximises its CSI), its class the most probable one",
        "Intervals": interval,
        "Undefined": f"{undefined} of {len(table)} values are 0/0 and left empty",
        "Arithmetic": "probabilities rounded to 1/65535, counts pooled before scoring, sums in whole numbers",
        "Models": "; ".join(f"{k}: {v}" for k, v in json.loads(attrs.get("models", "{}")).items() if v),
    }
    return {name: text for name, text in facts.items() if text}


def _decision_text(counts: xr.Dataset) -> str:
    kinds = dict(zip(counts["model"].values.tolist(), counts["kind"].values.tolist(), strict=True))
    given = json.loads(counts.attrs.get("decision", "{}"))
    texts = []
    for model, kind in kinds.items():
        if kind == "probability":
            table = given.get(model, {})
            values = (f"{float(r):g} mm: {table.get(f'{float(r):g}', 0.5):g}" for r in counts["threshold"].values)
            texts.append(f"{model} ({', '.join(values)})")
    return "; ".join(texts) or "no probabilistic model"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain JSON values; NaN is null."""
    columns = {name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _page(counts: xr.Dataset, table: pd.DataFrame, pictures: Mapping[str, bytes], about: Mapping[str, str]) -> str:
    """Return the HTML page."""
    window = float(counts.attrs["rain_window"])
    models = [str(name) for name in counts["model"].values]
    first = str(counts["region"].values[0])
    title = f"Verification of {window:g}-h rain: {', '.join(models)}"
    body = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(about["Data"])} · {escape(about["Runs"])}</p>']
    if is_synthetic(counts):
        body.append('<p class="synthetic"><strong>Synthetic data.</strong> These scores say how the method does on '
                    "generated weather; they are no claim about real forecasts.</p>")  # fmt: skip
    note = ("All lead times. Small print: 95 % interval. Green and red: better or worse than raw NWP, where the "
            "interval of the paired difference leaves out zero.")  # fmt: skip
    body += [
        f"<h2>Yes or no: is {window:g}-h rain at least the threshold?</h2>",
        _by_threshold(table, first, models, _YES_NO, note),
        "<h2>Probabilities</h2>",
        _by_threshold(table, first, models, _PROBABILITY, "Raw NWP as a forecast of probability 0 or 1. " + note),
        _classes(table, first, models),
    ]
    texts = {
        "reliability": "Reliability and number of forecasts. Bars on the diagonal: where a reliable forecast would lie "
        "in 95 % of samples like this one. Dashed: base rate. Shaded: forecasts that add to skill against climatology.",
        "performance": "Precision and recall at the decision threshold with 95 % intervals; curves: other decision "
        "thresholds of the same probabilities. Curved lines: CSI; rays: frequency bias.",
        "csi_by_lead": "CSI by lead time with 95 % intervals.",
        "frequency_bias_by_lead": "Frequency bias by lead time with 95 % intervals; 1 is unbiased.",
        "bss_climatology_by_lead": "Brier skill against climatology by lead time with 95 % intervals.",
    }
    if table["blocks"].max() == 1 or table["lower"].isna().all():
        texts = {name: text.replace(" with 95 % intervals", "") for name, text in texts.items()}
    init, lead, highest = wettest_case(counts)
    case = (f"The case with most cells of at least {highest:g} mm per {window:g} h: run "
            f"{np.datetime_as_string(init, unit='h')} UTC + {lead} h. One case proves nothing; it shows what the "
            "numbers are about.")  # fmt: skip
    body.append("<h2>Diagrams</h2>")
    body += [page.figure(pictures[k], alt=texts[k], text=texts[k]) for k in texts if k in pictures]
    maps = [name for name in pictures if name not in texts]
    if maps:
        body.append("<h2>A case</h2>")
        body += [
            page.figure(pictures[name], alt=f"{case} Maps, {name.removeprefix('case_')}.", text=case) for name in maps
        ]
    body += [_by_region(counts, table, models), "<h2>How this was computed</h2>", page.facts(about)]
    return page.page(title, body)


def _by_threshold(table: pd.DataFrame, region: str, models: list[str], titles: Mapping[str, str], caption: str) -> str:
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


def _classes(table: pd.DataFrame, region: str, models: list[str]) -> str:
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


def _by_region(counts: xr.Dataset, table: pd.DataFrame, models: list[str]) -> str:
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
