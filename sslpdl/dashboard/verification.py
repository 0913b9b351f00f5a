"""The answer to "how good has it been, at this place, lead time and threshold?", from stored counts."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.counts import CLIMATOLOGY, RAW, ArchiveCounts, Stored, stored_counts
from sslpdl.errors import VerifyError

if TYPE_CHECKING:
    import pandas as pd

    from sslpdl.dashboard.page import Session

__all__ = ["LEAST_EVENTS", "REPLICATES", "SCORES", "evaluated", "regions_counted", "verification"]

SCORES = ("csi", "pod", "far", "frequency_bias", "ets", "brier", "bss_climatology", "bss_raw")
"""The scores on the page, of those of `sslpdl.verify.scores`."""

OUTCOMES = ("hits", "false_alarms", "misses", "correct_negatives")

LEAST_EVENTS = 100
"""With fewer cells where the threshold was reached, the sample is called too small."""

REPLICATES = 500
"""Bootstrap replicates: the limits of an interval move by a few per cent of its width between seeds."""

# the presets of the map that are made of provinces; the others have counts of their own name
_PROVINCES = {
    "chungcheong": ("chungbuk", "chungnam"),
    "honam": ("jeonbuk", "jeonnam"),
    "yeongnam": ("gyeongbuk", "gyeongnam"),
    "south_korea": (
        *("capital_area", "gangwon", "chungbuk", "chungnam", "jeonbuk", "jeonnam", "gyeongbuk", "gyeongnam", "jeju"),
    ),
}


def verification(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer the question of the page.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        ``region``, a preset of the map or empty; ``leads``, first and last lead time [h]; ``threshold`` [mm]; and
        perhaps ``hours``, hours of the day, UTC, at which rain windows end.

    Returns
    -------
    dict
        ``status`` ``"counting"`` with ``done`` and ``of`` runs, or ``"ready"`` with what `evaluated` returns.

    Raises
    ------
    VerifyError
        If the question makes no sense, or there are no counts for it.
    """
    region = message.get("region") or ""
    if region not in ["", *(known["name"] for known in session.viewer.config["regions"])]:
        raise VerifyError("there is no such region on the map.")
    leads, hours = _whole(message.get("leads"), 9999), message.get("hours")
    if leads is None or len(leads) != 2 or leads[0] > leads[1]:
        raise VerifyError("the lead times need a first and a last hour, the first not after the last.")
    wanted = None if hours is None else _whole(hours, 23)
    if hours is not None and not wanted:
        raise VerifyError("the hours of the day must be whole numbers from 0 to 23.")
    threshold = message.get("threshold")
    if not isinstance(threshold, int | float) or not math.isfinite(threshold):
        raise VerifyError("choose a threshold first: the forecast on screen has none.")
    found = stored_counts(session.source, session.shown)
    if isinstance(found, ArchiveCounts):
        return {"status": "counting", "done": found.done, "of": found.of}
    return evaluated(found, region, float(threshold), (leads[0], leads[1]), None if wanted is None else tuple(wanted))


def _whole(value: Any, largest: int) -> list[int] | None:
    """Return a short list of whole numbers as it is, None for anything else."""
    if not isinstance(value, list | tuple) or len(value) > 24:
        return None
    known = [number for number in value if isinstance(number, int) and not isinstance(number, bool)]
    return known if len(known) == len(value) and all(0 <= number <= largest for number in known) else None


def regions_counted(region: str, counted: list[str]) -> tuple[list[str], bool]:
    """Return the counted regions that make up a preset of the map, and whether they really do.

    Where they do not, it is the first counted region: the whole verified area.  The peninsula and the whole grid mean
    that area, too.

    Examples
    --------
    >>> regions_counted("honam", ["all", "jeonbuk", "jeonnam"])
    (['jeonbuk', 'jeonnam'], True)
    >>> regions_counted("honam", ["all", "land"])
    (['all'], False)
    """
    if region in ("", "peninsula"):
        return counted[:1], True
    parts = [part for part in _PROVINCES.get(region, (region,)) if part in counted]
    # a grid may lie beside some provinces, so that South Korea is what is there of it
    whole = len(parts) == len(_PROVINCES.get(region, (region,))) or (region == "south_korea" and len(parts) > 0)
    return (parts, True) if whole else (counted[:1], False)


