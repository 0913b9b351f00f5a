"""The tab "Data" in a real browser: new runs, another archive, jobs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from case import LEADS, StandIn, write_case

from sslpdl import forecast, models
from sslpdl.archive import ArchiveWriter, open_archive, statistics
from sslpdl.grid import KOREA_5KM

RUN, NEW = "2022-08-08T00:00", "2022-08-08T12:00"


def add_run(archive: Path, time: str) -> None:
    with ArchiveWriter.append(archive) as writer:
        fields = np.full((len(LEADS), 2, *KOREA_5KM.shape), 1000.0, "float32")
        fields[:, 1] = 3.0
        writer.write_run(time, fields)


@pytest.fixture
def copy(case: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Archive and forecast of the case, to be added to."""
    return tuple(Path(shutil.copytree(path, tmp_path / path.name)) for path in case)  # type: ignore[return-value]


def test_a_new_run_is_offered_and_not_forced(visit: Callable, serve: Callable, copy: tuple[Path, Path]) -> None:
    archive, probabilities = copy
    server = serve(archive=archive, forecast=probabilities)
    there = visit("?lead=9", url=server.url)  # the latest run
    page = there.page
    assert page.input_value("select[aria-label=Run]") == RUN
    add_run(archive, NEW)
    page.wait_for_selector(".news")
    assert there.text(".news").startswith("A new run is here: Mon 8 Aug 2022 12:00 UTC")
    assert page.input_value("select[aria-label=Run]") == RUN, "no jump"
    assert page.locator("select[aria-label=Run] option").count() == 3
    page.click(".news .strong")
    page.wait_for_selector("[data-map=probability] .notice:has-text('holds no run of 2022-08-08 12:00')")
    assert page.input_value("select[aria-label=Run]") == NEW
    assert not page.is_visible(".news")
    forecast.append(open_archive(archive), StandIn(), probabilities)  # type: ignore[arg-type]
    page.wait_for_selector("[data-map=probability] .notice", state="hidden")


def test_another_archive_is_chosen_by_its_name(
    visit: Callable, serve: Callable, case: tuple[Path, Path], copy: tuple[Path, Path]
) -> None:
    archive, _ = copy
    other = Path(shutil.move(archive, archive.with_name("다른 자료.zarr")))
    add_run(other, NEW)
    server = serve(archive=case[0], forecast=case[1], folders=[str(other.parent)])
    there = visit("?drawer=data&language=en", url=server.url)
    page = there.page
    page.wait_for_selector(".entry")
    assert page.locator(".entry").count() == 4, "two archives, each with the model and with a forecast"
    assert "Shown now" in there.text(".entry.here")
    assert "3 runs" in page.locator(".entry").nth(1).inner_text()
    page.locator(".entry").nth(1).get_by_role("button").click()
    page.wait_for_url("**data=data-**")
    page.wait_for_selector(".card:not(.waiting) .map canvas")
    page.wait_for_selector(".entry.here")
    assert "3 runs" in there.text(".entry.here")
    assert page.locator("select[aria-label=Run] option").count() == 3


def test_unknown_data_are_said(visit: Callable) -> None:
    there = visit("?data=nothing", wait=False)
    assert "no data called 'nothing'" in there.page.inner_text("body")


@pytest.fixture
def modelled(tmp_path: Path) -> tuple[Path, Path]:
    """A small archive and a network that fits it, with weights as they come."""
    grid = KOREA_5KM.crop(96, 32, (32, 32), name="small")
    archive, _ = write_case(tmp_path, grid=grid, leads=[1, 2])
    network = models.build("tiny", channels=2, classes=2, shape=grid.shape)
    trained = models.TrainedModel(
        network=network, channels=("slp", "rain"), statistics=statistics(open_archive(archive)), thresholds=(1.0,),
        rain_window=1.0, grid="small",
    )  # fmt: skip
    return archive, Path(models.save(tmp_path / "model", trained))


def test_a_job_is_run_and_cancelled(visit: Callable, serve: Callable, modelled: tuple[Path, Path]) -> None:
    archive, model = modelled
    run = np.ones((2, 2, 32, 32), "float32")
    run[:, 0] = 1000  # sea-level pressure
    for day in range(10, 20):
        with ArchiveWriter.append(archive) as writer:
            writer.write_run(f"2022-08-{day}T00", run)
    server = serve(archive=archive, model=model)
    one = visit("?drawer=data&language=en&init=2022-08-07T12:00", url=server.url)
    other = visit("?drawer=data&language=en&init=2022-08-07T12:00", url=server.url)
    page = one.page
    page.set_default_timeout(90_000)
    other.page.set_default_timeout(90_000)
    page.click("text=Forecast the runs without probabilities")
    for visitor in (one, other):
        visitor.page.wait_for_selector(".job .far:has-text('running: 1 of 12 runs')")
    other.page.get_by_role("button", name="Cancel the forecast").click()
    for visitor in (one, other):
        visitor.page.wait_for_selector(".job .far:has-text('cancelled')")
        assert visitor.page.locator(".job progress").get_attribute("value") in "123"
        assert not visitor.page.get_by_role("button", name="Cancel the forecast").is_visible()
    results = server.log.parent / "cache" / "forecasts"
    page.wait_for_timeout(500)
    assert not [path for path in results.iterdir() if path.name.startswith(".")], "nothing half-made"
