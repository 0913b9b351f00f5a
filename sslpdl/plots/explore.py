"""Controls that redraw a figure, for notebooks.

The same explorer is made of ipywidgets in JupyterLab and VS Code, of Panel's widgets under ``panel serve``, and of
stored pictures in an exported page.  The picture is an image: it needs no plotting script in the browser, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import SslpdlError
from sslpdl.plots.still import exporting, player, serving, thinned, without_foreign_fonts
from sslpdl.plots.style import png

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from sslpdl.grid import Grid
    from sslpdl.models import TrainedModel

__all__ = ["Choice", "Slider", "explore", "label_explorer", "mask_explorer"]

_DPI = 80
_STORED = 6
"""Positions of a control in an exported page; every one is a picture of its own."""


@dataclass(frozen=True)
class Slider:
    """A number between two ends."""

    label: str
    value: float
    low: float
    high: float
    step: float

    @property
    def positions(self) -> list[tuple[str, Any]]:
        """All positions with their text."""
        count = round((self.high - self.low) / self.step) + 1
        values = np.linspace(self.low, self.high, count).round(6).tolist()
        whole = isinstance(self.value, int)
        return [(f"{value:g}", int(value) if whole else value) for value in values]


@dataclass(frozen=True)
class Choice:
    """One of some values, each with its text."""

    label: str
    value: Any
    options: Mapping[str, Any]

    @property
    def positions(self) -> list[tuple[str, Any]]:
        """All positions with their text."""
        return list(self.options.items())


Control = Slider | Choice


def explore(draw: Callable[..., Figure], *, alt: str = "", **controls: Control) -> Any:
    """Return controls above a figure that is drawn anew whenever one of them changes.

    Parameters
    ----------
    draw : callable
        Takes the values of the controls by name and returns a figure.
    alt : str, optional
        What the figure shows, for those who cannot see it.
    **controls : Slider or Choice
        Controls, by the name of the argument they give.

    Returns
    -------
    ipywidgets.VBox, panel.Column or IPython.display.HTML
        What the place shows: a notebook, a page of ``panel serve``, or an exported page.  A choice that `draw` refuses
        with an `SslpdlError` shows the sentence and keeps the last picture.
    """
    if exporting():
        return _stored(draw, controls, alt)
    return _served(draw, controls, alt) if serving() else _in_notebook(draw, controls)


def label_explorer(rain: xr.DataArray, *, grid: Grid) -> Any:
    """Return an explorer of the labels: thresholds and label parameters beside curves, class shares and a map.

    Parameters
    ----------
    rain : DataArray (y, x)
        Observed rain [mm per window], NaN where missing.
    grid : Grid
        Grid of the rain.
    """
    from sslpdl.labels import LabelConfig
    from sslpdl.plots.lessons import label_figure

    def draw(*, light: float, heavy: float, transform: str | None, **settings: Any) -> Figure:
        config = LabelConfig(kind="mixed", transform=transform, **settings)
        return label_figure(rain, thresholds=(light, heavy), config=config, grid=grid)

    return explore(
        draw,
        alt="Label of each class over rain, class shares of the map, and the map of the heaviest class",
        light=Slider("light ≥ [mm]", 0.1, 0.1, 5.0, 0.1),
        heavy=Slider("heavy ≥ [mm]", 10.0, 1.0, 50.0, 1.0),
        alpha=Slider("α smoothing", 0.0, 0.0, 1.0, 0.05),
        beta=Slider("β one-hot", 0.0, 0.0, 1.0, 0.05),
        rho=Slider("ρ ramp width", 1.0, 0.05, 1.0, 0.05),
        symmetric=Choice("ramp", False, {"ends at the threshold": False, "centred on it": True}),
        transform=Choice("scale", None, {"millimetres": None, "log1p": "log1p", "sqrt": "sqrt"}),
    )


def mask_explorer(model: TrainedModel, fields: xr.DataArray, *, grid: Grid, channel: str = "rh_850") -> Any:
    """Return an explorer of a reconstruction: share of hidden tokens, which tokens, and the variable shown.

    Parameters
    ----------
    model : TrainedModel
        A pre-trained model.
    fields : DataArray (channel, y, x)
        One forecast field of an archive, with the model's channels.
    grid : Grid
        Grid of the fields.
    channel : str
        Variable shown first.
    """
    from sslpdl.plots.inside import reconstruction_figure

    values = fields.sel(channel=list(model.channels)).values.astype(np.float32)

    def draw(*, mask_ratio: float, seed: int, channel: str) -> Figure:
        filled, hidden = model.reconstruct(values[None], mask_ratio=mask_ratio, seed=seed)
        parts = (values, filled[0], hidden[0])
        return reconstruction_figure(*parts, channels=model.channels, show=[channel], grid=grid)

    return explore(
        draw,
        alt="Input, what was seen, reconstruction and difference of one variable",
        mask_ratio=Slider("hidden share", 0.9, 0.0, 0.95, 0.05),
        seed=Slider("draw", 0, 0, 9, 1),
        channel=Choice("variable", channel, {name: name for name in model.channels}),
    )


def _in_notebook(draw: Callable[..., Figure], controls: Mapping[str, Control]) -> Any:
    import ipywidgets as widgets

    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start"))
    message = widgets.HTML()
    inputs = {name: _ipywidget(control) for name, control in controls.items()}

    def redraw(_change: Any = None) -> None:
        try:
            values = {name: _chosen(controls[name], one.value) for name, one in inputs.items()}
            picture.value = png(draw(**values), dpi=_DPI)
            message.value = ""
        except SslpdlError as error:
            message.value = f"<em>{error}</em>"

    for one in inputs.values():
        one.observe(redraw, names="value")
    redraw()
    rows = widgets.Layout(display="flex", flex_flow="row wrap")
    return widgets.VBox([widgets.HBox(list(inputs.values()), layout=rows), message, picture])


def _places(choice: Choice) -> tuple[dict[str, int], int]:
    """Return the places of the options by their text, and where the choice stands at first.

    Widgets hold places and not values: a value of None would mean that nothing is chosen.
    """
    return {text: place for place, text in enumerate(choice.options)}, list(choice.options.values()).index(choice.value)


def _chosen(control: Control, held: Any) -> Any:
    """Return the value that a widget of a control stands for."""
    return list(control.options.values())[held] if isinstance(control, Choice) else held


def _ipywidget(control: Control) -> Any:
    import ipywidgets as widgets

    style = {"description_width": "110px"}
    if isinstance(control, Choice):
        places, first = _places(control)
        return widgets.Dropdown(options=list(places.items()), value=first, description=control.label, style=style)
    whole = isinstance(control.value, int)
    kind = widgets.IntSlider if whole else widgets.FloatSlider
    # a figure takes about half a second: redraw when the slider is let go, not at every pixel of its way
    return kind(
        value=control.value,
        min=control.low,
        max=control.high,
        step=control.step,
        description=control.label,
        continuous_update=False,
        readout_format="d" if whole else ".2f",
        style=style,
    )


def _served(draw: Callable[..., Figure], controls: Mapping[str, Control], alt: str) -> Any:
    import panel as pn

    without_foreign_fonts()
    inputs = {name: _panel_widget(control) for name, control in controls.items()}

    message = pn.pane.Str("")
    picture = pn.pane.PNG(None, alt_text=alt, sizing_mode="scale_width", max_width=1040)

    def redraw(*_events: Any) -> None:
        try:
            values = {name: _chosen(controls[name], one.value) for name, one in inputs.items()}
            picture.object = png(draw(**values), dpi=_DPI)
            message.object = ""
        except SslpdlError as error:
            message.object = str(error)

    for one in inputs.values():
        one.param.watch(redraw, "value_throttled" if hasattr(one, "value_throttled") else "value")
    redraw()
    return pn.Column(pn.FlexBox(*inputs.values()), message, picture)


def _panel_widget(control: Control) -> Any:
    import panel as pn

    if isinstance(control, Choice):
        places, first = _places(control)
        return pn.widgets.Select(name=control.label, options=places, value=first, width=240)
    kind: Any = pn.widgets.IntSlider if isinstance(control.value, int) else pn.widgets.FloatSlider
    return kind(
        name=control.label, value=control.value, start=control.low, end=control.high, step=control.step, width=240
    )


def _stored(draw: Callable[..., Figure], controls: Mapping[str, Control], alt: str) -> Any:
    """Return pictures of each control's positions, the others at their start."""
    start = {name: control.value for name, control in controls.items()}
    first = png(draw(**start), dpi=_DPI)
    pictures, starts = {}, {}
    for name, control in controls.items():
        names = {position: text for text, position in control.positions}
        nearest = min(names, key=lambda value: value != control.value)
        kept = thinned(list(names), nearest, count=_STORED)
        frames = []
        for value in kept:
            try:
                picture = first if value == control.value else png(draw(**{**start, name: value}), dpi=_DPI)
            except SslpdlError:
                continue  # a choice that is refused has no picture
            frames.append((names[value], picture))
        pictures[control.label] = frames
        starts[control.label] = [text for text, _ in frames].index(names[nearest])
    return player(pictures, starts=starts, alt=alt)
