"""Write the tables of ``results.md``: ``python docs/results.py``.

They come from the counts of the shipped model on the test split, and from what ``docs/keep_rows.py`` has kept of the
table of experiments.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
import yaml

from sslpdl import models, verify
from sslpdl.training.results import RESULT, SCORES
from sslpdl.verify.pooling import block_length

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "data_samples" / "models" / "sslpdl-small"
PAGE = ROOT / "docs" / "results.md"
HEADLINE = ROOT / "docs" / "headline"
NAMES = {
    "raw": "raw NWP",
    "quantile_mapping": "quantile mapping",
    "climatology": "climatology",
    "sslpdl-small": "SSLPDL `small`",
}


def main() -> None:
    """Write every table between its marks."""
    counts = verify.read_counts(MODEL / "test_counts.npz")
    tables = {
        "about": about(counts),
        "thresholds": by_threshold(counts),
        "classes": by_classes(counts),
        "leads": by_lead(counts),
        "regions": by_region(counts),
        "headline": headline(),
        "trainings": trainings(),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


def about(counts: xr.Dataset) -> str:
    """Return what was trained and what was verified."""
    metrics = models.load(MODEL).metrics
    table = verify.scores(counts.isel(region=[0]), groups=_all(counts), replicates=0)
    return (
        f"{metrics['sample_passes']:,} passes of fine-tuning in {metrics['seconds'] / 60:.0f} minutes. "
        f"Test: {counts.attrs['cases']} forecasts of {counts.attrs['first_run']} to {counts.attrs['last_run']} UTC, "
        f"lead times {counts['lead_time'].values.min()}-{counts['lead_time'].values.max()} h, "
        f"{int(table['n'].max()):,} cells inside the mask; {block_length(counts)}-day blocks."
    )


def by_threshold(counts: xr.Dataset) -> str:
    """Return CSI, bias and probabilistic scores of each threshold and model, all lead times."""
    table = _scored(counts.isel(region=[0]), _all(counts))
    columns = {
        "csi": "CSI",
        "frequency_bias": "bias",
        "brier": "Brier",
        "bss_climatology": "BSS, climatology",
        "bss_quantile_mapping": "BSS, quantile mapping",
        "ece_from_5_percent": "ECE, P ≥ 5 %",
        "roc_area": "ROC area",
    }
    return _grid(table[table["threshold"].notna()], columns, ["threshold"])


def by_classes(counts: xr.Dataset) -> str:
    """Return the class scores."""
    table = _scored(counts.isel(region=[0]), _all(counts))
    table = table[table["threshold"].isna()]
    names = {"miou_3": "mIoU", "miou_wet": "mIoU, wet classes", "gerrity_3": "Gerrity", "rps": "RPS"}
    return _grid(table, names, [])


def by_lead(counts: xr.Dataset) -> str:
    """Return CSI by lead time."""
    leads = counts["lead_time"].values.tolist()
    groups = {f"{a}-{b} h": [lead for lead in leads if a <= lead <= b] for a, b in ((3, 12), (15, 24), (27, 36))}
    table = _scored(counts.isel(region=[0]), groups)
    return _grid(table[table["threshold"].isin([0.1, 10.0])], {"csi": "CSI"}, ["threshold", "lead_time"])


def by_region(counts: xr.Dataset) -> str:
    """Return CSI by region."""
    chosen = [name for name in ("land", "sea", "capital_area") if name in counts["region"].values]
    table = _scored(counts.sel(region=chosen), _all(counts))
    return _grid(table[table["threshold"].isin([0.1, 10.0])], {"csi": "CSI"}, ["threshold", "region"])


def headline() -> str:
    """Return the scores of every finished row of the table of experiments, a line a seed."""
    shown = {
        ("csi", 0.1): "CSI 0.1 mm",
        ("csi", 10.0): "CSI 10 mm",
        ("miou_3", None): "mIoU",
        ("miou_wet", None): "mIoU, wet",
        ("bss_climatology", 0.1): "BSS 0.1 mm",
        ("bss_climatology", 10.0): "BSS 10 mm",
    }
    lines = ["| row | seed | " + " | ".join(shown.values()) + " |", "| --- | --- |" + " ---: |" * len(shown)]
    for result, scores in kept_rows():
        cells = []
        for name, threshold in shown:
            of_threshold = scores["threshold"].isna() if threshold is None else scores["threshold"] == threshold
            found = scores[(scores["score"] == name) & of_threshold]
            cells.append(_cell(found.iloc[0]) if len(found) else "")
        lines.append("| " + " | ".join([result["row"], _number(result["seed"]), *cells]) + " |")
    return "\n".join(lines)


def trainings() -> str:
    """Return what the trained rows cost, a line a seed."""
    titles = [
        "parameters",
        "passes",
        "learning rate",
        "validation CSI",
        "minutes",
        "search",
        "pre-training",
        "72 leads",
    ]
    lines = ["| row | seed | " + " | ".join(titles) + " |", "| --- | --- |" + " ---: |" * len(titles)]
    for result, _ in kept_rows():
        if result["network"] is None:
            continue
        minutes = [f"{result[f'{name}_seconds'] / 60:.0f}" for name in ("training", "search", "pretraining")]
        cells = [
            f"{result['parameters']:,}",
            f"{result['sample_passes']:,}",
            f"{result['learning_rate']:g}",
            f"{result['validation_score']:.4f}",
            *minutes,
            f"{result['inference_seconds_72_leads']:.1f} s",
        ]
        lines.append("| " + " | ".join([result["row"], _number(result["seed"]), *cells]) + " |")
    return "\n".join(lines)


def kept_rows() -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Return what is known of each finished row and its scores, in the order of the configuration."""
    rows = yaml.safe_load((ROOT / "configs" / "headline.yaml").read_text(encoding="utf-8"))["table"]["rows"]
    places = [place for name in rows for place in sorted(HEADLINE.glob(f"rows/{name}/seed-*/result"))]
    return [(json.loads((p / RESULT).read_text(encoding="utf-8")), pd.read_csv(p / SCORES)) for p in places]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _all(counts: xr.Dataset) -> dict[str, list[int]]:
    return {"all": counts["lead_time"].values.tolist()}


