"""Stations, radars and regions of Korea, with English and Korean names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Radar", "Region", "Station", "radars", "regions", "south_korea", "stations", "towns"]


@dataclass(frozen=True)
class Station:
    """A place to look at: name in English and Korean, longitude and latitude in degrees."""

    name: str
    name_ko: str
    lon: float
    lat: float


@dataclass(frozen=True)
class Radar(Station):
    """A weather radar of KMA; `code` is KMA's three letters."""

    code: str


@dataclass(frozen=True)
class Region:
    """A part of the map: name in English and Korean, bounds (west, south, east, north) in degrees."""

    name: str
    name_ko: str
    bounds: tuple[float, float, float, float]

    def contains(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
        """Return whether places lie within the bounds; arrays of longitude and latitude give an array."""
        west, south, east, north = self.bounds
        longitude, latitude = np.asarray(lon), np.asarray(lat)
        inside: NDArray[np.bool_] = (
            (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)
        )
        return inside


# the most important first: a map with little room labels the first few
_STATIONS = (
    Station("Seoul", "서울", 126.9780, 37.5665),
    Station("Busan", "부산", 129.0320, 35.1047),
    Station("Jeju", "제주", 126.5297, 33.5141),
    Station("Daejeon", "대전", 127.3721, 36.3720),
    Station("Gangneung", "강릉", 128.8910, 37.7515),
    Station("Gwangju", "광주", 126.8916, 35.1729),
    Station("Incheon", "인천", 126.6249, 37.4777),
    Station("Daegu", "대구", 128.6529, 35.8780),
    Station("Ulleungdo", "울릉도", 130.8986, 37.4813),
    Station("Baengnyeongdo", "백령도", 124.7124, 37.9739),
    Station("Sindaebang", "신대방", 126.9180, 37.4933),
    Station("Suwon", "수원", 126.9830, 37.2575),
    Station("Chuncheon", "춘천", 127.7357, 37.9026),
    Station("Cheongju", "청주", 127.4407, 36.6392),
    Station("Jeonju", "전주", 127.1190, 35.8408),
    Station("Ulsan", "울산", 129.3347, 35.5824),
    Station("Changwon", "창원", 128.5727, 35.1702),
    Station("Mokpo", "목포", 126.3812, 34.8169),
    Station("Yeosu", "여수", 127.7406, 34.7393),
    Station("Pohang", "포항", 129.3796, 36.0326),
    Station("Andong", "안동", 128.7073, 36.5729),
    Station("Sokcho", "속초", 128.5647, 38.2509),
    Station("Seosan", "서산", 126.4939, 36.7766),
    Station("Heuksando", "흑산도", 125.4510, 34.6872),
    Station("Seogwipo", "서귀포", 126.5653, 33.2461),
)

# positions of KMA's synoptic stations (Suncheon, Yeongju: the towns'), good to about 2 km, from north to south
_TOWNS = (
    Station("Cheorwon", "철원", 127.3042, 38.1479),
    Station("Inje", "인제", 128.1671, 38.0599),
    Station("Dongducheon", "동두천", 127.0607, 37.9019),
    Station("Paju", "파주", 126.7665, 37.8859),
    Station("Ganghwa", "강화", 126.4464, 37.7073),
    Station("Hongcheon", "홍천", 127.8804, 37.6836),
    Station("Daegwallyeong", "대관령", 128.7183, 37.6771),
    Station("Donghae", "동해", 129.1243, 37.5071),
    Station("Yangpyeong", "양평", 127.4944, 37.4886),
    Station("Jeongseon", "정선", 128.6731, 37.3773),
    Station("Wonju", "원주", 127.9466, 37.3375),
    Station("Icheon", "이천", 127.4842, 37.2640),
    Station("Yeongwol", "영월", 128.4574, 37.1813),
    Station("Taebaek", "태백", 128.9890, 37.1703),
    Station("Jecheon", "제천", 128.1943, 37.1593),
    Station("Uljin", "울진", 129.4128, 36.9918),
    Station("Chungju", "충주", 127.9527, 36.9704),
    Station("Bonghwa", "봉화", 128.9145, 36.9436),
    Station("Yeongju", "영주", 128.6240, 36.8057),
    Station("Cheonan", "천안", 127.2927, 36.7624),
    Station("Mungyeong", "문경", 128.1488, 36.6273),
    Station("Yeongdeok", "영덕", 129.4093, 36.5334),
    Station("Boeun", "보은", 127.7341, 36.4876),
    Station("Sejong", "세종", 127.2443, 36.4852),
    Station("Sangju", "상주", 128.1574, 36.4084),
    Station("Uiseong", "의성", 128.6886, 36.3561),
    Station("Boryeong", "보령", 126.5574, 36.3272),
    Station("Buyeo", "부여", 126.9208, 36.2724),
    Station("Chupungnyeong", "추풍령", 127.9946, 36.2203),
    Station("Gumi", "구미", 128.3206, 36.1306),
    Station("Geumsan", "금산", 127.4817, 36.1058),
    Station("Gunsan", "군산", 126.7614, 36.0053),
    Station("Yeongcheon", "영천", 128.9514, 35.9774),
    Station("Gyeongju", "경주", 129.2013, 35.8174),
    Station("Buan", "부안", 126.7166, 35.7295),
    Station("Geochang", "거창", 127.9099, 35.6674),
    Station("Jangsu", "장수", 127.5203, 35.6567),
    Station("Imsil", "임실", 127.2856, 35.6121),
    Station("Hapcheon", "합천", 128.1699, 35.5650),
    Station("Jeongeup", "정읍", 126.8390, 35.5634),
    Station("Miryang", "밀양", 128.7441, 35.4915),
    Station("Namwon", "남원", 127.3966, 35.4213),
    Station("Sancheong", "산청", 127.8791, 35.4130),
    Station("Gochang", "고창", 126.5990, 35.3482),
    Station("Uiryeong", "의령", 128.2886, 35.3222),
    Station("Yangsan", "양산", 129.0203, 35.3074),
    Station("Gimhae", "김해", 128.8908, 35.2298),
    Station("Jinju", "진주", 128.0400, 35.1638),
    Station("Suncheon", "순천", 127.4872, 34.9505),
    Station("Gwangyang", "광양", 127.6914, 34.9434),
    Station("Geoje", "거제", 128.6046, 34.8882),
    Station("Tongyeong", "통영", 128.4356, 34.8454),
    Station("Namhae", "남해", 127.9264, 34.8166),
    Station("Jangheung", "장흥", 126.9195, 34.6888),
    Station("Goheung", "고흥", 127.2757, 34.6183),
    Station("Haenam", "해남", 126.5691, 34.5537),
    Station("Wando", "완도", 126.7018, 34.3959),
    Station("Seongsan", "성산", 126.8802, 33.3868),
    Station("Gosan", "고산", 126.1628, 33.2938),
)

# KMA's operational S- and C-band network; positions good to about 1 km
_RADARS = (
    Radar("Baengnyeongdo", "백령도", 124.630, 37.967, "BRI"),
    Radar("Gwanaksan", "관악산", 126.964, 37.445, "KWK"),
    Radar("Gwangdeoksan", "광덕산", 127.434, 38.117, "GDK"),
    Radar("Gangneung", "강릉", 128.866, 37.818, "GNG"),
    Radar("Oseongsan", "오성산", 126.784, 36.013, "KSN"),
    Radar("Myeonbongsan", "면봉산", 128.997, 36.179, "MYN"),
    Radar("Jindo", "진도", 126.328, 34.472, "JNI"),
    Radar("Gudeoksan", "구덕산", 129.000, 35.119, "PSN"),
    Radar("Gosan", "고산", 126.163, 33.294, "GSN"),
    Radar("Seongsan", "성산", 126.880, 33.387, "SSP"),
)

_REGIONS = {
    "peninsula": Region("Korean Peninsula", "한반도", (124.0, 33.0, 131.2, 43.1)),
    "south_korea": Region("South Korea", "남한", (124.5, 33.0, 131.2, 38.7)),
    "capital_area": Region("Capital area", "수도권", (126.2, 36.9, 127.9, 38.3)),
    "gangwon": Region("Gangwon", "강원", (127.1, 37.0, 129.4, 38.65)),
    "chungcheong": Region("Chungcheong", "충청", (125.9, 35.95, 128.7, 37.25)),
    "honam": Region("Honam", "호남", (125.8, 33.9, 127.9, 36.1)),
    "yeongnam": Region("Yeongnam", "영남", (127.6, 34.5, 129.7, 37.1)),
    "jeju": Region("Jeju", "제주", (126.0, 33.0, 127.1, 33.7)),
}

# Encloses the land of South Korea and no other; across land it follows the military demarcation line of Natural Earth
# to within 2 km, over the sea it keeps clear of the coasts.
_SOUTH_KOREA = (
    (124.30, 38.05), (124.80, 38.02), (124.95, 37.75), (125.55, 37.60), (126.05, 37.72), (126.20, 37.83),
    (126.45, 37.835), (126.63, 37.78), (126.668, 37.83), (126.66, 37.93), (126.75, 38.00), (126.90, 38.13),
    (127.09, 38.286), (127.22, 38.313), (127.47, 38.296), (127.76, 38.325), (127.80, 38.294), (127.97, 38.300),
    (128.11, 38.323), (128.28, 38.52), (128.34, 38.608), (128.375, 38.624), (129.00, 38.70), (132.20, 37.80),
    (132.20, 36.80), (130.20, 35.60), (129.30, 34.85), (128.60, 34.30), (127.60, 33.00), (126.20, 32.80),
    (124.80, 34.00), (124.50, 36.50), (124.30, 38.05),
)  # fmt: skip


def stations() -> tuple[Station, ...]:
    """Return places for maps and meteograms, the most important first.

    Seoul is the city's centre, Sindaebang the gauge of the record hour of 8 August 2022; the others are KMA's synoptic
    stations.
    """
    return _STATIONS


def towns() -> tuple[Station, ...]:
    """Return further towns to look for by name, from north to south; `stations` has the more important ones."""
    return _TOWNS


def radars() -> tuple[Radar, ...]:
    """Return KMA's weather radars, whose composite is the observed rain."""
    return _RADARS


def regions() -> dict[str, Region]:
    """Return named parts of the map, the largest first."""
    return dict(_REGIONS)


def south_korea() -> NDArray[np.float64]:
    """Return a closed ring (n, 2) of longitude and latitude that holds all land of South Korea and no other land."""
    return np.asarray(_SOUTH_KOREA, np.float64)
