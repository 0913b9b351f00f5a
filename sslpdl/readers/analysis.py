"""Rain analyses in GRIB, such as NCEP's Stage II and Stage IV: sums of radar and gauges over periods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError
from sslpdl.grid import Grid, regrid
from sslpdl.readers import grib
from sslpdl.readers.field import Field
from sslpdl.readers.profile import Profile, Rule
from sslpdl.readers.qpe import Period, QpeOptions, in_hours, refuse_apart, time_of
from sslpdl.readers.units import convert

__all__ = ["ANALYSIS", "RainAnalyses"]

_TOTAL = (
    (("table2Version", (2,)), ("indicatorOfParameter", (61,))),
    (("discipline", (0,)), ("parameterCategory", (1,)), ("parameterNumber", (8,))),
    (("shortName", ("tp",)),),
)

ANALYSIS = Profile(
    name="rain-analysis",
    title="rain analysis",
    grid="native",
    detect={},
    file_name=None,
    native_name="analysis-native",
    rain_from_start=False,
    missing=(),
    # one rank: editions and centres number total precipitation differently
    rules=tuple(Rule("rain", keys, "kg m-2", 0) for keys in _TOTAL),
)


class RainAnalyses:
    """Rain over the periods that the messages of GRIB files name.

    Parameters
    ----------
    paths : list of Path
        GRIB files; each message's period is its reference time plus its steps.
    options : QpeOptions
        Only ``skip_bad`` matters.
    """

    def __init__(self, paths: list[Path], options: QpeOptions) -> None:
        self.title = "GRIB rain analysis"
        self.skipped: list[tuple[Path, str]] = []
        self.paths = paths
        self._skip_bad = options.skip_bad
        self._fields: dict[Period, list[Field]] = {}
        for path in paths:
            try:
                found = list(grib.scan(path, ANALYSIS))
                if not found:
                    raise ReaderError(f"{path} holds no total precipitation.")
            except ReaderError as error:
                if not options.skip_bad:
                    raise
                self.skipped.append((path, str(error)))
                continue
            for item in found:
                start = in_hours(item.init_time)
                if item.end > item.start:
                    self._fields.setdefault((start + item.start, start + item.end), []).append(item)
        if not self._fields:
            raise ReaderError(f"None of the {len(paths)} files holds rain over a period; QPE must be sums, not rates.")
        self.periods: set[Period] = set(self._fields)

    def files(self, period: Period) -> list[Path]:
        """Return the files with the rain of a period."""
        return [item.path for item in self._fields[period]]

    def check(self, grid: Grid) -> None:
        """Raise ReaderError if no cell of a grid lies on the analyses."""
        for source in {items[0].grid for items in self._fields.values()}:
            refuse_apart(source, grid, self.title)

    def read(self, period: Period, grid: Grid) -> NDArray[np.float32] | None:
        """Return the rain of a period in mm on a grid, NaN where unknown; None if its file is bad."""
        items = self._fields[period]
        try:
            fields = [values for item in items for _, values in grib.values(item.path, [item])]
            if any(not np.array_equal(fields[0], other, equal_nan=True) for other in fields[1:]):
                raise ReaderError(
                    f"Rain until {time_of(period[1])} UTC is there twice with different values, in {items[0].path} and "
                    f"{items[1].path}; remove one of them."
                )
            rain = convert(fields[0], items[0].units, "mm", what=str(items[0]))
        except ReaderError as error:
            if not self._skip_bad:
                raise
            self.skipped.append((items[0].path, str(error)))
            return None
        rain = np.where(rain < 0, np.float32(np.nan), rain)  # analyses mark missing cells by negative amounts
        return regrid(rain, items[0].grid, grid, method="conservative")
