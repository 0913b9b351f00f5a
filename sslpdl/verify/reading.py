"""Counting a whole archive: which cases exist, and reading them one after another while the last one is counted."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sslpdl.archive import pairs
from sslpdl.errors import VerifyError
from sslpdl.forecast import EXCEEDANCE
from sslpdl.progress import bar
from sslpdl.verify.climatology import CLIMATOLOGY, with_climatology
from sslpdl.verify.counting import Counter
from sslpdl.verify.merging import merge
from sslpdl.verify.parallel import in_order
from sslpdl.verify.regions import standard_regions

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["common_thresholds", "count"]

RAW = "raw"
_AHEAD = 4
# cases that a worker counts in one go
_TOGETHER = 48
# observations of one run are used again by the runs that follow
_REMEMBERED = 128


class _Case(NamedTuple):
    """Positions of one case: in the archive, and in each forecast by name."""

    init_time: np.datetime64
    lead_time: int
    init: int
    lead: int
    qpe: int
    places: dict[str, tuple[int, int]]


class _Task(NamedTuple):
    """What a worker needs to count some cases: data are read where they are used."""

    archive: xr.Dataset
    forecasts: dict[str, xr.Dataset]
    models: list[str]
    raw: list[str]
    settings: dict[str, Any]


def count(
    archive: xr.Dataset,
    models: Mapping[str, xr.Dataset | str],
    *,
    thresholds: Sequence[float] | None = None,
    regions: Mapping[str, NDArray[np.bool_]] | None = None,
    decision: Mapping[str, Mapping[float, float]] | None = None,
    scales: Sequence[int] = (),
    executor: Executor | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Count forecasts against the observations of an archive, case by case.

    Parameters
    ----------
    archive : Dataset
        As opened by `sslpdl.open_archive`.
    models : mapping
        Name to forecast (from `sslpdl.forecast.run` or `open_forecast`), or to ``"raw"`` for the rain of the NWP
        itself, or to ``"climatology"`` for the base rate of the verified sample.
    thresholds : sequence of float, optional
        Rain amounts [mm per rain window]; by default those that all forecasts have.
    regions : mapping of str to ndarray of bool, optional
        `standard_regions` by default.
    decision : mapping, optional
        Decision thresholds ``{model: {threshold: p*}}``; by default those stored with each forecast, else 0.5.
    scales : sequence of int, optional
        Widths in cells for the fractions skill score, such as `SCALES`; none by default, which is five times faster.
    executor : Executor, optional
        Counts runs in parallel: any `concurrent.futures.Executor`, such as that of `workers`.  The numbers are the
        same as in this process, to the last bit.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Dataset
        See `Counter.counts`; attributes say where the numbers come from, and how many cases were ``skipped`` because no
        cell was valid in the observation and in all models.

    Raises
    ------
    VerifyError
        If forecasts and archive have no case in common, differ in grid or rain window, or a threshold was not forecast.
    """
    forecasts = {name: model for name, model in models.items() if not isinstance(model, str)}
    words = {name: model for name, model in models.items() if isinstance(model, str)}
    for name, word in words.items():
        if word not in (RAW, CLIMATOLOGY):
            raise VerifyError(f"model {name!r} is {word!r}; give a forecast, 'raw' or 'climatology'.")
    for name, forecast in forecasts.items():
        _check_grid(archive, name, forecast)
    limits = common_thresholds(forecasts, thresholds)
    cases = _cases(archive, forecasts)
    counted = [name for name in models if words.get(name) != CLIMATOLOGY]
    settings = {
        "thresholds": limits,
        "models": counted,
        "regions": regions or standard_regions(archive),
        "decision": _stored_decisions(forecasts) | dict(decision or {}),
        "scales": tuple(scales),
        "attrs": _attributes(archive, cases, forecasts),
    }
    task = _Task(archive, forecasts, counted, [name for name in counted if name in words], settings)
    with bar("Verifying", total=len(cases), unit="fields", shown=progress) as advance:
        if executor is None:
            parts = [_count_cases(task, cases, advance)]
        else:
            parts = list(in_order(executor, partial(_count_cases, task), _by_runs(cases), advance))
    known = [counts for counts, _ in parts if counts is not None]
    if not known:
        raise VerifyError(
            "no cell has both a valid observation and valid forecasts of all models; check times, mask and gaps."
        )
    skipped = sum(without for _, without in parts)
    counts = (known[0] if len(known) == 1 else merge(known)).assign_attrs(cases=len(cases) - skipped, skipped=skipped)
    return with_climatology(counts) if CLIMATOLOGY in words.values() else counts


