"""Verification diagrams from the tables of `sslpdl.verify`: reliability, performance, scores by lead time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.plots.style import INK, MUTED, Picture, annotate, model_style, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = [
    "performance",
    "reliability",
    "reliability_by_lead",
    "score_by_hour",
    "score_by_lead",
    "score_by_region",
    "threshold_text",
]

TITLES = {
    "csi": "CSI",
    "f1": "F1",
    "ets": "ETS",
    "hss": "HSS",
    "frequency_bias": "Frequency bias",
    "brier": "Brier score",
    "bss_climatology": "Brier skill against climatology",
    "bss_raw": "Brier skill against raw NWP",
}


def threshold_text(threshold: float, window: float) -> str:
    """Return the event in words, for the title of a panel."""
    return f"≥ {threshold:g} mm / {window:g} h"


@styled
def reliability(table: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw reliability diagrams, one column per threshold, with the number of forecasts below.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.reliability_table`: ``model``, ``threshold``, ``probability`` (mean forecast of the bin),
        ``frequency`` (observed), ``n``, ``low`` and ``high`` (consistency bar) and ``base_rate``.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.

    Returns
    -------
    Picture
        The bars on the diagonal are consistency bars: were the forecast reliable, 95 % of resamplings would put the
        observed frequency inside.  Dashed: base rate; forecasts in the shaded area add to skill against climatology.
    """
    thresholds = sorted(table["threshold"].unique())
    styles = model_style(list(dict.fromkeys(table["model"])))
    figure = Picture(figsize=(max(3.1 * len(thresholds), 4.2), 4.7))
    axes = figure.subplots(2, len(thresholds), height_ratios=[3, 1], squeeze=False, sharex=True)
    for column, threshold in enumerate(thresholds):
        upper, lower = axes[:, column]
        part = table[table["threshold"] == threshold]
        _skill_area(upper, float(part["base_rate"].iloc[0]))
        for name, group in part.groupby("model", sort=False):
            known = group[group["n"] > 0]
            style = styles[str(name)]
            bars = known.dropna(subset=["low", "high"])
            upper.vlines(bars["probability"], bars["low"], bars["high"], color=style["color"], linewidth=4, alpha=0.28)
            upper.plot(known["probability"], known["frequency"], markersize=4.5, linewidth=1.4, label=name, **style)
            lower.plot(known["probability"], known["n"], markersize=3.5, linewidth=1.0, **style)
        upper.set_xlim(-0.02, 1.02)
        upper.set_ylim(-0.02, 1.02)
        upper.set_aspect("equal")
        upper.set_title(threshold_text(threshold, window))
        _decades(lower, part["n"].to_numpy())
        lower.set_xlabel("forecast probability")
        if column == 0:
            upper.set_ylabel("observed frequency")
            lower.set_ylabel("forecasts")
            upper.legend(loc="upper left")
    annotate(figure, caption)
    return figure


