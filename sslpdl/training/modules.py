"""What one step of either stage does: Lightning modules around the two networks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from sslpdl import labels
from sslpdl.models import Reconstructor, Segmenter, deweight
from sslpdl.training.config import FinetuneConfig, PretrainConfig
from sslpdl.training.decision import ThresholdCounts
from sslpdl.training.losses import DivergedError, cross_entropy, masked_mse

__all__ = ["Finetuning", "Pretraining"]

Batch = tuple[Tensor, Tensor]


class _Stage(pl.LightningModule):
    """Optimiser, schedule, seeds and curves that both stages share."""

    network: Segmenter | Reconstructor

    def __init__(self, config: PretrainConfig | FinetuneConfig, *, steps: int) -> None:
        super().__init__()
        self.config = config
        self.steps = steps
        self.curves: dict[str, list[float]] = {"step": [], "training_loss": []}
        self.scores: dict[str, float] = {}
        self.watch: Callable[[Any], None] | None = None
        self._losses: list[Tensor] = []
        self._spent_before, self._begin = 0.0, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds of training and validation so far, those before interruptions included."""
        return self._spent_before + time.monotonic() - self._begin

    @property
    def out_of_time(self) -> bool:
        """Whether the configured minutes are up."""
        return 0.0 < self.config.minutes * 60.0 <= self.spent

    def on_fit_start(self) -> None:
        """Start the clock."""
        self._begin = time.monotonic()

    def on_train_epoch_start(self) -> None:
        """Let a part that is kept fixed keep the running statistics of its batch normalisation too."""
        for part, rate in self.rates():
            if rate == 0.0:
                for layer in part.modules():
                    if isinstance(layer, nn.BatchNorm2d):
                        layer.eval()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make the masks of a step depend on seed and step only, so that a resumed training repeats them."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.global_step)

    def keep(self, loss: Tensor) -> Tensor:
        """Remember the loss of a step for the mean of the epoch."""
        self._losses.append(loss.detach())
        self.log("training_loss", loss)
        return loss

    def refuse_divergence(self, values: Tensor) -> None:
        """Raise `DivergedError` if losses or outputs are no numbers any more."""
        if not values.isfinite().all():
            raise DivergedError(
                f"the training diverged at a learning rate of {self.config.learning_rate:g} (step {self.global_step}); "
                "give a smaller one."
            )

    def on_train_epoch_end(self) -> None:
        """Add the epoch to the curves, and show its scores to callbacks and TensorBoard."""
        losses = torch.stack(self._losses)
        self.refuse_divergence(losses)
        training_loss = float(losses.mean())
        self._losses = []
        # without a validation split the last state counts as the best one
        scores = self.scores or {"score": float(self.current_epoch)}
        row = {"step": float(self.global_step), "training_loss": training_loss, **scores}
        for name, value in row.items():
            self.curves.setdefault(name, []).append(round(value, 6))
        for name, value in scores.items():
            self.log(name, value)
        if self.watch is not None:
            self.watch(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the curves and the time spent with the weights."""
        checkpoint["curves"] = self.curves
        checkpoint["spent"] = self.spent

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves and the time spent up again."""
        self.curves = checkpoint["curves"]
        self._spent_before, self._begin = checkpoint["spent"], time.monotonic()

    def rates(self) -> Iterator[tuple[nn.Module, float]]:
        """Yield parts of the network with their learning rate; zero keeps a part fixed."""
        yield self.network, self.config.learning_rate

    def configure_optimizers(self) -> Any:
        """Return AdamW that decays matrices alone, with warm-up and cosine."""
        groups = []
        for part, rate in self.rates():
            if rate == 0.0:
                part.requires_grad_(False)
                continue
            for decays in (True, False):
                chosen = [p for name, p in part.named_parameters() if _is_matrix(name, p) == decays]
                groups.append({"params": chosen, "lr": rate, "weight_decay": decays * self.config.weight_decay})
        optimiser = torch.optim.AdamW(groups, betas=self.config.betas)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _factor(self, step: int) -> float:
        if self.config.minutes:
            # with a limit of time the schedule follows the clock where that is ahead
            step = max(step, int(self.steps * self.spent / (60.0 * self.config.minutes)))
        warmup = self.config.warmup * self.steps
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / max(1.0, self.steps - warmup))))


def _is_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim > 1 and not name.endswith("position")


