"""Runs on their way from the archive to the browser, with the probabilities that come later."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard import Settings, State, probabilities
from sslpdl.dashboard.basemap import basemap
from sslpdl.dashboard.frames import Frames
from sslpdl.dashboard.page import first_state
from sslpdl.dashboard.probabilities import ComputedForecast, NoForecast, StoredForecast, metadata_of
from sslpdl.dashboard.source import Source, open_source
from sslpdl.errors import ArchiveError, ForecastError, ModelError
from sslpdl.grid import HSR_500M, KOREA_5KM, Grid

INIT = np.array(["2022-08-08T00", "2022-08-08T12"], "datetime64[ns]")
LEADS = [3, 6]
SMALL = KOREA_5KM.crop(100, 40, (20, 30), name="small")


def write(path: Path, grid: Grid = SMALL) -> Path:
    with ArchiveWriter.create(
        path, grid=grid, channels=["slp", "rain"], lead_time=LEADS, rain_window=3.0, qpe_window=3.0,
        mask=np.ones(grid.shape, bool), attrs={"title": "small", "synthetic": "true"},
    ) as writer:  # fmt: skip
        for i, init in enumerate(INIT):
            fields = np.full((2, 2, *grid.shape), 1000.0, "float32")
            fields[:, 1] = np.array([1.0, 2.0])[:, None, None] + 10 * i
            writer.write_run(init, fields)
        writer.write_qpe([np.datetime64("2022-08-08T03")], np.full((1, *grid.shape), 0.5))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> xr.Dataset:
    return open_archive(write(tmp_path / "a.zarr"))


class Later:
    """Probabilities that have to be computed, and are once the test lets them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go, self.error, self.computed = threading.Event(), error, 0

    thresholds, window, title = (0.1, 10.0), 3.0, "later"

    def stored(self, init_time: np.datetime64, fields: np.ndarray) -> None:
        return None

    def compute(self, init_time: np.datetime64, fields: np.ndarray) -> dict[int, np.ndarray]:
        assert self.go.wait(10)
        self.computed += 1
        if self.error:
            raise self.error
        shape = fields.shape[-2:]
        return {3: np.full((2, *shape), 0.25, "float32")}


def collect(source: Source, init_time: str) -> tuple[list[Frames], Callable[[int], list[Frames]]]:
    found: list[Frames] = []
    source.request(init_time, found.append)

    def wait(number: int) -> list[Frames]:
        deadline = time.monotonic() + 10
        while len(found) < number and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(found) == number
        return found

    return found, wait


def unpack(block: bytes, cells: int) -> list[np.ndarray]:
    raw = np.frombuffer(zlib.decompress(block), "u1")
    return [raw[:cells] + 256.0 * raw[cells : 2 * cells], raw[2 * cells :]]


def test_rain_comes_first_and_probabilities_follow(archive: xr.Dataset) -> None:
    later = Later()
    source = Source(archive, later)
    assert source.init_times == ["2022-08-08T00:00", "2022-08-08T12:00"]
    _, wait = collect(source, "2022-08-08T00:00")
    (first,) = wait(1)
    assert first.meta["status"] == "computing"
    assert first.meta["qpe"] == [True, False], "QPE ends at 03 UTC only"
    assert first.meta["rain_window"] == [3.0, 3.0]
    rain, rest = unpack(first.blocks[1], 600)
    assert set(rain) == {200.0}
    assert rest.size == 0, "no QPE and no probability yet"
    _, wait_too = collect(source, "2022-08-08T00:00")
    wait_too(1)
    later.go.set()
    second = wait(2)[1]
    assert wait_too(2)[1] is second, "all sessions share the same frames"
    assert later.computed == 1
    assert second.meta["status"] == "ready"
    assert source.describe()["thresholds"] == [0.1, 10.0]
    assert second.meta["probability"] == [True, False], "the forecast has no +6 h"
    _, rest = unpack(second.blocks[0], 600)
    assert set(rest[1200:]) == {50}, "0.25 in half per cents"
    assert source.at_hand("2022-08-08T00:00") is second


def test_one_lead_time_can_go_ahead(archive: xr.Dataset) -> None:
    source = Source(archive, NoForecast("there is none."))
    _, wait = collect(source, "2022-08-08T12:00")
    (frames,) = wait(1)
    assert (frames.meta["status"], frames.meta["problem"]) == ("failed", "there is none.")
    assert frames.meta["problem_kind"] == "no_model"
    ahead = frames.message(1)["blocks"]
    assert ahead[0] == b""
    assert ahead[1] is frames.blocks[1], "not a copy"
    assert len(frames.message()["blocks"]) == 2


def test_a_failed_computation_is_said_and_tried_again(archive: xr.Dataset) -> None:
    later = Later(ModelError("the model needs t_2m."))
    later.go.set()
    source = Source(archive, later)
    for attempt in (1, 2):
        _, wait = collect(source, "2022-08-08T12:00")
        assert wait(2)[1].meta["problem"] == "the model needs t_2m."
        assert wait(2)[1].meta["problem_kind"] == "failed"
        assert later.computed == attempt


