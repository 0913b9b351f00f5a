"""Quantile mapping fitted to the training runs of an archive, one mapping for each group of lead times."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sslpdl.archive import Statistics
from sslpdl.models.baselines import QuantileMapping
from sslpdl.models.baselines.quantile_mapping import RAIN_EDGES
from sslpdl.progress import bar
from sslpdl.training.config import DataConfig
from sslpdl.training.prepare import prepare

__all__ = ["fit_quantile_mapping"]


def fit_quantile_mapping(
    archive: str | os.PathLike[str],
    data: DataConfig,
    *,
    thresholds: Sequence[float],
    hours: int = 6,
    progress: bool = False,
) -> list[QuantileMapping]:
    """Return the quantile mappings of an archive's rain, from training runs and the verification mask only.

    Parameters
    ----------
    archive : path
        An archive with rain of the NWP and observed rain.
    data : DataConfig
        The split; validation and test runs are not looked at.
    thresholds : sequence of float
        Lower bounds of the rain classes but the first [mm per window].
    hours : int
        Lead times 1 to `hours` share a mapping, as do the next so many, and so on.
    progress : bool
        Show a progress bar.

    Returns
    -------
    list of QuantileMapping
        In order of lead time.

    Raises
    ------
    ConfigError, ArchiveError, ModelError
        If the archive has no rain, or none to learn from.
    """
    rain_only = dataclasses.replace(data, channels=("rain",), without=(), log_rain=False, cache_gib=0.0)
    # rain as it is: no statistics are needed
    prepared = prepare(archive, rain_only, needs_rain=True, known=Statistics(("rain",), (0.0,), (1.0,)))
    samples = prepared.training
    lead_hours = (samples.index.valid_time - samples.index.init_time) // np.timedelta64(1, "h")
    counts: dict[int, NDArray[np.int64]] = {}
    with bar("Quantile mapping", total=len(samples), unit="samples", shown=progress) as advance:
        for item in range(len(samples)):
            fields, observed = samples.physical(item)
            known = np.isfinite(fields[0]) & np.isfinite(observed)
            group = counts.setdefault((int(lead_hours[item]) - 1) // hours, np.zeros((2, len(RAIN_EDGES)), np.int64))
            for row, values in zip(group, (fields[0], observed), strict=True):
                # storage rounds to steps that lie a hair below the edges
                place = np.searchsorted(RAIN_EDGES, values[known].clip(0.0) + 1e-6, side="right") - 1
                row += np.bincount(place, minlength=len(RAIN_EDGES))
            advance(1)
    about = {"train": list(data.train), "samples": len(samples), "archive": prepared.source}
    leads = np.unique(lead_hours).astype(int).tolist()
    return [
        QuantileMapping.fit(
            *counts[group],
            leads=tuple(lead for lead in leads if (lead - 1) // hours == group),
            thresholds=tuple(float(threshold) for threshold in thresholds),
            rain_window=prepared.rain_window,
            provenance=about,
        )
        for group in sorted(counts)
    ]
