"""The atmosphere as fields: balanced heights and winds, temperature, moisture, and what drives rain."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sslpdl.channels import CANONICAL
from sslpdl.grid import KOREA_5KM
from sslpdl.twin.mesoscale import Mesoscale
from sslpdl.twin.noise import Field
from sslpdl.twin.spectra import CELL, waves
from sslpdl.twin.terrain import Domain, north_of, shifted_inner
from sslpdl.twin.weather import Cyclone, Front, Weather

__all__ = ["State", "atmosphere", "channels", "moisture_flux_convergence", "specific_humidity"]

_GAS_OVER_GRAVITY = 287.05 / 9.80665  # m/K
_LAYER_LOW = math.log(1000 / 850)
_LAYER_MIDDLE = math.log(850 / 500)
_TILT = 260.0  # km that the 850-hPa waves lie east of those at 500 hPa
_SEOUL_X = -72.0  # km from the middle of the domain


class State(NamedTuple):
    """Fields (rows, columns) of the work grid; winds along the grid's axes.

    The first fifteen are the NWP channels under their canonical names.  ``driver`` is the part of the rain driver that
    moves with the weather, ``ground`` the part that belongs to mountains, coast and hour.
    """

    gph_100: Field
    gph_500: Field
    gph_850: Field
    slp: Field
    rh_500: Field
    rh_850: Field
    t_2m: Field
    t_500: Field
    t_850: Field
    u_10m: Field
    u_500: Field
    u_850: Field
    v_10m: Field
    v_500: Field
    v_850: Field
    driver: Field
    ground: Field


class _Parts:
    """Sums that several objects contribute to; ``ascent`` goes into the rain driver and into no channel."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.gph_100, self.gph_500, self.gph_850, self.moisture, self.wind_x, self.wind_y, self.ascent = np.zeros(
            (7, *shape), np.float32
        )
        self.core: Field | None = None


def _gaussian(squared: Field) -> Field:
    bell: Field = np.exp(np.float32(-0.5) * squared)
    return bell


def _front(front: Front, place: Domain, parts: _Parts) -> None:
    x = place.easting
    line = (
        north_of(front.latitude)
        + front.slope * x
        + 60 * front.wave_long * np.sin(2 * math.pi / 1100 * x + front.phase)
        + 35 * front.wave_short * np.sin(2 * math.pi / 520 * x + 1.7 * front.phase)
    )
    north = (place.northing - line) / math.hypot(1, front.slope)
    strength, jet = front.strength, front.jet
    width = 62 / (1 + 0.5 * max(0.0, strength - 1.5))
    parts.gph_500 -= 38 * strength * np.tanh(north / 330)
    # the trough deepens less than the rest: its northern side would blow a gale from the east
    parts.gph_850 -= 9 * math.sqrt(strength) * _gaussian(2 * (north / 170) ** 2)
    parts.gph_850 -= jet * (14 * np.tanh((north + 170) / 190) - 8 * np.tanh((north + 420) / 300))
    along = 1 + 0.45 * np.sin(2 * math.pi / 700 * x + 1.3 * front.phase)
    inflow = (-3.4 * strength * along) * (north / width) * _gaussian((north / width) ** 2)
    if front.focus:
        narrow = 22.0
        line_of_cells = front.focus * _gaussian(((x - _SEOUL_X) / 130) ** 2) * _gaussian((north / narrow) ** 2)
        inflow -= 1.35 * (north / narrow) * line_of_cells
        parts.ascent += 1.6 * line_of_cells
    parts.wind_y += inflow
    parts.wind_x -= front.slope * inflow
    parts.moisture += 13 * strength * _gaussian(((north + 25) / 150) ** 2)
    parts.moisture -= 7 * strength * np.tanh(np.maximum(north, 0) / 220)


def _low(low: Cyclone, place: Domain, parts: _Parts) -> None:
    x, y, radius, depth = place.easting - low.x, place.northing - low.y, low.radius, low.depth
    parts.gph_850 -= 55 * depth * _gaussian((x / radius) ** 2) * _gaussian((y / radius) ** 2)
    aloft = 1.35 * radius
    parts.gph_500 -= 45 * depth * _gaussian(((x + 0.5 * radius) / aloft) ** 2) * _gaussian((y / aloft) ** 2)
    size, ahead = 0.6 * radius, x - 0.45 * radius
    cloud = _gaussian((ahead / size) ** 2) * _gaussian((y / size) ** 2)
    parts.wind_x -= 3.2 * depth * (ahead / size) * cloud
    parts.wind_y -= 3.2 * depth * (y / size) * cloud
    parts.moisture += 14 * depth * _gaussian((ahead / radius) ** 2) * _gaussian((y / radius) ** 2)
    slot = 0.7 * radius
    parts.moisture -= (
        9 * depth * _gaussian(((x + 0.7 * radius) / slot) ** 2) * _gaussian(((y + 0.3 * radius) / slot) ** 2)
    )


