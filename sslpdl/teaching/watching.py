"""Trainings that can be watched: the loss falls while it runs, and one forecast is kept after each epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslpdl.models import TrainedModel
    from sslpdl.plots import Picture

__all__ = ["LiveCurve", "Snapshots"]


class LiveCurve:
    """A picture of training and validation loss that is drawn anew after each epoch, below the cell that trains.

    Hand it to `sslpdl.training.pretrain` or `finetune` as ``watch``.

    Parameters
    ----------
    title : str
        Heading.
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self._handle: Any = None

    def __call__(self, module: Any) -> None:
        """Draw the curves of a Lightning module of `sslpdl.training`."""
        from IPython.display import display

        figure = self.figure(module.curves)
        if self._handle is None:
            self._handle = display(figure, display_id=True)
        else:
            self._handle.update(figure)

    def figure(self, curves: dict[str, list[float]]) -> Picture:
        """Return the figure of some curves."""
        import pandas as pd

        from sslpdl.plots.lessons import learning_figure

        table = pd.DataFrame(curves).set_index("step")
        shown = {name.replace("_", " "): table[name] for name in ("training_loss", "validation_loss") if name in table}
        return learning_figure(shown, ylabel="loss", title=f"{self.title} (step {int(table.index[-1])})")


class Snapshots:
    """The probability of reaching the lowest threshold in one field, kept after each epoch of fine-tuning.

    Hand it to `sslpdl.training.finetune` as ``watch``.

    Parameters
    ----------
    start : TrainedModel
        A model with the same channels and statistics, such as the pre-trained one: it scales the field.
    fields : ndarray (C, H, W)
        The field, in physical units.

    Attributes
    ----------
    maps : dict of str to ndarray (H, W)
        Probabilities by training step, before calibration.
    """

    def __init__(self, start: TrainedModel, fields: NDArray[np.floating]) -> None:
        self._input = torch.from_numpy(np.nan_to_num(start.scaler.scale(np.asarray(fields)[None]))).float()
        self.maps: dict[str, NDArray[np.float32]] = {}

    @torch.inference_mode()
    def __call__(self, module: Any) -> None:
        """Forecast the field with the network of a Lightning module of `sslpdl.training` as it is now."""
        training = module.network.training
        module.network.eval()
        probability = module.log_probabilities(self._input.to(module.device)).exp()
        module.network.train(training)
        self.maps[f"step {int(module.global_step)}"] = (1.0 - probability[0, 0]).cpu().numpy()
