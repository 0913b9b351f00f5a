"""Places that can be looked for by name, and what the browser makes of typed text and of projections."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from sslpdl import data
from sslpdl.dashboard.places import known_places
from sslpdl.dashboard.viewer import STATIC
from sslpdl.grid import HSR_500M, KOREA_5KM, RDAPS_12KM, Grid

LON_LAT = Grid("ll", "+proj=longlat +R=6371229 +no_defs", 122.0, 31.0, 0.25, 0.25, (56, 48))
MERCATOR = Grid("m", "+proj=merc +R=6371229 +units=m +no_defs", 0.0, 0.0, 1e3, 1e3, (4, 4))
TOWNS = {
    "capital_area": "동두천 파주 강화 양평 이천",
    "gangwon": "철원 인제 홍천 대관령 동해 정선 원주 영월 태백 울진",  # Natural Earth still draws Uljin in Gangwon
    "chungbuk": "제천 충주 보은 추풍령",
    "chungnam": "천안 세종 보령 부여 금산",
    "jeonbuk": "군산 부안 장수 임실 정읍 남원 고창",
    "jeonnam": "순천 광양 장흥 고흥 해남 완도",
    "gyeongbuk": "봉화 영주 문경 영덕 상주 의성 구미 영천 경주",
    "gyeongnam": "거창 합천 밀양 산청 의령 양산 김해 진주 거제 통영 남해",
    "jeju": "성산 고산",
}


def inside(ring: np.ndarray, lon: float, lat: float) -> bool:
    (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
    crosses = (y0 > lat) != (y1 > lat)
    at = x0[crosses] + (lat - y0[crosses]) / (y1 - y0)[crosses] * (x1 - x0)[crosses]
    return bool((at > lon).sum() % 2)


def test_towns_lie_in_their_provinces() -> None:
    towns = {town.name_ko: town for town in data.towns()}
    assert sorted(towns) == sorted(" ".join(TOWNS.values()).split())
    for province, names in TOWNS.items():
        rings = data.provinces()[province].rings
        for name in names.split():
            town = towns[name]
            assert any(inside(ring, town.lon, town.lat) for ring in rings), f"{town.name} in {province}"


def test_names_are_unique_in_both_languages() -> None:
    places = (*data.stations(), *data.towns())
    assert len({place.name for place in places}) == len({place.name_ko for place in places}) == len(places)
    assert all(place.name.isascii() and place.name[0].isupper() for place in places)


def test_only_places_on_the_grid_are_known() -> None:
    assert len(known_places(KOREA_5KM)) == len(data.stations()) + len(data.towns())
    row, column = (round(float(k)) for k in KOREA_5KM.cell(126.5297, 33.5141))
    island = known_places(KOREA_5KM.crop(row - 8, column - 10, (16, 20)))
    assert {place["name"] for place in island} == {"Jeju", "Seogwipo", "Seongsan", "Gosan"}


def run_script(expression: str) -> Any:
    """The value of an expression in the page's own scripts."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    scripts = [(STATIC / "viewer" / name).read_text("utf-8") for name in ("4_projection.js", "7_gazetteer.js")]
    code = "\n".join([*scripts, f"console.log(JSON.stringify({expression}))"])
    found = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


@pytest.mark.parametrize("grid", [KOREA_5KM, RDAPS_12KM, HSR_500M, LON_LAT], ids=lambda grid: grid.name)
def test_the_browser_projects_as_proj_does(grid: Grid) -> None:
    rng = np.random.default_rng(5)
    left, bottom, right, top = grid.bounds
    x, y = rng.uniform(left, right, 40), rng.uniform(bottom, top, 40)
    lon, lat = grid.lonlat_of(x, y)
    earth = f"exactProjection({json.dumps(grid.proj4)}, {left})"
    there = run_script(f"{np.c_[lon, lat].tolist()}.map((p) => {earth}.toXY(...p))")
    back = run_script(f"{np.c_[x, y].tolist()}.map((p) => {earth}.toLonLat(...p))")
    assert np.abs(np.array(there) - np.c_[x, y]).max() < 1e-5 * grid.dx
    assert np.abs(np.array(back) - np.c_[lon, lat]).max() < 1e-9


def test_an_unknown_projection_is_left_to_the_tables() -> None:
    assert run_script(f"exactProjection({json.dumps(MERCATOR.proj4)}, 0)") is None


@pytest.mark.parametrize(
    ("text", "lonlat"),
    [
        ("37.57, 126.98", [126.98, 37.57]),
        ("37.57 126.98", [126.98, 37.57]),
        ("126.98, 37.57", [126.98, 37.57]),
        ("37.57N 126.98E", [126.98, 37.57]),
        ("126.98E, 37.57N", [126.98, 37.57]),
        ("북위 37.57 동경 126.98", [126.98, 37.57]),
        ("북위 37도 30분, 동경 127도", [127.0, 37.5]),
        ("37°30'N 126°15'36\"E", [126.26, 37.5]),
        ("(37.57, 126.98)", [126.98, 37.57]),
        ("12S 30W", [-30.0, -12.0]),
        ("Seoul", None),
        ("37.57", None),
        ("37.57N 36N", None),
        ("91, 95", None),
        ("", None),
    ],
)
def test_typed_coordinates(text: str, lonlat: list[float] | None) -> None:
    found = run_script(f"parseCoordinates({json.dumps(text)})")
    assert found == (None if lonlat is None else pytest.approx(lonlat, abs=1e-9))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Seoul", "Seoul"), ("seoul ", "Seoul"), ("서울", "Seoul"), ("서울특별시", "Seoul"), ("Jeju-si", "Jeju"),
        ("강릉시", "Gangneung"), ("정선군", "Jeongseon"), ("Uiryeong", "Uiryeong"), ("대관", "Daegwallyeong"),
        ("대구", "Daegu"), ("양구", None), ("Gang", None), ("Atlantis", None), ("   ", None),
    ],
)  # fmt: skip
def test_typed_names(text: str, name: str | None) -> None:
    places = json.dumps(known_places(KOREA_5KM))
    assert run_script(f"new Gazetteer({places}).find({json.dumps(text)})?.name ?? null") == name
