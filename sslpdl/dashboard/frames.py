"""All lead times of one run, packed for the browser and shared by every session that looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.dashboard.packing import PROBABILITY_CODE, RAIN_CODE, pack_lead, pool
from sslpdl.errors import ForecastError
from sslpdl.plots.palettes import PROBABILITY, RAIN, RAIN_SAFE, Palette

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from sslpdl.dashboard.probabilities import Planes

__all__ = ["RAIN_EDGES", "RAIN_PALETTES", "Frames", "codes", "pack_run", "unreadable"]

RAIN_PALETTES: tuple[Palette, ...] = (RAIN, RAIN_SAFE)
"""The rain palettes that a viewer can choose; the first is the default."""

RAIN_EDGES = sorted({edge for palette in RAIN_PALETTES for edge in palette.edges})


@dataclass(frozen=True)
class Frames:
    """All lead times of one run.

    Attributes
    ----------
    meta : dict
        Run, windows, what is there, and the state of the probabilities (``ready``, ``computing``,
        ``failed`` with a problem and its kind, or ``unreadable``); plain lists and strings.
    blocks : tuple of bytes
        One zlib stream per lead time (see `pack_lead`).
    """

    meta: dict[str, Any]
    blocks: tuple[bytes, ...]

    def message(self, lead: int | None = None) -> dict[str, Any]:
        """Return what the browser gets: the description, and the streams, which all sessions share.

        Parameters
        ----------
        lead : int, optional
            Position of the only lead time to send; all by default.
        """
        blocks = [block if lead in (None, i) else b"" for i, block in enumerate(self.blocks)]
        return self.meta | {"blocks": blocks}


def pack_run(
    archive: xr.Dataset,
    index: int,
    fields: NDArray[np.float32],
    probabilities: Planes | None,
    *,
    pooling: int = 1,
    status: str = "ready",
    problem: str = "",
    kind: str = "",
) -> Frames:
    """Pack a run.

    Parameters
    ----------
    archive : Dataset
        From `sslpdl.open_archive`.
    index : int
        Position of the run in it.
    fields : ndarray (lead_time, channel, y, x)
        The run's fields.
    probabilities : dict or None
        Its exceedance probabilities by lead time, where there are any yet.
    pooling : int
        See `pool`.
    status, problem, kind : str
        State of the probabilities, see `Frames`.

    Raises
    ------
    ForecastError
        If the probabilities lie on another grid.
    """
    leads = [int(lead) for lead in archive["lead_time"].values]
    channels = [str(name) for name in archive["channel"].values]
    rain = fields[:, channels.index("rain")] if "rain" in channels else np.full_like(fields[:, 0], np.nan)
    observed = _qpe(archive, index, leads)
    values = probabilities or {}
    if any(planes.shape[-2:] != rain.shape[-2:] for planes in values.values()):
        raise ForecastError("the forecast lies on another grid than the archive; forecast this archive again.")

    def pooled(planes: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if planes is None else pool(planes, pooling)

    blocks = tuple(
        pack_lead(
            pool(rain[i], pooling),
            pooled(observed[i]),
            pooled(values.get(lead)),
            rain_edges=RAIN_EDGES,
            probability_edges=PROBABILITY.edges,
        )
        for i, lead in enumerate(leads)
    )
    windows = np.broadcast_to(archive["rain_window"].values, len(leads))
    meta = {
        "init_time": str(np.datetime_as_string(archive["init_time"].values[index], unit="m")),
        "nwp": [bool(np.isfinite(plane).any()) for plane in rain],
        "qpe": [plane is not None for plane in observed],
        "probability": [lead in values for lead in leads],
        "rain_window": [float(window) if np.isfinite(window) else None for window in windows],
        "status": status,
        "problem": problem,
        "problem_kind": kind or ("failed" if problem else ""),
    }
    return Frames(meta, blocks)


def unreadable(init_time: str, leads: int, problem: str) -> Frames:
    """Return what stands in for a run that cannot be read: only the reason."""
    meta = {
        "init_time": init_time,
        "nwp": [False] * leads,
        "qpe": [False] * leads,
        "probability": [False] * leads,
        "rain_window": [1.0] * leads,
        "status": "unreadable",
        "problem": problem,
        "problem_kind": "unreadable",
    }
    return Frames(meta, (b"",) * leads)


def codes() -> dict[str, Any]:
    """Return the palettes with their edges as integers of the packed frames, and what those integers mean."""

    def entry(palette: Palette, edges: list[int]) -> dict[str, Any]:
        return palette.to_dict() | {"codes": edges}

    return {
        "palettes": [entry(palette, RAIN_CODE.edges(palette.edges)) for palette in RAIN_PALETTES],
        "probability_palette": entry(PROBABILITY, PROBABILITY_CODE.edges(PROBABILITY.edges)),
        "rain_code": {"unit": RAIN_CODE.unit, "missing": RAIN_CODE.missing},
        "probability_code": {"unit": PROBABILITY_CODE.unit, "missing": PROBABILITY_CODE.missing},
    }


def _qpe(archive: xr.Dataset, index: int, leads: Sequence[int]) -> list[NDArray[np.float32] | None]:
    """Return the observed rain that ends at each valid time of a run, None where there is none."""
    if "qpe" not in archive or not archive.sizes.get("valid_time", 0):
        return [None] * len(leads)
    position = {time: i for i, time in enumerate(archive["valid_time"].values.astype("datetime64[s]"))}
    valid = archive["init_time"].values[index].astype("datetime64[s]") + np.asarray(leads, "timedelta64[h]")
    found = [position.get(time) for time in valid]
    return [None if i is None else archive["qpe"].isel(valid_time=i).values for i in found]
