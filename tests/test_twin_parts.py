"""The twin's parts: random numbers by address, spectra, rain, the coarse model's cells."""

import math

import numpy as np
import pytest

from sslpdl.grid import KOREA_5KM
from sslpdl.twin.forecast_errors import growth
from sslpdl.twin.measures import Moments, Table, folding_time, ring_mean, slope
from sslpdl.twin.mesoscale import convection, realise, spectra
from sslpdl.twin.noise import Key, Stream, blend, complex_knot, normal, series
from sslpdl.twin.rain import RAIN, _coarsening, rain_rate
from sslpdl.twin.season import LAST_HOUR, TwinConfig, season, season_hour
from sslpdl.twin.spectra import BANDS, bands, waves
from sslpdl.twin.state import moisture_flux_convergence, specific_humidity
from sslpdl.twin.terrain import SHAPE, domain, north_of, shifted_inner

KEY = Key(0, 2021)


def test_addresses_do_not_collide():
    drawn = {
        normal(Key(seed, year), stream, init=init, band=band, knot=knot)
        for seed in (0, 1)
        for year in (2019, 2020)
        for stream in (Stream.REGIME, Stream.RAIN_DRIVER)
        for init in (0, 450000, 450012)
        for band in (0, 1)
        for knot in (-1, 0, 1)
    }
    assert len(drawn) == 2 * 2 * 2 * 3 * 2 * 3


def test_stream_numbers_are_not_reused():
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_blend_keeps_unit_variance_between_knots(share):
    values = [
        blend(lambda knot, seed=seed: normal(Key(seed, 1), Stream.REGIME, knot=knot), 10 * share, 10)
        for seed in range(3000)
    ]
    # the standard deviation of a variance from 3000 values is 0.026
    assert np.var(values) == pytest.approx(1, abs=0.1)


def test_series_equals_blend():
    hours = np.array([-30.0, 0.0, 7.0, 120.5])
    one_by_one = [blend(lambda knot: normal(KEY, Stream.REGIME, knot=knot), hour, 60) for hour in hours]
    np.testing.assert_allclose(series(KEY, Stream.REGIME, hours, 60), one_by_one)


def test_band_fields_have_unit_variance_for_every_direction():
    fields = bands(1, 3, SHAPE)
    amplitudes = fields.amplitudes(2.6)
    for direction in (0.0, 0.5, 1.3, -0.9, math.pi):
        turned = fields.turned(amplitudes, direction)
        spectrum = np.stack(
            [complex_knot(KEY, Stream.MOISTURE_850, sum(fields.sizes), knot=knot) for knot in range(40)]
        )
        assert fields.synthesise(spectrum * turned).var() == pytest.approx(1, rel=0.08)


def test_cells_are_longer_along_their_direction():
    fields = bands(2, 3, SHAPE)
    spectrum = complex_knot(KEY, Stream.CONVECTION, sum(fields.sizes), knot=3)[None]
    field = fields.synthesise(spectrum * fields.turned(fields.amplitudes(2.6, elongation=1.5), 0.0))[0]
    along, across = np.diff(field, axis=1), np.diff(field, axis=0)
    assert across.var() > 2 * along.var()


def test_motion_is_a_phase():
    fields = bands(0, 2, SHAPE)
    spectrum = (complex_knot(KEY, Stream.HIDDEN, sum(fields.sizes)) * fields.amplitudes(3.0)[0])[None]
    still, moved = fields.synthesise(spectrum)[0], fields.synthesise(spectrum * fields.phase(10.0, -15.0))[0]
    # two cells east and three cells south
    np.testing.assert_allclose(moved[:-3, 2:], still[3:, :-2], atol=1e-4)


def test_divergent_wind_converges_where_it_should():
    summer = season(TwinConfig(), 2021)
    small = realise(summer, 1000, spectra(summer, 1000))
    divergence = np.gradient(small.wind_x, 5000, axis=1) + np.gradient(small.wind_y, 5000, axis=0)
    inner = np.s_[1:-1, 1:-1]
    assert np.corrcoef(-divergence[inner].ravel(), small.convergence[inner].ravel())[0, 1] > 0.99
    assert divergence.std() == pytest.approx(6e-5, rel=0.5)


def test_waves_and_their_gradient():
    wave = waves()
    coefficients = wave.draw(KEY, Stream.SYNOPTIC_DYNAMIC, 100.0, memory=60)
    field = wave.evaluate(coefficients)
    east, north = wave.gradient(coefficients)
    # the origin is where the four middle cells meet
    row, column = SHAPE[0] // 2, SHAPE[1] // 2
    middle = field[row - 1 : row + 1, column - 1 : column + 1]
    assert np.diff(middle, axis=1).mean() / 5 == pytest.approx(east, abs=1e-6)
    assert np.diff(middle, axis=0).mean() / 5 == pytest.approx(north, abs=1e-6)


def test_convection_is_smeared_along_the_way_of_an_hour():
    summer = season(TwinConfig(), 2021)
    fine = convection(summer, 1000, last=4)
    assert 0.3 < fine.var() < 1.0  # less than the 1 of a snapshot
    assert BANDS[4][1] == BANDS[3][0]


