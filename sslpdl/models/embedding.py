"""Patch embedding and masking: fields become tokens, some are hidden, and tokens become fields again.

A token is a block of consecutive channels, rows and columns, and is as wide as the block has values, so that it becomes
its own block of pixels again (arXiv 2412.05825; the released encoder).  Tokens do not mix here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sslpdl.models.config import ModelConfig
from sslpdl.ops import Linear

__all__ = ["PatchEmbedding", "pad", "random_mask"]


def pad(x: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """Return (B, C, H, W) filled with zeros at the end of each dimension to whole patches."""
    _, C, H, W = x.shape
    depth, rows, columns = patch
    return F.pad(x, (0, -W % columns, 0, -H % rows, 0, -C % depth))


def random_mask(
    batch: int,
    tokens: int,
    ratio: float,
    *,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Return which tokens are hidden: (B, N) bool, the same number in each sample, drawn without replacement.

    Parameters
    ----------
    batch, tokens : int
        Samples B and tokens N.
    ratio : float
        Share to hide; ``int(N (1 - ratio))`` tokens stay, as in the released code.
    generator : torch.Generator, optional
        Source of randomness; the global one by default.
    device : torch.device, optional
        Where the mask is made.
    """
    noise = torch.rand(batch, tokens, generator=generator, device=device)
    kept = int(tokens * (1.0 - ratio))
    rank = noise.argsort(dim=1).argsort(dim=1)
    return rank >= kept


class PatchEmbedding(nn.Module):
    """Tokens of blocks of channels, rows and columns, with learned positions and a learned stand-in for hidden ones.

    Parameters
    ----------
    config : ModelConfig
        Uses ``patch``, ``padded_channels``, ``shape``, ``patch_init`` and ``token_norm``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.patch = config.patch
        depth, rows, columns = config.patch
        self.slabs = config.padded_channels // depth
        self.table = (-(-config.shape[0] // rows), -(-config.shape[1] // columns))
        width = depth * rows * columns
        # a 3-D convolution whose stride is its kernel is a product with the flattened block
        self.project = Linear(width, width)
        self.embed = Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(torch.zeros(self.table[0] * self.table[1], width))
        self.slab_position = nn.Parameter(torch.zeros(self.slabs, width))
        self.norm = nn.LayerNorm(width, eps=1e-6) if config.token_norm else nn.Identity()
        self._initialise(config.patch_init)

    def _initialise(self, start: str) -> None:
        for linear in (self.project, self.embed):
            nn.init.zeros_(linear.bias)
            if start == "identity":
                nn.init.eye_(linear.weight)
            else:
                nn.init.trunc_normal_(linear.weight, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)
        nn.init.trunc_normal_(self.slab_position, std=0.02)

    def tokens(self, x: Tensor) -> int:
        """Return the number of tokens N of a padded input (B, C, H, W)."""
        return x.shape[1] * x.shape[2] * x.shape[3] // (self.patch[0] * self.patch[1] * self.patch[2])

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the fields after embedding.

        Parameters
        ----------
        x : Tensor (B, C, H, W)
            Padded, scaled fields without NaN.
        mask : Tensor (B, N) bool, optional
            Tokens to hide, ordered by slab, row, column.

        Returns
        -------
        Tensor (B, C, H, W)
        """
        tokens = self.split(x)  # (B, N, D)
        if mask is None:
            tokens = self.embed(self.project(tokens))
        else:
            flat = tokens.flatten(0, 1)
            shown = (~mask).flatten().nonzero().squeeze(1)
            hidden = self.mask_token.to(flat.dtype).expand_as(flat)
            tokens = hidden.index_copy(0, shown, self.embed(self.project(flat[shown]))).view_as(tokens)
        return self.join(self.norm(tokens + self.positions(x)), x)

    def positions(self, x: Tensor) -> Tensor:
        """Return position vectors (N, D) for a padded input, interpolated where its grid is not the trained one."""
        rows, columns = x.shape[2] // self.patch[1], x.shape[3] // self.patch[2]
        table: Tensor = self.position
        if (rows, columns) != self.table:
            grid = table.T.reshape(1, -1, *self.table)
            table = F.interpolate(grid, (rows, columns), mode="bilinear", align_corners=False)[0].flatten(1).T
        return (self.slab_position[:, None] + table[None]).flatten(0, 1)

    def split(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) as tokens (B, N, D), slab slowest, then row, then column."""
        B, C, H, W = x.shape
        d, h, w = self.patch
        blocks = x.reshape(B, C // d, d, H // h, h, W // w, w).permute(0, 1, 3, 5, 2, 4, 6)
        return blocks.reshape(B, -1, d * h * w)

    def join(self, tokens: Tensor, x: Tensor) -> Tensor:
        """Return tokens (B, N, D) as fields of the shape of `x` (B, C, H, W), in channels-last memory."""
        B, C, H, W = x.shape
        d, h, w = self.patch
        blocks = tokens.reshape(B, C // d, H // h, W // w, d, h, w).permute(0, 2, 5, 3, 6, 1, 4)
        return blocks.reshape(B, H, W, C).permute(0, 3, 1, 2)

    def cells(self, mask: Tensor, x: Tensor) -> Tensor:
        """Return a token mask (B, N) as a cell mask of the shape of `x` (B, C, H, W)."""
        B, C, H, W = x.shape
        d, h, w = self.patch
        grid = mask.reshape(B, C // d, 1, H // h, 1, W // w, 1)
        return grid.expand(-1, -1, d, -1, h, -1, w).reshape(B, C, H, W)
