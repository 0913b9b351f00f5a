"""Mean and standard deviation of every channel over chosen years, read sample by sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from sslpdl.archive.layout import as_time
from sslpdl.errors import ArchiveError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Statistics", "statistics"]


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of channels, in their units; values are scaled by ``(value - mean) / std``.

    Attributes
    ----------
    channels : tuple of str
        Names in order; ``rain`` is among them if the archive has it.
    mean, std : tuple of float
        One each.  The deviation of a channel that never changes is 1, so that it scales to zero.
    count : tuple of int
        Number of values behind each.
    samples : int
        Number of (run, lead time) read.
    first, last : str
        Start of the first and the last run, UTC.
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    count: tuple[int, ...] = ()
    samples: int = 0
    first: str = ""
    last: str = ""

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.mean) == len(self.std):
            raise ArchiveError(
                f"Statistics of {len(self.channels)} channels have {len(self.mean)} means and {len(self.std)} "
                "deviations."
            )
        if not all(np.isfinite(value) for value in (*self.mean, *self.std)) or any(value <= 0 for value in self.std):
            raise ArchiveError("Statistics need finite means and positive standard deviations.")

    def to_json(self) -> str:
        """Return the statistics as JSON text that :meth:`from_json` reads back unchanged."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return statistics from JSON text.

        Raises
        ------
        ArchiveError
            If it is not JSON of statistics.
        """
        try:
            stored: dict[str, Any] = json.loads(text)
            known = {field.name for field in fields(cls)}
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
            return cls(**{name: value for name, value in values.items() if name in known})
        except (ValueError, TypeError, AttributeError) as error:
            raise ArchiveError(f"This is not JSON of channel statistics: {error}.") from error

    def select(self, channels: Sequence[str]) -> Statistics:
        """Return the statistics of some channels in the given order.

        Raises
        ------
        ArchiveError
            If a channel is not among them.
        """
        if absent := [name for name in channels if name not in self.channels]:
            raise ArchiveError(f"There are no statistics of channel {absent[0]!r}, only of {', '.join(self.channels)}.")
        order = [self.channels.index(name) for name in channels]
        count = tuple(self.count[i] for i in order) if self.count else ()
        return Statistics(
            tuple(channels), tuple(self.mean[i] for i in order), tuple(self.std[i] for i in order), count,
            self.samples, self.first, self.last,
        )  # fmt: skip


def statistics(
    ds: xr.Dataset,
    *,
    years: Iterable[int] | None = None,
    init_times: Iterable[Any] | None = None,
    sample: int | None = None,
) -> Statistics:
    """Compute mean and standard deviation of every channel over all cells, lead times and chosen runs.

    Sums are kept in float64 and merged by the parallel variance formula (Chan, Golub and LeVeque 1983), so that one
    sample is in memory at a time and no digits are lost to large means.

    Parameters
    ----------
    ds : xarray.Dataset
        An open archive, or a part of one.
    years : iterable of int, optional
        Only runs that start in these years, UTC: those of training, never those of validation or test.
    init_times : iterable of times, optional
        Only these runs.
    sample : int, optional
        Read at most this many (run, lead time), spread evenly; by default all.

    Raises
    ------
    ArchiveError
        If no run is left, or a channel has no value in them.
    """
    chosen = _chosen_runs(ds, years, init_times)
    leads = ds.sizes["lead_time"]
    total = chosen.size * leads
    number = total if sample is None else min(sample, total)
    # centred strides: over leads and runs alike
    index = ((np.arange(number) + 0.5) * total / number).astype(np.int64)
    variable = ds["fields"].variable.transpose("init_time", "lead_time", "channel", "y", "x")
    channels = tuple(str(name) for name in ds["channel"].values)
    count, mean, spread = (np.zeros(len(channels)) for _ in range(3))
    for run, lead in zip(chosen[index // leads], index % leads, strict=True):
        count, mean, spread = _merge(count, mean, spread, np.asarray(variable[int(run), int(lead)].values, np.float64))
    if empty := [name for name, n in zip(channels, count, strict=True) if n == 0]:
        raise ArchiveError(f"Channel {empty[0]!r} has no value in the {number} samples read, so it has no statistics.")
    deviation = np.sqrt(spread / count)
    # below the rounding of storage a channel is constant
    deviation = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1.0), deviation, 1.0)
    first, last = ds["init_time"].values[chosen[[0, -1]]].astype("datetime64[s]").astype(str)
    return Statistics(
        channels,
        tuple(mean.tolist()),
        tuple(deviation.tolist()),
        tuple(int(n) for n in count),
        number,
        str(first),
        str(last),
    )


def _chosen_runs(ds: xr.Dataset, years: Iterable[int] | None, init_times: Iterable[Any] | None) -> np.ndarray:
    times = ds["init_time"].values.astype("datetime64[ns]")
    keep = np.ones(times.size, bool)
    if years is not None:
        wanted = sorted(set(years))
        keep &= np.isin(times.astype("datetime64[Y]").astype(np.int64) + 1970, wanted)
    if init_times is not None:
        keep &= np.isin(times, np.asarray([as_time(time) for time in init_times], "datetime64[ns]"))
    if not keep.any():
        span = f"its runs are from {times[0]} to {times[-1]}" if times.size else "it holds no run"
        raise ArchiveError(
            f"No run of {ds.encoding.get('source', 'the archive')} is among those chosen for statistics; {span}."
        )
    return np.flatnonzero(keep)


def _merge(count: Any, mean: Any, spread: Any, values: Any) -> tuple[Any, Any, Any]:
    """Add one sample (channel, y, x) to count, mean and sum of squared deviations of every channel."""
    flat = values.reshape(values.shape[0], -1)  # (C, y * x)
    valid = np.isfinite(flat)
    n = valid.sum(axis=1).astype(np.float64)
    flat = np.where(valid, flat, 0.0)
    here = np.divide(flat.sum(axis=1), n, out=np.zeros_like(n), where=n > 0)
    deviation = np.where(valid, flat - here[:, None], 0.0)
    both = count + n
    shift = here - mean
    share = np.divide(n, both, out=np.zeros_like(n), where=both > 0)
    spread = spread + np.einsum("cp,cp->c", deviation, deviation) + shift**2 * count * share
    return both, mean + shift * share, spread
