"""`DCNv3`: the deformable convolution as a layer, with the arguments and parameter names of InternImage's module."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.ops import passes
from sslpdl.ops.functional import deform_conv
from sslpdl.ops.linear import Linear
from sslpdl.ops.window import Window

__all__ = ["DCNv3"]


class DCNv3(nn.Module):
    """Deformable convolution layer, version 3: a drop-in for InternImage's module of that name.

    Offsets and modulation come from a depthwise convolution of the input, the values from a linear projection of it.
    Arguments, parameter names and shapes are InternImage's, so that its checkpoints load. At initialisation it is a
    3 x 3 zero-padded mean between two projections.

    Parameters
    ----------
    channels : int
        Channels C of input and output.
    kernel_size : int
        Side of the sampling window.
    dw_kernel_size : int or None
        Side of the depthwise convolution, `kernel_size` by default; odd.
    stride, pad, dilation : int
        Sampling window, as in a convolution. With a stride or a padding that changes the size, offsets are read at the
        window centres.
    group : int
        Number of groups, each with its own offsets; divides `channels`.
    offset_scale : float
        Factor of window and offsets.
    act_layer : {"GELU", "ReLU", "SiLU"}
        Activation after the depthwise convolution.
    norm_layer : {"LN", "BN"}
        Normalisation after the depthwise convolution.
    center_feature_scale : bool
        Blend the result with the projected input by a learned gate for each group.
    remove_center : bool
        Leave the central point out (odd windows only).

    Raises
    ------
    ValueError
        If `channels` is not a multiple of `group`, or a name or size is not usable.

    References
    ----------
    InternImage, CVPR 2023, section 3.1 (https://arxiv.org/abs/2211.05778).

    Examples
    --------
    >>> layer = DCNv3(channels=64, group=4)
    >>> layer(torch.zeros(2, 28, 16, 64)).shape
    torch.Size([2, 28, 16, 64])
    """

    def __init__(
        self,
        channels: int = 64,
        kernel_size: int = 3,
        dw_kernel_size: int | None = None,
        stride: int = 1,
        pad: int = 1,
        dilation: int = 1,
        group: int = 4,
        offset_scale: float = 1.0,
        act_layer: Literal["GELU", "ReLU", "SiLU"] = "GELU",
        norm_layer: Literal["LN", "BN"] = "LN",
        center_feature_scale: bool = False,
        remove_center: bool = False,
    ) -> None:
        super().__init__()
        if channels % group:
            raise ValueError(f"channels must be a multiple of group, got {channels} and {group}")
        if remove_center and kernel_size % 2 == 0:
            raise ValueError(f"remove_center needs an odd kernel size, got {kernel_size}")
        self.channels = channels
        self.kernel_size = kernel_size
        self.dw_kernel_size = kernel_size if dw_kernel_size is None else dw_kernel_size
        self.stride = stride
        self.pad = pad
        self.dilation = dilation
        self.group = group
        self.group_channels = channels // group
        self.offset_scale = offset_scale
        self.center_feature_scale = center_feature_scale
        self.remove_center = bool(remove_center)

        points = group * (kernel_size * kernel_size - int(self.remove_center))
        depthwise = nn.Conv2d(
            channels, channels, self.dw_kernel_size, padding=(self.dw_kernel_size - 1) // 2, groups=channels
        )
        self.dw_conv = nn.Sequential(depthwise, _normalisation(norm_layer, channels), _activation(act_layer))
        self.offset = Linear(channels, points * 2)
        self.mask = Linear(channels, points)
        self.input_proj = Linear(channels, channels)
        self.output_proj = Linear(channels, channels)
        if center_feature_scale:
            self.center_feature_scale_proj_weight = nn.Parameter(torch.zeros(group, channels))
            self.center_feature_scale_proj_bias = nn.Parameter(torch.zeros(group))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as the mean over the window between two Xavier-uniform projections."""
        for head in (self.offset, self.mask):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        for projection in (self.input_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output (N, Ho, Wo, C) for an input of shape (N, H, W, C)."""
        return self.output_proj(self.sample(input))  # type: ignore[no-any-return]

    def sample(self, input: Tensor) -> Tensor:
        """Return what the output projection takes, (N, Ho, Wo, C), for an input of shape (N, H, W, C)."""
        value = self.input_proj(input)  # (N, H, W, C)
        feature = self._at_windows(self._feature(input), input.shape)  # (N, Ho, Wo, C)
        result = deform_conv(
            value,
            self.offset(feature),
            self.mask(feature),
            groups=self.group,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.pad,
            dilation=self.dilation,
            offset_scale=self.offset_scale,
            softmax=True,
            remove_center=self.remove_center,
        )  # (N, Ho, Wo, C)
        if self.center_feature_scale:
            gate = F.linear(feature, self.center_feature_scale_proj_weight, self.center_feature_scale_proj_bias)
            gate = gate.sigmoid().repeat_interleave(self.group_channels, dim=-1)
            result = torch.lerp(result, self._at_windows(value, input.shape), gate)
        return result

    def _feature(self, input: Tensor) -> Tensor:
        """Return what offsets and modulation are read from: (N, H, W, C) to (N, H', W', C)."""
        convolution, normalise, activation = self.dw_conv
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(normalise, nn.Sequential)
        norm = normalise[-1]
        usual = self.channels % 16 == 0 and convolution.kernel_size == (3, 3) and isinstance(activation, nn.GELU)
        if usual and isinstance(norm, nn.LayerNorm) and passes.suits(input, convolution.weight, norm.weight):
            return passes.depthwise_norm_gelu(input, convolution, norm)
        return self.dw_conv(input.permute(0, 3, 1, 2))  # type: ignore[no-any-return]

    def _at_windows(self, image: Tensor, size: torch.Size) -> Tensor:
        """Return the image (N, H', W', C) at the window centres (N, Ho, Wo, C) of an input of shape `size`."""
        window = Window.of(self.kernel_size, stride=self.stride, padding=self.pad, dilation=self.dilation)
        target = window.output_size(size[1], size[2])
        if self.stride == 1 and window.origin == (0, 0) and target == (image.shape[1], image.shape[2]):
            return image
        # an even depthwise convolution gives one row and column less; the last one stands in for it
        rows, columns = (
            (torch.arange(count, device=image.device) * self.stride + start).clamp(0, length - 1)
            for count, start, length in zip(target, window.origin, image.shape[1:3], strict=True)
        )
        return image[:, rows[:, None], columns]

    def extra_repr(self) -> str:
        """Return the sizes that the sub-modules do not show."""
        return f"group={self.group}, kernel_size={self.kernel_size}, stride={self.stride}, dilation={self.dilation}"


class _ChannelsLast(nn.Module):
    """Step without parameters from (N, C, H, W) to (N, H, W, C); it holds a place in the parameter names."""

    def forward(self, image: Tensor) -> Tensor:
        return image.permute(0, 2, 3, 1)


def _normalisation(name: str, channels: int) -> nn.Sequential:
    """Return a normalisation that takes (N, C, H, W) and gives (N, H, W, C)."""
    if name == "LN":
        return nn.Sequential(_ChannelsLast(), nn.LayerNorm(channels, eps=1e-6))
    if name == "BN":
        return nn.Sequential(nn.BatchNorm2d(channels), _ChannelsLast())
    raise ValueError(f"norm_layer must be LN or BN, got {name!r}")


def _activation(name: str) -> nn.Module:
    if name == "GELU":
        return nn.GELU()
    if name == "ReLU":
        return nn.ReLU(inplace=True)
    if name == "SiLU":
        return nn.SiLU(inplace=True)
    raise ValueError(f"act_layer must be GELU, ReLU or SiLU, got {name!r}")
