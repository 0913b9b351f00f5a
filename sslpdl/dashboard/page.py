"""One session: the state from the address, the figures, and the runs that the viewer asks for."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import panel as pn

from sslpdl.dashboard import fields, overlays
from sslpdl.dashboard.audience import AUDIENCE
from sslpdl.dashboard.basemap import Basemap, basemap
from sslpdl.dashboard.catalogue import choose
from sslpdl.dashboard.counts import preload
from sslpdl.dashboard.figures import MAPS, MapFigures
from sslpdl.dashboard.frames import RAIN_PALETTES, Frames
from sslpdl.dashboard.places import known_places
from sslpdl.dashboard.requests import submit
from sslpdl.dashboard.source import Source, open_source
from sslpdl.dashboard.state import State
from sslpdl.dashboard.viewer import STATIC, Viewer
from sslpdl.errors import SslpdlError
from sslpdl.plots.palettes import MISSING, MISSING_DARK

if TYPE_CHECKING:
    from sslpdl.dashboard.settings import Settings
    from sslpdl.dashboard.uploads.batches import Receiver
    from sslpdl.grid import Grid

__all__ = ["configuration", "create"]

log = logging.getLogger(__name__)

KOREAN = {
    "no_archive": "설정된 경로에 자료가 없습니다.",
    "not_archive": "설정된 경로에 있는 것은 SSLPDL 자료가 아닙니다.",
    "newer_format": "더 새로운 SSLPDL로 만든 자료입니다. SSLPDL을 업그레이드하십시오.",
    "no_permission": "자료를 읽을 권한이 없습니다.",
    "damaged_archive": "자료가 손상되었습니다.",
    "no_runs": "자료에 초기시각이 하나도 없어 표시할 것이 없습니다.",
    "no_data": "이 서버에 그런 이름의 자료가 없습니다. 주소가 오래되었거나 올린 자료가 지워졌습니다.",
}
"""What the page of a problem says in Korean, by the kind of the error."""


def create(settings: Settings, receiver: Receiver | None = None) -> pn.template.Template:
    """Return the page of a session; what a user can put right is said on the page, in one sentence.

    Parameters
    ----------
    settings : Settings
        What to show.
    receiver : Receiver, optional
        What takes the files of visitors; without it they can send none.

    Returns
    -------
    Template
        Call `.servable()` on it, or return it to `panel.serve`.
    """
    try:
        source = open_source(choose(settings, State.from_query(_arguments()).data))
        session = Session(source, settings, receiver)
    except SslpdlError as error:
        log.error("%s", error)
        return _explain(error)
    template = _template("page.html", heading=source.title)
    template.add_panel("viewer", session.viewer)
    return template


def configuration(source: Source, grid: Grid, geography: Basemap) -> dict[str, Any]:
    """Return what the viewer needs to know once: data, grid, geography, palettes."""
    rows, columns = grid.shape
    return source.describe() | {
        "rows": rows,
        "columns": columns,
        "bounds": list(grid.bounds),
        "regions": geography.regions,
        "places": geography.places,
        "land": list(geography.land),
        "fine_coast": list(geography.lines["coastline-fine"]),
        "tables": geography.tables,
        "spacing": _spacing(grid),
        "covered": geography.covered,
        "projection": grid.proj4,
        "known_places": known_places(grid),
        "fields": fields.describe(source),
        "overlays": overlays.describe(source),
        "missing": {"light": MISSING, "dark": MISSING_DARK},
    }


class Session:
    """What belongs to one visitor.

    Attributes
    ----------
    source : Source
        What is shown.
    settings : Settings
        Of the server.
    shown : Settings
        Of what is shown, another archive of the folders perhaps.
    state : State
        What the address asked for.
    receiver : Receiver or None
        What takes the files of the visitor.
    user : str
        Who has signed in; empty where nobody has to.
    """

    def __init__(self, source: Source, settings: Settings, receiver: Receiver | None = None) -> None:
        self.source, self.settings, self.receiver = source, settings, receiver
        self.user = str(pn.state.user or "")
        self._document = pn.state.curdoc
        grid = source.grid
        geography = basemap(grid)
        self.shown = source.files.settings if source.files else settings
        self.state = first_state(source, geography, _arguments(), self.shown.view)
        self._figures = MapFigures(grid, geography)
        self.viewer = Viewer(
            config=configuration(source, grid, geography)
            | {"upload": receiver.describe() if receiver else None, "user": self.user},
            start=self._start(),
            sizing_mode="stretch_both",
            **{name: _pane(self._figures.plot(name)) for name in [*MAPS][: 4 if self.state.panels[3:] else 3]},
        )
        self.viewer.on_request(self._requested)
        at_hand = source.at_hand(self.state.init_time)
        if at_hand is not None:
            # the lead time that is looked at comes with the page, the others follow
            self._send(at_hand, lead=source.lead_times.index(self.state.lead_time or 0))
        pn.state.onload(self._ask)
        if self._document is not None and self._document.session_context is not None:
            self._document.on_session_destroyed(self._ended)
            AUDIENCE.enter(self)

    def _start(self) -> dict[str, Any]:
        return {name: value for name, value in self.state.param.values().items() if name != "name"}

    @property
    def gone(self) -> bool:
        """Whether the visitor has gone, so that nobody waits for an answer."""
        context = None if self._document is None else self._document.session_context
        return context is None or bool(context.destroyed)

    def _ended(self, _context: Any) -> None:
        AUDIENCE.leave(self)
        if self.receiver is not None:
            self.receiver.leave(self)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to the browser, from any thread; nothing happens where the visitor has gone."""
        if self._document is not None and not self.gone:
            self._document.add_next_tick_callback(partial(self.viewer.tell, message))

    def _requested(self, message: dict[str, Any]) -> None:
        """Answer a question, make the fourth map, or take up another run."""
        if message.get("kind") == "fourth-map":
            # a quarter of the page, which few want
            self.viewer.extra = self.viewer.extra or _pane(self._figures.plot("extra"))
        elif "kind" in message:
            submit(self, message)
        else:
            self._take_up(message)

    def _take_up(self, message: dict[str, Any]) -> None:
        # through the same parser as an address
        wanted = State.from_query({"init": message.get("init_time", ""), "lead": message.get("lead", "")})
        if wanted.init_time in self.source.init_times:
            self.state.init_time = wanted.init_time
            self._ask()

    def _ask(self) -> None:
        self.source.request(self.state.init_time, self._arrived)

    def _arrived(self, frames: Frames) -> None:
        """Hand frames over from a reading thread to the session's own."""
        if self._document is not None and self._document.session_context is not None:
            self._document.add_next_tick_callback(partial(self._send, frames))

    def _send(self, frames: Frames, lead: int | None = None) -> None:
        if frames.meta["init_time"] == self.state.init_time:  # otherwise the visitor has moved on
            self.viewer.run = frames.message(lead)


