"""What is drawn over the maps of the page is drawn over those of pictures and films, and their key says what it is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.quiver import Barbs, Quiver
from PIL import Image

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard.exports import pictures
from sslpdl.dashboard.exports.order import Order
from sslpdl.dashboard.overlays import along_axes, moisture_flux
from sslpdl.dashboard.probabilities import NoForecast
from sslpdl.dashboard.source import Source
from sslpdl.errors import SslpdlError
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.inks import INKS
from sslpdl.plots.over_maps import KNOT
from sslpdl.plots.palettes import RAIN

GRID = KOREA_5KM
RUN = "2022-08-08T00:00"
LEADS = [1, 2, 3]
CHANNELS = ["slp", "rh_850", "t_850", "u_850", "v_850", "rain"]
SOUTH_WIND = 40 * KNOT
GAUGE = (100, 60)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Pressure rises eastwards, from 1000 + lead by 12 hPa; a south wind of 40 kt; two gauges; nothing at the end."""
    path = tmp_path_factory.mktemp("drawn") / "a.zarr"
    with ArchiveWriter.create(
        path, grid=GRID, channels=CHANNELS, lead_time=LEADS, attrs={"title": "Drawn", "synthetic": "true"},
        rain_window=1.0, qpe_window=1.0, mask=np.ones(GRID.shape, bool),
    ) as writer:  # fmt: skip
        run = np.zeros((len(LEADS), len(CHANNELS), *GRID.shape), np.float32)
        run[:, 0] = 1000 + 12 * np.linspace(0, 1, GRID.shape[1]) + np.array(LEADS)[:, None, None]
        run[:, 1], run[:, 2], run[:, 4] = 80, 290, SOUTH_WIND
        run[2, :5] = np.nan
        writer.write_run(np.datetime64(RUN), run)
        qpe = np.full((2, *GRID.shape), np.nan, np.float32)
        qpe[:, 30, 30] = 0
        qpe[(slice(None), *GAUGE)] = 17
        writer.write_qpe(np.datetime64(RUN) + np.array(LEADS[:2], "timedelta64[h]"), qpe)
    return Source(open_archive(path), NoForecast("none"))


def order(source: Source, form: str = "png", **changes: Any) -> Order:
    asked = {
        "form": form, "init": RUN, "lead": 1, "first": 1, "last": 3, "threshold": None, "region": "", "palette": "kma",
        "panels": ["nwp", "qpe"], "language": "en", "dpi": 150, "fps": 4,
    }  # fmt: skip
    return Order.from_message(source, asked | changes)


def share_of_ink(source: Source, asked: Order, image: Image.Image, hpa: float, lead: int) -> list[float]:
    """Share of the places on an isobar, from south to north, where each map has its ink."""
    sheet = pictures._Author(source, asked).sheet(asked.leads[0])
    sheet.figure.canvas.draw()
    place = (hpa - 1000 - lead) / 12
    y = np.linspace(GRID.y[5], GRID.y[-6], 60)
    x = np.full_like(y, GRID.x[0] + place * (GRID.x[-1] - GRID.x[0]))
    pixels = np.asarray(image.convert("RGB")).astype(int)
    ink = np.abs(pixels - tuple(bytes.fromhex(INKS["slp"]["light"][1:]))).sum(-1) < 60
    shares = []
    for ax in sheet.axes:
        across, up = (ax.transData.transform(np.column_stack([x, y])) / sheet.figure.bbox.size).T
        columns, rows = (across * image.width).astype(int), ((1 - up) * image.height).astype(int)
        near = [ink[j - 2 : j + 3, i - 2 : i + 3].any() for i, j in zip(columns, rows, strict=True)]
        shares.append(float(np.mean(near)))
    return shares


def key_of(source: Source, asked: Order, lead: int) -> str:
    figure = pictures._Author(source, asked).sheet(lead).figure
    return " | ".join(text.get_text() for ax in figure.axes for text in ax.texts)


def test_contours_of_the_page_are_in_its_picture(source: Source) -> None:
    asked = order(source, overlays=["slp"])
    image = Image.open(io.BytesIO(pictures.picture(source, asked)[0]))
    assert min(share_of_ink(source, asked, image, 1004, lead=1)) > 0.85, "on both maps"
    assert max(share_of_ink(source, asked, image, 1005, lead=1)) < 0.1, "there is none between the levels"
    assert "Sea-level pressure, every 2 hPa, bold every 4" in key_of(source, asked, 0)
    bare = order(source)
    image = Image.open(io.BytesIO(pictures.picture(source, bare)[0]))
    assert max(share_of_ink(source, bare, image, 1004, lead=1)) < 0.1