def test_an_unreadable_run_is_said(archive: xr.Dataset) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk error")

    source = Source(archive, Later())
    source.archive = {"fields": type("Broken", (), {"isel": broken})()}  # type: ignore[assignment]
    _, wait = collect(source, "2022-08-08T12:00")
    (frames,) = wait(1)
    assert frames.meta["status"] == "unreadable"
    assert "disk error" in frames.meta["problem"]


def test_an_archive_without_runs_is_refused(tmp_path: Path) -> None:
    with ArchiveWriter.create(
        tmp_path / "e.zarr", grid=SMALL, channels=["rain"], lead_time=[1], mask=np.ones((20, 30), bool)
    ):
        pass
    with pytest.raises(ArchiveError, match="no runs"):
        Source(open_archive(tmp_path / "e.zarr"), Later())


def test_large_grids_are_pooled(archive: xr.Dataset) -> None:
    assert Source(archive, Later()).pooling == 1
    # 2881 x 2305 = 6.6 million cells: blocks of 5 x 5 leave 577 x 461 = 266 thousand
    big = xr.Dataset(
        {"fields": (("init_time", "lead_time", "channel", "y", "x"), np.zeros((1, 1, 1, 1, 1)))}, {"crs": 0}
    )
    big = big.isel(y=0, x=0, drop=True).assign_coords(
        init_time=INIT[:1], lead_time=[1], x=HSR_500M.x, y=HSR_500M.y, crs=xr.Variable((), 0, HSR_500M.to_attrs())
    )
    source = Source(big, Later())
    assert (source.pooling, source.grid.shape) == (5, (577, 461))
    assert source.grid.bounds[:2] == pytest.approx(HSR_500M.bounds[:2])


def test_the_address_goes_before_the_default_view(archive: xr.Dataset) -> None:
    source = Source(archive, Later())

    def view(query: str, default: str = "init=2022-08-08T00:00&lead=6&threshold=10") -> tuple:
        state: State = first_state(source, basemap(source.grid), query, default)
        return state.init_time, state.lead_time, state.threshold

    assert view("", "") == ("2022-08-08T12:00", 3, 0.1), "the last run"
    assert view("") == ("2022-08-08T00:00", 6, 10.0)
    assert view("init=2022-08-08T12:00") == ("2022-08-08T12:00", 3, 10.0)
    assert view("lead=3&threshold=0.1") == ("2022-08-08T00:00", 3, 0.1)


def settings(tmp_path: Path, **paths: Path) -> Settings:
    return Settings.from_environment({}, archive=tmp_path / "a.zarr", cache=tmp_path / "cache", **paths)


def test_open_source_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no archive at"):
        open_source(settings(tmp_path))
    write(tmp_path / "a.zarr")
    without = open_source(settings(tmp_path, model=tmp_path / "none"))
    assert isinstance(without.probabilities, NoForecast)
    assert open_source(settings(tmp_path, model=tmp_path / "none")) is without, "opened once per process"
    with pytest.raises(ForecastError):
        open_source(settings(tmp_path, forecast=tmp_path / "none.zarr"))


CONFIG = "thresholds: [0.1, 10]\nrain_window: 3.0\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no model in"),
        ("a: [", "does not describe a model"),
        ("- 1", "does not describe a model"),
        ("thresholds: []\nrain_window: 1", "forecasts no rain"),
    ],
)
def test_a_folder_without_a_usable_model_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    (tmp_path / "model").mkdir()
    if text is not None:
        (tmp_path / "model" / "config.yaml").write_text(text)
    with pytest.raises(ModelError, match=said):
        ComputedForecast(tmp_path, tmp_path / "model", tmp_path, "m")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.yaml").write_text(CONFIG)
    return tmp_path / "model"


def test_computed_forecast_is_keyed_by_what_it_depends_on(archive: xr.Dataset, model: Path, tmp_path: Path) -> None:
    def make(metadata: str = "m") -> ComputedForecast:
        return ComputedForecast(tmp_path / "a.zarr", model, tmp_path / "cache", metadata)

    fields = archive["fields"].values
    key = make().key(fields[0])
    assert make().key(fields[0].copy()) == key
    assert make().key(fields[1]) != key
    assert make("other window").key(fields[0]) != key
    assert (make().thresholds, make().window) == ((0.1, 10.0), 3.0)
    (model / "config.yaml").write_text(CONFIG + "more: 1")
    assert make().key(fields[0]) != key
    assert "rain_window" in metadata_of(archive)
    assert make().stored(INIT[0], fields[0]) is None


