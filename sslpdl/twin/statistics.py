"""The twin's statistics beside their targets, over a fixed list of seeded samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import uniform_filter

from sslpdl.channels import CANONICAL
from sslpdl.grid import KOREA_5KM
from sslpdl.twin.generate import forecast, forecast_and_driver, truth, truth_rain
from sslpdl.twin.measures import (
    CUTS,
    RAIN_EDGES,
    Ceiling,
    Moments,
    Table,
    folding_time,
    gamma_body,
    peak_distance,
    ring_mean,
    slope,
    tapered,
)
from sslpdl.twin.noise import Field
from sslpdl.twin.rain import RAIN, RainParameters
from sslpdl.twin.sampling import Sample, calibration_samples
from sslpdl.twin.season import CASES, TwinConfig
from sslpdl.twin.state import moisture_flux_convergence, specific_humidity
from sslpdl.twin.targets import TwinStatistics
from sslpdl.twin.terrain import domain, shifted_inner

__all__ = ["statistics"]

_TOP, _BOTTOM, _U, _V, _RH, _T, _T_TOP, _U_TOP, _V_TOP, _RAIN = (
    CANONICAL.index(name)
    for name in (
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
_NEAR = (0, 1, 2)
_LEADS, _HOURS = (6, 18, 30, 66), 100  # lead times of the same hours, and how many hours
_DRIVERS = ("as the channels show it", "with what they do not show")
_CASE = "front case, largest hour (mm/h)"


def statistics(
    *,
    config: TwinConfig | None = None,
    parameters: RainParameters = RAIN,
    sample: Sequence[Sample] | None = None,
) -> TwinStatistics:
    """Return the twin's statistics over the fixed list of 500 samples, each beside its target.

    Parameters
    ----------
    config, parameters
        Which twin.
    sample : sequence of (init_time, lead), optional
        Other samples than :func:`calibration_samples`.  The wettest tenth of the maps holds two fifths of the heavy
        rain: few samples give uncertain figures.

    Returns
    -------
    TwinStatistics
        By the names of :data:`TARGETS` and a few more, over all cells:

        - shares of cells with at least 0.1 (wet) and 10 mm/h (heavy) in the truth; the gamma distribution of hourly
          rain and the excess of its tail; the heaviest hour of the case ``august-2022``;
        - slopes of the power spectral density of mm/h, as the mean of the two-dimensional density over rings (the
          density integrated over rings has slopes larger by one), and how much steeper the forecast's is;
        - the time after which the correlation of hourly rain at a point falls to 1/e;
        - CSI and frequency bias of the raw forecast over leads of 6 to 30 h (of the heaviest rain over all leads, as
          few hours have it), the fall of its CSI with lead time over the same 100 hours, and the gain in CSI when the
          forecast threshold is exceeded as often as the observed one, as after quantile mapping;
        - the displacement of the maximum of the mean cross-correlation of forecast and true wet areas;
        - correlation of geostrophic and actual 500-hPa wind, of the thickness and the mean temperature of the layer
          500-850 hPa (truth, every fifth sample), of forecast rain and of the 15-km mean of the forecast's
          moisture-flux convergence with true rain;
        - oracles: the best CSI from thresholding what drives the forecast's rain, without the errors of its rain: as
          far as the channels show it, and with what they do not show.
    """
    chosen = TwinConfig() if config is None else config
    pairs = calibration_samples() if sample is None else sample
    sums = _Sums()
    for number, (init, lead) in enumerate(pairs):
        valid = init + np.timedelta64(lead, "h")
        run, drivers = forecast_and_driver(init, lead, chosen, parameters=parameters)
        sums.add(lead, run, drivers, truth_rain(valid, chosen, parameters=parameters))
        if number % 5 == 4:
            state = truth(valid, chosen, parameters=parameters)
            sums.add_state(state)
            later = [truth_rain(valid + np.timedelta64(step, "h"), chosen, parameters=parameters) for step in (1, 2, 3)]
            sums.add_hours(state[_RAIN], later)
    skill = _skill_by_lead([init for init, _ in pairs[:_HOURS]], chosen, parameters)
    figures = sums.figures() | _falls(skill) | {_CASE: _heaviest_hour(chosen.seed, parameters)}
    return TwinStatistics(figures, sums.curves() | skill, len(pairs))


def _skill_by_lead(
    init_time: Sequence[np.datetime64], config: TwinConfig, parameters: RainParameters
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the CSI of runs of different age for the same hours, so that it is not the weather that makes it fall."""
    tables = {cut: Table(cut, np.zeros((len(_LEADS), len(CUTS[cut]), 3), np.int64)) for cut in (0.1, 10.0)}
    for init in init_time:
        valid = init + np.timedelta64(_LEADS[0], "h")
        rain = truth_rain(valid, config, parameters=parameters)
        for number, lead in enumerate(_LEADS):
            run = forecast(valid - np.timedelta64(lead, "h"), lead, config, parameters=parameters)[0]
            for table in tables.values():
                table.add(number, run[_RAIN], rain)
    return {"lead": np.array(_LEADS, float)} | {f"CSI {cut:g}": table.csi_by_group() for cut, table in tables.items()}