class Pretraining(_Stage):
    """Reconstruct hidden tokens.

    Parameters
    ----------
    network : Reconstructor
        The network.
    config : PretrainConfig
        Settings.
    steps : int
        All steps of the schedule.
    """

    def __init__(self, network: Reconstructor, config: PretrainConfig, *, steps: int) -> None:
        super().__init__(config, steps=steps)
        self.network: Reconstructor = network
        self._sums = torch.zeros(3, network.config.channels, dtype=torch.float64)
        self.channel_errors: tuple[list[float], list[float]] = ([], [])

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the loss over cells that were hidden and are known."""
        result = self.network(batch[0])
        return self.keep(masked_mse(result.fields, batch[0], result.hidden))

    def on_validation_epoch_start(self) -> None:
        """Start new sums."""
        self._sums.zero_()

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add squared errors by channel, with the same masks at each validation."""
        fields = batch[0]
        # drawn on the CPU, so that every device validates with the same masks
        result = self.network(fields, generator=torch.Generator().manual_seed(index))
        counted = result.hidden & torch.isfinite(fields)
        truth = torch.nan_to_num(fields)
        error = torch.where(counted, result.fields - truth, 0.0).square()
        trivial = torch.where(counted, truth, 0.0).square()
        for row, values in enumerate((error, trivial, counted)):
            self._sums[row] += values.sum(dim=(0, 2, 3), dtype=torch.float64).cpu()

    def on_validation_epoch_end(self) -> None:
        """Report the masked error, and each channel's beside that of the climatological mean."""
        error, trivial, count = self._sums
        self.refuse_divergence(error)
        self.channel_errors = ((error / count).tolist(), (trivial / count).tolist())
        loss = float(error.sum() / count.sum())
        self.scores = {"score": -loss, "validation_loss": loss}

    def skill(self) -> dict[str, Any]:
        """Return the masked error by channel beside that of predicting the mean, in scaled units."""
        return {"masked_mse": self.channel_errors[0], "masked_mse_of_the_mean": self.channel_errors[1]}


class Finetuning(_Stage):
    """Learn rain classes.

    Parameters
    ----------
    network : Segmenter
        The network, with a pre-trained part or a fresh one.
    config : FinetuneConfig
        Settings.
    steps : int
        All steps of the schedule.
    """

    def __init__(self, network: Segmenter, config: FinetuneConfig, *, steps: int) -> None:
        super().__init__(config, steps=steps)
        self.config: FinetuneConfig = config
        self.network: Segmenter = network
        self._counts = ThresholdCounts(config.thresholds)
        self._loss = torch.zeros(2, dtype=torch.float64)

    def rates(self) -> Iterator[tuple[nn.Module, float]]:
        """Yield the part that pre-training provides, if there is one, and the rest with their own rates."""
        if self.network.pretrained_part is not None:
            yield self.network.pretrained_part, self.config.encoder_learning_rate
        yield self.network.head, self.config.learning_rate

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Return the weighted cross-entropy with the configured labels."""
        fields, rain = batch
        target = self.config.label.encode(rain, self.config.thresholds)
        loss = cross_entropy(
            self.network(fields).float(),
            target,
            weights=self.config.class_weights,
            normaliser=self.config.loss_normaliser,
            focal_gamma=self.config.focal_gamma,
        )
        return self.keep(loss)

    def log_probabilities(self, fields: Tensor) -> Tensor:
        """Return de-weighted log-probabilities (B, K, H, W)."""
        log_p = self.network.log_probabilities(self.network(fields).float())
        return deweight(log_p, self.config.class_weights) if self.config.class_weights else log_p

    def on_validation_epoch_start(self) -> None:
        """Start new counts."""
        self._counts = ThresholdCounts(self.config.thresholds)
        self._loss.zero_()

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Count events by forecast probability, and add up the log-likelihood."""
        fields, rain = batch
        log_p, observed = self.log_probabilities(fields), labels.class_index(rain, self.config.thresholds)
        self.refuse_divergence(log_p)
        self._counts.add(log_p.exp(), observed)
        known = observed >= 0
        picked = log_p.gather(1, observed.clamp_min(0)[:, None])[:, 0]
        self._loss += torch.stack([-(picked * known).sum(dtype=torch.float64), known.sum().double()]).cpu()

    def on_validation_epoch_end(self) -> None:
        """Report the negative log-likelihood and the best CSI of each threshold."""
        loss = float(self._loss[0] / self._loss[1].clamp_min(1.0))
        best = {f"csi_{threshold:g}": csi for threshold, (_, csi) in self._counts.best().items()}
        score = self._counts.score() if self.config.monitor == "csi" else -loss
        self.scores = {"score": score, "validation_loss": loss, **best}
