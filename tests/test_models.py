"""The network: published parameter counts, live blocks, gradients everywhere, masking, shapes, determinism."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sslpdl.errors import ConfigError, ModelError
from sslpdl.models import ModelConfig, build, preset, upernet
from sslpdl.models.embedding import PatchEmbedding, random_mask
from sslpdl.models.internimage import Block

SMALL_GRID = (48, 32)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def miniature(name="tiny", **overrides):
    settings = {"classes": 3, "shape": SMALL_GRID, "drop_path": 0.0, **overrides}
    return build(name, **settings)


def perturbed(network: nn.Module) -> nn.Module:
    """Move the heads that start at zero, so that gradients reach what lies behind them."""
    generator = torch.Generator().manual_seed(3)
    for name, parameter in network.named_parameters():
        if name.endswith(("offset.weight", "offset.bias", "mixer.mask.weight", "mixer.mask.bias")):
            with torch.no_grad():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        return build("paper")


def test_the_paper_model_has_the_published_number_of_parameters(paper):
    assert parameters(paper) == 42_169_075
    assert parameters(paper.encoder) == 30_969_840
    assert parameters(paper.decoder) == 11_199_235
    assert parameters(paper.pretraining().decoder) == 11_202_576
    assert parameters(paper.pretraining().refine) == 2_320


def test_each_module_of_the_paper_model_has_its_published_size(paper):
    embedding, backbone = paper.encoder.embedding, paper.encoder.backbone
    assert parameters(embedding.project) == parameters(embedding.embed) == 1_049_600
    assert embedding.position.numel() == 114_688
    assert embedding.slab_position.numel() == 4_096
    assert embedding.mask_token.numel() == 1_024
    assert parameters(embedding.norm) == 2_048
    assert parameters(backbone.stem) == 13_696
    assert [sum(parameters(block.mixer) for block in stage) for stage in backbone.stages] == [
        64_432,
        249_696,
        4_422_240,
        3_898_752,
    ]
    assert [sum(parameters(block.mlp) for block in stage) for stage in backbone.stages] == [
        132_352,
        526_848,
        9_460_224,
        8_398_848,
    ]
    assert [parameters(layer) for layer in backbone.downsamples] == [73_984, 295_424, 1_180_672]
    assert [parameters(norm) for norm in backbone.norms] == [128, 256, 512, 1_024]


def test_the_released_code_computes_only_its_effective_encoder():
    with torch.device("meta"):
        network = build("as_released")
    assert parameters(network.encoder) == 3_786_752
    assert not [module for module in network.modules() if isinstance(module, Block)]


@pytest.mark.parametrize(("name", "least", "most"), [("small", 6.2e6, 6.4e6), ("tiny", 0.5e6, 1.5e6)])
def test_smaller_presets_have_their_size(name, least, most):
    with torch.device("meta"):
        assert least < parameters(build(name, classes=6)) < most


@pytest.mark.parametrize("name", ["tiny", "small"])
@pytest.mark.parametrize("stage", ["segmentation", "reconstruction"])
def test_every_parameter_receives_a_gradient(name, stage):
    torch.manual_seed(0)
    network = perturbed(miniature(name)).train()
    x = torch.randn(2, 16, *SMALL_GRID)
    if stage == "segmentation":
        network(x, mask_ratio=0.25).log_softmax(1)[:, 1].square().mean().backward()
    else:
        network = network.pretraining()
        result = network(x, mask_ratio=0.75)
        (result.fields - x)[result.hidden].square().mean().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


def test_every_parameter_of_the_published_block_order_receives_a_gradient():
    # the paper's own widths would need seconds; its switches are what matters: random patches, batch normalisation
    torch.manual_seed(0)
    network = perturbed(miniature(patch_init="random", decoder_norm="batch", layer_scale=1.0)).train()
    network(torch.randn(2, 16, *SMALL_GRID)).log_softmax(1)[:, 1].square().mean().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@pytest.mark.parametrize("mixer", ["on", "depthwise"])
def test_no_block_is_an_identity(mixer):
    network = miniature(dcn=mixer).eval()
    blocks = [module for module in network.modules() if isinstance(module, Block)]
    assert len(blocks) == 5
    for block in blocks:
        x = torch.randn(1, 8, 6, block.norm1.normalized_shape[0])
        for part in (block, block.mixer, block.mlp):
            assert (part(x) - x).abs().max() > 1e-2


def test_the_deformable_convolution_starts_as_a_mean_over_its_window():
    network = miniature().eval()
    mixer = next(module for module in network.modules() if isinstance(module, Block)).mixer
    x = torch.randn(2, 7, 9, 16)
    value = mixer.input_proj(x).permute(0, 3, 1, 2)
    mean = nn.functional.avg_pool2d(value, 3, stride=1, padding=1, count_include_pad=True)
    expected = mixer.output_proj(mean.permute(0, 2, 3, 1))
    torch.testing.assert_close(mixer(x), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("ratio", "kept"), [(0.9, 44), (0.75, 112), (0.25, 336), (0.0, 448)])
def test_masks_keep_the_published_number_of_tokens(ratio, kept):
    mask = random_mask(5, 448, ratio, generator=torch.Generator().manual_seed(0))
    assert (~mask).sum(dim=1).tolist() == [kept] * 5
    if ratio > 0.0:
        assert not (mask[0] == mask[1]).all()


def test_hidden_tokens_are_hidden_and_shown_ones_are_not():
    torch.manual_seed(0)
    embedding = PatchEmbedding(preset("tiny", shape=SMALL_GRID))
    x = torch.randn(1, 16, *SMALL_GRID)
    mask = random_mask(1, embedding.tokens(x), 0.5)
    hidden = embedding.cells(mask, x)
    assert embedding(x, mask)[hidden].equal(embedding(torch.where(hidden, 99.0, x), mask)[hidden])
    # tokens do not mix, so changing what is shown changes just that
    changed = embedding(x, mask) != embedding(torch.where(hidden, x, x + torch.randn_like(x)), mask)
    assert changed.equal(~hidden)


def test_tokens_are_ordered_by_slab_row_column_and_return_to_their_place():
    embedding = PatchEmbedding(preset("tiny", shape=SMALL_GRID))
    x = torch.arange(16 * 48 * 32, dtype=torch.float32).reshape(1, 16, 48, 32)
    tokens = embedding.split(x)
    assert tokens.shape == (1, 4 * 6 * 4, 4 * 8 * 8)
    # slab 1, row 2, column 3 of a table of 4 slabs, 6 rows and 4 columns
    assert tokens[0, 1 * 24 + 2 * 4 + 3].equal(x[0, 4:8, 16:24, 24:32].flatten())
    assert embedding.join(tokens, x).equal(x)


@pytest.mark.parametrize(("channels", "shape"), [(12, (185, 129)), (16, (224, 128)), (13, (17, 9)), (1, (8, 8))])
def test_any_grid_and_channel_list_runs(channels, shape):
    network = build("tiny", channels=channels, classes=4, shape=shape).eval()
    x = torch.randn(1, channels, *shape)
    with torch.no_grad():
        assert network(x).shape == (1, 4, *shape)
        result = network.pretraining()(x)
    assert result.fields.shape == result.hidden.shape == (1, channels, *shape)


def test_a_model_runs_on_a_grid_that_it_was_not_made_for():
    network = miniature().eval()
    with torch.no_grad():
        assert network(torch.randn(1, 16, 72, 40)).shape == (1, 3, 72, 40)


def test_positions_are_the_table_itself_on_the_trained_grid_and_interpolated_elsewhere():
    embedding = PatchEmbedding(preset("tiny", shape=SMALL_GRID))
    expected = embedding.slab_position[1] + embedding.position[2 * 4 + 3]
    assert embedding.positions(torch.zeros(1, 16, 48, 32))[24 + 11].equal(expected)
    with torch.no_grad():
        embedding.position.fill_(2.0)
        embedding.slab_position.zero_()
    assert embedding.positions(torch.zeros(1, 16, 80, 40)).allclose(torch.tensor(2.0))


def test_forecasts_are_deterministic_and_training_is_not():
    network = miniature()
    x = torch.randn(1, 16, *SMALL_GRID)
    with torch.no_grad():
        network.eval()
        assert network(x).equal(network(x))
        network.train()
        assert not network(x).equal(network(x))


def test_missing_values_count_as_the_mean():
    network = miniature().eval()
    x = torch.randn(1, 16, *SMALL_GRID)
    holes = torch.rand_like(x) < 0.3
    with torch.no_grad():
        assert network(x.masked_fill(holes, np.nan)).equal(network(x.masked_fill(holes, 0.0)))


def test_batch_members_do_not_influence_each_other():
    network = miniature().train()
    x = torch.randn(3, 16, *SMALL_GRID)
    with torch.no_grad():
        together, alone = network(x, mask_ratio=0.0), network(x[1:2], mask_ratio=0.0)
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


def test_batch_normalisation_survives_a_batch_of_one_value():
    network = miniature(decoder_norm="batch", shape=(8, 8)).train()
    network(torch.randn(1, 16, 8, 8)).sum().backward()


def test_pretraining_shares_the_encoder():
    network = miniature()
    assert network.pretraining().encoder is network.encoder


def test_the_released_heads_give_what_the_released_code_gave():
    network = miniature("as_released", patch=(4, 16, 16)).eval()
    x = torch.randn(1, 16, *SMALL_GRID)
    with torch.no_grad():
        output = network(x)
        assert output.sum(1).allclose(torch.ones(()))
        assert network.log_probabilities(output).exp().allclose(output)
        seen = []
        reconstruction = network.pretraining()
        reconstruction.refine.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        reconstruction(x)
    # a log-softmax over the variables, then bilinear enlargement: no value is above zero
    assert seen[0].max() <= 0.0


def test_wrong_channel_numbers_are_refused_in_one_sentence():
    with pytest.raises(ModelError, match=r"needs fields of shape \(B, 16, H, W\)"):
        miniature()(torch.zeros(1, 3, *SMALL_GRID))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "tinny"}, "did you mean 'tiny'"),
        ({"preset": "tiny", "widht": 8}, "did you mean 'width'"),
        ({"dcn": "off"}, "dcn is 'off'"),
        ({"depths": (1, 2)}, "depths"),
        ({"width": 24}, "multiple of group_channels"),
        ({"finetuning_mask_ratio": 1.0}, "finetuning_mask_ratio"),
        ({"classes": 1}, "classes"),
        ({"fpn_channels": 0}, "fpn_channels"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict(settings)


def test_settings_survive_a_round_trip():
    config = preset("small", classes=6, layer_scale=0.5)
    assert ModelConfig(**config.to_dict()) == config


def test_the_gradient_of_an_enlarged_map_is_laid_out_as_the_map():
    x = torch.randn(2, 8, 3, 4, requires_grad=True)
    maps = [upernet._resize(x.to(memory_format=torch.channels_last), (6, 8)) for _ in range(2)]
    found: dict[int, torch.Tensor] = {}
    for i, enlarged in enumerate(maps):  # hooks run in the order in which they are added
        enlarged.register_hook(lambda gradient, i=i: found.update({i: gradient}))
    incoming = torch.randn(2, 16, 6, 8)
    torch.cat(maps, dim=1).backward(incoming)
    for i, expected in enumerate(incoming.split(8, dim=1)):
        assert torch.equal(found[i], expected)
        assert found[i].is_contiguous(memory_format=torch.channels_last)
    plain = nn.functional.interpolate(x, (6, 8), mode="bilinear", align_corners=False)
    (expected,) = torch.autograd.grad(plain, x, incoming[:, :8] + incoming[:, 8:])
    torch.testing.assert_close(x.grad, expected)
    assert upernet._resize(x, (3, 4)) is x