def _typhoon(storm: Cyclone, place: Domain, parts: _Parts) -> None:
    x, y, depth = place.easting - storm.x, place.northing - storm.y, storm.depth
    distance = np.sqrt(x * x + y * y) + np.float32(1)
    well = 1 / (1 + (distance / storm.radius) ** 2)
    parts.gph_850 -= 250 * depth * well
    parts.gph_500 -= 130 * depth * well
    parts.gph_100 += 25 * depth * well
    inflow = 3.5 * depth * _gaussian(((distance - 60) / 75) ** 2) / distance
    parts.wind_x -= inflow * x
    parts.wind_y -= inflow * y
    # cos(2 theta - s) by the double angle, without an arctangent
    winding = 4.5 * np.log(distance / 60) - 0.25 * storm.age
    double = ((x * x - y * y) * np.cos(winding) + 2 * x * y * np.sin(winding)) / (distance * distance)
    wall = _gaussian(((distance - 55) / 32) ** 2)
    parts.ascent += depth * (0.6 * wall + _gaussian((distance / 240) ** 2) * (0.4 + 1.5 * double))
    parts.moisture += 13 * depth * _gaussian((distance / 280) ** 2)
    core = min(1.0, 1.5 * depth) * _gaussian(2 * (distance / 190) ** 2)
    parts.core = core if parts.core is None else np.maximum(parts.core, core)


def _slopes(field: Field) -> tuple[Field, Field]:
    """Return the derivatives per km on the map along columns and rows, by central differences."""
    east, north = np.empty_like(field), np.empty_like(field)
    half = np.float32(0.5 / CELL)
    np.subtract(field[:, 2:], field[:, :-2], out=east[:, 1:-1])
    np.subtract(field[2:], field[:-2], out=north[1:-1])
    east[:, 0], east[:, -1] = east[:, 1], east[:, -2]
    north[0], north[-1] = north[1], north[-2]
    east *= half
    north *= half
    return east, north


def _geostrophic(height: Field, place: Domain, calm: float) -> tuple[Field, Field]:
    """Return the geostrophic wind, weakened where it is strong as curved flow around a deep low is."""
    east, north = _slopes(height)
    u, v = -place.geostrophic * north, place.geostrophic * east
    weaker = 1 / (1 + np.sqrt(u * u + v * v) / np.float32(calm))
    return u * weaker, v * weaker


def specific_humidity(temperature: Field, humidity: Field, pressure: float) -> Field:
    """Return specific humidity in g/kg from temperature (K), relative humidity (%) and pressure (hPa), after Bolton."""
    vapour = 6.112 * np.exp(17.67 * (temperature - 273.15) / (temperature - 29.65))
    moist: Field = (6.22 / pressure) * humidity * vapour
    return moist


def moisture_flux_convergence(moisture: Field, u: Field, v: Field, scale: Field | float = 1.0) -> Field:
    """Return the convergence of the moisture flux in g/kg/h on 5-km cells; ``scale`` is the map scale."""
    east, _ = _slopes(moisture * u)
    _, north = _slopes(moisture * v)
    return (east + north) * (np.float32(-3.6) * scale)


def _below(humidity: Field, limit: float, softness: float) -> Field:
    """Return the field bent so that it approaches ``limit`` + 3 from below instead of passing it."""
    capped: Field = limit + 3 - softness * np.log1p(np.exp((limit - humidity) / np.float32(softness)))
    return np.maximum(capped, 3)


