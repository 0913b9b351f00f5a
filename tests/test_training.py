"""Both stages on a small archive: learning, resuming, refusing, and every shipped configuration in miniature."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import yaml

from sslpdl import models, verify
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.errors import ConfigError, ModelError
from sslpdl.grid import KOREA_5KM
from sslpdl.training import DataConfig, FinetuneConfig, PretrainConfig, experiment, finetune, load_config, pretrain
from sslpdl.training.data import Samples
from sslpdl.training.loop import _AtomicCheckpoints, read_checkpoint
from sslpdl.training.prepare import automatic_split

SHAPE = (32, 24)
CHANNELS = ("rh_850", "t_850", "v_850", "rain")
LEADS = (6, 12)
PRETRAINING = {
    "model": {"preset": "tiny", "pretraining_mask_ratio": 0.5},
    "epochs": 4,
    "learning_rate": 3e-3,
}
DATA = DataConfig(train=("2019-07-01/2019-07-10",), validation=("2019-07-12/2019-07-14",))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Rain follows humidity, and the forecast rain is displaced: the fields know more than the rain."""
    path = tmp_path_factory.mktemp("training") / "archive.zarr"
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    mask = columns < 20
    grid = KOREA_5KM.crop(60, 40, SHAPE)
    with ArchiveWriter.create(path, grid=grid, channels=CHANNELS, lead_time=LEADS, mask=mask) as writer:
        for run in np.arange("2019-07-01T00", "2019-07-15T00", 12, dtype="datetime64[h]"):
            fields = np.empty((len(LEADS), len(CHANNELS), *SHAPE), "float32")
            rain = np.empty((len(LEADS), *SHAPE), "float32")
            for lead in range(len(LEADS)):
                row, column, size = generator.uniform((4, 4, 3), (28, 20, 7))
                bump = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * size**2))
                fields[lead, 0] = 60 + 35 * bump + generator.normal(size=SHAPE)
                fields[lead, 1] = 285 + generator.normal(size=SHAPE)
                fields[lead, 2] = 10 * bump
                fields[lead, 3] = 15 * np.roll(np.maximum(bump - 0.4, 0), 5, axis=1)
                rain[lead] = 30 * np.maximum(bump - 0.5, 0)
            writer.write_run(run, fields)
            for lead, hours in enumerate(LEADS):
                # runs of 00 and 12 UTC with 6 and 12 h have no valid time in common
                writer.write_qpe(run + np.timedelta64(hours, "h"), np.where(mask, rain[lead], np.nan))
    return path


def settings(kind, **changes):
    base = {"data": DATA, "model": {"preset": "tiny"}, "epochs": 2, "batch_size": 4, "accelerator": "cpu"}
    return kind(**{**base, **changes})


@pytest.fixture(scope="module")
def pretrained(archive, tmp_path_factory):
    config = settings(PretrainConfig, **PRETRAINING)
    return pretrain(archive, config=config, out=tmp_path_factory.mktemp("pre") / "model", progress=False)


@pytest.fixture(scope="module")
def finetuned(archive, pretrained, tmp_path_factory):
    config = settings(
        FinetuneConfig, epochs=6, learning_rate=4e-3, encoder_learning_rate=4e-3, class_weights=(1.0, 2.0, 3.0)
    )
    out = tmp_path_factory.mktemp("fine") / "model"
    return finetune(archive, config=config, out=out, pretrained=pretrained, progress=False)


def test_pretraining_writes_a_reconstruction_model_that_beats_the_mean(pretrained):
    model = models.load(pretrained)
    assert model.kind == "reconstruction"
    assert model.channels == CHANNELS
    skill = model.metrics["validation"]
    # humidity varies smoothly, so what is hidden can be told from what is shown; white noise cannot
    assert skill["masked_mse"][0] < 0.8 * skill["masked_mse_of_the_mean"][0]
    curve = model.metrics["curves"]["validation_loss"]
    assert len(curve) == 4
    assert min(curve) < curve[0]


