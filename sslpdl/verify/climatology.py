"""Climatology as a forecast: one constant probability for each threshold.

Its counts follow from the observed events alone, so it is added after counting and costs no pass over the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import ONE, RELIABILITY_EDGES, quantise
from sslpdl.verify.sums import LOG_LOSS

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["CLIMATOLOGY", "FROM_SAMPLE", "base_rate", "with_climatology"]

CLIMATOLOGY = "climatology"
FROM_SAMPLE = "base rate of the verified sample itself"


def base_rate(
    archive: xr.Dataset, thresholds: Sequence[float], *, start: Any = None, end: Any = None
) -> dict[float, float]:
    """Return how often each threshold is reached in an archive's observations, inside its mask.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.
    thresholds : sequence of float
        Rain amounts [mm per window].
    start, end : datetime-like, optional
        Use only observations whose window ends between these times, both included; give the training period to get a
        climatology that does not know the verified cases.

    Raises
    ------
    VerifyError
        If there is no valid observation in the period.
    """
    qpe = archive["qpe"].sel(valid_time=slice(start, end))
    mask = archive["mask"].values.astype(bool)
    limits = np.asarray(thresholds, np.float32)
    reached, valid = np.zeros(len(limits), np.int64), 0
    for i in range(qpe.sizes["valid_time"]):
        rain = np.asarray(qpe.isel(valid_time=i).values, np.float32)[mask]
        rain = rain[np.isfinite(rain)]
        valid += rain.size
        reached += (rain >= limits[:, None]).sum(axis=1)
    if not valid:
        raise VerifyError(f"the archive holds no valid observation between {start} and {end} for a climatology.")
    return {float(r): int(k) / valid for r, k in zip(thresholds, reached, strict=True)}


def with_climatology(
    counts: xr.Dataset, rates: Mapping[float, float] | None = None, *, source: str | None = None
) -> xr.Dataset:
    """Return counts with the model ``climatology`` added: a constant probability for each threshold.

    Parameters
    ----------
    counts : Dataset
        From `count` or `Counter.counts`.
    rates : mapping, optional
        Probability of reaching each threshold; by default the base rate of the verified sample in the first region
        (which knows the outcome and is therefore hard to beat in Brier score).
    source : str, optional
        Where the rates come from, for the report; needed with `rates`.

    Notes
    -----
    A constant forecast has the largest CSI when it always says yes, and then CSI is the base rate; this is what the
    rule "p* maximises CSI" gives, so p* is 0 here.  As a class forecast it says its most probable class.  It has no
    fractions skill score: a constant field has 0.5 + f / 2 at most, which is the useful-skill line.
    """
    import json

    import xarray as xr

    if CLIMATOLOGY in counts["model"].values:
        raise VerifyError("the counts hold a climatology already; drop it first.")
    thresholds = [float(r) for r in counts["threshold"].values]
    one = counts.isel(model=[0])
    events = one["events"].sum("bin").values.astype(np.int64)  # (init, lead, region, threshold, 1)
    n = one["forecasts"].sum("bin").values.astype(np.int64)
    if rates is None:
        pooled = events[:, :, 0, :, 0].sum(axis=(0, 1)) / n[:, :, 0, :, 0].sum(axis=(0, 1))
        rates = dict(zip(thresholds, pooled.tolist(), strict=True))
    missing = [r for r in thresholds if r not in rates]
    if missing:
        raise VerifyError(f"the climatology has no rate for {missing[0]:g} mm; it has {sorted(rates)}.")
    q = quantise([rates[r] for r in thresholds]).astype(np.int64)  # (threshold,)
    constant = one.assign(
        forecasts=(one["forecasts"].dims, _put(n, q, counts["bin"].values, one["forecasts"].dtype)),
        events=(one["events"].dims, _put(events, q, counts["bin"].values, one["events"].dtype)),
        probability_sum=(
            one["probability_sum"].dims,
            _put(n * q[:, None], q, np.array(RELIABILITY_EDGES), np.dtype("int64")),
        ),
        squared_error=(one["squared_error"].dims, events * (ONE - q[:, None]) ** 2 + (n - events) * q[:, None] ** 2),
        log_loss=(one["log_loss"].dims, events * LOG_LOSS[q][:, None] + (n - events) * LOG_LOSS[ONE - q][:, None]),
        # fractions of a constant say nothing that the useful-skill line does not
        fraction_error=xr.zeros_like(one["fraction_error"]),
        fraction_power=xr.zeros_like(one["fraction_power"]),
        confusion=(one["confusion"].dims, _most_probable(one["confusion"].values, [rates[r] for r in thresholds])),
    ).assign_coords(model=[CLIMATOLOGY], kind=("model", ["constant"]))
    decision = json.loads(counts.attrs["decision"])
    decision[CLIMATOLOGY] = {f"{r:g}": 0.0 for r in thresholds}
    attrs = counts.attrs | {
        "climatology": source or FROM_SAMPLE,
        "climatology_rates": json.dumps({f"{r:g}": rates[r] for r in thresholds}),
        "decision": json.dumps(decision),
    }
    whole = xr.concat([counts, constant], "model", data_vars="minimal", combine_attrs="override", join="exact")
    return whole.assign_attrs(attrs)


def _put(values: NDArray[Any], q: NDArray[Any], edges: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Place values (..., threshold, 1) into the one bin that holds the constant of each threshold."""
    place = np.searchsorted(quantise(edges), q, side="right") - 1
    spread = np.zeros((*values.shape, len(edges)), dtype)
    for t, k in enumerate(place):
        spread[..., t, :, k] = values[..., t, :]
    return spread


def _most_probable(confusion: NDArray[Any], exceedance: list[float]) -> NDArray[Any]:
    """Return the confusion (..., forecast class, observed class) of always saying the most probable class."""
    classes = -np.diff([1.0, *exceedance, 0.0])
    table = np.zeros_like(confusion)
    table[..., int(classes.argmax()), :] = confusion.sum(axis=-2)
    return table