def _arguments() -> Any:
    """Return the query of the address."""
    return pn.state.session_args if pn.state.curdoc and pn.state.curdoc.session_context else {}


def _pane(plot: Any) -> Any:
    return pn.pane.Bokeh(plot, sizing_mode="stretch_both", theme=None)


def _spacing(grid: Grid) -> str:
    unit, scale = ("°", 1.0) if grid.geographic else ("\u00a0km", 1e-3)
    return f"{grid.dx * scale:g}{unit}"


def _template(name: str, **variables: str) -> pn.template.Template:
    template = pn.template.Template((STATIC / name).read_text(encoding="utf-8"))
    for key, value in variables.items():
        template.add_variable(key, value)
    return template


def _explain(error: SslpdlError) -> pn.template.Template:
    # where only the address is wrong the server has something else to show
    elsewhere = "yes" if error.kind == "no_data" else ""
    return _template("problem.html", problem=str(error), korean=KOREAN.get(error.kind, ""), elsewhere=elsewhere)


def first_state(source: Source, geography: Basemap, arguments: Any = None, default_view: str = "") -> State:
    """Return the state that an address asks for, or else the default view, made to fit the data.

    Parameters
    ----------
    source, geography
        What can be looked at.
    arguments : mapping, str or bytes, optional
        The query of the address; see `State.from_query`.
    default_view : str, optional
        A query that fills in what the address leaves open.
    """
    asked, default = State.from_query(arguments), State.from_query(default_view)
    if not asked.init_time:
        asked.init_time = default.init_time
        asked.lead_time = default.lead_time if asked.lead_time is None else asked.lead_time
    if not asked.init_time:
        init_time, lead_time = source.first_view
        asked.init_time = init_time
        asked.lead_time = lead_time if asked.lead_time is None else asked.lead_time
    asked.threshold = default.threshold if asked.threshold is None else asked.threshold
    return asked.clamp(
        init_times=source.init_times,
        lead_times=source.lead_times,
        thresholds=source.probabilities.thresholds,
        regions=[region["name"] for region in geography.regions],
        palettes=[palette.name for palette in RAIN_PALETTES],
    )


def prepare_first_page(settings: Settings) -> None:
    """Read what every first visitor needs: packages, geography and the run that the page begins with."""
    source = open_source(settings)
    source.request(
        first_state(source, basemap(source.grid), default_view=settings.view).init_time, lambda _frames: None
    )
    preload(settings)
