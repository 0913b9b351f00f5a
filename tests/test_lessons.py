"""What the notebooks are made of: looks inside a model, figures that teach, explorers, interactive maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from sslpdl import models
from sslpdl.archive import Statistics
from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError, ModelError
from sslpdl.grid import KOREA_5KM
from sslpdl.labels import LabelConfig
from sslpdl.models.inspection import hidden_cells, reconstruction_errors, sampling_points
from sslpdl.plots import RAIN, explore, inside, lessons, small_maps
from sslpdl.teaching.invented import REGION

GRID = KOREA_5KM.crop(64, 32, (64, 64))


def _trained(network) -> models.TrainedModel:
    moments = Statistics(channels=CANONICAL, mean=(1.0,) * 16, std=(2.0,) * 16)
    return models.TrainedModel(network=network, channels=CANONICAL, statistics=moments, thresholds=())


def _titles(figure) -> list[str]:
    return [title for axis in figure.axes if (title := axis.get_title(loc="left"))]


@pytest.fixture(scope="module")
def reconstruction() -> models.TrainedModel:
    torch.manual_seed(0)
    return _trained(models.build("tiny", classes=2, shape=GRID.shape).pretraining())


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    return np.random.default_rng(0).normal(1.0, 2.0, (2, 16, *GRID.shape)).astype("float32")


@pytest.fixture(scope="module")
def rain() -> xr.DataArray:
    values = np.zeros(GRID.shape, "float32")
    values[:, 20:30] = np.linspace(0, 40, 10)
    values[:5] = np.nan
    return xr.DataArray(values, dims=("y", "x"), coords={"y": GRID.y, "x": GRID.x}, name="rain", attrs={"units": "mm"})


def test_a_mask_hides_whole_tokens_and_the_right_share():
    config = models.preset("tiny", shape=GRID.shape)
    hidden = hidden_cells(config, mask_ratio=0.75, seed=3)
    assert hidden.shape == (16, 64, 64)
    # 4 slabs x 8 x 8 tokens, of which a quarter stays
    assert hidden.mean() == 0.75
    tokens = hidden.reshape(4, 4, 8, 8, 8, 8)
    assert np.array_equal(tokens.all(axis=(1, 3, 5)), tokens.any(axis=(1, 3, 5)))
    assert not np.array_equal(hidden, hidden_cells(config, mask_ratio=0.75, seed=4))


def test_errors_beside_trivial_predictors(reconstruction, fields):
    errors = reconstruction_errors(reconstruction, fields, mask_ratio=0.5, seed=1)
    _, hidden = reconstruction.reconstruct(fields, mask_ratio=0.5, seed=1)
    assert list(errors.index) == list(CANONICAL)
    # the climatological mean is 1 and the deviation 2, so its error is the size of the scaled hidden values
    scaled = (fields[:, 3] - 1.0) / 2.0
    assert errors.loc["slp", "climatological mean"] == pytest.approx(
        np.sqrt((scaled[hidden[:, 3]] ** 2).mean()), rel=1e-5
    )
    means = [scaled[b][~hidden[b, 3]].mean() for b in range(2)]
    left = np.concatenate([scaled[b][hidden[b, 3]] - means[b] for b in range(2)])
    assert errors.loc["slp", "mean of what was seen"] == pytest.approx(np.sqrt((left**2).mean()), rel=1e-4)


def test_missing_cells_do_not_count(reconstruction, fields):
    holes = fields.copy()
    holes[:, 5] = np.nan
    errors = reconstruction_errors(reconstruction, holes, mask_ratio=0.5)
    assert np.isnan(errors.loc[CANONICAL[5]]).all()
    assert np.isfinite(errors.drop(index=CANONICAL[5])).all(axis=None)


def test_a_new_layer_samples_its_neighbours(reconstruction, fields):
    points = sampling_points(reconstruction, fields[0], row=20, column=40, stage=1)
    # stage 1 has a stride of 4 and 32 channels in two groups: cell (5, 10), centre (21.5, 41.5), neighbours 4 away
    assert points.rows.shape == points.columns.shape == (2, 9)
    assert sorted(set(points.rows.ravel().tolist())) == [17.5, 21.5, 25.5]
    assert sorted(set(points.columns.ravel().tolist())) == [37.5, 41.5, 45.5]
    # the points run along x slowest
    assert points.columns[0].tolist() == [37.5] * 3 + [41.5] * 3 + [45.5] * 3
    np.testing.assert_allclose(points.weights, 1 / 9, rtol=1e-6)
    assert not points.displacement.any()


def test_learnt_offsets_move_the_points(fields):
    network = models.build("tiny", classes=2, shape=GRID.shape).pretraining()
    layer = network.encoder.backbone.stages[0][0].mixer
    with torch.no_grad():
        layer.offset.bias[0::2] = 1.5  # every dx
    points = sampling_points(_trained(network), fields[0], row=20, column=40, stage=0)
    # stride 2: centre column 40.5, half a window of 2 cells, moved by 1.5 of them
    assert sorted(set(points.columns[0].tolist())) == [38.5 + 3, 40.5 + 3, 42.5 + 3]
    np.testing.assert_allclose(points.displacement, 1.5)


def test_a_model_without_deformable_convolution_is_refused(fields):
    network = models.build("tiny", classes=2, shape=GRID.shape, dcn="depthwise").pretraining()
    with pytest.raises(ModelError, match="no deformable convolution"):
        sampling_points(_trained(network), fields[0], row=0, column=0)


def test_label_figure_shows_the_shares_of_the_map(rain):
    figure = lessons.label_figure(rain, thresholds=(0.1, 10.0), config=LabelConfig("pdl"), grid=GRID)
    curves, shares, area, *_ = figure.axes
    hard = [bar.get_height() for bar in shares.patches[:3]]
    known = rain.values[np.isfinite(rain.values)]
    assert hard == pytest.approx(
        [100 * (known < 0.1).mean(), 100 * ((known >= 0.1) & (known < 10)).mean(), 100 * (known >= 10).mean()]
    )
    assert "≥ 10 mm" in area.get_title(loc="left")
    assert len(curves.lines) == 6


def test_figures_have_one_map_for_each_thing(reconstruction, fields):
    filled, hidden = reconstruction.reconstruct(fields[:1], mask_ratio=0.5)
    show = ["slp", "rain"]
    figure = inside.reconstruction_figure(fields[0], filled[0], hidden[0], channels=CANONICAL, grid=GRID, show=show)
    titles = _titles(figure)
    assert titles[0] == "slp: input" and titles[4] == "rain: input" and len(titles) == 8
    part = xr.DataArray(fields[0][:5], dims=("channel", "y", "x"), coords={"channel": list(CANONICAL[:5])})
    figure = small_maps.channels_figure(part, grid=GRID)
    assert _titles(figure)[0] == "gph_100 [gpm]"


@pytest.mark.parametrize("grid", [KOREA_5KM, REGION], ids=["high", "wide"])
def test_colour_bars_of_small_maps_are_about_as_high_as_the_maps(grid):
    part = xr.DataArray(np.random.default_rng(0).random((5, *grid.shape)), dims=("channel", "y", "x"))
    figure = small_maps.channels_figure(part.assign_coords(channel=list(CANONICAL[:5])), grid=grid)
    figure.canvas.draw()
    heights = [axis.get_position().height for axis in figure.axes if axis.axison]
    maps, bars = heights[:5], heights[5:]
    assert len(bars) == 5
    assert max(bars) < 1.25 * max(maps)


def test_learning_curve_keeps_numbers_and_reference():
    curve = pd.Series([1.0, 0.5], index=[10.0, 20.0])
    figure = lessons.learning_figure({"a": curve}, ylabel="loss", reference=0.9)
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    assert list(drawn[0]) == [1.0, 0.5]
    assert list(drawn[1]) == [0.9, 0.9]


@pytest.mark.parametrize("title", ["step", "8 Aug 2022 12 UTC\n(21 KST)"])
def test_maps_side_by_side_keep_titles_and_degrees(title):
    figure = lessons.maps_figure({title + " " * i: np.zeros(KOREA_5KM.shape) for i in range(4)}, grid=KOREA_5KM)
    figure.canvas.draw()
    for axis in figure.axes[:-1]:
        box = axis.get_tightbbox()
        assert box.y0 >= 0
        assert box.y1 <= figure.bbox.y1


def test_sliders_redraw_the_picture_and_mistakes_are_told(rain):
    pytest.importorskip("ipywidgets")
    box = explore.label_explorer(rain, grid=GRID)
    controls, message, picture = box.children
    by_name = {control.description: control for control in controls.children}
    assert by_name["scale"].label == "millimetres", "what is chosen shows, None included"
    for name, value in (("β one-hot", 0.5), ("ρ ramp width", 0.2)):
        before = picture.value
        by_name[name].value = value
        assert picture.value != before, name
    for name, place in (("ramp", 1), ("scale", 2), ("scale", 0)):
        before = picture.value
        by_name[name].index = place  # as the browser does
        assert picture.value != before, name
    assert by_name["scale"].label == "millimetres", "and shows when it is chosen again"
    before = picture.value
    by_name["heavy ≥ [mm]"].value = 1.0
    by_name["light ≥ [mm]"].value = 3.0
    assert "increasing" in message.value
    by_name["light ≥ [mm]"].value = 0.5
    assert not message.value and picture.value != before


def test_mask_explorer_answers(reconstruction, fields):
    pytest.importorskip("ipywidgets")
    part = xr.DataArray(fields[0], dims=("channel", "y", "x"), coords={"channel": list(CANONICAL)})
    controls, _, picture = explore.mask_explorer(reconstruction, part, grid=GRID, channel="slp").children
    for control, name, value in zip(controls.children, ("value", "value", "label"), (0.3, 5, "rain"), strict=True):
        before = picture.value
        setattr(control, name, value)
        assert picture.value != before


def test_browsing_shows_exact_classes_at_the_chosen_start(rain):
    hv = pytest.importorskip("holoviews")
    pytest.importorskip("hvplot")
    from sslpdl.plots import interactive

    hv.extension("bokeh")
    both = xr.concat([rain, 2 * rain], pd.Index([3, 6], name="lead_time"))
    pane = interactive.browse(both, grid=GRID, palette=RAIN, start={"lead_time": 6})
    assert pane.object.kdims[0].default == 6
    image = pane.object[6].Image.I
    np.testing.assert_array_equal(image.dimension_values("class", flat=False), RAIN.classify(2 * rain.values))
    plain = interactive.browse(rain, grid=GRID)
    assert plain.object.Image.I.dimension_values("x", expanded=False)[0] == pytest.approx(GRID.x0 / 1000)


def test_projection_for_cartopy_agrees_with_the_grid():
    ccrs = pytest.importorskip("cartopy.crs")
    from sslpdl.plots import interactive

    projection = interactive.map_projection(KOREA_5KM)
    x, y = projection.transform_point(126.978, 37.5665, ccrs.PlateCarree(globe=projection.globe))
    row, column = (y - KOREA_5KM.y0) / KOREA_5KM.dy, (x - KOREA_5KM.x0) / KOREA_5KM.dx
    assert (row, column) == pytest.approx((111.71, 48.81), abs=0.01)


def test_scores_with_intervals_as_text():
    from sslpdl.verify import with_intervals

    row = {
        "region": "all",
        "lead_time": "all",
        "hour": "all",
        "threshold": 1.0,
        "model": "raw",
        "score": "csi",
        "events": 7,
    }
    table = pd.DataFrame(
        [
            {**row, "value": 0.314, "lower": 0.25, "upper": 0.351},
            {**row, "model": "ours", "value": np.nan, "lower": np.nan, "upper": np.nan},
            {**row, "score": "far", "value": 0.5, "lower": np.nan, "upper": np.nan},
            {**row, "score": "bss", "value": -0.2, "lower": -0.33, "upper": -0.04},
        ]
    )
    text = with_intervals(table, ["csi", "far", "bss"])
    assert text.loc[(1.0, "raw"), "csi"] == "0.31 (0.25–0.35)"
    assert text.loc[(1.0, "raw"), "far"] == "0.50"
    assert text.loc[(1.0, "raw"), "bss"] == "-0.20 (-0.33 to -0.04)"
    assert text.loc[(1.0, "ours"), "csi"] == "–"
    assert text.loc[(1.0, "raw"), "events"] == 7


def test_unknown_label_parameters_are_refused(rain):
    with pytest.raises(ConfigError):
        lessons.label_figure(rain, thresholds=(10.0, 0.1), config=LabelConfig("pdl"), grid=GRID)
