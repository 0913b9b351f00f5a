"""What the tests of scores share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sslpdl import verify

RUN = np.datetime64("2022-06-01T00", "ns")
DAY = np.timedelta64(1, "D")


def scored(table: pd.DataFrame, score: str, model: str = "m", **where: Any) -> float:
    """Return one value of a table of scores."""
    where = {"region": "all", "lead_time": "all"} | where
    part = table[(table["score"] == score) & (table["model"] == model)]
    for name, value in where.items():
        part = part[part[name] == value]
    assert len(part) == 1
    return float(part["value"].iloc[0])


def from_table(hits: int, false_alarms: int, misses: int, negatives: int) -> verify.Counter:
    """Return a counter that has seen such a contingency table of rain >= 1 mm, as one long map of one run."""
    observed = np.repeat([2.0, 0.0, 2.0, 0.0], [hits, false_alarms, misses, negatives])[None]
    forecast = np.repeat([2.0, 2.0, 0.0, 0.0], [hits, false_alarms, misses, negatives])[None]
    counting = verify.Counter(
        thresholds=(1.0,), models=("m",), regions={"all": np.ones(observed.shape, bool)}, attrs={"rain_window": 1.0}
    )
    counting.add(RUN, 12, observed, {"m": forecast})
    return counting


def sample(seed: int) -> tuple[xr.DataArray, xr.DataArray, np.ndarray, xr.Dataset]:
    """Return probabilities (multiples of 1/65535), observed rain, thresholds, and our counts of them."""
    rng = np.random.default_rng(seed)
    thresholds = np.array([0.1, 1.0, 10.0])
    shape = (4, 7)
    steps = -np.sort(-rng.integers(0, 65536, (3, 3, *shape)), axis=1)  # (case, threshold, y, x)
    probability = steps / 65535
    observed = rng.choice([0.0, 0.1, 0.5, 1.0, 5.0, 10.0, 40.0], (3, *shape))
    observed[rng.random(observed.shape) < 0.2] = np.nan
    mask = rng.random(shape) < 0.8
    decision = {"m": dict(zip(thresholds.tolist(), rng.choice(verify.EDGES[1:], 3).tolist(), strict=True))}
    counting = verify.Counter(
        thresholds=thresholds.tolist(), models=("m",), regions={"all": mask}, decision=decision,
        attrs={"rain_window": 1.0},
    )  # fmt: skip
    for k in range(3):
        counting.add(RUN + k * DAY, 6, observed[k], {"m": probability[k]})
    dims = ("case", "threshold", "y", "x")
    masked = xr.DataArray(np.where(mask, observed, np.nan), dims=("case", "y", "x"))
    shown = xr.DataArray(probability, dims=dims, coords={"threshold": thresholds})
    return shown.where(masked.notnull()), masked, thresholds, counting.counts()
