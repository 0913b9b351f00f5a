"""A look inside the model for the page: what a forecast leans on, and how hidden fields are filled in.

PyTorch stays out of the server: each question starts a process of its own, ``python -m sslpdl.dashboard.inspecting``,
which reads a request as JSON and writes one ``.npz`` stream.  Results are kept for everybody who asks the same.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import ModelError, SslpdlError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sslpdl.dashboard.page import Session

__all__ = ["influence", "pretrained_folder", "reconstruction"]

_SECONDS = 180
_one_at_a_time = threading.Lock()


def influence(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Return what each variable adds to P(rain >= threshold) at a lead time: over a box, and at a cell.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        ``init_time``, ``lead``, ``threshold`` (position), ``box`` (first and last row and column), ``cell`` (row and
        column, or null).

    Raises
    ------
    ModelError, ForecastError
        If there is no model, or it cannot be run.
    """
    settings, source = session.shown, session.source
    if settings.forecast is not None:
        raise ModelError("a stored forecast is shown; start the page with its model to see what it leans on.")
    init, lead = _time(session, message)
    planes = _influence(str(settings.archive), str(settings.model), init, lead)
    changes: NDArray[np.float16] = planes["changes"]
    position = message.get("threshold")
    if not isinstance(position, int) or not 0 <= position < changes.shape[1]:
        raise ModelError("the question names no threshold of the model.")
    change = changes[:, position].astype("float32")
    if source.pooling != 1:
        raise ModelError("this grid is too large for a look inside on the page; use the notebooks.")
    rows, columns = _box(message.get("box"), change.shape[1:])
    part = change[:, rows, columns]
    cell = message.get("cell")
    inside = (
        isinstance(cell, list)
        and len(cell) == 2
        and all(isinstance(k, int) and 0 <= k < size for k, size in zip(cell, change.shape[1:], strict=True))
    )
    return {
        "variables": [str(name) for name in planes["channels"]],
        "mean": np.abs(part).mean(axis=(1, 2)).tolist(),
        "signed": part.mean(axis=(1, 2)).tolist(),
        "cell": change[:, cell[0], cell[1]].tolist() if inside and cell else [],
    }


def reconstruction(session: Session, message: dict[str, Any]) -> dict[str, Any]:
    """Return a picture of input, what was seen, reconstruction and difference of one variable, and all errors.

    Parameters
    ----------
    session : Session
        Who asks.
    message : dict
        ``init_time``, ``lead``, ``variable``, ``ratio`` (share hidden, 0.05 to 0.95), ``seed``.

    Raises
    ------
    ModelError
        If there is no pre-trained model beside the forecasting one, or it lacks the variable.
    """
    folder = pretrained_folder(session.shown.model)
    if folder is None:
        raise ModelError(
            f"there is no pre-trained model beside {session.shown.model.name}; `sslpdl experiment` leaves one in a "
            "folder named pretrained next to the model."
        )
    init, lead = _time(session, message)
    ratio, seed = message.get("ratio"), message.get("seed")
    if not isinstance(ratio, int | float) or not 0.05 <= ratio <= 0.95 or not isinstance(seed, int):
        raise ModelError("the share of hidden tokens must lie between 5 and 95 %.")
    variable = str(message.get("variable", ""))
    made = _reconstruction(
        str(session.shown.archive), str(folder), init, lead, variable, round(float(ratio), 2), abs(seed) % 1000
    )
    return {
        "picture": made["picture"].tobytes(),
        "variables": [str(name) for name in made["channels"]],
        "errors": {name: made[name].tolist() for name in ("reconstruction", "climatology", "seen")},
    }


def pretrained_folder(model: Path) -> Path | None:
    """Return the pre-trained model beside a model folder: ``pretrained``, as `sslpdl experiment` leaves it."""
    folder = model.parent / "pretrained"
    return folder if (folder / "config.yaml").is_file() else None


@lru_cache(maxsize=8)
def _influence(archive: str, model: str, init: str, lead: int) -> dict[str, NDArray[Any]]:
    return _ask({"kind": "influence", "archive": archive, "model": model, "init_time": init, "lead_time": lead})


