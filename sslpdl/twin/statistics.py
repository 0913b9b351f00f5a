"""The twin's statistics beside their targets, over a fixed list of seeded samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import uniform_filter

from sslpdl.channels import CANONICAL
from sslpdl.grid import KOREA_5KM
from sslpdl.twin.generate import forecast, truth, truth_rain
from sslpdl.twin.measures import CUTS, Moments, Table, folding_time, peak_distance, ring_mean, slope, tapered
from sslpdl.twin.noise import Field
from sslpdl.twin.rain import RAIN, RainParameters
from sslpdl.twin.season import TwinConfig
from sslpdl.twin.state import moisture_flux_convergence, specific_humidity
from sslpdl.twin.terrain import domain, shifted_inner

__all__ = ["TARGETS", "samples", "statistics"]

TARGETS: dict[str, tuple[float, float]] = {
    "wet share": (0.08, 0.18),
    "heavy share": (0.005, 0.010),
    "CSI 0.1, leads 6-30": (0.25, 0.35),
    "CSI 10, leads 6-30": (0.04, 0.09),
    "frequency bias 0.1": (1.1, 1.5),
    "frequency bias 10": (0.6, 1.2),
    "geostrophic correlation u": (0.9, 1.0),
    "geostrophic correlation v": (0.9, 1.0),
    "thickness-temperature correlation": (0.9, 1.0),
    "MFC850 less rain correlation": (0.0, 1.0),
    "truth spectral slope 20-200 km": (-3.0, -1.5),
    "forecast less truth slope 12-30 km": (-20.0, -0.2),
    "rain e-folding time (h)": (1.0, 3.0),
    "mean displacement (cells)": (0.0, 1.0),
    "quantile-mapping gain CSI 0.1": (-1.0, 0.10),
    "quantile-mapping gain CSI 10": (-1.0, 0.10),
}
"""Ranges that the twin is calibrated to; see :func:`statistics`."""

_HEIGHT, _TOP, _BOTTOM, _U, _V, _RH, _T, _T_TOP, _U_TOP, _V_TOP, _RAIN = (
    CANONICAL.index(name)
    for name in (
        "gph_500",
        "gph_500",
        "gph_850",
        "u_850",
        "v_850",
        "rh_850",
        "t_850",
        "t_500",
        "u_500",
        "v_500",
        "rain",
    )
)
_LEAD_GROUPS = ((6, 12), (13, 20), (21, 30), (31, 50), (51, 72))


def samples(
    n: int, *, seed: int = 0, years: Sequence[int] = (2019, 2020, 2021, 2022, 2023)
) -> list[tuple[np.datetime64, int]]:
    """Return a fixed list of ``n`` runs and lead times over all seasons; three quarters have leads of 6 to 30 hours.

    Returns
    -------
    list of (init_time, lead)
        Runs of 00 and 12 UTC from June to September.
    """
    random = np.random.default_rng([20190601, seed])
    found: list[tuple[np.datetime64, int]] = []
    for number in range(n):
        year = years[number % len(years)]
        init = np.datetime64(f"{year}-06-01T00", "h") + np.timedelta64(12 * int(random.integers(0, 244)), "h")
        lead = int(random.integers(6, 31) if number % 4 else random.integers(31, 73))
        found.append((init, lead))
    return found


def statistics(
    n: int = 500,
    *,
    config: TwinConfig | None = None,
    parameters: RainParameters = RAIN,
    mask: npt.NDArray[np.bool_] | None = None,
    sample: Sequence[tuple[np.datetime64, int]] | None = None,
) -> dict[str, float]:
    """Return the twin's statistics over ``n`` fixed samples, under the names of :data:`TARGETS` and a few more.

    Parameters
    ----------
    n : int
        Number of (run, lead time) pairs from :func:`samples`.  The wettest tenth of the maps holds two fifths of the
        heavy rain: few samples give uncertain figures.
    config, parameters
        Which twin.
    mask : ndarray of bool, optional
        Cells (y, x) for shares, CSI, bias and rain correlations; all cells by default.
    sample : sequence, optional
        Other pairs than those of :func:`samples`.

    Returns
    -------
    dict of str to float
        Among others: shares of cells with at least 0.1 and 10 mm/h in the truth; CSI and frequency bias of the raw
        forecast; correlation of geostrophic and true 500-hPa wind, of thickness and mean temperature, of rain and of
        the 15-km mean of the forecast's moisture-flux convergence with true rain; logarithmic slopes of the ring-mean
        power spectral density (two-dimensional density) of mm/h; time after which the correlation of hourly rain at a
        point falls to 1/e; displacement of the maximum of the mean cross-correlation of forecast and true wet areas;
        gain in CSI when the forecast threshold is exceeded as often as the observed one, as after quantile mapping.
    """
    chosen = TwinConfig() if config is None else config
    pairs = samples(n) if sample is None else list(sample)
    sums = _Sums(np.ones(KOREA_5KM.shape, bool) if mask is None else mask)
    for init, lead in pairs:
        valid = init + np.timedelta64(lead, "h")
        run = forecast(init, lead, chosen, parameters=parameters)[0]
        sums.add(lead, run, truth_rain(valid, chosen, parameters=parameters))
        if len(sums.maxima) % 5 == 0:
            state = truth(valid, chosen, parameters=parameters)
            sums.add_state(state)
            later = [truth_rain(valid + np.timedelta64(step, "h"), chosen, parameters=parameters) for step in (1, 2, 3)]
            sums.add_hours(state[_RAIN], later)
    return sums.result()


class _Sums:
    """Everything that is summed over the samples."""

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self.mask = mask
        self.tables = {
            cut: Table(cut, np.zeros((len(_LEAD_GROUPS), len(CUTS[cut]), 3), np.int64)) for cut in (0.1, 10.0)
        }
        self.rain, self.convergence, self.wet_rain, self.wet_convergence = (Moments() for _ in range(4))
        self.wind_u, self.wind_v, self.thickness = (Moments() for _ in range(3))
        self.hours = [Moments() for _ in range(3)]
        self.wet, self.heavy, self.maxima = [], [], []  # type: list[float], list[float], list[float]
        self.spectra = np.zeros((2, *KOREA_5KM.shape))
        self.cross = np.zeros(KOREA_5KM.shape)

    def add(self, lead: int, run: Field, rain: Field) -> None:
        mask = self.mask
        group = next(number for number, (_, last) in enumerate(_LEAD_GROUPS) if lead <= last)
        said, seen = run[_RAIN][mask], rain[mask]
        for table in self.tables.values():
            table.add(group, said, seen)
        moisture = specific_humidity(run[_T], run[_RH], 850)
        place = domain()
        # back to the grid's axes, along which the differences are taken
        cos, sin = shifted_inner(place.turn_cos, 0, 0), shifted_inner(place.turn_sin, 0, 0)
        u, v = cos * run[_U] + sin * run[_V], cos * run[_V] - sin * run[_U]
        convergence = uniform_filter(moisture_flux_convergence(moisture, u, v), 3)[mask]
        self.rain.add(said, seen)
        self.convergence.add(convergence, seen)
        is_wet = (seen >= 0.1).astype(np.float32)
        self.wet_rain.add(said, is_wet)
        self.wet_convergence.add(convergence, is_wet)
        self.wet.append(float(is_wet.mean()))
        self.heavy.append(float((seen >= 10).mean()))
        self.maxima.append(float(rain.max()))
        for number, field_ in enumerate((rain, run[_RAIN])):
            self.spectra[number] += np.abs(fft.fft2(tapered(field_))) ** 2
        areas = [fft.fft2((field_ >= 0.1) - (field_ >= 0.1).mean()) for field_ in (rain, run[_RAIN])]
        self.cross += fft.ifft2(np.conj(areas[0]) * areas[1]).real

    def add_state(self, state: Field) -> None:
        place = domain()
        east = np.gradient(state[_HEIGHT], 5.0, axis=1)
        north = np.gradient(state[_HEIGHT], 5.0, axis=0)
        factor = shifted_inner(place.geostrophic, 0, 0)
        cos, sin = shifted_inner(place.turn_cos, 0, 0), shifted_inner(place.turn_sin, 0, 0)
        u, v = -factor * north, factor * east
        self.wind_u.add(cos * u - sin * v, state[_U_TOP])
        self.wind_v.add(sin * u + cos * v, state[_V_TOP])
        self.thickness.add(state[_TOP] - state[_BOTTOM], 0.5 * (state[_T] + state[_T_TOP]))

    def add_hours(self, rain: Field, later: Sequence[Field]) -> None:
        for moments, other in zip(self.hours, later, strict=True):
            moments.add(rain, other)

    def result(self) -> dict[str, float]:
        near = (0, 1, 2)
        small, large = self.tables[0.1], self.tables[10.0]
        truth_density, forecast_density = (ring_mean(spectrum) for spectrum in self.spectra)
        lags = np.array([1.0, *(moments.correlation() for moments in self.hours)])
        out = {
            "wet share": float(np.mean(self.wet)),
            "heavy share": float(np.mean(self.heavy)),
            "CSI 0.1, leads 6-30": float(small.csi(near)[small.row]),
            "CSI 10, leads 6-30": float(large.csi(near)[large.row]),
            "frequency bias 0.1": float(small.biases(near)[small.row]),
            "frequency bias 10": float(large.biases(near)[large.row]),
            "geostrophic correlation u": self.wind_u.correlation(),
            "geostrophic correlation v": self.wind_v.correlation(),
            "thickness-temperature correlation": self.thickness.correlation(),
            "rain correlation": self.rain.correlation(),
            "MFC850 correlation": self.convergence.correlation(),
            "MFC850 less rain correlation": self.convergence.correlation() - self.rain.correlation(),
            "wet area: rain correlation": self.wet_rain.correlation(),
            "wet area: MFC850 correlation": self.wet_convergence.correlation(),
            "truth spectral slope 20-200 km": slope(truth_density, 20, 200),
            "forecast less truth slope 12-30 km": slope(forecast_density, 12, 30) - slope(truth_density, 12, 30),
            "rain e-folding time (h)": folding_time(lags),
            "mean displacement (cells)": peak_distance(self.cross),
            "quantile-mapping gain CSI 0.1": small.mapped(near) / float(small.csi(near)[small.row]) - 1,
            "quantile-mapping gain CSI 10": large.mapped(near) / float(large.csi(near)[large.row]) - 1,
            "wet share, deviation between maps": float(np.std(self.wet)),
            "map maximum, median (mm/h)": float(np.median(self.maxima)),
            "maps with 100 mm/h": float(np.mean(np.array(self.maxima) >= 100)),
        }
        for number, (first, last) in enumerate(_LEAD_GROUPS):
            for table, name in ((small, "0.1"), (large, "10")):
                out[f"CSI {name}, leads {first}-{last}"] = float(table.csi([number])[table.row])
        return out
