"""Which forecasts have an observation of the same window at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslpdl.errors import ArchiveError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["pairs"]


def pairs(ds: xr.Dataset, *, allow_none: bool = False) -> pd.DataFrame:
    """Return every (run, lead time) that has fields and QPE of the same window.

    Parameters
    ----------
    ds : xarray.Dataset
        An open archive, or a part of one.
    allow_none : bool
        Return an empty table instead of raising if nothing pairs.

    Returns
    -------
    pandas.DataFrame
        One row a pair, runs first: the positions ``init``, ``lead`` and ``qpe`` (int64) along ``init_time``,
        ``lead_time`` and ``valid_time``, and the times ``init_time``, ``lead_time`` (hours) and ``valid_time``
        themselves.

    Raises
    ------
    ArchiveError
        If nothing pairs; the message says whether times or windows do not meet.
    """
    import pandas as pd

    init_time = ds["init_time"].values.astype("datetime64[ns]")
    lead_time = ds["lead_time"].values.astype(np.int64)
    valid = init_time[:, None] + lead_time[None, :].astype("timedelta64[h]")  # (init, lead)
    observed = ds["valid_time"].values.astype("datetime64[ns]") if "qpe" in ds else np.zeros(0, "datetime64[ns]")
    known = ds["qpe_coverage"].values > 0 if "qpe_coverage" in ds else np.ones(observed.size, bool)
    observed_where = np.flatnonzero(known)
    times = observed[observed_where]
    position = np.searchsorted(times, valid)
    found = np.zeros(valid.shape, bool)
    if times.size:
        found |= np.equal(times[np.minimum(position, times.size - 1)], valid)
    window = float(ds.attrs.get("qpe_window", np.nan))
    same_window = np.isclose(ds["rain_window"].values.astype(float), window)
    there = np.ones(valid.shape, bool)
    if "fields_coverage" in ds:
        there &= ds["fields_coverage"].max("channel").transpose("init_time", "lead_time").values > 0
    init, lead = np.nonzero(found & same_window[None, :] & there)
    if not init.size and not allow_none:
        raise ArchiveError(_reason(ds, found, same_window))
    return pd.DataFrame(
        {
            "init": init,
            "lead": lead,
            "qpe": observed_where[position[init, lead]],
            "init_time": init_time[init],
            "lead_time": lead_time[lead],
            "valid_time": valid[init, lead],
        }
    )


def _reason(ds: xr.Dataset, found: np.ndarray, same_window: np.ndarray) -> str:
    where = ds.encoding.get("source", "the archive")
    if "qpe" not in ds or not ds.sizes.get("valid_time"):
        return f"{where} holds no QPE, so there is nothing to compare forecasts with; ingest observed rain first."
    if not ds.sizes["init_time"]:
        return f"{where} holds no run, so there is nothing to compare QPE with."
    if found.any() and not same_window.any():
        windows = np.unique(ds["rain_window"].values).tolist()
        return (
            f"In {where} the rain of forecasts is over {windows} h, that of QPE over {ds.attrs.get('qpe_window')} h; "
            "only equal windows can be compared."
        )
    first, last = ds["valid_time"].values[[0, -1]].astype("datetime64[h]")
    start, end = ds["init_time"].values[[0, -1]].astype("datetime64[h]")
    return (
        f"In {where} no QPE ({first} to {last}) is valid at the time of a forecast with the same window "
        f"(runs from {start} to {end}, lead times {int(ds['lead_time'][0])} to {int(ds['lead_time'][-1])} h)."
    )
