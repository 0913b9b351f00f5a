"""Training survives kill -9: the same command goes on, and ends with the same weights; a table keeps finished rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import archives
import numpy as np
import pandas as pd
import pytest
import yaml

from sslpdl import models

EPOCHS = 12


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    with archives.create(archive) as writer:
        for day in range(1, 5):
            writer.write_run(f"2021-07-{day:02d}T00", archives.fields(day))
    config = tmp_path / "c.yaml"
    stage = {"epochs": EPOCHS, "steps_per_epoch": 4, "batch_size": 2, "accelerator": "cpu"}
    data = {"train": ["2021-07-01/2021-07-03"], "validation": ["2021-07-04"]}
    config.write_text(yaml.safe_dump({"data": data, "model": {"preset": "tiny"}, "pretrain": stage, "finetune": {}}))

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sslpdl", "pretrain", archive, "--config", config, "--out", out, "--quiet"]
        return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    first = start(killed)
    checkpoint = tmp_path / "killed.training" / "last.ckpt"
    while not checkpoint.exists() and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, "killed in the middle"
    assert not killed.exists(), "nothing half-made stands under the final name"
    assert start(killed).wait() == 0
    assert start(whole).wait() == 0
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_killed_table_keeps_its_finished_rows_and_goes_on_with_the_others(tmp_path: Path) -> None:
    archive = tmp_path / "a.zarr"
    with archives.create(archive, lead_time=(6,)) as writer:
        for day in range(1, 7):
            writer.write_run(f"2021-07-{day:02d}T00", archives.fields(day, leads=1))
            writer.write_qpe([np.datetime64(f"2021-07-{day:02d}T06")], archives.rain(day, 1))
    path = {"path": str(archive)}
    stage = {"epochs": EPOCHS, "steps_per_epoch": 4, "batch_size": 2, "accelerator": "cpu"}
    settings = {
        "archive": path,
        "test": {**path, "periods": ["2021-07-05/2021-07-06"]},
        "data": {"train": ["2021-07-01/2021-07-03"], "validation": ["2021-07-04"]},
        "finetune": {**stage, "thresholds": [0.1, 10.0]},
        "table": {"rows": {"first": {"model": {"network": "logistic"}}, "second": {"model": {"preset": "tiny"}}}},
    }
    config = tmp_path / "table.yaml"
    config.write_text(yaml.safe_dump(settings))

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sslpdl", "experiment", config, "--out", out, "--quiet"]
        return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)

    out = tmp_path / "out"
    first = start(out)
    checkpoint = out / "rows" / "second" / "seed-0" / "model.training" / "last.ckpt"
    while not checkpoint.exists() and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL, "killed in the middle of the second row"
    assert set(pd.read_csv(out / "table.csv")["row"]) == {"first"}
    result = out / "rows" / "first" / "seed-0" / "result" / "result.json"
    before = result.read_bytes()
    assert start(out).wait() == 0
    assert result.read_bytes() == before
    assert pd.read_csv(out / "table.csv")["row"].unique().tolist() == ["first", "second"]
    curve = models.load(out / "rows" / "second" / "seed-0" / "model").metrics["curves"]["step"]
    assert curve == [4.0 * epoch for epoch in range(1, EPOCHS + 1)]  # no epoch is lost or done twice
