"""What is drawn over the maps: lines where the field crosses the level, vectors along the map, flux, packing."""

from __future__ import annotations

import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard import overlays
from sslpdl.dashboard.overlays import (
    along_axes,
    block_means,
    contours,
    interval_of,
    moisture_flux,
    pack_lines,
    smoothed,
)
from sslpdl.dashboard.probabilities import NoForecast
from sslpdl.dashboard.requests import answer
from sslpdl.dashboard.source import Source
from sslpdl.grid import KOREA_5KM, Grid, rotate_winds

GRID = KOREA_5KM.crop(60, 20, (150, 90), name="part")
LEADS = [1, 2, 3]
CHANNELS = ["gph_500", "slp", "rh_850", "t_850", "u_850", "v_850", "rain"]
RUN = "2022-08-08T00:00"


def fields(grid: Grid) -> np.ndarray:
    """Pressure rises by 12 hPa from west to east and by 1 hPa an hour, the wind turns from west to south."""
    across = np.broadcast_to(np.linspace(0, 1, grid.shape[1]), grid.shape)
    run = np.zeros((len(LEADS), len(CHANNELS), *grid.shape), np.float32)
    for k, lead in enumerate(LEADS):
        run[k, 0] = 5850
        run[k, 1] = 1000 + 12 * across + lead
        run[k, 2], run[k, 3] = 80, 290
        run[k, 4], run[k, 5] = 10 * (1 - across), 10 * across
    run[1, 4, :, :20] = np.nan
    run[2, 1:] = np.nan
    return run


def write(path: Path, grid: Grid, qpe: np.ndarray) -> Any:
    with ArchiveWriter.create(
        path, grid=grid, channels=CHANNELS, lead_time=LEADS, rain_window=1.0, qpe_window=1.0,
        mask=np.ones(grid.shape, bool), attrs={"title": "overlays", "synthetic": "true"},
    ) as writer:  # fmt: skip
        writer.write_run(np.datetime64(RUN), fields(grid))
        writer.write_qpe(np.datetime64(RUN) + np.array(LEADS, "timedelta64[h]"), qpe)
    return SimpleNamespace(source=Source(open_archive(path), NoForecast("none")))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write(tmp_path_factory.mktemp("overlays") / "a.zarr", GRID, np.zeros((3, *GRID.shape), np.float32))


def sixteen(block: bytes) -> np.ndarray:
    low, high = np.frombuffer(zlib.decompress(block), "u1").reshape(2, -1).astype(int)
    return low + 256 * high


def unpack_lines(block: bytes, bounds: tuple[float, float, float, float]) -> list[tuple[int, np.ndarray]]:
    numbers = sixteen(block)
    count = numbers[0]
    multiples = numbers[1 : 1 + count].astype("u2").view("i2")
    sizes = numbers[1 + count : 1 + 2 * count]
    x, y = (np.cumsum(part) % 65536 / 65535 for part in np.split(numbers[1 + 2 * count :], 2))
    left, bottom, right, top = bounds
    points = np.column_stack([left + x * (right - left), bottom + y * (top - bottom)])
    return list(zip(multiples.tolist(), np.split(points, np.cumsum(sizes)[:-1]), strict=True))


# ---- arithmetic ----


def test_humidity_and_flux_by_hand() -> None:
    # Bolton: e = 6.112 exp(17.67 * 20 / 263.5) = 23.37 hPa; 622 * 23.37 / (850 - 0.378 * 23.37) = 17.28 g/kg
    assert moisture_flux(100, 293.15, 1.0, 0.0, pressure=850)[0] == pytest.approx(17.28, abs=0.01)
    assert moisture_flux(0, 293.15, 10.0, 10.0, pressure=850) == (0, 0)
    # at 0 degrees e = 6.112 hPa; half of it: 622 * 3.056 / (850 - 1.155) = 2.239 g/kg
    east, north = moisture_flux(50, 273.15, 10.0, -3.0, pressure=850)
    assert (east, north) == (pytest.approx(22.39, abs=0.01), pytest.approx(-6.718, abs=0.01))
    assert np.isnan(moisture_flux(np.nan, 273.15, 10.0, -3.0, pressure=850)[0])


