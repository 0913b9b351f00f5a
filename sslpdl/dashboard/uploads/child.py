"""The process that reads uploaded files: ``python -m sslpdl.dashboard.uploads.child ORDER``.

It limits itself before it imports anything that reads files, and ends by writing ``result.json`` beside its order.
Whatever happens to it, the server goes on.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

__all__ = ["check_dimensions", "limit", "main"]

_MOST_PLANES = 100_000


def limit(*, seconds: float, memory_bytes: int, file_bytes: int) -> None:
    """Limit this process: time on the processor, address space, size of a file that it writes; no core dump."""
    for what, most in (
        (resource.RLIMIT_CPU, math.ceil(seconds)),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def check_dimensions(path: Path, memory_bytes: int) -> str:
    """Return what is wrong with the declared sizes in an HDF5 file, or an empty text.

    A few bytes can declare, and by compression really hold, fields without end.

    Parameters
    ----------
    path : Path
        A file that begins as HDF5 does.
    memory_bytes : int
        Memory that there is; a plane may take a sixteenth of it.
    """
    import h5py

    wrong: list[str] = []

    def look(name: str, item: Any) -> bool | None:
        if not isinstance(item, h5py.Dataset) or not item.shape:
            return None
        shape: tuple[int, ...] = (1, 1, *item.shape)
        plane = math.prod(shape[-2:]) * item.dtype.itemsize
        if plane > memory_bytes / 16 or math.prod(shape[:-2]) > _MOST_PLANES:
            wrong.append(f"{name} ({' × '.join(map(str, item.shape))})")
        return bool(wrong) or None

    with h5py.File(path, "r") as file:
        file.visititems(look)
    return wrong[0] if wrong else ""


def read(order: dict[str, Any]) -> dict[str, Any]:
    """Read the files of an order into an archive; return ``summary``, or ``problem`` with ``detail`` and its kind."""
    from sslpdl.errors import SslpdlError
    from sslpdl.readers import ingest

    files = [Path(name) for name in order["files"]]
    try:
        for path in files:
            if path.suffix == ".h5" and (wrong := check_dimensions(path, order["memory_bytes"])):
                return {"problem": "dimensions", "detail": f"{path}: {wrong}"}
        report = ingest(files, order["out"], resume=False, progress=False, **order["stated"])
    except SslpdlError as error:
        cause = error.__cause__ or error.__context__
        problem = "memory" if isinstance(cause, MemoryError) else "unreadable"
        return {"problem": problem, "detail": str(error), "detail_kind": error.kind}
    except MemoryError:
        return {"problem": "memory", "detail": ""}
    except Exception:
        # the readers are made for what models write; of anything else it is enough that it is refused
        traceback.print_exc()
        return {"problem": "unreadable", "detail": ""}
    return {
        "summary": {
            "runs": report.runs_written,
            "leads": [int(report.lead_time[0]), int(report.lead_time[-1])],
            "channels": len(report.channels),
            "missing": list(report.missing_channels),
            "notes": list(report.notes),
        }
    }


def main(arguments: list[str]) -> None:
    """Carry out the order in a JSON file, and write the result beside it."""
    place = Path(arguments[0])
    order = json.loads(place.read_text(encoding="utf-8"))
    limit(seconds=order["seconds"], memory_bytes=order["memory_bytes"], file_bytes=order["file_bytes"])
    result = read(order)
    place.with_name("result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
