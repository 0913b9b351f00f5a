"""Sliders that redraw a figure, for notebooks: ipywidgets around figures of this package.

The picture is an image inside the widget, so that it needs no plotting script in the browser and works offline, in
JupyterLab and in VS Code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import SslpdlError
from sslpdl.plots.style import png

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from sslpdl.grid import Grid
    from sslpdl.models import TrainedModel

__all__ = ["explore", "label_explorer", "mask_explorer"]


def explore(draw: Callable[..., Figure], **controls: Any) -> Any:
    """Return controls above a figure that is drawn anew whenever one of them changes.

    Parameters
    ----------
    draw : callable
        Takes the values of the controls by name and returns a figure.
    **controls : ipywidgets widgets
        Sliders and the like, by the name of the argument they give.

    Returns
    -------
    ipywidgets.VBox
        A choice that `draw` refuses with an `SslpdlError` shows the sentence and keeps the last picture.
    """
    import ipywidgets as widgets

    picture = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", align_self="flex-start"))
    message = widgets.HTML()

    def redraw(_change: Any = None) -> None:
        try:
            figure = draw(**{name: control.value for name, control in controls.items()})
        except SslpdlError as error:
            message.value = f"<em>{error}</em>"
            return
        picture.value, message.value = png(figure, dpi=80), ""

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    rows = widgets.Layout(display="flex", flex_flow="row wrap")
    return widgets.VBox([widgets.HBox(list(controls.values()), layout=rows), message, picture])


def label_explorer(rain: xr.DataArray, *, grid: Grid) -> Any:
    """Return an explorer of the labels: thresholds and label parameters beside curves, class shares and a map.

    Parameters
    ----------
    rain : DataArray (y, x)
        Observed rain [mm per window], NaN where missing.
    grid : Grid
        Grid of the rain.
    """
    import ipywidgets as widgets

    from sslpdl.labels import LabelConfig
    from sslpdl.plots.lessons import label_figure

    def draw(*, light: float, heavy: float, transform: str | None, **settings: Any) -> Figure:
        config = LabelConfig(kind="mixed", transform=transform, **settings)
        return label_figure(rain, thresholds=(light, heavy), config=config, grid=grid)

    return explore(
        draw,
        light=_slider("light ≥ [mm]", 0.1, 0.1, 5.0, 0.1),
        heavy=_slider("heavy ≥ [mm]", 10.0, 1.0, 50.0, 1.0),
        alpha=_slider("α smoothing", 0.0, 0.0, 1.0, 0.05),
        beta=_slider("β one-hot", 0.0, 0.0, 1.0, 0.05),
        rho=_slider("ρ ramp width", 1.0, 0.05, 1.0, 0.05),
        symmetric=widgets.Checkbox(value=False, description="symmetric ramps"),
        transform=widgets.Dropdown(options=[("none", None), ("log1p", "log1p"), ("sqrt", "sqrt")], description="scale"),
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
    import ipywidgets as widgets

    from sslpdl.plots.inside import reconstruction_figure

    values = fields.sel(channel=list(model.channels)).values.astype(np.float32)

    def draw(*, mask_ratio: float, seed: int, channel: str) -> Figure:
        filled, hidden = model.reconstruct(values[None], mask_ratio=mask_ratio, seed=seed)
        parts = (values, filled[0], hidden[0])
        return reconstruction_figure(*parts, channels=model.channels, show=[channel], grid=grid)

    return explore(
        draw,
        mask_ratio=_slider("hidden share", 0.9, 0.0, 0.95, 0.05),
        seed=widgets.IntSlider(value=0, min=0, max=9, description="draw", continuous_update=False),
        channel=widgets.Dropdown(options=list(model.channels), value=channel, description="variable"),
    )


def _slider(text: str, value: float, low: float, high: float, step: float) -> Any:
    import ipywidgets as widgets

    # a figure takes a tenth of a second: redraw when the slider is let go, not at every pixel of its way
    return widgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=text,
        continuous_update=False,
        readout_format=".2f",
        style={"description_width": "110px"},
    )
