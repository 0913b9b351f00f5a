"""The twin: random access, physics, and the statistics that it is calibrated to."""

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.twin import TARGETS, TwinConfig, forecast, samples, statistics, truth, truth_rain

RANGES = {
    "gph_100": (16300, 17000),
    "gph_500": (5500, 6050),
    "gph_850": (1150, 1650),
    "slp": (930, 1030),
    "rh_500": (0, 100),
    "rh_850": (0, 100),
    "t_2m": (275, 314),
    "t_500": (250, 285),
    "t_850": (275, 308),
    "u_10m": (-45, 45),
    "v_10m": (-45, 45),
    "u_500": (-70, 70),
    "v_500": (-70, 70),
    "u_850": (-60, 60),
    "v_850": (-60, 60),
    "rain": (0, 170),
}


@pytest.fixture(scope="module")
def figures():
    return statistics(150)


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values)).hexdigest()


def test_forecast_is_the_same_whatever_else_is_asked_for():
    run = "2021-07-11T12"
    together = forecast(run, [6, 12, 48])
    assert together.shape == (3, 16, *KOREA_5KM.shape)
    assert together.dtype == np.float32
    forecast("2019-09-02T00", 30)
    for number, lead in reversed(list(enumerate((6, 12, 48)))):
        np.testing.assert_array_equal(forecast(run, lead)[0], together[number])


def test_another_process_makes_the_same_bits():
    code = (
        "import hashlib, numpy as np; from sslpdl.twin import forecast, truth; "
        "h = lambda a: hashlib.sha256(np.ascontiguousarray(a)).hexdigest(); "
        "t = truth('2020-08-14T14'); print(h(forecast('2020-08-13T12', 26)), h(t))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [digest(forecast("2020-08-13T12", 26)), digest(truth("2020-08-14T14"))]
    assert done.stdout.split() == here


def test_truth_and_truth_rain_agree_and_rain_is_read_only():
    rain = truth_rain("2022-07-08T03")
    np.testing.assert_array_equal(truth("2022-07-08T03")[CANONICAL.index("rain")], rain)
    with pytest.raises(ValueError, match="read-only"):
        rain[0, 0] = 1


def test_seed_year_and_run_matter():
    first = forecast("2021-07-11T12", 12)
    assert not np.array_equal(first, forecast("2021-07-11T12", 12, TwinConfig(seed=1)))
    assert not np.array_equal(truth_rain("2021-07-12T00"), truth_rain("2020-07-12T00"))
    # two runs for the same time differ, and both resemble the truth more than each other's errors
    older = forecast("2021-07-11T00", 24)
    t_850 = CANONICAL.index("t_850")
    assert not np.array_equal(first[0], older[0])
    assert np.corrcoef(first[0, t_850].ravel(), older[0, t_850].ravel())[0, 1] > 0.8


def test_time_zones_and_kinds_of_time_are_understood():
    seoul = timezone(timedelta(hours=9))
    expected = truth_rain("2021-07-12T00")
    for time in (
        datetime(2021, 7, 12, 9, tzinfo=seoul),
        datetime(2021, 7, 12, tzinfo=UTC),
        np.datetime64("2021-07-12T00:00:00.000000000"),
    ):
        np.testing.assert_array_equal(truth_rain(time), expected)


@pytest.mark.parametrize("valid_time", ["2019-06-05T00", "2020-08-14T14", "2021-07-29T02", "2023-09-28T15"])
def test_every_channel_has_its_unit(valid_time):
    fields = truth(valid_time)
    assert fields.dtype == np.float32
    assert np.isfinite(fields).all()
    for name, field in zip(CANONICAL, fields, strict=True):
        low, high = RANGES[name]
        assert low <= field.min(), name
        assert field.max() <= high, name


def test_land_is_warmer_than_sea_by_day_and_mountains_are_cold():
    t_2m = np.mean([truth(f"2021-07-{day:02}T06")[CANONICAL.index("t_2m")] for day in range(5, 25, 4)], axis=0)
    row, column = (round(float(index)) for index in KOREA_5KM.cell(126.85, 35.15))  # Gwangju
    sea_row, sea_column = (round(float(index)) for index in KOREA_5KM.cell(125.3, 35.15))
    peak_row, peak_column = (round(float(index)) for index in KOREA_5KM.cell(127.7, 35.33))  # Jirisan
    assert t_2m[row, column] > t_2m[sea_row, sea_column] + 1
    near = t_2m[peak_row - 2 : peak_row + 3, peak_column - 2 : peak_column + 3]
    assert near.min() < t_2m[row, column] - 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: truth("2021-07-12T00:30"), "whole hours"),
        (lambda: truth("2021-01-12T00"), "20 May to 13 October"),
        (lambda: truth("yesterday"), "no time"),
        (lambda: forecast("2021-10-12T00", 72), "20 May to 13 October"),
        (lambda: forecast("2021-07-12T00", -1), "lead times"),
        (lambda: forecast("2021-07-12T00", []), "lead times"),
        (lambda: TwinConfig(case="july-2011"), "august-2022"),
        (lambda: TwinConfig(seed=-1), "seed"),
    ],
)
def test_mistakes_get_one_sentence(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_samples_are_fixed_and_cover_the_seasons():
    chosen = samples(400)
    assert chosen[:50] == samples(50)
    assert {str(init)[:4] for init, _ in chosen} == {"2019", "2020", "2021", "2022", "2023"}
    assert {str(init)[5:7] for init, _ in chosen} == {"06", "07", "08", "09"}
    assert sum(6 <= lead <= 30 for _, lead in chosen) == 300


# 150 samples scatter more than the 500 of the calibration: half as wide again around the middle of each range.
@pytest.mark.parametrize("name", list(TARGETS))
def test_statistics_are_near_their_targets(figures, name):
    low, high = TARGETS[name]
    slack = 0.25 * (high - low) if high - low < 1 else 0.0
    assert low - slack <= figures[name] <= high + slack


def test_forecast_skill_falls_with_lead_time(figures):
    assert figures["CSI 0.1, leads 6-12"] > figures["CSI 0.1, leads 21-30"] > figures["CSI 0.1, leads 51-72"]
    assert figures["CSI 10, leads 6-12"] > figures["CSI 10, leads 51-72"]


def test_fields_know_more_than_the_forecast_rain(figures):
    assert figures["MFC850 correlation"] > figures["rain correlation"] > 0.1
    assert figures["wet area: MFC850 correlation"] > figures["wet area: rain correlation"]
