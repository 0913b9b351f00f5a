"""Jobs of the page: in order, one at a time, bounded, and ended without remains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import archives
import pytest

from sslpdl.dashboard import Settings, jobs, probabilities
from sslpdl.dashboard.audience import AUDIENCE
from sslpdl.dashboard.jobs import Worker
from sslpdl.dashboard.source import Source, open_source
from sslpdl.errors import ForecastError

MODEL = "thresholds: [1.0]\nrain_window: 1.0\n"


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Source]:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.yaml").write_text(MODEL)

    def source(name: str) -> Source:
        archive = archives.make(tmp_path / f"{name}.zarr", runs=3, attrs={"title": name})
        return open_source(
            Settings.from_environment({}, archive=archive, model=tmp_path / "model", cache=tmp_path / name)
        )

    return source


class Gate:
    """In place of the model's process: each run takes as long as the test wants."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.leave = threading.Semaphore(0)
        self.ended = False
        self.fails = False

    def __call__(self, command: list[str]) -> None:
        self.asked.append(command[command.index("--init-time") + 1])
        out = Path(command[command.index("--out") + 1])
        out.mkdir()
        (out / "half").touch()
        assert self.leave.acquire(timeout=20)
        if self.ended or self.fails:
            raise ForecastError("the model's process ended with -15.")

    def end(self) -> None:
        self.ended = True
        self.leave.release()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(probabilities, "_run_process", gate)
    monkeypatch.setattr(probabilities, "open_forecast", lambda path: path)
    monkeypatch.setattr(probabilities.StoredForecast, "stored", lambda *_: {})
    monkeypatch.setattr(jobs, "end_children", gate.end)
    return gate


def wait(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def states(worker: Worker) -> list[tuple[str, int]]:
    return [(job["state"], job["done"]) for job in worker.listing()]


def test_a_job_forecasts_what_is_missing_run_by_run(make: Callable, gate: Gate) -> None:
    source, worker = make("a"), Worker()
    fields = source.archive["fields"].isel(init_time=1).values
    source.probabilities._path(fields).mkdir(parents=True)  # the second run has been computed before
    job = worker.add(source)
    wait(lambda: len(gate.asked) == 1)
    assert states(worker) == [("running", 0)]
    gate.leave.release()
    wait(lambda: len(gate.asked) == 2)
    assert states(worker) == [("running", 2)]
    told = job.message()
    assert (told["total"], told["leads"], told["title"]) == (3, 4, "a")
    assert told["seconds_left"] is not None
    gate.leave.release()
    wait(lambda: states(worker) == [("done", 3)])
    assert gate.asked == [source.init_times[0], source.init_times[2]]
    worker.add(source)
    wait(lambda: states(worker)[-1] == ("done", 3))
    assert len(gate.asked) == 2, "nothing twice"


def test_cancelling_ends_the_process_and_leaves_nothing_half_made(make: Callable, gate: Gate, tmp_path: Path) -> None:
    source, worker = make("a"), Worker()
    job = worker.add(source)
    wait(lambda: gate.asked)
    worker.cancel(job.number)
    wait(lambda: worker._computing is None and gate.ended)
    wait(lambda: not list((tmp_path / "a" / "forecasts").iterdir()))
    assert states(worker) == [("cancelled", 0)]
    gate.ended = False
    worker.add(source)
    wait(lambda: len(gate.asked) == 2)
    for _ in range(3):
        gate.leave.release()
    wait(lambda: states(worker)[-1] == ("done", 3))


def test_what_somebody_looks_at_goes_first(make: Callable, gate: Gate) -> None:
    source, worker, order = make("a"), Worker(), []
    worker.add(source)
    wait(lambda: gate.asked)
    worker.urgent(lambda: order.append(len(gate.asked)))
    for _ in range(3):
        gate.leave.release()
    wait(lambda: states(worker) == [("done", 3)])
    assert order == [1], "after the run that was being computed, before the next"


def test_the_queue_is_bounded_and_one_archive_waits_once(make: Callable, gate: Gate) -> None:
    worker = Worker()
    sources = [make(f"s{i}") for i in range(12)]
    worker.add(sources[0])
    wait(lambda: gate.asked)
    with pytest.raises(ForecastError, match="already"):
        worker.add(sources[0])
    for source in sources[1:11]:
        worker.add(source)
    with pytest.raises(ForecastError, match="10 jobs are waiting"):
        worker.add(sources[11])
    waiting = worker.listing()[1]["number"]
    worker.cancel(waiting)
    worker.add(sources[11])
    assert not gate.ended, "a job that only waits has no process to end"
    for job in worker.listing():
        worker.cancel(job["number"])


def test_a_failure_is_said(make: Callable, gate: Gate) -> None:
    worker = Worker()
    gate.fails = True
    gate.leave.release()
    worker.add(make("a"))
    wait(lambda: states(worker) == [("failed", 0)])
    assert worker.listing()[0]["problem"] == "the model's process ended with -15."


def test_a_stored_forecast_is_not_computed(tmp_path: Path) -> None:
    archive = archives.make(tmp_path / "a.zarr", runs=1)
    source = open_source(Settings.from_environment({}, archive=archive, model=tmp_path / "none"))
    with pytest.raises(ForecastError, match="there is no model in"):
        Worker().add(source)


def test_sessions_hear_how_jobs_stand_and_that_results_are_there(make: Callable, gate: Gate) -> None:
    class Visitor:
        gone = False

        def __init__(self, source: Source) -> None:
            self.source, self.heard = source, []

        def tell(self, message: dict[str, Any]) -> None:
            self.heard.append(message)

    source = make("a")
    visitor = Visitor(source)
    AUDIENCE.enter(visitor)  # type: ignore[arg-type]
    try:
        for _ in range(3):
            gate.leave.release()
        worker = Worker()
        worker.add(source)
        wait(lambda: states(worker) == [("done", 3)])
        wait(lambda: visitor.heard[-1]["kind"] == "jobs" and visitor.heard[-1]["jobs"][0]["state"] == "done")
        changed = [message["changed"] for message in visitor.heard if message["kind"] == "runs"]
        assert changed == [[time] for time in source.init_times]
    finally:
        AUDIENCE.leave(visitor)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [None, "1", [1], -5, 10**30])
def test_a_number_that_is_none_cancels_nothing(number: Any) -> None:
    assert jobs.cancel(None, {"number": number}) == {}  # type: ignore[arg-type]
