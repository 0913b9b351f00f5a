"""Counting by processes, by any executor, and on a Dask cluster gives the same numbers."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import archives
import numpy as np
import pytest
import xarray as xr

from sslpdl import open_archive, verify
from sslpdl.errors import VerifyError
from sslpdl.verify.parallel import in_order

THRESHOLDS = (0.1, 1.0, 10.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("parallel") / "a.zarr"
    with archives.create(path, mask=np.ones(archives.SMALL.shape, bool)) as writer:
        for run in range(3):
            fields = archives.fields(run)
            if run == 1:
                fields[:, -1] = np.nan  # a run without rain: a part of which no case counts
            writer.write_run(archives.START + np.timedelta64(4 * run, "h"), fields)
        writer.write_qpe(archives.hours("2022-08-08T00", 12), archives.rain(7, 12))
    return open_archive(path)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslpdl.verify.reading._TOGETHER", 4)  # one run
    monkeypatch.setattr("sslpdl.verify.parallel._IN_FLIGHT", 2)


def counted(archive: xr.Dataset, executor: Executor | None = None) -> xr.Dataset:
    models = {"raw": "raw", "climatology": "climatology"}
    return verify.count(archive, models, thresholds=THRESHOLDS, scales=(1, 3, 5), executor=executor)


def test_processes_count_the_same(archive: xr.Dataset) -> None:
    alone = counted(archive)
    assert (alone.attrs["cases"], alone.attrs["skipped"]) == (8, 4)
    with verify.workers(1) as none:
        assert none is None
    with verify.workers(2) as executor:
        xr.testing.assert_identical(counted(archive, executor), alone)


def test_any_executor_counts_the_same(archive: xr.Dataset) -> None:
    with ThreadPoolExecutor(3) as executor:
        xr.testing.assert_identical(counted(archive, executor), counted(archive))


def test_a_dask_cluster_counts_the_same(archive: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the interface of `distributed.Client`; where the package is installed, with itself on a local cluster."""
    try:
        from distributed import LocalCluster
    except ImportError:
        monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
        with verify.workers(dask="tcp://scheduler:8786") as executor:
            xr.testing.assert_identical(counted(archive, executor), counted(archive))
        assert Client.addresses == ["tcp://scheduler:8786"]
    else:
        with (
            LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
            verify.workers(dask=cluster.scheduler_address) as executor,
        ):
            xr.testing.assert_identical(counted(archive, executor), counted(archive))


class Client:
    """Stands for `distributed.Client`: connects to an address, and gives an executor of `concurrent.futures`."""

    addresses: list[str] = []  # noqa: RUF012

    def __init__(self, address: str, timeout: float) -> None:
        if "nowhere" in address:
            raise OSError(f"timed out after {timeout} s")
        self.addresses.append(address)

    def __enter__(self) -> Client:
        self.pool = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def get_executor(self, pure: bool) -> Executor:
        assert not pure  # the same part twice would be counted once
        return self.pool


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(VerifyError, match="needs the package distributed"), verify.workers(dask="tcp://a:1"):
        pass
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
    silent = pytest.raises(VerifyError, match="no Dask scheduler answers at tcp://nowhere:1")
    with silent, verify.workers(dask="tcp://nowhere:1"):
        pass
    with pytest.raises(VerifyError, match="not both"), verify.workers(2, dask="tcp://a:1"):
        pass


def test_results_come_in_order_and_are_told() -> None:
    told: list[int] = []

    def work(part: Any) -> int:
        return sum(part)

    with ThreadPoolExecutor(3) as executor:
        assert list(in_order(executor, work, [[1], [2, 3], [4, 5, 6], [7]], told.append)) == [1, 5, 15, 7]
    assert told == [1, 2, 3, 1]


def test_an_archive_without_a_valid_cell_is_refused(archive: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="no cell has both"):
        verify.count(archive.isel(init_time=[1]), {"raw": "raw"}, thresholds=THRESHOLDS)
