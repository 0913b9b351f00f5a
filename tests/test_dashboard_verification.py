"""The verification tab's answers: the scores of the counts, for whatever is on screen."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sslpdl import forecast, verify
from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.dashboard import Settings
from sslpdl.dashboard.counts import MODEL_COUNTS, counts_path, read_stored
from sslpdl.dashboard.settings import SAMPLE_MODEL, check_paths
from sslpdl.dashboard.source import open_source
from sslpdl.dashboard.verification import LEAST_EVENTS, REPLICATES, SCORES, regions_counted, verification
from sslpdl.errors import ConfigError, VerifyError
from sslpdl.grid import KOREA_5KM

THRESHOLDS = (0.1, 1.0, 10.0)
LEADS = (3, 6, 9, 12)
PARTS = ("jeonbuk", "jeonnam", "jeju")
DECISION = {"m": {0.1: 0.3, 1.0: 0.2, 10.0: 0.05}}
MAP_REGIONS = ("peninsula", "south_korea", "honam", "gangwon", "jeju")


def counted(days: int, cells: int = 15) -> xr.Dataset:
    """Runs at 00 and 12 UTC; the grid's thirds are provinces, and Honam is two of them together."""
    rng = np.random.default_rng(days)
    owner = np.arange(cells)[None] % 3
    regions = {"all": np.ones((1, cells), bool)} | {name: owner == k for k, name in enumerate(PARTS)}
    regions["expected_honam"] = owner < 2
    counter = verify.Counter(
        thresholds=THRESHOLDS, models=("raw", "m"), regions=regions, decision=DECISION,
        attrs={"rain_window": 1.0, "title": "Season", "synthetic": "true"},
    )  # fmt: skip
    for hour in range(0, 24 * days, 12):
        for lead in LEADS:
            observed = rng.gamma(0.4, 6.0, (1, cells))
            raw = observed * rng.gamma(4, 0.25, (1, cells)) + rng.gamma(0.2, 1.0, (1, cells))
            chance = 1 / (1 + (np.array(THRESHOLDS)[:, None, None] / (raw + 0.01)) ** 1.5)
            counter.add(
                np.datetime64("2022-06-01T00") + np.timedelta64(hour, "h"), lead, observed, {"m": chance, "raw": raw}
            )
    return verify.with_climatology(counter.counts(), dict.fromkeys(THRESHOLDS, 0.2), source="training years")


@pytest.fixture(scope="module")
def counts() -> xr.Dataset:
    return counted(40)


