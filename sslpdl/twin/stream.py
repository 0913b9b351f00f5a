"""Runs of the twin as a dataset like that of an archive, made when they are read: nothing is stored."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import numpy.typing as npt

from sslpdl.archive.layout import Encoding, as_channels, decode_qpe, encode_qpe
from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.lazy import lazy_variable
from sslpdl.twin.generate import forecast
from sslpdl.twin.noise import Field
from sslpdl.twin.season import TwinConfig
from sslpdl.twin.write import CASE_LEAD_TIME, LEAD_TIME, Times, attributes, default_runs, observed

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SCHEME", "is_stream", "lead_times", "open_stream"]

SCHEME = "twin:"
"""How the address of a stream begins."""

_EXAMPLE = "twin:2019-06-01/2021-09-28?every=12&leads=3-36/3&seed=0"


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the address of a stream rather than of an archive."""
    return str(path).startswith(SCHEME)


def open_stream(address: str | os.PathLike[str]) -> xr.Dataset:
    """Open runs of the twin without an archive.

    Parameters
    ----------
    address : str
        ``twin:START/END[,START/END ...][?every=12&leads=3-36/3&seed=0&case=august-2022]``: the runs from June to
        September of these periods, days, months or hours with both ends included.  The values shown are the defaults,
        but for the case, whose leads are 1-36.

    Returns
    -------
    xarray.Dataset
        What `sslpdl.open_archive` would give for an archive of the same runs, to the last bit; each sample takes some
        30 ms to make.  It can be pickled and used in worker processes.

    Raises
    ------
    ConfigError
        If the address is not understood, or names no run.

    Examples
    --------
    >>> ds = open_stream("twin:2021-07-10/2021-07-11?every=24&leads=6-12/6")
    >>> ds.fields.sel(init_time="2021-07-10", lead_time=6, channel="rain").values.shape
    (224, 128)
    """
    import xarray as xr

    config, runs, leads = _parsed(str(address))
    valid = np.unique(runs[:, None] + leads.astype("timedelta64[h]"))
    grid, channels, mask = KOREA_5KM, as_channels(CANONICAL), KOREA_5KM.verification_mask()
    lon, lat = grid.lonlat()
    size = (len(runs), len(leads), len(channels), *grid.shape)
    fields, rain = _Fields(config, runs, leads), _Rain(config, valid)
    ds = xr.Dataset(
        {
            "fields": lazy_variable(("init_time", "lead_time", "channel", "y", "x"), size, "float32", fields),
            "qpe": lazy_variable(("valid_time", "y", "x"), (len(valid), *grid.shape), "float32", rain),
            "mask": (("y", "x"), mask),
            "rain_window": ("lead_time", np.ones(len(leads))),
            "fields_coverage": (("init_time", "lead_time", "channel"), np.ones(size[:3], np.float32)),
            "qpe_coverage": ("valid_time", np.full(len(valid), mask.mean(), np.float32)),
        },
        coords={
            "init_time": runs.astype("datetime64[ns]"),
            "lead_time": leads,
            "channel": list(CANONICAL),
            "valid_time": valid.astype("datetime64[ns]"),
            "y": grid.y,
            "x": grid.x,
            "lat": (("y", "x"), lat.astype(np.float32)),
            "lon": (("y", "x"), lon.astype(np.float32)),
            "crs": ((), 0, grid.to_attrs()),
            "units": ("channel", [channel.units for channel in channels]),
            "standard_name": ("channel", [channel.standard_name for channel in channels]),
            "long_name": ("channel", [channel.long_name for channel in channels]),
            "level": ("channel", [np.nan if channel.level is None else channel.level for channel in channels]),
        },
    )
    described = attributes(config)
    ds.attrs = {**described, "config": json.dumps(described["config"], sort_keys=True), "qpe_window": 1.0}
    ds.encoding["source"] = str(address)
    return ds


def _parsed(address: str) -> tuple[TwinConfig, Times, npt.NDArray[np.int64]]:
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := set(options) - {"every", "leads", "seed", "case"}:
        raise ConfigError(f"{address} has an option {sorted(unknown)[0]!r}; known are every, leads, seed and case.")
    try:
        config = TwinConfig(int(options.get("seed", 0)), options.get("case"))
        usual = CASE_LEAD_TIME if config.case else LEAD_TIME
        leads = np.array(lead_times(options["leads"]) if "leads" in options else usual)
        periods = [period.partition("/") for period in parts.path.split(",")]
        every = int(options.get("every", 12))
        runs = [default_runs(first, _last(last or first), every=every) for first, _, last in periods]
    except ValueError as error:
        raise ConfigError(f"{address} is no stream of the twin ({error}); write it like {_EXAMPLE}.") from error
    return config, np.unique(np.concatenate(runs)), leads


def _last(text: str) -> np.datetime64:
    """Return the last hour of a day, month or hour."""
    last: np.datetime64 = (np.datetime64(text) + 1).astype("datetime64[h]") - np.timedelta64(1, "h")
    return last


def lead_times(text: str) -> list[int]:
    """Return the lead times in hours that ``first-last/step`` means, such as 1-36 or 3-48/3.

    Raises
    ------
    ConfigError
        If it means none.
    """
    span, _, step = text.partition("/")
    first, _, last = span.partition("-")
    try:
        leads = list(range(int(first), int(last or first) + 1, int(step or 1)))
    except ValueError:
        leads = []
    if not leads or leads[0] < 0:
        raise ConfigError(f"{text!r} is not a list of lead times; write 1-36 or 3-48/3.")
    return leads


@dataclass(frozen=True, eq=False)
class _Fields:
    """Reads forecasts, rounded as an archive rounds them."""

    config: TwinConfig
    runs: Times
    leads: npt.NDArray[np.int64]

    def __call__(self, key: tuple[Any, ...]) -> Field:
        encoding = Encoding(as_channels(CANONICAL))
        leads = np.atleast_1d(self.leads[key[1]]).tolist()
        runs = (forecast(run, leads, self.config) for run in np.atleast_1d(self.runs[key[0]]))
        made = [encoding.decode(encoding.encode(fields)) for fields in runs]
        return _part(np.stack(made), (_all_of(key[0]), _all_of(key[1]), *key[2:]))


@dataclass(frozen=True, eq=False)
class _Rain:
    """Reads observed rain, NaN where no radar sees it, rounded as an archive rounds it."""

    config: TwinConfig
    valid: Times

    def __call__(self, key: tuple[Any, ...]) -> Field:
        raw = encode_qpe(observed(np.atleast_1d(self.valid[key[0]]), self.config))
        return _part(decode_qpe(raw), (_all_of(key[0]), *key[1:]))


def _all_of(key: Any) -> int | slice:
    """Return the key to the whole of an axis that was made for a key, or to its only entry."""
    return 0 if isinstance(key, int | np.integer) else slice(None)


def _part(values: Field, key: tuple[Any, ...]) -> Field:
    """Return the outer product of one key per axis."""
    for axis in reversed(range(len(key))):
        values = values[(*[slice(None)] * axis, key[axis])]
    return values
