"""Raw forecast, probability and observation side by side: the figure that the method is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ConfigError
from sslpdl.grid import Grid
from sslpdl.plots.maps import class_legend, class_map, new_map, time_label
from sslpdl.plots.palettes import PROBABILITY, RAIN, Palette
from sslpdl.plots.style import MUTED, Picture, annotate, styled

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["panels"]

EXCEEDANCE = "probability_of_precipitation_amount_above_threshold"


@styled
def panels(
    archive: xr.Dataset,
    forecast: xr.Dataset,
    *,
    init_time: Any,
    lead_time: int,
    threshold: float,
    rain: Palette = RAIN,
    name: str = "NWP",
) -> Picture:
    """Draw the rain of the NWP, the probability of reaching a threshold, and the observed rain.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`; it gives the rain of the NWP and QPE.
    forecast : Dataset
        As opened by `sslpdl.open_forecast`, on the archive's grid.
    init_time : datetime-like
        Start of the run, UTC.
    lead_time : int
        Hours to the end of the rain window.
    threshold : float
        Rain amount [mm per window], one of the forecast's.
    rain : Palette, optional
        Classes of rain.
    name : str, default "NWP"
        What the raw forecast is called.

    Returns
    -------
    Picture
        The verification mask is outlined on the observation; where there is no value, cells are grey and hatched.

    Raises
    ------
    ConfigError
        If the run, lead time or threshold is not there.
    """
    grid = Grid.from_dataset(archive)
    start = np.datetime64(init_time, "ns")
    i, j = _find(archive["init_time"].values, start, "run"), _find(archive["lead_time"].values, lead_time, "lead time")
    k, m = (
        _find(forecast["init_time"].values, start, "run"),
        _find(forecast["lead_time"].values, lead_time, "lead time"),
    )
    t = _find(forecast["threshold"].values, threshold, "threshold")
    valid = start + np.timedelta64(int(lead_time), "h")
    window = float(archive["rain_window"].values[j])
    raw = archive["fields"][i, j].sel(channel="rain").values
    probability = np.asarray(forecast[EXCEEDANCE][k, m, t].values)
    times = archive["valid_time"].values
    found = np.flatnonzero(times == valid)
    observed = archive["qpe"][int(found[0])].values if found.size else np.full(grid.shape, np.nan, np.float32)

    rows, columns = grid.shape
    height = min(4.6, 4.2 * rows / columns)  # wide grids get lower maps, so that three fit on a page
    figure = Picture(figsize=(3 * height * columns / rows + 2.3, height + 1.1))
    axes = figure.subplots(1, 5, width_ratios=[10, 10, 1.7, 10, 1.7])
    titles = (f"{name} rain", f"P(rain ≥ {threshold:g} mm)", "Observed rain (QPE)")
    shown = ((axes[0], raw, rain), (axes[1], probability, PROBABILITY), (axes[3], observed, rain))
    for title, (ax, values, palette) in zip(titles, shown, strict=True):
        new_map(ax, grid, left=ax is axes[0])
        class_map(ax, grid, values, palette)
        ax.set_title(title)
    mask = archive["mask"].values.astype(float)
    if 0 < mask.mean() < 1:
        axes[3].contour(grid.x, grid.y, mask, levels=[0.5], colors=MUTED, linewidths=0.7, zorder=2.7)
    class_legend(axes[2], PROBABILITY)
    class_legend(axes[4], rain, units=f"mm / {window:g} h")
    figure.suptitle(
        f"{window:g}-h rain to {time_label(valid)}, run {time_label(start)} + {int(lead_time)} h",
        x=0.01, ha="left", fontsize=11,
    )  # fmt: skip
    annotate(figure, caption(archive))
    return figure


def caption(archive: xr.Dataset) -> str:
    """Return the line below a figure: what the data are, and whether they are synthetic."""
    parts = [str(archive.attrs.get(key, "")) for key in ("title", "source")]
    synthetic = "SYNTHETIC DATA" if str(archive.attrs.get("synthetic", "false")).lower() == "true" else ""
    return " · ".join(part for part in (synthetic, *parts) if part)


def _find(values: Any, wanted: Any, what: str) -> int:
    found = np.flatnonzero(np.asarray(values) == wanted)
    if not found.size:
        raise ConfigError(f"there is no {what} {wanted}; there are {values[0]} to {values[-1]}.")
    return int(found[0])
