"""Archive and trained model to probabilities: one way for the command line, the dashboard and the notebooks.

A forecast holds ``class_probability (init_time, lead_time, rain_class, y, x)``; the probabilities of reaching each
threshold are derived from it on reading, under the names that IMPROVER and CF users expect.
"""

from __future__ import annotations

from sslpdl.forecast.appending import append, missing_runs
from sslpdl.forecast.computing import run
from sslpdl.forecast.storage import EXCEEDANCE, exceedance, open_forecast, to_netcdf

__all__ = ["EXCEEDANCE", "append", "exceedance", "missing_runs", "open_forecast", "run", "to_netcdf"]
