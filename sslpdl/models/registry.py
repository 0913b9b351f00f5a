"""All networks by name, from a mapping of settings to a network with fresh weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslpdl.errors import ConfigError
from sslpdl.models import baselines
from sslpdl.models.base import Segmenter
from sslpdl.models.config import PRESETS, ModelConfig, NetworkConfig, nearest
from sslpdl.models.network import SSLPDL

__all__ = ["NETWORKS", "architecture", "build", "create", "describe"]

_KINDS: tuple[tuple[type[Any], type[Any]], ...] = (
    (ModelConfig, SSLPDL),
    (baselines.LogisticConfig, baselines.Logistic),
    (baselines.UNetConfig, baselines.UNet),
    (baselines.ConvLSTMConfig, baselines.ConvLSTM),
    (baselines.MetNetConfig, baselines.MetNet),
    (baselines.SmaAtUNetConfig, baselines.SmaAtUNet),
    (baselines.SparKConfig, baselines.SparK),
)

NETWORKS: dict[str, tuple[type[NetworkConfig], type[Segmenter]]] = {kind[0].network: kind for kind in _KINDS}
"""Description and network of the second stage by name; ``network.pretraining()`` gives that of the first."""

DEFAULT = ModelConfig.network


def architecture(settings: Mapping[str, Any]) -> NetworkConfig:
    """Return the description of a network from settings as they stand in a YAML file or a model folder.

    Parameters
    ----------
    settings : mapping
        ``network`` (``"sslpdl"`` by default) and the fields of its configuration; SSLPDL may name a ``preset``.

    Raises
    ------
    ConfigError
        For an unknown network or setting, or a value out of range.
    """
    given = dict(settings)
    name = str(given.pop("network", DEFAULT))
    if name not in NETWORKS:
        raise ConfigError(f"model network {name!r} is unknown{nearest(name, NETWORKS)}.")
    return NETWORKS[name][0].from_dict(given)


def describe(config: NetworkConfig) -> dict[str, Any]:
    """Return the plain mapping from which `architecture` makes the same description."""
    named = {} if config.network == DEFAULT else {"network": config.network}
    return named | config.to_dict()


def create(config: NetworkConfig) -> Segmenter:
    """Return the network of the second stage with fresh weights."""
    kind: Any = NETWORKS[config.network][1]
    network: Segmenter = kind(config)
    return network


def build(
    name: str, *, channels: int = 16, classes: int = 3, shape: tuple[int, int] = (224, 128), **overrides: Any
) -> Any:
    """Return a network of the second stage with fresh weights.

    Parameters
    ----------
    name : str
        A preset of SSLPDL (``"paper"``, ``"small"``, ``"tiny"``, ``"as_released"``), or another of `NETWORKS`.
    channels, classes : int
        Number of NWP fields and of rain classes.
    shape : (int, int)
        Rows and columns of the grid that the model is trained on.
    **overrides
        Further fields of the network's configuration, such as those of `ModelConfig`.

    Returns
    -------
    Segmenter
        (B, channels, H, W) to logits (B, classes, H, W); ``.pretraining()`` gives its reconstruction counterpart.

    Raises
    ------
    ConfigError
        For an unknown name or setting.

    Examples
    --------
    >>> build("unet", classes=3, shape=(32, 32)).config.width
    16
    """
    sizes = {"channels": channels, "classes": classes, "shape": shape}
    if name in PRESETS:
        return create(architecture({"preset": name, **sizes, **overrides}))
    if name not in NETWORKS or name == DEFAULT:
        known = [*PRESETS, *(network for network in NETWORKS if network != DEFAULT)]
        raise ConfigError(f"model preset {name!r} is unknown{nearest(name, known)}.")
    return create(architecture({"network": name, **sizes, **overrides}))
