"""What a network looks like: one frozen description for each kind.

That of SSLPDL has four presets, and a switch for each point the sources dispute.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args, get_type_hints

from sslpdl.errors import ConfigError

__all__ = ["PRESETS", "ModelConfig", "NetworkConfig", "nearest", "preset"]


@dataclass(frozen=True)
class NetworkConfig:
    """What all networks have in common.

    Parameters
    ----------
    channels, classes : int
        Number of NWP fields and of rain classes.
    shape : (int, int)
        Rows and columns of the training grid.  Other grids run too: tables by position are interpolated.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    network: ClassVar[str]
    """Name of the network in a configuration file."""

    channels: int = 16
    classes: int = 3
    shape: tuple[int, int] = (224, 128)

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            if name == "network":
                continue
            value, text = getattr(self, name), str(hint)
            choices = get_args(hint) if "Literal" in text else ()
            if choices and value not in choices:
                raise ConfigError(f"model setting {name} is {value!r}, give one of {choices}.")
            if hint is int and (not isinstance(value, int) or value < 1):
                raise ConfigError(f"model setting {name} is {value!r}, give a positive integer.")
            if text.startswith("tuple[int"):
                length = len(get_args(hint))
                whole = tuple(int(n) for n in value)
                object.__setattr__(self, name, whole)
                if len(whole) != length or min(whole) < 1:
                    raise ConfigError(f"model setting {name} is {whole}, give {length} positive integers.")
            if name.endswith("mask_ratio") and not 0.0 <= value < 1.0:
                raise ConfigError(f"model setting {name} is {value}, give a number in [0, 1).")
        if self.classes < 2:
            raise ConfigError(f"model setting classes is {self.classes}, give at least 2.")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain lists and numbers, for YAML."""
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Return the configuration of a mapping.

        Raises
        ------
        ConfigError
            For an unknown setting; the message names the nearest known one.
        """
        cls.check_names(settings)
        return cls(**settings)

    @classmethod
    def check_names(cls, settings: Iterable[str]) -> None:
        """Raise `ConfigError` for a setting that this network does not have."""
        known = {field.name for field in dataclasses.fields(cls)}
        for key in settings:
            if key not in known:
                raise ConfigError(f"model setting {key!r} is unknown{nearest(key, known)}.")