@lru_cache(maxsize=512)
def evaluated(
    stored: Stored, region: str, threshold: float, leads: tuple[int, int], hours: tuple[int, ...] | None = None
) -> dict[str, Any]:
    """Return contingency tables, scores and diagrams of a selection as plain values, None where undefined.

    Parameters
    ----------
    stored : Stored
        What was counted.
    region : str
        A preset of the map, empty for the whole grid.
    threshold : float
        In mm.
    leads : (int, int)
        First and last lead time [h].
    hours : tuple of int, optional
        Hours of the day, UTC, at which rain windows end.

    Raises
    ------
    VerifyError
        If the threshold or the lead times were not counted.
    """
    from sslpdl.verify import decision_curve, reliability_table, select
    from sslpdl.verify.pooling import LEAST_BLOCKS, block_length, daily_sums, decisions
    from sslpdl.verify.scoring import Names
    from sslpdl.verify.table import score_limits

    counts = stored.counts
    parts, exact = regions_counted(region, counts["region"].values.tolist())
    held = counts["lead_time"].values
    inside = held[(held >= leads[0]) & (held <= leads[1])].tolist()
    if not inside:
        raise VerifyError(f"no lead time from {leads[0]} to {leads[1]} h was counted; there are {_spans(held)} h.")
    part = select(counts, regions=parts, threshold=threshold, leads=inside, hours=hours)
    days = block_length(counts)
    blocks = daily_sums(part, part["lead_time"].values, block_days=days)
    cells = int(blocks.table[:, 0, 0, 0].sum())
    events = blocks.events[:, 0, 0, 0].sum(axis=-1)  # (block,)
    table = score_limits(blocks, Names(part), SCORES, replicates=REPLICATES)
    curve = decision_curve(part)
    reliability = reliability_table(part, replicates=REPLICATES, block_days=days)
    with_event, sample = int((events > 0).sum()), {"cells": cells, "events": int(events.sum()), "blocks": len(events)}
    return {
        "status": "ready",
        "data": _about(stored, days),
        "region": {"name": region, "exact": exact, "parts": parts, "titles": _titles(parts)},
        "leads": inside,
        "threshold": threshold,
        "sample": sample | {"with_event": with_event, "base_rate": sample["events"] / cells if cells else None},
        "too_small": _too_small(sample["events"], len(events), with_event, LEAST_BLOCKS),
        "models": [
            {
                "name": name,
                "role": "raw" if name == RAW else "model",
                "p": float(decisions(part)[0, m]),
                "table": dict(zip(OUTCOMES, blocks.table.sum(axis=0)[0, 0, m].tolist(), strict=True)),
                "scores": {
                    score: _plain({key: a[m] for key, a in columns.items()}) for score, columns in table.items()
                },
            }
            for m, name in enumerate(part["model"].values.tolist())
            if name != CLIMATOLOGY
        ],
        "reliability": _rows(reliability[(reliability["model"] == stored.model) & (reliability["n"] > 0)]),
        "curve": _rows(curve[(curve["model"] == stored.model) & (curve["p"] > 0)][["p", "pod", "precision", "csi"]]),
    }


def _about(stored: Stored, days: int) -> dict[str, Any]:
    attrs = stored.counts.attrs
    return {
        "kind": stored.kind,
        "where": stored.where,
        "title": str(attrs.get("title", "")),
        "synthetic": str(attrs.get("synthetic", "false")).lower() == "true",
        "model": stored.model,
        "first": stored.period[0][:10],
        "last": stored.period[1][:10],
        "runs": int(attrs["runs"]),
        "days": int(attrs["days"]),
        "block_days": days,
        "lead_times": stored.counts["lead_time"].values.tolist(),
        "climatology": str(attrs.get("climatology", "")),
        "window": float(attrs.get("rain_window", 1.0)),
    }


def _too_small(events: int, blocks: int, with_event: int, least_blocks: int) -> list[dict[str, Any]]:
    """Return why the sample is too small to judge by, each reason with its number and the least that would do."""
    reasons = [
        ("events", events, LEAST_EVENTS),
        ("blocks", blocks, least_blocks),
        ("with_event", with_event, least_blocks),
    ]
    found = [{"why": why, "number": number, "least": least} for why, number, least in reasons if number < least]
    return [reason for reason in found if reason["why"] != "with_event" or len(found) == 1]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    kept = frame.drop(columns=[name for name in ("model", "threshold") if name in frame])
    return [_plain(row) for row in kept.to_dict("records")]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return numbers as Python's own, None for NaN, which JSON does not know."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        number = value.item() if isinstance(value, np.generic) else value
        found[str(name)] = None if isinstance(number, float) and not math.isfinite(number) else number
    return found


def _titles(parts: list[str]) -> dict[str, list[str]]:
    """Return the names of counted regions in English and Korean."""
    from sslpdl.data import provinces
    from sslpdl.verify.regions import region_title

    korean = {"all": "검증 영역 전체", "land": "육지", "sea": "바다"}
    known = provinces()
    return {
        "en": [region_title(part) for part in parts],
        "ko": [known[part].name_ko if part in known else korean.get(part, part) for part in parts],
    }


def _spans(leads: Any) -> str:
    values = sorted(int(lead) for lead in leads)
    return f"{values[0]} to {values[-1]}" if len(values) > 3 else ", ".join(map(str, values))
