"""Truth and forecast of the twin at any time, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.twin.forecast_errors import Run
from sslpdl.twin.mesoscale import Mesoscale, realise, spectra
from sslpdl.twin.noise import Field, Time, hour_of
from sslpdl.twin.rain import RAIN, RainParameters, driver, forecast_rain, true_rain
from sslpdl.twin.season import Season, TwinConfig, season, season_hour
from sslpdl.twin.state import State, atmosphere, channels
from sslpdl.twin.terrain import domain, shifted_inner
from sslpdl.twin.weather import Weather, weather

__all__ = ["forecast", "forecast_and_driver", "truth", "truth_rain"]

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
    state, rain = _true(season(config, year), hours, parameters)
    return channels(state, rain, domain())


def _true(summer: Season, hours: int, parameters: RainParameters) -> tuple[State, Field]:
    large, small = weather(summer, hours), realise(summer, hours, spectra(summer, hours))
    state = atmosphere(large, small, domain())
    return state, true_rain(summer, hours, state, small, large, parameters)


@lru_cache(maxsize=256)
def _cached_rain(year: int, hours: int, config: TwinConfig, parameters: RainParameters) -> Field:
    rain = _true(season(config, year), hours, parameters)[1]
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
    out = np.empty((len(leads), len(CANONICAL), *KOREA_5KM.shape), np.float32)
    for number, run in enumerate(_runs(init_time, leads, config)):
        out[number] = _fields(run, *_parts(run), parameters)
    return out


def forecast_and_driver(
    init_time: Time, lead_time: int, config: TwinConfig = _DEFAULT, *, parameters: RainParameters = RAIN
) -> tuple[Field, Field]:
    """Return one lead time of a run (channel, y, x), and what drives its rain before its errors of rain (2, y, x).

    The first driver is what the channels show, the second adds what they do not.  Errors as in :func:`forecast`.
    """
    (run,) = _runs(init_time, [lead_time], config)
    large, small, state = _parts(run)
    shown, whole = state.driver, driver(state, small, large, parameters)
    drivers = np.stack([shifted_inner(part + state.ground, 0, 0) for part in (shown, whole)])
    return _fields(run, large, small, state, parameters), drivers


def _runs(init_time: Time, leads: Sequence[int], config: TwinConfig) -> list[Run]:
    year, start = season_hour(init_time)
    begin = hour_of(init_time)
    season_hour(begin + np.timedelta64(max(leads), "h"))  # refuses a run that leaves the season
    init, summer = int(begin.astype(int)), season(config, year)
    return [Run(summer, init=init, hours=start + lead, lead=lead) for lead in leads]


def _parts(run: Run) -> tuple[Weather, Mesoscale, State]:
    large, small = run.weather(), run.mesoscale()
    return large, small, atmosphere(large, small, domain(coarse=True))


def _fields(run: Run, large: Weather, small: Mesoscale, state: State, parameters: RainParameters) -> Field:
    """Return the channels (channel, y, x) of a run at one lead time."""
    rain = forecast_rain(run, state, small, large, parameters)
    return channels(state, rain, domain(coarse=True))
