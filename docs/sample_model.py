"""Pack the models of ``configs/small.yaml``, pre-trained and trained, as those in ``data_samples``, and score them.

Run ``sslpdl experiment configs/small.yaml --out runs/small`` (some 85 minutes), then ``python docs/sample_model.py``.
The weights are stored as float16; the counts of the test split (``test_counts.npz``, with raw NWP, climatology and
quantile mapping beside it) and the scores of the sample case (``sample_scores.json``) are those of the stored weights.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sslpdl import forecast, models, verify
from sslpdl.archive import open_archive
from sslpdl.files import write_json_atomic
from sslpdl.training import load_config
from sslpdl.training.quantiles import fit_quantile_mapping
from sslpdl.training.scoring import training_climatology

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data_samples"
TARGET = SAMPLES / "models" / "sslpdl-small"
NAME, MAPPED = "sslpdl-small", "quantile_mapping"


def main(run: Path) -> None:
    """Pack and score the model of an experiment's folder."""
    trained = models.load(run / "model")
    models.save(TARGET, trained, half=True, overwrite=True)
    models.save(TARGET.parent / "pretrained", models.load(run / "pretrained"), half=True, overwrite=True)
    model = models.load(TARGET)
    settings = load_config(ROOT / "configs" / "small.yaml").finetune
    verify.write_counts(verify.condense(test_counts(run, model, settings)), TARGET / "test_counts.npz")
    write_json_atomic(TARGET / "sample_scores.json", sample_scores(model))


def test_counts(run: Path, model: models.TrainedModel, settings: Any) -> xr.Dataset:
    """Return the counts of the test split: the model, raw and quantile-mapped NWP, and climatology."""
    cases = open_archive(run / "test.zarr")
    mappings = fit_quantile_mapping(run / "archive.zarr", settings.data, thresholds=settings.thresholds, progress=True)
    leads = cases["lead_time"].values.astype(int)
    nearest = np.array([[min(abs(lead - own) for own in mapping.leads) for mapping in mappings] for lead in leads])
    parts = []
    for position, mapping in enumerate(mappings):
        part = cases.isel(lead_time=np.flatnonzero(nearest.argmin(axis=1) == position))
        if part.sizes["lead_time"]:
            parts.append(_counted(part, {NAME: model, MAPPED: mapping}))
    base = training_climatology(run / "archive.zarr", settings.data, settings.thresholds)
    return verify.with_climatology(verify.merge(parts), base, source="base rates of the training runs")


def sample_scores(model: models.TrainedModel) -> dict[str, Any]:
    """Return the scores of the first run of the sample case by threshold, all lead times, inside the mask."""
    counts = _counted(open_archive(SAMPLES / "august-2022.zarr").isel(init_time=[0]), {NAME: model})
    table = verify.scores(counts.isel(region=[0]), groups={"all": counts["lead_time"].values.tolist()}, replicates=0)
    wanted = table[table["score"].isin(["csi", "frequency_bias", "brier"])]
    found: dict[str, Any] = {"cases": int(counts.attrs["cases"]), "cells": int(table["n"].max())}
    for row in wanted.to_dict("records"):
        found.setdefault(row["model"], {}).setdefault(f"{row['threshold']:g}", {})[row["score"]] = row["value"]
    return found


def _counted(cases: xr.Dataset, forecasters: dict[str, Any]) -> xr.Dataset:
    with tempfile.TemporaryDirectory() as folder:
        made: dict[str, Any] = {
            name: forecast.run(cases, one, out=Path(folder) / f"{name}.zarr", progress=True)
            for name, one in forecasters.items()
        }
        regions = verify.standard_regions(cases, provinces=True)
        return verify.count(cases, made | {"raw": "raw"}, thresholds=(0.1, 1, 5, 10, 30), regions=regions)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "small")
