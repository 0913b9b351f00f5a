"""The Lightning trainer as both stages use it: quiet, resumable after any kill, best state by validation score."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from sslpdl.errors import ModelError
from sslpdl.files import explain_os_error
from sslpdl.progress import bar
from sslpdl.training.modules import Finetuning, Pretraining

__all__ = ["fit"]

LAST, BEST = "last.ckpt", "best.ckpt"

# what Lightning warns of although it is meant
_ADVICE = (
    ".*does not have many workers.*",
    ".*Checkpoint directory.*exists and is not empty.*",
    ".*is smaller than the logging interval.*",
    ".*have no `val_dataloader`.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",
)


class _AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are written whole or not at all, and never unpickled."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        work = target.with_name(f".{target.name}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with work.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            work.replace(target)
        except OSError as error:
            work.unlink(missing_ok=True)
            raise ModelError(f"a checkpoint cannot be written: {explain_os_error(error, target)}.") from error

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return read_checkpoint(Path(path), map_location)


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the tensors and plain values of a checkpoint.

    Raises
    ------
    ModelError
        If the file is damaged or holds anything else.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise ModelError(f"the checkpoint {path} is damaged; remove its folder to train anew.") from error
    return checkpoint


class _Keeper(Checkpoint):
    """Keep the last state and the best one after each epoch, and stop when the score no longer rises.

    Lightning's own callback writes the last state only when it was also the best, which loses epochs to a kill.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        self._folder, self._patience = folder, patience
        self.score, self.step, self._waited = -math.inf, 0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "step": self.step, "waited": self._waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score, self.step, self._waited = (state_dict[name] for name in ("score", "step", "waited"))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        score = float(trainer.callback_metrics["score"])
        if score > self.score or not self.step:
            self.score, self.step, self._waited = score, trainer.global_step, 0
            trainer.save_checkpoint(self._folder / BEST, weights_only=True)
        else:
            self._waited += 1
        trainer.save_checkpoint(self._folder / LAST)
        self._stop(trainer, pl_module)

    def _stop(self, trainer: pl.Trainer, module: Any) -> None:
        if (self._patience and self._waited >= self._patience) or module.out_of_time:
            trainer.should_stop = True


class _Progress(Callback):
    """Advance the package's own progress bar by one for each step."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._advance(trainer.global_step)

    def on_train_batch_end(self, *_arguments: Any) -> None:
        self._advance(1)


def fit(
    module: Pretraining | Finetuning,
    training: DataLoader[Any],
    validation: DataLoader[Any] | None,
    *,
    folder: Path,
    progress: bool,
    description: str,
) -> dict[str, Any]:
    """Train from the last checkpoint of the folder, or from the start, and leave the best state in the module.

    Parameters
    ----------
    module : Pretraining or Finetuning
        What to train.
    training, validation : DataLoader
        Batches of one epoch each; without validation the last state is the best.
    folder : Path
        For checkpoints and TensorBoard logs.
    progress : bool
        Show a progress bar.
    description : str
        What is being done, for the bar.

    Returns
    -------
    dict
        ``steps`` done, ``best_score``, ``best_step``, ``stopped_early`` and ``out_of_time``.
    """
    config = module.config
    keeper = _Keeper(folder, config.patience if validation is not None else 0)
    last = folder / LAST
    with _quiet(), bar(description, total=module.steps, unit="steps", shown=progress) as advance:
        trainer = pl.Trainer(
            accelerator=config.accelerator,
            precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
            devices=1,
            max_epochs=config.epochs,
            callbacks=[keeper, _Progress(advance)],
            logger=TensorBoardLogger(save_dir=folder, name="logs", version=""),
            plugins=[_AtomicCheckpoints()],
            gradient_clip_val=config.clip or None,
            log_every_n_steps=10,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, training, validation, ckpt_path=str(last) if last.exists() else None)
        out_of_time = module.out_of_time
        module.load_state_dict(read_checkpoint(folder / BEST)["state_dict"])
        if validation is not None:
            trainer.validate(module, validation, verbose=False)
    module.cpu().eval()
    return {
        "steps": int(trainer.global_step),
        "best_step": keeper.step,
        "best_score": keeper.score,
        "stopped_early": trainer.current_epoch < config.epochs,
        "out_of_time": out_of_time,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from announcing devices, tips and advice on worker processes."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for text in _ADVICE:
                warnings.filterwarnings("ignore", message=text)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
