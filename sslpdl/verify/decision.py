"""From probabilities to yes or no: the decision threshold p*, and what other choices would have given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.formulas import ratio

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["best_threshold", "decision_curve"]


def decision_curve(
    counts: xr.Dataset, *, region: str | None = None, leads: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return hits and false alarms of every model for every decision threshold.

    Parameters
    ----------
    counts : Dataset
        From `count`; all runs in it are pooled.
    region : str, optional
        The first one by default.
    leads : sequence of int, optional
        Lead times to pool, all by default.

    Returns
    -------
    DataFrame
        Columns ``model``, ``threshold``, ``p`` (yes where P >= p), ``hits``, ``false_alarms``, ``misses``,
        ``correct_negatives``, ``csi``, ``pod``, ``pofd`` (false alarm rate) and ``precision``: one pass gives ROC,
        precision-recall and performance curves.
    """
    import pandas as pd

    part = counts if leads is None else counts.sel(lead_time=list(leads))
    part = part.sel(region=region) if region is not None else part.isel(region=0)
    pooled = part[["forecasts", "events"]].sum(("init_time", "lead_time"), dtype=np.int64)
    pooled = pooled.transpose("model", "threshold", "bin")
    # yes for the bin of p and all above it
    yes = np.flip(np.cumsum(np.flip(pooled["forecasts"].values, -1), axis=-1), -1)
    hits = np.flip(np.cumsum(np.flip(pooled["events"].values, -1), axis=-1), -1)
    false_alarms = yes - hits
    misses = hits[..., :1] - hits
    negatives = yes[..., :1] - hits - false_alarms - misses
    axes = [pooled[name].values.tolist() for name in ("model", "threshold", "bin")]
    index = pd.MultiIndex.from_product(axes, names=["model", "threshold", "p"])
    columns = {
        "hits": hits,
        "false_alarms": false_alarms,
        "misses": misses,
        "correct_negatives": negatives,
        "csi": ratio(hits, hits + false_alarms + misses),
        "pod": ratio(hits, hits + misses),
        "pofd": ratio(false_alarms, false_alarms + negatives),
        "precision": ratio(hits, yes),
    }
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index()


def best_threshold(counts: xr.Dataset, *, model: str | None = None, region: str | None = None) -> dict[float, float]:
    """Return the decision threshold p* that maximises CSI at each rain threshold.

    Choose it on validation data, never on the data that are scored afterwards.

    Parameters
    ----------
    counts : Dataset
        From `count` or `Counter.counts`.
    model : str, optional
        Which model; the only probabilistic one by default.
    region : str, optional
        The first one by default.

    Returns
    -------
    dict
        Rain threshold to p*, one of the bin edges above zero; the larger of equals.  0.5 where CSI is undefined or zero
        throughout (no event, or none ever hit).

    Raises
    ------
    VerifyError
        If the model is not in the counts, or not given where there are several.
    """
    models = [str(name) for name in counts["model"].values]
    if model is None:
        candidates = [name for name, kind in zip(models, counts["kind"].values, strict=True) if kind == "probability"]
        if len(candidates) != 1:
            raise VerifyError(f"name the model whose p* is wanted; the counts hold {models}.")
        model = candidates[0]
    if model not in models:
        raise VerifyError(f"there are no counts of {model}; they hold {models}.")
    curve = decision_curve(counts.sel(model=[model]), region=region)
    curve = curve[curve["p"] > 0]
    best: dict[float, float] = {}
    for threshold, part in curve.groupby("threshold"):
        csi = part["csi"].fillna(0.0).to_numpy()
        last = len(csi) - 1 - int(csi[::-1].argmax())
        best[float(threshold)] = float(part["p"].iloc[last]) if csi[last] > 0 else 0.5  # type: ignore[arg-type]
    return best
