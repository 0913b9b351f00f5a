"""Losses of the two stages, over valid cells only, each with an explicit normaliser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslpdl.errors import ModelError

__all__ = ["DivergedError", "cross_entropy", "masked_mse"]


class DivergedError(ModelError):
    """A training whose loss is no number any more."""


def masked_mse(fields: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean squared error over hidden cells whose value is known.

    The released code averages within each hidden patch and then over patches; for whole patches that is the same.

    Parameters
    ----------
    fields, target : Tensor (B, C, H, W)
        Reconstruction and scaled input; NaN in the target is unknown.
    hidden : Tensor (B, C, H, W) bool
        Cells that the network did not see.

    Returns
    -------
    Tensor ()
        Zero where nothing hidden is known.
    """
    counted = hidden & torch.isfinite(target)
    error = torch.where(counted, fields - torch.nan_to_num(target), 0.0)
    return error.square().sum() / counted.sum().clamp_min(1)


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    weights: Sequence[float] = (),
    normaliser: str = "count",
    focal_gamma: float = 0.0,
) -> Tensor:
    """Return the weighted cross-entropy with class probabilities as target, over cells where the target is known.

    The cross-entropy is linear in the target, so a mixed label gives the published sum of two cross-entropies, with one
    normaliser for both: PyTorch divides the one-hot part by the sum of weights and the other by the number of cells,
    which makes their balance depend on how rainy the batch is.

    Parameters
    ----------
    logits : Tensor (B, K, H, W)
        Output of the network.
    target : Tensor (B, H, W, K)
        Class probabilities; NaN marks cells that do not count.
    weights : sequence of float
        Class weights; all one by default.
    normaliser : {"count", "weight"}
        Divide by the number of cells, or by the sum over cells of the expected weight.
    focal_gamma : float
        Multiply the term of class j by (1 - p_j) to this power (Lin et al. 2017, arXiv 1708.02002, with a soft target
        term by term).  Probabilities learned so are not those of the events, which calibration has to mend.

    Returns
    -------
    Tensor ()
        Zero where no cell counts.
    """
    target = target.movedim(-1, 1)  # (B, K, H, W)
    known = torch.isfinite(target[:, :1])
    weighted = torch.where(known, target, 0.0)
    if weights:
        weighted = weighted * logits.new_tensor(weights)[:, None, None]
    log_p = logits.log_softmax(dim=1)
    terms = weighted * log_p
    if focal_gamma:
        # 1 - p underflows to zero for p near one, where the power of zero has no finite slope for gamma below one
        terms = terms * (1.0 - log_p.exp()).clamp_min(1e-6).pow(focal_gamma)
    total = -terms.sum()
    if normaliser == "weight":
        return total / weighted.sum().clamp_min(1e-12)
    return total / known.sum().clamp_min(1)