def atmosphere(weather: Weather, small: Mesoscale, place: Domain) -> State:
    """Return all fields of one time from the large scale, the mesoscale and the ground."""
    parts = _Parts(small.convergence.shape)
    _front(weather.front, place, parts)
    for low in weather.lows:
        _low(low, place, parts)
    for storm in weather.typhoons:
        _typhoon(storm, place, parts)
    y, x = place.northing, place.easting
    wave = waves()
    upper, warm = wave.evaluate(weather.dynamic), wave.evaluate(weather.thermal)
    parts.gph_500 += 5845 + 12 * weather.summer + 46 * upper - 0.045 * y
    parts.gph_850 += 1478 + 20 * wave.evaluate(weather.dynamic, east=_TILT) + 7 * warm - 0.012 * y + 0.012 * x
    parts.gph_100 += 16660 + 25 * weather.summer - 0.10 * y + 22 * upper + 6 * warm

    mean = (parts.gph_500 - parts.gph_850) / np.float32(_GAS_OVER_GRAVITY * _LAYER_MIDDLE)
    lapse = 0.6 * small.instability + 0.35 * warm
    afternoon = math.cos(2 * math.pi * (weather.solar_hour - 15) / 24)
    t_850 = mean + (10.6 + lapse + 0.5 * afternoon * place.land)
    t_500 = mean - (13.6 + lapse)
    # without the mesoscale lapse: its steep little slopes would blow a gale at 10 m
    ground_level = parts.gph_850 - _GAS_OVER_GRAVITY * _LAYER_LOW * (mean + 14.6)

    rh_850, rh_500 = _humidity(parts, small, upper, warm, y)
    u_500, v_500 = _geostrophic(parts.gph_500, place, 90)
    u_850, v_850 = _geostrophic(parts.gph_850, place, 60)
    u_10m, v_10m = _surface_wind(ground_level, place)
    outflow_x, outflow_y = parts.wind_x + small.wind_x, parts.wind_y + small.wind_y
    u_500 -= 0.5 * small.wind_x
    v_500 -= 0.5 * small.wind_y
    u_850 += outflow_x
    v_850 += outflow_y
    u_10m += 0.35 * outflow_x
    v_10m += 0.35 * outflow_y
    t_2m = (
        (297 + 1.5 * weather.summer - 0.45 * 291)
        + 0.45 * t_850
        - 0.004 * y
        - 5.5e-3 * place.height
        + 3.2 * afternoon * place.land
        - 0.05 * np.maximum(rh_850 - 82, 0)
        - 0.25 * small.moisture_850
    )
    moisture = specific_humidity(t_850, rh_850, 850)
    lift = (u_10m * place.slope_x + v_10m * place.slope_y) * moisture
    driver = (
        0.50 * np.clip(moisture_flux_convergence(moisture, u_850, v_850, place.scale), -6, 9)
        + 0.42 * (0.075 * (rh_850 - 75) + (0.25 / 11) * (rh_500 - 52))
        + 0.25 * (small.instability + 0.5 * warm)
        + 0.83 * parts.ascent
    )
    convective_hour = math.cos(2 * math.pi * (weather.solar_hour - 16.5) / 24)
    ground = 0.9 * np.clip(0.5 * lift, -1.2, 2.2) + (0.24 * convective_hour) * place.land
    return State(
        parts.gph_100, parts.gph_500, parts.gph_850, 1000 + ground_level / np.float32(8.3), rh_500, rh_850, t_2m, t_500,
        t_850, u_10m, u_500, u_850, v_10m, v_500, v_850, driver, ground,
    )  # fmt: skip


def _humidity(parts: _Parts, small: Mesoscale, upper: Field, warm: Field, y: Field) -> tuple[Field, Field]:
    moist = parts.moisture
    low = 70 + moist + 8.5 * small.moisture_850 + 3.2 * small.convergence + 6 * warm - 0.005 * y
    middle = 48 + 1.15 * moist + 5 * small.moisture_850 + 9 * small.moisture_500 + 3.5 * small.convergence + 2.5 * upper
    low, middle = _below(low, 97, 4), _below(middle, 95, 5)
    if parts.core is not None:
        # without this the rain of a typhoon is not centred on it
        low += (96 - low) * parts.core
        middle += (90 - middle) * parts.core
    return low, middle


def _surface_wind(height: Field, place: Domain) -> tuple[Field, Field]:
    """Return the wind at 10 m: the geostrophic wind slowed by the ground and turned 22 degrees to low pressure."""
    u, v = _geostrophic(height, place, 60)
    slowed = 0.62 - 0.217 * place.land
    cos, sin = math.cos(math.radians(22)), math.sin(math.radians(22))
    return slowed * (cos * u - sin * v), slowed * (sin * u + cos * v)


def channels(state: State, rain: Field, place: Domain) -> Field:
    """Return the sixteen canonical channels (channel, y, x) on the default grid, winds towards true east and north."""
    out = np.empty((len(CANONICAL), *KOREA_5KM.shape), np.float32)
    turned = {}
    cos, sin = shifted_inner(place.turn_cos, 0, 0), shifted_inner(place.turn_sin, 0, 0)
    for level in ("10m", "500", "850"):
        u, v = (shifted_inner(getattr(state, f"{part}_{level}"), 0, 0) for part in "uv")
        turned[f"u_{level}"], turned[f"v_{level}"] = cos * u - sin * v, sin * u + cos * v
    for number, name in enumerate(CANONICAL):
        if name == "rain":
            out[number] = rain
        elif name in turned:
            out[number] = turned[name]
        else:
            out[number] = shifted_inner(getattr(state, name), 0, 0)
    return out
