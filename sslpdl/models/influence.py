"""What a forecast leans on: how the probabilities change when the network is not told a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sslpdl.models.trained import TrainedModel

__all__ = ["influence"]


def influence(model: TrainedModel, fields: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return how much each variable raises or lowers the probability of reaching each threshold.

    Parameters
    ----------
    model : TrainedModel
        A model that forecasts rain classes.
    fields : ndarray (C, H, W)
        One forecast in physical units.

    Returns
    -------
    ndarray (C, T, H, W) float32
        Probability with everything known, less that with one variable withheld: its mean over the training data stands
        in its place.  It tells what this network does with this forecast, not what causes rain: of two variables that
        say the same, neither may be missed.

    Raises
    ------
    ModelError
        For a reconstruction model, or fields of another number of channels.

    References
    ----------
    Occlusion as in Zeiler and Fergus (2014), with whole variables in place of patches.
    """
    whole = exceedance(model.probabilities(fields[None]))[0]
    found = []
    for channel in range(len(fields)):
        without = np.array(fields, "float32")
        without[channel] = np.nan
        found.append(whole - exceedance(model.probabilities(without[None]))[0])
    return np.stack(found)


def exceedance(classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities of reaching each class but the driest: (B, K, H, W) to (B, K - 1, H, W)."""
    reached: NDArray[np.float32] = classes[:, ::-1].cumsum(axis=1)[:, -2::-1]
    return reached
