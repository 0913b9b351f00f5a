"""Smaller counts with the same scores: what is never told apart is added up, and what is asked for is cut out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.layout import DIMS, as_dataset
from sslpdl.verify.pooling import block_length, valid_hours

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["condense", "select"]

_LABELS = (
    *("init_time", "lead_time", "region", "threshold", "model", "bin", "reliability_bin", "forecast_class"),
    *("observed_class", "field", "scale", "kind"),
)


def condense(counts: xr.Dataset, *, models: Sequence[str] | None = None) -> xr.Dataset:
    """Add up the runs of one hour of the day within each block of days, and leave neighbourhoods out.

    Scores and intervals of the result equal those of the counts for every selection of lead times, hours, regions and
    thresholds, as intervals resample whole blocks of days; only the fractions skill score is gone.

    Parameters
    ----------
    counts : Dataset
        From `count` or `read_counts`.
    models : sequence of str, optional
        The models to keep; all by default.

    Returns
    -------
    Dataset
        Counts whose ``init_time`` is the first day of a block at the hour of the runs; attributes ``runs`` and ``days``
        say how many are in it.

    Examples
    --------
    >>> counts = verify.read_counts("report/counts.npz")  # doctest: +SKIP
    >>> verify.write_counts(verify.condense(counts), "model/test_counts.npz")  # doctest: +SKIP
    """
    part = counts if models is None else counts.sel(model=list(models))
    part = part.isel(scale=[])
    times = part["init_time"].values.astype("datetime64[ns]")
    days = times.astype("datetime64[D]")
    length = np.timedelta64(block_length(counts), "D")
    first = days.min()
    merged = first + (days - first) // length * length + (times - days)
    inits, place = np.unique(merged.astype("datetime64[ns]"), return_inverse=True)
    arrays: dict[str, NDArray[Any]] = {}
    for name in DIMS:
        values = part[name].values
        arrays[name] = np.zeros((len(inits), *values.shape[1:]), np.int64)
        for run, k in enumerate(place):
            arrays[name][k] += values[run]
    labels = {name: part[name].values for name in _LABELS} | {"init_time": inits}
    known = {"runs": len(times), "days": len(np.unique(days))}
    return as_dataset(arrays, labels, known | dict(part.attrs))


def select(
    counts: xr.Dataset,
    *,
    regions: Sequence[str],
    threshold: float,
    leads: Sequence[int],
    hours: Sequence[int] | None = None,
    name: str = "selection",
) -> xr.Dataset:
    """Return the counts of one threshold and some lead times, in regions that are added up to one.

    Parameters
    ----------
    counts : Dataset
        From `count`, `read_counts` or `condense`.
    regions : sequence of str
        Regions without a cell in common, such as provinces.
    threshold : float
        One of the counted ones [mm].
    leads : sequence of int
        Lead times [h].
    hours : sequence of int, optional
        Only cases whose rain window ends at these hours of the day, UTC; all others count nothing.
    name : str
        Of the one region of the result.

    Raises
    ------
    VerifyError
        If a region, the threshold or every lead time was not counted.
    """
    held = {axis: counts[axis].values.tolist() for axis in ("region", "threshold", "lead_time")}
    missing = [region for region in regions if region not in held["region"]]
    if missing or not regions:
        raise VerifyError(f"there are no counts of {missing or 'no region'}; they hold {', '.join(held['region'])}.")
    if threshold not in held["threshold"]:
        counted = ", ".join(f"{r:g}" for r in held["threshold"])
        raise VerifyError(f"rain of at least {threshold:g} mm was not counted; counted were {counted} mm.")
    lead = np.flatnonzero(np.isin(held["lead_time"], list(leads)))
    if not lead.size:
        raise VerifyError(f"none of these lead times was counted; there are {held['lead_time']} h.")
    region = [held["region"].index(one) for one in regions]
    t = held["threshold"].index(threshold)
    wanted = None if hours is None else np.isin(valid_hours(counts)[:, lead], list(hours))  # (init, lead)
    arrays: dict[str, NDArray[Any]] = {}
    for what, dims in DIMS.items():
        values = counts[what].values
        if "threshold" in dims:
            values = values[:, :, :, t : t + 1]
        values = values[:, lead][:, :, region].sum(axis=2, keepdims=True, dtype=np.int64)
        if "threshold" not in dims:  # the classes on both sides of the threshold
            for axis in (-2, -1):
                values = np.add.reduceat(values, [0, t + 1], axis=axis)
        if wanted is not None:
            values = values * wanted.reshape(wanted.shape + (1,) * (values.ndim - 2))
        arrays[what] = values
    labels = {axis: counts[axis].values for axis in _LABELS} | {
        "lead_time": counts["lead_time"].values[lead],
        "region": np.array([name]),
        "threshold": np.array([threshold]),
        "forecast_class": np.arange(2),
        "observed_class": np.arange(2),
    }
    return as_dataset(arrays, labels, dict(counts.attrs))
