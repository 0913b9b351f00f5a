"""The ranges that the twin is calibrated to, and a result that stands beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["TARGETS", "Row", "TwinStatistics"]

TARGETS: dict[str, tuple[float, float]] = {
    "wet share": (0.08, 0.18),
    "heavy share": (0.005, 0.010),
    "gamma shape of 0.1-20 mm/h": (0.0, 1.0),
    "distance from that gamma": (0.0, 0.05),
    "rain of 50 mm/h over that gamma": (1.0, np.inf),
    "front case, largest hour (mm/h)": (100.0, 170.0),
    "truth spectral slope 20-200 km": (-3.0, -1.5),
    "forecast less truth slope 12-30 km": (-np.inf, -0.2),
    "rain e-folding time (h)": (1.0, 3.0),
    "CSI 0.1, leads 6-30": (0.25, 0.35),
    "CSI 10, leads 6-30": (0.04, 0.09),
    "fall of CSI 0.1, 6 to 18 h": (0.0, np.inf),
    "fall of CSI 0.1, 18 to 30 h": (0.0, np.inf),
    "fall of CSI 0.1, 30 to 66 h": (0.0, np.inf),
    "fall of CSI 10, 6 to 18 h": (0.0, np.inf),
    "fall of CSI 10, 18 to 30 h": (0.0, np.inf),
    "fall of CSI 10, 30 to 66 h": (0.0, np.inf),
    "frequency bias 0.1": (1.1, 1.5),
    "frequency bias 10": (0.6, 1.2),
    # a 12-km model has too little of the heaviest rain; all leads, since few hours have it
    "frequency bias 32, all leads": (0.3, 1.0),
    "mean displacement (cells)": (0.0, 1.0),
    "quantile-mapping gain CSI 0.1": (-np.inf, 0.10),
    "quantile-mapping gain CSI 10": (-np.inf, 0.10),
    "geostrophic correlation u": (0.9, 1.0),
    "geostrophic correlation v": (0.9, 1.0),
    "thickness-temperature correlation": (0.9, 1.0),
    "MFC850 less rain correlation": (0.0, np.inf),
}
"""Ranges that the twin is calibrated to; see :func:`sslpdl.twin.statistics` for what each name means."""

Numbers = npt.NDArray[np.float64]


class Row(NamedTuple):
    """A statistic beside its target; one without a target has NaN for both ends and counts as met."""

    name: str
    value: float
    low: float
    high: float
    met: bool


@dataclass(frozen=True, eq=False)
class TwinStatistics(Mapping[str, float]):
    """The statistics of a twin by name: a mapping, with the curves behind it.

    Attributes
    ----------
    figures : dict of str to float
        Every statistic.
    curves : dict of str to ndarray
        ``wave number`` (per km) with ``truth density`` and ``forecast density``; ``rain`` (mm/h, middles of classes)
        with ``truth share`` and ``forecast share`` of wet cells per factor of e, and ``gamma share``; ``lag`` (h) with
        ``correlation``; ``lead`` (h) with ``CSI 0.1`` and ``CSI 10``.
    samples : int
        Number of samples behind them.
    """

    figures: dict[str, float]
    curves: dict[str, Numbers]
    samples: int

    def __getitem__(self, name: str) -> float:
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def table(self) -> list[Row]:
        """Return every statistic beside its target: those with a target first."""
        rows = [Row(name, self[name], low, high, low <= self[name] <= high) for name, (low, high) in TARGETS.items()]
        others = (name for name in self if name not in TARGETS)
        return rows + [Row(name, self[name], np.nan, np.nan, True) for name in others]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = ["| statistic | twin | target | |", "|---|---:|:---:|---|"]
        for name, value, low, high, met in self.table():
            target = "" if np.isnan(low) else _range(low, high)
            lines.append(f"| {name} | {value:.3g} | {target} | {'' if met else 'missed'} |")
        return "\n".join(lines)


def _range(low: float, high: float) -> str:
    if np.isinf(high):
        return f"at least {low:g}"
    if np.isinf(low):
        return f"at most {high:g}"
    return f"{low:g} to {high:g}"
