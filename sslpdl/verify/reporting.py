"""The report folder: the numbers as CSV and JSON, the counts, and one page with all of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslpdl import plots
from sslpdl.errors import VerifyError
from sslpdl.files import atomic_directory, explain_os_error
from sslpdl.verify import page
from sslpdl.verify.cases import chosen_cases
from sslpdl.verify.composing import compose
from sslpdl.verify.drawing import case_figures, diagrams, is_synthetic, probabilistic, reliability
from sslpdl.verify.merging import write_counts
from sslpdl.verify.pooling import block_length
from sslpdl.verify.summary import interval_text, tidy
from sslpdl.verify.table import stratified

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
    block_days: int | None = None,
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
        To draw maps of the best, a typical and the worst case, see `chosen_cases`.
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
    days = block_length(counts) if block_days is None else block_days
    options = {"replicates": replicates, "block_days": days, "seed": seed}
    table = stratified(counts, replicates=replicates, block_days=days, seed=seed)
    reliable = reliability(counts, **options)
    figures = diagrams(counts, table, reliable=reliable, **options)
    forecasts = probabilistic(counts)
    cases = chosen_cases(counts, forecasts[0]) if forecasts and archive is not None and forecast is not None else {}
    if archive is not None and forecast is not None:
        figures |= case_figures(archive, forecast, cases)
    pictures = {name: plots.png(picture, dpi=110) for name, picture in figures.items()}
    pictures |= {name: page.lighter(pictures[name]) for name in pictures if not name.startswith("case_")}
    about = _about(counts, table, split, options)
    try:
        with atomic_directory(out, overwrite=True) as work:
            rows = tidy(table, counts, split=split, replicates=replicates, block_days=days)
            rows.to_csv(work / "scores.csv", index=False, lineterminator="\n")
            if reliable is not None:
                reliable.to_csv(work / "reliability.csv", index=False, lineterminator="\n")
            document = {"about": about, "scores": _records(table)}
            (work / "scores.json").write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
            write_counts(counts, work / "counts.npz")
            for name, picture in pictures.items():
                (work / f"{name}.png").write_bytes(picture)
            (work / "index.html").write_text(compose(counts, table, pictures, about, cases), encoding="utf-8")
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
    interval = interval_text(blocks, options["block_days"], options["replicates"])
    if interval.startswith("95 %"):
        interval += f", seed {options['seed']}; percentiles widened for few blocks; differences are paired"
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
        "Neighbourhoods": "square, over the valid cells of the mask alone; fractions rounded to 1/65535"
        if counts.sizes["scale"]
        else "",
        "Log score": "natural logarithm; probabilities 0 and 1 count as half of 1/65535 and one less that",
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
