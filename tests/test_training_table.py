"""Tables of experiments: rows that share and resume, one tidy table, and every shipped row at miniature scale."""

from __future__ import annotations

import dataclasses
import json

import archives
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from sslpdl import models, verify
from sslpdl.archive import open_archive
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.training import experiment, load_config, table
from sslpdl.training.data import Oversampled, loader
from sslpdl.training.modules import Finetuning, Pretraining
from sslpdl.training.prepare import prepare
from sslpdl.training.rows import read_table, shared_pretraining
from sslpdl.training.scoring import training_climatology
from sslpdl.training.search import with_learning_rate

GRID = KOREA_5KM.crop(80, 40, (40, 36), name="table")
LEADS = (6, 12)
RUNS = [f"{year}-07-{day:02d}T00" for year in (2019, 2022, 2023) for day in (1, 2, 3)]
SHORT = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "accelerator": "cpu"}
THIN = {
    "sslpdl": {"width": 16, "depths": (1, 1, 1, 1), "fpn_channels": 8, "pool_channels": 8},
    "spark": {"width": 8, "fpn_channels": 8, "pool_channels": 8, "reconstruction_width": 32},
    "unet": {"width": 4},
    "convlstm": {"width": 4},
    "metnet": {"width": 8},
    "smaat_unet": {"width": 16},
    "logistic": {},
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "a.zarr"
    with archives.create(path, grid=GRID, lead_time=LEADS) as writer:
        for seed, run in enumerate(np.array(RUNS, "datetime64[h]")):
            values = archives.fields(seed, leads=len(LEADS), shape=GRID.shape)
            writer.write_run(run, values)
            for position, lead in enumerate(LEADS):
                # rain follows humidity, which the forecast knows better than its own rain
                rain = np.maximum(values[position, 5] - 60.0, 0.0)
                writer.write_qpe(run + np.timedelta64(lead, "h"), rain.astype("float32"))
    return path


def write(tmp_path, archive, rows, **sections):
    base = {
        "seed": 1,
        "archive": {"path": str(archive)},
        "test": {"path": str(archive), "periods": [2022]},
        "data": {"train": [2019], "validation": [2023]},
        "model": {"preset": "tiny"},
        "pretrain": {**SHORT, "seed": 1},
        "finetune": {**SHORT, "thresholds": [0.1, 1.0, 10.0], "class_weights": [1, 2, 3, 4]},
    }
    search = sections.pop("search", {})
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump({**base, **sections, "table": {**search, "rows": rows}}, sort_keys=False))
    return path


ROWS = {
    "raw": {"forecast": "raw"},
    "climatology": {"forecast": "climatology"},
    "mapped": {"forecast": "quantile_mapping"},
    "unet": {
        "model": {"network": "unet", "width": 4},
        "pretrain": None,
        "learning_rates": [1e-3, 4e-3],
        "search_share": 1.0,
    },
    "sslpdl": {"seeds": [1, 2]},
}


