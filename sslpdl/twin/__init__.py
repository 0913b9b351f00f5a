"""The twin: a synthetic East Asian summer on the default grid, its rain, and an imperfect forecast of both.

Every hour and every run is a closed-form function of the seed and the time, so it can be made on its own, in any order,
by any number of processes, bit for bit the same.

- :func:`truth`, :func:`truth_rain`, :func:`forecast` give one hour or one run.
- :func:`write_archive` writes runs and their observed rain, :func:`open_stream` makes the same without storing it.
- :func:`statistics` computes the figures that the twin is calibrated to, :data:`TARGETS` holds their ranges.

How it works: synoptic waves (``spectra``) and moving objects (``season``, ``weather``) give the large scale, travelling
random bands (``mesoscale``) the rest; ``state`` balances them into fields, ``rain`` turns moisture convergence,
humidity and instability into rain, and ``forecast_errors`` displaces and blurs all of it as a model would.
"""

from __future__ import annotations

from sslpdl.twin.generate import forecast, truth, truth_rain
from sslpdl.twin.noise import VERSION
from sslpdl.twin.sampling import calibration_samples, samples
from sslpdl.twin.season import CASES, TwinConfig
from sslpdl.twin.statistics import statistics
from sslpdl.twin.stream import is_stream, lead_times, open_stream
from sslpdl.twin.targets import TARGETS, TwinStatistics
from sslpdl.twin.versions import version_of, warn_of_another_version
from sslpdl.twin.write import CASE_LEAD_TIME, CASE_RUNS, LEAD_TIME, write_archive

__all__ = [
    "CASES",
    "CASE_LEAD_TIME",
    "CASE_RUNS",
    "LEAD_TIME",
    "TARGETS",
    "VERSION",
    "TwinConfig",
    "TwinStatistics",
    "calibration_samples",
    "forecast",
    "is_stream",
    "lead_times",
    "open_stream",
    "samples",
    "statistics",
    "truth",
    "truth_rain",
    "version_of",
    "warn_of_another_version",
    "write_archive",
]
