"""From an archive and its settings to what a stage trains on: split, statistics, samples."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslpdl import twin
from sslpdl.archive import Statistics, open_archive, pairs, statistics
from sslpdl.channels import CHANNELS
from sslpdl.errors import ConfigError
from sslpdl.grid import Grid
from sslpdl.models.scaling import Scaler
from sslpdl.training.config import DataConfig
from sslpdl.training.data import SampleIndex, Samples, evenly
from sslpdl.training.splits import HELD_OUT, Split, split

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Prepared", "automatic_split", "open_source", "prepare"]

# samples behind mean and deviation: their error is far below that of any other choice
_STATISTICS_SAMPLES = 400


@dataclass(frozen=True)
class Prepared:
    """Everything about the data that a stage needs.

    Parameters
    ----------
    training, validation : Samples
        Scaled samples; the second may be empty.
    statistics : Statistics
        Of the training runs only.
    rain_window : float
        Hours.
    grid : str
        Name of the archive's grid.
    purged : int
        Training samples left out because a validation sample has their valid time.
    source : dict
        Title and kind of the archive, for provenance.
    """

    training: Samples
    validation: Samples
    statistics: Statistics
    rain_window: float
    grid: str
    purged: int
    source: dict[str, Any]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels in order."""
        return self.training.scaler.channels

    def summary(self, config: DataConfig) -> dict[str, Any]:
        """Return the split in numbers, for the record."""
        return {
            "train": list(config.train),
            "validation": list(config.validation),
            "training_samples": len(self.training),
            "validation_samples": len(self.validation),
            "purged_samples": self.purged,
            "training_runs": int(np.unique(self.training.index.init).size),
            "validation_runs": int(np.unique(self.validation.index.init).size),
        }


def prepare(
    path: str | os.PathLike[str], config: DataConfig, *, needs_rain: bool, known: Statistics | None = None
) -> Prepared:
    """Open an archive and split it.

    Parameters
    ----------
    path : path
        The archive, or the address of a stream of the twin.
    config : DataConfig
        Split, channels, lead times.
    needs_rain : bool
        Whether each sample needs an observation.
    known : Statistics, optional
        Statistics of a pre-trained model to scale with; by default they are computed over the training runs.

    Raises
    ------
    ArchiveError, ConfigError
        If the archive cannot be used or does not hold what the settings ask for.
    """
    archive = open_source(path)
    archive = archive.isel(lead_time=_lead_positions(archive, config.lead_time))
    index = _paired(archive) if needs_rain else _everything(archive)
    divided = split(index.init_time, index.valid_time, train=config.train, validation=config.validation)
    window = _window(archive, index, divided)
    names = [str(name) for name in archive["channel"].values]
    channels = tuple(known.channels if known is not None else (config.channels or names))
    if absent := [name for name in channels if name not in names]:
        raise ConfigError(f"the archive lacks the channel {absent[0]!r}; it holds {', '.join(names)}.")
    training = index.take(divided.train)
    measured = known or _measure(archive, training, channels, log_rain=config.log_rain)
    scaler = Scaler(channels, tuple(measured.mean), tuple(measured.std), config.log_rain)
    region = np.asarray(archive["mask"].values, bool) if needs_rain else None
    chosen = evenly(index.take(divided.validation), config.validation_samples)
    # the budget is shared in proportion to size
    share = len(training) / max(1, len(training) + len(chosen)) * config.cache_gib if config.workers == 0 else 0.0
    rest = config.cache_gib - share if config.workers == 0 else 0.0
    return Prepared(
        training=Samples(archive, training, scaler, region=region, cache_gib=share),
        validation=Samples(archive, chosen, scaler, region=region, cache_gib=rest),
        statistics=measured,
        rain_window=window,
        grid=Grid.from_dataset(archive).name,
        purged=divided.purged,
        source={name: archive.attrs.get(name, "") for name in ("title", "source", "synthetic")}
        | {"twin_version": twin.version_of(archive.attrs)},
    )