@pytest.fixture(scope="module")
def finished(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    config = write(folder, archive, ROWS)
    assert experiment(config, out=folder / "out", progress=False) == folder / "out" / "table.csv"
    return folder


def test_every_row_and_seed_stands_in_one_tidy_table(finished, archive):
    csv = pd.read_csv(finished / "out" / "table.csv")
    assert csv.groupby(["row", "seed"], sort=False, dropna=False).size().index.tolist()[3:] == [
        ("unet", 1.0),
        ("sslpdl", 1.0),
        ("sslpdl", 2.0),
    ]
    assert csv["row"].unique().tolist() == list(ROWS)
    one = csv[(csv.region == "all") & (csv.score == "csi")].set_index(["row", "threshold"])
    assert set(one.loc["sslpdl"].index) == {0.1, 1.0, 10.0}
    assert one["n"].nunique() == 1  # the same cells for all
    assert one["lower"].isna().all() and one["upper"].isna().all()  # these few days say nothing about others
    assert (one.loc["raw"]["difference"] == 0).all()
    # the CSI of a forecast that always says yes is the share of events
    opened = open_archive(archive)
    mask = opened["mask"].values.astype(bool)
    rain = opened["qpe"].sel(valid_time="2022").values[:, mask]
    assert one.loc[("climatology", 1.0), "value"] == pytest.approx((rain >= 1.0).mean())


def test_rows_can_be_shared_out(archive, tmp_path):
    config, out = (
        write(tmp_path, archive, {name: ROWS[name] for name in ("raw", "climatology", "mapped")}),
        tmp_path / "out",
    )
    for name, known in (("mapped", ["mapped"]), ("raw", ["raw", "mapped"])):  # in the order of the file
        assert pd.read_csv(experiment(config, out=out, rows=[name], progress=False))["row"].unique().tolist() == known
    with pytest.raises(ConfigError, match="row 'maped' is unknown, did you mean 'mapped'"):
        experiment(config, out=out, rows=["maped"], progress=False)


def test_what_a_row_was_made_from_is_recorded(finished):
    records = {(one["row"], one["seed"]): one for one in json.loads((finished / "out" / "table.json").read_text())}
    unet, raw = records["unet", 1], records["raw", None]
    folder = finished / "out" / "rows" / "unet"
    trained = models.load(folder / "seed-1" / "model")
    assert unet["parameters"] == sum(p.numel() for p in trained.network.parameters())
    assert unet["network"] == "unet"
    assert unet["learning_rate"] in (1e-3, 4e-3)
    assert (unet["steps"], unet["sample_passes"], unet["out_of_time"]) == (2, 4, False)
    assert unet["inference_seconds_72_leads"] > 0
    assert unet["training_seconds"] > 0 and unet["search_seconds"] > 0
    assert unet["pretraining_seconds"] == 0 < records["sslpdl", 1]["pretraining_seconds"]
    assert unet["validation_score"] == pytest.approx(trained.metrics["outcome"]["best_score"], abs=1e-4)
    assert (unet["train"], unet["validation"], unet["test_cases"]) == ([2019], [2023], 6)
    assert unet["test_runs"] == "2022-07-01T00 to 2022-07-03T00"
    assert {"sslpdl_version", "commit", "machine", "torch_version", "finished"} <= set(unet)
    assert raw["parameters"] is None and raw["inference_seconds_72_leads"] is None
    # the loss curves of the training and of the search are kept, the models of the search are not
    assert trained.metrics["curves"]["training_loss"]
    tried = json.loads((folder / "learning_rates.json").read_text())["tried"]
    assert tried["0.001"]["curves"]["training_loss"]
    assert not (folder / "search").exists()
    counts = verify.read_counts(folder / "seed-1" / "result" / "counts.npz")
    assert counts["model"].values.tolist() == ["unet", "raw", "climatology"]


def test_the_candidate_with_the_best_validation_score_is_taken(finished):
    found = json.loads((finished / "out" / "rows" / "unet" / "learning_rates.json").read_text())
    scores = {float(rate): trial["score"] for rate, trial in found["tried"].items()}
    assert found["chosen"] == max(scores, key=scores.__getitem__)
    # the whole budget was given to the search here, so that its best is the training itself
    csv = pd.read_csv(finished / "out" / "table.csv")
    assert csv[csv.row == "unet"]["validation_score"].iloc[0] == pytest.approx(max(scores.values()), abs=1e-4)


def test_rows_share_one_pre_trained_encoder(finished):
    shared = [path.name for path in (finished / "out" / "shared").iterdir() if path.suffix != ".training"]
    assert len(shared) == 1 and shared[0].startswith("pretrained-")


def test_a_finished_table_is_left_as_it_is_and_grows_by_new_rows(finished, archive, monkeypatch):
    results = sorted((finished / "out" / "rows").rglob("result.json"))
    before = [path.stat().st_mtime_ns for path in results]
    ran = []
    run = table._run
    monkeypatch.setattr(table, "_run", lambda row, *rest, **more: (ran.append(row.name), run(row, *rest, **more)))
    config = write(finished, archive, ROWS | {"rain": {"forecast": "raw", "test": {"periods": ["2022-07-01"]}}})
    experiment(config, out=finished / "out", progress=False)
    assert ran == ["rain"]
    assert [path.stat().st_mtime_ns for path in results] == before
    csv = pd.read_csv(finished / "out" / "table.csv")
    assert csv["row"].unique().tolist() == [*ROWS, "rain"]


def test_results_of_other_settings_are_refused_before_anything_runs(finished, archive):
    config = write(finished, archive, ROWS | {"sslpdl": {"seeds": [1], "finetune": {"learning_rate": 0.5}}})
    with pytest.raises(ConfigError, match="sslpdl/seed-1 holds a result of other settings"):
        experiment(config, out=finished / "out", progress=False)


class Killed(BaseException):
    """Stands for a kill: nothing in between may catch it."""


def test_an_interrupted_row_goes_on_and_rows_before_it_are_in_the_table(archive, tmp_path, monkeypatch):
    config = write(
        tmp_path,
        archive,
        {"raw": {"forecast": "raw"}, "logistic": {"model": {"network": "logistic"}, "pretrain": None}},
    )
    with monkeypatch.context() as patch:

        def dying(_cases, forecaster, **rest):
            if not isinstance(forecaster, str):
                raise Killed
            return counted(_cases, forecaster, **rest)

        counted = table.counted
        patch.setattr(table, "counted", dying)
        with pytest.raises(Killed):
            experiment(config, out=tmp_path / "out", progress=False)
    assert pd.read_csv(tmp_path / "out" / "table.csv")["row"].unique().tolist() == ["raw"]
    weights = tmp_path / "out" / "rows" / "logistic" / "seed-1" / "model" / "model.safetensors"
    trained = weights.stat().st_mtime_ns
    experiment(config, out=tmp_path / "out", progress=False)
    assert weights.stat().st_mtime_ns == trained  # trained once
    assert pd.read_csv(tmp_path / "out" / "table.csv")["row"].unique().tolist() == ["raw", "logistic"]


def test_a_learning_rate_that_diverges_is_passed_over(archive, tmp_path):
    rows = {"logistic": {"model": {"network": "logistic"}, "pretrain": None, "learning_rates": [1e30, 1e-3]}}
    config = write(tmp_path, archive, rows)
    experiment(config, out=tmp_path / "out", progress=False)
    found = json.loads((tmp_path / "out" / "rows" / "logistic" / "learning_rates.json").read_text())
    assert found["chosen"] == 1e-3
    assert found["tried"]["1e+30"] is None
    config = write(tmp_path, archive, {"other": {**rows["logistic"], "learning_rates": [1e30, 1e29]}})
    with pytest.raises(ConfigError, match="row other: the training diverged at each learning rate"):
        experiment(config, out=tmp_path / "out", progress=False)


def test_the_rate_of_the_encoder_keeps_its_proportion(archive, tmp_path):
    (row,) = read_table(write(tmp_path, archive, {"base": {"finetune": {"encoder_learning_rate": 5e-4}}}))
    stage = row.experiment(1).finetune
    assert (stage.learning_rate, stage.encoder_learning_rate) == (1e-3, 5e-4)
    assert with_learning_rate(stage, 4e-3).encoder_learning_rate == pytest.approx(2e-3)


def test_climatology_is_that_of_the_training_runs(archive, tmp_path):
    (row,) = read_table(write(tmp_path, archive, {"base": {}}))
    opened = open_archive(archive)
    rain = opened["qpe"].sel(valid_time="2019").values[:, opened["mask"].values.astype(bool)]
    rates = training_climatology(archive, row.experiment(1).finetune.data, (1.0,))
    assert rates[1.0] == pytest.approx((rain >= 1.0).mean())


def test_regions_of_the_test_section_are_verified_too(archive, tmp_path):
    lat = open_archive(archive)["lat"].values
    box = [120, 30, 140, float(np.median(lat))]
    config = write(tmp_path, archive, {"raw": {"forecast": "raw", "test": {"regions": {"south": box}}}})
    csv = pd.read_csv(experiment(config, out=tmp_path / "out", progress=False))
    n = csv[csv.score == "csi"].groupby("region")["n"].first()
    mask = open_archive(archive)["mask"].values.astype(bool)
    assert n["south"] == 6 * (mask & (lat <= box[3])).sum() < n["all"] == 6 * mask.sum()


def test_testing_on_runs_of_training_is_refused(archive, tmp_path):
    config = write(tmp_path, archive, {"raw": {"forecast": "raw", "test": {"periods": [2023]}}})
    with pytest.raises(ConfigError, match="test run of 2023-07-01T00 UTC is in"):
        experiment(config, out=tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "section table needs rows"),
        ({"a b": {}}, "row a b: its name may hold letters"),
        ({"raw": {}}, "row raw: the name raw stands for the raw forecast"),
        ({"x": {"forecast": "persistence"}}, "row x: forecast is 'persistence'"),
        ({"x": {"finetun": {}}}, "row x: row setting 'finetun' is unknown, did you mean 'finetune'"),
        ({"x": {"finetune": {"epoch": 1}}}, "row x: finetune setting 'epoch' is unknown, did you mean 'epochs'"),
        ({"x": {"model": {"network": "unet"}}}, "row x: the network unet has no pre-training; write pretrain: null"),
        ({"x": {"model": {"widht": 3}}}, "row x: model setting 'widht' is unknown"),
        ({"x": {"seeds": [1, 1]}}, "row x: seeds is"),
        ({"x": {"seeds": []}}, "row x: its list of seeds is empty"),
        ({"x": {"learning_rates": ["fast"]}}, "row x: learning_rates is"),
        ({"x": {"learning_rates": [0, 1e-3]}}, "row x: a learning rate of 0"),
        ({"x": {"finetune": {"seed": 3}}}, "row x: finetune.seed would give every seed"),
        ({"x": {"search_share": 2}}, "row x: search_share is 2"),
        ({"x": {"test": None}}, "row x: it needs the sections archive and test"),
        ({"x": 3}, "row x: it is 3"),
    ],
)
def test_rows_that_cannot_run_are_refused_by_name(archive, tmp_path, rows, message):
    with pytest.raises(ConfigError, match=message):
        read_table(write(tmp_path, archive, rows))


