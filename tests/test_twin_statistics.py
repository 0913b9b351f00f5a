"""The twin's statistics over its fixed list of samples: each meets its target, and the page about it is true."""

import hashlib
import re
from importlib import resources

import numpy as np
import pytest

from sslpdl.plots import twin_figure
from sslpdl.twin import TARGETS, calibration_samples, samples, statistics
from sslpdl.twin.measures import RAIN_EDGES, Ceiling, gamma_body, peak_distance
from sslpdl.twin.targets import Row, TwinStatistics


@pytest.fixture(scope="module")
def figures():
    return statistics()


# ---- the samples ----------------------------------------------------------------------------------------------------


def test_list_is_the_one_that_the_twin_was_calibrated_on():
    text = resources.files("sslpdl.twin").joinpath("calibration_samples.csv").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "0b4ccde11d56a13856d4558df7dc8ead57f7c21518821aa029fdd165b7757ac1"


def test_list_covers_the_seasons():
    chosen = calibration_samples()
    assert len(chosen) == 500
    years = [str(init)[:4] for init, _ in chosen]
    assert {year: years.count(year) for year in years} == dict.fromkeys(("2019", "2020", "2021", "2022", "2023"), 100)
    months = [str(init)[5:7] for init, _ in chosen]
    assert set(months) == {"06", "07", "08", "09"}
    assert min(months.count(month) for month in months) > 100
    assert {str(init)[11:] for init, _ in chosen} == {"00", "12"}
    assert sum(6 <= lead <= 30 for _, lead in chosen) == 375
    assert max(lead for _, lead in chosen) <= 72


def test_more_samples_begin_with_the_same():
    assert samples(80, seed=3)[:50] == samples(50, seed=3)
    assert samples(50, seed=3) != samples(50)


# ---- the statistics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(TARGETS))
def test_statistic_is_within_its_target(figures, name):
    low, high = TARGETS[name]
    assert low <= figures[name] <= high


def test_both_readings_of_the_spectrum_meet_the_target(figures):
    low, high = TARGETS["truth spectral slope 20-200 km"]
    assert low <= figures["truth spectral slope, ring-integrated"] <= high


def test_fields_know_more_than_the_forecast_rain(figures):
    assert figures["MFC850 correlation"] > figures["rain correlation"] > 0.1
    assert figures["wet area: MFC850 correlation"] > figures["wet area: rain correlation"]


@pytest.mark.parametrize("event", ["0.1", "10"])
def test_oracles_are_above_the_raw_forecast_and_below_certainty(figures, event):
    raw = figures[f"CSI {event}, leads 6-30"]
    shown, whole = (figures[f"oracle CSI {event}, {kind}"] for kind in SHOWN)
    assert 1.15 * raw < shown < whole < 0.6


SHOWN = ("as the channels show it", "with what they do not show")


def test_heavy_rain_is_concentrated_as_in_nature(figures):
    assert 0.3 < figures["heavy rain in the wettest tenth of maps"] < 0.5


def test_page_shows_what_is_measured(figures, root):
    page = (root / "docs" / "twin.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| (.+?) \| (-?[\d.e-]+) \|", page, flags=re.MULTILINE))
    for name, value, *_ in figures.table():
        assert float(stated[name]) == pytest.approx(value, rel=0.02, abs=2e-3), name


def test_figure_names_every_target_and_its_value(figures):
    figure = twin_figure(figures)
    texts = [text.get_text() for part in figure.subfigs for axis in part.axes for text in axis.texts]
    for name in TARGETS:
        assert name in texts
        assert f"{figures[name]:.3g}" in texts
    assert texts.count("yes") == len(TARGETS)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_what_misses_its_target_is_marked(figures):
    wet = TwinStatistics(figures.figures | {"wet share": 0.5}, figures.curves, 500)
    assert wet.table()[0] == Row("wet share", 0.5, 0.08, 0.18, met=False)
    assert "| wet share | 0.5 | 0.08 to 0.18 | missed |" in wet.markdown()
    texts = [text.get_text() for part in twin_figure(wet).subfigs for axis in part.axes for text in axis.texts]
    assert texts.count("no") == 1


# ---- the measures ---------------------------------------------------------------------------------------------------


def test_gamma_is_found_again_and_a_heavy_tail_is_seen():
    rain = np.random.default_rng(0).gamma(0.6, 4.0, 400_000)
    counts = np.histogram(rain, RAIN_EDGES)[0]
    found = gamma_body(counts)
    assert (found.shape, found.scale) == pytest.approx((0.6, 4.0), rel=0.03)
    assert found.distance < 0.003
    # 1 - F(50) is 8e-7 for this gamma: hundreds of such hours in 400 000 are far too many
    counts[RAIN_EDGES[:-1] >= 50] += 40
    assert gamma_body(counts).tail > 100


def test_displacement_is_found_to_parts_of_a_cell():
    rows, columns = np.meshgrid(np.fft.fftfreq(40, 1 / 40), np.fft.fftfreq(30, 1 / 30), indexing="ij")
    hill = np.exp(-((rows + 3.3) ** 2 + (columns - 0.4) ** 2) / 200)
    assert peak_distance(hill) == pytest.approx(np.hypot(3.3, 0.4), abs=0.01)


def test_ceiling_by_hand():
    ceiling = Ceiling()
    ceiling.add(np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False]))
    # the threshold between 0 and 1 gives 2 hits and 1 false alarm, the one above 2 gives 1 hit and 1 miss
    assert ceiling.csi() == pytest.approx(2 / 3)