def test_finetuning_learns_calibrates_and_decides(archive, finetuned):
    model = models.load(finetuned)
    assert model.kind == "segmentation"
    assert model.thresholds == (0.1, 10.0)
    assert set(model.decision) == {0.1, 10.0}
    assert all(0.0 < p < 1.0 for p in model.decision.values())
    metrics = model.metrics
    assert metrics["fitted_on"] == "validation"
    assert metrics["pretrained"]
    assert (
        metrics["calibration"]["negative_log_likelihood_after"]
        <= (metrics["calibration"]["negative_log_likelihood_before"])
    )
    # the share of wet cells is the CSI of climatology
    qpe = open_archive(archive)["qpe"].sel(valid_time=slice("2019-07-12", "2019-07-15")).values
    wet = np.nanmean(np.where(np.isnan(qpe), np.nan, qpe >= 0.1))
    assert metrics["best_csi"]["0.1"] > 2 * wet


def test_metrics_record_how_it_was_made(finetuned):
    metrics = models.load(finetuned).metrics
    split = metrics["split"]
    assert (split["training_samples"], split["validation_samples"], split["purged_samples"]) == (40, 12, 0)
    assert (split["training_runs"], split["validation_runs"]) == (20, 6)
    assert metrics["seconds"] > 0
    assert metrics["sample_passes"] == 6 * 10 * 4
    assert metrics["curves"]["step"] == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert {"training_loss", "validation_loss", "score", "csi_0.1", "csi_10"} <= set(metrics["curves"])


def test_statistics_are_of_training_runs_with_the_logarithm_of_rain(archive, finetuned):
    model = models.load(finetuned)
    part = open_archive(archive)["fields"].sel(init_time=slice("2019-07-01", "2019-07-10T23")).values
    humidity, rain = part[:, :, 0], np.log1p(part[:, :, 3])
    assert model.statistics.mean[0] == pytest.approx(humidity.mean(dtype="float64"), rel=1e-5)
    assert model.statistics.std[3] == pytest.approx(rain.std(dtype="float64"), rel=1e-4)


def test_the_workshop_keeps_logs_and_no_checkpoints(finetuned):
    workshop = finetuned.with_name("model.training")
    assert not list(workshop.glob("*.ckpt"))
    assert list(workshop.rglob("events.out.tfevents*"))


def test_a_finished_training_is_left_as_it_is_and_other_settings_are_refused(archive, pretrained):
    config = settings(PretrainConfig, **PRETRAINING)
    before = (pretrained / "model.safetensors").stat().st_mtime_ns
    assert pretrain(archive, config=config, out=pretrained, progress=False) == pretrained
    assert (pretrained / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ModelError, match="holds a model of other settings"):
        pretrain(archive, config=dataclasses.replace(config, seed=9), out=pretrained, progress=False)


class Killed(BaseException):
    """Stands for a kill: nothing in between may catch it."""


def weights(folder):
    return {name: tensor.clone() for name, tensor in models.load(folder).network.state_dict().items()}


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(archive, tmp_path, monkeypatch, stage):
    kind, train = {"pretrain": (PretrainConfig, pretrain), "finetune": (FinetuneConfig, finetune)}[stage]
    config = settings(kind, epochs=3, steps_per_epoch=3, seed=4)
    whole = train(archive, config=config, out=tmp_path / "whole", progress=False)

    read, reads = Samples._read, []

    def dying(self, item):
        reads.append(item)
        if len(reads) == 34:  # in the third epoch: 12 training samples an epoch, 12 to validate
            raise Killed
        return read(self, item)

    # without the cache each draw is a read; the samples are the same
    uncached = dataclasses.replace(config, data=dataclasses.replace(DATA, cache_gib=0.0))
    with monkeypatch.context() as patch:
        patch.setattr(Samples, "_read", dying)
        with pytest.raises(Killed):
            train(archive, config=uncached, out=tmp_path / "parts", progress=False)
    assert not (tmp_path / "parts").exists()
    assert read_checkpoint(tmp_path / "parts.training" / "last.ckpt")["global_step"] in (3, 6)
    with pytest.raises(ModelError, match="interrupted training of other settings"):
        train(archive, config=config, out=tmp_path / "parts", progress=False)
    resumed = train(archive, config=uncached, out=tmp_path / "parts", progress=False)
    expected = weights(whole)
    assert all(tensor.equal(expected[name]) for name, tensor in weights(resumed).items())
    assert models.load(resumed).metrics["curves"] == models.load(whole).metrics["curves"]


