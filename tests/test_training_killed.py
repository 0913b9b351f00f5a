"""Training survives kill -9: the same command goes on, and ends with the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import archives
import pytest
import yaml

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
