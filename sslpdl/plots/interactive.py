"""Maps and curves to browse in a notebook, with HoloViews, hvplot and GeoViews, all without a network.

Call `notebook` in the first cell.  Maps stay in the archive's own projection, so that no cell is moved or blended; rain
and probabilities are drawn from class indices, so that a colour means exactly one class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.plots.still import embedded, exporting, serving, thinned, without_foreign_fonts

if TYPE_CHECKING:
    import xarray as xr

    from sslpdl.grid import Grid
    from sslpdl.plots.palettes import Palette

__all__ = ["browse", "coastline", "geographic", "lines", "map_projection", "notebook", "stations"]

_MAP_HEIGHT = 520
_LINE = {"color": "#444444", "line_width": 1.0}


def notebook() -> None:
    """Prepare a notebook for interactive pictures that need no network; call it in the first cell.

    The scripts of the plotting libraries are put into the notebook itself.  This must come before hvplot is imported:
    afterwards HoloViews would ask a content network for them, and offline every plot would be blank.
    """
    from IPython.utils.capture import capture_output

    if exporting():
        # the pages of an export share the scripts: none of them goes into a notebook
        with capture_output():
            _load()
    else:
        _load()


def _load() -> None:
    # what is imported at the call of the extension is embedded; importing hvplot calls HoloViews' own, from the network
    import cartopy
    import geoviews  # noqa: F401
    import holoviews as hv
    import panel as pn

    from sslpdl.data import natural_earth_dir

    hv.extension.inline = True
    pn.extension(inline=True)
    import hvplot.xarray  # noqa: F401  (gives xarray its .hvplot)

    if serving():
        without_foreign_fonts()
    cartopy.config["pre_existing_data_dir"] = str(natural_earth_dir())
    # drawing by WebGL is many times slower where no graphics card helps, and no faster elsewhere at these sizes
    hv.renderer("bokeh").webgl = False


def map_projection(grid: Grid) -> Any:
    """Return the projection of a grid for cartopy and GeoViews.

    Parameters
    ----------
    grid : Grid
        Any grid; a longitude-latitude one gives the plate carrée projection.

    Returns
    -------
    cartopy.crs.CRS
    """
    import cartopy.crs as ccrs

    if grid.geographic:
        return ccrs.PlateCarree()
    mapping = grid.crs.to_cf()
    if mapping["grid_mapping_name"] != "lambert_conformal_conic":
        return ccrs.Projection(grid.crs)
    parallels = np.atleast_1d(mapping["standard_parallel"])
    return ccrs.LambertConformal(
        central_longitude=mapping["longitude_of_central_meridian"],
        central_latitude=mapping["latitude_of_projection_origin"],
        false_easting=mapping["false_easting"],
        false_northing=mapping["false_northing"],
        standard_parallels=tuple(float(parallel) for parallel in parallels),
        globe=ccrs.Globe(
            semimajor_axis=mapping["semi_major_axis"], semiminor_axis=mapping["semi_minor_axis"], ellipse=None
        ),
    )


def coastline(grid: Grid, *, resolution: str = "50m") -> Any:
    """Return the coastline and the border on a grid as one HoloViews path, in kilometres (degrees on a lat-lon grid).

    Parameters
    ----------
    grid : Grid
        Grid whose projection and outline are used.
    resolution : {"10m", "50m", "110m"}
        Natural Earth resolution.
    """
    import holoviews as hv

    from sslpdl.plots.maps import map_lines

    gap = np.full((1, 2), np.nan)
    pieces = [
        part
        for kind in ("coastline", "borders")
        for line in map_lines(grid, kind, resolution)
        for part in (line / _scale(grid), gap)
    ]
    # one path with gaps draws several times faster than a hundred paths
    path = hv.Path([np.concatenate(pieces)], kdims=["x", "y"], label="coast")
    return path.opts(**_LINE, apply_ranges=False)


def stations(grid: Grid) -> Any:
    """Return the cities inside a grid as labelled HoloViews points, coordinates as in `coastline`."""
    import holoviews as hv

    from sslpdl.data import stations as places

    scale, (left, bottom, right, top) = _scale(grid), grid.bounds
    rows = []
    for place in places():
        x, y = (float(value) for value in grid.xy(place.lon, place.lat))
        if left < x < right and bottom < y < top:
            rows.append((x / scale, y / scale, place.name))
    points = hv.Points(rows, kdims=["x", "y"], vdims=["name"])
    labels = hv.Labels(points, kdims=["x", "y"], vdims=["name"])
    dots = points.opts(color="black", size=4, tools=["hover"], apply_ranges=False)
    return dots * labels.opts(text_font_size="8pt", yoffset=9, text_color="black", apply_ranges=False)


def browse(
    field: xr.DataArray,
    *,
    grid: Grid,
    palette: Palette | None = None,
    title: str = "",
    start: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Return a map of a field with one slider for each dimension besides ``y`` and ``x``.

    Parameters
    ----------
    field : DataArray (..., y, x)
        What to show.  Values are read when a slider asks for them.
    grid : Grid
        Grid of the field.
    palette : Palette, optional
        Exact classes and colours, drawn by HoloViews; without it hvplot draws a continuous colour scale.
    title : str, optional
        Heading; the field's long name by default.
    start : mapping of dimension to value, optional
        Where sliders stand at first; at the first value by default.
    **options
        Handed to hvplot or to ``holoviews.Image``, such as ``cmap`` or ``clim``.

    Returns
    -------
    panel.pane.HoloViews
        As the last line of a cell it appears with its sliders; its ``object`` is the HoloViews overlay.  For an
        exported page it is HTML with some positions of the sliders stored, see `sslpdl.plots.still`.
    """
    import hvplot.xarray  # noqa: F401

    scale = _scale(grid)
    name, long_name, units = _named(field)
    shown = field.rename(name).drop_vars([c for c in field.coords if c not in field.dims])
    shown = shown.assign_coords(x=field["x"].values / scale, y=field["y"].values / scale)
    sliders = [str(dimension) for dimension in field.dims if dimension not in ("y", "x")]
    if exporting():
        # every position is stored in the page
        first = {axis: (start or {}).get(axis, shown[axis].values[0]) for axis in sliders}
        shown = shown.sel({axis: thinned(list(shown[axis].values), first[axis]) for axis in sliders})
    common: dict[str, Any] = {
        "title": title or long_name,
        "xlabel": "x [km]" if scale != 1 else "longitude",
        "ylabel": "y [km]" if scale != 1 else "latitude",
        "frame_height": _MAP_HEIGHT,
        "aspect": "equal",
    }
    if palette is None:
        image = shown.hvplot.image(
            x="x", y="y", groupby=sliders, dynamic=True, **{**common, "cmap": "viridis", "clabel": units, **options}
        )
        if sliders and start:
            image = image.redim.default(**start)
    else:
        image = _classified(shown, sliders, palette, start or {}).opts(**{**common, **options})
    return _pane(image * coastline(grid))


