"""A watched folder: new files, bad files, unfinished files, kills, and doing nothing twice."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import make_grib as make
import make_qpe
import numpy as np
import pytest

from sslpdl import forecast, models
from sslpdl.archive import open_archive, statistics, validate
from sslpdl.errors import ConfigError
from sslpdl.watch import Watcher, watch

SMALL = (33, 41)


def write_run(folder: Path, init: str, leads: tuple[int, ...] = (1, 2, 3), rain: float = 2.0) -> list[Path]:
    """Write one GFS-like file a lead time on a small grid, as old as files are that have come long ago."""
    folder.mkdir(exist_ok=True)
    paths = []
    for lead in leads:
        messages = [
            make.channel("t_850", np.full(SMALL, 280.0 + lead), lead=lead),
            make.channel("rain", np.full(SMALL, rain * lead), start=0, lead=lead),
        ]
        path = folder / f"gfs.{init}.f{lead:03d}.grib2"
        paths.append(make.write_grib2(path, messages, init=init, grid=make.SMALL_KOREA, centre=7))
    age(*paths)
    return paths


def age(*paths: Path, seconds: float = 3600) -> None:
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    write_run(tmp_path / "inbox", "2022080800")
    return tmp_path / "inbox"


def watcher(inbox: Path, **changes: object) -> Watcher:
    return Watcher(inbox, inbox.parent / "a.zarr", grid="native", settle=0.0, **changes)  # type: ignore[arg-type]


def held(inbox: Path) -> list[str]:
    return [str(time) for time in open_archive(inbox.parent / "a.zarr")["init_time"].values.astype("datetime64[h]")]


def test_new_files_become_runs_once(inbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sslpdl.watch")
    one = watcher(inbox)
    assert one.look() == 0
    assert held(inbox) == ["2022-08-08T00"]
    assert len(caplog.records) == 1, "one line a step"
    assert one.look() == 0
    assert watcher(inbox).look() == 0
    assert len(caplog.records) == 1, "nothing twice, also for another process"
    write_run(inbox, "2022080812")
    assert watcher(inbox).look() == 0
    assert held(inbox) == ["2022-08-08T00", "2022-08-08T12"]
    validate(open_archive(inbox.parent / "a.zarr"))


def test_without_its_journal_nothing_is_done_twice(inbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = watcher(inbox)
    one.look()
    before = open_archive(one.archive).attrs["source_files"]
    for text in (None, "{", '{"files": [1]}'):
        one.journal.path.unlink() if text is None else one.journal.path.write_text(text)
        assert watcher(inbox).look() == 0
        assert held(inbox) == ["2022-08-08T00"]
        assert open_archive(one.archive).attrs["source_files"] == before


def test_a_run_is_taken_when_it_is_complete_or_nothing_more_comes(inbox: Path) -> None:
    watcher(inbox).look()
    fresh = write_run(inbox, "2022080812", leads=(1, 2))
    age(*fresh, seconds=70)
    assert watcher(inbox).look() == 0
    assert held(inbox) == ["2022-08-08T00"], "+3 h may still come"
    age(*write_run(inbox, "2022080812", leads=(3,)), seconds=70)
    watcher(inbox).look()
    assert held(inbox) == ["2022-08-08T00", "2022-08-08T12"], "all fields of the run before"
    partly = write_run(inbox, "2022080900", leads=(1,))
    age(*partly, seconds=700)
    watcher(inbox).look()
    assert held(inbox)[-1] == "2022-08-09T00", "ten minutes without another file"


def test_unfinished_files_wait(inbox: Path) -> None:
    (first, *_) = write_run(inbox, "2022080812")
    whole = first.read_bytes()
    first.rename(first.with_suffix(".grib2.part"))
    hidden = inbox / ".gfs.2022080812.f002.grib2.Xy12"
    shutil.copy(inbox / "gfs.2022080812.f002.grib2", hidden)

    class Growing(Watcher):
        def _listed(self) -> dict:
            found = super()._listed()
            path = self.folder / "gfs.2022080900.f001.grib2"
            with path.open("ab") as file:
                file.write(whole[:100])
            return found

    one = Growing(inbox, inbox.parent / "a.zarr", grid="native", settle=0.0)
    (inbox / "gfs.2022080900.f001.grib2").write_bytes(whole[:100])
    assert one.look() == 0, "a file that grows is not called damaged"
    assert "2022-08-09T00" not in held(inbox)


def test_a_bad_file_is_reported_once_and_does_not_stop_the_others(
    inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sslpdl.watch")
    bad = inbox / "cut.grib2"
    bad.write_bytes((inbox / "gfs.2022080800.f001.grib2").read_bytes()[:-40])
    empty = inbox / "empty.nc"
    empty.touch()
    (inbox / "readme.txt").write_text("no data")
    age(bad, empty)
    assert watcher(inbox).look() == 2
    assert held(inbox) == ["2022-08-08T00"]
    assert caplog.text.count("bad file cut.grib2") == 1
    assert caplog.text.count("bad file empty.nc") == 1
    assert watcher(inbox).look() == 0
    assert caplog.text.count("bad file") == 2
    assert bad.exists(), "nothing is moved"
    shutil.copy(inbox / "gfs.2022080800.f001.grib2", bad)
    age(bad)
    assert watcher(inbox).look() == 0, "a file that was repaired is looked at again"


def test_another_model_does_not_mix_in(inbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    watcher(inbox).look()
    grid = make.SMALL_KOREA | {"iDirectionIncrementInDegrees": 0.25, "longitudeOfLastGridPointInDegrees": 126.0}
    path = inbox / "other.grib2"
    messages = [make.channel("t_850", np.full(SMALL, 280.0), lead=1)]
    make.write_grib2(path, messages, init="2022080812", grid=grid, centre=7)
    age(path)
    assert watcher(inbox).look() == 1
    assert held(inbox) == ["2022-08-08T00"]
    assert "make another archive" in caplog.text


def test_trouble_that_is_not_the_files_is_not_held_against_them(inbox: Path) -> None:
    from sslpdl.archive import ArchiveWriter

    watcher(inbox).look()
    write_run(inbox, "2022080812")
    with ArchiveWriter.append(inbox.parent / "a.zarr"), pytest.raises(Exception, match="Another process is writing"):
        watch(watcher(inbox), once=True)
    assert watch(watcher(inbox), once=True) == 0
    assert held(inbox) == ["2022-08-08T00", "2022-08-08T12"]


def test_one_watcher_at_a_time(inbox: Path) -> None:
    from sslpdl.watch import _alone

    with _alone(inbox.parent / "a.zarr"), pytest.raises(ConfigError, match="another process watches"):
        watch(watcher(inbox), once=True)


def test_the_published_layout_is_taken_as_a_whole(tmp_path: Path) -> None:
    root = tmp_path / "MESO-5km"
    table = make_qpe.write_legacy_tree(root, ["2020070100", "2020070101"])

    def look() -> int:
        age(*root.rglob("*.npy"))
        return Watcher(root, tmp_path / "a.zarr", profile="legacy", statistics=table, settle=0.0).look()

    assert look() == 0
    assert open_archive(tmp_path / "a.zarr").sizes["init_time"] == 2
    make_qpe.write_legacy_tree(root, ["2020070102"])
    assert look() == 0
    assert open_archive(tmp_path / "a.zarr").sizes["init_time"] == 3
    assert look() == 0


@pytest.fixture
def model(inbox: Path) -> Path:
    """A tiny network with weights as they come, for the two channels."""
    watcher(inbox).look()
    archive = open_archive(inbox.parent / "a.zarr")
    network = models.build("tiny", channels=2, classes=2, shape=SMALL)
    trained = models.TrainedModel(
        network=network, channels=("t_850", "rain"), statistics=statistics(archive), thresholds=(1.0,),
        rain_window=1.0, grid="native",
    )  # fmt: skip
    return Path(models.save(inbox.parent / "model", trained))


def test_new_runs_are_forecast_once(inbox: Path, model: Path) -> None:
    watcher(inbox, model=model).look()
    out = inbox.parent / "a-forecast.zarr"
    write_run(inbox, "2022080812", rain=20.0)
    watcher(inbox, model=model).look()
    stored = forecast.open_forecast(out)
    assert list(stored.init_time.values.astype("datetime64[h]")) == [
        np.datetime64("2022-08-08T00"),
        np.datetime64("2022-08-08T12"),
    ]
    direct = forecast.run(inbox.parent / "a.zarr", model)
    for name in ("class_probability", "valid_time"):
        np.testing.assert_allclose(stored[name].values.astype(float), direct[name].values.astype(float), atol=1e-4)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    watcher(inbox, model=model).look()
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before, "nothing twice"


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_all_whole(inbox: Path, model: Path) -> None:
    for init in ("2022080812", "2022080900", "2022080912"):
        write_run(inbox, init)
    archive, out = inbox.parent / "a.zarr", inbox.parent / "f.zarr"
    command = [sys.executable, "-m", "sslpdl", "watch", str(inbox), "--archive", str(archive), "--model", str(model)]
    command += ["--forecast", str(out), "--grid", "native", "--once"]

    def held() -> tuple[int, int]:
        runs = open_archive(archive).sizes["init_time"]
        return runs, forecast.open_forecast(out).sizes["init_time"] if out.exists() else 0

    # killed as soon as the second run is stored, as soon as the first forecast is, and in between two forecasts
    for done in ((2, 0), (4, 1), (4, 2)):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while held() < done and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        validate(open_archive(archive))
    last = subprocess.run(command, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert held() == (4, 4)
    direct = forecast.run(archive, model)
    stored = forecast.open_forecast(out)
    np.testing.assert_allclose(stored.class_probability.values, direct.class_probability.values, atol=1e-4)
    (inbox / "bad.grib2").write_bytes(b"GRIB nothing")
    age(inbox / "bad.grib2")
    codes = [subprocess.run(command, capture_output=True, check=False).returncode for _ in range(2)]
    assert codes == [1, 0], "reported once"


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"model": "none"}, "no model in"), ({"forecast": "f.zarr"}, "needs a model")],
)
def test_mistakes_are_said_at_once(inbox: Path, changes: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        watcher(inbox, **{name: inbox / path for name, path in changes.items()})
    with pytest.raises(ConfigError, match="no folder"):
        watcher(inbox / "nowhere")
