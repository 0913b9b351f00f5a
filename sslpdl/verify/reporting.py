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
from sslpdl.verify import page, sections
from sslpdl.verify.drawing import case_figures, diagrams, is_synthetic, reliability, wettest_case
from sslpdl.verify.merging import write_counts
from sslpdl.verify.table import scores, three_classes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["check_free", "report"]


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
    overwrite: bool = False,
) -> Path:
    """Write the report of a verification into a folder.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    out : path
        The folder: ``index.html`` (self-contained), ``scores.csv``, ``scores.json``, ``reliability.csv`` (where a
        forecast is probabilistic), ``counts.npz`` and the pictures as PNG.
    archive, forecast : Dataset, optional
        To draw maps of the wettest case.
    split : str, optional
        Which part of the data this is, in words, such as ``"test: June to September 2022"``.
    replicates, block_days, seed
        Of the intervals, see `scores`.
    overwrite : bool, default False
        Replace an earlier report; a folder that holds anything else is refused all the same.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    VerifyError
        If the folder holds anything that may not be replaced, or cannot be written.
    """
    out = Path(out)
    check_free(out, overwrite=overwrite)
    options = {"replicates": replicates, "block_days": block_days, "seed": seed}
    table = scores(counts, **options)  # type: ignore[arg-type]
    reliable = reliability(counts, **options)
    figures = diagrams(counts, table, reliable=reliable, **options)
    if archive is not None and forecast is not None:
        figures |= case_figures(archive, forecast, counts, classes=three_classes(counts["threshold"].values.tolist()))
    pictures = {name: plots.png(picture) for name, picture in figures.items()}
    about = _about(counts, table, split, options)
    try:
        with atomic_directory(out, overwrite=True) as work:
            table.to_csv(work / "scores.csv", index=False, lineterminator="\n")
            if reliable is not None:
                reliable.to_csv(work / "reliability.csv", index=False, lineterminator="\n")
            document = {"about": about, "scores": _records(table)}
            (work / "scores.json").write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
            write_counts(counts, work / "counts.npz")
            for name, picture in pictures.items():
                (work / f"{name}.png").write_bytes(picture)
            (work / "index.html").write_text(_page(counts, table, pictures, about), encoding="utf-8")
    except OSError as error:
        raise VerifyError(f"the report cannot be written: {explain_os_error(error, out)}.") from error
    return out / "index.html"


def check_free(out: Path, *, overwrite: bool) -> None:
    """Raise `VerifyError` if a report may not be written to a folder: an empty one, or none, is always free."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "scores.json").is_file():
        raise VerifyError(f"{out} exists already and is no report; choose another name.")
    if not overwrite:
        raise VerifyError(f"{out} exists already; choose another name or remove it.")


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
        sections.by_threshold(table, first, models, sections.YES_NO, note),
        "<h2>Probabilities</h2>",
        sections.by_threshold(
            table, first, models, sections.PROBABILITY, "Raw NWP as a forecast of probability 0 or 1. " + note
        ),
        sections.classes(table, first, models),
    ]
    texts = {
        "reliability": "Reliability and number of forecasts. Bars on the diagonal: where a reliable forecast would lie "
        "in 95 % of samples like this one. Dashed: base rate. Shaded: forecasts that add to skill against climatology.",
        "reliability_by_lead": "Reliability by lead time, with the number of forecasts in each bin below and the cells "
        "of each group in the legend. Dashed: all lead times. Consistency bars are in reliability.csv.",
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
    body += [sections.by_lead(table, first, models), "<h2>Diagrams</h2>"]
    body += [page.figure(pictures[k], alt=texts[k], text=texts[k]) for k in texts if k in pictures]
    maps = [name for name in pictures if name not in texts]
    if maps:
        body.append("<h2>A case</h2>")
        body += [
            page.figure(pictures[name], alt=f"{case} Maps, {name.removeprefix('case_')}.", text=case) for name in maps
        ]
    body += [sections.by_region(counts, table, models), "<h2>How this was computed</h2>", page.facts(about)]
    return page.page(title, body)