@pytest.fixture(scope="module")
def session(counts: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("report")
    verify.write_counts(counts, folder / "counts.npz")
    return asking(Settings.from_environment({}, counts=folder))


def asking(settings: Settings, source: Any = None) -> Any:
    config = {"regions": [{"name": name} for name in MAP_REGIONS]}
    return SimpleNamespace(source=source, shown=settings, viewer=SimpleNamespace(config=config))


def ask(session: Any, **question: Any) -> dict[str, Any]:
    return verification(session, {"region": "", "leads": [3, 12], "threshold": 1.0} | question)


def of(answer: dict[str, Any], role: str) -> dict[str, Any]:
    return next(model for model in answer["models"] if model["role"] == role)


@pytest.mark.parametrize(
    ("region", "counted_as", "leads", "threshold", "hours"),
    [
        ("", "all", [3, 12], 0.1, None),
        ("peninsula", "all", [5, 7], 1.0, None),
        ("honam", "expected_honam", [4, 11], 10.0, None),
        ("honam", "expected_honam", [6, 12], 1.0, [6, 18, 21]),
        ("jeju", "jeju", [12, 99], 0.1, [0]),
        ("south_korea", "all", [0, 9], 10.0, None),
    ],
)
def test_numbers_are_those_of_the_scores(
    session: Any, counts: xr.Dataset, region: str, counted_as: str, leads: list[int], threshold: float, hours: Any
) -> None:
    answer = ask(session, region=region, leads=leads, threshold=threshold, **({"hours": hours} if hours else {}))
    inside = [lead for lead in LEADS if leads[0] <= lead <= leads[1]]
    table = verify.scores(counts, groups={"g": inside}, hours={"h": hours} if hours else None, replicates=REPLICATES)
    table = table[(table["region"] == counted_as) & (table["threshold"] == threshold)]
    assert answer["leads"] == inside
    columns = ["value", "lower", "upper", "difference", "difference_lower", "difference_upper"]
    for role, name in (("model", "m"), ("raw", "raw")):
        model = of(answer, role)
        assert list(model["scores"]) == list(SCORES)
        rows = table[table["model"] == name].set_index("score")
        for score, found in model["scores"].items():
            expected = {key: None if np.isnan(value) else value for key, value in rows.loc[score, columns].items()}
            assert found == pytest.approx(expected, rel=1e-12), score
    assert of(answer, "model")["scores"]["csi"]["lower"] is not None
    assert answer["sample"]["cells"] == rows["n"].iloc[0]
    assert answer["sample"]["events"] == rows["events"].iloc[0]
    assert answer["sample"]["blocks"] == rows["blocks"].iloc[0]
    json.dumps(answer, allow_nan=False)


def test_tables_and_diagrams_agree_with_the_counts(session: Any, counts: xr.Dataset) -> None:
    answer = ask(session, region="jeju", leads=[6, 9])
    cut = counts.sel(region=["jeju"])
    table = verify.contingency(cut).sel(lead_time=[6, 9], threshold=1.0).sum(("init_time", "lead_time", "region"))
    for role, name in (("model", "m"), ("raw", "raw")):
        assert list(of(answer, role)["table"].values()) == table.sel(model=name).values.tolist()
    assert of(answer, "model")["p"] == DECISION["m"][1.0]
    expected = verify.reliability_table(counts, region="jeju", leads=[6, 9], replicates=REPLICATES)
    expected = expected[(expected["model"] == "m") & (expected["threshold"] == 1.0) & (expected["n"] > 0)]
    for key in ("bin", "n", "events", "probability", "frequency", "low", "high", "base_rate"):
        assert [row[key] for row in answer["reliability"]] == pytest.approx(expected[key].tolist()), key
    at = next(point for point in answer["curve"] if point["p"] == pytest.approx(0.2))
    scores = of(answer, "model")["scores"]
    assert (at["pod"], at["csi"]) == pytest.approx((scores["pod"]["value"], scores["csi"]["value"]))
    assert at["precision"] == pytest.approx(1 - scores["far"]["value"])
    about = answer["data"]
    assert (about["runs"], about["days"], about["first"], about["last"]) == (80, 40, "2022-06-01", "2022-07-10")
    assert (about["title"], about["synthetic"], about["kind"]) == ("Season", True, "file")
    assert about["climatology"] == "training years"
    assert answer["too_small"] == []


def test_a_region_that_was_not_counted_falls_back_and_says_so(session: Any) -> None:
    gangwon, whole = ask(session, region="gangwon"), ask(session)
    assert (gangwon["region"]["exact"], gangwon["region"]["parts"]) == (False, ["all"])
    assert whole["region"]["exact"]
    assert gangwon["models"] == whole["models"]
    honam = ask(session, region="honam")["region"]
    assert (honam["exact"], honam["parts"]) == (True, ["jeonbuk", "jeonnam"])
    assert honam["titles"]["ko"] == ["전북", "전남·광주"]
    assert regions_counted("honam", ["all", "jeonbuk"]) == (["all"], False), "half of it is not Honam"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"region": "<b>"}, "no such region"),
        ({"region": ["honam"]}, "no such region"),
        ({"leads": [9, 3]}, "lead times need"),
        ({"leads": [1, 2, 3]}, "lead times need"),
        ({"leads": "3,9"}, "lead times need"),
        ({"leads": [1.5, 9]}, "lead times need"),
        ({"leads": [True, 9]}, "lead times need"),
        ({"leads": [-1, 9]}, "lead times need"),
        ({"leads": None}, "lead times need"),
        ({"leads": [30, 40]}, "no lead time from 30 to 40 h was counted; there are 3 to 12 h"),
        ({"hours": [24]}, "hours of the day"),
        ({"hours": []}, "hours of the day"),
        ({"hours": "noon"}, "hours of the day"),
        ({"threshold": None}, "choose a threshold"),
        ({"threshold": "1"}, "choose a threshold"),
        ({"threshold": float("nan")}, "choose a threshold"),
        ({"threshold": 7.0}, "7 mm was not counted; counted were 0.1, 1, 10 mm"),
    ],
)
def test_what_cannot_be_answered_gets_one_sentence(session: Any, question: dict[str, Any], said: str) -> None:
    with pytest.raises(VerifyError, match=said):
        ask(session, **question)


