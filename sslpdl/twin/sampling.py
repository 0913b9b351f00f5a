"""Which runs and lead times the twin is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import numpy as np

__all__ = ["Sample", "calibration_samples", "samples"]

Sample = tuple[np.datetime64, int]
"""Start of a run and lead time in hours."""


def samples(n: int, *, seed: int = 0, years: Sequence[int] = (2019, 2020, 2021, 2022, 2023)) -> list[Sample]:
    """Draw ``n`` runs and lead times over all seasons; three quarters have leads of 6 to 30 hours.

    Returns
    -------
    list of (init_time, lead)
        Runs of 00 and 12 UTC from June to September.  The first n of a longer list are those of a shorter one.
    """
    random = np.random.default_rng([20190601, seed])
    found: list[Sample] = []
    for number in range(n):
        year = years[number % len(years)]
        init = np.datetime64(f"{year}-06-01T00", "h") + np.timedelta64(12 * int(random.integers(0, 244)), "h")
        lead = int(random.integers(6, 31) if number % 4 else random.integers(31, 73))
        found.append((init, lead))
    return found


@lru_cache(maxsize=1)
def calibration_samples() -> tuple[Sample, ...]:
    """Return the 500 samples that the twin is calibrated on: a fixed list that ships with the package.

    It is ``samples(500)``, written down so that no change of a random generator can make the statistics drift.
    """
    text = resources.files("sslpdl.twin").joinpath("calibration_samples.csv").read_text(encoding="utf-8")
    rows = (line.split(",") for line in text.splitlines()[1:])
    return tuple((np.datetime64(init, "h"), int(lead)) for init, lead in rows)
