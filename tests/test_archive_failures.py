"""Interruptions, full disks, missing permissions, second writers: an archive is whole at every moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr.storage._local as local_store
from archives import SMALL, START, create, fields, hours, make, rain

from sslpdl.archive import ArchiveWriter, open_archive, validate
from sslpdl.errors import ArchiveError

NEXT = "2022-08-20T00"


def assert_whole(path: Path, runs: int, times: int = 18) -> None:
    ds = open_archive(path)
    validate(ds)
    assert (ds.sizes["init_time"], ds.sizes["valid_time"]) == (runs, times)
    for run in range(runs):
        assert np.isfinite(ds.fields[run].values).all()
    assert np.allclose(ds.qpe.values[:18], rain(7, 18), atol=0.0011)


class Disk:
    """Lets so many files be written and then does something else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, allowed: int, otherwise: Callable[[Path, Any], None]) -> None:
        self.left, self.otherwise, self.write = allowed, otherwise, local_store._put
        self.lock = threading.Lock()
        monkeypatch.setattr(local_store, "_put", self)

    def __call__(self, path: Path, value: Any, exclusive: bool = False) -> int:
        with self.lock:  # Zarr writes from several threads
            self.left -= 1
            spent = self.left < 0
        if spent:
            self.otherwise(path, value)
        return self.write(path, value, exclusive)


