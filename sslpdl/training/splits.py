"""Training, validation and test splits by the initial time of the runs, never by shuffled samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ConfigError

__all__ = ["HELD_OUT", "Split", "refuse_held_out", "runs_in", "split"]

Times = NDArray[np.datetime64]

HELD_OUT = (np.datetime64("2022-08-01"), np.datetime64("2022-09-01"))
"""August 2022, the case study: never trained on, not even to calibrate."""


@dataclass(frozen=True)
class Split:
    """Which samples train and which validate.

    Parameters
    ----------
    train, validation : ndarray of int
        Indices into the samples.
    purged : int
        Samples left out of training because a validation sample has the same valid time.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    purged: int


def runs_in(init_time: Times, periods: Sequence[int | str], *, name: str = "data.train") -> NDArray[np.bool_]:
    """Return which runs start in any of the periods.

    Parameters
    ----------
    init_time : ndarray of datetime64
        Initial times, UTC.
    periods : sequence of int or str
        As in `DataConfig.train`.
    name : str
        Name of the setting, for the error message.

    Raises
    ------
    ConfigError
        If a period is not readable.

    Examples
    --------
    >>> runs_in(np.array(["2019-07-31T12", "2020-01-01T00"], "M8[h]"), ["2019-06/2019-07"])
    array([ True, False])
    """
    chosen = np.zeros(init_time.shape, bool)
    for period in periods:
        first, _, last = str(period).partition("/")
        try:
            start = np.datetime64(first.strip())
            end = np.datetime64((last or first).strip()) + 1
        except ValueError as error:
            raise ConfigError(
                f"{name} holds {period!r}, which is no period; give a year, a month, a day or a range such as "
                "'2019-06-01/2019-08-31'."
            ) from error
        if np.isnat(start) or np.isnat(end) or end <= start:
            raise ConfigError(f"{name} holds {period!r}, which ends before it begins.")
        chosen |= (init_time >= start) & (init_time < end)
    return chosen


def split(init_time: Times, valid_time: Times, *, train: Sequence[int | str], validation: Sequence[int | str]) -> Split:
    """Divide samples into training and validation by their run.

    Parameters
    ----------
    init_time, valid_time : ndarray of datetime64 (N,)
        Start of the run and end of the rain window of each sample.
    train, validation : sequence of int or str
        Periods of initial times, as in `DataConfig`.

    Raises
    ------
    ConfigError
        If a run is in both, a split has no runs, or a sample lies in August 2022.
    """
    learn = runs_in(init_time, train, name="data.train")
    check = runs_in(init_time, validation, name="data.validation")
    if (learn & check).any():
        raise ConfigError(
            f"the run of {_hour(init_time[learn & check][0])} is in data.train and in data.validation; "
            "change one of them."
        )
    for name, chosen, periods in (("train", learn, train), ("validation", check, validation)):
        if periods and not chosen.any():
            held = f"{_hour(init_time.min())} to {_hour(init_time.max())}" if init_time.size else "none"
            raise ConfigError(f"the archive holds no samples of data.{name} {list(periods)}; its runs: {held}.")
    refuse_held_out(init_time[learn | check], valid_time[learn | check])
    shared = learn & np.isin(valid_time, valid_time[check])
    return Split(np.flatnonzero(learn & ~shared), np.flatnonzero(check), int(shared.sum()))


def refuse_held_out(init_time: Times, valid_time: Times) -> None:
    """Raise `ConfigError` if a run starts, or a rain window ends, in August 2022."""
    start, end = HELD_OUT
    # the window that ends at midnight of the first day belongs to July
    inside = ((init_time >= start) & (init_time < end)) | ((valid_time > start) & (valid_time <= end))
    if inside.any():
        raise ConfigError(
            f"the run of {_hour(init_time[inside][0])} with its forecast for {_hour(valid_time[inside][0])} lies in "
            "August 2022, which is held out for the case study; let data.train and data.validation end before or begin "
            "after it."
        )


def _hour(time: Any) -> str:
    return f"{np.datetime_as_string(time, unit='h')} UTC"
