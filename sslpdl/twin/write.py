"""Archives of the twin: runs and the rain that was to be forecast, made by several processes, resumable."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sslpdl import __version__
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.channels import CANONICAL
from sslpdl.errors import ArchiveError, ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.progress import bar
from sslpdl.twin.generate import forecast, truth_rain
from sslpdl.twin.noise import VERSION, Field
from sslpdl.twin.season import TwinConfig

__all__ = ["CASE_LEAD_TIME", "CASE_RUNS", "LEAD_TIME", "attributes", "default_runs", "observed", "write_archive"]

Times = npt.NDArray[np.datetime64]
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

LEAD_TIME = tuple(range(3, 37, 3))
"""Default lead times in hours: twelve a run."""

CASE_RUNS = ("2022-08-08T00", "2022-08-08T12", "2022-08-09T00", "2022-08-10T00")
"""Default runs of the case ``august-2022``."""

CASE_LEAD_TIME = tuple(range(1, 37))
"""Default lead times of the case in hours."""

_QPE_BLOCK = 24


def default_runs(start: Any, end: Any, *, every: int = 12) -> Times:
    """Return the runs every so many hours between two times, both included, that start from June to September.

    Raises
    ------
    ConfigError
        If there is none.
    """
    first, last = np.datetime64(start, "h"), np.datetime64(end, "h")
    if last < first:
        raise ConfigError(f"The period of the twin ends ({last}) before it begins ({first}); swap the two.")
    if every < 1:
        raise ConfigError(f"Runs of the twin cannot be {every} hours apart; use at least 1.")
    times: Times = np.arange(first, last + np.timedelta64(1, "h"), np.timedelta64(every, "h"))
    month = times.astype("datetime64[M]").astype(int) % 12 + 1
    runs: Times = times[(month >= 6) & (month <= 9)]
    if not runs.size:
        raise ConfigError(f"The twin has no run between {first} and {last} UTC: its runs start from June to September.")
    return runs


def write_archive(
    path: str | os.PathLike[str],
    *,
    start: Any = None,
    end: Any = None,
    every: int = 12,
    init_times: Iterable[Any] | None = None,
    lead_time: Sequence[int] | range | None = None,
    seed: int = 0,
    case: str | None = None,
    processes: int = 2,
    progress: bool = True,
    overwrite: bool = False,
) -> Path:
    """Write an archive of the twin, or go on with one that was interrupted.

    Observed rain is stored for every valid time that the runs reach, as QPE would be: NaN outside the verification mask
    of the grid, which is South Korea and the waters within radar range.

    Parameters
    ----------
    path : path
        Folder of the archive.  If it holds an archive of the same twin and lead times, what is missing is added.
    start, end : time, optional
        Runs from June to September between these, both included.
    every : int
        Hours between these runs.
    init_times : iterable of times, optional
        These runs instead.
    lead_time : sequence of int, optional
        Lead times in hours; 3, 6, ... 36 by default, 1 to 36 for the case.
    seed : int
        Which twin.
    case : str, optional
        ``"august-2022"``: a synthetic analogue of that situation; without times, the runs :data:`CASE_RUNS`.
    processes : int
        Worker processes; 1 works in this process.  A script that asks for more needs the usual
        ``if __name__ == "__main__":`` guard of :mod:`multiprocessing`.
    progress : bool
        Whether to show a progress bar.
    overwrite : bool
        Start anew if an archive is there.

    Returns
    -------
    Path
        The archive.

    Raises
    ------
    ConfigError
        If no run is named, or a time lies outside the twin's summers.
    ArchiveError
        If the folder holds something else, or cannot be written.
    """
    config = TwinConfig(seed=seed, case=case)
    runs = _runs(start, end, every, init_times, case)
    leads = np.asarray((CASE_LEAD_TIME if case else LEAD_TIME) if lead_time is None else list(lead_time), int)
    valid = np.unique(runs[:, None] + leads.astype("timedelta64[h]"))
    with _writer(Path(path), leads, config, overwrite) as writer:
        missing_rain = np.setdiff1d(valid, writer.valid_times.astype("datetime64[h]"))
        missing_runs = np.setdiff1d(runs, writer.init_times.astype("datetime64[h]"))
        blocks = np.split(missing_rain, range(_QPE_BLOCK, len(missing_rain), _QPE_BLOCK))
        rain_tasks = [(block, config) for block in blocks if len(block)]
        run_tasks = [(run, leads.tolist(), config) for run in missing_runs]
        workers = min(processes, len(rain_tasks) + len(run_tasks))
        with _mapper(workers) as in_order:
            with bar("Observed rain", total=len(missing_rain), unit="hours", shown=progress) as advance:
                for times, rain in in_order(_make_rain, rain_tasks):
                    writer.write_qpe(times, rain)
                    advance(len(times))
            with bar("Forecasts", total=len(run_tasks) * len(leads), unit="samples", shown=progress) as advance:
                for run, fields in in_order(_make_run, run_tasks):
                    writer.write_run(run, fields)
                    advance(len(leads))
    return Path(path)


def _runs(start: Any, end: Any, every: int, init_times: Iterable[Any] | None, case: str | None) -> Times:
    if init_times is not None:
        runs = np.unique(np.array([np.datetime64(time, "h") for time in init_times], "datetime64[h]"))
        if not runs.size:
            raise ConfigError("The list of runs for the twin is empty; name at least one start time.")
        return runs
    if start is not None and end is not None:
        return default_runs(start, end, every=every)
    if start is not None or end is not None:
        raise ConfigError("The twin needs both a start and an end; give the other one too.")
    if case is None:
        raise ConfigError("The twin needs to know which runs to make; give a start and an end, or a case.")
    return np.array(CASE_RUNS, "datetime64[h]")


@contextmanager
def _writer(path: Path, leads: npt.NDArray[np.int_], config: TwinConfig, overwrite: bool) -> Iterator[ArchiveWriter]:
    described = attributes(config)
    wanted = described["config"]["twin"]
    layout = {"grid": KOREA_5KM, "channels": CANONICAL, "lead_time": leads}
    if (path / "zarr.json").exists() and not overwrite:
        stored = json.loads(open_archive(path).attrs.get("config", "{}")).get("twin")
        if stored != wanted:
            raise ArchiveError(f"{path} is no archive of the twin {wanted} but of {stored}; choose another folder.")
        writer = ArchiveWriter.append(path, **layout)  # type: ignore[arg-type]
    else:
        mask = KOREA_5KM.verification_mask()
        writer = ArchiveWriter.create(path, **layout, mask=mask, attrs=described, overwrite=overwrite)  # type: ignore[arg-type]
    with writer:
        yield writer


def attributes(config: TwinConfig) -> dict[str, Any]:
    """Return the attributes of an archive of a twin; ``config`` holds its version, seed and case."""
    title = f"Synthetic twin of East Asian summers, seed {config.seed}"
    if config.case == "august-2022":
        title = "Synthetic analogue of 8-11 August 2022 (no observation and no real forecast)"
    return {
        "title": title,
        "source": f"sslpdl {__version__} synthetic twin, version {VERSION}",
        "synthetic": "true",
        "nwp": "RDAPS-like",
        "config": {"twin": {"twin_version": VERSION, "seed": config.seed, "case": config.case}},
        "comment": "Made by a random generator. 'qpe' is the twin's true rain, NaN outside radar range as real QPE is.",
    }


def _make_rain(task: tuple[Times, TwinConfig]) -> tuple[Times, Field]:
    times, config = task
    return times, observed(times, config)


def observed(times: Times, config: TwinConfig) -> Field:
    """Return the rain (time, y, x) as radars and gauges would see it: NaN outside the verification mask."""
    mask = KOREA_5KM.verification_mask()
    return np.stack([np.where(mask, truth_rain(time, config), np.float32(np.nan)) for time in times])


def _make_run(task: tuple[np.datetime64, list[int], TwinConfig]) -> tuple[np.datetime64, Field]:
    run, leads, config = task
    return run, forecast(run, leads, config)


_Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]


@contextmanager
def _mapper(processes: int) -> Iterator[_Map]:
    """Give a ``map`` that keeps the order, holds few results at a time, and works in other processes."""
    if processes <= 1:
        yield map
        return
    # A forked child of a process with threads can hang; started afresh it cannot.
    with _one_thread_each(), ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:

        def in_order(function: Callable[[_Task], _Result], tasks: Sequence[_Task]) -> Iterator[_Result]:
            waiting = iter(tasks)
            ahead: list[Future[_Result]] = [pool.submit(function, task) for task in islice(waiting, processes + 1)]
            while ahead:
                result = ahead.pop(0).result()
                ahead += [pool.submit(function, task) for task in islice(waiting, 1)]
                yield result

        try:
            yield in_order
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start in this block use one thread each: they are as many as there are cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
