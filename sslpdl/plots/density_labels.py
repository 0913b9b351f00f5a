"""What a probabilistic density label looks like: class probabilities as functions of rain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sslpdl.labels import one_hot, probabilistic_density
from sslpdl.plots.style import MUTED, Picture, styled

__all__ = ["label_curves"]


@styled
def label_curves(
    thresholds: Sequence[float], *, alpha: float = 0.0, rho: float = 1.0, symmetric: bool = False, unit: str = "mm"
) -> Picture:
    """Draw the label of each class against rain, probabilistic density beside one-hot.

    Parameters
    ----------
    thresholds : sequence of float
        Ascending rain amounts that part the classes.
    alpha, rho, symmetric
        As in `sslpdl.labels.probabilistic_density`.
    unit : str, default "mm"
        Unit of the thresholds, for the axis.

    Returns
    -------
    Picture
        The rain axis is linear up to the lowest threshold and logarithmic above, so that every ramp can be seen.
    """
    from matplotlib import colormaps
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    limits = [float(r) for r in thresholds]
    rain = np.unique(
        np.concatenate([np.linspace(0, limits[0], 101), np.geomspace(limits[0], 2.5 * limits[-1], 2000), limits])
    )
    figure = Picture(figsize=(7.2, 4.4))
    top, bottom = figure.subplots(2, 1, sharex=True)
    colours = colormaps["viridis_r"](np.linspace(0.12, 1.0, len(limits) + 1))
    names = [
        f"< {limits[0]:g}",
        *(f"{a:g}–{b:g}" for a, b in pairwise(limits)),
        f"≥ {limits[-1]:g}",
    ]
    soft = probabilistic_density(rain, limits, alpha=alpha, rho=rho, symmetric=symmetric)
    for ax, label, title in (
        (top, one_hot(rain, limits), "One-hot label"),
        (bottom, soft, f"Probabilistic density label (α = {alpha:g}, ρ = {rho:g}{', symmetric' if symmetric else ''})"),
    ):
        for k, (name, colour) in enumerate(zip(names, colours, strict=True)):
            ax.plot(rain, label[..., k], color=colour, linewidth=2, label=f"{name} {unit}")
        for r in limits:
            ax.axvline(r, color=MUTED, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        ax.set_ylim(-0.03, 1.06)
        ax.set_ylabel("probability")
        ax.set_title(title)
    # a quarter of a decade for each decade's worth below the lowest threshold keeps zero on the axis
    bottom.set_xscale("symlog", linthresh=limits[0], linscale=0.6)
    bottom.xaxis.set_major_locator(FixedLocator([0.0, *limits]))
    bottom.xaxis.set_minor_locator(NullLocator())
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bottom.set_xlim(0, rain[-1])
    bottom.set_xlabel(f"rain [{unit}]")
    top.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="class")
    return figure
