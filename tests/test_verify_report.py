"""From archive and forecast to a report: pairing, the whole folder, and what is refused."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import archives
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sslpdl import forecast, open_archive, verify
from sslpdl.errors import SslpdlError, VerifyError
from sslpdl.grid import KOREA_5KM


class Humidity:
    """A stand-in for a trained model: P(>= 0.1 mm) is the humidity, half of it reaches 10 mm."""

    channels = ("rh_850",)
    thresholds = (0.1, 10.0)
    rain_window = 1.0
    decision: ClassVar = {0.1: 0.37, 10.0: 0.2}
    provenance: ClassVar = {"name": "stand-in <b>"}

    def check(self, archive: xr.Dataset) -> None:
        assert "rh_850" in archive.channel

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        wet = np.clip(np.nan_to_num(fields[:, 0]), 0, 100) / 100
        return np.stack([1 - wet, 0.5 * wet, 0.5 * wet], axis=1).astype("float32")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    mask = np.ones(archives.SMALL.shape, bool)
    mask[:3] = False
    attrs = {"title": "noise & <i>nonsense</i>", "synthetic": "true"}
    return open_archive(archives.make(tmp_path_factory.mktemp("verify") / "small.zarr", mask=mask, attrs=attrs))


@pytest.fixture(scope="module")
def predicted(archive: xr.Dataset) -> xr.Dataset:
    return forecast.run(archive, Humidity())


def test_counts_equal_a_plain_computation(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    counts = verify.count(archive, {"humid": predicted, "raw": "raw"})
    assert counts.attrs["cases"] == 8  # two of three runs have QPE, four lead times each
    hits = false_alarms = raw_hits = cells = 0
    for init in archive["init_time"].values[:2]:
        for lead in archive["lead_time"].values:
            observed = archive["qpe"].sel(valid_time=init + np.timedelta64(int(lead), "h")).values
            part = archive["fields"].sel(init_time=init, lead_time=lead)
            known = archive["mask"].values & np.isfinite(observed)
            yes = np.clip(part.sel(channel="rh_850").values, 0, 100) / 100 >= 0.37
            event = observed >= np.float32(0.1)
            hits += int((known & yes & event).sum())
            false_alarms += int((known & yes & ~event).sum())
            raw_hits += int((known & event & (part.sel(channel="rain").values >= np.float32(0.1))).sum())
            cells += int(known.sum())
    table = verify.contingency(counts).sel(region="all", threshold=0.1).sum(("init_time", "lead_time"))
    assert table.sel(model="humid").values[:2].tolist() == [hits, false_alarms]
    assert int(table.sel(model="raw")[0]) == raw_hits
    assert set(table.sum("outcome").values.tolist()) == {cells}
    assert list(counts["region"].values) == ["all", "land", "sea", "capital_area"]


def test_parts_of_runs_and_lead_times_merge(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    models = {"humid": predicted, "raw": "raw", "climatology": "climatology"}
    whole = verify.count(archive, models)
    parts = [
        verify.count(archive, models | {"humid": predicted.isel(init_time=[i], lead_time=leads)})
        for i in (1, 0)
        for leads in ([0, 3], [1, 2])
    ]
    xr.testing.assert_equal(verify.merge(parts), whole)


def test_cases_without_a_valid_cell_are_skipped_and_counted(tmp_path: Path) -> None:
    with archives.create(tmp_path / "a.zarr", mask=np.ones(archives.SMALL.shape, bool)) as writer:
        fields = archives.fields(0)
        fields[0, -1] = np.nan  # no rain at the first lead time
        writer.write_run(archives.START, fields)
        writer.write_qpe(archives.hours("2022-08-08T00", 4), archives.rain(1, 4))
    counts = verify.count(open_archive(tmp_path / "a.zarr"), {"raw": "raw"}, thresholds=(0.1, 5.0))
    assert (counts.attrs["cases"], counts.attrs["skipped"]) == (3, 1)
    assert counts["lead_time"].values.tolist() == [1, 2, 3]


def test_base_rate_of_a_period(archive: xr.Dataset) -> None:
    rain = archive["qpe"].sel(valid_time=slice("2022-08-08T03", "2022-08-08T05")).values[:, archive["mask"].values]
    rates = verify.base_rate(archive, (0.1, 10.0), start="2022-08-08T03", end="2022-08-08T05")
    assert rates == {0.1: (rain >= np.float32(0.1)).mean(), 10.0: (rain >= 10).mean()}
    with pytest.raises(VerifyError, match="no valid observation"):
        verify.base_rate(archive, (0.1,), start="2000-01-01", end="2000-01-02")


def test_only_what_can_be_compared_is_compared(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    with pytest.raises(VerifyError, match="no threshold 5 mm"):
        verify.count(archive, {"m": predicted}, thresholds=(5.0,))
    with pytest.raises(VerifyError, match="no run and lead time in common"):
        verify.count(archive, {"m": predicted.isel(init_time=[2])})
    with pytest.raises(VerifyError, match="3-h rain"):
        verify.count(archive, {"m": predicted.assign_attrs(rain_window=3.0)})
    with pytest.raises(VerifyError, match="another grid"):
        verify.count(archive, {"m": predicted.assign_coords(x=predicted["x"] + 500)})
    with pytest.raises(VerifyError, match="'raw' or 'climatology'"):
        verify.count(archive, {"m": "persistence"})
    with pytest.raises(VerifyError, match="give the rain thresholds"):
        verify.count(archive, {"raw": "raw"})
    dry = archive.sel(channel=["t_2m", "rh_850"])
    with pytest.raises(VerifyError, match="no channel 'rain'"):
        verify.count(dry, {"m": predicted, "raw": "raw"})


# ---- the report ------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects texts, addresses and pictures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag == "img":
            assert dict(attrs).get("alt")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def folder(archive: xr.Dataset, predicted: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "report"
    page = verify.evaluate(archive, forecasts={"humid": predicted}, out=out, replicates=50, show=False, split="a test")
    assert page == out / "index.html"
    return out


def test_the_page_is_self_contained_and_says_what_it_is(folder: Path) -> None:
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert len(page.addresses) >= 6
    assert all(address.startswith(("data:image/png;base64,", "#part-")) for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object", "video"}
    text = re.sub(r"\s+", " ", " ".join(page.texts))
    assert re.search(r"none: the runs make 1 block\(s\) of 3 day\(s\), and fewer than 5 say nothing", text)
    for words in (
        "noise & <i>nonsense</i>",  # shown, not interpreted
        "stand-in <b>",
        "Synthetic data.",
        "a test",
        "Rain window 1 h",
        ">= (an event is rain of at least the threshold, in mm per 1 h)",
        "verification mask",
        "humid (0.1 mm: 0.37, 10 mm: 0.2)",
        "8 fields",
        "base rate of the verified sample itself",
        "720",  # 8 fields of 90 cells
    ):
        assert words in text, words
    assert "i" not in page.tags
    assert "b" not in page.tags


def test_tables_of_the_report_agree_with_the_counts(folder: Path) -> None:
    table = pd.read_csv(folder / "scores.csv")
    assert set(table["model"]) == {"humid", "raw", "climatology"}
    assert set(table["region"]) == {"all", "land", "sea", "capital_area"}
    verify.check_identities(table)
    again = verify.stratified(verify.read_counts(folder / "counts.npz"), replicates=50)
    np.testing.assert_allclose(table["value"], again["value"], rtol=1e-14)
    document = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert document["about"]["Rain window"].startswith("1 h")
    assert len(document["scores"]) == len(table)
    assert document["scores"][0]["score"] == "csi"
    assert document["scores"][0]["value"] == table["value"][0]
    assert (folder / "scores.csv").read_bytes().isascii()
    assert {p.name for p in folder.glob("*.png")} >= {
        "reliability.png", "performance.png", "csi_by_lead.png", "case_best.png", "case_worst.png", "roc.png",
        "precision_recall.png", "economic_value.png", "fractions_skill.png", "csi_by_hour.png", "csi_by_region.png",
    }  # fmt: skip


def test_reliability_is_written_by_lead_time(folder: Path) -> None:
    table = pd.read_csv(folder / "reliability.csv")
    assert set(table["model"]) == {"humid", "climatology"}
    leads = [name for name in dict.fromkeys(table["lead_time"]) if name != "all"]
    assert len(leads) == 4
    sums = table.groupby([table["lead_time"] == "all", "model", "threshold", "bin"])[["n", "events"]].sum()
    pd.testing.assert_frame_equal(sums.loc[True], sums.loc[False])
    assert sums.loc[(True, "humid", 0.1), "n"].sum() == 720
    known = table[table["n"] > 0]
    np.testing.assert_allclose(known["frequency"], known["events"] / known["n"])
    counts = verify.read_counts(folder / "counts.npz")
    last = verify.reliability_table(counts, leads=counts["lead_time"].values[-1:].tolist()).query("model == 'humid'")
    ours = table[(table["lead_time"] == leads[-1]) & (table["model"] == "humid")]
    np.testing.assert_array_equal(ours["n"], last["n"])
    np.testing.assert_allclose(ours["probability"], last["probability"])


def test_the_page_tells_scores_by_lead_time(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    part = text[text.index("Scores by lead time as tables") : text.index("By region</h2>")]
    table = pd.read_csv(folder / "scores.csv").query("region == 'all' and lead_time != 'all'")
    for lead_time in table["lead_time"].unique():
        assert f'<th scope="row">{lead_time}</th>' in part
    for score in ("csi", "frequency_bias", "brier", "miou_3", "miou_wet"):
        for value in table[(table["score"] == score) & (table["model"] == "humid")]["value"].dropna():
            assert f">{value:.{4 if score == 'brier' else 3}f}" in part, score
    for title in ("CSI", "Bias", "Brier score", "mIoU (3 classes)", "mIoU wet", ">n</th>"):
        assert title in part, title
    assert "Reliability by lead time" in text
    assert (folder / "reliability_by_lead.png").exists()


def test_every_row_of_the_table_says_what_it_is_a_score_of(folder: Path) -> None:
    table = pd.read_csv(folder / "scores.csv")
    stated = {"data": "noise & <i>nonsense</i>", "split": "a test", "operator": ">=", "unit": "mm per 1 h"}
    for name, text in stated.items():
        assert (table[name] == text).all(), name
    assert table["synthetic"].all()
    assert (table["mask"] == "archive mask where QPE and all models are valid").all()
    assert table["interval"].str.startswith("none: the runs make 1 block(s)").all()
    assert table[["region", "lead_time", "hour", "model", "score", "n", "blocks"]].notna().all(axis=None)
    assert (table["n"] > 0).all()


def test_a_report_replaces_a_report_and_nothing_else(
    archive: xr.Dataset, predicted: xr.Dataset, folder: Path, tmp_path: Path
) -> None:
    counts = verify.count(archive, {"humid": predicted, "raw": "raw"})
    before = (folder / "index.html").read_text(encoding="utf-8")
    with pytest.raises(VerifyError, match="exists already; choose another name or remove it"):
        verify.evaluate(archive, forecasts={"humid": predicted}, out=folder)
    assert (folder / "index.html").read_text(encoding="utf-8") == before
    verify.report(counts, folder, replicates=0, overwrite=True)
    assert (folder / "index.html").read_text(encoding="utf-8") != before
    assert not (folder / "case_best.png").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("mine")
    with pytest.raises(VerifyError, match="no report"):
        verify.report(counts, tmp_path / "letters", overwrite=True)
    assert [p.name for p in tmp_path.rglob("*")] == ["letters", "mine.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(SslpdlError):
        verify.report(counts, tmp_path / "file" / "report", replicates=0)


def test_a_model_is_forecast_and_shown_in_a_compact_table(
    archive: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify.evaluate(archive.isel(lead_time=[0, 3]), model=Humidity(), out=tmp_path / "report", replicates=0)
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    for words in ("1-h rain", "synthetic", "sslpdl", "raw", "climatology", "≥ 0.1", "≥ 10", "CSI", "mIoU", "360 cells"):
        assert words in shown, words
    assert "…" not in shown


def test_raw_rain_alone_can_be_verified_over_three_hours(tmp_path: Path) -> None:
    grid = KOREA_5KM.crop(60, 40, (8, 8))
    channels = ("t_2m", "rain")
    from sslpdl.archive import ArchiveWriter

    rng = np.random.default_rng(0)
    with ArchiveWriter.create(
        tmp_path / "wrf.zarr", grid=grid, channels=channels, lead_time=(3, 6), rain_window=3.0, qpe_window=3.0,
        mask=np.ones(grid.shape, bool), attrs={"title": "real", "synthetic": "false"},
    ) as writer:  # fmt: skip
        for day in range(5):
            writer.write_run(f"2005-08-0{day + 5}T00", rng.gamma(0.3, 5, (2, 2, 8, 8)).astype("f4"))
        times = [f"2005-08-0{day + 5}T0{hour}" for day in range(5) for hour in (3, 6)]
        writer.write_qpe(np.array(times, "datetime64[ns]"), rng.gamma(0.3, 5, (10, 8, 8)).astype("f4"))
    page = verify.evaluate(tmp_path / "wrf.zarr", out=tmp_path / "report", replicates=20, show=False)
    text = page.read_text(encoding="utf-8")
    assert "Verification of 3-h rain: raw, climatology" in text
    assert "bootstrap of 5 blocks of 1 day(s) of runs" in text
    assert "Synthetic data." not in text
    assert "1-h" not in text
    with pytest.raises(VerifyError, match="no rain of its own"):
        verify.evaluate(open_archive(tmp_path / "wrf.zarr").sel(channel=["t_2m"]), out=tmp_path / "other")


def test_names_of_forecasts_must_differ(archive: xr.Dataset, predicted: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="two forecasts are called 'f'"):
        verify.evaluate(archive, forecasts=[tmp_path / "a" / "f.zarr", tmp_path / "b" / "f.nc"], out=tmp_path / "r")
    with pytest.raises(VerifyError, match="cannot be called 'raw'"):
        verify.evaluate(archive, forecasts={"raw": predicted}, out=tmp_path / "r")
    with pytest.raises(VerifyError, match="both called 'sslpdl'"):
        verify.evaluate(archive, model=Humidity(), forecasts={"sslpdl": predicted}, out=tmp_path / "r")


def test_one_row_a_model_for_a_table_of_experiments(archive: xr.Dataset, predicted: xr.Dataset) -> None:
    counts = verify.count(archive, {"humid": predicted, "raw": "raw", "climatology": "climatology"})
    rows = verify.model_rows(counts, split="test", replicates=0).set_index("model")
    assert rows.index.tolist() == ["humid", "raw", "climatology"]
    table = verify.scores(counts, replicates=0).query("region == 'all' and lead_time == 'all' and model == 'humid'")
    value = table.set_index(["score", "threshold"])["value"]
    assert rows.loc["humid", "csi_10mm"] == value["csi", 10.0]
    assert rows.loc["humid", "csi_10mm_vs_raw"] == pytest.approx(value["csi", 10.0] - rows.loc["raw", "csi_10mm"])
    assert rows.loc["humid", "miou_3"] == value["miou_3"].iloc[0]
    assert rows.loc["humid", "ece_from_5_percent_0.1mm"] == value["ece_from_5_percent", 0.1]
    assert (rows["n"] == 720).all()
    assert (rows["cases"] == 8).all()
    assert (rows["interval"] == "none: not asked for").all()