@styled
def reliability_by_lead(table: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw reliability diagrams by lead time, one column per threshold and a pair of rows per model.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.reliability_by_lead`; the group ``"all"`` is drawn black and dashed where there are others.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.

    Returns
    -------
    Picture
        One line per lead-time group, from dark (early) to bright (late), and the number of forecasts in each bin
        below; the legend tells the number of cells of each group.
    """
    from matplotlib import colormaps

    thresholds = sorted(table["threshold"].unique())
    models = list(dict.fromkeys(table["model"]))
    groups = list(dict.fromkeys(table["lead_time"]))
    single = [group for group in groups if group != "all"]
    shades = colormaps["viridis"](np.linspace(0.0, 0.88, max(len(single), 1)))
    colours = {"all": INK} | {group: shades[k] for k, group in enumerate(single)}
    figure = Picture(figsize=(max(3.1 * len(thresholds), 4.2) + 1.6, 4.5 * len(models)))
    axes = figure.subplots(
        2 * len(models), len(thresholds), height_ratios=[3, 1] * len(models), squeeze=False, sharex=True
    )
    for row, model in enumerate(models):
        for column, threshold in enumerate(thresholds):
            upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
            part = table[(table["model"] == model) & (table["threshold"] == threshold)]
            upper.plot([0, 1], [0, 1], color=INK, linewidth=0.8)
            for group, rows in part.groupby("lead_time", sort=False):
                known = rows[rows["n"] > 0]
                line: dict[str, Any] = {"color": colours[str(group)], "linestyle": "--" if group == "all" else "-"}
                label = f"{group}: n = {int(rows['n'].sum()):,}"
                upper.plot(known["probability"], known["frequency"], marker=".", linewidth=1.2, label=label, **line)
                lower.plot(known["probability"], known["n"], marker=".", linewidth=1.0, **line)
            upper.set_xlim(-0.02, 1.02)
            upper.set_ylim(-0.02, 1.02)
            upper.set_title(f"{model}, {threshold_text(threshold, window)}")
            _decades(lower, part["n"].to_numpy())
            lower.set_xlabel("forecast probability")
        axes[2 * row, 0].set_ylabel("observed frequency")
        axes[2 * row + 1, 0].set_ylabel("forecasts")
        axes[2 * row, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="lead time")
    annotate(figure, caption)
    return figure


def _decades(ax: Axes, counts: NDArray[Any]) -> None:
    """Give numbers of forecasts a logarithmic axis from one whole decade to another."""
    from matplotlib.ticker import LogLocator, NullLocator

    known = counts[counts > 0]
    low, high = (np.floor(np.log10(known.min())), np.ceil(np.log10(known.max()))) if known.size else (0.0, 1.0)
    ax.set_yscale("log")
    ax.set_ylim(10**low * 0.8, 10 ** max(high, low + 1) * 1.25)
    ax.yaxis.set_major_locator(LogLocator(numticks=4))
    ax.yaxis.set_minor_locator(NullLocator())


def _skill_area(ax: Axes, base_rate: float) -> None:
    """Draw the diagonal, the base rate, and the area where a forecast adds to the Brier skill against it."""
    line = np.linspace(0, 1, 101)
    no_skill = (line + base_rate) / 2
    ax.fill_between(line, no_skill, np.where(line >= base_rate, 1, 0), color="#eef2f6", linewidth=0, zorder=0)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8)
    ax.axhline(base_rate, color=MUTED, linewidth=0.7, linestyle=(0, (4, 2)))


@styled
def performance(
    points: pd.DataFrame, *, window: float, curves: pd.DataFrame | None = None, caption: str = ""
) -> Picture:
    """Draw the performance diagram: precision and recall with lines of equal CSI and frequency bias.

    Numbers on the diagonal are CSI, numbers at the rim frequency bias.

    Parameters
    ----------
    points : DataFrame
        One row per model and threshold: ``precision``, ``recall`` and their 95 % intervals ``precision_lower``,
        ``precision_upper``, ``recall_lower``, ``recall_upper`` (NaN where unknown).
    window : float
        Length of the rain window in hours.
    curves : DataFrame, optional
        From `sslpdl.verify.decision_curve`: what other decision thresholds would give.
    caption : str, optional
        What the data are.
    """
    thresholds = sorted(points["threshold"].unique())
    styles = model_style(list(dict.fromkeys(points["model"])))
    figure = Picture(figsize=(max(2.9 * len(thresholds) + 1.3, 5.0), 3.7))
    axes = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
    for ax, threshold in zip(axes, thresholds, strict=True):
        _csi_and_bias(ax)
        if curves is not None:
            for name, curve in curves[curves["threshold"] == threshold].groupby("model", sort=False):
                drawn = curve.dropna(subset=["precision"]).sort_values("p")
                ax.plot(drawn["precision"], drawn["pod"], color=styles[str(name)]["color"], linewidth=1.2, alpha=0.8)
        for row in points[points["threshold"] == threshold].to_dict("records"):
            style = styles[str(row["model"])]
            ax.plot(
                row["precision"],
                row["recall"],
                style["marker"],
                color=style["color"],
                label=row["model"],
                zorder=4,
                clip_on=False,
            )
            cross = {"color": style["color"], "linewidth": 1.1, "zorder": 3}
            ax.plot([row["precision_lower"], row["precision_upper"]], [row["recall"]] * 2, **cross)
            ax.plot([row["precision"]] * 2, [row["recall_lower"], row["recall_upper"]], **cross)
        ax.set_title(threshold_text(threshold, window), pad=12)
        ax.set_xlabel("precision = 1 − FAR")
    axes[0].set_ylabel("recall = POD")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.12, 0.5))
    annotate(figure, caption)
    return figure


def _csi_and_bias(ax: Axes) -> None:
    """Draw lines of equal CSI (curves) and equal frequency bias (rays) on axes of precision and recall."""
    precision, recall = np.meshgrid(np.linspace(0.002, 1, 250), np.linspace(0.002, 1, 250))
    csi = 1 / (1 / precision + 1 / recall - 1)
    levels = [0.05, *np.arange(0.1, 0.91, 0.1)]
    lines = ax.contour(precision, recall, csi, levels=levels, colors="#c3ccd5", linewidths=0.7, zorder=1)
    # written on the diagonal, where precision = recall = 2 CSI / (1 + CSI)
    places = [(2 * c / (1 + c),) * 2 for c in levels]
    ax.clabel(lines, fmt="%g", fontsize=6, colors=MUTED, manual=places)
    for bias in (0.25, 0.5, 1, 2, 4):
        end = min(1.0, 1 / bias)
        ax.plot([0, end], [0, bias * end], color="#c3ccd5", linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(
            f"{bias:g}", (end, bias * end), xytext=(2, 2), textcoords="offset points", fontsize=6, color=MUTED,
            annotation_clip=False,
        )  # fmt: skip
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    ax.grid(False)


@styled
def score_by_lead(
    table: pd.DataFrame, score: str = "csi", *, window: float, leads: Sequence[str] | None = None, caption: str = ""
) -> Picture:
    """Draw a score against lead time, one column per threshold, with its 95 % interval.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.scores`, restricted to one region.
    score : str, default "csi"
        Which score.
    window : float
        Length of the rain window in hours.
    leads : sequence of str, optional
        Lead-time groups in order; all but ``"all"`` by default.
    caption : str, optional
        What the data are.
    """
    return _score_by(table, score, "lead_time", "lead time", window, leads, caption)


@styled
def score_by_hour(table: pd.DataFrame, score: str = "csi", *, window: float, caption: str = "") -> Picture:
    """Draw a score against the hour of the day at which the rain window ends, one column per threshold.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.scores` with ``hours``, restricted to one region and one group of lead times; a name such as
        ``"01-03 UTC (10-12 KST)"`` is written in two lines.
    score : str, default "csi"
        Which score.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.
    """
    short = table["hour"].str.replace(r"^(\S+) UTC \((\S+) KST\)$", r"\1\n\2", regex=True)
    return _score_by(
        table.assign(hour=short), score, "hour", "end of the window: UTC, KST below", window, None, caption
    )


def _score_by(
    table: pd.DataFrame, score: str, axis: str, label: str, window: float, groups: Sequence[str] | None, caption: str
) -> Picture:
    """Draw a score against the groups of one column of the table, all but ``"all"`` by default."""
    part = table[table["score"] == score]
    groups = list(groups or dict.fromkeys(name for name in part[axis] if name != "all")) or ["all"]
    thresholds = sorted(part["threshold"].dropna().unique())
    styles = model_style(list(dict.fromkeys(part["model"])))
    figure = Picture(figsize=(max(2.9 * len(thresholds) + 1.3, 5.2), 3.3))
    axes = figure.subplots(1, max(len(thresholds), 1), squeeze=False)[0]
    place = np.arange(len(groups))
    turned = len(groups) > 5 and axis == "lead_time"
    for ax, threshold in zip(axes, thresholds, strict=True):
        for name, rows in part[part["threshold"] == threshold].groupby("model", sort=False):
            line: Any = rows.set_index(axis).reindex(groups)
            style = styles[str(name)]
            ax.fill_between(place, line["lower"], line["upper"], color=style["color"], alpha=0.16, linewidth=0)
            ax.plot(place, line["value"], markersize=4, linewidth=1.5, label=name, **style)
        ax.set_xticks(place, groups, rotation=45 if turned else 0, ha="right" if turned else "center")
        if axis == "hour" and len(groups) > 4:
            ax.tick_params(axis="x", labelsize=5.5)
        ax.set_title(threshold_text(threshold, window))
        ax.set_xlabel(label)
        if score not in ("frequency_bias",) and not score.startswith(("bss", "rpss", "ets", "hss")):
            ax.set_ylim(bottom=0)
    axes[0].set_ylabel(TITLES.get(score, score))
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    annotate(figure, caption)
    return figure


@styled
def score_by_region(table: pd.DataFrame, score: str = "csi", *, window: float, caption: str = "") -> Picture:
    """Draw a score by region as points with their 95 % intervals, one column per threshold, events on the right.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.scores`, restricted to one group of lead times and hours.
    score : str, default "csi"
        Which score.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.
    """
    part = table[(table["score"] == score) & table["threshold"].notna()]
    regions = list(dict.fromkeys(part["region"]))
    thresholds = sorted(part["threshold"].unique())
    styles = model_style(list(dict.fromkeys(part["model"])))
    figure = Picture(figsize=(max(2.5 * len(thresholds) + 2.4, 5.2), 1.3 + 0.3 * len(regions)))
    axes = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
    apart = np.linspace(-0.16, 0.16, max(len(styles), 2))
    for ax, threshold in zip(axes, thresholds, strict=True):
        inside = part[part["threshold"] == threshold]
        for (name, rows), shift in zip(inside.groupby("model", sort=False), apart, strict=False):
            line: Any = rows.set_index("region").reindex(regions)
            place = np.arange(len(regions)) + shift
            style = styles[str(name)]
            ax.hlines(place, line["lower"], line["upper"], color=style["color"], linewidth=1.2)
            ax.plot(line["value"], place, style["marker"], color=style["color"], markersize=4.5, label=name)
        events: Any = inside.groupby("region", sort=False)["events"].first().reindex(regions)
        for k, number in enumerate(events):
            ax.annotate(
                f"{number:,}", (1, k), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                fontsize=6, color=MUTED, va="center",
            )  # fmt: skip
        ax.set_xlim(left=0)
        ax.set_title(threshold_text(threshold, window))
        ax.set_xlabel(TITLES.get(score, score))
    axes[0].set_yticks(np.arange(len(regions)), regions)
    axes[0].invert_yaxis()
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.25, 0.5))
    annotate(figure, caption)
    return figure
