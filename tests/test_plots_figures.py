"""Figures: places and colours on the canvas, times in titles, curves read back from the axes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import archives
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sslpdl import forecast, open_archive, plots
from sslpdl.archive import ArchiveWriter
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.maps import map_lines, new_map
from sslpdl.plots.style import Picture

RUN = "2022-08-08T12"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Return an archive on the default grid in which it rains in Seoul's cell only."""
    rain = np.zeros(KOREA_5KM.shape, np.float32)
    rain[112, 49] = 12.0
    fields = np.zeros((1, 4, *KOREA_5KM.shape), np.float32)
    fields[0, 0], fields[0, 1], fields[0, 2], fields[0, 3] = 280, 10, 5, rain
    fields[0, :, :20, :20] = np.nan
    path = tmp_path_factory.mktemp("plots") / "seoul.zarr"
    with ArchiveWriter.create(
        path, grid=KOREA_5KM, channels=("t_850", "u_850", "v_850", "rain"), lead_time=(15,), attrs={"title": "Seoul"}
    ) as writer:
        writer.write_run(RUN, fields)
        writer.write_qpe(["2022-08-09T03"], rain)
    return open_archive(path)


class Rain:
    """A stand-in for a model that forecasts with certainty what it is given."""

    channels = ("rain",)
    thresholds = (0.1, 10.0)
    rain_window = 1.0
    decision: ClassVar = {0.1: 0.5, 10.0: 0.5}
    provenance: ClassVar = {"name": "stand-in"}

    def check(self, archive: xr.Dataset) -> None:
        pass

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        heavy = (np.nan_to_num(fields[:, 0]) >= 10).astype("float32")
        return np.stack([1 - heavy, 0 * heavy, heavy], axis=1)


@pytest.fixture(scope="module")
def predicted(archive: xr.Dataset) -> xr.Dataset:
    return forecast.run(archive, Rain())


def pixels(figure: Picture) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def at(figure: Picture, axis: int, lon: float, lat: float) -> tuple[int, int, int]:
    """Return the colour drawn at a place of the Earth."""
    image = pixels(figure)
    x, y = KOREA_5KM.xy(lon, lat)
    column, row = figure.axes[axis].transData.transform((float(x), float(y)))
    return tuple(image[image.shape[0] - 1 - int(row), int(column)].tolist())


def colour(palette: plots.Palette, value: float) -> tuple[int, int, int]:
    return tuple(palette.rgba[palette.classify(np.array([value]))[0]][:3].tolist())