def full(path: Path, value: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def die(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".0123.partial").open("wb") as file:  # what Zarr has written of the file so far
        file.write(bytes(value.as_buffer_like())[: len(value) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def count_writes(path: Path, act: Callable[[ArchiveWriter], None], monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch, ArchiveWriter.append(path) as writer:
        disk = Disk(patch, 10_000, full)
        act(writer)
    return 10_000 - disk.left


ACTIONS: dict[str, Callable[[ArchiveWriter], None]] = {
    "run": lambda writer: writer.write_run(NEXT, fields(5)),
    "qpe": lambda writer: writer.write_qpe(hours(NEXT, 10), rain(3, 10)),  # fills one file and begins another
}


@pytest.mark.parametrize("what", ACTIONS)
def test_full_disk_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    act, other = ACTIONS[what], ACTIONS["qpe" if what == "run" else "run"]
    number = count_writes(make(tmp_path / "count.zarr"), act, monkeypatch)
    assert number >= 7  # shards, coordinates, shapes, root metadata
    for allowed in range(number):
        path = make(tmp_path / f"{allowed}.zarr", runs=1)
        with ArchiveWriter.append(path) as writer:
            with monkeypatch.context() as patch:
                Disk(patch, allowed, full)
                with pytest.raises(ArchiveError, match=r"was not stored: the disk that holds .* is full"):
                    act(writer)
            assert_whole(path, 1)
            other(writer)  # a commit of something else must not bring the half-written part to light
            assert_whole(path, *((1, 28) if what == "run" else (2, 18)))
            act(writer)  # the same writer goes on once there is space
        assert_whole(path, 2, 28)


@pytest.mark.parametrize("what", ACTIONS)
def test_kill_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    act = ACTIONS[what]
    number = count_writes(make(tmp_path / "count.zarr"), act, monkeypatch)
    path = make(tmp_path / "a.zarr", runs=1)
    for allowed in range(number):
        child = os.fork()
        if child == 0:
            try:
                Disk(monkeypatch, allowed, die)
                act(ArchiveWriter.append(path))
            finally:
                os._exit(1)  # reached only if nothing killed it
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert_whole(path, 1)
    with ArchiveWriter.append(path) as writer:  # the lock died with its owner
        act(writer)
    assert_whole(path, *((2, 18) if what == "run" else (1, 28)))
    assert not list(path.rglob("*.partial"))


def test_kill_minus_9_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    create(path).close()
    program = (
        "import sys, numpy as np; from archives import fields; from sslpdl.archive import ArchiveWriter\n"
        f"with ArchiveWriter.append({str(path)!r}) as writer:\n"
        "    for run in range(10_000):\n"
        "        writer.write_run(np.datetime64('2022-08-08T00') + np.timedelta64(run, 'h'), fields(run))\n"
        "        print(run, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(0.013)
        process.kill()
        said = 3 + len(process.stdout.readlines())
    ds = open_archive(path)
    assert said <= ds.sizes["init_time"] <= said + 1  # a run is stored before it is announced
    last = ds.sizes["init_time"] - 1
    assert np.allclose(ds.fields[last].values, fields(last), atol=0.26)
    with ArchiveWriter.append(path) as writer:
        writer.write_run("2023-01-01", fields())
    validate(open_archive(path).isel(valid_time=slice(0)))


def test_full_disk_while_making_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        Disk(patch, 5, full)
        with pytest.raises(ArchiveError, match=r"The archive was not made: the disk that holds .* is full"):
            create(tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.zarr")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", refuse)
        with pytest.raises(ArchiveError, match="was not made: there is no permission to write to"):
            create(tmp_path / "b.zarr")
    with monkeypatch.context() as patch:
        patch.setattr("os.open", refuse)
        with pytest.raises(ArchiveError, match="cannot be opened for writing: there is no permission"):
            ArchiveWriter.append(path)
    with monkeypatch.context() as patch:
        patch.setattr(local_store, "_put", refuse)
        with pytest.raises(ArchiveError, match="opened for writing: there is no permission"):
            ArchiveWriter.append(path)
    assert_whole(path, 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_write_permission(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    tmp_path.chmod(0o500)
    path.chmod(0o500)
    try:
        with pytest.raises(ArchiveError, match="no permission"):
            create(tmp_path / "b.zarr")
        with pytest.raises(ArchiveError, match="no permission"):
            ArchiveWriter.append(path)
    finally:
        tmp_path.chmod(0o700)
        path.chmod(0o700)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    with ArchiveWriter.append(path) as writer:
        for attempt in (lambda: ArchiveWriter.append(path), lambda: create(path, overwrite=True)):
            with pytest.raises(ArchiveError, match="Another process is writing"):
                attempt()
        with pytest.raises(ArchiveError, match="channels"):  # a refusal frees no lock and keeps none
            ArchiveWriter.append(make(tmp_path / "b.zarr"), channels=["rain"])
        writer.write_run(NEXT, fields())
    ArchiveWriter.append(path).close()
    ArchiveWriter.append(tmp_path / "b.zarr").close()


def test_interrupt_from_the_keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "a.zarr", runs=1)
    with ArchiveWriter.append(path) as writer:
        put = writer._put

        def interrupt(name: str, start: int, values: Any) -> None:
            put(name, start, values)
            if name == "fields":
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(writer, "_put", interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer.write_run(NEXT, fields())
        writer.write_qpe(NEXT, rain(0, 1))
    assert_whole(path, 1, 19)


# ---- things that are not archives -----------------------------------------------------------------------------------


def empty_folder(path: Path) -> None:
    path.mkdir()


def a_file(path: Path) -> None:
    path.write_text("x")


def other_folder(path: Path) -> None:
    path.mkdir()
    (path / "readme.txt").write_text("x")


def plain_zarr(path: Path) -> None:
    import zarr

    zarr.open_group(str(path), mode="w")
    zarr.consolidate_metadata(str(path))


def unfinished_json(path: Path) -> None:
    make(path)
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text[: len(text) // 2])


def edit(change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        make(path)
        text = (path / "zarr.json").read_text()
        changed = change(text)
        assert changed != text
        (path / "zarr.json").write_text(changed)

    return damage


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda path: None, "There is no archive at"),
        (empty_folder, "is an empty folder"),
        (a_file, "is a file, but an archive is a folder"),
        (other_folder, "has no file zarr.json"),
        (plain_zarr, "is a Zarr group, but not an SSLPDL archive"),
        (unfinished_json, "metadata cannot be read"),
        (
            edit(lambda t: t.replace('"format_version": 1', '"format_version": 99')),
            "format 99, newer than the 1 .* upgrade",
        ),
        (edit(lambda t: t.replace('"format_version": 1', '"format_version": "x"')), "format version 'x'"),
        (edit(lambda t: t.replace('"fields"', '"feilds"')), "is damaged: KeyError"),
    ],
    ids=["absent", "empty", "file", "folder", "zarr", "truncated", "newer", "version", "renamed"],
)
def test_what_is_not_an_archive(tmp_path: Path, build: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "a.zarr"
    build(path)
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    for attempt in (lambda: open_archive(path), lambda: ArchiveWriter.append(path)):
        with pytest.raises(ArchiveError, match=words):
            attempt()
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


def test_a_damaged_run_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.zarr")
    shard = path / "fields" / "c" / "1" / "0" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-40])
    ds = open_archive(path)
    assert np.isfinite(ds.fields[0].values).all()
    with pytest.raises(ArchiveError, match=r"fields of .* cannot be read"):
        _ = ds.fields[1].values


def test_small_grid_is_what_the_tests_say() -> None:
    assert SMALL.shape == (12, 10)
    assert np.datetime64("2022-08-08") == START
