"""Rain over one window from sums over other periods.

A model writes rain as sums over periods: from the start of the run, over the last hours, or over buckets that start
anew. Seen as a graph whose nodes are times and whose edges are the sums that a file holds, rain over a window is a path
from its beginning to its end: an edge walked forwards is added, one walked backwards is subtracted.  So one rule
gives what is there already (one edge), differences of sums from the start (back and forth), and sums of hours (edges
in a row).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sslpdl.errors import ReaderError

__all__ = ["Way", "choose_windows", "compose", "shortest_window", "stated_periods", "window_path"]

Period = tuple[float, float]
Way = tuple[tuple[Period, int], ...]
"""Periods with +1 (add) or -1 (subtract)."""

FALL = 0.1
"""mm; a sum that falls by more than this did fall, packing and interpolation cannot explain it."""

FALLING_SHARE = 0.01
"""Share of cells that may fall nevertheless before the file is refused."""


def window_path(periods: Collection[Period], start: float, end: float) -> Way | None:
    """Return the fewest sums that make up the rain from `start` to `end` (hours), or None if they cannot.

    Examples
    --------
    >>> window_path([(0, 3), (0, 6)], 3, 6)
    (((0, 3), -1), ((0, 6), 1))
    """
    steps: dict[float, list[tuple[float, Period, int]]] = {}
    for period in sorted(periods):
        if period[1] > period[0]:
            steps.setdefault(period[0], []).append((period[1], period, 1))
            steps.setdefault(period[1], []).append((period[0], period, -1))
    reached: dict[float, Way] = {start: ()}
    queue = deque([start])
    while queue:
        time = queue.popleft()
        if time == end:
            return reached[time] or None
        for neighbour, period, sign in steps.get(time, []):
            if neighbour not in reached:
                reached[neighbour] = (*reached[time], (period, sign))
                queue.append(neighbour)
    return None


def shortest_window(periods: Collection[Period], end: float) -> float | None:
    """Return the length in hours of the shortest window ending at `end` that the sums can make up, or None."""
    starts = sorted({time for period in periods for time in period if time < end}, reverse=True)
    return next((end - start for start in starts if window_path(periods, start, end)), None)


def choose_windows(
    runs: Iterable[Collection[Period]], leads: Sequence[int], wanted: float | None
) -> NDArray[np.float64]:
    """Return the rain window in hours of each lead time.

    Parameters
    ----------
    runs : iterable of collections of (start, end)
        The sums that each run holds, in hours since its start.
    leads : sequence of int
        Lead times in hours.
    wanted : float or None
        The window that the user asks for; without it, at each lead time the shortest one that the most runs can make
        up. Where no run has rain (such as lead time 0), the most frequent window stands.

    Returns
    -------
    array (lead,)

    Raises
    ------
    ReaderError
        If no run can make up the window asked for.
    """
    counts: dict[int, Counter[float]] = {lead: Counter() for lead in leads}
    possible = False
    for periods in runs:
        for lead in leads:
            if wanted is None:
                window = shortest_window(periods, lead)
            else:
                window = wanted if window_path(periods, lead - wanted, lead) else None
            if window is not None:
                counts[lead][window] += 1
                possible = True
    if wanted is not None:
        if not possible:
            raise ReaderError(
                f"No run holds rain from which windows of {wanted:g} h can be made; leave the window out to see what "
                "there is.",
                kind="rain_windows",
            )
        return np.full(len(leads), float(wanted))
    overall: Counter[float] = Counter()
    for counter in counts.values():
        overall.update(counter)
    usual = overall.most_common(1)[0][0] if overall else 1.0
    # the shorter of two equally frequent ones
    return np.array([min(c, key=lambda w: (-c[w], w)) if (c := counts[lead]) else usual for lead in leads])


def stated_periods(ends: Sequence[float], covers: Sequence[float] | Mapping[float, float]) -> dict[float, Period]:
    """Return the period of the rain field at each lead time where the user states what the headers do not.

    Parameters
    ----------
    ends : sequence of float
        Lead times in hours of the rain fields, in increasing order.
    covers : sequence or mapping
        Hours that each field covers: in that order, or by lead time.

    Raises
    ------
    ReaderError
        If their number differs, or one is not positive.
    """
    if not isinstance(covers, Mapping):
        if len(covers) != len(ends):
            leads = ", ".join(f"+{end:g} h" for end in ends)
            raise ReaderError(
                f"{len(covers)} rain windows are stated for {len(ends)} lead times ({leads}); give one for each.",
                kind="covers_needed",
            )
        covers = dict(zip(ends, covers, strict=True))
    absent = [end for end in ends if end not in covers]
    if absent:
        raise ReaderError(
            f"No rain window is stated for lead time +{absent[0]:g} h; give one for each lead time.",
            kind="covers_needed",
        )
    if any(not covers[end] > 0 for end in ends):
        raise ReaderError("Stated rain windows must be longer than 0 hours.", kind="covers_needed")
    return {end: (end - covers[end], end) for end in ends}


def compose(way: Way, sums: Callable[[Period], NDArray[np.float32]], *, what: str) -> NDArray[np.float32]:
    """Return the rain of a window, never negative.

    Parameters
    ----------
    way : Way
        From :func:`window_path`.
    sums : callable
        Gives the sum over a period, array (y, x) in mm.
    what : str
        Run and lead time, for the message.

    Raises
    ------
    ReaderError
        If more than one cell in a hundred is below -0.1 mm: then the sums are not what their headers say.
    """
    total = sum(sign * sums(period).astype(np.float64) for period, sign in way)
    rain = np.asarray(total, np.float64)
    valid = np.isfinite(rain)
    falling = int((rain[valid] < -FALL).sum())
    if falling > FALLING_SHARE * max(int(valid.sum()), 1):
        share = falling / int(valid.sum())
        periods = " and ".join(f"{start:g}-{end:g} h" for (start, end), _ in way)
        if len(way) == 1:
            cause = "holds negative rain"
        else:
            cause = "is a sum that falls with time, so each field is probably the rain of its own window"
        raise ReaderError(
            f"Rain of {what} (from {periods}) {cause}: {share:.0%} of the cells are below -{FALL} mm; "
            "state the hours that each rain field covers (--rain-covers, rain_covers) if its header is wrong.",
            kind="covers_needed",
        )
    return np.maximum(rain, 0.0).astype(np.float32)
