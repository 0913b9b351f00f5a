"""Counting of forecast maps on the 5-km grid, their neighbourhoods, and the bootstrap; projected to a year.

The peer of counting is the contingency tables alone by the package `scores`, one threshold after another, in one
process and from memory; that of the bootstrap is the same table of scores without it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

Row = tuple[str, str, str, str]

THRESHOLDS = (0.1, 1.0, 5.0, 10.0)
SIX_SCALES = (1, 3, 5, 9, 17, 33)
_YEAR, _PEER_MAPS = 8760, 12


def measure(root: Path) -> Iterator[Row]:
    """Yield rows of (what, figure, peer, ratio)."""
    from sslpdl import open_archive, verify
    from sslpdl.forecast import run

    archive = open_archive(root / "data_samples" / "august-2022.zarr")
    with tempfile.TemporaryDirectory() as folder, verify.workers(2) as executor:
        model = root / "data_samples" / "models" / "sslpdl-tiny"
        forecast = run(archive, model, out=Path(folder) / "forecast.zarr", progress=False)
        models: dict[str, xr.Dataset | str] = {"model": forecast, "raw": "raw"}
        peer = _PEER_MAPS / tables_of_scores(archive, forecast)
        # the processes import everything before the clock starts
        verify.count(archive.isel(lead_time=slice(0, 24)), models, thresholds=THRESHOLDS, executor=executor)
        for what, scales in (("a year of maps, 4 thresholds", ()), ("the same with FSS at 6 scales", SIX_SCALES)):
            start = time.perf_counter()
            counts = verify.count(archive, models, thresholds=THRESHOLDS, scales=scales, executor=executor)
            rate = counts.attrs["cases"] / (time.perf_counter() - start)
            figure = f"{rate:.0f}/s, {_YEAR / rate / 60:.1f} min"
            yield f"{what}, 2 procs", figure, "tables of scores", f"{rate / peer:.1f}x"

    counts = year()
    seconds = []
    for replicates in (0, 2000):
        start = time.perf_counter()
        verify.scores(counts, groups={"all": [6]}, replicates=replicates, block_days=1)
        seconds.append(time.perf_counter() - start)
    what = "2000 replicates of all scores, 365 days"
    yield what, f"{seconds[1] - seconds[0]:.2f} s", "scores alone", f"{seconds[1] / seconds[0]:.1f}x"
    yield from answers()


def answers() -> Iterator[Row]:
    """Yield the time of an answer of the page beside the whole table of the same counts for one range of lead times."""
    from sslpdl import verify
    from sslpdl.dashboard.counts import prepare
    from sslpdl.dashboard.verification import REPLICATES, evaluated

    counts = season()
    stored = prepare(counts, kind="file", where="season")
    evaluated(stored, "", 1.0, (3, 36))  # imports what it needs
    seconds = []
    for region in ("", "honam", "south_korea", "jeju"):
        for threshold in (0.1, 1.0, 10.0):
            for leads in ((9, 15), (3, 36)):
                start = time.perf_counter()
                evaluated(stored, region, threshold, leads)
                seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    verify.scores(counts, groups={"all": list(range(3, 37, 3))}, replicates=REPLICATES)
    peer = time.perf_counter() - start
    ours = statistics.median(seconds)
    figure = f"{1e3 * ours:.0f} ms (at most {1e3 * max(seconds):.0f})"
    yield "an answer of the page, 120 days", figure, "the whole table", f"{peer / ours:.0f}x"


def season() -> xr.Dataset:
    """Return counts of 120 runs, 12 lead times, 12 regions and five thresholds on few cells."""
    from sslpdl import verify
    from sslpdl.data import provinces

    rng = np.random.default_rng(0)
    owner = np.arange(120).reshape(1, 120) % 12
    regions = {"all": owner >= 0, "land": owner < 9, "sea": owner >= 9}
    regions |= {name: owner == k for k, name in enumerate(provinces())}
    limits = (0.1, 1.0, 5.0, 10.0, 30.0)
    counting = verify.Counter(thresholds=limits, models=("model", "raw"), regions=regions, attrs={"rain_window": 1.0})
    for day in np.arange("2022-06-01", "2022-09-29", dtype="datetime64[D]"):
        for lead in range(3, 37, 3):
            observed, raw = rng.gamma(0.3, 9.0, (2, 1, 120))
            chance = -np.sort(-(rng.random((5, 1, 120)) ** 3), axis=0)
            counting.add(day, lead, observed, {"model": chance, "raw": raw})
    return verify.with_climatology(counting.counts())


def tables_of_scores(archive: xr.Dataset, forecast: xr.Dataset) -> float:
    """Return the seconds that `scores` takes for the tables of some maps of both models."""
    from scores.categorical import BinaryContingencyManager

    from sslpdl.forecast import EXCEEDANCE

    place = archive.get_index("valid_time").get_indexer(forecast["valid_time"].values[0, :_PEER_MAPS])
    observed = archive["qpe"].isel(valid_time=place).values
    rain = archive["fields"].isel(init_time=0, lead_time=slice(0, _PEER_MAPS)).sel(channel="rain").values
    chance = (
        forecast[EXCEEDANCE].isel(init_time=0, lead_time=slice(0, _PEER_MAPS)).sel(threshold=list(THRESHOLDS)).values
    )
    dims = ("y", "x")
    start = time.perf_counter()
    for k in range(_PEER_MAPS):
        seen = xr.DataArray(observed[k], dims=dims)
        for t, threshold in enumerate(THRESHOLDS):
            event = (seen >= threshold).where(seen.notnull())
            for said in (chance[k, t] >= 0.3, rain[k] >= threshold):
                yes = xr.DataArray(said, dims=dims).where(seen.notnull())
                BinaryContingencyManager(yes, event).transform().get_table()
    return time.perf_counter() - start


def year() -> xr.Dataset:
    """Return counts of 365 runs, four thresholds and three models on few cells: resampling knows only the counts."""
    from sslpdl import verify

    rng = np.random.default_rng(0)
    counting = verify.Counter(
        thresholds=THRESHOLDS,
        models=("model", "raw"),
        regions={"all": np.ones((20, 20), bool)},
        attrs={"rain_window": 1.0},
    )
    for day in np.arange("2022-01-01", "2023-01-01", dtype="datetime64[D]"):
        observed, raw = rng.gamma(0.3, 5.0, (2, 20, 20))
        chance = -np.sort(-(rng.random((4, 20, 20)) ** 3), axis=0)
        counting.add(day, 6, observed, {"model": chance, "raw": raw})
    return verify.with_climatology(counting.counts())
