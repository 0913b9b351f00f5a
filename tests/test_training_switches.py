"""What each switch of the ablations does to labels, loss, draws, data and schedule, by hand."""

from __future__ import annotations

import dataclasses
import math

import archives
import numpy as np
import pytest
import torch

from sslpdl import labels, models
from sslpdl.archive import open_archive
from sslpdl.errors import ConfigError, ModelError
from sslpdl.grid import KOREA_5KM
from sslpdl.labels import LabelConfig
from sslpdl.training import DataConfig, FinetuneConfig, PretrainConfig, finetune, pretrain
from sslpdl.training.data import Endless, Oversampled
from sslpdl.training.losses import DivergedError, cross_entropy
from sslpdl.training.modules import Finetuning
from sslpdl.training.prepare import prepare

GRID = KOREA_5KM.crop(100, 40, (40, 36), name="switches")  # more than one patch of 32 by 32 cells
DATA = DataConfig(train=("2020-07-01/2020-07-08",), validation=("2020-07-09/2020-07-10",))
SHORT = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ten runs with 6 and 12 h; the rain of run n is n mm everywhere."""
    path = tmp_path_factory.mktemp("switches") / "a.zarr"
    with archives.create(path, grid=GRID, lead_time=(6, 12)) as writer:
        for day in range(1, 11):
            run = np.datetime64(f"2020-07-{day:02d}T00", "h")
            writer.write_run(run, archives.fields(day, leads=2, shape=GRID.shape))
            for lead in (6, 12):
                writer.write_qpe(run + np.timedelta64(lead, "h"), np.full(GRID.shape, day, "float32"))
    return path


def settings(**changes):
    return FinetuneConfig(**{"data": DATA, "model": {"network": "logistic"}, **SHORT, **changes})


def test_uniform_smoothing_moves_the_one_hot_label_towards_even_shares():
    rain = np.array([0.0, 5.0, np.nan])
    smoothed = LabelConfig(kind="one_hot", alpha=0.3).encode(rain, (0.1, 10.0))
    np.testing.assert_allclose(smoothed[:2], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert np.isnan(smoothed[2]).all()
    assert np.array_equal(labels.one_hot(rain[:2], (0.1, 10.0), alpha=1.0), np.full((2, 3), 1 / 3))
    with pytest.raises(ConfigError, match=r"alpha is 1\.5"):
        labels.one_hot(rain, (0.1,), alpha=1.5)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        # 5.05 mm lies half-way up the ramp from 0.1 to 10 mm
        ({"kind": "one_hot"}, [0.0, 1.0, 0.0]),
        ({"kind": "pdl"}, [0.0, 0.5, 0.5]),
        ({"kind": "pdl", "rho": 0.5}, [0.0, 1.0, 0.0]),
        ({"kind": "mixed", "beta": 0.75}, [0.0, 0.875, 0.125]),
        ({"kind": "pdl", "alpha": 0.3}, [0.1, 0.45, 0.45]),
    ],
)
def test_labels_by_configuration(label, expected):
    np.testing.assert_allclose(LabelConfig(**label).encode(np.array(5.05), (0.1, 10.0)), expected, atol=1e-12)


def test_focal_loss_turns_to_what_is_not_learned_yet():
    # p = 1/2 and 1/4 for the right class
    logits = torch.tensor([[0.5, 0.25], [0.5, 0.75]]).log().reshape(1, 2, 1, 2)
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).reshape(1, 1, 2, 2)
    by_hand = -(0.5**2 * math.log(0.5) + 0.75**2 * math.log(0.25)) / 2
    assert cross_entropy(logits, target, focal_gamma=2.0).item() == pytest.approx(by_hand, rel=1e-6)
    # weights multiply as in the cross-entropy, and soft targets count term by term
    weighted = cross_entropy(logits, target, weights=(3.0, 1.0), focal_gamma=2.0)
    assert weighted.item() == pytest.approx(3 * by_hand, rel=1e-6)
    soft = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).reshape(1, 1, 2, 2)
    terms = 0.6 * by_hand - 0.4 * (0.5**2 * math.log(0.5) + 0.25**2 * math.log(0.75)) / 2
    assert cross_entropy(logits, soft, focal_gamma=2.0).item() == pytest.approx(terms, rel=1e-6)


def test_focal_loss_has_finite_gradients_where_all_is_learned():
    logits = torch.tensor([60.0, -60.0]).reshape(1, 2, 1, 1).requires_grad_()
    cross_entropy(logits, torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2), focal_gamma=0.5).backward()
    assert logits.grad.isfinite().all()


def test_the_stage_uses_the_focal_exponent():
    torch.manual_seed(0)
    fields, rain = torch.randn(2, 4, 6, 5), torch.rand(2, 6, 5) * 12
    network = models.build("logistic", channels=4)
    losses = {}
    for gamma in (0.0, 2.0):
        module = Finetuning(network, settings(focal_gamma=gamma), steps=1)
        module.log = lambda *_: None
        losses[gamma] = module.training_step((fields, rain), 0).item()
        target = module.config.label.encode(rain, (0.1, 10.0))
        assert losses[gamma] == pytest.approx(cross_entropy(network(fields), target, focal_gamma=gamma).item())
    assert losses[2.0] < losses[0.0]


def test_the_wettest_samples_are_those_with_most_rain(archive):
    samples = prepare(archive, DATA, needs_rain=True).training
    # 16 training samples, two of each of eight days with 1, 2, ... 8 mm
    assert samples.wettest(0.25).tolist() == [12, 13, 14, 15]
    assert samples.wettest(0.0).tolist() == [14]  # at least one; the first of equals


def test_a_share_of_the_draws_comes_from_chosen_samples():
    chosen = np.array([3, 7])
    drawn = []
    for epoch in range(20):
        order = Oversampled(Endless(100, 50, seed=4), chosen, share=0.5)
        order.set_epoch(epoch)
        items = list(order)
        assert len(items) == len(order) == 50
        again = Oversampled(Endless(100, 50, seed=4), chosen, share=0.5)
        again.set_epoch(epoch)
        assert list(again) == items
        drawn += items
    share = np.isin(drawn, chosen).mean()
    # half of the draws, and 2 in 100 of the others; 1000 draws have a deviation of 0.016
    assert share == pytest.approx(0.5 + 0.5 * 0.02, abs=0.06)
    plain, nothing = Endless(100, 50, seed=4), Oversampled(Endless(100, 50, seed=4), chosen, share=0.0)
    assert list(nothing) == list(plain)


def test_channels_are_left_out_by_name(archive):
    held = [str(name) for name in open_archive(archive)["channel"].values]
    prepared = prepare(archive, dataclasses.replace(DATA, without=("t_850", "slp")), needs_rain=False)
    assert prepared.channels == tuple(name for name in held if name not in ("t_850", "slp"))
    with pytest.raises(ConfigError, match="lacks the channel 't_950'"):
        prepare(archive, dataclasses.replace(DATA, without=("t_950",)), needs_rain=False)
    with pytest.raises(ConfigError, match="leaves no channel"):
        prepare(archive, dataclasses.replace(DATA, channels=("rain",), without=("rain",)), needs_rain=False)


def test_rain_is_learned_from_in_a_region_only(archive):
    opened = open_archive(archive)
    lat = opened["lat"].values
    middle = float(np.median(lat))
    data = dataclasses.replace(DATA, region=(120.0, 30.0, 140.0, middle))
    fields, rain = prepare(archive, data, needs_rain=True).training[0]
    assert np.array_equal(np.isfinite(rain.numpy()), opened["mask"].values.astype(bool) & (lat <= middle))
    assert torch.isfinite(fields).all()  # the fields of the whole grid are seen
    with pytest.raises(ConfigError, match="holds no cell"):
        prepare(archive, dataclasses.replace(DATA, region=(0.0, 0.0, 1.0, 1.0)), needs_rain=True)


def test_a_region_must_be_a_box():
    with pytest.raises(ConfigError, match="west, south, east and north"):
        DataConfig(train=(2020,), region=(130.0, 30.0, 120.0, 40.0))


def test_a_limit_of_time_ends_the_training_and_its_schedule(archive, tmp_path, monkeypatch):
    clock = iter(range(0, 100_000, 3))  # every look at the clock takes three seconds
    monkeypatch.setattr("sslpdl.training.modules.time.monotonic", lambda: float(next(clock)))
    config = settings(epochs=500, steps_per_epoch=2, minutes=1.0, warmup=0.0)
    model = models.load(finetune(archive, config=config, out=tmp_path / "m", progress=False))
    outcome = model.metrics["outcome"]
    assert outcome["out_of_time"]
    assert 0 < outcome["steps"] < 60
    assert outcome["steps"] % 2 == 0  # whole epochs
    assert model.metrics["sample_passes"] == 2 * outcome["steps"]


def test_the_rate_follows_the_clock_where_that_is_ahead():
    module = Finetuning(models.build("logistic"), settings(minutes=10.0, warmup=0.1), steps=100)
    module._begin -= 300.0  # half of the time is up
    at_half = 0.5 * (1 + math.cos(math.pi * (50 - 10) / 90))
    assert module._factor(3) == pytest.approx(at_half, abs=0.02)
    assert module._factor(90) == pytest.approx(0.5 * (1 + math.cos(math.pi * 80 / 90)), abs=1e-6)
    module._begin -= 300.0
    assert module._factor(3) == pytest.approx(0.0, abs=1e-3)
    assert module.out_of_time


def test_time_before_an_interruption_counts():
    first = Finetuning(models.build("logistic"), settings(minutes=10.0), steps=100)
    first._begin -= 400.0
    checkpoint = {}
    first.on_save_checkpoint(checkpoint)
    second = Finetuning(models.build("logistic"), settings(minutes=10.0), steps=100)
    second.on_load_checkpoint(checkpoint)
    second.on_fit_start()
    assert second.spent == pytest.approx(400.0, abs=1.0)
    assert not second.out_of_time
    second._begin -= 200.0
    assert second.out_of_time


def test_a_training_that_diverges_says_so(archive, tmp_path):
    config = settings(learning_rate=1e30)
    with pytest.raises(DivergedError, match="diverged at a learning rate of 1e"):
        finetune(archive, config=config, out=tmp_path / "m", progress=False)


@pytest.mark.parametrize("network", ["unet", "spark"])
def test_other_networks_go_through_the_same_stages(archive, tmp_path, network):
    thin = {"unet": {"width": 4}, "spark": {"width": 8, "fpn_channels": 8, "pool_channels": 8}}
    model = {"network": network, **thin[network]}
    pretrained = None
    if network == "spark":
        config = PretrainConfig(data=DATA, model=model, **SHORT)
        pretrained = pretrain(archive, config=config, out=tmp_path / "pre", progress=False)
        reconstruction = models.load(pretrained)
        assert reconstruction.kind == "reconstruction"
        fields = archives.fields(0, leads=2, shape=GRID.shape)
        values, hidden = reconstruction.reconstruct(fields, mask_ratio=0.0)
        assert values.shape == fields.shape
        assert not hidden.any()
    second = settings(model=model, class_weights=(1.0, 2.0, 3.0), encoder_learning_rate=0.0)
    folder = finetune(archive, config=second, out=tmp_path / "m", pretrained=pretrained, progress=False)
    trained = models.load(folder)
    assert trained.config.network == network
    assert trained.class_weights == (1.0, 2.0, 3.0)
    assert set(trained.decision) == {0.1, 10.0}
    if pretrained is not None:  # a frozen encoder keeps its weights
        before = models.load(pretrained).network.pretrained_part.state_dict()
        # running statistics of its batch normalisation included
        assert all(value.equal(before[name]) for name, value in trained.network.pretrained_part.state_dict().items())


def test_a_network_without_pretraining_takes_nothing_over(archive, tmp_path):
    with pytest.raises(ConfigError, match="network logistic has no pre-training"):
        config = PretrainConfig(data=DATA, model={"network": "logistic"}, **SHORT)
        pretrain(archive, config=config, out=tmp_path / "pre", progress=False)
    first = PretrainConfig(data=DATA, model={"preset": "tiny"}, **SHORT)
    folder = pretrain(archive, config=first, out=tmp_path / "tiny", progress=False)
    with pytest.raises(ModelError, match="takes over no pre-trained part"):
        finetune(archive, config=settings(), out=tmp_path / "m", pretrained=folder, progress=False)


def test_half_precision_learns_the_same_and_leaves_float32_weights(archive, tmp_path):
    common = {"model": {"preset": "tiny"}, "epochs": 2, "thresholds": (0.1, 5.0)}
    losses = {}
    for precision in ("float32", "bfloat16"):
        folder = finetune(
            archive, config=settings(**common, precision=precision), out=tmp_path / precision, progress=False
        )
        trained = models.load(folder)
        assert {parameter.dtype for parameter in trained.network.parameters()} == {torch.float32}
        losses[precision] = trained.metrics["curves"]["training_loss"]
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
    with pytest.raises(ConfigError, match="precision is 'half'"):
        settings(precision="half")