def test_rain_rate_by_hand():
    excess = np.array([[-1.0, 0.0, 1.0, 1.0]], np.float32)
    intensity = np.array([[0.0, 0.0, 0.0, math.log(2)]], np.float32)
    rain = rain_rate(excess, rate=0.5, power=1.35, growth=0.7, intensity=intensity, bend=1e6)
    np.testing.assert_allclose(rain, [[0, 0, 0.5 * math.exp(0.7), math.exp(0.7)]], rtol=1e-6)
    # x / (1 + (x / bend)^4)^((1 - tail)/4): at x = bend it is bend / 2^((1 - tail)/4), far above bend^(1 - tail) x^tail
    one, none = excess[:, 2:3], intensity[:, :1]
    capped = rain_rate(one, rate=50.0, power=1, growth=0, intensity=none, bend=50.0)
    assert capped[0, 0] == pytest.approx(50 / 2**0.25)
    bent = [rain_rate(one, rate=rate, power=1, growth=0, intensity=none, bend=16.0, tail=0.5) for rate in (4, 16, 1600)]
    np.testing.assert_allclose(np.ravel(bent), [4, 16 / 2**0.125, 160], rtol=1e-3)


def test_coarse_cells_keep_the_amount_and_are_12_km_wide():
    rows, columns = _coarsening()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-6)
    # 5-km cells 12 to 15 are 60 to 80 km from the edge: one wet cell (60-65 km) is 5/12 of the coarse cell 60-72 km,
    # whose centre at 66 km lies between the centres 62.5 and 67.5 of the fine cells 12 and 13
    rain = np.zeros(rows.shape[1], np.float32)
    rain[12] = 12.0
    coarse = rows @ rain
    edge = 4
    assert coarse[12 - edge] == pytest.approx(5 * (1 - (66 - 62.5) / 12))
    assert coarse[13 - edge] == pytest.approx(5 * (1 - (67.5 - 66) / 12))
    assert np.count_nonzero(coarse > 1e-6) == 5  # 54 to 78 km


def test_growth_of_errors():
    assert growth(0) == pytest.approx(4 / 30)
    assert growth(26) == 1
    assert growth(72) == 1.6


def test_season_hours():
    assert season_hour("2021-06-01T00") == (2021, 0)
    assert season_hour("2022-08-08T12") == (2022, 68 * 24 + 12)
    assert season_hour("2022-10-14T00") == (2022, LAST_HOUR)


def test_front_moves_north_and_back_with_the_season():
    latitude = np.mean([season(TwinConfig(seed), 2021).tables.latitude for seed in range(12)], axis=0)
    hours = season(TwinConfig(), 2021).tables.hours
    june, august, september = (latitude[np.searchsorted(hours, 24 * day)] for day in (5, 65, 115))
    assert june < 34 < august
    assert september < 35


def test_domain_lies_around_the_default_grid():
    place = domain()
    np.testing.assert_allclose(shifted_inner(place.land, 0, 0) > 0.5, KOREA_5KM.land(), atol=1)
    assert (shifted_inner(place.land, 0, 0) > 0.5).mean() == pytest.approx(KOREA_5KM.land().mean(), abs=0.01)
    row, _ = place.grid.cell(127.0, 37.57)
    assert place.northing[round(float(row)), 0] == pytest.approx(0, abs=6)
    assert north_of(38.57) == pytest.approx(108.6)
    assert 0.96 < place.scale.min() < place.scale.max() < 1.0
    assert 1200 < place.height.max() < 2100
    assert domain(coarse=True).height.max() < place.height.max()


def test_specific_humidity_and_flux_convergence_by_hand():
    # es(20 C) = 23.37 hPa, so saturated air at 850 hPa holds 622 * 23.37 / 850 = 17.1 g/kg
    saturated = specific_humidity(np.full((3, 3), 293.15, np.float32), np.full((3, 3), 100, np.float32), 850)
    np.testing.assert_allclose(saturated, 17.1, rtol=2e-3)
    # u falls by 1 m/s each 5 km, q = 10 g/kg: 10 * 1 / 5000 * 3600 = 7.2 g/kg/h
    u = -np.arange(5, dtype=np.float32)[None].repeat(4, axis=0)
    found = moisture_flux_convergence(np.full_like(u, 10), u, np.zeros_like(u))
    np.testing.assert_allclose(found, 7.2, rtol=1e-5)


def test_measures_by_hand():
    moments = Moments()
    a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])
    moments.add(a[:2], b[:2])
    moments.add(a[2:], b[2:])
    assert moments.correlation() == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert folding_time(np.exp(-np.array([0.0, 1, 2, 3]) / 1.5)) == pytest.approx(1.5)
    table = Table(10.0, np.zeros((1, 9, 3), np.int64))
    table.add(0, np.array([12.0, 12, 0, 0]), np.array([11.0, 0, 11, 0]))
    assert table.csi([0])[table.row] == pytest.approx(1 / 3)
    assert table.biases([0])[table.row] == 1
    random = np.random.default_rng(0).normal(size=KOREA_5KM.shape)
    assert slope(ring_mean(np.abs(np.fft.fft2(random)) ** 2), 20, 200) == pytest.approx(0, abs=0.15)


def test_parameters_are_hashable_for_the_cache():
    assert hash(RAIN) == hash(type(RAIN)())