def _scored(counts: xr.Dataset, groups: dict[str, list[int]]) -> pd.DataFrame:
    held = [name for name in ("climatology", "raw", "quantile_mapping") if name in counts["model"].values]
    return verify.scores(counts, groups=groups, references=held)


def _grid(table: pd.DataFrame, columns: dict[str, str], keys: list[str]) -> str:
    """Return a Markdown table: one row for each key and model, an interval behind each value."""
    held = {name: title for name, title in columns.items() if (table["score"] == name).any()}
    titles = [{"threshold": "mm/h", "lead_time": "lead time"}.get(key, key) for key in keys]
    lines = ["| " + " | ".join([*titles, "forecast", *held.values()]) + " |"]
    lines.append("| " + " | ".join(["---"] * (len(keys) + 1) + ["---:"] * len(held)) + " |")
    for values, part in table.groupby([*keys, "model"], sort=False):
        *found, model = values if keys else (values[0],)
        cells = part.set_index("score")
        texts = [_cell(cells.loc[name]) if name in cells.index else "" for name in held]
        lines.append("| " + " | ".join([*(_key(value) for value in found), NAMES[str(model)], *texts]) + " |")
    return "\n".join(lines)


def _key(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(row: Any) -> str:
    if pd.isna(row["value"]):
        return ""
    interval = "" if pd.isna(row["lower"]) else f" [{row['lower']:.3f}, {row['upper']:.3f}]"
    return f"{row['value']:.3f}{interval}"


if __name__ == "__main__":
    main()