def test_vectors_along_the_map_point_where_the_wind_blows() -> None:
    grid = KOREA_5KM
    rng = np.random.default_rng(2)
    east, north = rng.normal(0, 15, (2, *grid.shape))
    along_x, along_y = along_axes(east, north, grid)
    back = rotate_winds(along_x, along_y, grid)
    np.testing.assert_allclose(back, [east, north], atol=1e-4)
    # a south wind in the north-eastern corner follows its meridian, which leans to the left on the map
    x, y = along_axes(np.zeros(grid.shape), np.ones(grid.shape), grid)
    lon, lat = grid.lonlat()
    there = np.array(grid.xy(lon[-1, -1], lat[-1, -1] + 0.01)) - [grid.x[-1], grid.y[-1]]
    np.testing.assert_allclose([x[-1, -1], y[-1, -1]], there / np.hypot(*there), atol=1e-4)
    assert x[-1, -1] < -0.05
    assert abs(x[-1, 32]) < 1e-6, "the meridian of 126 E is straight"


def test_the_interval_is_the_widest_with_a_few_lines() -> None:
    def planes(low: float, high: float) -> np.ndarray:
        return np.array([[[low, high]], [[low, high]], [[np.nan, np.nan]]])

    choices = (1.0, 2.0, 4.0)
    assert interval_of(planes(998, 1013), choices) == 4  # 1000, 1004, 1008, 1012
    assert interval_of(planes(999, 1007), choices) == 2  # 1000, ..., 1006
    assert interval_of(planes(1003, 1005.5), choices) == 1
    assert interval_of(planes(1003, 1003), choices) == 1
    assert interval_of(np.full((2, 3, 4), np.nan), choices) == 1


def test_means_and_smoothing_keep_a_slope_and_what_is_missing() -> None:
    y, x = np.mgrid[:9.0, :12.0]
    slope = 3 * x - 2 * y + 5
    means = block_means(slope, 2)
    assert means.shape == (4, 6)
    assert means[0, 0] == slope[:2, :2].mean()
    np.testing.assert_allclose(smoothed(slope), slope, atol=1e-12)
    steps = np.round(slope / 4) * 4
    assert np.abs(smoothed(steps) - slope).mean() < 0.5 * np.abs(steps - slope).mean()
    slope[4, 5] = np.nan
    assert np.isnan(block_means(slope, 2)[2, 2])
    assert np.isnan(smoothed(slope)).sum() == 1
    assert smoothed(slope)[4, 6] == slope[4, 6]


def test_contours_lie_where_the_field_crosses_the_level() -> None:
    x, y = np.arange(10.0), np.arange(8.0)
    plane = np.broadcast_to(2 * x, (8, 10)).copy()
    lines = contours(x, y, plane, 5)
    assert [multiple for multiple, _ in lines] == [0, 1, 2, 3]
    for multiple, line in lines[1:]:
        np.testing.assert_allclose(line[:, 0], multiple * 2.5)
        assert (line[:, 1].min(), line[:, 1].max()) == (0, 7)
    plane[3:5] = np.nan
    assert len([line for multiple, line in contours(x, y, plane, 5) if multiple == 1]) == 2, "none crosses a gap"
    assert contours(x, y, np.full((8, 10), np.nan), 5) == []


def test_lines_come_back_from_their_package() -> None:
    bounds = (-150e3, -600e3, 480e3, 510e3)
    rng = np.random.default_rng(4)
    lines = [(k, rng.uniform((-150e3, -600e3), (480e3, 510e3), (size, 2))) for k, size in ((-3, 2), (98, 40), (294, 7))]
    found = unpack_lines(pack_lines(lines, bounds), bounds)
    assert [multiple for multiple, _ in found] == [-3, 98, 294]
    for (_, before), (_, after) in zip(lines, found, strict=True):
        # a 65535th of 1110 km is 17 m
        np.testing.assert_allclose(after, before, atol=9)
    assert sixteen(pack_lines([], bounds)).tolist() == [0]


# ---- answers ----


