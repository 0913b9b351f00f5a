"""Counts of events by forecast probability, the best CSI they allow, and the p* that gives it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["ThresholdCounts"]

BINS = 1000


class ThresholdCounts:
    """Counts of events and non-events by forecast probability, in bins of 0.001, for each rain threshold.

    Parameters
    ----------
    thresholds : sequence of float
        Lower bounds of the rain classes but the first.
    """

    def __init__(self, thresholds: Sequence[float]) -> None:
        self.thresholds = tuple(thresholds)
        self.counts = torch.zeros(len(self.thresholds), 2, BINS + 1, dtype=torch.int64)

    def add(self, probability: Tensor, rain_class: Tensor) -> None:
        """Count a batch.

        Parameters
        ----------
        probability : Tensor (B, K, H, W)
            Class probabilities.
        rain_class : Tensor (B, H, W) int
            Observed class, -1 where unknown.
        """
        known = rain_class >= 0
        observed = rain_class[known]
        exceedance = probability.movedim(1, -1)[known].flip(-1).cumsum(-1).flip(-1)[:, 1:]  # (cells, K - 1)
        # the yes/no answer is p >= p*: rounding down keeps a probability below a bin's edge below it
        bins = (exceedance * BINS).clamp(0, BINS).long()
        for k in range(len(self.thresholds)):
            key = (observed > k).long() * (BINS + 1) + bins[:, k]
            self.counts[k] += torch.bincount(key, minlength=2 * (BINS + 1)).reshape(2, BINS + 1).cpu()

    def csi(self) -> Tensor:
        """Return CSI by threshold and p* = 0.000, 0.001, ...: (thresholds, 1001) float64, NaN without any event."""
        forecast = self.counts.flip(-1).cumsum(-1).flip(-1)  # events and non-events with p >= p*
        hits, false_alarms = forecast[:, 1].double(), forecast[:, 0].double()
        events = self.counts[:, 1].sum(-1, keepdim=True).double()
        return torch.where(events > 0, hits / (events + false_alarms), torch.nan)

    def best(self) -> dict[float, tuple[float, float]]:
        """Return for each threshold with events the p* of highest CSI, and that CSI.

        Of equal ones the largest p* is taken: it says yes least often.
        """
        result = {}
        for threshold, curve in zip(self.thresholds, self.csi(), strict=True):
            if not torch.isnan(curve).any():
                place = BINS - int(curve.flip(0).argmax())
                result[threshold] = (max(place, 1) / BINS, float(curve[place]))
        return result

    def score(self) -> float:
        """Return the mean over thresholds with events of the best CSI; zero without any."""
        best = [csi for _, csi in self.best().values()]
        return sum(best) / len(best) if best else 0.0