def test_contours_move_in_a_film_and_end_with_the_data(source: Source) -> None:
    asked = order(source, "gif", overlays=["slp"])
    film = Image.open(io.BytesIO(pictures.film(source, asked, lambda done, total: None)[0]))
    assert film.n_frames == 3
    film.seek(1)
    assert min(share_of_ink(source, asked, film, 1004, lead=2)) > 0.85
    assert max(share_of_ink(source, asked, film, 1004, lead=1)) < 0.15, "the line of an hour ago is gone"
    film.seek(2)
    assert max(share_of_ink(source, asked, film, 1004, lead=2)) < 0.1
    assert "Sea-level pressure, every 2 hPa, bold every 4 · missing at this time" in key_of(source, asked, 2)


def drawn(source: Source, asked: Order, kind: type[Any]) -> Any:
    (found,) = [one for one in pictures._Author(source, asked).sheet(0).axes[0].get_children() if isinstance(one, kind)]
    return found


def test_barbs_and_arrows_have_the_winds_of_their_places(source: Source) -> None:
    asked = order(source, overlays=["wind_850", "flux_850"])
    barbs, arrows = drawn(source, asked, Barbs), drawn(source, asked, Quiver)
    speed = np.hypot(barbs.u, barbs.v)
    np.testing.assert_allclose(speed, 40, atol=0.2)
    # a south wind follows the meridians, which lean on the map
    columns = np.rint((np.asarray(barbs.x) - GRID.x0) / GRID.dx).astype(int)
    rows = np.rint((np.asarray(barbs.y) - GRID.y0) / GRID.dy).astype(int)
    east, north = along_axes(np.zeros(GRID.shape), np.full(GRID.shape, 40.0), GRID)
    np.testing.assert_allclose(barbs.u, east[rows, columns], atol=0.2)
    np.testing.assert_allclose(barbs.v, north[rows, columns], atol=0.2)
    assert len(speed) > 60
    humidity = float(moisture_flux(80, 290, 1.0, 0.0, pressure=850)[0])
    np.testing.assert_allclose(np.hypot(arrows.U, arrows.V), humidity * SOUTH_WIND, rtol=0.01)
    assert not set(zip(barbs.x, barbs.y, strict=True)) & {tuple(place) for place in arrows.XY}, "beside each other"
    key = key_of(source, asked, 0)
    assert "Wind 850 hPa: half barb 5 kt, barb 10 kt, pennant 50 kt" in key
    assert "Moisture flux 850 hPa: this arrow is 200 g/kg m/s" in key


def test_gauges_have_the_colour_of_their_class_on_every_map(source: Source) -> None:
    asked = order(source, overlays=["gauges"])
    image = Image.open(io.BytesIO(pictures.picture(source, asked)[0])).convert("RGB")
    sheet = pictures._Author(source, asked).sheet(0)
    sheet.figure.canvas.draw()
    for ax in sheet.axes:
        across, up = ax.transData.transform((GRID.x[GAUGE[1]], GRID.y[GAUGE[0]])) / sheet.figure.bbox.size
        pixel = image.getpixel((int(across * image.width), int((1 - up) * image.height)))
        assert pixel == tuple(RAIN.rgba[RAIN.classify(17.0)][:3])
    assert "missing at this time" in key_of(source, asked, 2)


def test_nothing_piles_up_and_the_key_speaks_korean(source: Source) -> None:
    asked = order(source, "gif", overlays=["gauges", "slp", "wind_850"], language="ko")
    author = pictures._Author(source, asked)
    sheet = author.sheet(0)
    before = len(sheet.axes[0].get_children())
    for _ in range(2):
        sheet.show(author.panels(0), **author.headings(0), overlays=author.overlays.at(0))
    assert len(sheet.axes[0].get_children()) == before
    key = key_of(source, asked, 0)
    if author.remark:
        assert "Sea-level pressure, every 2 hPa" in key
    else:
        assert "해면기압, 2 hPa 간격, 굵은 선 4 간격" in key
        assert "우량계" in key


def test_orders_name_what_is_drawn_in_the_order_of_the_page(source: Source) -> None:
    asked = order(source, overlays=["gauges", "wind_850", "slp", "slp"])
    assert asked.overlays == ("slp", "wind_850", "gauges")
    assert "_slp-wind_850-gauges" in asked.name
    for wrong in (["gph_500"], ["<b>"], [["slp"]], "slp", [None]):
        with pytest.raises(SslpdlError, match="reload the page"):
            order(source, overlays=wrong)
