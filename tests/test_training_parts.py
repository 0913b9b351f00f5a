"""Parts of training: losses, splits, sampling, decision thresholds, calibration, settings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import yaml
from torch.nn import functional as F

from sslpdl.errors import ConfigError
from sslpdl.models import Calibration
from sslpdl.training import DataConfig, FinetuneConfig, PretrainConfig, load_config
from sslpdl.training.calibrate import fit, negative_log_likelihood
from sslpdl.training.data import Endless
from sslpdl.training.decision import ThresholdCounts
from sslpdl.training.losses import cross_entropy, masked_mse
from sslpdl.training.splits import runs_in, split

ROOT_CONFIGS = ("demo", "small", "paper")


def test_reconstruction_is_scored_where_it_was_hidden_and_is_known():
    target = torch.tensor([1.0, 2.0, 3.0, torch.nan]).reshape(1, 1, 2, 2)
    fields = torch.tensor([0.0, 5.0, 1.0, 9.0], requires_grad=True)
    hidden = torch.tensor([True, False, True, True]).reshape(1, 1, 2, 2)
    loss = masked_mse(fields.reshape(1, 1, 2, 2), target, hidden)
    assert loss.item() == ((0 - 1) ** 2 + (1 - 3) ** 2) / 2
    loss.backward()
    # d/dx of the two counted squares over 2; nothing for what was shown or is unknown
    assert fields.grad.tolist() == [-1.0, 0.0, -2.0, 0.0]


def test_nothing_hidden_gives_no_loss():
    assert masked_mse(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=bool)).item() == 0


def test_both_normalisers_give_the_figures_of_the_specification():
    # logits 0, labels (0, 0, 0, 2), weights (1, 5, 10): ln 3, and (3 + 10) / 4 ln 3
    logits = torch.zeros(1, 3, 1, 4)
    target = torch.eye(3)[[0, 0, 0, 2]].reshape(1, 1, 4, 3)
    by_weight = cross_entropy(logits, target, weights=(1, 5, 10), normaliser="weight")
    by_count = cross_entropy(logits, target, weights=(1, 5, 10), normaliser="count")
    assert by_weight.item() == pytest.approx(1.0986, abs=1e-4)
    assert by_count.item() == pytest.approx(3.5705, abs=1e-4)


def test_cross_entropy_is_that_of_pytorch_for_hard_and_soft_labels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    index = torch.randint(0, 3, (2, 4, 5), generator=generator)
    soft = torch.rand(2, 4, 5, 3, generator=generator).softmax(-1)
    weights = torch.tensor([1.0, 5.0, 10.0])
    hard = torch.eye(3)[index]
    torch.testing.assert_close(
        cross_entropy(logits, hard, weights=(1, 5, 10), normaliser="weight"), F.cross_entropy(logits, index, weights)
    )
    torch.testing.assert_close(
        cross_entropy(logits, soft, weights=(1, 5, 10)), F.cross_entropy(logits, soft.movedim(-1, 1), weights)
    )


@pytest.mark.parametrize("normaliser", ["count", "weight"])
def test_cells_without_observation_do_not_count(normaliser):
    logits = torch.randn(1, 3, 1, 4)
    target = torch.eye(3)[[0, 1, 2, 1]].reshape(1, 1, 4, 3)
    target[0, 0, 1] = torch.nan
    masked = cross_entropy(logits, target, weights=(1, 5, 10), normaliser=normaliser)
    kept = [0, 2, 3]
    alone = cross_entropy(logits[..., kept], target[:, :, kept], weights=(1, 5, 10), normaliser=normaliser)
    torch.testing.assert_close(masked, alone)
    assert cross_entropy(logits, torch.full((1, 1, 4, 3), torch.nan)).item() == 0.0


def test_the_mixed_label_is_the_sum_of_two_losses():
    logits = torch.randn(1, 3, 2, 2)
    hard, soft = torch.eye(3)[torch.tensor([[0, 1], [2, 2]])][None], torch.rand(1, 2, 2, 3).softmax(-1)
    mixture = cross_entropy(logits, 0.75 * hard + 0.25 * soft, weights=(1, 5, 10))
    separate = [cross_entropy(logits, target, weights=(1, 5, 10)) for target in (hard, soft)]
    torch.testing.assert_close(mixture, 0.75 * separate[0] + 0.25 * separate[1])


def hours(*texts):
    return np.array(texts, "datetime64[h]").astype("datetime64[ns]")


def test_periods_include_both_ends():
    times = hours("2018-12-31T23", "2019-01-01T00", "2019-07-31T12", "2019-08-01T00", "2020-02-29T12", "2021-01-01T00")
    assert runs_in(times, [2019]).tolist() == [False, True, True, True, False, False]
    assert runs_in(times, ["2019-07"]).tolist() == [False, False, True, False, False, False]
    assert runs_in(times, ["2019-07/2019-08"]).tolist() == [False, False, True, True, False, False]
    assert runs_in(times, ["2020-02-29"]).tolist() == [False, False, False, False, True, False]
    assert runs_in(times, ["2020-02-29T11"]).tolist() == [False] * 6
    assert runs_in(times, [2018, "2021-01-01T00"]).tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize("period", ["summer", "2019-13", "2020/2019", ""])
def test_impossible_periods_are_refused(period):
    with pytest.raises(ConfigError, match=r"data\.train holds"):
        runs_in(hours("2019-01-01T00"), [period])


def test_no_run_is_in_both_splits():
    init = hours("2019-07-01T00", "2019-07-02T00")
    with pytest.raises(ConfigError, match=r"2019-07-02T00 UTC is in data\.train and in data\.validation"):
        split(init, init, train=["2019-07"], validation=["2019-07-02"])


def test_training_samples_of_a_validated_hour_are_left_out():
    init = hours("2019-07-01T00", "2019-07-01T00", "2019-07-01T12", "2019-07-01T12")
    valid = init + np.array([6, 18, 6, 18], "timedelta64[h]")
    divided = split(init, valid, train=["2019-07-01T00"], validation=["2019-07-01T12"])
    # 00 UTC + 18 h and 12 UTC + 6 h are the same hour
    assert divided.train.tolist() == [0]
    assert divided.validation.tolist() == [2, 3]
    assert divided.purged == 1


def test_a_split_without_runs_is_refused():
    init = hours("2019-07-01T00")
    with pytest.raises(ConfigError, match=r"no samples of data.validation \[2020\]; its runs: 2019-07-01T00 UTC to"):
        split(init, init, train=[2019], validation=[2020])


@pytest.mark.parametrize(
    ("init", "lead", "refused"),
    [
        ("2022-07-31T00", 24, False),  # the hour that ends at midnight belongs to July
        ("2022-07-31T00", 25, True),
        ("2022-08-15T00", 6, True),
        ("2022-08-31T12", 12, True),
        ("2022-09-01T00", 6, False),
        ("2021-08-15T00", 6, False),
    ],
)
@pytest.mark.parametrize("part", ["train", "validation"])
def test_august_2022_is_never_trained_on(init, lead, refused, part):
    start = hours(init, "2020-07-01T00")
    valid = start + np.timedelta64(lead, "h")
    periods = {"train": [2020], "validation": []}
    periods[part] = [*periods[part], "2021/2022"]
    if refused:
        with pytest.raises(ConfigError, match="held out for the case study"):
            split(start, valid, **periods)
    else:
        assert len(getattr(split(start, valid, **periods), part)) >= 1


def test_endless_draws_pass_over_all_samples_and_depend_on_seed_and_epoch_only():
    def epoch(number, seed=1):
        sampler = Endless(10, 6, seed=seed)
        sampler.set_epoch(number)
        return list(sampler)

    draws = [draw for number in range(5) for draw in epoch(number)]
    for first in range(0, 30, 10):
        assert sorted(draws[first : first + 10]) == list(range(10))
    assert draws[:10] != draws[10:20]
    assert epoch(3) == epoch(3)
    assert epoch(0, seed=2) != epoch(0)
    assert len(Endless(10, 6, seed=1)) == 6


def test_decision_thresholds_maximise_csi():
    # p(>= 10 mm) and what happened; yes from 0.2 on: 3 hits, 1 false alarm, no miss
    exceedance = torch.tensor([0.9, 0.4, 0.2, 0.3, 0.1, 0.05])
    observed = torch.tensor([1, 1, 1, 0, 0, -1])
    probability = torch.stack([1.0 - exceedance, exceedance]).reshape(1, 2, 1, 6)
    counts = ThresholdCounts([10.0])
    counts.add(probability[..., :3], observed[:3].reshape(1, 1, 3))
    counts.add(probability[..., 3:], observed[3:].reshape(1, 1, 3))
    csi = counts.csi()[0]
    assert csi[0].item() == 3 / 5  # always yes
    assert csi[150].item() == 3 / 4
    assert csi[350].item() == 2 / 3
    assert csi[950].item() == 0.0
    threshold, best = counts.best()[10.0]
    assert best == 3 / 4
    assert 0.1 < threshold <= 0.2
    assert counts.score() == 3 / 4


def test_a_threshold_without_events_has_no_decision():
    counts = ThresholdCounts([0.1, 10.0])
    counts.add(torch.full((1, 3, 1, 4), 1 / 3), torch.tensor([0, 1, 1, 0]).reshape(1, 1, 4))
    assert list(counts.best()) == [0.1]
    assert counts.score() == 0.5


def drawn(scale, bias, cells=20_000):
    generator = torch.Generator().manual_seed(0)
    log_p = (2.0 * torch.randn(cells, 3, generator=generator)).log_softmax(1)
    truth = (log_p * torch.tensor(scale) + torch.tensor(bias)).softmax(1)
    return log_p, torch.multinomial(truth, 1, generator=generator)[:, 0]


def test_temperature_is_recovered():
    log_p, observed = drawn([0.5] * 3, [0.0] * 3)
    fitted = fit(log_p, observed, kind="temperature")
    assert fitted.kind == "temperature"
    np.testing.assert_allclose(fitted.scale, 0.5, atol=0.02)
    assert fitted.bias == (0.0, 0.0, 0.0)


def test_scales_and_biases_are_recovered():
    log_p, observed = drawn([0.6, 1.0, 1.5], [0.8, 0.0, -0.8])
    fitted = fit(log_p, observed, kind="vector")
    np.testing.assert_allclose(fitted.scale, [0.6, 1.0, 1.5], atol=0.12)
    np.testing.assert_allclose(np.diff(fitted.bias), [-0.8, -0.8], atol=0.1)
    before, after = (negative_log_likelihood(values, observed) for values in (log_p, fitted.apply(log_p)))
    assert after < before - 0.01


def test_a_class_that_never_occurred_does_not_run_away():
    log_p, observed = drawn([1.0] * 3, [0.0] * 3, cells=500)
    fitted = fit(log_p, observed.clamp_max(1), kind="vector")
    assert all(math.isfinite(value) and abs(value) < 50 for value in (*fitted.scale, *fitted.bias))


def test_nothing_is_calibrated_without_data_or_when_asked():
    log_p, observed = drawn([0.5] * 3, [0.0] * 3, cells=100)
    assert fit(log_p, observed, kind="identity") == Calibration()
    assert fit(log_p[:0], observed[:0]) == Calibration()


def write(tmp_path, **sections):
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump({"data": {"train": [2019]}, "finetune": {}, **sections}))
    return path


def test_stages_share_and_override_settings(tmp_path):
    path = write(
        tmp_path,
        seed=7,
        model={"preset": "tiny", "width": 32},
        pretrain={"epochs": 3, "data": {"log_rain": False}},
        finetune={"epochs": 4, "model": {"drop_path": 0.2}, "label": {"kind": "pdl"}, "seed": 8},
    )
    experiment = load_config(path)
    assert (experiment.pretrain.epochs, experiment.pretrain.seed, experiment.finetune.seed) == (3, 7, 8)
    assert (experiment.pretrain.data.log_rain, experiment.finetune.data.log_rain) == (False, True)
    assert experiment.finetune.model == {"preset": "tiny", "width": 32, "drop_path": 0.2}
    assert experiment.finetune.label.kind == "pdl"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"finetuning": {}}, "section 'finetuning' is unknown, did you mean 'finetune'"),
        ({"finetune": {"treshold": [1]}}, "did you mean 'thresholds'"),
        ({"finetune": {"thresholds": [10, 1]}}, "positive increasing"),
        ({"finetune": {"class_weights": [1, 2]}}, "give 3 positive numbers"),
        ({"finetune": {"label": {"betta": 1}}}, "did you mean 'beta'"),
        ({"finetune": {"monitor": "f1"}}, "monitor is 'f1'"),
        ({"finetune": {"epochs": 0}}, "epochs is 0"),
        ({"finetune": {"warmup": 1.0}}, "warmup is 1.0"),
        ({"data": {"train": []}}, "data.train is empty"),
        ({"data": {"train": [2019], "lead_times": [6]}}, "did you mean 'lead_time'"),
        ({"model": {"preset": "tiny", "classes": 3}}, "model.classes follows from"),
        ({"model": {"preset": "huge"}}, "preset 'huge' is unknown"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, sections, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, **sections))


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "missing.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_config(tmp_path / "bad.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="holds no settings"):
        load_config(tmp_path / "empty.yaml")


@pytest.mark.parametrize("name", ROOT_CONFIGS)
def test_shipped_configurations_are_valid_and_keep_august_2022_out(root, name):
    experiment = load_config(root / "configs" / f"{name}.yaml")
    assert isinstance(experiment.pretrain, PretrainConfig)
    assert isinstance(experiment.finetune, FinetuneConfig)
    august = hours("2022-08-01T00", "2022-08-31T12")
    for stage in (experiment.pretrain, experiment.finetune):
        for periods in (stage.data.train, stage.data.validation):
            assert not runs_in(august, periods).any()


def test_a_data_section_needs_training_runs():
    with pytest.raises(ConfigError, match=r"data\.train is empty"):
        DataConfig()
