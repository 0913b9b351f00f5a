"""Which cases to look at: the best, a typical and the worst one by a stated rule, and the wettest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sslpdl.verify.formulas import ratio
from sslpdl.verify.pooling import contingency
from sslpdl.verify.scoring import three_classes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Case", "chosen_cases", "wettest_case"]

# what a case needs to say anything about an event: so many cells where it was observed, and so many such cases
_LEAST_EVENTS, _LEAST_CASES = 20, 3


class Case(NamedTuple):
    """A case and why it was chosen: its rank among the cases that qualify, and their number."""

    init_time: np.datetime64
    lead_time: int
    threshold: float
    csi: float
    events: int
    rank: int
    of: int


def chosen_cases(counts: xr.Dataset, model: str) -> dict[str, Case]:
    """Return the cases with the highest, the middle and the lowest CSI of a model: ``best``, ``typical``, ``worst``.

    The threshold is the one where heavy rain begins in `three_classes`, or the next lower one that was observed in at
    least 20 cells of the first region in at least three cases; only these cases are ranked.  Of cases with equal CSI
    the one with more observed events is more extreme.  Empty where no threshold qualifies.
    """
    table = contingency(counts).isel(region=0).sel(model=model).transpose("threshold", "init_time", "lead_time", ...)
    hits, false_alarms, misses, _ = np.moveaxis(table.values, -1, 0)
    events = hits + misses
    enough = (events >= _LEAST_EVENTS).sum(axis=(1, 2)) >= _LEAST_CASES
    thresholds = counts["threshold"].values.tolist()
    enough[thresholds.index(three_classes(thresholds)[1]) + 1 :] = False
    if not enough.any():
        return {}
    t = int(np.flatnonzero(enough)[-1])
    init, lead = np.nonzero(events[t] >= _LEAST_EVENTS)
    csi, seen = ratio(hits[t], hits[t] + false_alarms[t] + misses[t])[init, lead], events[t][init, lead]
    # from the best to the worst; among equals the wetter case leads the better half and closes the worse one
    order = np.lexsort((np.where(csi >= np.median(csi), -seen, seen), -csi))
    ranks = {"best": 0, "typical": (len(order) - 1) // 2, "worst": len(order) - 1}
    return {
        name: Case(
            counts["init_time"].values[init[order[k]]],
            int(counts["lead_time"].values[lead[order[k]]]),
            float(counts["threshold"].values[t]),
            float(csi[order[k]]),
            int(seen[order[k]]),
            k + 1,
            len(order),
        )
        for name, k in ranks.items()
    }


def wettest_case(counts: xr.Dataset) -> tuple[np.datetime64, int, float]:
    """Return run, lead time [h] and threshold of the case with most cells at the highest threshold ever observed."""
    events = counts["events"].isel(region=0, model=0).sum("bin").transpose("threshold", "init_time", "lead_time").values
    reached = np.flatnonzero(events.sum(axis=(1, 2)))
    t = int(reached[-1]) if reached.size else 0
    i, j = np.unravel_index(int(events[t].argmax()), events[t].shape)
    return counts["init_time"].values[i], int(counts["lead_time"].values[j]), float(counts["threshold"].values[t])
