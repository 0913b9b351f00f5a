"""What a dataset of counts holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["DIMS", "FIELDS", "SUMS", "as_dataset", "sum_type"]

FIELDS = ("yes_no", "probability")
"""What fractions are taken of: the yes/no forecast by the decision threshold, and the probability itself."""

_CASE = ("init_time", "lead_time", "region", "threshold", "model")
DIMS: dict[str, tuple[str, ...]] = {
    "forecasts": (*_CASE, "bin"),
    "events": (*_CASE, "bin"),
    "probability_sum": (*_CASE, "reliability_bin"),
    "squared_error": _CASE,
    "log_loss": _CASE,
    "confusion": ("init_time", "lead_time", "region", "model", "forecast_class", "observed_class"),
    "fraction_error": (*_CASE, "field", "scale"),
    "fraction_power": (*_CASE, "field", "scale"),
}
SUMS = ("forecasts", "events", "probability_sum", "squared_error", "log_loss")
_ABOUT = {
    "forecasts": "cells with a forecast probability in the bin",
    "events": "of these, cells where the threshold was reached",
    "probability_sum": "sum of forecast probabilities in the reliability bin, in 1/65535",
    "squared_error": "sum of (probability - outcome)^2, in 1/65535^2",
    "log_loss": "sum of -ln(probability of the outcome), in 2^-28, probabilities at least half of 1/65535",
    "confusion": "cells by forecast class and observed class",
    "fraction_error": "sum of (forecast fraction - observed fraction)^2 in neighbourhoods, in 1/65535^2",
    "fraction_power": "sum of (forecast fraction)^2 + (observed fraction)^2, in 1/65535^2",
}
_SMALL = ("forecasts", "events", "confusion")


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
    counts["scale"].attrs = {"long_name": "width of the neighbourhood in cells"}
    return counts


def sum_type(name: str) -> type:
    """Return the whole-number type of the counts of one case."""
    # one case has fewer than 2^31 cells; sums over cases are taken in 64 bits
    return np.int32 if name in _SMALL else np.int64
