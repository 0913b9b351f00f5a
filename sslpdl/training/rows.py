"""The rows of an experiment table: what each one changes against the base, read and checked before anything runs."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sslpdl.errors import ConfigError
from sslpdl.models import NETWORKS, Segmenter, architecture
from sslpdl.training.config import Experiment, PretrainConfig
from sslpdl.training.reading import experiment_of, read_yaml, refuse_unknown

__all__ = ["FORECASTS", "Row", "read_table", "shared_pretraining"]

FORECASTS = ("network", "raw", "climatology", "quantile_mapping")
SECTIONS = ("archive", "data", "finetune", "model", "pretrain", "test")
_SEARCH = ("seeds", "learning_rates", "search_share")
# what the second stage alone reads: rows that differ in these only share their pre-training
_SECOND_STAGE = ("finetuning_mask_ratio", "stage2_head")


@dataclass(frozen=True)
class Row:
    """One row of a table: something that forecasts, and how it is trained.

    Parameters
    ----------
    name : str
        Also the name of its folder.
    forecast : {"network", "raw", "climatology", "quantile_mapping"}
        What forecasts; the latter three are not trained.
    sections : mapping
        Sections of an experiment after the row's changes, as plain values.
    seeds : tuple of int
        Each gives a training of its own; one that is not trained runs once.
    learning_rates : tuple of float
        Candidates, of which the best by validation is used with every seed; empty for the configured rate.
    search_share : float
        Share of the epochs and minutes of fine-tuning that each candidate gets.
    """

    name: str
    forecast: str
    sections: Mapping[str, Any]
    seeds: tuple[int, ...]
    learning_rates: tuple[float, ...] = ()
    search_share: float = 0.2

    def experiment(self, seed: int) -> Experiment:
        """Return the settings for one seed."""
        return experiment_of({**self.sections, "seed": seed})

    def describe(self, seed: int) -> dict[str, Any]:
        """Return everything that the result for one seed depends on, as plain values."""
        plain = dataclasses.asdict(self)
        return {**plain, "seeds": self.seeds[0], "seed": seed}


def read_table(config: str | os.PathLike[str]) -> list[Row]:
    """Read and check all rows of an experiment file.

    Parameters
    ----------
    config : path
        YAML file with the sections of an experiment as base (see `load_config`) and a section ``table``: ``rows``, a
        mapping of names to changes, and for all rows ``seeds``, ``learning_rates`` and ``search_share``.  A row may
        hold these too, ``forecast`` (see `Row`), and sections whose keys replace those of the base; ``pretrain: null``
        takes pre-training out, and a ``model`` that names a network replaces that of the base as a whole.

    Raises
    ------
    ConfigError
        For the first row that cannot be run; the message names it.
    """
    settings = read_yaml(config)
    refuse_unknown(settings, (*SECTIONS, "seed", "table"), "section")
    table = settings.pop("table")
    if not isinstance(table, Mapping) or not isinstance(table.get("rows"), Mapping) or not table["rows"]:
        raise ConfigError(f"{config}: section table needs rows, a mapping of names to what each changes.")
    try:
        refuse_unknown(table, ("rows", *_SEARCH), "table setting")
        return [_row(str(name), changes or {}, settings, table) for name, changes in table["rows"].items()]
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error


def _row(name: str, changes: Mapping[str, Any], base: Mapping[str, Any], table: Mapping[str, Any]) -> Row:
    try:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise ConfigError("its name may hold letters, digits, '.', '_' and '-' only, for it names a folder.")
        if not isinstance(changes, Mapping):
            raise ConfigError(f"it is {changes!r}, give a mapping of what it changes.")
        refuse_unknown(changes, ("forecast", *_SEARCH, *SECTIONS), "row setting")
        search = {key: changes.get(key, table.get(key)) for key in _SEARCH}
        row = Row(
            name=name,
            forecast=str(changes.get("forecast", "network")),
            sections={key: _merged(key, base.get(key), changes) for key in SECTIONS if key in base or key in changes},
            seeds=_numbers(search["seeds"], int, default=(int(base.get("seed", 0)),), name="seeds"),
            learning_rates=_numbers(search["learning_rates"], float, default=(), name="learning_rates"),
            search_share=float(search["search_share"] or 0.2),
        )
        return _checked(row)
    except ConfigError as error:
        raise ConfigError(f"row {name}: {error}") from error


def _merged(section: str, base: Any, changes: Mapping[str, Any]) -> Any:
    """Return a section after the changes of a row."""
    if section not in changes:
        return base
    own = changes[section]
    replaces = section == "model" and isinstance(own, Mapping) and "network" in own
    return own if own is None or base is None or replaces else {**base, **own}


def _numbers(values: Any, kind: type[Any], *, default: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if values is None:
        return default
    wanted = values if isinstance(values, list) else [values]
    if not all(isinstance(value, int | float) and value >= 0 for value in wanted) or len(set(wanted)) < len(wanted):
        raise ConfigError(f"{name} is {values!r}, give different numbers from 0 on.")
    return tuple(kind(value) for value in wanted)


def _checked(row: Row) -> Row:
    """Return the row as it will run: one that is not trained has one seed and no learning rates."""
    if row.forecast not in FORECASTS:
        raise ConfigError(f"forecast is {row.forecast!r}, give one of {', '.join(FORECASTS)}.")
    if row.name in ("raw", "climatology") and row.forecast != row.name:
        raise ConfigError(f"the name {row.name} stands for the {row.name} forecast; choose another.")
    if not row.seeds:
        raise ConfigError("its list of seeds is empty.")
    if "seed" in (row.sections.get("finetune") or {}):
        raise ConfigError("finetune.seed would give every seed of the row the same training; leave it out.")
    if 0.0 in row.learning_rates:
        raise ConfigError("a learning rate of 0 learns nothing; give numbers above 0.")
    if not 0.0 < row.search_share <= 1.0:
        raise ConfigError(f"search_share is {row.search_share:g}, give a share in (0, 1].")
    experiment = row.experiment(row.seeds[0])
    if not experiment.archive or not experiment.test:
        raise ConfigError("it needs the sections archive and test, of its own or in the base.")
    if row.forecast != "network":
        return dataclasses.replace(row, seeds=row.seeds[:1], learning_rates=())
    if experiment.pretrain is not None:
        for stage in (experiment.pretrain, experiment.finetune):
            network = architecture(stage.model).network
            if NETWORKS[network][1].pretraining is Segmenter.pretraining:
                raise ConfigError(f"the network {network} has no pre-training; write pretrain: null.")
    return row


def shared_pretraining(config: PretrainConfig) -> PretrainConfig:
    """Return the settings of pre-training without those that the second stage alone reads."""
    model = {key: value for key, value in config.model.items() if key not in _SECOND_STAGE}
    return dataclasses.replace(config, model=model, data=dataclasses.replace(config.data, region=()))
