"""From the network's class probabilities to calibrated ones: undo the class weights, then scale and shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslpdl.errors import ModelError

__all__ = ["Calibration", "deweight"]


def deweight(log_probability: Tensor, weights: Sequence[float]) -> Tensor:
    """Return log-probabilities (B, K, ...) divided by the class weights of the loss and normalised again.

    A network trained with weights w tends to w_j P_j / sum(w P), not to P; this undoes it.

    Parameters
    ----------
    log_probability : Tensor (B, K, ...)
        Logarithms of the network's probabilities.
    weights : sequence of float
        The K positive class weights of the loss.
    """
    shape = (1, -1) + (1,) * (log_probability.ndim - 2)
    log_weights = torch.tensor(weights, dtype=log_probability.dtype, device=log_probability.device).log()
    return (log_probability - log_weights.reshape(shape)).log_softmax(dim=1)


@dataclass(frozen=True)
class Calibration:
    """Vector scaling of log-probabilities: class j gets ``scale_j log p_j + bias_j``, normalised.

    Parameters
    ----------
    kind : {"identity", "temperature", "vector"}
        What was fitted: nothing, one scale for all classes, or a scale and a bias for each.
    scale, bias : tuple of float
        One for each class; empty for the identity.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks (arXiv 1706.04599), section 4.2.
    """

    kind: str = "identity"
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("identity", "temperature", "vector"):
            raise ModelError(f"calibration kind {self.kind!r} is unknown, give identity, temperature or vector.")
        if (self.kind == "identity") != (not self.scale) or len(self.scale) != len(self.bias):
            raise ModelError(f"a calibration of kind {self.kind} cannot have {len(self.scale)} scales.")

    def apply(self, log_probability: Tensor) -> Tensor:
        """Return calibrated log-probabilities of the shape of `log_probability` (B, K, ...)."""
        if self.kind == "identity":
            return log_probability
        shape = (1, -1) + (1,) * (log_probability.ndim - 2)
        scale, bias = (log_probability.new_tensor(values).reshape(shape) for values in (self.scale, self.bias))
        return (log_probability * scale + bias).log_softmax(dim=1)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain lists and numbers."""
        return {"kind": self.kind, "scale": list(self.scale), "bias": list(self.bias)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Return the calibration of what `to_dict` gave."""
        scale, bias = (tuple(float(number) for number in values.get(key, ())) for key in ("scale", "bias"))
        return cls(str(values.get("kind", "identity")), scale, bias)