def test_a_damaged_checkpoint_is_refused(archive, tmp_path):
    config = settings(PretrainConfig)
    pretrain(archive, config=config, out=tmp_path / "model", progress=False)
    (tmp_path / "model").rename(tmp_path / "away")
    (tmp_path / "model.training" / "last.ckpt").write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=r"last\.ckpt is damaged"):
        pretrain(archive, config=config, out=tmp_path / "model", progress=False)


def test_training_stops_early_and_keeps_the_best_state(archive, tmp_path):
    # with a rate of next to nothing no later state is better than the first
    config = settings(PretrainConfig, epochs=8, steps_per_epoch=2, learning_rate=1e-20, patience=2)
    model = models.load(pretrain(archive, config=config, out=tmp_path / "model", progress=False))
    assert len(model.metrics["curves"]["score"]) == 3
    assert model.metrics["outcome"]["stopped_early"]
    assert model.metrics["outcome"]["best_step"] == 2


def test_a_frozen_encoder_keeps_its_weights(archive, pretrained, tmp_path):
    config = settings(FinetuneConfig, epochs=1, encoder_learning_rate=0.0)
    model = models.load(finetune(archive, config=config, out=tmp_path / "model", pretrained=pretrained, progress=False))
    before = models.load(pretrained).network.encoder.state_dict()
    assert all(tensor.equal(before[name]) for name, tensor in model.network.encoder.state_dict().items())


def test_an_archive_without_settings_is_split_by_itself(archive):
    data = automatic_split(archive)
    # 28 runs of 12 hours: the last fifth, rounded down, validates
    assert (len(data.train), len(data.validation)) == (23, 5)
    assert data.train[-1] < data.validation[0]


def test_without_validation_the_last_state_is_taken_and_said_so(archive, tmp_path):
    data = dataclasses.replace(DATA, validation=())
    model = models.load(
        finetune(archive, config=settings(FinetuneConfig, data=data), out=tmp_path / "m", progress=False)
    )
    assert model.metrics["fitted_on"].startswith("training")
    assert model.metrics["outcome"]["best_step"] == model.metrics["outcome"]["steps"] == 20


def test_a_model_that_does_not_fit_is_refused(archive, pretrained, tmp_path):
    wider = settings(FinetuneConfig, model={"preset": "tiny", "width": 32})
    with pytest.raises(ModelError, match="another architecture"):
        finetune(archive, config=wider, out=tmp_path / "a", pretrained=pretrained, progress=False)
    linear = settings(FinetuneConfig, data=dataclasses.replace(DATA, log_rain=False))
    with pytest.raises(ModelError, match="log_rain"):
        finetune(archive, config=linear, out=tmp_path / "b", pretrained=pretrained, progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lead_time": (7,)}, "asks for 7 h"),
        ({"channels": ("slp",)}, "lacks the channel 'slp'"),
        ({"train": (2020,)}, "no samples of data.train"),
    ],
)
def test_data_that_the_archive_lacks_is_refused(archive, tmp_path, changes, message):
    config = settings(FinetuneConfig, data=dataclasses.replace(DATA, **changes))
    with pytest.raises(ConfigError, match=message):
        finetune(archive, config=config, out=tmp_path / "model", progress=False)


