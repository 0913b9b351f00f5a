"""Truth and forecast of the twin at any time, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.twin.forecast_errors import Run
from sslpdl.twin.mesoscale import realise, spectra
from sslpdl.twin.noise import Field, Time, hour_of
from sslpdl.twin.rain import RAIN, RainParameters, forecast_rain, true_rain
from sslpdl.twin.season import TwinConfig, season, season_hour
from sslpdl.twin.state import atmosphere, channels
from sslpdl.twin.terrain import domain
from sslpdl.twin.weather import weather

__all__ = ["forecast", "truth", "truth_rain"]

_DEFAULT = TwinConfig()


def truth(valid_time: Time, config: TwinConfig = _DEFAULT, *, parameters: RainParameters = RAIN) -> Field:
    """Return the true atmosphere at one hour: the sixteen canonical channels (channel, y, x) on the default grid.

    Parameters
    ----------
    valid_time : datetime, numpy.datetime64 or str
        UTC, a whole hour from 20 May to 13 October of any year.
    config : TwinConfig
        Which twin.
    parameters : RainParameters
        Calibration of the rain; leave the default but to calibrate.

    Returns
    -------
    ndarray
        float32 in the units of :data:`sslpdl.channels.CHANNELS`; the last channel is the rain in mm of the hour that
        ends at ``valid_time``.

    Raises
    ------
    ConfigError
        If the time is no whole hour or outside the summer.
    """
    year, hours = season_hour(valid_time)
    summer, place = season(config, year), domain()
    large, small = weather(summer, hours), realise(summer, hours, spectra(summer, hours))
    state = atmosphere(large, small, place)
    return channels(state, true_rain(summer, hours, state, small, large, parameters), place)


@lru_cache(maxsize=256)
def _cached_rain(year: int, hours: int, config: TwinConfig, parameters: RainParameters) -> Field:
    summer = season(config, year)
    large, small = weather(summer, hours), realise(summer, hours, spectra(summer, hours))
    rain = true_rain(summer, hours, atmosphere(large, small, domain()), small, large, parameters)
    rain.setflags(write=False)
    return rain


def truth_rain(valid_time: Time, config: TwinConfig = _DEFAULT, *, parameters: RainParameters = RAIN) -> Field:
    """Return the true rain (y, x) in mm of the hour that ends at ``valid_time``, read-only.

    The last 256 hours are remembered, because several runs share each of them.  Errors as in :func:`truth`.
    """
    year, hours = season_hour(valid_time)
    return _cached_rain(year, hours, config, parameters)


def forecast(
    init_time: Time,
    lead_time: Sequence[int] | int,
    config: TwinConfig = _DEFAULT,
    *,
    parameters: RainParameters = RAIN,
) -> Field:
    """Return a run of the imperfect model: (lead, channel, y, x) on the default grid.

    Parameters
    ----------
    init_time : datetime, numpy.datetime64 or str
        Start of the run, UTC, a whole hour.
    lead_time : int or sequence of int
        Lead times in whole hours, at least 0.
    config, parameters
        As in :func:`truth`.

    Returns
    -------
    ndarray
        float32; the same numbers whatever other lead times are asked for along with them.

    Raises
    ------
    ConfigError
        If a lead time is negative, or a time outside the summer.
    """
    leads = [int(lead) for lead in np.atleast_1d(lead_time)]
    if not leads or min(leads) < 0:
        raise ConfigError(f"The twin's lead times are {leads}; they must be whole hours from 0.")
    year, start = season_hour(init_time)
    begin = hour_of(init_time)
    season_hour(begin + np.timedelta64(max(leads), "h"))  # refuses a run that leaves the season
    init = int(begin.astype(int))
    summer, place = season(config, year), domain(coarse=True)
    out = np.empty((len(leads), len(CANONICAL), *KOREA_5KM.shape), np.float32)
    for number, lead in enumerate(leads):
        run = Run(summer, init=init, hours=start + lead, lead=lead)
        large, small = run.weather(), run.mesoscale()
        state = atmosphere(large, small, place)
        out[number] = channels(state, forecast_rain(run, state, small, large, parameters), place)
    return out
