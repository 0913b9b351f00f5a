"""Which version of the twin data are of, and whether a model knows the same one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["version_of", "warn_of_another_version"]


def version_of(attrs: Mapping[str, Any]) -> int | None:
    """Return the version of the twin that an archive with these attributes is of, or None where it is of no twin."""
    try:
        config = json.loads(attrs.get("config", "{}"))
    except ValueError:
        return None
    made_by = config.get("twin") if isinstance(config, dict) else None
    return made_by.get("twin_version") if isinstance(made_by, dict) else None


def warn_of_another_version(trained_on: Mapping[str, Any], found: int | None) -> None:
    """Warn where a model and the data it meets are of different twins: their scores say nothing about each other.

    Parameters
    ----------
    trained_on : mapping
        ``archive`` of a model's provenance; without ``twin_version`` nothing is known of it.
    found : int or None
        Version of the data, see `version_of`.
    """
    known = trained_on.get("twin_version")
    if known is not None and found is not None and known != found:
        warnings.warn(
            f"the model was trained on version {known} of the synthetic twin and this archive is of version {found}; "
            "train it anew, or make the archive with the version that it was trained on.",
            stacklevel=3,
        )
