"""What a forecast is worth to users who can protect themselves at a cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.verify.decision import decision_curve
from sslpdl.verify.formulas import economic_value

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["economic_value_table"]


def economic_value_table(
    counts: xr.Dataset, *, region: str | None = None, leads: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return the relative economic value of every model for users of every ratio of cost to loss.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    region : str, optional
        The first one by default.
    leads : sequence of int, optional
        Lead times to pool, all by default.

    Returns
    -------
    DataFrame
        Columns ``model``, ``threshold``, ``cost_loss`` (the bin edges above 0), ``value`` of protecting where P is at
        least the cost-loss ratio, which is the best a user can do who trusts the forecast, and ``envelope``, the value
        at the decision threshold that turns out best for the user, never and always protecting included; the
        difference is what poor calibration costs.  Raw NWP knows one decision, so that both are alike where it helps.

    Notes
    -----
    Richardson (2000, doi 10.1002/qj.49712656313): 1 saves as much as a perfect forecast, 0 as much as climatology.
    """
    import pandas as pd

    curve = decision_curve(counts, region=region, leads=leads)
    tables = []
    for (model, threshold), part in curve.groupby(["model", "threshold"], sort=False):
        hits, alarms, p = (part[name].to_numpy(np.float64) for name in ("hits", "false_alarms", "p"))
        events, n = hits[0] + part["misses"].iloc[0], float(part.iloc[0][["hits", "false_alarms"]].sum())
        ratios = p[p > 0]
        value = economic_value(hits, alarms, events, n, ratios[:, None])  # (cost-loss ratio, decision threshold)
        table = {
            "model": model,
            "threshold": threshold,
            "cost_loss": ratios,
            "value": np.diagonal(value, offset=1),  # p runs from 0, cost-loss ratios from the edge above
            "envelope": np.fmax(value.max(axis=1), np.where(np.isnan(value[:, 0]), np.nan, 0.0)),
        }
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)
