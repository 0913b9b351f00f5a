"""Figures that teach: how often it rains how much, what labels do, how learning goes, what one place gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.grid import Grid
from sslpdl.labels import LabelConfig, one_hot
from sslpdl.plots.palettes import PROBABILITY, Palette
from sslpdl.plots.side_by_side import EXCEEDANCE, caption
from sslpdl.plots.small_maps import small_map
from sslpdl.plots.style import MUTED, Picture, styled

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.data import Station

__all__ = [
    "class_names", "error_by_lead_figure", "label_figure", "learning_figure", "maps_figure", "meteogram_figure",
    "rain_tail_figure",
]  # fmt: skip

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")


@styled
def rain_tail_figure(samples: Mapping[str, NDArray[np.floating]], *, thresholds: Sequence[float] = ()) -> Picture:
    """Return how often rain exceeds an amount, on logarithmic axes: the tail decides what can be learnt.

    Parameters
    ----------
    samples : mapping of name to array
        Rain [mm per window] of any shape; NaN is left out.
    thresholds : sequence of float
        Amounts to mark.
    """
    figure = Picture(figsize=(6.5, 4.0))
    axis = figure.subplots()
    amounts = np.geomspace(0.1, 150, 80)
    for name, values in samples.items():
        known = np.sort(np.asarray(values)[np.isfinite(values)])
        share = 1.0 - np.searchsorted(known, amounts, side="left") / max(known.size, 1)
        axis.plot(amounts, np.where(share > 0, 100 * share, np.nan), label=f"{name} ({known.size:,} values)")
    for threshold in thresholds:
        axis.axvline(threshold, color="grey", lw=0.8, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="rain [mm per window]", ylabel="share of cells at or above [%]")
    axis.legend()
    return figure


@styled
def label_figure(
    rain: xr.DataArray, *, thresholds: Sequence[float], config: LabelConfig, grid: Grid, span: float | None = None
) -> Picture:
    """Return what a label does: class curves over rain, class shares of a map, and the map of the heaviest class.

    Parameters
    ----------
    rain : DataArray (y, x)
        Observed rain [mm per window], NaN where missing.
    thresholds : sequence of float
        Lower bounds of the classes but the first [mm].
    config : LabelConfig
        The label to show; the one-hot label is drawn beside it, dashed.
    grid : Grid
        Grid of the rain.
    span : float, optional
        Largest rain on the axis; one and a half times the last threshold by default.
    """
    amounts = np.concatenate([[0.0], np.geomspace(0.01, span or 1.5 * thresholds[-1], 2000)])
    soft, hard = config.encode(amounts, thresholds), one_hot(amounts, thresholds)
    names = class_names(thresholds)
    figure = Picture(figsize=(13.0, 4.6))
    curves, shares, area = figure.subplots(1, 3, width_ratios=[5, 3.2, 3])
    for k, name in enumerate(names):
        curves.plot(amounts, soft[:, k], color=_COLOURS[k], lw=2, label=name)
        curves.plot(amounts, hard[:, k], color=_COLOURS[k], lw=1, ls="--")
    # linear up to a tenth of the first threshold, so that zero is on the axis
    curves.set_xscale("symlog", linthresh=thresholds[0] / 2)
    curves.set(xlabel="rain [mm per window]", ylabel="label", title="Label of each class (dashed: one-hot)")
    curves.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(names))
    curves.grid(alpha=0.3)

    known = rain.values[np.isfinite(rain.values)]
    mean = {
        "one-hot": one_hot(known, thresholds).mean(axis=0),
        "this label": config.encode(known, thresholds).mean(axis=0),
    }
    for i, (name, values) in enumerate(mean.items()):
        places = np.arange(len(names)) + (i - 0.5) * 0.38
        bars = shares.bar(places, 100 * values, 0.36, label=name, color=["#bbbbbb", "#2b7bba"][i])
        shares.bar_label(bars, fmt="%.2g", fontsize=8)
    shares.set_xticks(range(len(names)), names, fontsize=8)
    shares.set(yscale="log", ylim=(0.01, 300), ylabel="mean label [%]", title="Class shares of this map")
    shares.legend(loc="upper right")

    image = small_map(area, config.encode(rain.values, thresholds)[..., -1], grid=grid, cmap="magma_r", limits=(0, 1))
    figure.colorbar(image, ax=area, shrink=0.8)
    area.set_title(f"Label of {names[-1]}")
    return figure


@styled
def learning_figure(
    curves: Mapping[str, pd.Series], *, ylabel: str, title: str = "", reference: float | None = None
) -> Picture:
    """Return curves over training steps, one for each run.

    Parameters
    ----------
    curves : mapping of name to Series
        Values indexed by step.
    ylabel, title : str
        What is drawn.
    reference : float, optional
        Value of a trivial predictor, drawn as a dotted line.
    """
    figure = Picture(figsize=(7.0, 3.8))
    axis = figure.subplots()
    for name, curve in curves.items():
        axis.plot(curve.index.to_numpy(), curve.to_numpy(), marker=".", label=name)
    if reference is not None:
        axis.axhline(reference, color="black", lw=1, ls=":", label="trivial predictor")
    axis.set(xlabel="step", ylabel=ylabel, title=title)
    axis.legend()
    return figure


@styled
def meteogram_figure(
    archive: xr.Dataset, forecast: xr.Dataset, *, init_time: Any, place: Station, thresholds: Sequence[float]
) -> Picture:
    """Return rain of the NWP and of QPE over lead time at one place, and the probabilities of reaching thresholds.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.
    forecast : Dataset
        From `sslpdl.forecast.run` or `open_forecast`, of the same grid.
    init_time : datetime-like
        Start of the run, UTC.
    place : Station
        Where; values are those of the cell it lies in.
    thresholds : sequence of float
        Rain amounts [mm per window], some of the forecast's.
    """
    from sslpdl.plots.maps import time_label

    cell = {
        k: round(float(v))
        for k, v in zip(("y", "x"), Grid.from_dataset(archive).cell(place.lon, place.lat), strict=True)
    }
    start = np.datetime64(init_time, "ns")
    leads = forecast["lead_time"].values.astype(int)
    rain = archive["fields"].sel(init_time=start, lead_time=leads, channel="rain").isel(cell).values
    observed = archive["qpe"].isel(cell).reindex(valid_time=start + leads.astype("timedelta64[h]")).values
    chance = forecast[EXCEEDANCE].sel(init_time=start, threshold=list(thresholds)).isel(cell).values
    figure = Picture(figsize=(8.4, 4.6))
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.bar(leads, np.nan_to_num(observed), width=0.8, color="#b9c6d2", label="observed (QPE)")
    top.plot(leads, rain, color="#333333", marker=".", label="raw NWP")
    top.set(ylabel="rain [mm per window]")
    top.set_title(f"{place.name} ({place.lat:.2f}°N, {place.lon:.2f}°E), run {time_label(start)}")
    top.legend(loc="upper right")
    for k, (threshold, colour) in enumerate(zip(thresholds, _COLOURS, strict=False)):
        bottom.plot(leads, chance[:, k], color=colour, marker=".", label=f"P(rain ≥ {threshold:g} mm)")
    bottom.set(ylim=(0, 1), ylabel="probability", xlabel="lead time [h]; the window ends there")
    bottom.legend(loc="upper right")
    figure.supxlabel(caption(archive), x=0.01, ha="left", fontsize=7.5, color=MUTED)
    return figure


@styled
def maps_figure(maps: Mapping[str, NDArray[np.floating]], *, grid: Grid, palette: Palette = PROBABILITY) -> Picture:
    """Return maps in the same exact classes side by side, with one legend.

    Parameters
    ----------
    maps : mapping of title to array (y, x)
        What to show; NaN is missing.
    grid : Grid
        Grid of the maps.
    palette : Palette, optional
        Classes and colours.
    """
    from sslpdl.plots.maps import class_legend, class_map, new_map

    # as high as maps of this width are, and their titles: the layout would cut off what does not fit
    left, bottom, right, top = grid.bounds
    lines = 1 + max(title.count("\n") for title in maps)
    figure = Picture(figsize=(2.5 * len(maps) + 1.0, 2.5 * (top - bottom) / (right - left) + 0.4 + 0.2 * lines))
    *axes, legend = figure.subplots(1, len(maps) + 1, width_ratios=[*[10] * len(maps), 2.4])
    for i, (axis, (title, values)) in enumerate(zip(axes, maps.items(), strict=True)):
        new_map(axis, grid, left=i == 0)
        class_map(axis, grid, values, palette)
        axis.set_title(title)
    class_legend(legend, palette)
    return figure


@styled
def error_by_lead_figure(archive: xr.Dataset) -> Picture:
    """Return the error of raw rain by lead time: bias, mean absolute error, and how much it rained.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`; cells of the verification mask with a known observation count.
    """
    mask = archive["mask"].values
    rows = []
    for lead in archive["lead_time"].values.astype(int):
        forecast = archive["fields"].sel(lead_time=lead, channel="rain").values[:, mask]
        valid = archive["init_time"].values + np.timedelta64(int(lead), "h")
        observed = archive["qpe"].reindex(valid_time=valid).values[:, mask]
        known = np.isfinite(observed) & np.isfinite(forecast)
        error = (forecast - observed)[known]
        rows.append((int(lead), error.mean(), np.abs(error).mean(), observed[known].mean()) if known.any() else None)
    lead_time, bias, absolute, rain = zip(*(row for row in rows if row), strict=True)
    figure = Picture(figsize=(7.4, 3.6))
    axis = figure.subplots()
    axis.bar(lead_time, rain, color="#b9c6d2", label="observed rain, mean")
    axis.plot(lead_time, absolute, color="#d55e00", marker=".", label="mean absolute error of the raw forecast")
    axis.plot(lead_time, bias, color="#0072b2", marker=".", label="bias")
    axis.axhline(0, color="black", lw=0.8)
    axis.set(xlabel="lead time [h]", ylabel="mm per window")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)
    figure.supxlabel(caption(archive), x=0.01, ha="left", fontsize=7.5, color=MUTED)
    return figure


def class_names(thresholds: Sequence[float]) -> list[str]:
    """Return the rain classes in words, driest first, such as ``"< 0.1 mm"`` and ``"≥ 10 mm"``."""
    inner = [f"{low:g}–{high:g} mm" for low, high in pairwise(thresholds)]
    return [f"< {thresholds[0]:g} mm", *inner, f"≥ {thresholds[-1]:g} mm"]
