"""Keep what a table of experiments has finished: ``python docs/keep_rows.py runs/headline docs/headline``.

For each row and seed its settings, its loss curves, the search of its learning rate and its scores over the whole mask
and all lead times are copied; models and counts are not.  Copied back (``cp -r docs/headline/rows runs/headline/``),
finished rows are not run again.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd

from sslpdl import models
from sslpdl.files import write_json_atomic, write_text_atomic
from sslpdl.training.results import RESULT, SCORES


def main(source: Path, target: Path) -> None:
    """Copy every finished row."""
    for found in sorted(source.glob(f"rows/*/seed-*/result/{RESULT}")):
        kept = target / found.parent.relative_to(source)
        kept.mkdir(parents=True, exist_ok=True)
        scores = pd.read_csv(found.with_name(SCORES))
        whole = scores[(scores["region"] == "all") & (scores["lead_time"] == "all")]
        write_text_atomic(kept / SCORES, whole.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
        shutil.copy(found, kept)
        model, search = found.parents[1] / "model", found.parents[2] / "learning_rates.json"
        if model.exists():
            write_json_atomic(kept.parent / "curves.json", models.load(model).metrics["curves"])
        if search.exists():
            shutil.copy(search, kept.parents[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