def test_what_can_be_drawn_is_told(session: Any) -> None:
    told = overlays.describe(session.source)
    assert {name: one["kind"] for name, one in told.items()} == {
        "gph_500": "contours", "slp": "contours", "wind_850": "barbs", "flux_850": "arrows"
    }  # fmt: skip
    assert told["slp"]["units"] == "hPa"


def test_pressure_lines_of_a_run(session: Any) -> None:
    made = overlays.overlay(session, {"run": RUN, "name": "slp"})
    assert (made["interval"], made["bold"]) == (2, 4), "three lines of a weather chart are too few"
    assert [bool(block) for block in made["blocks"]] == [True, True, False]
    for lead, block in zip(LEADS, made["blocks"][:2], strict=False):
        lines = unpack_lines(block, GRID.bounds)
        assert [2 * multiple for multiple, _ in lines] == [
            v for v in range(1000, 1016, 2) if lead < v - 1000 < 12 + lead
        ]
        for multiple, line in lines:
            place = (2 * multiple - 1000 - lead) / 12
            # stored in steps of 0.02 hPa, which are 750 m here; sent in steps of 7 m
            np.testing.assert_allclose(line[:, 0], GRID.x[0] + place * (GRID.x[-1] - GRID.x[0]), atol=800)


def vectors(made: dict[str, Any], k: int) -> np.ndarray:
    rows, columns = made["lattice"][4:]
    parts = np.frombuffer(zlib.decompress(made["blocks"][k]), "u1").reshape(2, 2, -1).astype(int)
    codes = (parts[:, 0] + 256 * parts[:, 1]).reshape(2, rows, columns)
    code = made["code"]
    return np.where(codes == code["missing"], np.nan, code["offset"] + codes * code["unit"])


def test_wind_and_flux_of_a_run(session: Any) -> None:
    archive = session.source.archive
    made = overlays.overlay(session, {"run": RUN, "name": "wind_850"})
    x0, y0, dx, dy, rows, columns = made["lattice"]
    assert (x0, y0, dx, dy) == (GRID.x[1], GRID.y[1], 10_000, 10_000)
    u, v = (archive.fields.isel(init_time=0).sel(channel=name).values for name in ("u_850", "v_850"))
    expected = np.stack(along_axes(u[0], v[0], GRID))[:, 1::2, 1::2]
    found = vectors(made, 0)
    assert found.shape == (2, rows, columns)
    np.testing.assert_allclose(found, expected, atol=0.051)
    assert np.isnan(vectors(made, 1)[:, :, :10]).all(), "half a wind is none"
    assert np.isfinite(vectors(made, 1)[:, :, 10:]).all()
    assert made["blocks"][2] == b""
    flux = vectors(overlays.overlay(session, {"run": RUN, "name": "flux_850"}), 0)
    humidity = float(moisture_flux(80, 290, 1.0, 0.0, pressure=850)[0])
    assert humidity == pytest.approx(11.4, abs=0.1)
    np.testing.assert_allclose(flux, humidity * expected, atol=1.0)


def test_gauges_are_offered_where_observations_are_few(session: Any, tmp_path: Path) -> None:
    observed = np.full((3, *GRID.shape), np.nan, np.float32)
    observed[:, ::20, ::20] = 4
    few = write(tmp_path / "gauges.zarr", GRID, observed)
    assert overlays.describe(few.source)["gauges"]["kind"] == "gauges"
    assert "gauges" not in overlays.describe(session.source)


def test_sessions_share_what_was_made(session: Any) -> None:
    asked = {"run": RUN, "name": "slp"}
    other = SimpleNamespace(source=session.source)
    assert overlays.overlay(session, asked) is overlays.overlay(other, asked)


@pytest.mark.parametrize(
    "message",
    [
        {"run": RUN, "name": "gph_100"}, {"run": RUN, "name": "wind_10m"}, {"run": RUN, "name": "gauges"},
        {"run": RUN, "name": ["slp"]}, {"run": "2022-08-09T00:00", "name": "slp"}, {},
    ],
)  # fmt: skip
def test_bad_questions_get_one_sentence(session: Any, message: dict[str, Any]) -> None:
    reply = answer(session, {"kind": "overlay", "id": 3} | message)
    assert reply is not None
    assert reply["problem"].startswith("the archive holds no")
