"""The maps as a picture for a report, and a film of a run, with the contents that the page shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl import __version__, data
from sslpdl.dashboard.basemap import basemap
from sslpdl.dashboard.exports.contents import Contents, names_its_window
from sslpdl.dashboard.exports.order import nearest_station
from sslpdl.dashboard.exports.over_maps import Overlays
from sslpdl.dashboard.exports.reading import Shown
from sslpdl.dashboard.exports.words import WORDS, when
from sslpdl.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from sslpdl.dashboard.exports.jobs import Progress
    from sslpdl.dashboard.exports.order import Order
    from sslpdl.dashboard.source import Source
    from sslpdl.plots.palettes import Palette
    from sslpdl.plots.publication import MapPanel, Place, Sheet

__all__ = ["film", "picture"]

_MOST_PICTURES = 150
_MOST_BYTES = 20_000_000
_FILM_DPI = 100
_NO_HANGUL = "No font with Hangul is installed on the server, so the words of the picture are English."


def picture(source: Source, order: Order) -> tuple[bytes, str]:
    """Return the maps at one lead time as a PNG file, and a remark for the reader or nothing.

    Raises
    ------
    ForecastError
        If the run cannot be read.
    """
    from sslpdl.plots.style import png

    author = _Author(source, order)
    (lead,) = order.leads
    return png(author.sheet(lead).figure, dpi=order.dpi), author.remark


def film(source: Source, order: Order, progress: Progress) -> tuple[bytes, str]:
    """Return the maps over some lead times as a GIF file, and a remark for the reader or nothing.

    Raises
    ------
    ConfigError
        If there are too many lead times.
    ForecastError
        If the run cannot be read.
    """
    if len(order.leads) > _MOST_PICTURES:
        raise ConfigError(f"a film has at most {_MOST_PICTURES} lead times; choose fewer.", kind="too_large")
    author = _Author(source, order)
    palettes = [panel.palette for panel in author.panels(order.leads[0])]
    inks = [overlay.ink for overlay in author.overlays.at(order.leads[0])]
    return write_gif(lambda: author.pictures(progress), order.fps, palettes, inks), author.remark


def write_gif(
    pictures: Callable[[], Iterator[NDArray[np.uint8]]],
    fps: int,
    palettes: Iterable[Palette],
    inks: Iterable[str] = (),
) -> bytes:
    """Return images (rows, columns, 3) as a GIF that begins again at its end.

    All classes and `inks` (``#rrggbb``) keep their own colours.

    Raises
    ------
    ConfigError
        If it becomes larger than 20 MB.
    """
    from PIL import Image

    rest = iter(pictures())
    first = Image.fromarray(next(rest))
    colours = _colours(first, palettes, inks)
    buffer = _Bounded()
    reduced = (Image.fromarray(image).quantize(palette=colours, dither=Image.Dither.NONE) for image in rest)
    step = 1000 // fps
    first.quantize(palette=colours, dither=Image.Dither.NONE).save(
        buffer, "GIF", save_all=True, append_images=reduced, duration=step, loop=0, optimize=False
    )
    return buffer.getvalue()


class _Bounded(io.BytesIO):
    """A file in memory that grows no larger than a film may be."""

    def write(self, content: Any, /) -> int:
        if self.tell() + len(content) > _MOST_BYTES:
            sentence = f"the film is larger than {_MOST_BYTES // 10**6} MB; choose fewer lead times."
            raise ConfigError(sentence, kind="too_large")
        return super().write(content)


def _colours(image: Image.Image, palettes: Iterable[Palette], inks: Iterable[str]) -> Image.Image:
    """Return an image that holds the palette of a film: classes and inks as they are, the rest from a picture."""
    from PIL import Image

    from sslpdl.plots.maps import LAND, SEA

    hexes = [colour for palette in palettes for colour in palette.hex if len(colour) == 7]
    fixed = list(
        dict.fromkeys(tuple(bytes.fromhex(colour[1:])) for colour in [*hexes, *inks, LAND, SEA, "#ffffff", "#ffb020"])
    )
    found = image.quantize(colors=256 - len(fixed), method=Image.Quantize.MEDIANCUT).getpalette() or []
    others = np.array(found, int).reshape(-1, 3)
    # Pillow looks up colours in steps of 4, by the lower corner: one within 8 of a class could be taken for it
    apart = np.abs(others[:, None] - np.array(fixed)[None]).max(axis=2).min(axis=1) > 8
    table = np.concatenate([np.array(fixed, int), others[apart]])[:256]
    holder = Image.new("P", (1, 1))
    holder.putpalette(table.astype(np.uint8).tobytes())
    return holder


class _Author:
    """Turns an order into sheets of maps."""

    def __init__(self, source: Source, order: Order) -> None:
        from sslpdl.plots.fonts import hangul_font

        self.source, self.order = source, order
        self.about = source.describe()
        self.remark = _NO_HANGUL if order.language == "ko" and hangul_font() is None else ""
        self.language = "en" if self.remark else order.language
        self.words = WORDS[self.language]
        self.shown = Shown(source, order.run)
        self.contents = Contents(self.shown, order, self.language)
        self.overlays = Overlays(self.shown, order, self.language)

    def sheet(self, lead: int) -> Sheet:
        """Return the maps of a lead time."""
        from sslpdl.plots.publication import Sheet

        return Sheet(
            self.source.grid,
            self.panels(lead),
            **self.headings(lead),
            box=self.order.box,
            badge=self.words["synthetic"] if self.about["synthetic"] else "",
            notes=self.notes(),
            places=self.places(),
            missing=self.words["missing"],
            overlays=self.overlays.at(lead),
        )

    def pictures(self, progress: Progress) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of a film."""
        from sslpdl.plots.style import pixels

        sheet = self.sheet(self.order.leads[0])
        for k, lead in enumerate(self.order.leads):
            if k:
                sheet.show(self.panels(lead), **self.headings(lead), overlays=self.overlays.at(lead))
            yield pixels(sheet.figure, dpi=_FILM_DPI)
            progress(k + 1, len(self.order.leads))

    def headings(self, lead: int) -> dict[str, str]:
        hours = self.source.lead_times[lead]
        start = np.datetime64(self.order.init_time, "m")
        regions = {region["name"]: region for region in basemap(self.source.grid).regions}
        region = self.words["whole"]
        if self.order.by_hand:
            region = self.words["view"]
        elif self.order.region:
            region = regions[self.order.region]["title_ko" if self.language == "ko" else "title"]
        # where sums or inputs are among the maps, each says its own window
        heading = "valid" if any(map(names_its_window, self.order.panels)) else "heading"
        valid = when(start + np.timedelta64(hours, "h"), self.language)
        return {
            "heading": self.words[heading].format(window=self.shown.window(lead), valid=valid),
            "subheading": self.words["run"].format(init=when(start, self.language), lead=hours, region=region),
        }

    def panels(self, lead: int) -> list[MapPanel]:
        from sslpdl.plots.publication import MapPanel

        found = [self.contents.of(code, lead) for code in self.order.panels]
        return [MapPanel(c.title, c.unit, c.values, c.palette, c.notice, c.names) for c in found]

    def notes(self) -> list[str]:
        words, about = self.words, self.about
        rows, columns = self.source.grid.shape
        unit, scale = ("°", 1.0) if self.source.grid.geographic else (" km", 1e-3)
        grid = words["grid"].format(grid=f"{rows} × {columns}, {self.source.grid.dx * scale:g}{unit}")
        if about["pooling"] > 1:
            grid += f", {words['pooled'].format(factor=about['pooling'])}"
        source = words["source"].format(source=about["source"]) if about["source"] else ""
        model = words["model"].format(model=about["model"]) if about["model"] else ""
        lines = ([about["title"], source], [model, grid, words["made"].format(version=__version__)])
        return ["  ·  ".join(part for part in line if part) for line in lines]

    def places(self) -> list[Place]:
        from sslpdl.plots.publication import Place

        def name(station: data.Station) -> str:
            return station.name_ko if self.language == "ko" else station.name

        found = [Place(name(station), station.lon, station.lat) for station in data.stations()]
        if self.order.point is not None:
            near = nearest_station(*self.order.point)
            lon, lat = self.order.point
            title = f"{abs(lat):.2f}°{'S' if lat < 0 else 'N'} {abs(lon):.2f}°{'W' if lon < 0 else 'E'}"
            found = [place for place in found if near is None or place.name != name(near)]
            found.insert(0, Place(title if near is None else name(near), lon, lat, chosen=True))
        return found
