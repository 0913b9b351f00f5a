"""What a dataset of counts holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["DIMS", "SUMS", "as_dataset", "sum_type"]

_HISTOGRAM = ("init_time", "lead_time", "region", "threshold", "model", "bin")
DIMS: dict[str, tuple[str, ...]] = {
    "forecasts": _HISTOGRAM,
    "events": _HISTOGRAM,
    "probability_sum": (*_HISTOGRAM[:5], "reliability_bin"),
    "squared_error": _HISTOGRAM[:5],
    "confusion": ("init_time", "lead_time", "region", "model", "forecast_class", "observed_class"),
}
SUMS = ("forecasts", "events", "probability_sum", "squared_error")
_ABOUT = {
    "forecasts": "cells with a forecast probability in the bin",
    "events": "of these, cells where the threshold was reached",
    "probability_sum": "sum of forecast probabilities in the reliability bin, in 1/65535",
    "squared_error": "sum of (probability - outcome)^2, in 1/65535^2",
    "confusion": "cells by forecast class and observed class",
}


def as_dataset(
    arrays: Mapping[str, NDArray[Any]], labels: Mapping[str, NDArray[Any]], attrs: Mapping[str, Any]
) -> xr.Dataset:
    """Return counts as a dataset: arrays named as in `DIMS`, labels of their axes and the ``kind`` of each model."""
    import xarray as xr

    variables = {name: (dims, arrays[name], {"long_name": _ABOUT[name]}) for name, dims in DIMS.items()}
    coords = {name: values for name, values in labels.items() if name != "kind"}
    counts = xr.Dataset(variables, {**coords, "kind": ("model", labels["kind"])}, dict(attrs))
    counts["lead_time"].attrs = {"units": "h"}
    counts["threshold"].attrs = {"units": "mm", "operator": ">="}
    counts["bin"].attrs = {"long_name": "lower edge of the probability bin, closed"}
    return counts


def sum_type(name: str) -> type:
    """Return the whole-number type of the counts of one case."""
    # one case has fewer than 2^31 cells; sums over cases are taken in 64 bits
    return np.int64 if name in ("probability_sum", "squared_error") else np.int32
