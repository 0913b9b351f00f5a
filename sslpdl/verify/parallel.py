"""Counting by several workers: processes on this machine, or those of a Dask cluster."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sslpdl.errors import VerifyError

__all__ = ["in_order", "workers"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# parts in work or waiting at a time: enough for every worker of a cluster, few enough to hold their results
_IN_FLIGHT = 256


@contextmanager
def workers(processes: int = 1, *, dask: str | None = None) -> Iterator[Executor | None]:
    """Give an executor to count with; None means this process.

    Parameters
    ----------
    processes : int, default 1
        Worker processes on this machine.  A script that asks for more than one needs the usual
        ``if __name__ == "__main__":`` guard of :mod:`multiprocessing`.
    dask : str, optional
        Address of the scheduler of a Dask cluster, such as ``tcp://10.0.0.5:8786``; its workers must see the same
        files at the same paths.

    Raises
    ------
    VerifyError
        If both are asked for, the package for Dask clusters is missing, or none answers at the address.
    """
    if dask is not None and processes > 1:
        raise VerifyError(
            f"counting runs in {processes} processes or on the Dask cluster {dask}, not both; choose one."
        )
    if dask is not None:
        with _cluster(dask) as executor:
            yield executor
    elif processes > 1:
        # a forked child of a process with threads can hang; started afresh it cannot
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield pool
    else:
        yield None


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise VerifyError(
            f"the Dask cluster {address} needs the package distributed, which is not installed; "
            "run `pip install distributed`, or use --processes."
        ) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise VerifyError(
            f"no Dask scheduler answers at {address} ({error}); check the address, such as tcp://10.0.0.5:8786."
        ) from error
    with client:
        yield client.get_executor(pure=False)


def in_order(
    executor: Executor, work: Callable[[Sequence[_Item]], _Result], parts: Sequence[Sequence[_Item]],
    advance: Callable[[int], None],
) -> Iterator[_Result]:  # fmt: skip
    """Yield the result of every part in order, while later ones are in work; `advance` is told the sizes of parts."""
    waiting: deque[tuple[int, Future[Any]]] = deque()
    try:
        for part in parts:
            if len(waiting) == _IN_FLIGHT:
                yield _next(waiting, advance)
            waiting.append((len(part), executor.submit(work, part)))
        while waiting:
            yield _next(waiting, advance)
    finally:
        for _, future in waiting:
            future.cancel()


def _next(waiting: deque[tuple[int, Future[Any]]], advance: Callable[[int], None]) -> Any:
    size, future = waiting.popleft()
    result = future.result()
    advance(size)
    return result
