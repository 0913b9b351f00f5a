"""InternImage encoder: a convolutional network of four stages whose blocks run a deformable convolution.

After Wang et al. 2023 (arXiv 2211.05778), with the lighter stem of SSLPDL.  Tensors inside the blocks are channels-last
(B, H, W, C); convolutions see them as channels-last images, which costs no copy.
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.config import ModelConfig
from sslpdl.ops import DCNv3, Linear, linear_gelu, passes, product

__all__ = ["Block", "InternImage"]

EPS = 1e-6


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a convolution to (B, H, W, C) and return (B, H', W', C')."""
    result: Tensor = conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return result


class Stem(nn.Module):
    """Fields (B, C, H, W) to features (B, H/s, W/s, width) with s the stride of 2 or 4."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        if stride == 4:
            self.mix = nn.Conv2d(width, width, 3, stride=2, padding=1)
        else:
            self.mix = nn.Conv2d(width, width, 1)
        self.norm2 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = convolve(self.reduce, x.permute(0, 2, 3, 1))
        result: Tensor = self.norm2(convolve(self.mix, F.gelu(self.norm1(x))))
        return result


class DepthwiseMixer(nn.Module):
    """The deformable convolution's ablation: a plain depthwise 3x3 between the same two projections."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input_proj = Linear(channels, channels)
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.output_proj = Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.output_proj(convolve(self.depthwise, self.input_proj(x)))
        return result


class DropPath(nn.Module):
    """Skip a residual branch at random per sample in training, and scale it up where kept."""

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.chance == 0.0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.chance
        return x * (kept / (1.0 - self.chance))  # small tensors first: one pass over the large one


class Block(nn.Module):
    """Pre-norm residual block on (B, H, W, C): spatial mixing, then a perceptron per cell."""

    def __init__(self, channels: int, config: ModelConfig, *, drop_path: float) -> None:
        super().__init__()
        hidden = int(channels * config.mlp_ratio)
        self.norm1 = nn.LayerNorm(channels, eps=EPS)
        self.mixer = _mixer(channels, config)
        self.norm2 = nn.LayerNorm(channels, eps=EPS)
        self.mlp = nn.Sequential(Linear(channels, hidden), nn.GELU(), Linear(hidden, channels))
        self.drop_path = DropPath(drop_path)
        self.gamma1 = self.gamma2 = None
        if config.layer_scale is not None:
            self.gamma1 = nn.Parameter(torch.full((channels,), config.layer_scale))
            self.gamma2 = nn.Parameter(torch.full((channels,), config.layer_scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return the refined features, shaped as the input (B, H, W, C)."""
        mixed: Tensor = self.mixer(self.norm1(x))
        x = x + self.drop_path(mixed if self.gamma1 is None else self.gamma1 * mixed)
        widen, _, narrow = self.mlp
        assert isinstance(widen, Linear)
        refined: Tensor = narrow(linear_gelu(self.norm2(x), widen.weight, widen.bias))
        result: Tensor = x + self.drop_path(refined if self.gamma2 is None else self.gamma2 * refined)
        return result

    def in_passes(self, x: Tensor, normed: Tensor, following: nn.LayerNorm) -> tuple[Tensor, Tensor]:
        """Return what `forward` returns, and that normalised for what follows, without a gradient.

        `normed` is ``norm1(x)``; the tensors are such as `sslpdl.ops.passes.suits` accepts.
        """
        mixer = cast("DCNv3", self.mixer)
        widen, _, narrow = cast("list[Linear]", list(self.mlp))
        mixed = product(mixer.sample(normed), mixer.output_proj.weight)
        between = passes.join_(mixed, x, mixer.output_proj.bias, self.gamma1, self.norm2)
        refined = product(linear_gelu(between, widen.weight, widen.bias), narrow.weight)
        return refined, passes.join_(refined, mixed, narrow.bias, self.gamma2, following)


def _mixer(channels: int, config: ModelConfig) -> nn.Module:
    if config.dcn == "depthwise":
        return DepthwiseMixer(channels)
    return DCNv3(channels, group=channels // config.group_channels, offset_scale=config.offset_scale)


class Downsample(nn.Module):
    """Halve the resolution and double the channels of (B, H, W, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(2 * channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(convolve(self.reduce, x))
        return result


class InternImage(nn.Module):
    """Four stages of blocks on (B, C, H, W) fields, each at half the resolution of the one before.

    Parameters
    ----------
    config : ModelConfig
        With ``dcn="identity"`` the stages hold no blocks.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        depths = (0, 0, 0, 0) if config.dcn == "identity" else config.depths
        last = max(sum(depths) - 1, 1)
        rates = (config.drop_path * i / last for i in itertools.count())
        self.stem = Stem(config.padded_channels, config.width, config.stem_stride)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, config, drop_path=next(rates)) for _ in range(depth))
            for width, depth in zip(config.widths, depths, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=EPS) for width in config.widths)
        self.downsamples = nn.ModuleList(Downsample(width) for width in config.widths[:-1])
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the normalised output of each stage, fine to coarse, as (B, width, h, w) in channels-last memory."""
        x = self.stem(x)
        levels = []
        for i, (stage, norm) in enumerate(zip(self.stages, self.norms, strict=True)):
            x = _run(stage, norm, x)
            levels.append(x.permute(0, 3, 1, 2))
            if i < len(self.downsamples):
                x = self.downsamples[i](x)
        return levels


def _run(stage: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Return the normalised output of a stage for (B, H, W, C)."""
    blocks = cast("list[Block]", list(stage.children()))
    followers = [*(block.norm1 for block in blocks[1:]), cast("nn.LayerNorm", norm)]
    usual = bool(blocks) and isinstance(blocks[0].mixer, DCNv3) and x.shape[-1] % 16 == 0 and not stage.training
    if not usual or not passes.suits(x, *stage.parameters()):
        for block in blocks:
            x = block(x)
        return norm(x)  # type: ignore[no-any-return]
    x = x.contiguous()
    normed: Tensor = blocks[0].norm1(x)
    for block, following in zip(blocks, followers, strict=True):
        x, normed = block.in_passes(x, normed, following)
    return normed


def _initialise(module: nn.Module) -> None:
    """Start the perceptrons as InternImage does; the deformable convolution starts itself."""
    if isinstance(module, Block):
        for layer in module.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
