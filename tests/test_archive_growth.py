"""Archives that grow: runs and times in any order, what is refused, and what a reader keeps."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archives import LEADS, SMALL, START, create, fields, hours, make, rain

from sslpdl.archive import ArchiveWriter, open_archive
from sslpdl.channels import CANONICAL
from sslpdl.errors import ArchiveError
from sslpdl.grid import KOREA_5KM


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("archive") / "small.zarr", attrs={"title": "a test", "synthetic": True})


def test_append_and_resume_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    order = [3, 0, 2, 1]
    for number in order:
        opened = (
            create(path)
            if number == order[0]
            else ArchiveWriter.append(path, grid=SMALL, channels=CANONICAL, lead_time=LEADS)
        )
        with opened as writer:
            writer.write_run(START + np.timedelta64(6 * number, "h"), fields(number))
            writer.write_qpe(START + np.timedelta64(number, "h"), rain(number, 1)[0])
    writer = ArchiveWriter.append(path)
    assert np.array_equal(writer.init_times, START + np.arange(4) * np.timedelta64(6, "h"))
    assert np.array_equal(writer.valid_times, START + np.arange(4) * np.timedelta64(1, "h"))
    writer.close()
    ds = open_archive(path)
    assert (np.diff(ds.init_time.values) > np.timedelta64(0)).all()
    for number in range(4):
        assert np.allclose(ds.fields[number].values, fields(number), atol=0.26)
        assert np.allclose(ds.qpe[number].values, rain(number, 1)[0], atol=0.0011)


def test_times_may_be_given_in_many_ways(tmp_path: Path) -> None:
    kst = timezone(timedelta(hours=9))
    times: list[Any] = [
        "2022-08-08T00",
        datetime(2022, 8, 8, 10, tzinfo=kst),
        np.datetime64("2022-08-08T02"),
        datetime(2022, 8, 8, 3),
    ]
    with create(tmp_path / "a.zarr") as writer:
        for moment in times:
            writer.write_run(moment, fields())
        assert np.array_equal(writer.init_times, hours("2022-08-08T00", 4))
        for wrong in (5, "yesterday", np.datetime64("NaT"), "2022-08-08T00:00:00.5"):
            with pytest.raises(ArchiveError, match="not a time"):
                writer.write_run(wrong, fields())


def test_many_qpe_times_over_several_files(tmp_path: Path) -> None:
    observed = rain(1, 60)
    with create(tmp_path / "a.zarr") as writer:
        for first, last in ((0, 5), (5, 47), (47, 48), (48, 60)):  # 24 times a file
            writer.write_qpe(hours("2022-08-08T00", 60)[first:last], observed[first:last])
    assert np.allclose(open_archive(tmp_path / "a.zarr").qpe.values, observed, atol=0.0011)


def test_what_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with ArchiveWriter.append(path) as writer:
        with pytest.raises(ArchiveError, match=r"run 2022-08-08T12:00:00 of .* is stored already"):
            writer.write_run("2022-08-08T12", fields())
        with pytest.raises(ArchiveError, match=r"shape \(4, 16, 12, 9\) instead of \(4, 16, 12, 10\)"):
            writer.write_run("2022-08-09T12", fields()[..., 1:])
        with pytest.raises(ArchiveError, match="holds no value at all"):
            writer.write_run("2022-08-09T12", np.full_like(fields(), np.nan))
        with pytest.raises(ArchiveError, match=r"QPE of .* at 2022-08-08T05:00:00 is stored already"):
            writer.write_qpe("2022-08-08T05", rain(0, 1))
        with pytest.raises(ArchiveError, match="do not increase: 2022-09-01T01:00:00 comes after 2022-09-01T01:00:00"):
            writer.write_qpe(["2022-09-01T01", "2022-09-01T01"], rain(0, 2))
        with pytest.raises(ArchiveError, match=r"shape \(2, 12, 10\) instead of \(3, 12, 10\)"):
            writer.write_qpe(hours("2022-09-01T00", 3), rain(0, 2))
    with pytest.raises(ArchiveError, match="is closed"):
        writer.write_run("2022-08-09T12", fields())
    assert open_archive(path).sizes["init_time"] == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"grid": KOREA_5KM}, r"is on grid 'small' \(12, 10\), the new data on 'korea-5km' \(224, 128\)"),
        ({"channels": CANONICAL[:12]}, "has the channels"),
        ({"lead_time": (0, 1, 2)}, r"lead times \[0, 1, 2, 3\], the new data \[0, 1, 2\]"),
        ({"rain_window": 3.0}, "rain windows"),
        ({"qpe_window": 3.0}, r"QPE window \(hours\) 1.0, the new data 3.0"),
    ],
)
def test_appending_other_data_is_refused(small: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        ArchiveWriter.append(small, **given)
    ArchiveWriter.append(small, grid=SMALL, channels=CANONICAL, lead_time=LEADS, rain_window=1, qpe_window=1).close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"channels": ["t_805"]}, "did you mean 't_850'"),
        ({"channels": ["rain", "rain"]}, "more than once"),
        ({"channels": []}, "at least one"),
        ({"lead_time": [0, 3, 2]}, "whole hours from 0 on, increasing"),
        ({"lead_time": [0.5, 1.5]}, "whole hours"),
        ({"lead_time": []}, "whole hours"),
        ({"rain_window": [1, 1]}, "2 rain windows for 4 lead times"),
        ({"rain_window": 0}, "must be positive"),
        ({"qpe_window": -1}, "must be positive"),
        ({"mask": np.ones((3, 3))}, r"mask has the shape \(3, 3\)"),
    ],
)
def test_creating_nonsense_is_refused(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        create(tmp_path / "a.zarr", **given)
    assert not list(tmp_path.iterdir())


def test_overwriting(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with pytest.raises(ArchiveError, match="exists already"):
        create(path)
    with create(path, overwrite=True) as writer:
        assert not writer.init_times.size
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "one.jpg").touch()
    with pytest.raises(ArchiveError, match="not an SSLPDL archive"):
        create(other, overwrite=True)
    assert (other / "one.jpg").exists()
    (tmp_path / "empty").mkdir()
    create(tmp_path / "empty").close()


def test_sources(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with ArchiveWriter.append(path) as writer:
        writer.add_sources([{"name": "가.gb2", "sha256": "0" * 64}, {"name": "b.gb2", "sha256": "1" * 64}])
    with (path / "source_files.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"name": "cut sho')  # a kill in mid-line
    with ArchiveWriter.append(path) as writer:
        writer.add_sources([{"name": "b.gb2", "sha256": "1" * 64}, {"name": "c.gb2", "sha256": "2" * 64}])
    names = [source["name"] for source in json.loads(open_archive(path).attrs["source_files"])]
    assert names == ["가.gb2", "b.gb2", "c.gb2"]


def test_a_dataset_opened_before_more_was_written_stays_as_it_was(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr", runs=2)
    ds = open_archive(path)
    with ArchiveWriter.append(path) as writer:
        writer.write_run("2022-08-10T00", fields(9))
    assert ds.fields[:, 0].values.shape[0] == 2
    assert open_archive(path).sizes["init_time"] == 3