def _falls(skill: dict[str, npt.NDArray[np.float64]]) -> dict[str, float]:
    return {
        f"fall of {name}, {first} to {second} h": float(skill[name][number] - skill[name][number + 1])
        for name in ("CSI 0.1", "CSI 10")
        for number, (first, second) in enumerate(pairwise(_LEADS))
    }


def _heaviest_hour(seed: int, parameters: RainParameters) -> float:
    """Return the most rain that a cell has in the two hours about the peak of the case."""
    case, peak = TwinConfig(seed, CASES[0]), np.datetime64("2022-08-08T12", "h")
    hours = (peak + np.timedelta64(hour, "h") for hour in (-1, 0, 1))
    return max(float(truth_rain(hour, case, parameters=parameters).max()) for hour in hours)


class _Sums:
    """Everything that is summed over the samples."""

    def __init__(self) -> None:
        self.tables = {
            cut: Table(cut, np.zeros((len(_LEAD_GROUPS), len(CUTS[cut]), 3), np.int64)) for cut in (0.1, 10.0)
        }
        self.rain, self.convergence, self.wet_rain, self.wet_convergence = (Moments() for _ in range(4))
        self.wind_u, self.wind_v, self.thickness = (Moments() for _ in range(3))
        self.hours = [Moments() for _ in range(3)]
        self.ceilings = {(kind, cut): Ceiling() for kind in _DRIVERS for cut in self.tables}
        self.wet, self.heavy, self.maxima = [], [], []  # type: list[float], list[float], list[float]
        self.classes = np.zeros((2, len(RAIN_EDGES) - 1), np.int64)
        self.spectra = np.zeros((2, *KOREA_5KM.shape))
        self.cross = np.zeros(KOREA_5KM.shape)

    def add(self, lead: int, run: Field, drivers: Field, rain: Field) -> None:
        group = next(number for number, (_, last) in enumerate(_LEAD_GROUPS) if lead <= last)
        said = run[_RAIN]
        for cut, table in self.tables.items():
            table.add(group, said, rain)
            if group in _NEAR:
                for kind, driver in zip(_DRIVERS, drivers, strict=True):
                    self.ceilings[kind, cut].add(driver, rain >= cut)
        convergence = _convergence(run)
        self.rain.add(said, rain)
        self.convergence.add(convergence, rain)
        is_wet = (rain >= 0.1).astype(np.float32)
        self.wet_rain.add(said, is_wet)
        self.wet_convergence.add(convergence, is_wet)
        self.wet.append(float(is_wet.mean()))
        self.heavy.append(float((rain >= 10).mean()))
        self.maxima.append(float(rain.max()))
        for number, field_ in enumerate((rain, said)):
            self.spectra[number] += np.abs(fft.fft2(tapered(field_))) ** 2
            self.classes[number] += np.histogram(field_, RAIN_EDGES)[0]
        areas = [fft.fft2((field_ >= 0.1) - (field_ >= 0.1).mean()) for field_ in (rain, said)]
        self.cross += fft.ifft2(np.conj(areas[0]) * areas[1]).real

    def add_state(self, state: Field) -> None:
        place = domain()
        east = np.gradient(state[_TOP], 5.0, axis=1)
        north = np.gradient(state[_TOP], 5.0, axis=0)
        factor = shifted_inner(place.geostrophic, 0, 0)
        cos, sin = shifted_inner(place.turn_cos, 0, 0), shifted_inner(place.turn_sin, 0, 0)
        u, v = -factor * north, factor * east
        self.wind_u.add(cos * u - sin * v, state[_U_TOP])
        self.wind_v.add(sin * u + cos * v, state[_V_TOP])
        self.thickness.add(state[_TOP] - state[_BOTTOM], 0.5 * (state[_T] + state[_T_TOP]))

    def add_hours(self, rain: Field, later: Sequence[Field]) -> None:
        for moments, other in zip(self.hours, later, strict=True):
            moments.add(rain, other)

    @property
    def lags(self) -> npt.NDArray[np.float64]:
        return np.array([1.0, *(moments.correlation() for moments in self.hours)])

    def figures(self) -> dict[str, float]:
        truth_density, forecast_density = (ring_mean(spectrum) for spectrum in self.spectra)
        gamma = gamma_body(self.classes[0])
        out = {
            "wet share": float(np.mean(self.wet)),
            "heavy share": float(np.mean(self.heavy)),
            "gamma shape of 0.1-20 mm/h": gamma.shape,
            "gamma scale of 0.1-20 mm/h": gamma.scale,
            "distance from that gamma": gamma.distance,
            "rain of 50 mm/h over that gamma": gamma.tail,
            "truth spectral slope 20-200 km": slope(truth_density, 20, 200),
            "truth spectral slope, ring-integrated": slope(truth_density, 20, 200) + 1,
            "forecast less truth slope 12-30 km": slope(forecast_density, 12, 30) - slope(truth_density, 12, 30),
            "rain e-folding time (h)": folding_time(self.lags),
            "mean displacement (cells)": peak_distance(self.cross),
            "geostrophic correlation u": self.wind_u.correlation(),
            "geostrophic correlation v": self.wind_v.correlation(),
            "thickness-temperature correlation": self.thickness.correlation(),
            "rain correlation": self.rain.correlation(),
            "MFC850 correlation": self.convergence.correlation(),
            "MFC850 less rain correlation": self.convergence.correlation() - self.rain.correlation(),
            "wet area: rain correlation": self.wet_rain.correlation(),
            "wet area: MFC850 correlation": self.wet_convergence.correlation(),
            "wet share, deviation between maps": float(np.std(self.wet)),
            "heavy rain in the wettest tenth of maps": _largest_tenth(self.heavy),
            "map maximum, median (mm/h)": float(np.median(self.maxima)),
            "maps with 100 mm/h": float(np.mean(np.array(self.maxima) >= 100)),
        }
        return out | self._heavy_biases() | self._scores()

    def _heavy_biases(self) -> dict[str, float]:
        out = {}
        for cut in (10, 20, 32, 50):
            # the edges of the classes are 19.95, 31.6 and 50.1 mm/h
            rain, said = self.classes[:, RAIN_EDGES[:-1] > 0.95 * cut].sum(axis=1)
            out[f"frequency bias {cut}, all leads"] = float(said / max(rain, 1))
        return out

    def _scores(self) -> dict[str, float]:
        out: dict[str, float] = {}
        for cut, table in self.tables.items():
            score = float(table.csi(_NEAR)[table.row])
            out |= {
                f"CSI {cut:g}, leads 6-30": score,
                f"frequency bias {cut:g}": float(table.biases(_NEAR)[table.row]),
                f"quantile-mapping gain CSI {cut:g}": table.mapped(_NEAR) / score - 1,
            }
            for number, (first, last) in enumerate(_LEAD_GROUPS):
                out[f"CSI {cut:g}, leads {first}-{last}"] = float(table.csi([number])[table.row])
            for kind in _DRIVERS:
                out[f"oracle CSI {cut:g}, {kind}"] = self.ceilings[kind, cut].csi()
        return out

    def curves(self) -> dict[str, npt.NDArray[np.float64]]:
        density = [ring_mean(spectrum) for spectrum in self.spectra]
        width = np.log(RAIN_EDGES[1] / RAIN_EDGES[0])
        gamma = gamma_body(self.classes[0])
        body = self.classes[0, RAIN_EDGES[1:] < 20].sum() / self.classes[0].sum()
        return {
            "wave number": density[0][0],
            "truth density": density[0][1],
            "forecast density": density[1][1],
            "rain": np.sqrt(RAIN_EDGES[1:] * RAIN_EDGES[:-1]),
            "truth share": self.classes[0] / self.classes[0].sum() / width,
            "forecast share": self.classes[1] / self.classes[1].sum() / width,
            "gamma share": gamma.shares() * body / width,
            "lag": np.arange(4.0),
            "correlation": self.lags,
        }


def _convergence(run: Field) -> Field:
    """Return the 15-km mean of the moisture-flux convergence at 850 hPa of a run's channels."""
    place = domain()
    # back to the grid's axes, along which the differences are taken
    cos, sin = shifted_inner(place.turn_cos, 0, 0), shifted_inner(place.turn_sin, 0, 0)
    u, v = cos * run[_U] + sin * run[_V], cos * run[_V] - sin * run[_U]
    smooth: Field = uniform_filter(moisture_flux_convergence(specific_humidity(run[_T], run[_RH], 850), u, v), 3)
    return smooth


def _largest_tenth(shares: Sequence[float]) -> float:
    ordered = np.sort(shares)[::-1]
    return float(ordered[: max(1, len(ordered) // 10)].sum() / max(ordered.sum(), 1e-12))
