"""Small experiments of the course: what labels teach, and which variable helps which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.data import Station
    from sslpdl.labels import LabelConfig
    from sslpdl.models import TrainedModel

__all__ = ["best_with_labels", "decision_table", "dependence", "rain_pairs"]

_BINS = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 1e9)


def rain_pairs(archive: xr.Dataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return raw and observed rain [mm per window] at all cells and times where both are known, one value a pair.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`; cells of the verification mask count.
    """
    mask = archive["mask"].values
    raw = archive["fields"].sel(channel="rain").values[:, :, mask]
    hours = archive["lead_time"].values.astype("timedelta64[h]")
    valid = archive["init_time"].values[:, None] + hours
    observed = archive["qpe"].reindex(valid_time=valid.ravel()).values[:, mask].reshape(raw.shape)
    known = np.isfinite(raw) & np.isfinite(observed)
    return raw[known], observed[known]


def best_with_labels(
    raw: NDArray[np.floating],
    observed: NDArray[np.floating],
    thresholds: Sequence[float],
    labels: Mapping[str, LabelConfig],
) -> pd.DataFrame:
    """Return what the best network would learn that sees nothing but the raw rain of a cell, for each label.

    The best answer to a cross-entropy is the mean label of all cases that look alike.  Here they look alike if their
    raw rain lies in the same bin, so the answer can be computed without training.

    Parameters
    ----------
    raw, observed : ndarray (n,)
        Rain pairs [mm per window].
    thresholds : sequence of float
        Lower bounds of the classes but the first.
    labels : mapping of name to LabelConfig
        Labels to compare.

    Returns
    -------
    DataFrame
        One row per label (``model``), ``threshold`` and bin: forecast ``probability``, observed ``frequency``, ``n``,
        and ``base_rate``; ``low`` and ``high`` are unknown.  `sslpdl.plots.reliability` draws it.
    """
    import pandas as pd

    place = np.digitize(raw, _BINS)
    count = np.bincount(place, minlength=len(_BINS) + 1).astype(float)
    rows = []
    for name, config in labels.items():
        encoded = config.encode(observed, thresholds)
        for k, threshold in enumerate(thresholds):
            event = observed >= threshold
            chance = np.bincount(place, encoded[:, k + 1 :].sum(axis=1), minlength=count.size)
            seen = np.bincount(place, event, minlength=count.size)
            for b in np.flatnonzero(count):
                rows.append((name, threshold, chance[b] / count[b], seen[b] / count[b], int(count[b]), event.mean()))
    table = pd.DataFrame(rows, columns=["model", "threshold", "probability", "frequency", "n", "base_rate"])
    return table.assign(low=np.nan, high=np.nan)


def dependence(
    model: TrainedModel, fields: NDArray[np.floating], *, mask_ratio: float = 0.75, seed: int = 0
) -> pd.DataFrame:
    """Return how much worse each variable is filled in when the network is not shown one of the variables.

    Parameters
    ----------
    model : TrainedModel
        A reconstruction model.
    fields : ndarray (B, C, H, W)
        Fields of the model's channels in physical units.
    mask_ratio, seed
        Which tokens are hidden, the same for all trials.

    Returns
    -------
    DataFrame
        Row: variable filled in; column: variable replaced by its climatological mean wherever it was shown; value:
        relative growth of the root-mean-square error at hidden cells, 0 for no difference.
    """
    import pandas as pd

    truth = model.scaler.scale(fields)

    def errors(shown: NDArray[np.floating]) -> NDArray[np.floating]:
        filled, hidden = model.reconstruct(shown, mask_ratio=mask_ratio, seed=seed)
        counted = hidden & np.isfinite(truth)
        squares = np.where(counted, model.scaler.scale(filled) - truth, 0.0) ** 2
        return np.asarray(np.sqrt(squares.sum(axis=(0, 2, 3)) / counted.sum(axis=(0, 2, 3))))

    whole = errors(fields)
    growth = {}
    for c, name in enumerate(model.channels):
        blanked = np.array(fields, dtype=np.float32)
        blanked[:, c] = np.nan  # missing values enter the network as the climatological mean
        growth[name] = errors(blanked) / whole - 1
    return pd.DataFrame(growth, index=pd.Index(model.channels, name="variable"))


def decision_table(
    archive: xr.Dataset,
    forecast: xr.Dataset,
    *,
    init_time: Any,
    lead_time: Sequence[int],
    place: Station,
    threshold: float,
    decision: float,
    radius: int = 4,
) -> pd.DataFrame:
    """Return what a forecaster decides for one place hour by hour, with the raw forecast and with probabilities.

    Parameters
    ----------
    archive, forecast : Dataset
        As opened by `sslpdl.open_archive` and `sslpdl.open_forecast`, on one grid.
    init_time : datetime-like
        Start of the run, UTC.
    lead_time : sequence of int
        Hours to look at.
    place : Station
        Where; the heaviest rain and the highest probability within `radius` cells count.
    threshold : float
        Amount [mm per window] that calls for a warning, one of the forecast's.
    decision : float
        Probability p* from which on one warns.
    radius : int
        Half the width of the square around the place, in cells.

    Returns
    -------
    DataFrame
        One row an hour, by valid time in Korean standard time.
    """
    import pandas as pd

    from sslpdl.grid import Grid

    row, column = (round(float(value)) for value in Grid.from_dataset(archive).cell(place.lon, place.lat))
    square = {"y": slice(row - radius, row + radius + 1), "x": slice(column - radius, column + radius + 1)}
    start = np.datetime64(init_time, "ns")
    valid = start + np.array(lead_time).astype("timedelta64[h]")
    leads = {"init_time": start, "lead_time": list(lead_time)}
    raw = archive["fields"].sel(leads, drop=True).sel(channel="rain").isel(square).max(["y", "x"]).values
    seen = archive["qpe"].reindex(valid_time=valid).isel(square).max(["y", "x"]).values
    name = "probability_of_precipitation_amount_above_threshold"
    chance = forecast[name].sel(leads, drop=True).sel(threshold=threshold).isel(square).max(["y", "x"]).values
    times = pd.DatetimeIndex(valid + np.timedelta64(9, "h")).strftime("%d %b %H:%M")
    return pd.DataFrame(
        {
            "raw [mm]": raw.astype(float).round(1),
            "raw warns": raw >= threshold,
            f"P(≥ {threshold:g} mm)": chance.astype(float).round(3),
            "p* warns": chance >= decision,
            "observed [mm]": seen.astype(float).round(1),
            "happened": seen >= threshold,
        },
        index=pd.Index(times, name="hour to (KST)"),
    )