def _count_cases(
    task: _Task, cases: Sequence[_Case], advance: Callable[[int], None] = lambda _: None
) -> tuple[xr.Dataset | None, int]:
    """Return the counts of some cases, None where no cell counted, and the number of cases without any."""
    counter = Counter(**task.settings)
    read = _reader(task.archive, task.forecasts, task.raw, task.settings["thresholds"])
    skipped = 0
    for case, (observed, values) in _ahead(read, cases):
        skipped += counter.add(case.init_time, case.lead_time, observed, values) == 0
        advance(1)
    return (None if skipped == len(cases) else counter.counts()), skipped


def _by_runs(cases: Sequence[_Case]) -> list[list[_Case]]:
    """Divide cases into parts of whole runs, so that observations are read about once, of some 50 cases."""
    parts: list[list[_Case]] = []
    for _, run in groupby(cases, key=lambda case: case.init_time):
        whole = list(run)
        if parts and len(parts[-1]) + len(whole) <= _TOGETHER:
            parts[-1] += whole
        else:
            parts.append(whole)
    return parts


def common_thresholds(forecasts: Mapping[str, xr.Dataset], wanted: Sequence[float] | None = None) -> tuple[float, ...]:
    """Return the rain thresholds that all forecasts have, or check that they have the wanted ones.

    Raises
    ------
    VerifyError
        If a wanted threshold was not forecast, or none is common, or none is given where there is no forecast.
    """
    sets = {name: {float(r) for r in forecast["threshold"].values} for name, forecast in forecasts.items()}
    if wanted is not None:
        for name, there in sets.items():
            for r in wanted:
                if float(r) not in there:
                    raise VerifyError(f"forecast {name} has no threshold {r:g} mm; it has {sorted(there)}.")
        return tuple(float(r) for r in wanted)
    if not sets:
        raise VerifyError("give the rain thresholds to verify where there is no forecast that has some.")
    common = set.intersection(*sets.values())
    if not common:
        raise VerifyError(f"the forecasts have no rain threshold in common: {sets}.")
    return tuple(sorted(common))


def _check_grid(archive: xr.Dataset, name: str, forecast: xr.Dataset) -> None:
    for axis in ("y", "x"):
        ours, theirs = archive[axis].values, forecast[axis].values
        if ours.shape != theirs.shape or np.abs(ours - theirs).max() > 0.01 * _spacing(ours):
            raise VerifyError(f"forecast {name} lies on another grid than the archive; regrid it or make it again.")


def _spacing(centres: NDArray[Any]) -> float:
    return float(abs(centres[-1] - centres[0])) / max(centres.size - 1, 1) or 1.0


def _cases(archive: xr.Dataset, forecasts: Mapping[str, xr.Dataset]) -> list[_Case]:
    """Return the cases that the archive and all forecasts hold, runs first; they must have one rain window."""
    table = pairs(archive)
    places = {
        name: (_positions(forecast["init_time"], "datetime64[ns]"), _positions(forecast["lead_time"], "int64"))
        for name, forecast in forecasts.items()
    }
    columns = (table[name].to_numpy() for name in ("init", "lead", "qpe", "init_time", "lead_time"))
    found = []
    for init, lead, qpe, init_time, lead_time in zip(*columns, strict=True):
        time, hours = np.datetime64(init_time, "ns"), int(lead_time)
        stamp = int(time.astype(np.int64))
        if all(stamp in inits and hours in leads for inits, leads in places.values()):
            there = {name: (inits[stamp], leads[hours]) for name, (inits, leads) in places.items()}
            found.append(_Case(time, hours, int(init), int(lead), int(qpe), there))
    if not found:
        raise VerifyError("the forecasts and the archive's observations have no run and lead time in common.")
    windows = np.unique(archive["rain_window"].values[[case.lead for case in found]])
    if len(windows) > 1:
        raise VerifyError(
            f"the archive holds rain over {windows.tolist()} h; verify lead times of one window at a time."
        )
    for name, forecast in forecasts.items():
        window = float(forecast.attrs.get("rain_window", np.nan))
        if not np.isclose(window, windows[0]):
            raise VerifyError(f"forecast {name} is for {window:g}-h rain, the archive holds {windows[0]:g}-h rain.")
    return found


