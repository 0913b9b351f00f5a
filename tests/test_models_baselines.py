"""The networks that SSLPDL is compared with: published sizes, live parameters, any grid, the right wiring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sslpdl.archive import Statistics
from sslpdl.errors import ConfigError, ModelError
from sslpdl.models import NETWORKS, Segmenter, TrainedModel, architecture, build, describe, load, save
from sslpdl.models.baselines.metnet import AxialAttention
from sslpdl.models.baselines.resnet import ResNet, SparseNorm, at_resolution
from sslpdl.models.baselines.smaat_unet import Attention

BASELINES = [name for name in NETWORKS if name != "sslpdl"]
# narrow enough for tests; other settings are those of the definition
NARROW = {"unet": 4, "convlstm": 4, "metnet": 8, "smaat_unet": 16, "spark": 8}
DECODER = {"fpn_channels": 8, "pool_channels": 8, "reconstruction_width": 32}


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def narrow(name, *, channels=5, classes=3, shape=(32, 32), **changes):
    settings = {"width": NARROW[name]} if name in NARROW else {}
    settings |= DECODER if name == "spark" else {}
    return build(name, channels=channels, classes=classes, shape=shape, **settings, **changes)


def full(name, **settings):
    with torch.device("meta"):
        return build(name, **settings)


def without_gradient(network):
    return [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_the_logistic_regression_has_a_weight_for_each_field_and_class():
    assert parameters(full("logistic")) == 16 * 3 + 3


def test_the_unet_has_its_published_size():
    network = full("unet")
    # 8 channels by position of 224 x 128 cells, and the rest
    assert network.position.numel() == 8 * 224 * 128 == 229_376
    assert parameters(network) == 1_046_443
    # widened by one setting to the size of SSLPDL's preset small
    assert parameters(full("unet", width=42)) == pytest.approx(parameters(full("small")), rel=0.02)


def test_the_convlstm_of_three_hours_has_its_published_size():
    network = full("convlstm", channels=3 * 16, window=3)
    maps = [layer.peephole_position.numel() for layer in network.stack.layers]
    assert sum(maps) == 3 * 16 * 224 * 128 == 1_376_256
    assert parameters(network) == 1_432_275


def test_a_convlstm_of_one_time_has_only_what_can_act():
    network = full("convlstm")
    # per layer three gates of 16 channels from 16 by 3x3 weights, their normalisation and that of the cell state
    assert parameters(network.stack) == 3 * (16 * 48 * 9 + 48 + 2 * 48 + 2 * 16)


def test_the_metnet_of_three_hours_has_its_published_size():
    network = full("metnet", channels=3 * 16, window=3)
    assert parameters(network) == 975_923
    assert [parameters(block) for block in network.spatial] == [24_688, 24_688]
    # one time: without 3 maps of 32 x 112 x 64, recurrent weights and forget gates
    assert parameters(full("metnet")) == 149_267


def test_the_smaat_unet_has_its_published_size():
    assert parameters(full("smaat_unet")) == 4_034_259
    # the published network: 12 maps to 1, and to 12
    assert parameters(full("smaat_unet", channels=12, classes=12)) == 4_034_252
    assert parameters(full("smaat_unet", width=80)) == pytest.approx(parameters(full("small")), rel=0.02)


def test_spark_is_a_resnet_18_with_the_decoder_of_sslpdl():
    network = full("spark")
    # 11,176,512 of the network for three colours without its classifier, and 7 x 7 weights of thirteen more fields
    assert parameters(network.encoder) == 11_176_512 + 13 * 64 * 49
    assert parameters(network.decoder) == parameters(full("paper").decoder) == 11_199_235


@pytest.mark.parametrize("name", BASELINES)
def test_every_parameter_receives_a_gradient(name):
    torch.manual_seed(0)
    network = narrow(name).train()
    network(torch.randn(2, 5, 32, 32)).log_softmax(1)[:, 1].square().mean().backward()
    assert without_gradient(network) == []


@pytest.mark.parametrize("name", ["convlstm", "metnet"])
def test_every_parameter_of_a_network_over_several_times_receives_a_gradient(name):
    torch.manual_seed(0)
    network = narrow(name, channels=6, window=3, shape=(16, 16)).train()
    network(torch.randn(2, 6, 16, 16)).log_softmax(1)[:, 1].square().mean().backward()
    assert without_gradient(network) == []


def test_times_are_read_in_order():
    network = narrow("convlstm", channels=6, window=3, shape=(8, 8)).eval()
    x = torch.randn(1, 6, 8, 8)
    swapped = torch.cat([x[:, 2:4], x[:, :2], x[:, 4:]], dim=1)
    with torch.no_grad():
        assert not network(x).allclose(network(swapped), atol=1e-4)
    with pytest.raises(ConfigError, match="16 channels are not 3 times the same fields"):
        build("convlstm", window=3)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(32, 32), (33, 17), (20, 45)])
def test_any_grid_runs(name, shape):
    network = narrow(name, shape=shape).eval()
    other = narrow(name).eval()  # made for another grid
    with torch.no_grad():
        assert network(torch.randn(1, 5, *shape)).shape == (1, 3, *shape)
        assert other(torch.randn(1, 5, *shape)).shape == (1, 3, *shape)


@pytest.mark.parametrize("name", BASELINES)
def test_batches_of_one_train_on_small_grids(name):
    network = narrow(name, shape=(8, 8)).train()
    assert network(torch.randn(1, 5, 8, 8)).isfinite().all()


@pytest.mark.parametrize("name", BASELINES)
def test_forecasts_are_deterministic_and_depend_on_their_own_sample_only(name):
    torch.manual_seed(0)
    network = narrow(name)
    x = torch.randn(3, 5, 32, 32)
    network.train()(x)  # so that running statistics are not those of the start
    network.eval()
    with torch.no_grad():
        assert network(x).equal(network(x))
        torch.testing.assert_close(network(x[1:2]), network(x)[1:2], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", BASELINES)
def test_missing_values_count_as_the_mean_and_wrong_channels_are_refused(name):
    network = narrow(name).eval()
    x = torch.randn(1, 5, 32, 32)
    holes = torch.rand_like(x) < 0.3
    with torch.no_grad():
        assert network(x.masked_fill(holes, torch.nan)).equal(network(x.masked_fill(holes, 0.0)))
    with pytest.raises(ModelError, match=r"needs fields of shape \(B, 5, H, W\)"):
        network(torch.zeros(1, 3, 32, 32))


def test_cells_at_the_far_corner_matter_to_an_axial_network_and_not_to_a_logistic_one():
    torch.manual_seed(0)
    x = torch.randn(1, 5, 32, 32)
    changed = x.clone()
    changed[..., 31, 31] += 5.0
    for name, reaches in (("metnet", True), ("logistic", False), ("unet", True)):
        network = narrow(name).eval()
        with torch.no_grad():
            difference = (network(changed) - network(x)).abs()
        assert (difference[..., 0:4, 28:32].sum() > 0) == reaches
        assert difference[..., 31, 31].sum() > 0


def test_axial_attention_is_softmax_over_similarities_of_content_and_distance():
    torch.manual_seed(0)
    layer = AxialAttention(32, 6).eval()
    x = torch.randn(1, 1, 32, 6)
    # by hand for one group, with normalisations that at the start only divide by sqrt(1 + eps)
    shrink = (1.0 + 1e-5) ** -0.5
    with torch.no_grad():
        result = layer(x)
        lines = (layer.project(x[0]) * shrink)[0].reshape(16, 4, 6)[3]
        query, key, value = lines[:1], lines[1:2], lines[2:]
        table = layer.relative_position
        distance = torch.arange(6)[:, None] - torch.arange(6)[None] + 5
        similarity = torch.empty(6, 6)
        for i in range(6):
            for j in range(6):
                q, k, d = query[0, i], key[0, j], distance[i, j]
                # the key's term looks from the other end, so that its distance has the other sign
                similarity[i, j] = (q * k + q * table[0, d] + k * table[1, distance[j, i]]) * shrink
        weights = similarity.softmax(dim=1)
        place = torch.stack([(weights[i, None] * table[2:, distance[i]]).sum(1) for i in range(6)], dim=1)
        expected = (value @ weights.T + place) * shrink
    torch.testing.assert_close(result[0, 0].reshape(16, 2, 6)[3], expected, atol=1e-5, rtol=1e-4)


def test_only_the_skip_connections_of_the_smaat_unet_are_attended():
    network = narrow("smaat_unet").eval()
    inputs, outputs = [], []
    for down in network.down:
        down.register_forward_hook(lambda _m, _i, output: outputs.append(output))
        down.register_forward_pre_hook(lambda _m, given: inputs.append(given[0]))
    attended = []
    for attend in network.attend:
        attend.register_forward_hook(lambda _m, _i, output: attended.append(output))
    joined = []
    for up in network.up:
        up.register_forward_pre_hook(lambda _m, given: joined.append(given[0]))
    with torch.no_grad():
        network(torch.randn(1, 5, 32, 32))
    for level in range(1, 5):
        assert inputs[level].equal(nn.functional.max_pool2d(outputs[level - 1], 2))
    for number, skip in enumerate(reversed(attended[:-1])):
        assert joined[number][:, : skip.shape[1]].equal(skip)
        assert not skip.allclose(outputs[3 - number])


def test_attention_weighs_channels_then_cells():
    module = Attention(16).eval()
    x = torch.randn(1, 16, 5, 5)
    with torch.no_grad():
        for part in (module.channels[2], module.cells[0]):
            part.weight.zero_()
        module.channels[2].bias.zero_()
        # nothing learned: both weights are sigmoid(0)
        torch.testing.assert_close(module(x), 0.25 * x)
        module.channels[2].bias.copy_(torch.arange(16.0))
        torch.testing.assert_close(module(x), 0.5 * x * (2 * torch.arange(16.0)).sigmoid()[:, None, None])


def test_a_sparse_network_does_not_see_what_is_hidden():
    torch.manual_seed(0)
    network = ResNet(3, (8, 8, 8, 8), (1, 1, 1, 1)).eval()
    visible = torch.tensor([[True, False], [False, True]])[None, None]
    x = torch.randn(1, 3, 64, 64)
    hidden = ~at_resolution(visible, x)
    with torch.no_grad():
        levels, changed = network(x, visible), network(torch.where(hidden, 9.0, x), visible)
    for level, other in zip(levels, changed, strict=True):
        assert level.equal(other)
        sites = at_resolution(visible, level).expand_as(level)
        assert not level[~sites].any()
        assert level[sites].any()


def test_without_a_mask_the_sparse_network_is_the_dense_one():
    torch.manual_seed(0)
    network = ResNet(3, (8, 8, 8, 8), (1, 1, 1, 1)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for dense, sparse in zip(network(x), network(x, torch.ones(1, 1, 2, 2, dtype=bool)), strict=True):
            torch.testing.assert_close(dense, sparse)


def test_sparse_normalisation_counts_visible_sites_alone():
    norm = SparseNorm(1).train()
    x = torch.tensor([[1.0, 3.0], [100.0, 200.0]])[None, None]
    visible = torch.tensor([[True, True], [False, False]])[None, None]
    # mean 2 and deviation 1 of the first row
    torch.testing.assert_close(norm(x, visible)[0, 0], torch.tensor([[-1.0, 1.0], [0.0, 0.0]]), atol=1e-4, rtol=0)


def test_spark_reconstructs_and_every_parameter_learns():
    torch.manual_seed(0)
    network = narrow("spark", shape=(96, 64)).train().pretraining()
    x = torch.randn(2, 5, 90, 60)
    result = network(x)
    assert result.fields.shape == result.hidden.shape == x.shape
    # 6 patches of which int(6 * 0.4) = 2 stay, the same for all fields
    assert all(sample[0, ::32, ::32].sum() == 4 for sample in result.hidden)
    assert (result.hidden == result.hidden[:, :1]).all()
    (result.fields - x)[result.hidden].square().mean().backward()
    assert without_gradient(network) == []


def test_at_least_one_patch_stays_visible():
    network = narrow("spark").pretraining()
    for shape in ((32, 64), (96, 64)):
        visible = network.draw_visible(torch.zeros(3, 5, *shape), 0.9)
        assert visible.sum(dim=(1, 2, 3)).tolist() == [1, 1, 1]
    with pytest.raises(ModelError, match="nothing to hide"):
        network(torch.zeros(1, 5, 32, 32))
    assert not network(torch.zeros(1, 5, 32, 32), mask_ratio=0.0).hidden.any()


def test_pretraining_shares_the_encoder_and_only_some_networks_have_it():
    network = narrow("spark")
    assert network.pretraining().pretrained_part is network.pretrained_part
    for name in BASELINES:
        has = NETWORKS[name][1].pretraining is not Segmenter.pretraining
        assert has == (name == "spark")
        if not has:
            with pytest.raises(ConfigError, match=f"network {name} has no pre-training"):
                narrow(name).pretraining()


@pytest.mark.parametrize("name", BASELINES)
def test_networks_are_stored_with_everything_that_makes_them(name, tmp_path):
    torch.manual_seed(3)
    names = ("t_2m", "u_10m", "v_10m", "slp", "rain")
    network = narrow(name)
    model = TrainedModel(
        network=network,
        channels=names,
        statistics=Statistics(names, (0.0,) * 5, (1.0,) * 5),
        thresholds=(0.1, 10.0),
        class_weights=(1.0, 5.0, 10.0),
    )
    fields = np.random.default_rng(0).normal(size=(2, 5, 32, 32)).astype("float32")
    again = load(save(tmp_path / "model", model))
    assert again.config == network.config
    assert np.array_equal(model.probabilities(fields), again.probabilities(fields))
    np.testing.assert_allclose(again.probabilities(fields).sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_description_gives_the_same_network_again(name):
    config = NETWORKS[name][0](channels=8)
    assert architecture(describe(config)) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "unett"}, "network 'unett' is unknown, did you mean 'unet'"),
        ({"network": "unet", "preset": "small"}, "setting 'preset' is unknown"),
        ({"network": "unet", "dcn": "on"}, "setting 'dcn' is unknown"),
        ({"network": "unet", "width": 0}, "width is 0, give a positive integer"),
        ({"network": "metnet", "width": 20}, "give a multiple of 8"),
        ({"network": "smaat_unet", "width": 40}, "give a multiple of 16"),
        ({"network": "spark", "reconstruction_width": 48}, "give a multiple of 32"),
        ({"network": "spark", "pretraining_mask_ratio": 1.0}, "pretraining_mask_ratio"),
        ({"network": "logistic", "classes": 1}, "classes is 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        architecture(settings)


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    with pytest.raises(ConfigError, match="did you mean 'convlstm'"):
        build("convltsm")