def test_a_sample_that_is_too_small_is_said(tmp_path: Path) -> None:
    verify.write_counts(counted(3), tmp_path / "counts.npz")
    short = ask(asking(Settings.from_environment({}, counts=tmp_path / "counts.npz")), threshold=10.0, region="jeju")
    events = short["sample"]["events"]
    assert 0 < events < LEAST_EVENTS
    # 21 h from the first to the last valid time of a day's runs: blocks of four days, so three days are one
    assert short["too_small"] == [
        {"why": "events", "number": events, "least": LEAST_EVENTS},
        {"why": "blocks", "number": 1, "least": 5},
    ]
    csi = of(short, "model")["scores"]["csi"]
    assert csi["value"] is not None
    assert (csi["lower"], csi["difference_upper"]) == (None, None), "no interval"
    assert all(row["low"] is None for row in short["reliability"])


def test_hours_without_a_case_are_an_empty_sample(session: Any) -> None:
    answer = ask(session, hours=[1])
    assert (answer["sample"]["cells"], answer["sample"]["base_rate"], answer["reliability"]) == (0, None, [])
    assert {reason["why"] for reason in answer["too_small"]} >= {"events"}
    json.dumps(answer, allow_nan=False)


def test_where_counts_come_from(tmp_path: Path, counts: xr.Dataset) -> None:
    def settings(**paths: Path) -> Settings:
        return Settings.from_environment({}, archive=tmp_path, **paths)

    model, report = tmp_path / "model", tmp_path / "report"
    model.mkdir(), report.mkdir()
    assert counts_path(settings(model=model)) == (None, "archive")
    verify.write_counts(verify.condense(counts), model / MODEL_COUNTS)
    assert counts_path(settings(model=model)) == (model / MODEL_COUNTS, "model")
    assert counts_path(settings(model=model, forecast=tmp_path / "f.zarr")) == (model / MODEL_COUNTS, "model")
    assert counts_path(settings(model=SAMPLE_MODEL, forecast=tmp_path / "f.zarr")) == (None, "archive")
    assert counts_path(settings(model=model, counts=report)) == (report / "counts.npz", "file")
    assert Settings.from_environment({"SSLPDL_COUNTS": "~/c"}).counts == Path.home() / "c"
    with pytest.raises(VerifyError, match=r"there are no verification counts at .*sslpdl evaluate"):
        ask(asking(settings(counts=report)))
    with pytest.raises(ConfigError, match=r"there are no counts at .*none; correct --counts or SSLPDL_COUNTS"):
        check_paths(settings(counts=tmp_path / "none"))
    same = [ask(asking(s)) for s in (settings(model=model), settings(model=model))]
    assert same[0] is same[1], "opened and scored once for all sessions"
    assert same[0]["data"]["kind"] == "model"
    (report / "counts.npz").write_text("damaged")
    with pytest.raises(VerifyError, match="cannot be read as verification counts"):
        ask(asking(settings(counts=report)))


def test_counts_need_a_probability_forecast(tmp_path: Path) -> None:
    counter = verify.Counter(thresholds=(1.0,), models=("raw",), regions={"all": np.ones((1, 2), bool)})
    counter.add("2022-06-01", 3, np.array([[0.0, 2.0]]), {"raw": np.array([[1.0, 2.0]])})
    path = verify.write_counts(counter.counts(), tmp_path / "counts.npz")
    with pytest.raises(VerifyError, match="no probability forecast"):
        read_stored(path, "file", "", 0)


