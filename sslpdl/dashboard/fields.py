"""Questions about fields: an input or an accumulation of one run, all lead times, packed once for all sessions."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.dashboard.frames import RAIN_EDGES, Frames
from sslpdl.dashboard.packing import PROBABILITY_CODE, RAIN_CODE, Code, pool, split_bytes
from sslpdl.errors import ArchiveError
from sslpdl.plots.field_palettes import CHANGE, DIFFERENCE, DISAGREEMENT, FIELD_PALETTES, RAIN_CLASSES
from sslpdl.plots.palettes import Palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslpdl.dashboard.page import Session
    from sslpdl.dashboard.source import Source

__all__ = [
    "WINDOWS", "chain", "describe", "field", "for_forecasters", "input_palette", "names", "planes", "run", "run_index",
]  # fmt: skip

WINDOWS = (3, 6, 12, 24)
"""Windows of accumulated rain, hours."""

_ZERO_CELSIUS = 273.15
_SECONDS_FOR_A_RUN = 20.0


def describe(source: Source) -> dict[str, Any]:
    """Return what the maps can show beside rain and probabilities: inputs, windows and their palettes."""
    channels = [str(name) for name in source.archive["channel"].values]
    inputs = {}
    for name in channels:
        if name in CHANNELS and not CHANNELS[name].is_rain:
            palette, code = input_palette(name), _code(name)
            inputs[name] = {
                "palette": palette.to_dict() | {"codes": code.edges(palette.edges)},
                "code": {"unit": code.unit, "offset": code.offset, "missing": code.missing, "dtype": code.dtype},
            }

    def signed(palette: Palette, unit: float, middle: int) -> dict[str, Any]:
        # differences of two packed numbers, moved up so that none is negative
        return palette.to_dict() | {"codes": Code(unit, "uint16", -middle * unit).edges(palette.edges)}

    return {
        "inputs": inputs,
        "windows": list(WINDOWS),
        "difference_palette": signed(DIFFERENCE, RAIN_CODE.unit, 32768),
        "change_palette": signed(CHANGE, PROBABILITY_CODE.unit, 32768),
        "class_colours": list(RAIN_CLASSES),
        "disagreement_colours": list(DISAGREEMENT.hex[: DISAGREEMENT.bad_index]),
    }


def field(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer ``{"run": ..., "name": ...}`` with all lead times of a field.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        `run` as in `Source.init_times`; `name` an input of the archive (``"t_850"``), or ``"nwp:6"`` or ``"qpe:6"``
        for rain of the six hours up to the valid time.

    Returns
    -------
    dict
        ``blocks``: per lead time a zlib stream of integers (see `Code`), empty where there is no field.

    Raises
    ------
    ArchiveError
        If there is no such run or field.
    """
    source = session.source
    index, name = run_index(source, message), message.get("name")
    if not isinstance(name, str) or name not in names(source):
        raise ArchiveError(f"the archive holds no field {str(name)[:40]!r} that could be shown.")
    return {"blocks": list(_packed(source, source.generation, index, name))}


