"""Figures of the weather in a forecast field: a section through the front, the flux of moisture, the front itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslpdl.plots.maps import new_map
from sslpdl.plots.small_maps import small_map
from sslpdl.plots.style import MUTED, Picture, annotate, styled

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.grid import Grid

__all__ = ["equivalent_potential_temperature", "flux_figure", "moisture", "section_figure"]

_ARROWS_ALONG = 18


def moisture(
    temperature: NDArray[np.floating], humidity: NDArray[np.floating], pressure: float
) -> NDArray[np.floating]:
    """Return the specific humidity [kg/kg] from temperature [K], relative humidity [%] and pressure [hPa].

    References
    ----------
    Saturation vapour pressure: Bolton 1980, *Monthly Weather Review* 108, 1046-1053, equation 10.

    Examples
    --------
    >>> round(float(moisture(np.array(293.15), np.array(100.0), 850.0)) * 1000, 1)
    17.3
    """
    celsius = np.asarray(temperature) - 273.15
    vapour = np.asarray(humidity) / 100 * 6.112 * np.exp(17.67 * celsius / (celsius + 243.5))
    return np.asarray(0.622 * vapour / (pressure - 0.378 * vapour))


def equivalent_potential_temperature(
    temperature: NDArray[np.floating], humidity: NDArray[np.floating], pressure: float
) -> NDArray[np.floating]:
    """Return the equivalent potential temperature [K], by its simple form θ exp(2675 r / T).

    Temperature in K, relative humidity in %, pressure in hPa.  It is high in warm moist air, so a front shows as a band
    where it changes fast.  The simple form is a kelvin or two off, which does not matter for that.
    """
    q = moisture(temperature, humidity, pressure)
    ratio = q / (1 - q)
    theta = np.asarray(temperature) * (1000 / pressure) ** 0.2854
    return np.asarray(theta * np.exp(2675.0 * ratio / np.asarray(temperature)))


@styled
def flux_figure(fields: xr.DataArray, *, grid: Grid) -> Picture:
    """Return the moisture flux at 850 hPa with its convergence, and the front with the rain of the forecast.

    Parameters
    ----------
    fields : DataArray (channel, y, x)
        One run and lead time of an archive, with ``t_850``, ``rh_850``, ``u_850``, ``v_850`` and ``rain``.
    grid : Grid
        Grid of the fields, in metres.
    """
    t, rh, u, v, rain = (fields.sel(channel=name).values for name in ("t_850", "rh_850", "u_850", "v_850", "rain"))
    q = 1000 * moisture(t, rh, 850.0)
    east, north = q * u, q * v
    convergence = -(np.gradient(east, grid.dx, axis=1) + np.gradient(north, grid.dy, axis=0)) * 1e5
    theta_e = equivalent_potential_temperature(t, rh, 850.0)
    slope = np.hypot(np.gradient(theta_e, grid.dx, axis=1), np.gradient(theta_e, grid.dy, axis=0)) * 1e5
    figure = Picture(figsize=(13.0, 5.6))
    axes = figure.subplots(1, 3)
    widest = float(np.nanpercentile(np.abs(convergence), 99.5))
    panels = (
        (np.hypot(east, north), "Moisture flux at 850 hPa", "g/kg · m/s", "YlGnBu", None),
        (convergence, "its convergence", "g/kg · m/s per 100 km", "BrBG", (-widest, widest)),
        (slope, "the front: change of θe at 850 hPa", "K per 100 km", "Purples", None),
    )
    for axis, (values, title, units, cmap, limits) in zip(axes, panels, strict=True):
        image = small_map(axis, values, grid=grid, cmap=cmap, limits=limits)
        figure.colorbar(image, ax=axis, shrink=0.75, label=units)
        axis.set_title(title)
    step = max(max(grid.shape) // _ARROWS_ALONG, 1)
    rows, columns = slice(step // 2, None, step), slice(step // 2, None, step)
    axes[0].quiver(
        grid.x[columns], grid.y[rows], east[rows, columns], north[rows, columns], color="#1d2733", width=0.005, zorder=3
    )
    for axis in axes[1:]:
        axis.contour(grid.x, grid.y, rain, levels=[1.0, 10.0], colors=["#0072b2", "#d55e00"], linewidths=1.0, zorder=3)
    annotate(figure, "contours: rain of the forecast, 1 mm (blue) and 10 mm (red) in the window")
    return figure


@styled
def section_figure(fields: xr.DataArray, *, grid: Grid, column: int, width: int = 5) -> Picture:
    """Return a section from south to north: temperature, humidity and wind of each level, and the rain below.

    Parameters
    ----------
    fields : DataArray (channel, y, x)
        One run and lead time of an archive with the sixteen variables.
    grid : Grid
        Grid of the fields.
    column : int
        Column of the section.
    width : int
        Columns on each side that are averaged, against noise.
    """
    part = fields.isel(x=slice(max(column - width, 0), column + width + 1)).mean("x")
    latitude = grid.lonlat()[1][:, column]
    figure = Picture(figsize=(11.0, 6.2))
    mosaic = figure.subplot_mosaic([["map", "t", "rh"], ["map", "u", "rain"]], width_ratios=[1.1, 2, 2])
    panels = {
        "t": ("temperature [K]", {"t_2m": "2 m", "t_850": "850 hPa", "t_500": "500 hPa"}),
        "rh": ("relative humidity [%]", {"rh_850": "850 hPa", "rh_500": "500 hPa"}),
        "u": ("wind towards north [m/s]", {"v_10m": "10 m", "v_850": "850 hPa", "v_500": "500 hPa"}),
    }
    for key, (label, curves) in panels.items():
        for name, text in curves.items():
            mosaic[key].plot(latitude, part.sel(channel=name), label=text)
        mosaic[key].set_ylabel(label)
        mosaic[key].legend()
    mosaic["rain"].fill_between(latitude, part.sel(channel="rain"), color="#0072b2", alpha=0.5)
    mosaic["rain"].set_ylabel("rain [mm per window]")
    for key in ("u", "rain"):
        mosaic[key].set_xlabel("latitude [°N]")
    new_map(mosaic["map"], grid)
    mosaic["map"].axvline(grid.x[column], color="#d55e00", lw=1.5)
    mosaic["map"].set_title("section")
    for key in panels.keys() | {"rain"}:
        mosaic[key].margins(x=0)
        peak = latitude[int(np.argmax(part.sel(channel="rain").values))]
        mosaic[key].axvline(peak, color=MUTED, lw=0.8, ls=":")
    return figure
