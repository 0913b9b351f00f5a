"""The state of the page: any address gives a valid state."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslpdl.dashboard import Settings, State
from sslpdl.dashboard.settings import SAMPLE_ARCHIVE, SAMPLE_MODEL
from sslpdl.errors import ConfigError

RUNS = ["2022-08-07T12:00", "2022-08-08T00:00", "2022-08-08T12:00"]
LEADS = [3, 6, 9, 12]
CHOICES = {
    "init_times": RUNS,
    "lead_times": LEADS,
    "thresholds": [0.1, 1.0, 10.0],
    "regions": ["jeju"],
    "palettes": ["kma", "safe"],
}


def view(state: State) -> tuple:
    return state.init_time, state.lead_time, state.threshold, state.region, state.palette


def test_address_round_trip() -> None:
    query = "init=2022-08-08T12%3A00&lead=6&threshold=0.1&region=jeju&palette=safe"
    state = State.from_query(query)
    assert view(state) == ("2022-08-08T12:00", 6, 0.1, "jeju", "safe")
    assert state.to_query() == query
    assert view(State.from_query("?" + state.to_query())) == view(state)


def test_what_the_parts_of_the_page_remember_comes_back() -> None:
    query = (
        "language=ko&theme=dark&drawer=point&panels=rain,,class&overlays=barbs,gph_500"
        "&view=126.978,37.5665,0.8&point=126.978,37.5665&hours=3&leads=6,30&daytime=0,6,23&data=august-2022"
    )
    state = State.from_query(query)
    assert state.panels == ["rain", "", "class"]
    assert state.view == [126.978, 37.5665, 0.8]
    assert state.leads == [6, 30]
    assert state.daytime == [0, 6, 23]
    assert state.to_query() == query
    fitted = state.clamp(init_times=RUNS, lead_times=LEADS)
    assert (fitted.language, fitted.point, fitted.hours) == ("ko", [126.978, 37.5665], 3)


@pytest.mark.parametrize("text", ["1", "1,2,3,4", "a,b,c", "nan,0,1", "126,91,1", "126,37,0", "", ",,"])
def test_a_view_that_is_none_is_left_out(text: str) -> None:
    assert State.from_query({"view": text}).view == []


@pytest.mark.parametrize("text", ["24", "-1", "1.5", "a", "1,,2", "", "٣", "007", ",".join(map(str, range(24)))])
def test_hours_of_the_day_that_are_none_or_all_are_no_choice(text: str) -> None:
    assert State.from_query({"daytime": text}).daytime == []
    assert State.from_query({"daytime": "18,6,6"}).daytime == [6, 18]


@pytest.mark.parametrize("text", ["<b>", "a b", "ü", ",", "A" * 50])
def test_a_word_that_is_none_is_left_out(text: str) -> None:
    state = State.from_query({"panels": text, "language": text, "theme": text, "drawer": text})
    assert (state.panels, state.language, state.theme, state.drawer) == ([], "", "", "")


@pytest.mark.parametrize(
    "text", ["2022-08-08T12:00", "2022-08-08T12", "20220808 12", "2022080812", "202208081200Z", " 2022-08-08T12:00Z "]
)
def test_times_are_read_as_people_write_them(text: str) -> None:
    assert State.from_query({"init": text}).init_time == "2022-08-08T12:00"


@pytest.mark.parametrize(
    "text", ["2022-13-01T00", "2022-02-30T00", "2022-08-08T25", "yesterday", "２０２２080812", "0000-00-00T00", ""]
)
def test_what_is_no_time_is_the_default(text: str) -> None:
    assert State.from_query({"init": text}).init_time == ""


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e99", "6h", "0x10", "--", "1_0_"])
def test_what_is_no_number_is_the_default(text: str) -> None:
    state = State.from_query({"lead": text, "threshold": text})
    assert (state.lead_time, state.threshold) == (None, None)


def test_server_arguments_may_be_lists_of_bytes_and_the_last_counts() -> None:
    state = State.from_query({"lead": [b"3", b"9"], "threshold": [], "region": [b"\xff\xfe"], "init": b"2022080800"})
    assert view(state) == ("2022-08-08T00:00", 9, None, "", "")


def test_clamp_takes_the_nearest_that_exists() -> None:
    state = State.from_query("init=2022-08-08T06&lead=7&threshold=2&region=mars&palette=pink").clamp(**CHOICES)
    # the run at or before 06 UTC; |6 - 7| < |9 - 7|; 2 mm is a factor of two from 1 mm and of five from 10 mm
    assert view(state) == ("2022-08-08T00:00", 6, 1.0, "", "kma")
    early = State.from_query("init=1999010100&lead=0").clamp(**CHOICES)
    assert (early.init_time, early.lead_time) == (RUNS[0], 3)
    assert State().clamp(**CHOICES).init_time == RUNS[-1]
    assert State().clamp(**CHOICES, default_init_time=RUNS[1]).init_time == RUNS[1]


NAMES = st.sampled_from(["init", "lead", "threshold", "region", "palette", "x", ""])
ANY = st.one_of(
    st.text(), st.binary(), st.lists(st.one_of(st.text(), st.binary())), st.floats(), st.none(), st.integers()
)
QUERIES = st.one_of(
    st.text(),
    st.binary(),
    st.none(),
    st.dictionaries(NAMES, ANY),
    st.lists(st.tuples(NAMES, st.text())).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)


@given(QUERIES)
def test_any_query_gives_a_state_that_exists(query: object) -> None:
    state = State.from_query(query).clamp(**CHOICES)  # type: ignore[arg-type]
    assert state.init_time in RUNS
    assert state.lead_time in LEADS
    assert state.threshold in CHOICES["thresholds"]
    assert state.region in ("", "jeju")
    assert state.palette in ("kma", "safe")
    assert view(State.from_query(state.to_query()).clamp(**CHOICES)) == view(state)


def test_settings_take_arguments_before_environment_before_sample(tmp_path: Path) -> None:
    environ = {"SSLPDL_ARCHIVE": "/a.zarr", "SSLPDL_MODEL": " ", "XDG_CACHE_HOME": str(tmp_path)}
    settings = Settings.from_environment(environ, forecast=tmp_path / "f.zarr")
    assert settings == Settings(Path("/a.zarr"), tmp_path / "f.zarr", SAMPLE_MODEL, tmp_path / "sslpdl")
    assert Settings.from_environment(environ, archive="b.zarr").archive == Path("b.zarr")
    assert Settings.from_environment({}).archive == SAMPLE_ARCHIVE
    assert "lead=" in Settings.from_environment({}).view, "the sample begins with its heaviest rain"
    assert Settings.from_environment(environ | {"SSLPDL_VIEW": "lead=3"}).view == "lead=3"
    assert Settings.from_environment({"SSLPDL_CACHE_DIR": "~/c"}).cache == Path.home() / "c"
    with pytest.raises(ConfigError, match="NUL"):
        Settings.from_environment({"SSLPDL_ARCHIVE": "a\0b"})