@lru_cache(maxsize=32)
def _reconstruction(
    archive: str, model: str, init: str, lead: int, variable: str, ratio: float, seed: int
) -> dict[str, NDArray[Any]]:
    asked = {"archive": archive, "model": model, "init_time": init, "lead_time": lead}
    return _ask({"kind": "reconstruction", "variable": variable, "ratio": ratio, "seed": seed} | asked)


def _time(session: Session, message: dict[str, Any]) -> tuple[str, int]:
    init, lead = message.get("init_time"), message.get("lead")
    if init not in session.source.init_times or lead not in session.source.lead_times:
        raise ModelError("the archive holds no such run or lead time.")
    return str(init), int(lead)


def _box(box: Any, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return rows and columns of a box, the whole grid where it is none."""
    if not (isinstance(box, list) and len(box) == 4 and all(isinstance(k, int) for k in box)):
        return slice(None), slice(None)
    first_row, last_row, first_column, last_column = (
        min(max(k, 0), size - 1) for k, size in zip(box, (shape[0], shape[0], shape[1], shape[1]), strict=True)
    )
    return slice(first_row, max(first_row, last_row) + 1), slice(first_column, max(first_column, last_column) + 1)


def _ask(request: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Answer a request in a process of its own; the last line of its errors becomes the error."""
    command = [sys.executable, "-m", "sslpdl.dashboard.inspecting"]
    with _one_at_a_time:
        try:
            done = subprocess.run(
                command, input=json.dumps(request).encode(), capture_output=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ModelError(f"the look inside the model took more than {_SECONDS} seconds and was ended.") from None
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ModelError(lines[-1] if lines else f"the model's process ended with {done.returncode}.")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as arrays:
        return dict(arrays)


def _main() -> int:
    """Answer one request, from standard input to standard output."""
    request = json.loads(sys.stdin.buffer.read())
    try:
        arrays = _answer_influence(request) if request["kind"] == "influence" else _answer_reconstruction(request)
    except SslpdlError as error:
        print(error, file=sys.stderr)
        return 2
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    sys.stdout.buffer.write(buffer.getvalue())
    return 0


def _loaded(request: dict[str, Any]) -> tuple[Any, NDArray[np.float32], Any]:
    from sslpdl import models
    from sslpdl.archive import open_archive

    model = models.load(request["model"])
    archive = open_archive(request["archive"])
    model.check(archive)
    case = archive["fields"].sel(init_time=np.datetime64(request["init_time"]), lead_time=request["lead_time"])
    return model, case.sel(channel=list(model.channels)).values, archive


def _answer_influence(request: dict[str, Any]) -> dict[str, NDArray[Any]]:
    from sslpdl.models.influence import influence as changes

    model, fields, _ = _loaded(request)
    return {"changes": changes(model, fields).astype("float16"), "channels": np.array(model.channels)}


def _answer_reconstruction(request: dict[str, Any]) -> dict[str, NDArray[Any]]:
    from sslpdl.grid import Grid
    from sslpdl.models.inspection import CLIMATOLOGY, RECONSTRUCTION, SEEN_MEAN, reconstruction_errors
    from sslpdl.plots.inside import reconstruction_figure
    from sslpdl.plots.style import png

    model, fields, archive = _loaded(request)
    if request["variable"] not in model.channels:
        raise ModelError(f"the pre-trained model knows no variable {request['variable']!r}.")
    how = {"mask_ratio": request["ratio"], "seed": request["seed"]}
    filled, hidden = model.reconstruct(fields[None], **how)
    errors = reconstruction_errors(model, fields[None], **how)
    figure = reconstruction_figure(
        fields,
        filled[0],
        hidden[0],
        channels=model.channels,
        grid=Grid.from_dataset(archive),
        show=[request["variable"]],
    )
    return {
        "picture": np.frombuffer(png(figure, dpi=110), np.uint8),
        "channels": np.array(model.channels),
        "reconstruction": errors[RECONSTRUCTION].to_numpy(),
        "climatology": errors[CLIMATOLOGY].to_numpy(),
        "seen": errors[SEEN_MEAN].to_numpy(),
    }


if __name__ == "__main__":
    raise SystemExit(_main())