class StandIn:
    channels, thresholds, rain_window = ("rain",), THRESHOLDS, 1.0
    decision, provenance = dict.fromkeys(THRESHOLDS, 0.25), {"name": "stand-in"}

    def check(self, archive: xr.Dataset) -> None:
        pass

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        reach = np.stack([np.clip(fields[:, 0] / (4 * r), 0, 1) for r in THRESHOLDS], axis=1)
        return -np.diff(reach, axis=1, prepend=1, append=0).astype("float32")


def wait(session: Any, **question: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    answer = ask(session, **question)
    while answer["status"] == "counting" and time.monotonic() < deadline:
        time.sleep(0.02)
        answer = ask(session, **question)
    return answer


def test_without_stored_counts_the_archive_itself_is_counted(tmp_path: Path) -> None:
    grid, rng = KOREA_5KM.crop(100, 40, (20, 30), name="small"), np.random.default_rng(0)
    runs = [np.datetime64("2022-08-08T00"), np.datetime64("2022-08-08T12")]
    with ArchiveWriter.create(
        tmp_path / "a.zarr", grid=grid, channels=["rain"], lead_time=list(LEADS), rain_window=1.0, qpe_window=1.0,
        mask=np.ones(grid.shape, bool), attrs={"title": "small", "synthetic": "true"},
    ) as writer:  # fmt: skip
        for run in runs:
            writer.write_run(run, rng.gamma(0.5, 5, (len(LEADS), 1, *grid.shape)).astype("float32"))
        times = np.array([runs[0] + np.timedelta64(lead, "h") for lead in LEADS])
        writer.write_qpe(times, rng.gamma(0.5, 5, (len(LEADS), *grid.shape)).astype("float32"))
    archive = open_archive(tmp_path / "a.zarr")
    # the second run has no QPE but for its first hours, and no forecast
    made = forecast.run(archive, StandIn(), init_time=runs[0], out=tmp_path / "f.zarr")
    settings = Settings.from_environment({}, archive=tmp_path / "a.zarr", forecast=tmp_path / "f.zarr")
    answer = wait(asking(settings, open_source(settings)), threshold=1.0)
    expected = verify.count(archive, {"sslpdl": made, "raw": "raw"}, regions={"all": np.ones(grid.shape, bool)})
    table = verify.scores(expected, groups={"all": list(LEADS)}, replicates=0)
    for role, name in (("model", "sslpdl"), ("raw", "raw")):
        rows = table[(table["model"] == name) & (table["threshold"] == 1.0)].set_index("score")["value"]
        scores = of(answer, role)["scores"]
        assert scores["csi"]["value"] == pytest.approx(rows["csi"])
        assert scores["brier"]["value"] == pytest.approx(rows["brier"])
    assert of(answer, "model")["p"] == 0.25
    assert (answer["data"]["kind"], answer["data"]["runs"], answer["data"]["days"]) == ("archive", 1, 1)
    assert {reason["why"] for reason in answer["too_small"]} == {"blocks"}


def test_without_probabilities_it_says_how_to_get_counts(tmp_path: Path) -> None:
    grid = KOREA_5KM.crop(100, 40, (8, 9), name="small")
    with ArchiveWriter.create(
        tmp_path / "a.zarr", grid=grid, channels=["rain"], lead_time=[3], rain_window=1.0, qpe_window=1.0,
        mask=np.ones(grid.shape, bool),
    ) as writer:  # fmt: skip
        writer.write_run(np.datetime64("2022-08-08T00"), np.zeros((1, 1, *grid.shape), "float32"))
        writer.write_qpe([np.datetime64("2022-08-08T03")], np.zeros((1, *grid.shape), "float32"))
    settings = Settings.from_environment({}, archive=tmp_path / "a.zarr", model=tmp_path / "none")
    with pytest.raises(VerifyError, match=r"nothing can be verified; open a run that has QPE, or make some with"):
        wait(asking(settings, open_source(settings)))