def test_rain_in_seoul_is_drawn_where_seoul_is(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    figure = plots.panels(archive, predicted, init_time=RUN, lead_time=15, threshold=10.0)
    figure.set_dpi(200)
    lon, lat = KOREA_5KM.lonlat()
    # the canvas at the centre of Seoul's cell, and in the open sea
    seoul = (lon[112, 49], lat[112, 49])
    assert abs(seoul[0] - 126.978) < 0.05
    assert abs(seoul[1] - 37.5665) < 0.05
    assert at(figure, 0, *seoul) == colour(plots.RAIN, 12.0)
    assert at(figure, 1, *seoul) == colour(plots.PROBABILITY, 1.0)
    assert at(figure, 3, *seoul) == colour(plots.RAIN, 12.0)
    assert at(figure, 3, 125.3, 36.55) == (233, 240, 245)  # dry: the sea shows through
    text = " ".join([figure.get_suptitle(), *(ax.get_title(loc="left") for ax in figure.axes)])
    assert "9 Aug 2022 03 UTC (12 KST)" in text
    assert "run 8 Aug 2022 12 UTC (21 KST) + 15 h" in text
    assert "P(rain ≥ 10 mm)" in text
    assert "1-h rain" in text


def test_missing_cells_are_grey_not_dry(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    figure = plots.panels(archive, predicted, init_time=RUN, lead_time=15, threshold=0.1)
    figure.set_dpi(200)
    image = pixels(figure)
    x0, y0, _, y1 = figure.axes[0].get_window_extent().extents
    corner = image[
        image.shape[0] - int(y0 + 0.06 * (y1 - y0)) : image.shape[0] - int(y0 + 3), int(x0 + 3) : int(x0 + 40)
    ]
    grey = (corner == colour(plots.RAIN, np.nan)).all(axis=-1).mean()
    assert 0.5 < grey < 1  # the rest is hatching


def test_what_is_not_there_is_refused(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    good = {"init_time": RUN, "lead_time": 15, "threshold": 10.0}
    for change, words in (
        ({"lead_time": 3}, "lead time 3"),
        ({"threshold": 5.0}, "threshold 5"),
        ({"init_time": "2022-01-01"}, "run"),
    ):
        with pytest.raises(ConfigError, match=words):
            plots.panels(archive, predicted, **(good | change))
    with pytest.raises(ConfigError, match="no variable 'rh_850'"):
        plots.field_map(archive, "rh_850", init_time=RUN, lead_time=15)
    with pytest.raises(ConfigError, match="lead time 16"):
        plots.field_map(archive, "t_850", init_time=RUN, lead_time=16)
    with pytest.raises(ConfigError, match="no wind at '300'"):
        plots.field_map(archive, "t_850", init_time=RUN, lead_time=15, winds="300")


def test_field_map_names_unit_level_and_time(archive: xr.Dataset) -> None:
    figure = plots.field_map(archive, "t_850", init_time=RUN, lead_time=15, contours="rain", winds="850")
    assert figure.get_suptitle() == "Temperature at 850 hPa [K]"
    assert figure.axes[0].get_title(loc="left") == "9 Aug 2022 03 UTC (12 KST), run + 15 h"
    below = figure._supxlabel.get_text()
    assert "barbs: wind at 850 hPa [knots]" in below
    assert "Seoul" in below
    rain = plots.field_map(archive, "rain", init_time=RUN, lead_time=15)
    assert rain.get_suptitle() == "Precipitation in 1 h [mm]"


def test_barbs_point_where_the_wind_blows(archive: xr.Dataset) -> None:
    """The archive's wind is 10 m/s to the east and 5 m/s to the north; east is not along x away from 126 E."""
    figure = plots.field_map(archive, "t_850", init_time=RUN, lead_time=15, winds="850")
    barbs = next(c for c in figure.axes[0].collections if type(c).__name__ == "Barbs")
    known = np.flatnonzero(np.isfinite(barbs.u))
    k = known[np.argmax(barbs.x[known])]
    lon, lat = KOREA_5KM.lonlat_of(barbs.x[k], barbs.y[k])
    x, y = KOREA_5KM.xy([lon, lon + 0.01], [lat, lat])
    east = np.array([x[1] - x[0], y[1] - y[0]]) / np.hypot(x[1] - x[0], y[1] - y[0])
    north = np.array([-east[1], east[0]])
    assert abs(np.degrees(np.arctan2(east[1], east[0]))) > 1
    wanted = (10 * east + 5 * north) * 1.943844
    assert [barbs.u[k], barbs.v[k]] == pytest.approx(wanted, rel=1e-3)


def test_coastlines_are_projected_once_and_meridians_are_labelled() -> None:
    lines = map_lines(KOREA_5KM, "coastline")
    assert map_lines(KOREA_5KM, "coastline") is lines
    x0, y0, x1, y1 = KOREA_5KM.bounds
    inside = [((line >= [x0, y0]) & (line <= [x1, y1])).all(axis=1).any() for line in lines]
    assert sum(inside) > 10
    figure = Picture()
    ax = figure.subplots()
    new_map(ax, KOREA_5KM)
    figure.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["126°E", "128°E", "130°E"]
    assert "38°N" in [t.get_text() for t in ax.get_yticklabels()]
    # 126 E is the central meridian: x = 0
    assert ax.get_xticks()[0] == pytest.approx(0, abs=1)


def test_a_map_beyond_the_shipped_coastline_is_drawn_without_one() -> None:
    from sslpdl.grid import Grid

    ohio = Grid("ohio", "+proj=lcc +lat_1=25 +lat_2=25 +lat_0=25 +lon_0=-95 +R=6371200", 0.0, 0.0, 4e4, 4e4, (20, 30))
    figure = Picture()
    ax = figure.subplots()
    new_map(ax, ohio)
    figure.canvas.draw()
    assert "90°W" in [t.get_text() for t in ax.get_xticklabels()]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2022-08-08T12", "8 Aug 2022 12 UTC (21 KST)"),
        ("2022-08-31T18", "31 Aug 2022 18 UTC (1 Sep 03 KST)"),
        ("2022-12-31T15", "31 Dec 2022 15 UTC (1 Jan 00 KST)"),
        ("2024-02-28T15:30", "28 Feb 2024 15:30 UTC (29 Feb 00:30 KST)"),
    ],
)
def test_times_are_written_in_utc_and_kst(time: str, text: str) -> None:
    assert plots.time_label(time) == text


def test_label_curves_show_the_labels() -> None:
    figure = plots.label_curves((0.1, 10.0))
    heavy = next(line for line in figure.axes[1].lines if line.get_label() == "≥ 10 mm")
    x, y = heavy.get_data()
    assert np.interp(10.0, x, y) == 1
    assert np.interp(5.05, x, y) == pytest.approx(0.5, abs=1e-3)  # halfway between 0.1 and 10
    assert np.interp(0.1, x, y) == 0


def test_diagrams_show_the_numbers_they_are_given() -> None:
    table = pd.DataFrame(
        {
            "model": "m", "threshold": 1.0, "bin": [0.0, 0.5, 0.9], "n": [100, 10, 0],
            "probability": [0.02, 0.55, np.nan], "frequency": [0.01, 0.7, np.nan],
            "low": [0.0, 0.4, np.nan], "high": [0.05, 0.6, np.nan], "base_rate": 0.1,
        }
    )  # fmt: skip
    figure = plots.reliability(table, window=3.0, caption="SYNTHETIC DATA")
    line = next(line for line in figure.axes[0].lines if line.get_label() == "m")
    assert line.get_xydata().tolist() == [[0.02, 0.01], [0.55, 0.7]]
    assert figure.axes[0].get_title(loc="left") == "≥ 1 mm / 3 h"
    points = pd.DataFrame(
        {
            "model": ["m", "raw"], "threshold": 1.0, "precision": [0.5, 0.4], "recall": [0.6, 0.7],
            "precision_lower": np.nan, "precision_upper": np.nan, "recall_lower": np.nan, "recall_upper": np.nan,
        }
    )  # fmt: skip
    figure = plots.performance(points, window=3.0)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert drawn["m"] == [[0.5, 0.6]]
    assert drawn["raw"] == [[0.4, 0.7]]
    scores = pd.DataFrame(
        {
            "score": "csi", "model": "m", "threshold": 1.0, "lead_time": ["all", "6 h", "12 h"],
            "value": [0.3, 0.4, 0.2], "lower": [0.2, 0.3, 0.1], "upper": [0.4, 0.5, 0.3],
        }
    )  # fmt: skip
    figure = plots.score_by_lead(scores, window=3.0)
    assert next(line for line in figure.axes[0].lines if line.get_label() == "m").get_ydata().tolist() == [0.4, 0.2]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["6 h", "12 h"]


def test_pictures_show_themselves_and_are_reproducible() -> None:
    figures = [plots.label_curves((0.1, 10.0)) for _ in range(2)]
    assert figures[0]._repr_png_().startswith(b"\x89PNG")
    assert plots.png(figures[0]) == plots.png(figures[1])


def test_palettes_do_not_load_matplotlib(root: Path) -> None:
    code = "import sys, sslpdl.plots.palettes; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_small_archives_are_drawn_too(tmp_path: Path) -> None:
    path = archives.make(tmp_path / "small.zarr", mask=np.ones(archives.SMALL.shape, bool))
    opened = open_archive(path)
    figure = plots.field_map(opened, "gph_500", init_time="2022-08-08T00", lead_time=1, contours="slp", winds="10m")
    assert len(plots.png(figure)) > 10_000