def open_source(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open an archive, or runs of the twin that are made while they are read: see `sslpdl.twin.open_stream`."""
    return twin.open_stream(path) if twin.is_stream(path) else open_archive(path)


def automatic_split(path: str | os.PathLike[str]) -> DataConfig:
    """Return data settings for an archive without any: the last fifth of its runs validates.

    Runs that touch August 2022 are left out, and an archive of fewer than four runs has no validation split.
    """
    archive = open_source(path)
    runs = archive["init_time"].values
    start, end = HELD_OUT
    last = np.timedelta64(int(archive["lead_time"].values.max(initial=0)), "h")
    runs = runs[(runs >= end) | (runs + last <= start)]
    if not runs.size:
        raise ConfigError("every run of the archive touches August 2022, which is held out; train on other runs.")
    held = 0 if runs.size < 4 else max(1, runs.size // 5)
    names = np.datetime_as_string(runs, unit="h").tolist()
    return DataConfig(train=tuple(names[: len(names) - held]), validation=tuple(names[len(names) - held :]))


def _lead_positions(archive: xr.Dataset, wanted: Sequence[int]) -> list[int]:
    held = archive["lead_time"].values.astype(int).tolist()
    if absent := [lead for lead in wanted if lead not in held]:
        raise ConfigError(f"data.lead_time asks for {absent[0]} h, but the archive holds {held}.")
    return [held.index(lead) for lead in wanted] if wanted else list(range(len(held)))


def _paired(archive: xr.Dataset) -> SampleIndex:
    table = pairs(archive)
    init, lead, qpe = (table[name].to_numpy("int64") for name in ("init", "lead", "qpe"))
    init_time, valid_time = (table[name].to_numpy("datetime64[ns]") for name in ("init_time", "valid_time"))
    return SampleIndex(init, lead, qpe, init_time, valid_time)


def _everything(archive: xr.Dataset) -> SampleIndex:
    """Every run and lead time that holds any value, observed or not."""
    covered = (archive["fields_coverage"].transpose("init_time", "lead_time", "channel").values > 0).any(axis=-1)
    init, lead = np.nonzero(covered)
    start = archive["init_time"].values.astype("datetime64[ns]")[init]
    valid = start + archive["lead_time"].values.astype("int64")[lead].astype("timedelta64[h]")
    return SampleIndex(init, lead, np.full(init.shape, -1), start, valid)


def _window(archive: xr.Dataset, index: SampleIndex, divided: Split) -> float:
    used = np.unique(index.lead[np.concatenate([divided.train, divided.validation])])
    windows = np.unique(archive["rain_window"].values.astype(float)[used])
    if windows.size != 1:
        raise ConfigError(
            f"the chosen lead times hold rain of different windows ({', '.join(f'{w:g} h' for w in windows)}); "
            "name lead times of one window in data.lead_time."
        )
    return float(windows[0])


def _measure(archive: xr.Dataset, index: SampleIndex, channels: tuple[str, ...], *, log_rain: bool) -> Statistics:
    runs = archive["init_time"].values[np.unique(index.init)]
    measured = statistics(archive, init_times=runs, sample=_STATISTICS_SAMPLES).select(channels)
    rain = [i for i, name in enumerate(channels) if name in CHANNELS and CHANNELS[name].is_rain]
    if not log_rain or not rain:
        return measured
    mean, std = list(measured.mean), list(measured.std)
    for i in rain:
        mean[i], std[i] = _logarithmic(archive, evenly(index, _STATISTICS_SAMPLES), channels[i])
    return dataclasses.replace(measured, mean=tuple(mean), std=tuple(std))


def _logarithmic(archive: xr.Dataset, index: SampleIndex, channel: str) -> tuple[float, float]:
    """Return mean and deviation of log(1 + mm) over samples."""
    position = [str(name) for name in archive["channel"].values].index(channel)
    fields = archive["fields"].variable
    sums = np.zeros(3)
    for init, lead in zip(index.init, index.lead, strict=True):
        values: NDArray[Any] = np.asarray(fields[int(init), int(lead), position].values, "float64")
        logarithm = np.log1p(np.maximum(values[np.isfinite(values)], 0.0))
        sums += (logarithm.size, logarithm.sum(), np.square(logarithm).sum())
    mean = sums[1] / max(sums[0], 1.0)
    deviation = float(np.sqrt(max(sums[2] / max(sums[0], 1.0) - mean**2, 0.0)))
    return float(mean), deviation or 1.0
