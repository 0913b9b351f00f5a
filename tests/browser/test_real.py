"""Real files on the screen: no title names a window that the archive does not hold, and gauges can be seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from sslpdl.cli import app

MAPS = ("nwp", "probability", "qpe")


def ingest(archive: Path, *arguments: object) -> Path:
    result = CliRunner().invoke(app, ["ingest", *map(str, arguments), "--out", str(archive), "--quiet"])
    assert result.exit_code == 0, result.output
    return archive


def test_three_hour_rain_over_the_usa(visit: Callable, serve: Callable, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "wrf_stage2_20050807"
    archive = ingest(tmp_path / "wrf.zarr", folder, "--grid", "native", "--qpe", folder / "stage2")
    page = visit(url=serve(archive=archive).url, wait=False)
    page.page.wait_for_selector(".card:not(.waiting) .map canvas")
    units = [page.text(f"[data-map={name}] .unit") for name in MAPS]
    assert units == ["mm in 3 h", "P(rain in 3 h), %", "mm in 3 h"]
    assert "o model was given" in page.text("[data-map=probability] .notice")
    assert page.page.locator("[data-map=nwp] .notice").is_hidden(), "the page opens where there is rain"
    assert "no coastline is bundled" in page.text(".sources")


def test_gauges_are_marked(visit: Callable, serve: Callable, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "ifs_korea_202208"
    archive = ingest(
        tmp_path / "ifs.zarr", folder / "tp.grib", "--rain-covers", "12,12,2,12",
        "--qpe", folder / "kma_gauges_202208.csv", "--qpe-kind", "gauges", "--qpe-window", 12,
    )  # fmt: skip
    page = visit("?lead=24", url=serve(archive=archive).url, wait=False)
    page.page.wait_for_selector(".card:not(.waiting) .map canvas")
    units = [page.text(f"[data-map={name}] .unit") for name in MAPS]
    assert units == ["mm in 12 h", "P(rain in 12 h), %", "mm in 12 h"]
    marks = page.page.evaluate("() => [...Bokeh.documents[0].get_model_by_name('points-qpe').data.x].length")
    assert 1 <= marks <= 7, "the table holds seven stations"
