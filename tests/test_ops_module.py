"""The layer DCNv3: parameter names of InternImage, and the oracle facts that need no other implementation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from sslpdl.ops import DCNv3


def window_mean(image):
    """Mean over 3 x 3 pixels with zeros around the image, (N, H, W, C)."""
    return F.avg_pool2d(image.permute(0, 3, 1, 2), 3, 1, 1).permute(0, 2, 3, 1)


def layer(channels=64, group=4, **options):
    torch.manual_seed(0)
    return DCNv3(channels, group=group, **options)


def test_starts_as_a_mean_between_two_projections():
    dcn, image = layer(), torch.randn(2, 28, 16, 64)
    expected = dcn.output_proj(window_mean(dcn.input_proj(image)))
    assert (dcn(image) - expected).abs().max() < 1e-6


def test_dx_of_one_moves_the_window_one_column_to_the_right():
    dcn, image = layer(), torch.randn(2, 28, 16, 64)
    dcn.offset.bias.data.view(-1, 2)[:, 0] = 1.0
    value = dcn.input_proj(image)
    moved = window_mean(F.pad(value, (0, 0, 0, 2)))[:, :, 1:17]
    assert (dcn(image) - dcn.output_proj(moved)).abs().max() < 1e-6


def test_dy_of_one_moves_the_window_one_row_on():
    dcn, image = layer(), torch.randn(2, 28, 16, 64)
    dcn.offset.bias.data.view(-1, 2)[:, 1] = 1.0
    moved = window_mean(F.pad(dcn.input_proj(image), (0, 0, 0, 0, 0, 2)))[:, 1:29]
    assert (dcn(image) - dcn.output_proj(moved)).abs().max() < 1e-6


COMMON = {
    "dw_conv.0.weight": (64, 1, 3, 3),
    "dw_conv.0.bias": (64,),
    "offset.weight": (72, 64),
    "offset.bias": (72,),
    "mask.weight": (36, 64),
    "mask.bias": (36,),
    "input_proj.weight": (64, 64),
    "input_proj.bias": (64,),
    "output_proj.weight": (64, 64),
    "output_proj.bias": (64,),
}
LAYER_NORM = {"dw_conv.1.1.weight": (64,), "dw_conv.1.1.bias": (64,)}
BATCH_NORM = {f"dw_conv.1.0.{name}": (64,) for name in ("weight", "bias", "running_mean", "running_var")}
GATE = {"center_feature_scale_proj_weight": (4, 64), "center_feature_scale_proj_bias": (4,)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, COMMON | LAYER_NORM),
        ({"norm_layer": "BN"}, COMMON | BATCH_NORM | {"dw_conv.1.0.num_batches_tracked": ()}),
        ({"center_feature_scale": True}, COMMON | LAYER_NORM | GATE),
        ({"remove_center": True}, COMMON | LAYER_NORM | {"offset.weight": (64, 64), "offset.bias": (64,),
                                                         "mask.weight": (32, 64), "mask.bias": (32,)}),
        ({"dw_kernel_size": 5}, COMMON | LAYER_NORM | {"dw_conv.0.weight": (64, 1, 5, 5)}),
    ],
    ids=["LN", "BN", "gate", "no centre", "5 x 5"],
)  # fmt: skip
def test_parameters_are_those_of_internimage(options, expected):
    assert {name: tuple(tensor.shape) for name, tensor in layer(**options).state_dict().items()} == expected


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"stride": 2}, (4, 5)),
        ({"pad": 0}, (6, 7)),
        ({"kernel_size": 2}, (9, 10)),
        ({"kernel_size": 5, "pad": 2}, (8, 9)),
        ({"dilation": 2, "pad": 2}, (8, 9)),
        ({"stride": 2, "center_feature_scale": True, "remove_center": True, "norm_layer": "BN"}, (4, 5)),
    ],
    ids=str,
)
def test_sizes(options, size):
    assert layer(**options)(torch.randn(2, 8, 9, 64)).shape == (2, *size, 64)


def test_stride_takes_every_second_window():
    fine, coarse = layer(), layer(stride=2)
    coarse.load_state_dict(fine.state_dict())
    for dcn in (fine, coarse):
        torch.manual_seed(1)
        torch.nn.init.normal_(dcn.offset.weight, std=0.1)
    image = torch.randn(1, 8, 9, 64)
    torch.testing.assert_close(coarse(image), fine(image)[:, ::2, ::2])


def test_every_parameter_gets_a_gradient():
    dcn = layer(center_feature_scale=True)
    for head in (dcn.offset, dcn.mask):
        torch.nn.init.normal_(head.weight, std=0.1)
    dcn(torch.randn(1, 8, 8, 64)).square().sum().backward()
    for name, parameter in dcn.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_copies_and_state_travel():
    dcn, image = layer(), torch.randn(1, 6, 5, 64)
    torch.nn.init.normal_(dcn.offset.weight, std=0.1)
    assert torch.equal(copy.deepcopy(dcn)(image), dcn(image))
    other = DCNv3(64, group=4)
    other.load_state_dict(dcn.state_dict())
    assert torch.equal(other(image), dcn(image))


def test_autocast_trains():
    dcn, image = layer(), torch.randn(1, 6, 5, 64)
    torch.nn.init.normal_(dcn.offset.weight, std=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = dcn(image)
    result.float().sum().backward()
    assert torch.isfinite(dcn.offset.weight.grad).all()
    torch.testing.assert_close(result.float(), dcn(image), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": 5}, "multiple of group"),
        ({"kernel_size": 2, "remove_center": True}, "odd"),
        ({"norm_layer": "GN"}, "norm_layer"),
        ({"act_layer": "Tanh"}, "act_layer"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        layer(**options)