def _positions(times: xr.DataArray, kind: str) -> dict[int, int]:
    return {value: k for k, value in enumerate(times.values.astype(kind).astype("int64").tolist())}


def _reader(
    archive: xr.Dataset, forecasts: Mapping[str, xr.Dataset], raw: Sequence[str], thresholds: Sequence[float]
) -> Callable[[_Case], tuple[NDArray[Any], dict[str, NDArray[Any]]]]:
    """Return a function that reads one case: observed rain, and the forecasts by name."""
    names = archive["channel"].values.tolist()
    if raw and "rain" not in names:
        raise VerifyError(f"the archive has no channel 'rain' to verify the NWP itself; it has {', '.join(names)}.")
    levels = {
        name: [forecast["threshold"].values.astype(float).tolist().index(r) for r in thresholds]
        for name, forecast in forecasts.items()
    }

    @lru_cache(maxsize=_REMEMBERED)
    def observed(index: int) -> NDArray[Any]:
        return np.asarray(archive["qpe"][index].values)

    def read(case: _Case) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        values: dict[str, NDArray[Any]] = {}
        for name, forecast in forecasts.items():
            init, lead = case.places[name]
            values[name] = np.asarray(forecast[EXCEEDANCE][init, lead].values)[levels[name]]
        if raw:
            rain = np.asarray(archive["fields"][case.init, case.lead, names.index("rain")].values)
            values |= dict.fromkeys(raw, rain)
        return observed(case.qpe), values

    return read


def _ahead(read: Callable[[_Case], Any], cases: Sequence[_Case]) -> Iterator[tuple[_Case, Any]]:
    """Yield each case with what was read for it, a few cases ahead in another thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[tuple[_Case, Any]] = deque()
        try:
            for case in cases:
                waiting.append((case, pool.submit(read, case)))
                if len(waiting) > _AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _stored_decisions(forecasts: Mapping[str, xr.Dataset]) -> dict[str, Mapping[float, float]]:
    stored: dict[str, Mapping[float, float]] = {}
    for name, forecast in forecasts.items():
        table = json.loads(forecast.attrs.get("decision", "{}"))
        stored[name] = {float(threshold): float(p) for threshold, p in table.items()}
    return stored


def _attributes(archive: xr.Dataset, cases: Sequence[_Case], forecasts: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    times = [case.init_time for case in cases]
    size = _cell_km(archive)
    known = {} if size is None else {"cell_km": size}
    return known | {
        "title": archive.attrs.get("title", ""),
        "source": archive.attrs.get("source", ""),
        "synthetic": str(archive.attrs.get("synthetic", "false")),
        "rain_window": float(archive["rain_window"].values[cases[0].lead]),
        "first_run": str(min(times).astype("datetime64[h]")),
        "last_run": str(max(times).astype("datetime64[h]")),
        "models": json.dumps({name: str(forecast.attrs.get("model", "")) for name, forecast in forecasts.items()}),
    }


def _cell_km(archive: xr.Dataset) -> float | None:
    """Return the size of the cells in km, None where rows and columns differ or are degrees."""
    from sslpdl.grid import Grid

    grid = Grid.from_dataset(archive)
    if grid.geographic or not np.isclose(grid.dx, grid.dy):
        return None
    return round(grid.dx / 1000, 3)