def geographic(field: xr.DataArray, *, grid: Grid, title: str = "", cmap: str = "viridis", **options: Any) -> Any:
    """Return a GeoViews map of one field with cartopy's coastline and border, in the grid's own projection.

    Parameters
    ----------
    field : DataArray (y, x)
        What to show.
    grid : Grid
        Grid of the field.
    title, cmap
        Heading and colour map.
    **options
        Further options of ``geoviews.Image``, such as ``clim``.
    """
    import cartopy.feature as cfeature
    import geoviews as gv

    projection = map_projection(grid)
    name, long_name, units = _named(field)
    label = f"{long_name} [{units}]" if units else long_name
    bare = field.drop_vars([c for c in field.coords if c not in field.dims]).rename(name)
    image = gv.Image(bare, kdims=["x", "y"], vdims=[(name, label)], crs=projection)
    overlay = image.opts(cmap=cmap, colorbar=True, tools=["hover"], **options)
    for feature in (cfeature.COASTLINE, cfeature.BORDERS):
        overlay = overlay * gv.Feature(feature).opts(scale="50m", apply_ranges=False, **_LINE)
    left, bottom, right, top = grid.bounds
    framed = overlay.opts(
        projection=projection,
        frame_height=_MAP_HEIGHT,
        frame_width=round(_MAP_HEIGHT * (right - left) / (top - bottom)),
        xlim=(left, right),
        ylim=(bottom, top),
        title=title or label,
    )
    return _pane(framed)


