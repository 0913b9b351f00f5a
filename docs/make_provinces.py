"""Make sslpdl/data/natural_earth/provinces.json: outlines of the provinces of South Korea for verification by region.

    python docs/make_provinces.py

Source: Natural Earth 1:10 million (public domain), the province lines, borders and coastlines in the package.  Lines
become polygons, a polygon belongs to the province of the town inside it, and an island to the nearest province.  The
metropolitan cities are joined to the provinces around them.  Coasts are moved 3 km out to sea and simplified: whether
a cell is land is the land mask's business.
"""

from __future__ import annotations

import json

from shapely import coverage_simplify
from shapely.geometry import LineString, Point, Polygon, mapping
from shapely.ops import polygonize, unary_union

from sslpdl import data

AROUND = (124.0, 32.8, 132.2, 39.0)
# the name of each province, and towns in every polygon of the mainland that it is made of
PROVINCES = {
    "capital_area": ("Seoul, Incheon, Gyeonggi", "수도권", ["Seoul", "Suwon"]),
    "gangwon": ("Gangwon", "강원", ["Chuncheon"]),
    "chungbuk": ("North Chungcheong", "충북", ["Cheongju"]),
    "chungnam": ("South Chungcheong, Daejeon, Sejong", "충남·대전·세종", ["Seosan", "Daejeon", (127.15, 36.58)]),
    "jeonbuk": ("North Jeolla", "전북", ["Jeonju"]),
    "jeonnam": ("South Jeolla, Gwangju", "전남·광주", ["Yeosu", (126.92, 35.21)]),
    "gyeongbuk": ("North Gyeongsang, Daegu", "경북·대구", ["Andong", "Daegu", "Ulleungdo"]),
    "gyeongnam": ("South Gyeongsang, Busan, Ulsan", "경남·부산·울산", ["Busan", "Ulsan"]),
    "jeju": ("Jeju", "제주", ["Jeju"]),
}


def main() -> None:
    """Write the file."""
    kinds = ("provinces", "borders", "coastline")
    lines = [LineString(line) for kind in kinds for line in data.lines(kind, resolution="10m", bounds=AROUND)]
    home = Polygon(data.south_korea())
    polygons = [p for p in polygonize(unary_union(lines)) if home.contains(p.representative_point())]
    towns = {station.name: (station.lon, station.lat) for station in data.stations()}
    parts: dict[str, list[Polygon]] = {name: [] for name in PROVINCES}
    islands = []
    for polygon in polygons:
        owner = next((name for name in PROVINCES if _holds(polygon, PROVINCES[name][2], towns)), None)
        (islands if owner is None else parts[owner]).append(polygon)
    mainland = {name: unary_union(found) for name, found in parts.items()}
    for island in islands:
        parts[min(mainland, key=lambda name: mainland[name].distance(island))].append(island)
    areas = dict(zip(parts, coverage_simplify([unary_union(p) for p in parts.values()], 0.02), strict=True))
    result = {}
    for name, area in areas.items():
        others = unary_union([other for key, other in areas.items() if key != name])
        shape = area.buffer(0.03, quad_segs=1).difference(others).simplify(0.01)
        pieces = shape.geoms if shape.geom_type == "MultiPolygon" else [shape]
        rings = [ring for piece in pieces if piece.area > 1e-3 for ring in mapping(piece)["coordinates"]]
        rounded = [[[round(x, 3), round(y, 3)] for x, y in ring] for ring in rings]
        result[name] = {"name": PROVINCES[name][0], "name_ko": PROVINCES[name][1], "rings": rounded}
    source = "Natural Earth 1:10m, public domain; made by docs/make_provinces.py"
    path = data.natural_earth_dir() / "provinces.json"
    text = json.dumps({"source": source, "provinces": result}, ensure_ascii=False, separators=(",", ":"))
    path.write_text(text + "\n", encoding="utf-8")


def _holds(polygon: Polygon, places: list[str | tuple[float, float]], towns: dict[str, tuple[float, float]]) -> bool:
    return any(polygon.contains(Point(towns[p] if isinstance(p, str) else p)) for p in places)


if __name__ == "__main__":
    main()
