"""The figures of a report, from counts and the table of scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sslpdl import plots
from sslpdl.verify.calibration import reliability_by_lead
from sslpdl.verify.cases import Case, wettest_case
from sslpdl.verify.climatology import CLIMATOLOGY
from sslpdl.verify.decision import decision_curve
from sslpdl.verify.regions import region_title
from sslpdl.verify.scoring import scale_labels
from sslpdl.verify.value import economic_value_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from sslpdl.plots import Picture

__all__ = ["case_figures", "diagrams", "probabilistic", "reliability", "wettest_case"]


def probabilistic(counts: xr.Dataset) -> list[str]:
    """Return the names of the models whose forecasts are probabilities; climatology is none of them."""
    kinds = zip(counts["model"].values.tolist(), counts["kind"].values.tolist(), strict=True)
    return [str(name) for name, kind in kinds if kind == "probability"]


def reliability(counts: xr.Dataset, *, replicates: int, block_days: int | None, seed: int) -> pd.DataFrame | None:
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
    block_days: int | None,
    seed: int,
) -> dict[str, Picture]:
    """Return the diagrams of the first region by file name; `reliable` is what `reliability` returned, if known."""
    if reliable is None:
        reliable = reliability(counts, replicates=replicates, block_days=block_days, seed=seed)
    how: dict[str, Any] = {"window": float(counts.attrs["rain_window"]), "caption": caption(counts)}
    part = table[table["region"] == str(counts["region"].values[0])]
    # climatology says yes everywhere: in some diagrams it would hide all others, or is the frame itself
    others = [str(name) for name in counts["model"].values if name != CLIMATOLOGY]
    figures: dict[str, Picture] = {}
    if reliable is not None:
        figures["reliability"] = plots.reliability(reliable[reliable["lead_time"] == "all"], **how)
    figures |= _curves(counts, part[(part["lead_time"] == "all") & (part["hour"] == "all")], others, how)
    by_lead, by_hour = part[part["hour"] == "all"], part[part["hour"] != "all"]
    for score in ("csi", "frequency_bias", "bss_climatology"):
        for rows, axis, draw in ((by_lead, "lead", plots.score_by_lead), (by_hour, "hour", plots.score_by_hour)):
            if (rows["score"] == score).any() and not (axis == "hour" and score == "bss_climatology"):
                shown = rows[rows["model"].isin(others)] if score == "frequency_bias" else rows
                figures[f"{score}_by_{axis}"] = draw(shown, score, **how)
    if table["region"].nunique() > 1:
        everywhere = table[(table["lead_time"] == "all") & (table["hour"] == "all") & table["model"].isin(others)]
        titles = everywhere["region"].map(region_title)
        figures["csi_by_region"] = plots.score_by_region(everywhere.assign(region=titles), "csi", **how)
    if reliable is not None and reliable["lead_time"].nunique() > 1:
        forecasts = reliable[reliable["model"].isin(probabilistic(counts))]
        figures["reliability_by_lead"] = plots.reliability_by_lead(forecasts, **how)
    return figures


def _curves(counts: xr.Dataset, pooled: pd.DataFrame, others: list[str], how: Mapping[str, Any]) -> dict[str, Picture]:
    """Return the diagrams of all lead times together, from the rows of the table that belong to them."""
    curves = decision_curve(counts.sel(model=others))
    forecasts = curves[curves["model"].isin(probabilistic(counts))] if probabilistic(counts) else None
    points = _points(pooled, [str(name) for name in counts["model"].values])
    areas = {name: pooled[pooled["score"] == name] for name in ("roc_area", "average_precision")}
    figures = {
        "performance": plots.performance(points, curves=forecasts, **how),
        "roc": plots.roc(curves, areas["roc_area"], **how),
        "precision_recall": plots.precision_recall(curves, areas["average_precision"], **how),
        "economic_value": plots.economic_value(economic_value_table(counts.sel(model=others)), **how),
    }
    widths = scale_labels(counts)
    if widths:
        figures["fractions_skill"] = plots.fractions_skill(_fractions(pooled, widths, others, counts), **how)
    return figures


def _fractions(pooled: pd.DataFrame, widths: list[str], models: list[str], counts: xr.Dataset) -> pd.DataFrame:
    """Return the rows of the fractions skill score with their widths; a yes/no forecast has no second line."""
    import pandas as pd

    kinds = {"yes_no": ("fss ", models), "probability": ("fss of probability ", probabilistic(counts))}
    parts = []
    for field, (prefix, names) in kinds.items():
        for width in widths:
            rows = pooled[(pooled["score"] == prefix + width) & pooled["model"].isin(names)]
            parts.append(rows.assign(field=field, width=width))
    useful = pooled[pooled["score"] == "fss_useful"].set_index(["threshold", "model"])["value"].rename("useful")
    return pd.concat(parts, ignore_index=True).join(useful, on=["threshold", "model"])


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


def case_figures(archive: xr.Dataset, forecast: xr.Dataset, cases: Mapping[str, Case]) -> dict[str, Picture]:
    """Return side-by-side maps of cases from `chosen_cases`, named ``case_best`` and so on."""
    return {
        f"case_{name}": plots.panels(
            archive, forecast, init_time=case.init_time, lead_time=case.lead_time, threshold=case.threshold
        )
        for name, case in cases.items()
    }
