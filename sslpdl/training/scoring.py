"""From something that forecasts to its scores on the test runs, with what a forecast costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl import forecast, verify
from sslpdl.archive import open_archive, pairs
from sslpdl.models import TrainedModel
from sslpdl.models.baselines import QuantileMapping
from sslpdl.training.config import DataConfig
from sslpdl.training.splits import runs_in

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Forecaster", "counted", "inference_seconds", "score_table", "training_climatology"]

Forecaster = TrainedModel | Sequence[QuantileMapping] | str
"""A trained model, quantile mappings of all lead times, or ``"raw"`` or ``"climatology"``."""

_LEADS = 72


def counted(
    cases: xr.Dataset,
    forecaster: Forecaster,
    *,
    name: str,
    thresholds: Sequence[float],
    climatology: Mapping[float, float],
    regions: Mapping[str, NDArray[np.bool_]],
    progress: bool = False,
) -> xr.Dataset:
    """Return the counts of a forecaster beside raw NWP and climatology, all on the same cells.

    Parameters
    ----------
    cases : Dataset
        Test runs with observed rain.
    forecaster : TrainedModel, sequence of QuantileMapping, or str
        What forecasts.
    name : str
        Its name in the counts.
    thresholds : sequence of float
        Rain amounts to verify [mm per window].
    climatology : mapping
        Probability of reaching each threshold; see `training_climatology`.
    regions : mapping of str to ndarray of bool
        Where to verify.
    progress : bool
        Show progress bars.
    """
    options: dict[str, Any] = {"thresholds": thresholds, "regions": regions, "progress": progress}
    if isinstance(forecaster, str):
        counts = verify.count(cases, {"raw": "raw"}, **options)
    elif isinstance(forecaster, TrainedModel):
        counts = _counted(cases, forecaster, name, options)
    else:
        groups = _by_lead(cases, forecaster)
        counts = verify.merge([_counted(cases.isel(lead_time=where), one, name, options) for one, where in groups])
    return verify.with_climatology(counts, climatology, source="base rates of the training runs")


def _counted(
    cases: xr.Dataset, model: TrainedModel | QuantileMapping, name: str, options: Mapping[str, Any]
) -> xr.Dataset:
    runs = np.unique(pairs(cases)["init_time"].to_numpy())
    with tempfile.TemporaryDirectory(prefix="sslpdl-scoring-") as folder:
        out = Path(folder) / "forecast.zarr"
        made = forecast.run(cases, model, init_time=runs, out=out, progress=options["progress"])  # type: ignore[arg-type]
        return verify.count(cases, {name: made, "raw": "raw"}, **options)


def _by_lead(cases: xr.Dataset, mappings: Sequence[QuantileMapping]) -> list[tuple[QuantileMapping, list[int]]]:
    """Return each mapping with the positions of the lead times that are nearest to its own."""
    groups: list[list[int]] = [[] for _ in mappings]
    for position, lead in enumerate(cases["lead_time"].values.astype(int).tolist()):
        away = [min(abs(lead - own) for own in mapping.leads) for mapping in mappings]
        groups[int(np.argmin(away))].append(position)
    return [(mapping, where) for mapping, where in zip(mappings, groups, strict=True) if where]


def training_climatology(archive: Path, data: DataConfig, thresholds: Sequence[float]) -> dict[float, float]:
    """Return how often each threshold was reached in the observations of the training runs."""
    opened = open_archive(archive)
    table = pairs(opened)
    seen = np.unique(table["qpe"].to_numpy()[runs_in(table["init_time"].to_numpy("datetime64[ns]"), data.train)])
    return verify.base_rate(opened.isel(valid_time=seen), thresholds)


def score_table(counts: xr.Dataset, name: str) -> pd.DataFrame:
    """Return the scores of one model with 95 % intervals, by region and lead time; see `verify.scores`."""
    table = verify.scores(counts)
    return table[table["model"] == name].drop(columns="model")


def inference_seconds(cases: xr.Dataset, forecaster: Forecaster) -> float | None:
    """Return the seconds for 72 lead times of one run in memory, reading and writing left out; None for no model."""
    if isinstance(forecaster, str):
        return None
    model = forecaster if isinstance(forecaster, TrainedModel) else forecaster[0]
    fields = np.asarray(cases["fields"].isel(init_time=0).sel(channel=list(model.channels)).values, "float32")
    run = np.resize(fields, (_LEADS, *fields.shape[1:]))
    begin = time.perf_counter()
    model.probabilities(run)
    return time.perf_counter() - begin
