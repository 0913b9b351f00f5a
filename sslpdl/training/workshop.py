"""Where a stage works: the model folder to write, and a folder beside it that survives interruptions."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from sslpdl import models
from sslpdl.errors import ModelError
from sslpdl.files import explain_os_error, sha256, write_json_atomic
from sslpdl.models import TrainedModel
from sslpdl.training.config import FinetuneConfig, PretrainConfig
from sslpdl.training.reading import to_mapping

__all__ = ["Workshop"]

Source = str | os.PathLike[str]


class Workshop:
    """The model folder to write and the folder beside it that survives interruptions.

    Parameters
    ----------
    out : Path
        The model folder; checkpoints and logs lie in ``OUT.training``.
    settings : PretrainConfig or FinetuneConfig
        Settings of the stage.
    archive, pretrained : path
        What it starts from.
    resume : bool
        Whether to go on with what is there.

    Attributes
    ----------
    finished : bool
        Whether the model is there already, made with the same settings.

    Raises
    ------
    ModelError
        If a model or a training of other settings is there, or nothing can be written.
    """

    def __init__(
        self,
        out: Path,
        settings: PretrainConfig | FinetuneConfig,
        archive: Source,
        pretrained: Source | None = None,
        *,
        resume: bool,
    ) -> None:
        if pretrained is not None and not (Path(pretrained) / models.WEIGHTS).is_file():
            raise ModelError(f"{pretrained} is no model folder; give the folder that pre-training wrote.")
        self.out = out
        self.workshop = out.with_name(f"{out.name}.training")
        self.settings = {
            "stage": type(settings).__name__.removesuffix("Config").lower(),
            "config": to_mapping(settings),
            # a preset may mean something else in another version
            "architecture": models.describe(models.architecture(settings.model)),
            "archive": str(archive),
            "pretrained": None if pretrained is None else sha256(Path(pretrained) / models.WEIGHTS),
        }
        self.key = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]
        self.finished = False
        self._anew = not resume
        if not resume:
            return
        if out.exists():
            self.finished = models.load(out).provenance.get("key") == self.key
            if not self.finished:
                raise ModelError(
                    f"{out} holds a model of other settings; choose another folder, or start anew without resuming."
                )
        elif (self.workshop / "settings.json").exists() and self._stored_key() != self.key:
            raise ModelError(
                f"{self.workshop} holds an interrupted training of other settings; remove it, or start anew without "
                "resuming."
            )

    def open(self) -> None:
        """Make the folder and record what it is for; called once archive and settings are known to fit."""
        if self._anew:
            shutil.rmtree(self.workshop, ignore_errors=True)
        try:
            self.workshop.mkdir(parents=True, exist_ok=True)
            write_json_atomic(self.workshop / "settings.json", {"key": self.key, **self.settings})
        except OSError as error:
            raise ModelError(f"nothing can be trained here: {explain_os_error(error, self.workshop)}.") from error

    def _stored_key(self) -> str:
        try:
            return str(json.loads((self.workshop / "settings.json").read_text(encoding="utf-8"))["key"])
        except (ValueError, KeyError):
            return ""

    def finish(self, trained: TrainedModel) -> Path:
        """Write the model and drop the checkpoints; the logs stay."""
        models.save(self.out, trained, overwrite=True)
        for checkpoint in self.workshop.glob("*.ckpt"):
            checkpoint.unlink()
        return self.out
