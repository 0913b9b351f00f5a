"""Rain windows from sums over other periods, and the units of everything."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslpdl.channels import CHANNELS
from sslpdl.errors import ReaderError
from sslpdl.readers import PROFILES, load_profile
from sslpdl.readers.rain import choose_windows, compose, shortest_window, stated_periods, window_path
from sslpdl.readers.units import convert, spelled

FROM_START = [(0, 3), (0, 6), (0, 9), (0, 12)]
WRF = [(0, 3), (0, 6), (3, 6), (0, 9), (6, 9), (0, 12), (9, 12)]  # at +3 h one sum is both
GFS = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (6, 7), (6, 8), (6, 9), (6, 12)]


def test_a_sum_that_is_there_is_taken_as_it_is():
    assert window_path(WRF, 9, 12) == (((9, 12), 1),)


def test_sums_from_the_start_are_subtracted():
    assert sorted(window_path(FROM_START, 6, 9)) == [((0, 6), -1), ((0, 9), 1)]


def test_short_sums_are_added():
    assert window_path([(0, 1), (1, 2), (2, 3)], 0, 3) == (((0, 1), 1), ((1, 2), 1), ((2, 3), 1))


def test_what_cannot_be_made_is_none():
    assert window_path(FROM_START, 7, 9) is None
    assert window_path([(0, 0)], 0, 0) is None


@pytest.mark.parametrize(
    ("sums", "leads", "windows"),
    [
        (FROM_START, [3, 6, 9, 12], [3, 3, 3, 3]),
        (WRF, [0, 3, 6, 9, 12], [3, 3, 3, 3, 3]),  # no rain yet at +0 h: the usual window stands
        (GFS, [1, 2, 3, 6, 7, 9, 12], [1, 1, 1, 1, 1, 1, 3]),  # buckets that start anew every six hours
        ([(0, 12), (12, 24), (24, 26), (36, 48)], [12, 24, 26, 48], [12, 12, 2, 12]),
        ([(0, 3), (0, 6), (0, 12)], [3, 6, 12], [3, 3, 6]),
    ],
)
def test_the_shortest_window_of_each_lead_time(sums, leads, windows):
    np.testing.assert_array_equal(choose_windows([sums], leads, None), windows)


def test_most_runs_decide_and_a_gap_in_one_run_changes_nothing():
    gap = [(0, 3), (0, 9), (0, 12)]  # +6 h is absent: 6 hours at +9 h
    assert shortest_window(gap, 9) == 6
    np.testing.assert_array_equal(choose_windows([FROM_START, gap, FROM_START], [3, 6, 9, 12], None), [3, 3, 3, 3])


def test_a_window_asked_for_must_be_possible():
    np.testing.assert_array_equal(choose_windows([FROM_START], [3, 6, 9, 12], 6), [6, 6, 6, 6])
    with pytest.raises(ReaderError, match="windows of 2 h"):
        choose_windows([FROM_START], [3, 6, 9, 12], 2)


def field(value):
    return np.full((2, 5), value, np.float32)


def test_differences_of_sums():
    sums = {(0, 3): field(1.5), (0, 6): field(4.0)}
    rain = compose(window_path(sums, 3, 6), sums.__getitem__, what="a run")
    assert rain.dtype == np.float32 and np.all(rain == 2.5)


def test_tiny_falls_from_packing_become_zero():
    sums = {(0, 3): field(1.5), (0, 6): field(1.49)}
    assert np.all(compose(window_path(sums, 3, 6), sums.__getitem__, what="a run") == 0)


def test_a_sum_that_falls_is_refused():
    sums = {(0, 12): field(20.0), (0, 24): field(3.0)}
    with pytest.raises(ReaderError, match=r"falls with time.*100% of the cells.*rain_covers"):
        compose(window_path(sums, 12, 24), sums.__getitem__, what="a run")


def test_negative_rain_is_refused():
    with pytest.raises(ReaderError, match="holds negative rain"):
        compose((((0, 3), 1),), lambda _: field(-9999.0), what="a run")


def test_missing_stays_missing():
    total = field(4.0)
    total[0, 0] = np.nan
    rain = compose((((0, 3), -1), ((0, 6), 1)), {(0, 3): field(1.0), (0, 6): total}.__getitem__, what="a run")
    assert np.isnan(rain[0, 0]) and np.isnan(rain).sum() == 1


@given(st.lists(st.integers(0, 40), min_size=2, max_size=8, unique=True), st.data())
def test_every_window_between_known_times_is_exact(times, data):
    times = sorted(times)
    hourly = np.arange(41) % 7  # rain of each hour
    shape = data.draw(st.sampled_from(["from_start", "between", "backwards"]))
    pairs = list(pairwise(times))
    sums = (
        [(times[0], t) for t in times[1:]]
        if shape == "from_start"
        else [(t, times[-1]) for t in times[:-1]]
        if shape == "backwards"
        else pairs
    )
    start, end = sorted(data.draw(st.lists(st.sampled_from(times), min_size=2, max_size=2, unique=True)))
    path = window_path(sums, start, end)
    rain = compose(path, lambda p: np.full((1, 1), hourly[p[0] : p[1]].sum(), np.float32), what="a run")
    assert rain.item() == hourly[start:end].sum()


def test_stated_windows_by_order_and_by_lead_time():
    wanted = {12: (0, 12), 24: (12, 24), 26: (24, 26), 48: (36, 48)}
    assert stated_periods([12, 24, 26, 48], [12, 12, 2, 12]) == wanted
    assert stated_periods([12, 24, 26, 48], {48: 12, 26: 2, 24: 12, 12: 12}) == wanted
    with pytest.raises(ReaderError, match="2 rain windows are stated for 4 lead times"):
        stated_periods([12, 24, 26, 48], [12, 12])
    with pytest.raises(ReaderError, match=r"No rain window is stated for lead time \+24 h"):
        stated_periods([12, 24], {12: 12})


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("Pa", "hPa", 100800, 1008),
        ("m", "mm", 0.0125, 12.5),
        ("kg m**-2", "mm", 3.25, 3.25),
        ("m**2 s**-2", "gpm", 9.80665 * 5860, 5860),
        ("gpm", "gpm", 1480, 1480),
        ("C", "K", 20, 293.15),
        ("(0 - 1)", "%", 0.5, 50),
    ],
)
def test_units(source, target, value, expected):
    assert convert(np.array([value], np.float64), source, target, what="a field")[0] == pytest.approx(
        expected, rel=1e-12
    )


def test_an_unknown_unit_is_refused():
    with pytest.raises(
        ReaderError,
        match=r"slp .* has the unit 'inHg', which cannot be converted to 'hPa'; known units are Pa, hPa, mb",
    ):
        convert(np.ones(1), "inHg", "hPa", what="slp of a run")


def test_every_profile_knows_all_sixteen_channels_in_units_that_convert():
    for name in PROFILES:
        profile = load_profile(name)
        assert {rule.channel for rule in profile.rules} == set(CHANNELS)
        for rule in profile.rules:
            if rule.units:
                convert(np.ones(1), rule.units, CHANNELS[rule.channel].units, what=name)
    assert spelled("kg m**-2") == "kg m-2"


def test_profiles_of_the_users_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: mine\ngrid: native\nchannels:\n  t_2m: {keys: {shortName: 2t}, units: C}\n", encoding="utf-8"
    )
    assert [rule.channel for rule in load_profile(path).rules] == ["t_2m"]
    path = tmp_path / "wrong.yaml"
    path.write_text("titel: mine\nchannels: {}\n", encoding="utf-8")
    with pytest.raises(ReaderError, match="unknown key 'titel'; did you mean 'title'"):
        load_profile(path)
    with pytest.raises(
        ReaderError, match=r"no profile 'um12'; choose one of gfs, ifs, rdaps-kim3, rdaps-um12, wrf-g212"
    ):
        load_profile("um12")
