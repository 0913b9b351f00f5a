"""What the page shows of real files: the windows in its titles, a first view with rain, gauges."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from sslpdl.cli import app
from sslpdl.dashboard import Settings
from sslpdl.dashboard.basemap import basemap
from sslpdl.dashboard.frames import Frames
from sslpdl.dashboard.page import configuration, first_state
from sslpdl.dashboard.probabilities import NoForecast
from sslpdl.dashboard.source import Source, open_source


def shown(archive: Path, *arguments: object) -> Source:
    """Ingest, and open the archive as the page does without a model."""
    result = CliRunner().invoke(app, ["ingest", *map(str, arguments), "--out", str(archive), "--quiet"])
    assert result.exit_code == 0, result.output
    settings = Settings.from_environment({}, archive=archive)
    return open_source(replace(settings, cache=archive.parent / "cache"))


def frames(source: Source, init_time: str) -> Frames:
    found: list[Frames] = []
    there = threading.Event()
    source.request(init_time, lambda run: (found.append(run), there.set()))
    assert there.wait(60)
    return found[0]


def test_wrf_and_stage_2_are_three_hour_rain_on_all_maps(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "wrf_stage2_20050807"
    source = shown(tmp_path / "wrf.zarr", folder, "--grid", "native", "--qpe", folder / "stage2")
    config = configuration(source, source.grid, basemap(source.grid))
    assert config["qpe_window"] == 3.0
    assert not config["covered"], "the bundled coastline does not reach the USA"
    # the sample model forecasts rain of one hour: none of its thresholds is named, and the map says why
    assert isinstance(source.probabilities, NoForecast) and config["thresholds"] == []
    state = first_state(source, basemap(source.grid))
    run = frames(source, state.init_time)
    assert set(run.meta["rain_window"]) == {3.0}
    assert run.meta["nwp"][source.lead_times.index(state.lead_time)]
    assert "no model was given" in run.meta["problem"]


def test_gauges_under_rain_of_twelve_hours(tmp_path: Path, shared_data: Path) -> None:
    ifs = shared_data / "ifs_korea_202208"
    source = shown(
        tmp_path / "ifs.zarr", ifs / "tp.grib", "--rain-covers", "12,12,2,12",
        "--qpe", ifs / "kma_gauges_202208.csv", "--qpe-kind", "gauges", "--qpe-window", 12,
    )  # fmt: skip
    assert source.describe()["qpe_window"] == 12.0
    run = frames(source, first_state(source, basemap(source.grid)).init_time)
    assert run.meta["rain_window"] == [12.0, 12.0, 2.0, 12.0]
    assert isinstance(source.probabilities, NoForecast)
    qpe = np.isfinite(source.archive["qpe"].values).mean(axis=(1, 2))
    assert 0 < qpe.max() < 0.02, "few cells, which the page marks"


def test_a_model_fits_only_where_every_window_is_its_own(tmp_path: Path, root: Path) -> None:
    import archives

    from sslpdl.archive import open_archive
    from sslpdl.dashboard.probabilities import fits

    hourly = root / "data_samples" / "models" / "sslpdl-tiny"
    for name, windows, expected in (("even", [1, 1, 1, 1], True), ("mixed", [1, 1, 3, 1], False)):
        archive = archives.make(tmp_path / name, runs=1, rain_window=windows)
        assert fits(hourly, open_archive(archive)) is expected
