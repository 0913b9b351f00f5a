"""What a visitor can choose from, and what an address can and cannot name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import archives
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslpdl import forecast
from sslpdl.archive import open_archive
from sslpdl.dashboard import Settings
from sslpdl.dashboard.catalogue import choose, entries, slug
from sslpdl.dashboard.settings import check_paths
from sslpdl.dashboard.state import State
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM


class Model:
    """In place of a trained model: one half everywhere."""

    channels, thresholds, rain_window, provenance, decision = ("rain",), (1.0,), 1.0, {"name": "half"}, {1.0: 0.5}

    def check(self, archive: Any) -> None:
        pass

    def probabilities(self, fields: np.ndarray) -> np.ndarray:
        return np.full((len(fields), 2, *fields.shape[-2:]), 0.5, "float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two archives, a forecast of each, and things that are neither."""
    root = tmp_path / "data"
    archives.make(root / "summer 2022.zarr", runs=3, attrs={"title": "Summer <b>", "synthetic": True})
    archives.make(root / "deep" / "예보.zarr", runs=1, grid=KOREA_5KM.crop(90, 40, (12, 10), name="other"))
    first = open_archive(root / "summer 2022.zarr")
    forecast.run(first, Model(), init_time=first.init_time.values[:2], out=root / "half.zarr")  # type: ignore[arg-type]
    forecast.to_netcdf(
        forecast.run(root / "deep" / "예보.zarr", Model()),  # type: ignore[arg-type]
        root / "deep" / "f.nc",
    )
    (root / "empty.zarr").mkdir()
    (root / "broken.zarr").mkdir()
    (root / "broken.zarr" / "zarr.json").write_text("[1]")
    (root / "no.nc").write_text("no")
    shutil.copytree(root / "summer 2022.zarr", root / ".hidden.zarr")
    archives.make(root / "a" / "b" / "c" / "d" / "too-deep.zarr", runs=1)
    return root


def settings(tmp_path: Path, *folders: Path) -> Settings:
    if not (tmp_path / "a.zarr").exists():
        archives.make(tmp_path / "a.zarr", runs=1)
    return Settings.from_environment({}, archive=tmp_path / "a.zarr", folders=folders)


def test_archives_and_forecasts_that_fit_are_listed(tmp_path: Path, folder: Path) -> None:
    found = {entry.name: entry for entry in entries(settings(tmp_path, folder))}
    korean = slug("예보")
    assert set(found) == {"", "summer-2022", "half", korean, "f"}
    assert found["half"].archive == folder / "summer 2022.zarr", "the other archive is on another grid"
    assert found["f"].archive == folder / "deep" / "예보.zarr"
    facts = found["half"].facts
    assert (facts["title"], facts["runs"], facts["covered"]) == ("Summer <b>", 3, 2)
    assert (facts["first"], facts["last"]) == ("2022-08-08T00:00", "2022-08-09T00:00")
    assert (facts["grid"], facts["leads"], facts["synthetic"]) == ("small (12 × 10)", [0, 3], True)
    assert facts["megabytes"] > 0
    assert not any(os.sep in str(value) for value in facts.values())


def test_what_is_chosen_is_opened(tmp_path: Path, folder: Path) -> None:
    server = settings(tmp_path, folder)
    assert choose(server, "") is server
    chosen = choose(server, "half")
    assert (chosen.archive, chosen.forecast) == (folder / "summer 2022.zarr", folder / "half.zarr")
    assert choose(server, "summer-2022").forecast is None


@pytest.mark.parametrize("name", ["../a", "nothing", "summer 2022.zarr", "half/", "/etc/passwd", "é"])
def test_what_is_not_listed_cannot_be_opened(tmp_path: Path, folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no data called"):
        choose(settings(tmp_path, folder), name)


def test_what_the_server_shows_is_listed_once(tmp_path: Path, folder: Path) -> None:
    shown = Settings.from_environment({}, archive=folder / "summer 2022.zarr", folders=[folder])
    assert [entry.name for entry in entries(shown)].count("") == 1
    assert "summer-2022" not in {entry.name for entry in entries(shown)}
    with_forecast = Settings.from_environment(
        {}, archive=folder / "summer 2022.zarr", forecast=folder / "half.zarr", folders=[folder]
    )
    assert {"summer-2022"} <= {entry.name for entry in entries(with_forecast)}, "the same archive with the model"
    assert "half" not in {entry.name for entry in entries(with_forecast)}


def test_equal_names_are_told_apart_and_stay(tmp_path: Path) -> None:
    for part in ("x", "y", "z"):
        archives.make(tmp_path / "data" / part / "same.zarr", runs=1)
    names = [entry.name for entry in entries(settings(tmp_path, tmp_path / "data"))]
    assert len(set(names)) == 4
    assert names == [entry.name for entry in entries(settings(tmp_path, tmp_path / "data"))]
    for name in names:
        assert State.from_query({"data": name}).data == name


def test_a_new_run_is_seen(tmp_path: Path) -> None:
    server = settings(tmp_path)
    assert entries(server)[0].facts["runs"] == 1
    with archives.ArchiveWriter.append(tmp_path / "a.zarr") as writer:
        writer.write_run("2022-08-09T00", archives.fields(2))
    assert entries(server)[0].facts["runs"] == 2


@given(st.text(min_size=1))
def test_every_name_can_stand_in_an_address(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", slug(text), re.ASCII)
    assert State.from_query({"data": slug(text)}).data == slug(text)


def test_folders_come_from_the_environment_and_must_exist(tmp_path: Path) -> None:
    environ = {"SSLPDL_FOLDERS": f"{tmp_path}{os.pathsep} {os.pathsep}{tmp_path / 'x'}"}
    found = Settings.from_environment(environ)
    assert found.folders == (tmp_path, tmp_path / "x")
    assert Settings.from_environment(environ, folders=["b"]).folders == (Path("b"),)
    with pytest.raises(ConfigError, match="there is no folder"):
        check_paths(found)
    with pytest.raises(ConfigError, match="NUL"):
        Settings.from_environment({"SSLPDL_FOLDERS": "a\0"})
