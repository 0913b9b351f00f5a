"""Counts of parts become counts of the whole, and travel as plain files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.climatology import CLIMATOLOGY, FROM_SAMPLE, with_climatology
from sslpdl.verify.layout import DIMS, as_dataset

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["merge", "read_counts", "write_counts"]

_FIXED = (
    *("region", "threshold", "model", "bin", "reliability_bin", "forecast_class", "observed_class", "kind"),
    *("field", "scale"),
)
_AGREE = ("decision", "rain_window", "synthetic")


def merge(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Add up counts of parts: other runs, other lead times, or other cells of the same case.

    Whatever the partition and the order, the result equals the counts of the whole bit for bit.  Where neighbourhoods
    were counted, parts must be whole cases: a tile does not know what lies beside it.  A climatology taken from the
    sample is taken anew from the merged sample.

    Raises
    ------
    VerifyError
        If the parts differ in thresholds, models, regions, bins, decision thresholds or rain window.
    """
    if not parts:
        raise VerifyError("there are no counts to merge.")
    from_sample = parts[0].attrs.get("climatology") == FROM_SAMPLE
    if from_sample:
        parts = [part.sel(model=part["model"] != CLIMATOLOGY) for part in parts]
    first = parts[0]
    for part in parts[1:]:
        for name in _FIXED:
            if not np.array_equal(part[name].values, first[name].values):
                raise VerifyError(f"counts with different {name} cannot be merged; count the parts alike.")
        for name in (*_AGREE, "climatology"):
            if part.attrs.get(name) != first.attrs.get(name):
                raise VerifyError(f"counts with different {name} cannot be merged; count the parts alike.")
    inits = np.unique(np.concatenate([part["init_time"].values for part in parts]))
    leads = np.unique(np.concatenate([part["lead_time"].values for part in parts]))
    whole: dict[str, NDArray[Any]] = {}
    for name in DIMS:
        total = np.zeros((len(inits), len(leads), *first[name].shape[2:]), first[name].dtype)
        for part in parts:
            place = np.ix_(
                np.searchsorted(inits, part["init_time"].values), np.searchsorted(leads, part["lead_time"].values)
            )
            total[place] += part[name].values
        whole[name] = total
    labels = {"init_time": inits, "lead_time": leads} | {name: first[name].values for name in _FIXED}
    attrs = dict(first.attrs)
    if "skipped" in attrs:
        attrs["skipped"] = sum(int(part.attrs["skipped"]) for part in parts)
    merged = as_dataset(whole, labels, attrs)
    return with_climatology(merged) if from_sample else merged


def write_counts(counts: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write counts as a compressed ``.npz`` of plain arrays (no pickle), whole or not at all."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    arrays = {name: counts[name].values for name in (*DIMS, *_FIXED, "init_time", "lead_time")}
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, attrs=np.array(json.dumps(counts.attrs)), **arrays)
    partial.replace(path)
    return path


def read_counts(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read counts written by `write_counts`.

    Raises
    ------
    VerifyError
        If the file is missing or holds no counts.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        labels = {name: data[name] for name in (*_FIXED, "init_time", "lead_time")}
        return as_dataset(data, labels, json.loads(str(data["attrs"])))
    except (OSError, ValueError, KeyError) as error:
        raise VerifyError(f"{path} cannot be read as verification counts ({error}); count again.") from error