def test_samples_are_the_same_from_the_archive_from_memory_and_from_workers(archive, tmp_path):
    results = []
    for name, data in (
        ("memory", DATA),
        ("archive", dataclasses.replace(DATA, cache_gib=0.0)),
        ("workers", dataclasses.replace(DATA, workers=1)),
    ):
        config = settings(PretrainConfig, data=data, epochs=1, steps_per_epoch=2)
        results.append(weights(pretrain(archive, config=config, out=tmp_path / name, progress=False)))
    for other in results[1:]:
        assert all(tensor.equal(other[name]) for name, tensor in results[0].items())


@pytest.mark.parametrize("name", ["demo", "small", "paper"])
def test_shipped_configurations_run_in_miniature(root, archive, tmp_path, name):
    experiment = load_config(root / "configs" / f"{name}.yaml")
    thin = {"depths": (1, 1, 1, 1), "width": 16, "fpn_channels": 16, "pool_channels": 16}
    model = {**experiment.finetune.model, **thin}
    lean = {"data": DATA, "model": model, "epochs": 1, "steps_per_epoch": 1, "batch_size": 1}
    first = dataclasses.replace(experiment.pretrain, **lean)
    second = dataclasses.replace(experiment.finetune, **lean)
    folder = pretrain(archive, config=first, out=tmp_path / "first", progress=False)
    model = models.load(finetune(archive, config=second, out=tmp_path / "second", pretrained=folder, progress=False))
    assert model.config.classes == len(experiment.finetune.thresholds) + 1
    assert np.isfinite(model.probabilities(np.zeros((1, 4, *SHAPE), "float32"))).all()


def test_a_whole_chain_runs_from_one_file_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    # the report has its own tests, and takes longer than all the rest
    verified = []
    monkeypatch.setattr(verify, "evaluate", lambda cases, **settings: verified.append((cases, settings)))
    twin = {"lead_time": [6], "seed": 1}
    chain = {
        "archive": {**twin, "runs": {"2019-07-01/2019-07-03": 12}},
        "test": {**twin, "runs": {"2022-07-01": 12}},
        "data": {"train": ["2019-07-01/2019-07-02"], "validation": ["2019-07-03"]},
        "model": {"preset": "tiny"},
        "finetune": {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2},
    }
    (tmp_path / "chain.yaml").write_text(yaml.safe_dump(chain))
    experiment(tmp_path / "chain.yaml", out=tmp_path / "out", progress=False)
    cases, settings = verified[0]
    assert cases["init_time"].values.astype("datetime64[h]").astype(str).tolist() == ["2022-07-01T00", "2022-07-01T12"]
    assert settings["model"] == tmp_path / "out" / "model"
    assert 0.0 < settings["climatology"][10.0] < settings["climatology"][0.1] < 1.0
    weights_before = (tmp_path / "out" / "model" / "model.safetensors").stat().st_mtime_ns
    experiment(tmp_path / "chain.yaml", out=tmp_path / "out", progress=False)
    assert (tmp_path / "out" / "model" / "model.safetensors").stat().st_mtime_ns == weights_before


@pytest.mark.parametrize("section", [{}, {"runs": 12}, {"runs": {"summer": 12}}, {"runs": {}, "every": 3}])
def test_archives_that_cannot_be_made_are_refused(tmp_path, section):
    chain = {"archive": section, "data": {"train": [2019]}, "finetune": {}}
    (tmp_path / "chain.yaml").write_text(yaml.safe_dump(chain))
    with pytest.raises(ConfigError, match=r"section archive needs a path|which is no period"):
        experiment(tmp_path / "chain.yaml", out=tmp_path / "out", progress=False)


def test_a_checkpoint_cut_short_leaves_the_old_one(archive, tmp_path, monkeypatch):
    target = tmp_path / "last.ckpt"
    _AtomicCheckpoints().save_checkpoint({"weights": torch.ones(3)}, target)

    def full_disk(_checkpoint, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(ModelError, match=r"checkpoint cannot be written: the disk .* is full"):
        _AtomicCheckpoints().save_checkpoint({"weights": torch.zeros(3)}, target)
    assert read_checkpoint(target)["weights"].tolist() == [1.0, 1.0, 1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
