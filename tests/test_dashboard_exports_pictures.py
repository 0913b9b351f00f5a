"""Pictures and films that visitors download: every class has its colour, and the words say what and when."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from exports_helpers import COLUMN, ROW, arrays, make_source, order, pixels_of_seoul, rgb
from PIL import Image

from sslpdl.dashboard.exports import pictures
from sslpdl.dashboard.source import Source
from sslpdl.errors import SslpdlError
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.field_palettes import CHANGE, FIELD_PALETTES
from sslpdl.plots.palettes import PROBABILITY, RAIN, RAIN_SAFE, Palette
from sslpdl.plots.publication import MapPanel, Sheet


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("exports"))


@pytest.mark.parametrize(("dpi", "palette"), [(150, RAIN), (300, RAIN_SAFE)])
def test_png_has_the_colour_of_each_class_at_seoul(source: Source, dpi: int, palette: Any) -> None:
    asked = order(source, "png", dpi=dpi, palette=palette.name, region="capital_area", point=None)
    content, remark = pictures.picture(source, asked)
    assert remark == ""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    inches = pictures._Author(source, asked).sheet(1).figure.get_size_inches()
    assert image.size == tuple(int(length * dpi) for length in inches)
    assert image.size[0] > 1000 * dpi / 150
    rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, 1))
    expected = [rgb(palette, rain), rgb(PROBABILITY, chances[1]), rgb(palette, qpe)]
    assert len(set(expected)) == 3
    assert [image.getpixel(place) for place in pixels_of_seoul(source, asked, image.size)] == expected


def test_gif_has_a_picture_for_each_lead_time_in_exact_colours(source: Source) -> None:
    steps: list[tuple[int, int]] = []
    asked = order(source, "gif", fps=4, region="capital_area", point=None)
    content, _ = pictures.film(source, asked, lambda done, total: steps.append((done, total)))
    film = Image.open(io.BytesIO(content))
    assert film.n_frames == 3
    assert film.info["duration"] == 250
    assert film.info["loop"] == 0
    assert steps == [(1, 3), (2, 3), (3, 3)]
    places = pixels_of_seoul(source, asked, film.size)
    for k in range(3):
        film.seek(k)
        image = film.convert("RGB")
        rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, k))
        assert image.getpixel(places[0]) == rgb(RAIN, rain)
        assert image.getpixel(places[1]) == rgb(PROBABILITY, chances[1])
        if k < 2:
            assert image.getpixel(places[2]) == rgb(RAIN, qpe)


@pytest.mark.parametrize(
    "palettes",
    [(RAIN, PROBABILITY), (RAIN_SAFE, FIELD_PALETTES["t_850"], CHANGE, FIELD_PALETTES["rh"])],
    ids=["usual", "four maps"],
)
def test_every_class_keeps_its_colour_in_a_film(palettes: tuple[Palette, ...]) -> None:
    hexes = [colour for p in palettes for colour in p.hex if len(colour) == 7] + ["#ffffff"]
    classes = np.array([list(bytes.fromhex(colour[1:])) for colour in hexes], np.uint8)
    # beside each class colours that are almost the same, as smooth edges of lines have
    near = np.clip(classes[:, None].astype(int) + np.arange(-12, 13)[None, :, None], 0, 255).astype(np.uint8)
    image = np.repeat(np.concatenate([near, np.repeat(classes[:, None], 25, axis=1)], axis=1), 3, axis=0)
    film = Image.open(io.BytesIO(pictures.write_gif(lambda: iter([image, image[::-1]]), 4, palettes)))
    shown = np.asarray(film.convert("RGB"))[1::3, -1]
    np.testing.assert_array_equal(shown, classes)


def test_a_film_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MOST_BYTES", 50_000)
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    with pytest.raises(SslpdlError, match="choose fewer lead times"):
        pictures.write_gif(lambda: iter([noise, noise[::-1], noise[:, ::-1]]), 4, [RAIN])


def test_words_of_a_sheet_say_what_and_when(source: Source) -> None:
    sheet = pictures._Author(source, order(source, "png", language="ko")).sheet(1)
    texts = [text.get_text() for text in sheet.figure.texts] + [
        text.get_text() for ax in sheet.axes for text in ax.texts
    ]
    joined = " | ".join(texts)
    assert "18:00 UTC" in joined
    assert "03:00 KST" in joined
    assert "Test $x^2$ <b>" in joined, "a title is text and no formula"
    hangul = re.search("[가-힣]", joined)
    if pictures._Author(source, order(source, "png", language="ko")).remark:
        assert hangul is None, "no font: English, and no boxes"
        assert "SYNTHETIC DATA" in joined
        assert "Mon 8 Aug 2022 12:00 UTC (21:00 KST)" in joined
        assert "lead time +6 h" in joined
    else:
        assert hangul is not None
        assert "합성 자료" in joined


def test_a_sheet_marks_what_is_missing_and_widens_a_slit() -> None:
    empty = [MapPanel("A", "mm", None, RAIN, "nothing there")]
    left, bottom, _, top = KOREA_5KM.bounds
    sheet = Sheet(KOREA_5KM, empty, heading="x", box=(left, bottom, left + 20e3, top))
    width, height = (np.ptp(limits) for limits in (sheet.axes[0].get_xlim(), sheet.axes[0].get_ylim()))
    assert height / width == pytest.approx(1.95)
    assert "nothing there" in [text.get_text() for text in sheet.axes[0].texts]
    image = sheet.axes[0].images[0].get_array()
    assert (np.asarray(image)[..., :3] == RAIN.rgba[RAIN.bad_index][:3]).all()
    before = len(sheet.axes[0].get_children())
    sheet.show(empty, heading="y")
    assert len(sheet.axes[0].get_children()) == before, "nothing piles up from step to step"
