"""A network with everything that makes it a forecast: scaling, thresholds, calibration, decision rule, provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from sslpdl.errors import ModelError
from sslpdl.models.base import Reconstructor, Segmenter
from sslpdl.models.calibration import Calibration, deweight
from sslpdl.models.config import NetworkConfig
from sslpdl.models.scaling import Scaler

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.archive import Statistics

__all__ = ["TrainedModel", "check_archive"]

Fields = NDArray[np.floating]

# samples per pass: larger ones gain nothing on a CPU and need more memory
_BATCH = 8


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained network that takes fields in physical units.

    Parameters
    ----------
    network : Segmenter or Reconstructor
        The network, put into evaluation mode.
    channels : tuple of str
        The channels it needs, in order.
    statistics : Statistics
        Mean and deviation of each channel over the training data; with `log_rain`, those of log(1 + mm) for rain.
    rain_window : float
        Hours over which rain is summed.
    log_rain : bool
        Whether the rain channel enters by its logarithm.
    thresholds : tuple of float
        Lower bounds of the rain classes but the first, mm per window; empty for a reconstruction.
    grid : str
        Name of the grid that it was trained on.
    class_weights : tuple of float
        Weights of the loss, undone in the probabilities.
    calibration : Calibration
        Fitted on validation data.
    decision : dict of float to float
        For each threshold [mm] the probability p* from which on the answer is yes.
    metrics, provenance : dict
        How training went, and what it was made from; plain values for JSON.

    Raises
    ------
    ModelError
        If the parts do not fit together.
    """

    network: Segmenter | Reconstructor
    channels: tuple[str, ...]
    statistics: Statistics
    rain_window: float = 1.0
    log_rain: bool = False
    thresholds: tuple[float, ...] = ()
    grid: str = ""
    class_weights: tuple[float, ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    decision: Mapping[float, float] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval()
        config = self.config
        if len(self.channels) != config.channels or tuple(self.statistics.channels) != self.channels:
            raise ModelError(
                f"the network takes {config.channels} channels, but {len(self.channels)} are named and the statistics "
                f"hold {len(self.statistics.channels)}."
            )
        if self.kind == "segmentation" and len(self.thresholds) + 1 != config.classes:
            raise ModelError(
                f"the network has {config.classes} classes, which needs {config.classes - 1} thresholds, "
                f"not {len(self.thresholds)}."
            )
        if self.class_weights and (len(self.class_weights) != config.classes or min(self.class_weights) <= 0.0):
            raise ModelError(f"class weights must be {config.classes} positive numbers, got {self.class_weights}.")
        if self.calibration.scale and len(self.calibration.scale) != config.classes:
            raise ModelError(f"the calibration is for {len(self.calibration.scale)} classes, not {config.classes}.")

    @property
    def config(self) -> NetworkConfig:
        """Architecture of the network."""
        return self.network.config

    @property
    def kind(self) -> str:
        """``"segmentation"`` or ``"reconstruction"``."""
        return "segmentation" if isinstance(self.network, Segmenter) else "reconstruction"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid that it was trained on; other shapes are accepted."""
        return self.config.shape

    @cached_property
    def scaler(self) -> Scaler:
        """Normalisation of the input."""
        mean, std = (
            tuple(float(number) for number in values) for values in (self.statistics.mean, self.statistics.std)
        )
        return Scaler(self.channels, mean, std, self.log_rain)

    @torch.inference_mode()
    def probabilities(self, fields: Fields) -> NDArray[np.float32]:
        """Return calibrated class probabilities; the same input always gives the same output.

        Parameters
        ----------
        fields : ndarray (B, C, H, W)
            Fields of `channels` in physical units; NaN where missing.

        Returns
        -------
        ndarray (B, K, H, W) float32
            Probabilities of the rain classes, driest first, summing to one.

        Raises
        ------
        ModelError
            For a reconstruction model, or fields of another number of channels.
        """
        if not isinstance(self.network, Segmenter):
            raise ModelError("this model reconstructs fields and knows no rain classes; fine-tune it first.")
        parts = []
        for x in self._batches(fields):
            log_p = self.network.log_probabilities(self.network(x))
            log_p = deweight(log_p, self.class_weights) if self.class_weights else log_p
            parts.append(self.calibration.apply(log_p).exp().numpy())
        _, _, H, W = np.shape(fields)
        return np.concatenate(parts) if parts else np.empty((0, self.config.classes, H, W), "float32")

    @torch.inference_mode()
    def reconstruct(
        self, fields: Fields, *, mask_ratio: float | None = None, seed: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return fields with hidden tokens filled in, and what was hidden.

        Parameters
        ----------
        fields : ndarray (B, C, H, W)
            Fields of `channels` in physical units; NaN where missing.
        mask_ratio : float, optional
            Share of tokens to hide; that of pre-training by default.
        seed : int
            Choice of the hidden tokens.

        Returns
        -------
        (ndarray (B, C, H, W) float32, ndarray (B, C, H, W) bool)
            The network's fields in physical units, and True where it did not see the input.

        Raises
        ------
        ModelError
            For a segmentation model, or fields of another number of channels.
        """
        if not isinstance(self.network, Reconstructor):
            raise ModelError("this model forecasts rain classes and cannot reconstruct fields; load a pre-trained one.")
        generator = torch.Generator().manual_seed(seed)
        values, hidden = [], []
        for x in self._batches(fields):
            result = self.network(x, mask_ratio=mask_ratio, generator=generator)
            values.append(self.scaler.unscale(result.fields.numpy()))
            hidden.append(result.hidden.numpy())
        return np.concatenate(values), np.concatenate(hidden)

    def check(self, archive: xr.Dataset) -> None:
        """Refuse an archive that this model cannot use.

        Raises
        ------
        ModelError
            If channels are missing or rain is summed over another window.
        """
        check_archive(archive, self.channels, self.rain_window)

    def _batches(self, fields: Fields) -> Iterator[torch.Tensor]:
        fields = np.asarray(fields)
        if fields.ndim != 4 or fields.shape[1] != len(self.channels):
            raise ModelError(
                f"the model needs fields of shape (B, {len(self.channels)}, H, W), got {fields.shape}; "
                "select its channels in order first."
            )
        for first in range(0, len(fields), _BATCH):
            yield torch.from_numpy(self.scaler.scale(fields[first : first + _BATCH]))


def check_archive(archive: xr.Dataset, channels: Sequence[str], rain_window: float) -> None:
    """Refuse an archive that lacks channels, or holds rain summed over another window [h].

    Raises
    ------
    ModelError
        Saying what is missing.
    """
    held = [str(name) for name in archive["channel"].values]
    missing = [name for name in channels if name not in held]
    if missing:
        raise ModelError(
            f"the model needs {', '.join(missing)}, which the archive lacks (it holds {', '.join(held)}); "
            "ingest the missing channels or train a model without them."
        )
    windows = np.unique(np.asarray(archive["rain_window"].values, "float64"))
    other = windows[~np.isclose(windows, rain_window)]
    if other.size:
        raise ModelError(
            f"the model was trained on rain of {rain_window:g} h and the archive holds rain of "
            f"{other[0]:g} h; use lead times or an archive of the same window."
        )