def test_a_row_changes_keys_of_the_base_and_a_network_replaces_the_model(archive, tmp_path):
    rows = {
        "a": {"model": {"width": 32}, "finetune": {"label": {"kind": "pdl"}}},
        "b": {"model": {"network": "unet"}, "pretrain": None},
    }
    first, second = read_table(write(tmp_path, archive, rows, search={"seeds": [3, 4]}))
    assert first.experiment(3).finetune.model == {"preset": "tiny", "width": 32}
    assert first.experiment(3).finetune.label.kind == "pdl"
    assert first.experiment(3).finetune.class_weights == (1, 2, 3, 4)
    assert second.experiment(4).finetune.model == {"network": "unet"}
    assert second.experiment(4).pretrain is None
    assert first.seeds == second.seeds == (3, 4)
    assert first.experiment(4).finetune.seed == 4
    assert first.experiment(4).pretrain.seed == 1  # pinned in the section itself


def test_pre_training_does_not_depend_on_what_the_second_stage_alone_reads(archive, tmp_path):
    rows = {
        "a": {},
        "b": {"model": {"finetuning_mask_ratio": 0.5}, "data": {"region": [120, 30, 140, 40]}},
        "c": {"model": {"pretraining_mask_ratio": 0.5}},
    }
    a, b, c = (shared_pretraining(row.experiment(1).pretrain) for row in read_table(write(tmp_path, archive, rows)))
    assert a == b != c