@dataclass(frozen=True)
class ModelConfig(NetworkConfig):
    """Architecture of SSLPDL; the defaults are the published one with its defects repaired.

    Parameters
    ----------
    channels, classes, shape
        See `NetworkConfig`.
    patch : (int, int, int)
        Channels, rows and columns of one token.
    patch_init : {"random", "identity"}
        Start of the two token projections.  With the identity, the first convolution sees the fields themselves from
        the first step on; at random it sees them scrambled within each patch (as published).
    token_norm : bool
        Normalise each token before it becomes pixels again (published).  Without, the level of a field is kept.
    pretraining_mask_ratio, finetuning_mask_ratio : float
        Share of tokens hidden while training in either stage; forecasts hide none.
    stem_stride : {2, 4}
        Resolution of the first stage: 2 is published here, 4 is InternImage's own.
    width, depths, group_channels, mlp_ratio
        Channels of the first stage (doubled at each further one), blocks per stage, channels per group of the
        deformable convolution, and widening of the block's perceptron.
    drop_path : float
        Chance to skip a residual branch in training, rising linearly from 0 to this value over the blocks.
    layer_scale : float or None
        Initial factor of the residual branches; None leaves it out.
    dcn : {"on", "depthwise", "identity"}
        Deformable convolution, a plain depthwise 3x3 in its place, or no blocks at all (what the released code ran).
    offset_scale : float
        Factor on the sampling grid of the deformable convolution, learned offsets included.
    fpn_channels, pool_channels : int
        Width of the decoder's pyramid and of its pooled branches.
    fusion_kernel : {1, 3}
        Kernel of the convolution that joins the pyramid levels (3 is published, 1 is cheaper).
    decoder_norm : {"layer", "batch"}
        Per-cell normalisation over channels, or batch normalisation as published.  Both have the same parameters; the
        first acts alike in training and forecasting and with batches of one.
    recon_head : {"linear", "logsoftmax"}
        The released code passes the reconstruction through a log-softmax over variables.
    stage2_head : {"logits", "double_softmax"}
        The released code gives probabilities to a loss that expects logits.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    network: ClassVar[str] = "sslpdl"

    patch: tuple[int, int, int] = (4, 16, 16)
    patch_init: Literal["random", "identity"] = "random"
    token_norm: bool = True
    pretraining_mask_ratio: float = 0.9
    finetuning_mask_ratio: float = 0.25
    stem_stride: Literal[2, 4] = 2
    width: int = 64
    depths: tuple[int, int, int, int] = (4, 4, 18, 4)
    group_channels: int = 16
    mlp_ratio: float = 4.0
    drop_path: float = 0.1
    layer_scale: float | None = None
    dcn: Literal["on", "depthwise", "identity"] = "on"
    offset_scale: float = 1.0
    fpn_channels: int = 256
    pool_channels: int = 512
    fusion_kernel: Literal[1, 3] = 3
    decoder_norm: Literal["layer", "batch"] = "batch"
    recon_head: Literal["linear", "logsoftmax"] = "linear"
    stage2_head: Literal["logits", "double_softmax"] = "logits"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.group_channels:
            raise ConfigError(f"model width {self.width} is no multiple of group_channels {self.group_channels}.")
        if not 0.0 <= self.drop_path < 1.0:
            raise ConfigError(f"model setting drop_path is {self.drop_path}, give a number in [0, 1).")

    @property
    def padded_channels(self) -> int:
        """Number of channels after filling up the last slab."""
        depth = self.patch[0]
        return -(-self.channels // depth) * depth

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        return (self.width, 2 * self.width, 4 * self.width, 8 * self.width)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> ModelConfig:
        """Return the configuration of a mapping that may name a ``preset`` and override parts of it.

        Raises
        ------
        ConfigError
            For an unknown preset or setting; the message names the nearest known one.
        """
        given = dict(settings)
        return preset(str(given.pop("preset", "paper")), **given)


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "small": {
        "patch_init": "identity",
        "width": 32,
        "depths": (2, 2, 6, 2),
        "drop_path": 0.05,
        "fpn_channels": 64,
        "pool_channels": 128,
        "decoder_norm": "layer",
    },
    "tiny": {
        "patch": (4, 8, 8),
        "patch_init": "identity",
        "token_norm": False,
        "width": 16,
        "depths": (1, 1, 2, 1),
        "drop_path": 0.0,
        "fpn_channels": 32,
        "pool_channels": 32,
        "decoder_norm": "layer",
    },
    "as_released": {
        "dcn": "identity",
        "drop_path": 0.0,
        "pretraining_mask_ratio": 0.75,
        "recon_head": "logsoftmax",
        "stage2_head": "double_softmax",
    },
}
"""Settings of each preset that differ from the defaults of `ModelConfig`."""


def preset(name: str, **overrides: Any) -> ModelConfig:
    """Return the configuration of a preset, with overrides.

    Parameters
    ----------
    name : {"paper", "small", "tiny", "as_released"}
        Preset: published size, laptop size, one for tests and demonstrations, and what the released code computes.
    **overrides
        Fields of `ModelConfig`.

    Raises
    ------
    ConfigError
        For an unknown preset or setting; the message names the nearest known one.
    """
    if name not in PRESETS:
        raise ConfigError(f"model preset {name!r} is unknown{nearest(name, PRESETS)}.")
    ModelConfig.check_names(overrides)
    return ModelConfig(**{**PRESETS[name], **overrides})


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``", did you mean 'x'"`` for the most similar known name, else the list of known names."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}" if close else f"; known are {', '.join(options)}"
