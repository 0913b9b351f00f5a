"""Samples of an archive for training: scaled fields, and the rain that fell where it is learned from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sslpdl.errors import ArchiveError
from sslpdl.models.scaling import Scaler
from sslpdl.training.config import DataConfig

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Endless", "Oversampled", "SampleIndex", "Samples", "evenly", "loader"]

_GIB = 2**30


@dataclass(frozen=True)
class SampleIndex:
    """Where samples lie in an archive.

    Parameters
    ----------
    init, lead : ndarray of int (N,)
        Positions along ``init_time`` and ``lead_time``.
    qpe : ndarray of int (N,)
        Positions along ``valid_time``; -1 where no observation is needed.
    init_time, valid_time : ndarray of datetime64 (N,)
        Start of the run and end of the rain window.
    """

    init: NDArray[np.int64]
    lead: NDArray[np.int64]
    qpe: NDArray[np.int64]
    init_time: NDArray[np.datetime64]
    valid_time: NDArray[np.datetime64]

    def __len__(self) -> int:
        return len(self.init)

    def take(self, chosen: NDArray[Any]) -> SampleIndex:
        """Return the samples at the given positions, or where the given mask is true."""
        return SampleIndex(
            self.init[chosen], self.lead[chosen], self.qpe[chosen], self.init_time[chosen], self.valid_time[chosen]
        )


class Samples(Dataset[tuple[Tensor, Tensor]]):
    """Samples of an archive, read when asked for and kept in memory as far as the budget reaches.

    Parameters
    ----------
    archive : Dataset
        From `sslpdl.open_archive`.
    index : SampleIndex
        Which samples.
    scaler : Scaler
        Channels and their normalisation.
    region : ndarray of bool (y, x), optional
        Where rain is learned from or scored; NaN elsewhere.  All cells by default.
    cache_gib : float
        Memory for samples already read.

    Notes
    -----
    A sample is ``(fields (C, H, W) float32 scaled with NaN where missing, rain (H, W) float32 mm)``; rain is all NaN
    where the index asks for none.  Scaled fields pass through float16, in which they are kept, whether or not there is
    room for them: its steps near one deviation (0.001) are finer than what the archive resolves.
    """

    def __init__(
        self,
        archive: xr.Dataset,
        index: SampleIndex,
        scaler: Scaler,
        *,
        region: NDArray[np.bool_] | None = None,
        cache_gib: float = 0.0,
    ) -> None:
        self._fields, self._qpe = archive["fields"].variable, archive["qpe"].variable
        names = [str(name) for name in archive["channel"].values]
        self._channels = np.array([names.index(name) for name in scaler.channels])
        self.index, self.scaler, self._region = index, scaler, region
        self.shape = (archive.sizes["y"], archive.sizes["x"])
        size = (2 * len(scaler.channels) + 4) * self.shape[0] * self.shape[1]
        capacity = min(len(index), int(cache_gib * _GIB / size))
        # allocated, but the system lends the memory page by page as samples come
        self._kept_fields = np.empty((capacity, len(scaler.channels), *self.shape), "float16")
        self._kept_rain = np.empty((capacity, *self.shape), "float32")
        self._kept = np.zeros(capacity, bool)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        if item < len(self._kept) and self._kept[item]:
            fields, rain = self._kept_fields[item], self._kept_rain[item].copy()
        else:
            fields, rain = self._read(item)
            if item < len(self._kept):
                self._kept_fields[item], self._kept_rain[item] = fields, rain
                self._kept[item] = True
        return torch.from_numpy(fields.astype("float32")), torch.from_numpy(rain)

    def wettest(self, share: float = 0.1) -> NDArray[np.int64]:
        """Return the positions of the samples with most rain, by the mean over the region: this share, at least one.

        Only observations are read, each once.
        """
        places, which = np.unique(self.index.qpe, return_inverse=True)
        mean = np.zeros(len(places))
        for number, place in enumerate(places):
            rain = self._rain(int(place))
            known = np.isfinite(rain)
            mean[number] = rain[known].mean(dtype="float64") if known.any() else 0.0
        most = max(1, round(share * len(self)))
        return np.sort(np.argsort(-mean[which], kind="stable")[:most])

    def _rain(self, place: int) -> NDArray[np.float32]:
        """Return observed rain (y, x), NaN outside the region."""
        rain = np.array(self._qpe[place].values, "float32")
        if self._region is not None:
            rain[~self._region] = np.nan
        return rain

    def physical(self, item: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return fields (C, H, W) in physical units and observed rain (H, W) [mm] of a sample, read from the archive.

        Raises
        ------
        ArchiveError
            If the archive cannot be read there.
        """
        where = self.index.init[item], self.index.lead[item], self.index.qpe[item]
        try:
            fields = np.asarray(self._fields[int(where[0]), int(where[1])].values, "float32")[self._channels]
            rain = self._rain(int(where[2])) if where[2] >= 0 else np.full(self.shape, np.nan, "float32")
        except (OSError, RuntimeError, ValueError) as error:
            time = np.datetime_as_string(self.index.init_time[item], unit="h")
            raise ArchiveError(f"the run of {time} UTC cannot be read ({error}); is the archive damaged?") from error
        return fields, rain

    def _read(self, item: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        fields, rain = self.physical(item)
        return self.scaler.scale(fields).astype("float16"), rain


class Endless(Sampler[int]):
    """Passes over shuffled samples, cut into epochs of a fixed number of draws.

    The draws of an epoch depend on the seed and the number of the epoch only, so that a run taken up again sees the
    samples that an uninterrupted one would have seen.

    Parameters
    ----------
    size : int
        Number of samples.
    draws : int
        Draws per epoch.
    seed : int
        Order of the samples.
    """

    def __init__(self, size: int, draws: int, *, seed: int) -> None:
        self.size, self.draws, self.seed, self.epoch = size, draws, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the Lightning trainer calls this."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.draws

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.draws
        for position in range(first, first + self.draws):
            pass_number, place = divmod(position, self.size)
            if position == first or place == 0:
                order = np.random.default_rng([self.seed, pass_number]).permutation(self.size)
            yield int(order[place])


class Oversampled(Sampler[int]):
    """The draws of another sampler, of which a share is replaced by draws from chosen samples.

    As there, the draws of an epoch depend on the seed and the number of the epoch only.

    Parameters
    ----------
    order : Endless
        All draws.
    chosen : ndarray of int
        Positions of the samples to draw more often.
    share : float
        Share of the draws to replace, 0 to 1.
    """

    def __init__(self, order: Endless, chosen: NDArray[np.int64], *, share: float) -> None:
        self.order, self.chosen, self.share = order, chosen, share

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the Lightning trainer calls this."""
        self.order.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self.order.seed, self.order.epoch])
        replaced = generator.random(len(self)) < self.share
        drawn = generator.choice(self.chosen, len(self))
        for item, other, instead in zip(self.order, drawn, replaced, strict=True):
            yield int(other) if instead else item


def evenly(index: SampleIndex, most: int) -> SampleIndex:
    """Return at most so many samples, evenly spread over the index."""
    if len(index) <= most:
        return index
    return index.take(np.linspace(0, len(index) - 1, most).round().astype(np.int64))


def loader(
    samples: Samples, config: DataConfig, *, batch_size: int, sampler: Sampler[int] | None = None
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return batches of (fields (B, C, H, W), rain (B, H, W)), in order unless a sampler is given."""
    return DataLoader(
        samples,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        # a worker that was killed must not leave the training waiting for ever
        timeout=120 if config.workers else 0,
    )