@pytest.mark.parametrize("name", ["headline", "ablations"])
def test_every_row_of_a_shipped_table_learns_in_miniature(root, archive, name):
    torch.manual_seed(0)
    prepared = {}

    def data_of(stage, *, needs_rain):
        lean = dataclasses.replace(stage.data, lead_time=(), validation=())
        key = (lean, needs_rain)
        if key not in prepared:
            prepared[key] = prepare(archive, lean, needs_rain=needs_rain)
        return prepared[key]

    rows = [row for row in read_table(root / "configs" / f"{name}.yaml") if row.forecast == "network"]
    assert len({json.dumps(row.sections, sort_keys=True) for row in rows}) == len(rows)  # no row is another's double
    for row in rows:
        stages = row.experiment(row.seeds[0])
        for stage in filter(None, (stages.pretrain, stages.finetune)):
            second = stage is stages.finetune
            data = data_of(stage, needs_rain=second)
            network = stage.model.get("network", "sslpdl")
            sizes = {"channels": len(data.channels), "classes": 6, "shape": GRID.shape}
            built = models.create(models.architecture({**stage.model, **THIN[network], **sizes}))
            module = (Finetuning if second else Pretraining)(
                built if second else built.pretraining(), dataclasses.replace(stage, batch_size=2), steps=1
            )
            module.log = lambda *_: None
            batch = next(iter(loader(data.training, stage.data, batch_size=2)))
            loss = module.training_step(batch, 0)
            loss.backward()
            assert loss.isfinite() and loss > 0, row.name
            module.configure_optimizers()


def test_no_shipped_file_is_left_out(root):
    # course.yaml is what the notebooks train, which run with the suite; the other single chains run in test_training.py
    tested = {"headline", "ablations", "demo", "small", "paper", "course"}
    assert {path.stem for path in (root / "configs").glob("*.yaml")} == tested


@pytest.mark.parametrize("name", ["headline", "ablations", "demo", "small", "paper"])
def test_shipped_files_train_on_2019_to_2021_validate_on_2023_and_test_on_2022(root, name):
    settings = yaml.safe_load((root / "configs" / f"{name}.yaml").read_text())
    if "table" in settings:
        chains = [row.experiment(seed) for row in read_table(root / "configs" / f"{name}.yaml") for seed in row.seeds]
    else:
        chains = [load_config(root / "configs" / f"{name}.yaml")]
    for chain in chains:
        for stage in filter(None, (chain.pretrain, chain.finetune)):
            assert stage.data.train == (2019, 2020, 2021)
            assert stage.data.validation == (2023,)
        assert {period[:4] for period in chain.test["runs"]} == {"2022"}
        assert {period[:4] for period in chain.archive["runs"]} == {"2019", "2023"}
        assert all("2022" not in period for period in chain.archive["runs"])


def test_oversampling_is_used_where_it_is_asked_for(archive, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr("sslpdl.training.stages.Oversampled", lambda *a, **k: used.append(k) or Oversampled(*a, **k))
    rows = {"wet": {"model": {"network": "logistic"}, "pretrain": None, "finetune": {"wet_share": 0.5}}}
    experiment(write(tmp_path, archive, rows), out=tmp_path / "out", progress=False)
    assert used == [{"share": 0.5}]
