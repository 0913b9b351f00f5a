"""The figures of a report, from counts and the table of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl import plots
from sslpdl.verify.calibration import reliability_by_lead
from sslpdl.verify.climatology import CLIMATOLOGY
from sslpdl.verify.decision import decision_curve

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from sslpdl.plots import Picture

__all__ = ["case_figures", "diagrams", "probabilistic", "reliability", "wettest_case"]


def probabilistic(counts: xr.Dataset) -> list[str]:
    """Return the names of the models whose forecasts are probabilities; climatology is none of them."""
    kinds = zip(counts["model"].values.tolist(), counts["kind"].values.tolist(), strict=True)
    return [str(name) for name, kind in kinds if kind == "probability"]


def reliability(counts: xr.Dataset, *, replicates: int, block_days: int, seed: int) -> pd.DataFrame | None:
    """Return the reliability by lead time of the first region, climatology last; None without probabilistic models."""
    forecasts = probabilistic(counts)
    if not forecasts:
        return None
    shown = [*forecasts, *(name for name in (CLIMATOLOGY,) if name in counts["model"].values)]
    return reliability_by_lead(counts.sel(model=shown), replicates=replicates, block_days=block_days, seed=seed)


def diagrams(
    counts: xr.Dataset,
    table: pd.DataFrame,
    *,
    reliable: pd.DataFrame | None = None,
    replicates: int,
    block_days: int,
    seed: int,
) -> dict[str, Picture]:
    """Return the diagrams of the first region by file name; `reliable` is what `reliability` returned, if known."""
    if reliable is None:
        reliable = reliability(counts, replicates=replicates, block_days=block_days, seed=seed)
    window = float(counts.attrs["rain_window"])
    region = str(counts["region"].values[0])
    text = caption(counts)
    part = table[table["region"] == region]
    forecasts = probabilistic(counts)
    figures: dict[str, Picture] = {}
    if reliable is not None:
        pooled = reliable[reliable["lead_time"] == "all"]
        figures["reliability"] = plots.reliability(pooled, window=window, caption=text)
        if reliable["lead_time"].nunique() > 1:
            by_lead = reliable[reliable["model"].isin(forecasts)]
            figures["reliability_by_lead"] = plots.reliability_by_lead(by_lead, window=window, caption=text)
    curves = decision_curve(counts.sel(model=forecasts), region=region) if forecasts else None
    points = _points(part[part["lead_time"] == "all"], [str(name) for name in counts["model"].values])
    figures["performance"] = plots.performance(points, window=window, curves=curves, caption=text)
    for score in ("csi", "frequency_bias", "bss_climatology"):
        if (part["score"] == score).any():
            # climatology says yes everywhere: its bias would hide all others
            shown_rows = part[part["model"] != CLIMATOLOGY] if score == "frequency_bias" else part
            figures[f"{score}_by_lead"] = plots.score_by_lead(shown_rows, score, window=window, caption=text)
    return figures


def caption(counts: xr.Dataset) -> str:
    """Return what the data are, for below a figure."""
    synthetic = "SYNTHETIC DATA" if is_synthetic(counts) else ""
    runs = f"runs {counts.attrs['first_run']} to {counts.attrs['last_run']} UTC"
    return " · ".join(part for part in (synthetic, str(counts.attrs.get("title", "")), runs) if part)


def is_synthetic(counts: xr.Dataset) -> bool:
    """Whether the data are called synthetic by the archive."""
    return str(counts.attrs.get("synthetic", "false")).lower() == "true"


def _points(part: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Return precision and recall with their intervals, one row per threshold and model."""
    wanted = part[part["score"].isin(["precision", "recall"])]
    wide = wanted.pivot(index=["threshold", "model"], columns="score", values=["value", "lower", "upper"])
    pairs: list[Any] = list(wide.columns)
    wide.columns = [score if kind == "value" else f"{score}_{kind}" for kind, score in pairs]
    order = [(r, m) for r in sorted(wanted["threshold"].unique()) for m in models]
    return wide.reindex(order).reset_index()


def wettest_case(counts: xr.Dataset) -> tuple[np.datetime64, int, float]:
    """Return run, lead time [h] and threshold of the case with most cells at the highest threshold ever observed."""
    events = counts["events"].isel(region=0, model=0).sum("bin").transpose("threshold", "init_time", "lead_time").values
    reached = np.flatnonzero(events.sum(axis=(1, 2)))
    t = int(reached[-1]) if reached.size else 0
    i, j = np.unravel_index(int(events[t].argmax()), events[t].shape)
    return counts["init_time"].values[i], int(counts["lead_time"].values[j]), float(counts["threshold"].values[t])


def case_figures(
    archive: xr.Dataset, forecast: xr.Dataset, counts: xr.Dataset, *, classes: tuple[float, float]
) -> dict[str, Picture]:
    """Return side-by-side maps of the wettest case for the two thresholds that part the three classes."""
    init_time, lead_time, _ = wettest_case(counts)
    return {
        f"case_{threshold:g}mm": plots.panels(
            archive, forecast, init_time=init_time, lead_time=lead_time, threshold=threshold
        )
        for threshold in dict.fromkeys(classes)
    }
