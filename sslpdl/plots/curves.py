"""Verification curves: ROC, precision and recall, fractions skill by scale, relative economic value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.plots.diagrams import threshold_text
from sslpdl.plots.style import INK, MUTED, Picture, annotate, model_style, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["economic_value", "fractions_skill", "precision_recall", "roc"]


@styled
def roc(curves: pd.DataFrame, areas: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw ROC curves, one column per threshold: probability of detection against the false alarm rate.

    Parameters
    ----------
    curves : DataFrame
        From `sslpdl.verify.decision_curve`.
    areas : DataFrame
        ``model``, ``threshold`` and ``value``: the areas for the legends.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.
    """

    def draw(ax: Axes, part: pd.DataFrame, style: dict[str, Any], label: str) -> None:
        _corners(ax, part["pofd"].tolist(), part["pod"].tolist(), style, label, last=(0.0, 0.0))

    def frame(ax: Axes, _: pd.DataFrame) -> None:
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.set_xlabel("false alarm rate (POFD)")

    return _by_threshold(curves, draw, frame, "hit rate (POD)", window, caption, areas, "area", "lower right")


@styled
def precision_recall(curves: pd.DataFrame, areas: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw precision against recall, one column per threshold; dashed is the base rate, the precision of "always".

    Parameters
    ----------
    curves : DataFrame
        From `sslpdl.verify.decision_curve`.
    areas : DataFrame
        ``model``, ``threshold`` and ``value``: the average precisions for the legends.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.
    """

    def draw(ax: Axes, part: pd.DataFrame, style: dict[str, Any], label: str) -> None:
        known = part.dropna(subset=["precision"])
        _corners(ax, known["pod"].tolist(), known["precision"].tolist(), style, label)

    def frame(ax: Axes, part: pd.DataFrame) -> None:
        always = part[part["p"] == 0]["precision"]
        ax.axhline(float(always.iloc[0]), color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)))
        ax.set_xlabel("recall (POD)")

    return _by_threshold(curves, draw, frame, "precision = 1 − FAR", window, caption, areas, "AP", "upper right")


def _corners(
    ax: Axes, x: list[float], y: list[float], style: dict[str, Any], label: str, last: tuple[float, float] | None = None
) -> None:
    """Draw a curve; a forecast that only says yes or no has one point, which is marked."""
    places = list(dict.fromkeys(zip(x, y, strict=True)))
    ends = [*places, last] if last is not None else places
    line = {name: style[name] for name in ("color", "linestyle")}
    few = len(places) <= 3
    ax.plot(*zip(*ends, strict=True), linewidth=1.5, label=label, clip_on=False, zorder=3, **line)
    if few and len(places) > 1:
        ax.plot(*places[1], style["marker"], color=style["color"], markersize=5, clip_on=False, zorder=4)


def _by_threshold(
    curves: pd.DataFrame, draw: Any, frame: Any, y_label: str, window: float, caption: str, areas: pd.DataFrame,
    area_name: str, place: str,
) -> Picture:  # fmt: skip
    """Draw square panels from 0 to 1, one per threshold, with an area per model in each legend."""
    thresholds = sorted(curves["threshold"].unique())
    styles = model_style(list(dict.fromkeys(curves["model"])))
    figure = Picture(figsize=(max(2.7 * len(thresholds), 4.0), 3.5))
    axes = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
    known = areas.set_index(["threshold", "model"])["value"]
    for ax, threshold in zip(axes, thresholds, strict=True):
        part = curves[curves["threshold"] == threshold]
        for model, rows in part.groupby("model", sort=False):
            area = float(known.get((threshold, model), np.nan))
            text = f"{model}: {area_name} {area:.3f}" if np.isfinite(area) else str(model)
            draw(ax, rows.sort_values("p"), styles[str(model)], text)
        frame(ax, part)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.set_aspect("equal")
        ax.set_title(threshold_text(threshold, window))
        ax.legend(loc=place, fontsize=7, handlelength=1.6, borderaxespad=0.3)
    axes[0].set_ylabel(y_label)
    annotate(figure, caption)
    return figure


@styled
def fractions_skill(table: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw the fractions skill score against the width of the neighbourhood, one column per threshold.

    Parameters
    ----------
    table : DataFrame
        ``model``, ``threshold``, ``field`` ("yes_no" or "probability"), ``width`` (in words), ``value``, ``lower``,
        ``upper`` and ``useful``: 0.5 + f / 2 with the base rate f.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.

    Returns
    -------
    Picture
        Solid: the yes/no forecast; dotted: the probability itself; above the dashed line a forecast is useful
        (Roberts and Lean 2008).
    """
    thresholds = sorted(table["threshold"].unique())
    styles = model_style(list(dict.fromkeys(table["model"])))
    widths = list(dict.fromkeys(table["width"]))
    place = np.arange(len(widths))
    figure = Picture(figsize=(max(2.7 * len(thresholds) + 1.4, 5.2), 3.3))
    axes = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
    for ax, threshold in zip(axes, thresholds, strict=True):
        part = table[table["threshold"] == threshold]
        for (model, field), rows in part.groupby(["model", "field"], sort=False):
            line: Any = rows.set_index("width").reindex(widths)
            style = styles[str(model)] | ({} if field == "yes_no" else {"linestyle": ":", "markerfacecolor": "white"})
            label = str(model) if field == "yes_no" else f"{model}, probability"
            ax.fill_between(place, line["lower"], line["upper"], color=style["color"], alpha=0.14, linewidth=0)
            ax.plot(place, line["value"], markersize=4, linewidth=1.4, label=label, **style)
        useful = float(part["useful"].iloc[0])
        ax.axhline(useful, color=INK, linewidth=0.9, linestyle=(0, (5, 2)), label="useful: 0.5 + f/2")
        ax.set_xticks(place, widths, rotation=45, ha="right")
        ax.set_ylim(0, 1)
        ax.set_title(threshold_text(threshold, window))
        ax.set_xlabel("width of the neighbourhood")
    axes[0].set_ylabel("fractions skill score")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    annotate(figure, caption)
    return figure


@styled
def economic_value(table: pd.DataFrame, *, window: float, caption: str = "") -> Picture:
    """Draw the relative economic value against the ratio of cost to loss, one column per threshold.

    Parameters
    ----------
    table : DataFrame
        From `sslpdl.verify.economic_value_table`: ``model``, ``threshold``, ``cost_loss``, ``value`` and ``envelope``.
    window : float
        Length of the rain window in hours.
    caption : str, optional
        What the data are.

    Returns
    -------
    Picture
        Solid: users protect where P is at least their cost-loss ratio; pale: the best decision threshold for each user,
        known only afterwards.
    """
    thresholds = sorted(table["threshold"].unique())
    styles = model_style(list(dict.fromkeys(table["model"])))
    figure = Picture(figsize=(max(2.7 * len(thresholds) + 1.4, 5.2), 3.2))
    axes = figure.subplots(1, len(thresholds), squeeze=False, sharey=True)[0]
    for ax, threshold in zip(axes, thresholds, strict=True):
        part = table[table["threshold"] == threshold]
        for model, rows in part.groupby("model", sort=False):
            style = styles[str(model)]
            line = {name: style[name] for name in ("color", "linestyle")}
            ax.plot(rows["cost_loss"], rows["envelope"], color=style["color"], linewidth=3.2, alpha=0.22)
            ax.plot(rows["cost_loss"], rows["value"], linewidth=1.4, label=model, **line)
        ax.set_xscale("log")
        ax.set_xlim(float(part["cost_loss"].min()), 1)
        ax.set_ylim(-0.1, 1)
        ax.axhline(0, color=INK, linewidth=0.7)
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        ax.set_title(threshold_text(threshold, window))
        ax.set_xlabel("cost / loss")
    axes[0].set_ylabel("relative economic value")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    annotate(figure, caption)
    return figure
