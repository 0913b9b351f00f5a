"""NetCDF and CSV that visitors download: opened again, they equal the arrays."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from exports_helpers import COLUMN, INIT, LEADS, ROW, THRESHOLDS, arrays, make_source, numbers, order, table

from sslpdl.dashboard.exports.netcdf import netcdf
from sslpdl.dashboard.exports.tables import cells, series
from sslpdl.dashboard.probabilities import NoForecast
from sslpdl.dashboard.source import Source
from sslpdl.errors import SslpdlError
from sslpdl.forecast import EXCEEDANCE
from sslpdl.grid import KOREA_5KM, Grid


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return make_source(tmp_path_factory.mktemp("exports"))


# ---- NetCDF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(3, 9), (6, 6)])
def test_netcdf_holds_the_run_and_what_cf_asks_for(source: Source, tmp_path: Path, first: int, last: int) -> None:
    asked = order(source, "netcdf", first=first, last=last)
    (tmp_path / "run.nc").write_bytes(netcdf(source, asked))
    path = tmp_path / "run.nc"
    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all", decode_timedelta=False) as run:
        hours = [lead for lead in LEADS if first <= lead <= last]
        assert (list(run["lead_time"].values), run["lead_time"].attrs["units"]) == (hours, "hours")
        assert run["init_time"].values == INIT
        for k, lead in enumerate(hours):
            rain, qpe, chances = arrays(source, LEADS.index(lead))
            np.testing.assert_array_equal(run["rain"][0, k], rain)
            np.testing.assert_array_equal(run["qpe"][0, k], qpe)
            np.testing.assert_array_equal(run[EXCEEDANCE][0, k], chances)
            valid = INIT + np.timedelta64(lead, "h")
            assert run["valid_time"].values[0, k] == valid
            assert list(run["valid_time_bounds"].values[0, k]) == [valid - np.timedelta64(1, "h"), valid]
        assert set(run.coords) >= {"lat", "lon", "valid_time", "crs", "threshold"}
        assert Grid.from_dataset(run).same_cells(KOREA_5KM)
        assert run["crs"].attrs["grid_mapping_name"] == "lambert_conformal_conic"
        for name in ("rain", "qpe", EXCEEDANCE):
            assert run[name].encoding["grid_mapping"] == "crs"
        assert run["rain"].attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"
        assert run["rain"].attrs["cell_methods"] == "valid_time: sum (interval: 1 hours)"
        assert run["threshold"].attrs["spp__relative_to_threshold"] == "greater_than_or_equal_to"
        np.testing.assert_array_equal(run["threshold"], THRESHOLDS)
        assert run.attrs["Conventions"] == "CF-1.11"
        assert run.attrs["synthetic"] == "true"
        assert run.attrs["title"].startswith("SYNTHETIC DATA")
        assert "exported by the page of sslpdl" in run.attrs["history"]
        assert len(run.attrs["history"].splitlines()) == 2, "what was done before is kept"


def test_netcdf_of_data_without_a_model_has_no_probabilities(source: Source, tmp_path: Path) -> None:
    bare = Source(source.archive, NoForecast("there is none."))
    (tmp_path / "run.nc").write_bytes(netcdf(bare, order(bare, "netcdf", threshold=None)))
    with xr.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as run:
        assert set(run.data_vars) >= {"rain", "qpe"}
        assert EXCEEDANCE not in run


# ---- CSV ------------------------------------------------------------------------------------------------------------


def test_csv_of_a_region_holds_its_cells(source: Source) -> None:
    head, rows = table(cells(source, order(source, "region", region="jeju")))
    lon, lat = KOREA_5KM.lonlat()
    inside = (lon >= 126.0) & (lon <= 127.1) & (lat >= 33.0) & (lat <= 33.7)
    assert len(rows) == inside.sum() > 100
    at = {name: k for k, name in enumerate(head)}
    i, j = rows[:, at["row (0 = south)"]].astype(int), rows[:, at["column (0 = west)"]].astype(int)
    assert inside[i, j].all()
    assert set(zip(i, j, strict=True)) == set(map(tuple, np.argwhere(inside)))
    np.testing.assert_allclose(numbers(rows[:, at["latitude of the cell (degrees north)"]]), lat[i, j], atol=6e-5)
    rain, qpe, chances = arrays(source, 1)
    np.testing.assert_allclose(numbers(rows[:, at["NWP rain (mm in 1 h)"]]), rain[i, j], atol=0.0051)
    np.testing.assert_allclose(numbers(rows[:, at["QPE (mm in 1 h)"]]), qpe[i, j], atol=0.0051)
    for k, threshold in enumerate(THRESHOLDS):
        column = at[f"P(rain >= {threshold:g} mm in 1 h) (%)"]
        np.testing.assert_allclose(numbers(rows[:, column]), 100 * chances[k][i, j], atol=0.0051)
    assert set(rows[:, at["valid time (UTC)"]]) == {"2022-08-08 18:00"}
    assert set(rows[:, at["valid time (KST)"]]) == {"2022-08-09 03:00"}
    assert all(text.startswith("SYNTHETIC DATA") for text in rows[:, at["source"]])


def test_csv_of_the_grid_leaves_missing_values_empty(source: Source) -> None:
    head, rows = table(cells(source, order(source, "region")))
    assert len(rows) == 224 * 128
    corner = dict(zip(head, rows[0], strict=True))
    assert corner["NWP rain (mm in 1 h)"] == ""
    rain = numbers(rows[:, head.index("NWP rain (mm in 1 h)")]).reshape(224, 128)
    np.testing.assert_allclose(rain, arrays(source, 1)[0], atol=0.0051)


def test_csv_of_a_place_in_korean(source: Source) -> None:
    head, rows = table(series(source, order(source, "point", language="ko")))
    assert {"초기시각 (UTC)", "선행시간 (시간)", "수치예보 강수량 (mm/1시간)", "자료"} <= set(head)
    assert len(rows) == len(LEADS)
    assert set(rows[:, head.index("지점")]) == {"서울"}
    for k in range(3):
        row = dict(zip(head, rows[k], strict=True))
        rain, qpe, chances = (values[..., ROW, COLUMN] for values in arrays(source, k))
        assert (row["행 (0 = 남쪽)"], row["열 (0 = 서쪽)"]) == (str(ROW), str(COLUMN))
        assert float(row["수치예보 강수량 (mm/1시간)"]) == pytest.approx(rain, abs=0.0051)
        assert row["QPE 관측 강수량 (mm/1시간)"] == ("" if np.isnan(qpe) else f"{qpe:.2f}")
        assert float(row["강수확률, 1시간 10 mm 이상 (%)"]) == pytest.approx(100 * chances[2], abs=0.0051)


@pytest.mark.parametrize("point", [[0, -89], [127, 20], [-53, -38]])
def test_a_place_beside_the_grid_is_refused(source: Source, point: list[float]) -> None:
    with pytest.raises(SslpdlError, match="beside the grid"):
        series(source, order(source, "point", point=point))


def test_probabilities_that_are_being_computed_are_waited_for(source: Source) -> None:
    later = SimpleNamespace(thresholds=THRESHOLDS, window=1.0, title="later", stored=lambda *_: None)
    waiting = Source(source.archive, later)  # type: ignore[arg-type]
    with pytest.raises(SslpdlError, match="still being computed"):
        netcdf(waiting, order(waiting, "netcdf"))
