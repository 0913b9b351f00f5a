"""Mistakes past the source files, through the command line: one sentence, status 2, nothing half-written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import archives
import numpy as np
import pytest
import torch
import yaml

from sslpdl import models
from sslpdl.archive import Statistics
from sslpdl.channels import CANONICAL
from sslpdl.cli import main

THRESHOLDS = (0.1, 10.0)
TWELVE = tuple(name for name in CANONICAL if not name.startswith("gph") and name != "slp")


@dataclass(frozen=True)
class Mistake:
    """What is wrong, the arguments of ``sslpdl`` that meet it (made in an empty folder), and what must be said."""

    name: str
    arguments: Callable[[Path], list[object]]
    message: str


def model(folder: Path, channels: tuple[str, ...] = CANONICAL, *, window: float = 1.0) -> Path:
    torch.manual_seed(0)
    network = models.build("tiny", channels=len(channels), classes=3, shape=archives.SMALL.shape)
    statistics = Statistics(channels, (0.0,) * len(channels), (1.0,) * len(channels))
    trained = models.TrainedModel(
        network=network, channels=channels, statistics=statistics, thresholds=THRESHOLDS, rain_window=window
    )
    return models.save(folder / "model", trained)


def settings(folder: Path, **changes: object) -> Path:
    text = {"data": {"train": ["2022-08-08"]}, "model": {"preset": "tiny"}, "finetune": {"thresholds": [0.1, 10]}}
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(text | changes))
    return path


def newer_archive(folder: Path) -> list[object]:
    path = archives.make(folder / "a.zarr", runs=1)
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"]["format_version"] = 99
    (path / "zarr.json").write_text(json.dumps(document))
    return ["info", path]


def damaged_archive(folder: Path) -> list[object]:
    path = archives.make(folder / "a.zarr", runs=1)
    (path / "zarr.json").write_text("{")
    return ["info", path]


def empty_folder(folder: Path) -> list[object]:
    (folder / "empty").mkdir()
    return ["info", folder / "empty"]


def forecast(folder: Path, *, channels: tuple[str, ...] = CANONICAL, window: float = 1.0) -> list[object]:
    archive = archives.make(folder / "a.zarr", runs=1, channels=channels)
    return ["forecast", archive, "--model", model(folder, window=window), "--out", folder / "OUT", "-q"]


def damaged_weights(folder: Path) -> list[object]:
    arguments = forecast(folder)
    weights = folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return arguments


def pickled_weights(folder: Path) -> list[object]:
    arguments = forecast(folder)
    torch.save({"weight": torch.zeros(3)}, folder / "model" / "model.safetensors")
    return arguments


def model_without_statistics(folder: Path) -> list[object]:
    arguments = forecast(folder)
    (folder / "model" / "statistics.json").unlink()
    return arguments


def unknown_key_in_model(folder: Path) -> list[object]:
    arguments = forecast(folder)
    config = folder / "model" / "config.yaml"
    config.write_text(config.read_text() + "\ncolour: blue\n")
    return arguments


def run_that_is_not_there(folder: Path) -> list[object]:
    return [*forecast(folder), "--init-time", "2021-01-01T00"]


def output_exists(folder: Path) -> list[object]:
    (folder / "OUT").mkdir()
    return forecast(folder)


def output_under_a_file(folder: Path) -> list[object]:
    (folder / "file").write_text("")
    arguments = forecast(folder)
    return [folder / "file" / "OUT" if argument == folder / "OUT" else argument for argument in arguments]


def finetune(folder: Path, *, qpe: bool = True, **changes: object) -> list[object]:
    archive = folder / "a.zarr"
    with archives.create(archive) as writer:
        writer.write_run("2021-07-01T00", archives.fields(1))
        if qpe:
            writer.write_qpe(archives.hours("2021-07-01T00", 4), archives.rain(1, 4))
    config = settings(folder, **({"data": {"train": ["2021-07-01"]}} | changes))
    return ["finetune", archive, "--config", config, "--out", folder / "OUT", "-q"]


def august_2022(folder: Path) -> list[object]:
    archive = archives.make(folder / "a.zarr", runs=1)
    return ["finetune", archive, "--config", settings(folder), "--out", folder / "OUT", "-q"]


def no_yaml(folder: Path) -> list[object]:
    arguments = finetune(folder)
    (folder / "settings.yaml").write_text("data: [")
    return arguments


def pretrained_of_other_channels(folder: Path) -> list[object]:
    return [*finetune(folder), "--pretrained", model(folder, TWELVE)]


def evaluate_without_overlap(folder: Path) -> list[object]:
    archive = folder / "a.zarr"
    with archives.create(archive) as writer:
        writer.write_run("2021-07-01T00", archives.fields(1))
        writer.write_qpe(archives.hours("2021-07-09T00", 4), archives.rain(1, 4))
    return ["evaluate", archive, "--model", model(folder), "--out", folder / "OUT", "-q"]


def forecast_that_is_none(folder: Path) -> list[object]:
    archive = archives.make(folder / "a.zarr", runs=1)
    return ["evaluate", archive, "--forecast", archive, "--out", folder / "OUT", "-q"]


MISTAKES = (
    Mistake("archive missing", lambda folder: ["info", folder / "none.zarr"], r"none\.zarr"),
    Mistake("archive empty", empty_folder, r"empty"),
    Mistake("archive of a newer format", newer_archive, r"99.*(newer|update)|(newer|update).*99"),
    Mistake("archive damaged", damaged_archive, r"a\.zarr"),
    Mistake("model missing", lambda f: [*forecast(f)[:3], f / "none", "-o", f / "OUT", "-q"], r"none"),
    Mistake("channels missing", lambda f: forecast(f, channels=TWELVE), r"needs gph_100, gph_500, gph_850, slp"),
    Mistake("another rain window", lambda f: forecast(f, window=3.0), r"rain of 3 h and the archive holds rain of 1 h"),
    Mistake("weights cut off", damaged_weights, r"model\.safetensors"),
    Mistake("weights pickled", pickled_weights, r"model\.safetensors"),
    Mistake("statistics missing", model_without_statistics, r"statistics\.json"),
    Mistake("unknown key in the model", unknown_key_in_model, r"colour"),
    Mistake("run not there", run_that_is_not_there, r"holds no init_time 2021-01-01T00; it has 2022-08-08T00"),
    Mistake("output exists", output_exists, r"OUT exists already"),
    Mistake("output under a file", output_under_a_file, r"file"),
    Mistake("no QPE", lambda f: finetune(f, qpe=False), r"QPE|rain"),
    Mistake("August 2022 in training", august_2022, r"August 2022"),
    Mistake("unknown setting", lambda f: finetune(f, finetune={"epoch": 3}), r"'epoch' is unknown.*epochs"),
    Mistake("unknown preset", lambda f: finetune(f, model={"preset": "smal"}), r"smal.*small"),
    Mistake("impossible setting", lambda f: finetune(f, finetune={"epochs": -1}), r"epochs is -1"),
    Mistake("not YAML", no_yaml, r"settings\.yaml is not valid YAML"),
    Mistake(
        "no such settings",
        lambda f: ["finetune", finetune(f)[1], "-c", f / "no.yaml", "-o", f / "OUT", "-q"],
        r"no\.yaml cannot be read: No such file",
    ),
    Mistake("no run in the split", lambda f: finetune(f, data={"train": [2019]}), r"2019"),
    Mistake(
        "validation within training",
        lambda f: finetune(f, data={"train": [2021], "validation": ["2021-07-01"]}),
        r"validation",
    ),
    Mistake("pre-trained on other channels", pretrained_of_other_channels, r"channel|reconstruct|pre-train"),
    Mistake("QPE without overlap", evaluate_without_overlap, r"QPE|overlap|observ"),
    Mistake("no forecast", forecast_that_is_none, r"no forecast|no class_probability"),
    Mistake("page without archive", lambda f: ["app", "--archive", f / "nope.zarr"], r"no archive at .*nope\.zarr"),
    Mistake("page without model", lambda f: ["app", "--model", f / "nope"], r"no model at .*nope"),
    Mistake("page without forecast", lambda f: ["app", "--forecast", f / "nope"], r"no forecast at .*nope"),
    Mistake("twin without period", lambda f: ["twin", f / "OUT", "-q"], r"start and an end"),
    Mistake(
        "twin backwards",
        lambda f: ["twin", f / "OUT", "--start", "2020-07-02", "--end", "2020-07-01"],
        r"ends .* before it begins",
    ),
    Mistake("twin in winter", lambda f: ["twin", f / "OUT", "--start", "2020-01-01", "--end", "2020-01-02"], r"June"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
def test_a_mistake_gives_one_sentence_and_status_2(
    mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = mistake.arguments(tmp_path)
    before = _listing(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["sslpdl", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capsys.readouterr()
    assert stop.value.code == 2, printed.err
    assert printed.err.startswith("sslpdl: ")
    assert printed.err.count("\n") == 1, printed.err
    assert re.search(mistake.message, printed.err), printed.err
    assert _listing(tmp_path) == before, "nothing is left behind and nothing is lost"


@pytest.mark.parametrize(
    ("arguments", "variable"), [(["app"], "nope.zarr"), (["app", "--port", "0"], ""), (["app", "--port", "65536"], "")]
)
def test_the_page_does_not_start_from_a_mistake(
    arguments: list[str], variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSLPDL_ARCHIVE", variable)
    monkeypatch.setattr("sys.argv", ["sslpdl", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert (variable or "port") in capsys.readouterr().err


def _listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_leaves_the_stored_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast that meets a full disk says so, and goes on from what was stored once there is room."""
    from sslpdl import forecast as forecasting
    from sslpdl.errors import ForecastError
    from sslpdl.forecast import storage

    archive, trained = archives.make(tmp_path / "a.zarr", runs=3), model(tmp_path)
    write, written = storage.write_json_atomic, []

    def fill(path: Path, state: dict[str, object]) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(state)
        write(path, state)

    monkeypatch.setattr(storage, "write_json_atomic", fill)
    with pytest.raises(ForecastError, match=r"disk that holds .* is full"):
        forecasting.run(archive, trained, out=tmp_path / "f.zarr")
    assert not (tmp_path / "f.zarr").exists()
    monkeypatch.undo()
    again = forecasting.run(archive, trained, out=tmp_path / "f.zarr")
    whole = forecasting.run(archive, trained, out=tmp_path / "g.zarr")
    np.testing.assert_array_equal(again.class_probability.values, whole.class_probability.values)
    shutil.rmtree(tmp_path / "f.zarr")
