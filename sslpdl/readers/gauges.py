"""Rain gauges: tables of KMA's ASOS and AWS stations.

Tables are CSV in UTF-8 (with or without byte-order mark) or CP949, with Korean column names (the download portal of
KMA: 지점, 지점명, 일시, 강수량(mm)) or English ones (stn, name, time_kst or tm, rn).  Local times are Korean standard
time; an hourly amount belongs to the hour that ends at its time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError
from sslpdl.grid import Grid
from sslpdl.readers.qpe import Period, QpeOptions, in_hours
from sslpdl.readers.sources import Paths, expand

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GaugeRain", "grid_gauges", "read_gauges", "read_stations"]

KST = np.timedelta64(9, "h")

_NAMES = {
    "time_utc": ("time_utc", "utc"),
    "time": ("time_kst", "kst", "일시", "관측시각", "tm", "time", "date", "datetime"),
    "station": ("stn", "stn_id", "stnid", "station", "지점", "지점번호", "지점코드"),
    "name": ("name", "stn_nm", "stnnm", "지점명"),
    "lon": ("lon", "longitude", "경도"),
    "lat": ("lat", "latitude", "위도"),
    "rain": ("rn_mm", "rn", "rain", "강수량(mm)", "강수량", "1시간강수량(mm)", "1시간 강수량(mm)", "시간강수량(mm)"),
}


def read_gauges(paths: Paths, *, stations: Path | str | None = None, blank_is_dry: bool = False) -> pd.DataFrame:
    """Read gauge tables as points.

    Parameters
    ----------
    paths : path or iterable of paths
        CSV files, folders or patterns.
    stations : path, optional
        Table of coordinates for files that hold none.
    blank_is_dry : bool
        Whether an empty rain cell means no rain, as in hourly ASOS tables of KMA's portal; by default it is missing.

    Returns
    -------
    DataFrame
        ``time`` (UTC, end of the hour), ``station``, ``name``, ``lon``, ``lat`` (degrees; NaN where unknown) and
        ``rain`` (mm in the hour; NaN missing), in order of time and station.

    Raises
    ------
    ReaderError
        If a table cannot be read, lacks a column, holds a time or amount that is not one, or contradicts itself.
    """
    import pandas as pd

    files = expand(paths, suffixes=(".csv",), what="gauge")
    table = pd.concat([_table(path, blank_is_dry) for path in files], ignore_index=True)
    if stations is not None:
        places = read_stations(stations).set_index("station")
        for column in ("lon", "lat"):
            table[column] = table[column].fillna(table["station"].map(places[column]))
    table = table.drop_duplicates(["time", "station", "rain"])
    twice = table.duplicated(["time", "station"], keep=False)
    if twice.any():
        row = table[twice].iloc[0]
        raise ReaderError(
            f"Gauge {row['station']} has two different amounts at {row['time']} UTC; remove one of the tables "
            f"({_names(files)})."
        )
    return table.sort_values(["time", "station"], ignore_index=True)


def read_stations(path: Path | str) -> pd.DataFrame:
    """Read a table of stations: ``station``, ``lon``, ``lat`` in degrees; the last entry of a station counts."""
    raw = _csv(Path(path))
    columns = _columns(raw, ("station", "lon", "lat"), Path(path))
    return raw.rename(columns=columns)[["station", "lon", "lat"]].assign(
        lon=lambda t: t["lon"].astype(float), lat=lambda t: t["lat"].astype(float)
    ).drop_duplicates("station", keep="last")  # fmt: skip


def grid_gauges(table: pd.DataFrame, grid: Grid) -> tuple[NDArray[np.datetime64], NDArray[np.float32]]:
    """Put gauges into the cells that they stand in.

    Parameters
    ----------
    table : DataFrame
        From :func:`read_gauges`.
    grid : Grid
        Target.

    Returns
    -------
    times : array (time,) of datetime64[s]
        Ends of hours, UTC.
    rain : array (time, y, x) of float32
        Mean in mm of the gauges in a cell, NaN where there is none.

    Raises
    ------
    ReaderError
        If no gauge lies on the grid, or coordinates are missing.
    """
    placed = _placed(table, grid)
    times = np.unique(placed["time"].to_numpy("datetime64[s]"))
    rain = np.stack([_map(placed[placed["time"] == time], grid) for time in times])
    return times, rain


class GaugeRain:
    """Hourly rain of gauges in the cells that they stand in, everything else missing.

    Parameters
    ----------
    paths : list of Path
        Gauge tables.
    options : QpeOptions
        The table of station coordinates, if one is needed.
    """

    def __init__(self, paths: list[Path], options: QpeOptions) -> None:
        self.title = "rain gauges"
        self.skipped: list[tuple[Path, str]] = []
        self.paths = list(paths)
        self._table = self._read(options)
        valid = self._table[self._table["rain"].notna()]
        hours = valid["time"].map(lambda time: in_hours(time.to_datetime64()))
        self._groups = {float(hour): group for hour, group in valid.groupby(hours.to_numpy())}  # type: ignore[arg-type]
        self.periods: set[Period] = {(hour - 1, hour) for hour in self._groups}

    def _read(self, options: QpeOptions) -> pd.DataFrame:
        if not options.skip_bad:
            return read_gauges(self.paths, stations=options.stations)
        for path in list(self.paths):
            try:
                read_gauges(path, stations=options.stations)
            except ReaderError as error:
                self.skipped.append((path, str(error)))
                self.paths.remove(path)
        if not self.paths:
            raise ReaderError(f"None of the gauge tables can be read; the first: {self.skipped[0][1]}")
        return read_gauges(self.paths, stations=options.stations)

    def files(self, period: Period) -> list[Path]:
        """Return all tables: they are read at once."""
        return self.paths

    def check(self, grid: Grid) -> None:
        """Raise ReaderError if no gauge lies on a grid, or one has no coordinates."""
        _placed(self._table, grid)

    def read(self, period: Period, grid: Grid) -> NDArray[np.float32] | None:
        """Return the rain of an hour in mm on a grid, NaN where there is no gauge."""
        return _map(_placed(self._groups[period[1]], grid, at_least_one=False), grid)


def _table(path: Path, blank_is_dry: bool) -> pd.DataFrame:
    import pandas as pd

    raw = _csv(path)
    columns = _columns(raw, ("station", "rain"), path)
    known = raw.rename(columns=columns)
    if "time_utc" not in known and "time" not in known:
        raise ReaderError(f"{path} has no column of times; it has {', '.join(raw.columns)}.")
    utc = "time_utc" in known
    times = pd.to_datetime(known["time_utc" if utc else "time"], errors="coerce", format="mixed")
    _refuse(path, known, times.isna(), "time_utc" if utc else "time", "is not a time")
    result = pd.DataFrame(
        {"time": times if utc else times - pd.Timedelta(hours=9), "station": known["station"].str.strip()}
    )
    result["name"] = known["name"].fillna("") if "name" in known else ""
    for column in ("lon", "lat"):
        result[column] = pd.to_numeric(known[column], errors="coerce") if column in known else np.nan
    blank = known["rain"].isna() | (known["rain"].str.strip() == "")
    rain = pd.to_numeric(known["rain"], errors="coerce")
    _refuse(path, known, rain.isna() & ~blank, "rain", "is not an amount of rain")
    # -9, -99, -999 and the like are KMA's codes for missing
    rain = rain.where(rain >= 0)
    result["rain"] = rain.mask(blank, 0.0) if blank_is_dry else rain
    return result


def _csv(path: Path) -> pd.DataFrame:
    """Read a table as text; the encoding is found by trying."""
    import io

    import pandas as pd

    data = path.read_bytes()
    if not data.strip():
        raise ReaderError(f"{path} is empty; copy or download it again.")
    for encoding in ("utf-8-sig", "cp949"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ReaderError(f"{path} is neither in UTF-8 nor in CP949; save it as one of them.")
    try:
        return pd.read_csv(io.StringIO(text), dtype=str, skipinitialspace=True).rename(columns=str.strip)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ReaderError(f"{path} is not a table of comma-separated values: {error}.") from error


def _columns(raw: pd.DataFrame, required: tuple[str, ...], path: Path) -> dict[str, str]:
    """Return what the columns are called here; the first known name of each kind counts."""
    lower = {str(column).lower(): str(column) for column in raw.columns}
    found = {}
    for name, spellings in _NAMES.items():
        spelling = next((lower[s] for s in spellings if s in lower), None)
        if spelling is not None:
            found[spelling] = name
    absent = [name for name in required if name not in found.values()]
    if absent:
        raise ReaderError(
            f"{path} has no column for {', '.join(absent)}; it has {', '.join(map(str, raw.columns))}, "
            f"and {absent[0]} may be called {', '.join(_NAMES[absent[0]])}."
        )
    return found


def _refuse(path: Path, table: pd.DataFrame, bad: pd.Series[bool], column: str, why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise ReaderError(f"{path}, line {row + 2}: {table[column].iloc[row]!r} {why}.")


def _placed(table: pd.DataFrame, grid: Grid, *, at_least_one: bool = True) -> pd.DataFrame:
    """Return the rows on the grid with their ``row`` and ``column``."""
    unknown = table["lon"].isna() | table["lat"].isna()
    if unknown.any():
        row = table[unknown].iloc[0]
        raise ReaderError(
            f"Gauge {row['station']} {row['name']} has no coordinates; give a table of stations with stn, lon and "
            "lat (stations)."
        )
    rows, columns = (np.rint(index) for index in grid.cell(table["lon"].to_numpy(), table["lat"].to_numpy()))
    inside = (rows >= 0) & (rows < grid.shape[0]) & (columns >= 0) & (columns < grid.shape[1])
    if at_least_one and not inside.any():
        raise ReaderError(f"None of the {table['station'].nunique()} gauges lies on grid {grid.name!r}.")
    placed = table[inside].copy()
    placed["row"], placed["column"] = rows[inside].astype(int), columns[inside].astype(int)
    return placed


def _map(placed: pd.DataFrame, grid: Grid) -> NDArray[np.float32]:
    rain = np.full(grid.shape, np.nan, np.float32)
    means = placed[placed["rain"].notna()].groupby(["row", "column"])["rain"].mean()
    cells = means.index.to_frame().to_numpy(int)
    rain[cells[:, 0], cells[:, 1]] = means.to_numpy()
    return rain


def _names(files: list[Path]) -> str:
    return ", ".join(path.name for path in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
