"""Between physical units and what the network sees: z-scores per channel, rain by its logarithm where asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sslpdl.channels import CHANNELS
from sslpdl.errors import ModelError

__all__ = ["Scaler"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scaler:
    """Normalisation of the input channels.

    Parameters
    ----------
    channels : tuple of str
        Names, in the order of the fields.
    mean, std : tuple of float
        Mean and standard deviation of each channel over the training data; for rain those of log(1 + mm) with
        `log_rain`.
    log_rain : bool
        Replace rain by log(1 + mm) first.

    Raises
    ------
    ModelError
        If lengths differ or a standard deviation is not a positive number.

    Examples
    --------
    >>> Scaler(("t_2m",), (290.0,), (5.0,)).scale(np.full((1, 1, 1), 300.0)).item()
    2.0
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    log_rain: bool = False

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.mean) == len(self.std):
            raise ModelError(
                f"the statistics hold {len(self.mean)} means and {len(self.std)} deviations "
                f"for {len(self.channels)} channels."
            )
        for name, mean, std in zip(self.channels, self.mean, self.std, strict=True):
            if not (np.isfinite(mean) and np.isfinite(std) and std > 0.0):
                raise ModelError(
                    f"channel {name} has mean {mean} and deviation {std} in the statistics, so it cannot be scaled; "
                    "leave it out or use more training data."
                )

    @cached_property
    def _rain(self) -> list[int]:
        if not self.log_rain:
            return []
        return [i for i, name in enumerate(self.channels) if name in CHANNELS and CHANNELS[name].is_rain]

    @cached_property
    def _mean(self) -> Floats:
        return np.asarray(self.mean, "float32")[:, None, None]

    @cached_property
    def _std(self) -> Floats:
        return np.asarray(self.std, "float32")[:, None, None]

    def scale(self, fields: NDArray[np.floating]) -> Floats:
        """Return fields (..., C, H, W) in physical units as z-scores; NaN stays NaN."""
        scaled = np.array(fields, "float32")  # always a copy: the input is not ours to change
        for i in self._rain:
            # stored rain may be a rounding step below zero, which a logarithm must not see
            scaled[..., i, :, :] = np.log1p(np.maximum(scaled[..., i, :, :], 0.0))
        scaled -= self._mean
        scaled /= self._std
        return scaled

    def unscale(self, scaled: NDArray[np.floating]) -> Floats:
        """Return z-scores (..., C, H, W) in physical units."""
        fields = np.asarray(scaled, "float32") * self._std + self._mean
        for i in self._rain:
            fields[..., i, :, :] = np.expm1(fields[..., i, :, :])
        return fields
