"""Questions about fields: exact classes, sums that are never dry for want of an hour, bad questions refused."""

from __future__ import annotations

import zlib
from queue import Queue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard import fields
from sslpdl.dashboard.probabilities import NoForecast
from sslpdl.dashboard.requests import answer, submit
from sslpdl.dashboard.source import Source
from sslpdl.grid import KOREA_5KM
from sslpdl.plots.palettes import RAIN

GRID = KOREA_5KM.crop(100, 40, (12, 20), name="small")
LEADS = [1, 2, 3, 4, 6]
CHANNELS = ["gph_500", "slp", "rh_850", "t_850", "u_850", "rain"]
RUN = "2022-08-08T00:00"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("fields") / "a.zarr"
    rng = np.random.default_rng(3)
    with ArchiveWriter.create(
        path, grid=GRID, channels=CHANNELS, lead_time=LEADS, rain_window=1.0, qpe_window=1.0,
        mask=np.ones(GRID.shape, bool), attrs={"title": "fields", "synthetic": "true"},
    ) as writer:  # fmt: skip
        middle = np.array([5800, 1006, 70, 284, 0, 0])[:, None, None]
        spread = np.array([120, 12, 25, 12, 18, 9])[:, None, None]
        run = middle + spread * rng.standard_normal((len(LEADS), len(CHANNELS), *GRID.shape))
        run[:, 2] = run[:, 2].clip(0, 100)
        run[:, 5] = run[:, 5].clip(0, None)
        run[0, :, 0, 0] = np.nan
        writer.write_run(np.datetime64(RUN), run.astype("float32"))
        hours = np.array([1, 2, 3], "timedelta64[h]")
        writer.write_qpe(np.datetime64(RUN) + hours, rng.gamma(0.5, 9, (3, *GRID.shape)).astype("float32"))
    source = Source(open_archive(path), NoForecast("none"))
    return SimpleNamespace(source=source)


def unpack(block: bytes) -> np.ndarray:
    low, high = np.frombuffer(zlib.decompress(block), "u1").reshape(2, -1).astype(int)
    return (low + 256 * high).reshape(GRID.shape)


def classes(codes: np.ndarray, edges: list[int], bad: int) -> np.ndarray:
    return np.where(codes == 65535, bad, np.searchsorted(edges, codes, side="right"))


@pytest.mark.parametrize("name", CHANNELS[:-1])
def test_every_value_of_an_input_keeps_its_class(session: Any, name: str) -> None:
    told = fields.describe(session.source)["inputs"][name]
    blocks = fields.field(session, {"run": RUN, "name": name})["blocks"]
    archive = session.source.archive
    shift = 273.15 if name.startswith("t_") else 0
    for lead, block in zip(LEADS, blocks, strict=True):
        values = archive.fields.sel(lead_time=lead, channel=name).values[0].astype(float) - shift
        codes = unpack(block)
        known = ~np.isnan(values)
        edges = np.array(told["palette"]["edges"])
        expected = np.where(known, np.searchsorted(edges, np.round(values, 3), side="right"), len(edges) + 1)
        np.testing.assert_array_equal(classes(codes, told["palette"]["codes"], told["palette"]["bad_index"]), expected)
        decoded = told["code"]["offset"] + codes * told["code"]["unit"]
        assert np.abs(decoded - values)[known].max() <= told["code"]["unit"] * 1.01
        assert (codes[~known] == told["code"]["missing"]).all()
        assert len(set(expected.ravel())) > 4, "the palette suits the field"


def test_sums_hold_every_hour_or_are_missing(session: Any) -> None:
    archive = session.source.archive
    rain = archive.fields.sel(channel="rain").values[0].astype(float)
    blocks = fields.field(session, {"run": RUN, "name": "nwp:3"})["blocks"]
    # lead 6 has no hour 5, and leads 1 and 2 begin before the run
    assert [bool(block) for block in blocks] == [False, False, True, True, False]
    edges = [round(100 * edge) for edge in RAIN.edges]
    for index in (2, 3):
        total = np.round(rain[index - 2 : index + 1].sum(axis=0), 3)
        found = classes(unpack(blocks[index]), edges, RAIN.bad_index)
        np.testing.assert_array_equal(found, RAIN.classify(total))
    assert unpack(blocks[2])[0, 0] == 65535, "an hour is missing in this cell"
    assert unpack(blocks[3])[0, 0] != 65535
    observed = fields.field(session, {"run": RUN, "name": "qpe:3"})["blocks"]
    assert [bool(block) for block in observed] == [False, False, True, False, False]
    total = np.round(archive.qpe.values.astype(float).sum(axis=0), 3)
    np.testing.assert_array_equal(classes(unpack(observed[2]), edges, RAIN.bad_index), RAIN.classify(total))


def test_windows_are_joined_without_gap_or_overlap() -> None:
    assert fields.chain(12, 6, {6: 3.0, 9: 3.0, 12: 3.0}) == [12, 9]
    assert fields.chain(12, 6, {12: 3.0, 8: 3.0}) is None
    assert fields.chain(12, 3, {12: 2.0, 10: 2.0}) is None, "four hours are not three"
    assert fields.chain(12, 3, {12: float("nan")}) is None


def test_two_sessions_share_the_same_bytes(session: Any) -> None:
    other = SimpleNamespace(source=session.source)
    first, second = (fields.field(who, {"run": RUN, "name": "slp"})["blocks"] for who in (session, other))
    assert all(a is b for a, b in zip(first, second, strict=True))


def test_lead_times_travel_as_one_piece(session: Any) -> None:
    message = {"kind": "field", "id": 7, "run": RUN, "name": "nwp:3"}
    replies: Queue[dict[str, Any]] = Queue()
    submit(SimpleNamespace(source=session.source, tell=replies.put), message)  # type: ignore[arg-type]
    reply = replies.get(timeout=60)
    blocks = fields.field(session, message)["blocks"]
    assert 0 in reply["answer"]["sizes"], "a sum with a missing hour has no block"
    assert reply == {"id": 7, "answer": {"blocks": b"".join(blocks), "sizes": [len(block) for block in blocks]}}


@pytest.mark.parametrize(
    "message",
    [
        {"run": RUN, "name": "t_500"}, {"run": RUN, "name": "nwp:5"}, {"run": RUN, "name": None},
        {"run": "2022-08-09T00:00", "name": "slp"}, {"run": ["x"], "name": "slp"}, {},
    ],
)  # fmt: skip
def test_bad_questions_get_one_sentence(session: Any, message: dict[str, Any]) -> None:
    reply = answer(session, {"kind": "field", "id": 7} | message)
    assert reply is not None
    assert reply["id"] == 7
    assert reply["problem"].startswith("the archive holds no")
    assert "\n" not in reply["problem"]
    assert reply["problem_kind"] == ""


def test_another_run_comes_as_frames(session: Any) -> None:
    message = fields.run(session, {"run": RUN})
    assert message["init_time"] == RUN
    assert len(message["blocks"]) == len(LEADS)
