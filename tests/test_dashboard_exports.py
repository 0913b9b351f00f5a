"""Orders of downloads: what a browser may not ask for is refused, and files are made one after another."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from exports_helpers import make_source, message, order

from sslpdl.dashboard.exports import jobs
from sslpdl.dashboard.exports.order import Order
from sslpdl.dashboard.frames import RAIN_PALETTES
from sslpdl.dashboard.source import Source
from sslpdl.errors import SslpdlError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("exports"))


# ---- orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"form": "point"}, "sslpdl_synthetic_20220808T12_+003-009h_seoul.csv"),
        ({"form": "point", "point": [127.5, 36.25]}, "sslpdl_synthetic_20220808T12_+003-009h_36.25N127.50E.csv"),
        ({"form": "region", "region": "capital_area"}, "sslpdl_synthetic_20220808T12_+006h_capital_area.csv"),
        ({"form": "region"}, "sslpdl_synthetic_20220808T12_+006h_grid.csv"),
        ({"form": "png", "threshold": 0.1}, "sslpdl_synthetic_20220808T12_+006h_ge0.1mm.png"),
        ({"form": "png", "window": [0, 0, 9e4, 9e4]}, "sslpdl_synthetic_20220808T12_+006h_ge1mm_view.png"),
        ({"form": "png", "panels": ["nwp:6", "qpe"]}, "sslpdl_synthetic_20220808T12_+006h_nwp6-qpe.png"),
        ({"form": "png", "panels": ["p:10", "p"]}, "sslpdl_synthetic_20220808T12_+006h_p10-p_ge1mm.png"),
        ({"form": "gif", "last": 6}, "sslpdl_synthetic_20220808T12_+003-006h_ge1mm.gif"),
        ({"form": "netcdf"}, "sslpdl_synthetic_20220808T12_+003-009h.nc"),
    ],
)
def test_names_say_what_is_inside(source: Source, changes: dict[str, Any], name: str) -> None:
    asked = Order.from_message(source, message("png") | changes)
    assert asked.name == name
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]+", asked.name)


BAD: list[dict[str, Any]] = [
    {"form": "exe"},
    {"form": ["png"]},
    {"form": None},
    {"init": "2022-08-08T13:00"},
    {"init": "../../etc/passwd"},
    {"lead": 7},
    {"lead": True},
    {"lead": float("nan")},
    {"threshold": 2.0},
    {"threshold": "1.0"},
    {"region": "atlantis"},
    {"region": {"a": 1}},
    {"palette": "rainbow"},
    {"language": "de"},
    {"panels": ["nwp", "t_850"]},  # not in this archive
    {"panels": ["nwp:5"]},
    {"panels": ["p:2"]},
    {"panels": [["nwp"]]},
    {"panels": []},
    {"panels": ["nwp"] * 5},
    {"panels": "nwp"},
    {"panels": None},
    {"dpi": 10_000},
    {"dpi": 150.5},
    {"fps": 0, "form": "gif"},
    {"window": [0, 0, 1]},
    {"window": "all"},
    {"window": [0, 0, float("inf"), 1]},
    {"window": [0, 0, 10, 10]},
    {"window": [9e6, 9e6, 9.1e6, 9.1e6]},
    {"point": [127]},
    {"point": [127, float("nan")]},
    {"point": "seoul"},
    {"form": "point", "point": None},
    {"form": "gif", "first": 9, "last": 3},
    {"form": "gif", "first": 4},
]


@pytest.mark.parametrize("changes", BAD, ids=[str(changes)[:40] for changes in BAD])
def test_what_is_not_there_is_refused_in_a_sentence(source: Source, changes: dict[str, Any]) -> None:
    with pytest.raises(SslpdlError) as refused:
        Order.from_message(source, message("png") | changes)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert not any(str(value) in text for value in changes.values() if isinstance(value, str) and value), "no echo"


def test_an_empty_message_is_refused(source: Source) -> None:
    with pytest.raises(SslpdlError):
        Order.from_message(source, {})


def test_orders_use_the_palettes_of_the_page(source: Source) -> None:
    assert [order(source, "png", palette=p.name).palette for p in RAIN_PALETTES] == list(RAIN_PALETTES)


# ---- jobs -----------------------------------------------------------------------------------------------------------


class Visitor:
    """A session as far as a job needs one."""

    def __init__(self, source: Source) -> None:
        self.source, self.gone = source, False
        self.told: list[dict[str, Any]] = []
        self.ended = threading.Event()

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        if message["state"] in ("done", "failed", "cancelled"):
            self.ended.set()


def test_a_job_tells_its_progress_and_brings_the_file(source: Source) -> None:
    visitor: Any = Visitor(source)
    taken = jobs.start(visitor, message("gif", last=6))
    assert taken["ahead"] == 0
    with pytest.raises(SslpdlError, match="already"):
        jobs.start(visitor, message("png"))
    assert visitor.ended.wait(120)
    assert [m["done"] for m in visitor.told if m["state"] == "working"] == [0, 1, 2]
    last = visitor.told[-1]
    assert (last["kind"], last["job"], last["state"]) == ("export", taken["job"], "done")
    assert (last["name"], last["type"]) == (taken["name"], "image/gif")
    assert last["content"].startswith(b"GIF8")
    visitor.ended.clear()
    jobs.start(visitor, message("point"))  # the next is welcome at once
    assert visitor.ended.wait(120)
    assert visitor.told[-1]["type"].startswith("text/csv")


def test_two_at_once_others_wait_and_all_can_be_given_up(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    go, running, most, lock = threading.Event(), [0], [0], threading.Lock()

    def slow(job: jobs.Job) -> tuple[bytes, str]:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            while not go.wait(0.01):
                job.progress(0, 1)
        finally:
            with lock:
                running[0] -= 1
        return b"x", ""

    monkeypatch.setattr(jobs, "make", slow)
    visitors: list[Any] = [Visitor(source) for _ in range(10)]
    assert [jobs.start(visitor, message("png"))["ahead"] for visitor in visitors] == [0, 0, *range(1, 9)]
    with pytest.raises(SslpdlError, match="try again in a minute"):
        jobs.start(Visitor(source), message("png"))  # type: ignore[arg-type]
    assert jobs.cancel(visitors[0], {}) == {"cancelled": True}
    assert visitors[0].ended.wait(20)
    assert visitors[0].told[-1]["state"] == "cancelled"
    assert jobs.cancel(visitors[0], {}) == {"cancelled": False}
    jobs.cancel(visitors[8], {})
    assert visitors[8].told[-1]["state"] == "cancelled", "who still waits is let go at once"
    visitors[9].gone = True  # closed the page while waiting
    go.set()
    assert all(visitor.ended.wait(20) for visitor in visitors)
    assert most[0] == 2
    assert [visitor.told[-1]["state"] for visitor in visitors] == ["cancelled", *["done"] * 7, *["cancelled"] * 2]


@pytest.mark.parametrize(
    ("error", "said"),
    [(SslpdlError("the disk is full; free some."), "the disk is full; free some."), (ValueError("x"), "server's log")],
)
def test_a_job_that_fails_says_why(
    source: Source, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(job: jobs.Job) -> tuple[bytes, str]:
        raise error

    monkeypatch.setattr(jobs, "make", fail)
    visitor: Any = Visitor(source)
    jobs.start(visitor, message("png"))
    assert visitor.ended.wait(20)
    assert visitor.told[-1]["state"] == "failed"
    assert said in visitor.told[-1]["problem"]
