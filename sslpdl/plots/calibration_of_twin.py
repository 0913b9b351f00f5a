"""The twin's statistics beside their targets, as one figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.plots.style import INK, MUTED, Picture, annotate, styled

if TYPE_CHECKING:
    from sslpdl.twin.targets import Row, TwinStatistics

__all__ = ["twin_figure"]

_TRUTH, _FORECAST, _MISSED, _RANGE = "#0072b2", "#d55e00", "#b00020", "#d9efe6"


@styled
def twin_figure(statistics: TwinStatistics, *, title: str = "The synthetic twin beside its targets") -> Picture:
    """Return every statistic of the twin beside its target, and the curves behind them.

    Parameters
    ----------
    statistics : TwinStatistics
        From `sslpdl.twin.statistics`.
    title : str
        Title of the figure.

    Examples
    --------
    >>> twin_figure(sslpdl.twin.statistics())  # doctest: +SKIP
    """
    figure = Picture(figsize=(13.0, 7.6))
    halves: Any = figure.subfigures(1, 2, width_ratios=[1.15, 1.4])
    left, right = halves
    _table(left.subplots(), [row for row in statistics.table() if np.isfinite(row.low) or np.isfinite(row.high)])
    axes = right.subplots(2, 2)
    _distribution(axes[0, 0], statistics)
    _spectra(axes[0, 1], statistics)
    _memory(axes[1, 0], statistics)
    _skill(axes[1, 1], statistics)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    annotate(
        figure,
        f"{statistics.samples} samples (run, lead time) of June to September 2019-2023, all cells. Synthetic data: "
        "made by a random generator, no observation and no real forecast.",
    )
    return figure


def _table(axis: Any, rows: list[Row]) -> None:
    """Draw one line for each statistic: its value as a dot between the ends of its range, where it has two."""
    axis.set(xlim=(-2.05, 2.0), ylim=(len(rows) - 0.4, -1.1))
    axis.axis("off")
    for place, text in ((-2.05, "statistic"), (0.02, "range (bar) and value (dot)"), (1.62, "value")):
        axis.text(place, -0.85, text, fontsize=8, color=MUTED, va="center", ha="right" if text == "value" else "left")
    axis.text(2.0, -0.85, "met", fontsize=8, color=MUTED, va="center", ha="right")
    for line, (name, value, low, high, met) in enumerate(rows):
        colour = INK if met else _MISSED
        axis.text(-2.05, line, name, fontsize=8, va="center", color=colour)
        axis.text(1.62, line, f"{value:.3g}", fontsize=8, va="center", ha="right", color=colour, fontweight="bold")
        axis.text(2.0, line, "yes" if met else "no", fontsize=8, va="center", ha="right", color=colour)
        if np.isfinite(low) and np.isfinite(high):
            axis.barh(line, 0.6, left=0.35, height=0.62, color=_RANGE, zorder=0)
            axis.text(0.33, line, f"{low:g}", fontsize=7, va="center", ha="right", color=MUTED)
            axis.text(0.97, line, f"{high:g}", fontsize=7, va="center", ha="left", color=MUTED)
            share = np.clip((value - low) / (high - low), -0.2, 1.2)
            axis.plot(0.35 + 0.6 * share, line, "o", ms=5, color=colour)
        else:
            bound = f"at least {low:g}" if np.isfinite(low) else f"at most {high:g}"
            axis.text(0.65, line, bound, fontsize=7.5, va="center", ha="center", color=MUTED)


def _distribution(axis: Any, statistics: TwinStatistics) -> None:
    curves, rain = statistics.curves, statistics.curves["rain"]
    for name, colour in (("truth", _TRUTH), ("forecast", _FORECAST)):
        share = curves[f"{name} share"]
        axis.plot(rain, np.where(share > 0, share, np.nan), color=colour, lw=1.8, label=name)
    axis.plot(rain, curves["gamma share"], color=INK, lw=1, ls="--", label="gamma fitted to 0.1-20 mm/h")
    axis.set(
        xscale="log", yscale="log", ylim=(1e-6, 1), xlabel="rain [mm/h]", ylabel="share of wet cells per factor e",
        title="Hourly rain",
    )  # fmt: skip
    axis.legend(loc="lower left")


def _spectra(axis: Any, statistics: TwinStatistics) -> None:
    curves = statistics.curves
    length = 1 / curves["wave number"]
    shown = (length >= 12) & (length <= 400)
    for name, colour in (("truth", _TRUTH), ("forecast", _FORECAST)):
        axis.plot(length[shown], curves[f"{name} density"][shown], color=colour, lw=1.8, label=name)
    anchor = int(np.argmin(np.abs(length - 200)))
    middle = curves["truth density"][anchor]
    part = (length >= 20) & (length <= 200)
    steep, flat = (middle * (length[part] / length[anchor]) ** slope for slope in (3, 1.5))
    axis.fill_between(length[part], steep, flat, color=_RANGE, zorder=0, label="slopes -1.5 to -3")
    axis.set(
        xscale="log", yscale="log", xlabel="wavelength [km]", ylabel="density, ring mean", title="Spectrum of mm/h"
    )
    axis.set_xticks([200, 100, 50, 20], ["200", "100", "50", "20"], minor=False)
    axis.minorticks_off()
    axis.invert_xaxis()
    axis.legend(loc="lower left")


def _memory(axis: Any, statistics: TwinStatistics) -> None:
    lag = np.linspace(0, 3, 60)
    axis.fill_between(lag, np.exp(-lag), np.exp(-lag / 3), color=_RANGE, label="e-folding 1 to 3 h")
    axis.plot(statistics.curves["lag"], statistics.curves["correlation"], "o-", color=_TRUTH, label="truth")
    axis.set(xlabel="lag [h]", ylabel="correlation", ylim=(0, 1.02), title="Rain at a point, hours apart")
    axis.legend()


def _skill(axis: Any, statistics: TwinStatistics) -> None:
    from sslpdl.twin.targets import TARGETS

    lead = statistics.curves["lead"]
    for name, colour, marker in (("CSI 0.1", "#009e73", "o"), ("CSI 10", "#cc79a7", "s")):
        low, high = TARGETS[f"{name}, leads 6-30"]
        axis.fill_between([6, 30], low, high, color=colour, alpha=0.15, lw=0)
        axis.hlines(statistics[f"{name}, leads 6-30"], 6, 30, color=colour, ls="--", lw=1)
        axis.plot(lead, statistics.curves[name], marker + "-", color=colour, label=f"{name.removeprefix('CSI ')} mm/h")
    axis.set(xlabel="lead time [h]", ylabel="CSI", ylim=(0, None), xticks=lead, title="Raw forecast, the same hours")
    axis.legend(title="dashed: all samples of 6-30 h", title_fontsize=8)
