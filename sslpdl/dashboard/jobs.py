"""Models that run for the page: one at a time, what somebody looks at first, then the jobs that were asked for.

The model runs in a process of its own (see `probabilities`), so a job can be ended at any moment and leaves nothing
half-made: its results are kept run by run.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.audience import AUDIENCE
from sslpdl.dashboard.probabilities import ComputedForecast, NoForecast, end_children
from sslpdl.errors import ForecastError, SslpdlError

if TYPE_CHECKING:
    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.source import Source

__all__ = ["WORKER", "Job", "Worker", "cancel", "listing", "start"]

log = logging.getLogger(__name__)
_MOST_WAITING = 10
_KEPT = 5
_OPEN = ("waiting", "running")


@dataclass
class Job:
    """Forecasts of all runs of an archive that have none yet.

    Attributes
    ----------
    number : int
        What the page calls it.
    source : Source
        Whose runs.
    state : str
        ``waiting``, ``running``, ``done``, ``cancelled`` or ``failed``.
    total, done, computed : int
        Runs of the archive, those that have probabilities now, and those of them that this job has computed.
    problem : str
        Why it failed.
    """

    number: int
    source: Source
    total: int
    state: str = "waiting"
    done: int = 0
    computed: int = 0
    problem: str = ""
    _begun: float = field(default=0.0, repr=False)

    def message(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        rate = self.computed / max(time.monotonic() - self._begun, 1e-9) if self.computed else 0.0
        going = self.state == "running" and rate > 0
        return {
            "number": self.number,
            "title": self.source.title,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "leads": len(self.source.lead_times),
            "minutes_a_run": round(1 / rate / 60, 2) if rate else None,
            "seconds_left": round((self.total - self.done) / rate) if going else None,
            "problem": self.problem,
            "problem_kind": "failed" if self.problem else "",
        }


class Worker:
    """One thread that runs models."""

    def __init__(self) -> None:
        self._urgent: deque[Callable[[], None]] = deque()
        self._jobs: list[Job] = []
        self._numbers = itertools.count(1)
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None
        self._computing: Job | None = None

    def urgent(self, task: Callable[[], None]) -> None:
        """Do something as soon as the run that is being computed is done."""
        with self._change:
            self._urgent.append(task)
            self._wake()

    def add(self, source: Source) -> Job:
        """Take a job in.

        Raises
        ------
        ForecastError
            If the source has no model that runs here, is being forecast already, or too much is waiting.
        """
        if reason := why_not(source):
            raise ForecastError(reason)
        with self._change:
            open_jobs = [job for job in self._jobs if job.state in _OPEN]
            if any(job.source is source for job in open_jobs):
                raise ForecastError("these runs are being forecast already.", kind="forecast_already")
            if sum(job.state == "waiting" for job in open_jobs) >= _MOST_WAITING:
                sentence = f"{_MOST_WAITING} jobs are waiting already; try again when one of them is done."
                raise ForecastError(sentence, kind="busy")
            job = Job(next(self._numbers), source, len(source.init_times))
            ended = [one for one in self._jobs if one.state not in _OPEN][-_KEPT:]
            self._jobs = [*ended, *open_jobs, job]
            self._wake()
        self.tell()
        return job

    def cancel(self, number: int) -> None:
        """End a job; what it has computed so far stays."""
        with self._change:
            for job in self._jobs:
                if job.number == number and job.state in _OPEN:
                    job.state = "cancelled"
                    if self._computing is job:
                        end_children()
        self.tell()

    def listing(self) -> list[dict[str, Any]]:
        """Return all jobs as messages, the newest last."""
        with self._change:
            return [job.message() for job in self._jobs]

    def tell(self) -> None:
        """Tell all sessions how the jobs stand."""
        AUDIENCE.tell({"kind": "jobs", "jobs": self.listing()})

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sslpdl-model", daemon=True)
            self._thread.start()
        self._change.notify()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._urgent or self._next())
                task = self._urgent.popleft() if self._urgent else None
                job = None if task else self._next()
            try:
                if task is not None:
                    task()
                elif job is not None:
                    self._step(job)
            except Exception as error:  # the thread serves all sessions
                log.exception("A model could not be run.")
                if job is not None:
                    job.state, job.problem = "failed", f"this could not be done ({error})."
                    self.tell()

    def _next(self) -> Job | None:
        return next((job for job in self._jobs if job.state in _OPEN), None)

    def _step(self, job: Job) -> None:
        """Forecast the next run of a job that has no probabilities."""
        source = job.source
        with self._change:
            if job.state == "cancelled":
                return
            if job.state == "waiting":
                job.state, job._begun = "running", time.monotonic()
        job.total = len(source.init_times)  # runs may have been added meanwhile
        if job.done >= job.total:
            job.state = "done"
        else:
            self._forecast(job, source.init_times[job.done])
        self.tell()

    def _forecast(self, job: Job, init_time: str) -> None:
        source = job.source
        assert isinstance(source.probabilities, ComputedForecast)
        try:
            fields = source.archive["fields"].sel(init_time=np.datetime64(init_time, "ns")).values
            new = not source.probabilities.holds(fields)
            if new:
                with self._change:
                    if job.state != "running":
                        return
                    self._computing = job
                source.probabilities.compute(np.datetime64(init_time, "ns"), fields)
        except (SslpdlError, OSError, ValueError, MemoryError) as error:
            with self._change:
                if job.state == "running":  # otherwise it was cancelled, and this is what came of it
                    job.state, job.problem = "failed", str(error)
            return
        finally:
            with self._change:
                self._computing = None
        job.done += 1
        if new:
            job.computed += 1
            source.forget(init_time)
            AUDIENCE.tell({"kind": "runs", "init_times": source.init_times, "changed": [init_time]}, source=source)


def why_not(source: Source) -> str:
    """Return why the runs of a source cannot be forecast here, or an empty text."""
    if isinstance(source.probabilities, ComputedForecast):
        return ""
    if isinstance(source.probabilities, NoForecast):
        return source.probabilities.reason
    return "a stored forecast is shown; `sslpdl watch` adds runs to it."


WORKER = Worker()
"""What runs models in this process."""


def listing(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``jobs``: all jobs, and why this session's data cannot be forecast here, if so."""
    return {"jobs": WORKER.listing(), "why_not": why_not(session.source)}


def start(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``forecast``: forecast the runs that this session looks at."""
    return {"number": WORKER.add(session.source).number}


def cancel(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question ``cancel``, which names a job by its number."""
    number = message.get("number")
    if isinstance(number, int):
        WORKER.cancel(number)
    return {}
