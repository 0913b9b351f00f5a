"""From an archive and a trained model to probabilities, a few lead times at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sslpdl.errors import ForecastError
from sslpdl.forecast.storage import DIMS, FORMAT_VERSION, LABELS, Block, to_zarr, with_exceedance
from sslpdl.progress import bar

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.models import TrainedModel

__all__ = ["Advance", "frame_of", "opened", "run", "tracked"]

Advance: TypeAlias = Callable[[int], None]
"""Called with the number of lead times just computed."""

_BATCH = 4


def run(
    archive: str | os.PathLike[str] | xr.Dataset,
    model: str | os.PathLike[str] | TrainedModel,
    *,
    init_time: Any = None,
    lead_time: Any = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
    advance: Advance | None = None,
) -> xr.Dataset:
    """Forecast rain-class probabilities for the runs of an archive.

    Parameters
    ----------
    archive : path or Dataset
        An archive, or one opened with `sslpdl.open_archive`.
    model : path or TrainedModel
        A model folder, or a model loaded with `sslpdl.models.load`.
    init_time : datetime-like or sequence, optional
        Runs to forecast, UTC; all by default.
    lead_time : int or sequence of int, optional
        Lead times in hours; all by default.
    out : path, optional
        Store here as Zarr, run by run, and return it opened; memory then holds a few fields at a time.  An interrupted
        forecast leaves nothing under this name and is taken up again by the same call.
    progress : bool, default False
        Show a progress bar with rate and remaining time.
    advance : callable, optional
        Called with the number of lead times just computed.

    Returns
    -------
    Dataset
        See `open_forecast`.

    Raises
    ------
    ForecastError
        A run or lead time that the archive does not hold, or an output that exists or cannot be written.
    ModelError
        A model that needs channels or a rain window that the archive lacks.
    """
    source = _select(opened(archive), init_time, lead_time)
    trained = _loaded(model)
    trained.check(source)
    _compare_twins(source, trained)
    frame = frame_of(source, trained)
    if out is None:
        return _in_memory(frame, tracked(source, trained, progress=progress, advance=advance))

    def blocks(runs: list[int]) -> Iterator[Block]:
        return tracked(source.isel(init_time=runs), trained, progress=progress, advance=advance)

    return to_zarr(frame, Path(out), blocks)


def _compare_twins(archive: xr.Dataset, model: TrainedModel) -> None:
    from sslpdl import twin

    twin.warn_of_another_version(model.provenance.get("archive", {}), twin.version_of(archive.attrs))


def opened(archive: str | os.PathLike[str] | xr.Dataset) -> xr.Dataset:
    """Return an archive, opened if it is named by a path."""
    if not isinstance(archive, str | os.PathLike):
        return archive
    from sslpdl.archive import open_archive

    return open_archive(archive)


def _loaded(model: str | os.PathLike[str] | TrainedModel) -> TrainedModel:
    if not isinstance(model, str | os.PathLike):
        return model
    from sslpdl import models

    return models.load(model)


def _select(archive: xr.Dataset, init_time: Any, lead_time: Any) -> xr.Dataset:
    """Restrict an archive to runs and lead times, refusing what it does not hold."""
    for name, wanted in (("init_time", init_time), ("lead_time", lead_time)):
        if wanted is None:
            continue
        kind = "datetime64[ns]" if name == "init_time" else "int64"
        try:
            values = np.atleast_1d(np.asarray(wanted, dtype=kind))
        except ValueError as error:
            raise ForecastError(f"{wanted!r} is no {name} ({error}).") from error
        held = archive[name].values.astype(kind)
        missing = [value for value in values if value not in held]
        if missing:
            raise ForecastError(
                f"the archive holds no {name} {_plain(missing[0])}; it has {_plain(held[0])} to {_plain(held[-1])}."
            )
        archive = archive.isel({name: [int(np.flatnonzero(held == value)[0]) for value in values]})
    if 0 in (archive.sizes["init_time"], archive.sizes["lead_time"]):
        raise ForecastError("the archive holds no runs, so there is nothing to forecast; ingest some files first.")
    return archive


def _plain(value: Any) -> str:
    return str(np.datetime_as_string(value, unit="h")) if isinstance(value, np.datetime64) else str(value)


def frame_of(archive: xr.Dataset, model: TrainedModel) -> xr.Dataset:
    """Return the forecast without its probabilities: coordinates and attributes."""
    import xarray as xr

    from sslpdl import __version__

    init, lead = archive.init_time.values, archive.lead_time.values.astype("int64")
    coords: dict[str, Any] = {
        name: archive[name].load() for name in ("init_time", "lead_time", "y", "x", "lat", "lon", "crs")
    }
    valid = init[:, None] + lead[None, :].astype("timedelta64[h]")
    coords["valid_time"] = (("init_time", "lead_time"), valid, {"standard_name": "time", "long_name": "end of window"})
    classes = len(model.thresholds) + 1
    coords["rain_class"] = ("rain_class", np.arange(classes), {"long_name": "rain class, driest first"})
    coords["threshold"] = (
        "threshold",
        np.asarray(model.thresholds, "float64"),
        {
            "units": "mm",
            "standard_name": "precipitation_amount",
            "spp__relative_to_threshold": "greater_than_or_equal_to",
            "long_name": f"amount in {model.rain_window:g} h",
        },
    )
    attrs = {
        "Conventions": "CF-1.11",
        "format_version": FORMAT_VERSION,
        "title": f"Rain probabilities by SSLPDL from {archive.attrs.get('title', 'an archive')}",
        "source": archive.attrs.get("source", ""),
        "synthetic": archive.attrs.get("synthetic", "false"),
        "rain_window": float(model.rain_window),
        "thresholds": json.dumps(list(model.thresholds)),
        "decision": json.dumps({f"{threshold:g}": p for threshold, p in model.decision.items()}),
        "model": json.dumps(model.provenance, sort_keys=True),
        "sslpdl_version": __version__,
    }
    return xr.Dataset(coords=coords, attrs=attrs)


def _blocks(archive: xr.Dataset, model: TrainedModel) -> Iterator[Block]:
    """Yield (run, lead times, probabilities (L, K, y, x)) a few lead times at a time."""
    fields = archive["fields"].sel(channel=list(model.channels))
    leads = archive.sizes["lead_time"]
    for i in range(archive.sizes["init_time"]):
        for first in range(0, leads, _BATCH):
            part = slice(first, min(first + _BATCH, leads))
            values = np.asarray(fields.isel(init_time=i, lead_time=part).values, "float32")
            probabilities = model.probabilities(values)
            # where nothing at all is known, nothing is forecast
            blind = np.isnan(values).all(axis=1, keepdims=True)
            yield i, part, np.where(blind, np.float32(np.nan), probabilities)


def tracked(
    archive: xr.Dataset, model: TrainedModel, *, progress: bool, advance: Advance | None = None
) -> Iterator[Block]:
    """Yield (run, lead times, probabilities), and say how far it is."""
    total = archive.sizes["init_time"] * archive.sizes["lead_time"]
    with bar("Forecasting", total=total, unit="fields", shown=progress) as show:
        for block in _blocks(archive, model):
            yield block
            for tell in (show, advance):
                if tell is not None:
                    tell(block[1].stop - block[1].start)


def _in_memory(frame: xr.Dataset, blocks: Iterator[Block]) -> xr.Dataset:
    result = np.full(tuple(frame.sizes[name] for name in DIMS), np.nan, "float32")
    for i, part, probabilities in blocks:
        result[i, part] = probabilities
    return with_exceedance(frame.assign(class_probability=(DIMS, result, LABELS)))