def lines(values: xr.DataArray, *, x: str, by: str | None = None, title: str = "", **options: Any) -> Any:
    """Return curves over one dimension, one for each entry of another, drawn by hvplot.

    Parameters
    ----------
    values : DataArray
        One or two dimensions.
    x, by : str
        Dimension along the axis, and dimension of the curves.
    title : str, optional
        Heading.
    **options
        Handed to hvplot.
    """
    import hvplot.xarray  # noqa: F401

    arguments = {"x": x, "by": by, "title": title, "frame_height": 260, "frame_width": 560, "grid": True}
    return _pane(values.rename(str(values.name or "value")).hvplot.line(**{**arguments, **options}))


def _pane(drawing: Any) -> Any:
    """Return a HoloViews object as a Panel pane: HoloViews itself would ask the network for style sheets."""
    import panel as pn

    kind: Any = pn.pane.HoloViews  # untyped
    pane = kind(drawing, widget_location="top")
    return embedded(pane.layout) if exporting() else pane


def _named(field: xr.DataArray) -> tuple[str, str, str]:
    """Return name, long name and unit; a single channel of an archive's fields goes by the name of the channel."""
    channel = field.coords.get("channel")
    if channel is not None and channel.ndim == 0 and str(channel.item()) in CHANNELS:
        about = CHANNELS[str(channel.item())]
        return about.name, about.long_name, about.units
    name = str(field.name or "value")
    return name, str(field.attrs.get("long_name", name)), str(field.attrs.get("units", ""))


def _scale(grid: Grid) -> float:
    return 1.0 if grid.geographic else 1000.0


def _classified(field: xr.DataArray, sliders: list[str], palette: Palette, start: Mapping[str, Any]) -> Any:
    """Return images of class indices, with the value under the pointer, one for each position of the sliders."""
    import holoviews as hv
    from bokeh.models import FixedTicker

    name = str(field.name)

    def image(*position: Any) -> Any:
        values = field.sel(dict(zip(sliders, position, strict=True))).values
        classes = palette.classify(values)
        if exporting():  # small, because every position is stored: without the value under the pointer
            return hv.Image((field["x"].values, field["y"].values, classes), kdims=["x", "y"], vdims=["class"])
        parts = (field["x"].values, field["y"].values, classes.astype("float32"), values)
        return hv.Image(parts, kdims=["x", "y"], vdims=["class", name])

    dimensions = [
        hv.Dimension(name, values=list(field[name].values), default=start.get(name, field[name].values[0]))
        for name in sliders
    ]
    maps: Any = hv.DynamicMap(image, kdims=dimensions) if sliders else image()
    # the lower edge of class k lies between the colours k - 1 and k
    ticks = [index + 0.5 for index in range(len(palette.edges))]
    percent = palette.units == "1"
    labels = [f"{edge:.0%}" for edge in palette.edges] if percent else palette.labels
    return maps.opts(
        hv.opts.Image(
            cmap=list(palette.hex),
            clim=(-0.5, palette.size - 0.5),
            colorbar=True,
            clabel="probability" if percent else palette.units,
            colorbar_opts={
                "ticker": FixedTicker(ticks=ticks),
                "major_label_overrides": dict(zip(ticks, labels, strict=True)),
            },
            tools=["hover"],
        )
    )
