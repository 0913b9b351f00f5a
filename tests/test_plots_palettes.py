"""Palettes: exact classes, readable edges, colours that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sslpdl.errors import ConfigError
from sslpdl.plots import PALETTES, PROBABILITY, RAIN, RAIN_SAFE, Palette, palette
from sslpdl.plots.field_palettes import CHANGE, DIFFERENCE, DISAGREEMENT, FIELD_PALETTES
from sslpdl.plots.palettes import MISSING, MISSING_DARK

EVERY = list(PALETTES.values())
NAMES = list(PALETTES)


@pytest.mark.parametrize("chosen", EVERY, ids=NAMES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_no_value_of_a_million_gets_a_wrong_class(chosen: Palette, kind: str) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.gamma(0.4, 0.3 * chosen.edges[-1], 10**6), chosen.edges, [0.0, np.nan]]).astype(kind)
    index = chosen.classify(values)
    edges = np.array(chosen.edges, kind)
    expected = np.where(np.isnan(values), chosen.bad_index, (values[:, None] >= edges).sum(axis=1))
    assert np.array_equal(index, expected)


@pytest.mark.parametrize("chosen", EVERY, ids=NAMES)
def test_an_edge_belongs_to_the_class_above(chosen: Palette) -> None:
    for kind in ("float32", "float64"):
        edges = np.array(chosen.edges, kind)
        assert chosen.classify(edges).tolist() == list(range(1, len(edges) + 1))
        assert chosen.classify(np.nextafter(edges, edges.dtype.type(-1))).tolist() == list(range(len(edges)))


def test_classes_by_hand() -> None:
    assert RAIN.classify([0.0, 0.09, 0.1, 9.99, 10, 149.9, 150, 1e9, np.nan]).tolist() == [
        0,
        0,
        1,
        7,
        8,
        18,
        19,
        19,
        20,
    ]
    assert PROBABILITY.classify(np.float32([0.0, 0.1, 0.7, 0.9, 1.0])).tolist() == [0, 1, 7, 9, 9]
    assert RAIN.classify(np.array([0, 1, 150], np.int16)).tolist() == [0, 3, 19]
    assert RAIN.classify(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize("chosen", EVERY, ids=NAMES)
def test_labels_are_the_edges_and_none_are_alike(chosen: Palette) -> None:
    assert [float(label) for label in chosen.labels] == list(chosen.edges)
    assert len(set(chosen.labels)) == len(chosen.labels)
    assert len(chosen.intervals) == chosen.size == len(chosen.hex) == len(chosen.rgba)
    assert chosen.intervals[-1] == "no data"
    assert chosen.to_dict()["hex"][chosen.bad_index] == chosen.bad


@pytest.mark.parametrize("chosen", EVERY, ids=NAMES)
def test_tables_hold_the_named_colours(chosen: Palette) -> None:
    for colour, row in zip(chosen.hex, chosen.rgba, strict=True):
        assert tuple(row[:3]) == tuple(round(255 * c) for c in to_rgb(colour))
        assert row[3] == (0 if colour == chosen.under else 255)
    image = chosen.cmap()(chosen.norm()(np.arange(chosen.size)), bytes=True)
    assert np.array_equal(image, chosen.rgba)
    assert len({tuple(row) for row in chosen.rgba}) == chosen.size
    with pytest.raises(ValueError, match="read-only"):
        chosen.rgba[0] = 0


def luminance(colour: str) -> float:
    """Return the relative luminance of the web's accessibility guidelines."""
    c = np.array(to_rgb(colour))
    return float(np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


# how people without red or green cones see: Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
DEFICIENCIES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colours: tuple[str, ...], deficiency: str | None) -> np.ndarray:
    """Return CIE L*a*b* (D65) of colours as seen with a colour-vision deficiency."""
    c = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    if deficiency:
        linear = np.clip(linear @ np.array(DEFICIENCIES[deficiency]).T, 0, 1)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(matrix).T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("chosen", [RAIN_SAFE, PROBABILITY], ids=["safe", "probability"])
def test_order_and_neighbours_survive_colour_vision_deficiency(chosen: Palette) -> None:
    shades = [luminance(colour) for colour in chosen.hex[1:-1]]
    assert shades == sorted(shades, reverse=True)
    # the heaviest class stands out from the paper
    assert 1.05 / (shades[-1] + 0.05) > 7
    for deficiency in (None, "protan", "deutan"):
        seen = lab(chosen.hex[1:-1], deficiency)
        assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 6, deficiency


@pytest.mark.parametrize("chosen", EVERY, ids=NAMES)
def test_missing_is_neither_dry_nor_any_class(chosen: Palette) -> None:
    background = ("#ffffff", "#e9f0f5", "#f6f4ee")  # paper, sea and land under a dry cell
    colours = lab((chosen.bad, *background, *chosen.hex[1:-1]), None)
    assert np.linalg.norm(colours[1:] - colours[0], axis=1).min() > 12


@pytest.mark.parametrize("chosen", [*EVERY, *FIELD_PALETTES.values(), CHANGE, DIFFERENCE, DISAGREEMENT])
def test_missing_is_dark_and_no_class_on_a_dark_map(chosen: Palette) -> None:
    background = ("#101921", "#303e4a")  # sea and land of the page in the dark
    classes = [colour for colour in chosen.hex[:-1] if len(colour) == 7]
    colours = lab((MISSING_DARK, *background, *classes), None)
    assert np.linalg.norm(colours[1:] - colours[0], axis=1).min() > 12
    assert luminance(MISSING_DARK) < 0.2 * luminance(MISSING), "it does not glare"


def test_neighbouring_rain_classes_differ() -> None:
    seen = lab(RAIN.hex[1:-1], None)
    assert np.linalg.norm(np.diff(seen, axis=0), axis=1).min() > 6


def test_palettes_are_found_by_name_and_checked() -> None:
    assert palette("kma") is RAIN
    with pytest.raises(ConfigError, match="choose one of kma, safe, probability"):
        palette("rainbow")
    with pytest.raises(ValueError, match="need 1 colours"):
        Palette("x", "x", "mm", (1, 2), (), "#000000")
    with pytest.raises(ValueError, match="ascend"):
        Palette("x", "x", "mm", (2, 1), ("#ffffff",), "#000000")
