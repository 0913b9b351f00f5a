"""One progress bar for all long work: what, how much, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar"]


@contextmanager
def bar(description: str, *, total: int, unit: str = "", shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error while the block runs.

    Parameters
    ----------
    description : str
        What is being done, such as ``"Forecasting"``.
    total : int
        How many steps there are.
    unit : str, optional
        What a step is, in the plural.
    shown : bool, default True
        False gives the same interface without the bar.

    Yields
    ------
    callable
        Call it with the number of steps just done.
    """
    if not shown:
        yield lambda _steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(description, total=total, rate="")

        def advance(steps: int) -> None:
            progress.advance(task, steps)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield advance
