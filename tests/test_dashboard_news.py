"""An archive or a forecast that grows while the page is open."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import archives
import numpy as np
import pytest

from sslpdl import forecast
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard import Settings
from sslpdl.dashboard.audience import Audience
from sslpdl.dashboard.fields import field
from sslpdl.dashboard.overlays import overlay
from sslpdl.dashboard.source import Source, open_source
from sslpdl.files import write_json_atomic

RUNS = ["2022-08-08T00:00", "2022-08-08T12:00", "2022-08-09T00:00"]


def settings(tmp_path: Path, **paths: Path) -> Settings:
    return Settings.from_environment({}, archive=tmp_path / "a.zarr", cache=tmp_path / "cache", **paths)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    archives.make(tmp_path / "a.zarr", runs=2)
    return open_source(settings(tmp_path))


def add_run(path: Path, number: int) -> None:
    with ArchiveWriter.append(path) as writer:
        writer.write_run(archives.START + np.timedelta64(12 * number, "h"), archives.fields(number))


def test_nothing_new_is_no_news(source: Source) -> None:
    assert source.news() is None


def test_a_new_run_is_told_once(source: Source, tmp_path: Path) -> None:
    assert source.init_times == RUNS[:2]
    assert source.first_view[0] == RUNS[1]
    add_run(tmp_path / "a.zarr", 2)
    assert source.news() == {"kind": "runs", "init_times": RUNS, "changed": []}
    assert source.news() is None
    assert source.init_times == RUNS
    assert source.first_view[0] == RUNS[2], "the latest run follows"
    assert open_source(settings(tmp_path)) is source


def test_a_run_is_no_news_before_it_is_whole(source: Source, tmp_path: Path) -> None:
    with ArchiveWriter.append(tmp_path / "a.zarr") as writer:
        writer._put("init_time", 2, np.array([0]))  # what a process that is killed has written
        assert source.news() is None
    add_run(tmp_path / "a.zarr", 2)
    news = source.news()
    assert news is not None
    assert news["init_times"] == RUNS


def test_an_earlier_run_may_come_late(source: Source, tmp_path: Path) -> None:
    frames = source._pack(RUNS[0], archives.fields(0), None)
    with ArchiveWriter.append(tmp_path / "a.zarr") as writer:
        writer.write_run("2022-08-07T12", archives.fields(5))
    news = source.news()
    assert news is not None
    assert news["init_times"] == ["2022-08-07T12:00", *RUNS[:2]]
    assert source._pack(RUNS[0], archives.fields(0), None).meta == frames.meta, "the same run at another place"


def test_what_was_packed_from_less_data_is_not_shown_again(source: Source, tmp_path: Path) -> None:
    session: Any = SimpleNamespace(source=source)
    asked = [(field, {"run": RUNS[0], "name": "t_2m"}), (overlay, {"run": RUNS[0], "name": "slp"})]
    before = [ask(session, message) for ask, message in asked]
    other = field(session, {"run": RUNS[1], "name": "t_2m"})
    with ArchiveWriter.append(tmp_path / "a.zarr") as writer:
        writer.write_run("2022-08-07T12", archives.fields(5))
    assert source.news() is not None
    assert [ask(session, message) for ask, message in asked] == before, "though every run has moved by one place"
    assert field(session, {"run": RUNS[1], "name": "t_2m"}) == other != before[0]


def test_more_observed_rain_changes_the_runs_that_it_belongs_to(source: Source, tmp_path: Path) -> None:
    # QPE ends at 17 UTC; the second run, 12 UTC + 0 to 3 h, has all of its own
    add_run(tmp_path / "a.zarr", 2)
    source.news()
    source._entries[RUNS[2]] = object()  # type: ignore[assignment]
    source._entries[RUNS[0]] = object()  # type: ignore[assignment]
    with ArchiveWriter.append(tmp_path / "a.zarr") as writer:
        writer.write_qpe([np.datetime64("2022-08-09T02")], archives.rain(1, 1))
    assert source.news() == {"kind": "runs", "init_times": RUNS, "changed": [RUNS[2]]}
    assert list(source._entries) == [RUNS[0]], "only what has changed is read again"


def test_another_archive_in_its_place_is_said_and_not_mixed(source: Source, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "a.zarr")
    assert source.news() is None, "what was shown stays"
    archives.make(tmp_path / "a.zarr", runs=1)
    assert source.news() == {"kind": "replaced"}
    assert source.init_times == RUNS[:2]
    assert open_source(settings(tmp_path)).init_times == RUNS[:1], "the next visitor gets the new one"


def test_damaged_metadata_is_logged_once(source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_json_atomic(tmp_path / "a.zarr" / "zarr.json", {"zarr_format": 3})
    assert source.news() is None
    assert source.news() is None
    assert caplog.text.count("cannot be opened again") == 1
    assert source.init_times == RUNS[:2]


class Visitor:
    """In place of a session."""

    def __init__(self, source: Any) -> None:
        self.source, self.gone = source, False
        self.heard: list[dict[str, Any]] = []

    def tell(self, message: dict[str, Any]) -> None:
        self.heard.append(message)


class Still:
    """A source that has news once."""

    def __init__(self) -> None:
        self.left = [{"kind": "runs", "init_times": RUNS, "changed": []}]

    def news(self) -> dict[str, Any] | None:
        return self.left.pop() if self.left else None


def test_sessions_hear_of_their_own_source_until_they_leave() -> None:
    audience, source, other = Audience(every=3600), Still(), Still()
    first, second, elsewhere = Visitor(source), Visitor(source), Visitor(other)
    other.left.clear()
    for visitor in (first, second, elsewhere):
        audience.enter(visitor)  # type: ignore[arg-type]
    assert audience.look()
    assert [len(v.heard) for v in (first, second, elsewhere)] == [1, 1, 0]
    audience.leave(first)  # type: ignore[arg-type]
    audience.tell({"kind": "jobs"})
    assert [len(v.heard) for v in (first, second, elsewhere)] == [1, 2, 1]
    second.gone = elsewhere.gone = True
    assert not audience.look(), "nobody is there: the thread may end"


def test_a_source_that_fails_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def news(self) -> None:
            raise RuntimeError("broken")

    audience, visitor = Audience(every=3600), Visitor(Still())
    for one in (Visitor(Broken()), visitor):
        audience.enter(one)  # type: ignore[arg-type]
    assert audience.look()
    assert len(visitor.heard) == 1
    assert "broken" in caplog.text


def test_a_stored_forecast_that_gains_a_run_changes_it(tmp_path: Path) -> None:
    class Model:
        channels, thresholds, rain_window, provenance, decision = ("rain",), (1.0,), 1.0, {"name": "x"}, {1.0: 0.5}

        def check(self, archive: Any) -> None:
            pass

        def probabilities(self, fields: np.ndarray) -> np.ndarray:
            return np.full((len(fields), 2, *fields.shape[-2:]), 0.5, "float32")

    archive = archives.make(tmp_path / "a.zarr", runs=2)
    out = tmp_path / "f.zarr"
    forecast.run(open_archive(archive), Model(), init_time=RUNS[0], out=out)  # type: ignore[arg-type]
    source = open_source(settings(tmp_path, forecast=out))
    assert forecast.append(archive, Model(), out) == [np.datetime64(RUNS[1])]  # type: ignore[arg-type]
    assert source.news() == {"kind": "runs", "init_times": RUNS[:2], "changed": [RUNS[1]]}