def run(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Answer ``{"run": ...}`` with the frames of another run, as `Frames.message`; waits a while for a model.

    Raises
    ------
    ArchiveError
        If there is no such run.
    """
    source = session.source
    init_time = source.init_times[run_index(source, message)]
    found: list[Frames] = []
    ready = threading.Event()

    def arrived(frames: Frames) -> None:
        found.append(frames)
        if frames.meta["status"] != "computing":
            ready.set()

    source.request(init_time, arrived)
    ready.wait(_SECONDS_FOR_A_RUN)
    if not found:
        raise ArchiveError(f"the run {init_time} is still being read; choose it again in a moment.", kind="reading")
    return found[-1].message()


def for_forecasters(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values of a channel in the units that forecasters use: hPa, gpm, degrees Celsius, %, m/s.

    Parameters
    ----------
    name : str
        Canonical name.
    values : ndarray, any shape
        In the archive's units.

    Returns
    -------
    ndarray of float64
        Rounded to a thousandth, so that 281.15 K, which single precision holds as 281.14999, is 8 degrees.
    """
    shift = _ZERO_CELSIUS if CHANNELS[name].units == "K" else 0.0
    return np.round(np.asarray(values, np.float64) - shift, 3)


def chain(end: float, hours: float, windows: Mapping[float, float]) -> list[float] | None:
    """Return the ends of the windows that join up to the `hours` before `end`, None where they do not.

    Parameters
    ----------
    end, hours : float
        End and length of the whole, hours.
    windows : mapping of float to float
        Length of the rain window that ends at each time, hours; NaN where unknown.

    Examples
    --------
    >>> chain(12, 6, {6: 3.0, 9: 3.0, 12: 3.0})
    [12, 9.0]
    """
    ends, time = [], end
    while time > end - hours:
        window = windows.get(time, np.nan)
        if not window > 0:
            return None
        ends.append(time)
        time = time - window
    return ends if time == end - hours else None


def run_index(source: Source, message: dict[str, Any]) -> int:
    """Return the position of the run that a message names.

    Raises
    ------
    ArchiveError
        If there is no such run.
    """
    init_time = message.get("run")
    if not isinstance(init_time, str) or init_time not in source.init_times:
        raise ArchiveError(f"the archive holds no run {str(init_time)[:40]!r}.")
    return source.init_times.index(init_time)


def input_palette(name: str) -> Palette:
    """Return the palette of an input of the model, in the units of `for_forecasters`."""
    if name in FIELD_PALETTES:
        return FIELD_PALETTES[name]
    return FIELD_PALETTES["rh" if name.startswith("rh_") else "wind"]


@lru_cache(maxsize=64)
def _code(name: str) -> Code:
    """Return the code of a channel, in steps of the archive itself."""
    offset = {"K": -130.0, "hPa": 700.0, "gpm": -1000.0, "m s-1": -200.0, "%": 0.0}[CHANNELS[name].units]
    return Code(CHANNELS[name].step, "uint16", offset)


def names(source: Source) -> set[str]:
    """Return what `field` and `planes` know by name: inputs, and accumulations such as ``"nwp:6"``."""
    held = {str(name) for name in source.archive["channel"].values}
    inputs = {name for name in held if name in CHANNELS and not CHANNELS[name].is_rain}
    kinds = (["nwp"] if "rain" in held else []) + (["qpe"] if "qpe" in source.archive else [])
    return inputs | {f"{kind}:{hours}" for kind in kinds for hours in WINDOWS}


@lru_cache(maxsize=96)
def _packed(source: Source, _generation: int, index: int, name: str) -> tuple[bytes, ...]:
    """Return one stream per lead time; those of a process are shared by all its sessions, until more data come."""
    code, edges = (RAIN_CODE, RAIN_EDGES) if ":" in name else (_code(name), input_palette(name).edges)
    found = planes(source, index, name)
    return tuple(b"" if plane is None else _stream(plane, code, edges, source.pooling) for plane in found)


def planes(source: Source, index: int, name: str) -> list[NDArray[np.float64] | None]:
    """Return a field at all lead times of a run, in full precision and in the units of `for_forecasters`.

    Parameters
    ----------
    source : Source
        Where from.
    index : int
        Position of the run.
    name : str
        One of `names`.

    Returns
    -------
    list of ndarray (y, x) or None
        NaN where missing; None where there is no field at all.
    """
    if ":" in name:
        kind, _, hours = name.partition(":")
        return (_nwp_sums if kind == "nwp" else _qpe_sums)(source, index, int(hours))
    values = source.archive["fields"].isel(init_time=index).sel(channel=name).values
    return [for_forecasters(name, plane) if np.isfinite(plane).any() else None for plane in values]


def _stream(plane: NDArray[Any], code: Code, edges: Any, pooling: int) -> bytes:
    return zlib.compress(split_bytes(code.encode(pool(plane, pooling), edges)), 4)


def _sum(planes: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Add planes; missing in one is missing in the sum, and a thousandth of a mm absorbs single precision."""
    return np.round(np.sum(planes, axis=0, dtype=np.float64), 3)


def _nwp_sums(source: Source, index: int, hours: int) -> list[NDArray[np.float64] | None]:
    rain = source.archive["fields"].isel(init_time=index).sel(channel="rain").values
    lengths = np.broadcast_to(source.archive["rain_window"].values, len(source.lead_times))
    known = {lead: i for i, lead in enumerate(source.lead_times) if np.isfinite(rain[i]).any()}
    windows = {float(lead): float(lengths[i]) for lead, i in known.items()}
    return _sums(source.lead_times, hours, windows, lambda end: rain[known[int(end)]])


def _qpe_sums(source: Source, index: int, hours: int) -> list[NDArray[np.float64] | None]:
    qpe = source.archive["qpe"]
    since = (qpe["valid_time"].values - source.times[index]) / np.timedelta64(1, "h")
    position = {float(hour): i for i, hour in enumerate(since)}
    windows = dict.fromkeys(position, float(source.archive.attrs.get("qpe_window", 1.0)))
    planes = lru_cache(maxsize=24)(lambda end: qpe.isel(valid_time=position[end]).values)
    return _sums(source.lead_times, hours, windows, planes)


def _sums(
    leads: list[int], hours: int, windows: Mapping[float, float], plane: Callable[[float], NDArray[Any]]
) -> list[NDArray[np.float64] | None]:
    chains = [chain(float(lead), hours, windows) for lead in leads]
    return [None if ends is None else _sum([plane(end) for end in ends]) for ends in chains]
