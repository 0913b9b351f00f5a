"""The whole way by the command line: source files, archive, two trainings, forecast, scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import sslpdl
from sslpdl.cli import app

SHORT = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 2}


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def write_config(path: Path, *, train: list[object], validation: list[object], thresholds: list[float]) -> Path:
    settings = {
        "seed": 1,
        "data": {"train": train, "validation": validation},
        "model": {"preset": "tiny"},
        "pretrain": SHORT,
        "finetune": {**SHORT, "thresholds": thresholds},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def train_forecast_verify(archive: Path, config: Path, folder: Path) -> Path:
    """Run the verbs from pre-training to the report and return its folder."""
    run("pretrain", archive, "--config", config, "--out", folder / "pre", "--quiet")
    run("finetune", archive, "-c", config, "--pretrained", folder / "pre", "-o", folder / "model", "-q")
    run("forecast", archive, "--model", folder / "model", "--out", folder / "forecast.zarr", "--quiet")
    run("evaluate", archive, "--forecast", folder / "forecast.zarr", "--out", folder / "report", "--quiet")
    return folder / "report"


@pytest.mark.slow
def test_chain_on_the_twin(tmp_path: Path) -> None:
    archive = tmp_path / "twin.zarr"
    run("twin", archive, "--start", "2020-07-01", "--end", "2020-07-02", "--leads", "6-12/6", "--processes", 1, "-q")
    assert "2020-07-01" in run("info", archive)
    config = write_config(
        tmp_path / "c.yaml", train=["2020-07-01"], validation=["2020-07-02"], thresholds=[0.1, 1.0, 10.0]
    )
    report = train_forecast_verify(archive, config, tmp_path)

    stored = sslpdl.open_forecast(tmp_path / "forecast.zarr")
    total = stored.class_probability.sum("rain_class")
    np.testing.assert_allclose(total, 1.0, atol=1e-4)
    assert stored.attrs["synthetic"] == "true"
    assert "synthetic" in (report / "index.html").read_text().lower()
    assert json.loads((report / "scores.json").read_text())

    run("forecast", archive, "-m", tmp_path / "model", "-o", tmp_path / "one.nc", "--init-time", "2020-07-02T00", "-q")
    assert sslpdl.open_forecast(tmp_path / "one.nc").sizes["init_time"] == 1


@pytest.mark.slow
def test_chain_on_a_real_day(tmp_path: Path, shared_data: Path) -> None:
    """WRF and Stage II of 7 August 2005: twelve channels, three-hour rain, 185 x 129 cells."""
    source = shared_data / "wrf_stage2_20050807"
    archive = tmp_path / "wrf.zarr"
    run("ingest", source, "--out", archive, "--grid", "native", "--qpe", source / "stage2", "--quiet")
    opened = sslpdl.open_archive(archive)
    assert opened.sizes["channel"] == 12
    assert opened.fields.shape[-2:] == (129, 185)
    assert set(opened.rain_window.values.tolist()) == {3.0}

    config = write_config(tmp_path / "c.yaml", train=[2005], validation=[], thresholds=[0.1, 1.0, 10.0])
    report = train_forecast_verify(archive, config, tmp_path)
    page = (report / "index.html").read_text()
    assert "3 h" in page
    assert sslpdl.open_forecast(tmp_path / "forecast.zarr").attrs["rain_window"] == 3.0
