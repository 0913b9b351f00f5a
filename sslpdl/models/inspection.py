"""A look inside: which cells a mask hides, how well they are filled in, where the deformable convolution samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sslpdl.errors import ModelError
from sslpdl.models.config import ModelConfig
from sslpdl.models.embedding import PatchEmbedding, pad, random_mask
from sslpdl.models.network import SSLPDL, Reconstruction

if TYPE_CHECKING:
    import pandas as pd

    from sslpdl.models.trained import TrainedModel

__all__ = ["SamplingPoints", "hidden_cells", "reconstruction_errors", "sampling_points"]

RECONSTRUCTION, CLIMATOLOGY, SEEN_MEAN = "reconstruction", "climatological mean", "mean of what was seen"


def reconstruction_errors(
    model: TrainedModel, fields: NDArray[np.floating], *, mask_ratio: float | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the root-mean-square error over hidden cells, by variable, of the model and of two trivial predictors.

    Parameters
    ----------
    model : TrainedModel
        A reconstruction model.
    fields : ndarray (B, C, H, W)
        Fields of the model's channels in physical units; NaN cells do not count.
    mask_ratio : float, optional
        Share of tokens to hide; that of pre-training by default.
    seed : int
        Choice of the hidden tokens.

    Returns
    -------
    DataFrame
        One row a channel; columns ``reconstruction``, ``climatological mean`` (of the training data), and ``mean of
        what was seen`` (of the same variable in the same field).  In standard deviations of the training data; with
        `log_rain`, rain counts by its logarithm.

    Raises
    ------
    ModelError
        For a segmentation model, or fields of another number of channels.
    """
    import pandas as pd

    filled, hidden = model.reconstruct(fields, mask_ratio=mask_ratio, seed=seed)
    truth, guess = model.scaler.scale(fields), model.scaler.scale(filled)
    counted = hidden & np.isfinite(truth)
    seen = np.where(hidden, np.nan, truth)
    shown = np.isfinite(seen).sum(axis=(-2, -1), keepdims=True)
    mean = np.nansum(seen, axis=(-2, -1), keepdims=True) / np.maximum(shown, 1)  # zero where nothing was seen
    errors = {
        RECONSTRUCTION: guess - truth,
        CLIMATOLOGY: -truth,
        SEEN_MEAN: mean - truth,
    }
    squares = {name: np.where(counted, error, 0.0) ** 2 for name, error in errors.items()}
    cells = counted.sum(axis=(0, 2, 3))
    with np.errstate(invalid="ignore"):
        values = {name: np.sqrt(square.sum(axis=(0, 2, 3)) / cells) for name, square in squares.items()}
    return pd.DataFrame(values, index=pd.Index(model.channels, name="variable"))


def hidden_cells(config: ModelConfig, *, mask_ratio: float | None = None, seed: int = 0) -> NDArray[np.bool_]:
    """Return which cells a random mask hides, as pre-training draws it.

    Parameters
    ----------
    config : ModelConfig
        Architecture; gives channels, grid and patch.
    mask_ratio : float, optional
        Share of tokens to hide; that of pre-training by default.
    seed : int
        Choice of the hidden tokens.

    Returns
    -------
    ndarray (C, H, W) of bool
        True where the network does not see the input.
    """
    ratio = config.pretraining_mask_ratio if mask_ratio is None else mask_ratio
    embedding = PatchEmbedding(config)
    padded = pad(torch.zeros(1, config.channels, *config.shape), config.patch)
    mask = random_mask(1, embedding.tokens(padded), ratio, generator=torch.Generator().manual_seed(seed))
    hidden: NDArray[np.bool_] = embedding.cells(mask, padded).numpy()[0]
    return hidden[: config.channels, : config.shape[0], : config.shape[1]]


class SamplingPoints(NamedTuple):
    """Where one deformable convolution looks for one output cell; arrays of shape (groups, points)."""

    rows: NDArray[np.float32]
    """Fractional rows on the model's grid, 0-based from the south."""
    columns: NDArray[np.float32]
    """Fractional columns."""
    weights: NDArray[np.float32]
    """Modulation; sums to one over the points of a group."""
    displacement: NDArray[np.float32]
    """Learnt distance of each point from its place on the regular grid, in cells of the layer."""


@torch.inference_mode()
def sampling_points(
    model: TrainedModel, fields: NDArray[np.floating], *, row: int, column: int, stage: int = 0, block: int = 0
) -> SamplingPoints:
    """Return the points from which a deformable convolution of the encoder gathers its input for one place.

    A new layer samples the regular 3 x 3 neighbours with equal weights; what it has learnt shows as displacement.

    Parameters
    ----------
    model : TrainedModel
        A model whose blocks hold deformable convolutions.
    fields : ndarray (C, H, W)
        One field of the model's channels in physical units; nothing is hidden from the network.
    row, column : int
        The place, a cell of the grid.
    stage, block : int
        Which stage of the encoder (0 is the finest) and which of its blocks.

    Raises
    ------
    ModelError
        If the blocks of the model hold none.

    References
    ----------
    InternImage, arXiv 2211.05778, section 3.1, equation 2.
    """
    from sslpdl.ops import DCNv3

    network = model.network
    encoder = network.encoder if isinstance(network, SSLPDL | Reconstruction) else None
    layers = [m for m in encoder.backbone.stages[stage].modules() if isinstance(m, DCNv3)] if encoder else []
    if encoder is None or not layers:
        raise ModelError("this model's blocks hold no deformable convolution; build it with dcn set to on.")
    layer = layers[block]
    caught: dict[str, torch.Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda _module, _input, output, name=name: caught.update({name: output}))
        for name, part in (("offset", layer.offset), ("mask", layer.mask))
    ]
    try:
        encoder(encoder.prepare(torch.from_numpy(model.scaler.scale(fields)[None])))
    finally:
        for hook in hooks:
            hook.remove()
    stride = encoder.config.stem_stride * 2**stage
    i, j = row // stride, column // stride
    K = layer.kernel_size
    offset = caught["offset"][0, i, j].view(layer.group, K * K, 2)  # (G, P, (dx, dy))
    # points run along x slowest; the regular grid is scaled as the offsets are
    base = torch.stack(torch.meshgrid(torch.arange(K), torch.arange(K), indexing="ij"), -1).view(-1, 2) - K // 2
    shift = layer.offset_scale * (base + offset)
    centre = (stride - 1) / 2  # a coarse cell stands for the middle of the cells it covers
    return SamplingPoints(
        rows=((i + shift[..., 1]) * stride + centre).numpy(),
        columns=((j + shift[..., 0]) * stride + centre).numpy(),
        displacement=(layer.offset_scale * offset).norm(dim=-1).numpy(),
        weights=caught["mask"][0, i, j].view(layer.group, K * K).softmax(-1).numpy(),
    )