def test_model_process_error_becomes_one_sentence(archive: xr.Dataset, model: Path, tmp_path: Path) -> None:
    computed = ComputedForecast(tmp_path / "a.zarr", model, tmp_path / "cache", "m")
    with pytest.raises(ForecastError) as raised:
        computed.compute(INIT[0], archive["fields"].values[0])
    assert "Traceback" not in str(raised.value)
    assert str(raised.value).count("\n") == 0
    assert list((tmp_path / "cache" / "forecasts").iterdir()) == [], "nothing half-written stays"


def test_unwritable_cache_is_said(archive: xr.Dataset, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    computed = ComputedForecast(tmp_path / "a.zarr", model, tmp_path / "cache", "m")
    with pytest.raises(ForecastError, match="SSLPDL_CACHE_DIR"):
        computed.compute(INIT[0], archive["fields"].values[0])


def test_damaged_result_is_computed_again(
    archive: xr.Dataset, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    computed = ComputedForecast(tmp_path / "a.zarr", model, tmp_path / "cache", "m")
    fields = archive["fields"].values[0]
    damaged = tmp_path / "cache" / "forecasts" / f"{computed.key(fields)}.zarr"
    damaged.mkdir(parents=True)
    (damaged / "zarr.json").write_text("{")
    assert computed.stored(INIT[0], fields) is None
    assert not damaged.exists()
    assert "damaged" in caplog.text


def test_model_process_runs_apart(
    monkeypatch: pytest.MonkeyPatch, archive: xr.Dataset, model: Path, tmp_path: Path
) -> None:
    """The command line is called as a user would, and its result is moved into place under its key."""
    calls = []

    def run(command: list[str]) -> None:
        calls.append(command)
        out = Path(command[command.index("--out") + 1])
        out.mkdir()
        (out / "mark").write_text("made")

    monkeypatch.setattr(probabilities, "_run_process", run)
    monkeypatch.setattr(StoredForecast, "stored", lambda self, init_time, fields: (self.forecast, init_time))
    monkeypatch.setattr(probabilities, "open_forecast", lambda path: (path / "mark").read_text())
    computed = ComputedForecast(tmp_path / "a.zarr", model, tmp_path / "cache", "m")
    result = computed.compute(INIT[1], archive["fields"].values[1])
    assert result == ("made", INIT[1])
    (command,) = calls
    assert command[1:5] == ["-m", "sslpdl", "forecast", str(tmp_path / "a.zarr")]
    assert command[command.index("--init-time") + 1] == "2022-08-08T12:00"
    names = [path.name for path in (tmp_path / "cache" / "forecasts").iterdir()]
    assert names == [f"{computed.key(archive['fields'].values[1])}.zarr"]


def test_the_real_model_computes_once_and_its_result_is_kept(archive: xr.Dataset, tmp_path: Path) -> None:
    from sslpdl import forecast, models
    from sslpdl.archive import statistics

    network = models.build("tiny", channels=2, classes=3, shape=SMALL.shape)
    trained = models.TrainedModel(
        network=network,
        channels=("slp", "rain"),
        statistics=statistics(archive),
        thresholds=(0.1, 10.0),
        rain_window=3.0,
        grid="small",
    )
    folder = models.save(tmp_path / "model", trained)
    computed = ComputedForecast(tmp_path / "a.zarr", folder, tmp_path / "cache", metadata_of(archive))
    fields = archive["fields"].values[1]
    planes = computed.compute(INIT[1], fields)
    direct = forecast.run(archive, folder, init_time=INIT[1])[forecast.EXCEEDANCE].values[0]
    np.testing.assert_allclose(np.stack([planes[lead] for lead in LEADS]), direct, atol=1e-4)
    again = computed.stored(INIT[1], fields)
    assert again is not None
    np.testing.assert_array_equal(again[3], planes[3])


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ('{"0.1": 0.3, "10": 0.2}', [0.3, 0.2]),
        ('{"10.0": 2}', [None, 1.0]),
        ("{}", [None, None]),
        ("{", [None, None]),
        ("[1]", [None, None]),
        ('{"heavy": 0.3}', [None, None]),
    ],
)
def test_the_decision_thresholds_of_a_forecast_are_told(archive: xr.Dataset, stored: str, told: list[Any]) -> None:
    forecast = xr.Dataset(coords={"threshold": [0.1, 10.0]}, attrs={"decision": stored})
    assert Source(archive, StoredForecast(forecast)).describe()["decision"] == told
    assert Source(archive, Later()).describe()["decision"] == [None, None]


def test_the_decision_thresholds_of_a_model_are_told(archive: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    text = "thresholds: [0.1, 10.0]\nrain_window: 3.0\n"
    (tmp_path / "m" / "config.yaml").write_text(text + "decision: {'0.1': 0.45, '10': 0.15}\n")
    computed = ComputedForecast(tmp_path / "a.zarr", tmp_path / "m", tmp_path, metadata_of(archive))
    assert Source(archive, computed).describe()["decision"] == [0.45, 0.15]
    (tmp_path / "m" / "config.yaml").write_text(text)
    assert Source(archive, computed).describe()["decision"] == [None, None]
