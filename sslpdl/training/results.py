"""The table of an experiment: what is known of each finished row beside its scores, one line a score."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.files import write_json_atomic, write_text_atomic

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RESULT", "SCORES", "show_table", "write_table"]

RESULT, SCORES = "result.json", "scores.csv"


def write_table(results: Sequence[Path], folder: Path) -> Path:
    """Write ``table.csv`` and ``table.json`` of finished rows, whole or not at all, and return the former.

    Parameters
    ----------
    results : sequence of Path
        Folders with a row's `RESULT` and `SCORES`.
    folder : Path
        Where the table goes.
    """
    import pandas as pd

    records = [json.loads((place / RESULT).read_text(encoding="utf-8")) for place in results]
    frames = []
    for record, place in zip(records, results, strict=True):
        scores = pd.read_csv(place / SCORES)
        frames.append(_labelled(record, scores[scores["lead_time"] == "all"].drop(columns="lead_time")))
    table = pd.concat(frames, ignore_index=True)
    write_json_atomic(folder / "table.json", records)
    write_text_atomic(folder / "table.csv", table.to_csv(index=False, lineterminator="\n"))
    return folder / "table.csv"


def _labelled(result: Mapping[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of a row with what is known of it in front, one line a score."""
    left_out = ("key", "settings")
    labels = {name: value for name, value in result.items() if name not in left_out}
    for name in ("train", "validation"):
        labels[name] = " ".join(str(period) for period in labels[name])
    for position, (name, value) in enumerate(labels.items()):
        scores.insert(position, name, [value] * len(scores))
    return scores


def show_table(path: Path) -> None:
    """Print the main scores of all rows of a table, means over seeds."""
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    table = pd.read_csv(path)
    table = table[(table["region"] == "all") & table["score"].isin(["csi", "miou_3"])]
    pairs = zip(table["score"], table["threshold"], strict=True)
    table["what"] = [score if np.isnan(threshold) else f"CSI {threshold:g} mm" for score, threshold in pairs]
    wide = table.pivot_table(index="row", columns="what", values="value", aggfunc="mean", sort=False)
    shown = Table("row", *wide.columns, title="Means over seeds; all lead times, whole mask", title_justify="left")
    for name, values in wide.iterrows():
        shown.add_row(str(name), *("–" if np.isnan(value) else f"{value:.3f}" for value in values))
    Console().print(shown)
