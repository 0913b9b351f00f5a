"""Where the probabilities on the page come from: a stored forecast, or the model, run here when a run is opened.

The model runs in a process of its own through the command line, so that the server stays small and quick, and its
result is kept in the cache folder under a name made from everything that it depends on.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from sslpdl import __version__
from sslpdl.errors import ForecastError, ModelError
from sslpdl.forecast import EXCEEDANCE, open_forecast

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "ComputedForecast",
    "NoForecast",
    "Planes",
    "Probabilities",
    "StoredForecast",
    "decision_of",
    "end_children",
    "fits",
    "metadata_of",
]

log = logging.getLogger(__name__)
_KEEP = 400


Planes: TypeAlias = "dict[int, NDArray[np.float32]]"
"""Exceedance probabilities of a run: lead time in hours to (threshold, y, x), in [0, 1]."""


class Probabilities(Protocol):
    """A source of probabilities, of reaching `thresholds` [mm] in `window` hours."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Thresholds in mm per window, ascending."""

    @property
    def window(self) -> float:
        """Rain window in hours."""

    @property
    def title(self) -> str:
        """Where the probabilities come from, for people."""

    def stored(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes | None:
        """Return what is at hand for a run, or None if `compute` has to be called first."""

    def compute(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Run the model."""


@dataclass(frozen=True)
class NoForecast:
    """No forecast and no model: the page says why."""

    reason: str
    thresholds: tuple[float, ...] = ()
    window: float = 1.0
    title: str = ""

    def stored(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Raise the reason."""
        raise ForecastError(self.reason, kind="no_model")

    def compute(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Raise the reason."""
        raise ForecastError(self.reason)


@dataclass(frozen=True)
class StoredForecast:
    """A forecast made by `sslpdl forecast`."""

    forecast: xr.Dataset

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Thresholds in mm per window, ascending."""
        return tuple(float(value) for value in self.forecast["threshold"].values)

    @property
    def window(self) -> float:
        """Rain window in hours."""
        return float(self.forecast.attrs.get("rain_window", 1.0))

    @property
    def title(self) -> str:
        """Where the probabilities come from, for people."""
        return "stored forecast"

    def stored(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Return a run of the forecast.

        Raises
        ------
        ForecastError
            If the forecast does not hold it.
        """
        held = np.flatnonzero(self.forecast["init_time"].values == init_time)
        if not held.size:
            time = np.datetime_as_string(init_time, unit="m").replace("T", " ")
            raise ForecastError(
                f"the stored forecast holds no run of {time} UTC; forecast it, or show it with a model.",
                kind="no_forecast",
            )
        run = self.forecast[EXCEEDANCE].isel(init_time=int(held[0])).values
        leads = [int(lead) for lead in self.forecast["lead_time"].values]
        return dict(zip(leads, run, strict=True))

    def compute(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Return the same as `stored`: there is nothing to compute."""
        return self.stored(init_time, fields)


@dataclass(frozen=True)
class ComputedForecast:
    """The forecast of a model, computed run by run when it is looked at, and kept on disk.

    Attributes
    ----------
    archive, model, cache : Path
        Archive, model folder, and the folder of results.
    metadata : str
        What else the forecast depends on besides the run's fields: channels, lead times, rain windows, grid.

    Raises
    ------
    ModelError
        If the folder holds no model that forecasts rain classes.
    """

    archive: Path
    model: Path
    cache: Path
    metadata: str
    thresholds: tuple[float, ...] = field(init=False)
    window: float = field(init=False)
    _model_digest: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        thresholds, window = _describe_model(self.model)
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "window", window)
        object.__setattr__(self, "_model_digest", _digest_of_folder(self.model))

    @property
    def title(self) -> str:
        """Where the probabilities come from, for people."""
        return f"model {self.model.name}"

    def key(self, fields: NDArray[np.float32]) -> str:
        """Return the name of a result: a hash of the fields, the model's files and the version of the package."""
        digest = hashlib.sha256(f"{__version__}\n{self._model_digest}\n{self.metadata}\n".encode())
        digest.update(np.ascontiguousarray(fields).data)
        return digest.hexdigest()[:32]

    def holds(self, fields: NDArray[np.float32]) -> bool:
        """Whether a run with these fields has been computed already."""
        return self._path(fields).exists()

    def stored(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes | None:
        """Return the result of an earlier computation, or None."""
        path = self._path(fields)
        if not path.exists():
            return None
        try:
            return StoredForecast(open_forecast(path)).stored(init_time, fields)
        except (ForecastError, OSError, ValueError, KeyError) as error:
            log.warning("The stored forecast %s is damaged (%s) and is computed again.", path, error)
            shutil.rmtree(path, ignore_errors=True)
            return None

    def compute(self, init_time: np.datetime64, fields: NDArray[np.float32]) -> Planes:
        """Run the model in a process of its own and return its probabilities.

        Raises
        ------
        ForecastError
            With the sentence that the model's process ended with.
        """
        path = self._path(fields)
        partial = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.zarr")
        time = np.datetime_as_string(init_time, unit="m")
        arguments = [str(self.archive), "--model", str(self.model), "--out", str(partial), "--init-time", time, "-q"]
        log.info("Computing the probabilities of the run %s UTC with %s.", time, self.model)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _run_process([sys.executable, "-m", "sslpdl", "forecast", *arguments])
            try:
                partial.rename(path)
            except OSError:
                if not path.exists():  # otherwise another process was quicker, with the same result
                    raise
            _prune(path.parent)
        except OSError as error:
            raise ForecastError(
                f"the forecast cannot be kept in {path.parent} ({error.strerror}); set SSLPDL_CACHE_DIR to another."
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return StoredForecast(open_forecast(path)).stored(init_time, fields)

    def _path(self, fields: NDArray[np.float32]) -> Path:
        return self.cache / "forecasts" / f"{self.key(fields)}.zarr"


_children: set[subprocess.Popen[str]] = set()


@atexit.register
def end_children() -> None:
    """End the model's process, if one runs."""
    for child in list(_children):
        child.terminate()


def _run_process(command: list[str]) -> None:
    """Run a command of the package to its end; its last line becomes the error if it fails."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        _children.add(child)
        try:
            _, errors = child.communicate()
        finally:
            _children.discard(child)
    if child.returncode:
        lines = [line for line in errors.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("sslpdl: ") if lines else f"the model's process ended with {child.returncode}."
        log.debug("%s", errors.strip())
        raise ForecastError(reason)


def _describe_model(folder: Path) -> tuple[tuple[float, ...], float]:
    """Return thresholds and rain window of a model folder without loading the model."""
    import yaml

    path = folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        thresholds = tuple(float(value) for value in config["thresholds"])
        window = float(config["rain_window"])
    except FileNotFoundError:
        raise ModelError(
            f"there is no model in {folder}; train one with `sslpdl finetune`, or set SSLPDL_MODEL."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} does not describe a model ({error!r}); export the model again.") from error
    if not thresholds:
        raise ModelError(f"the model in {folder} reconstructs fields and forecasts no rain; give a fine-tuned one.")
    return thresholds, window


def decision_of(probabilities: Probabilities) -> dict[float, float]:
    """Return p* by threshold [mm], as stored with the forecast or the model; empty where there is none.

    P >= p* is a yes: of all probabilities that with the best CSI on validation data.
    """
    table: Any = {}
    try:
        if isinstance(probabilities, StoredForecast):
            table = json.loads(probabilities.forecast.attrs.get("decision", "{}"))
        elif isinstance(probabilities, ComputedForecast):
            import yaml

            # every visitor waits for this: the parser in C takes an eighth of the time
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            text = (probabilities.model / "config.yaml").read_text(encoding="utf-8")
            table = yaml.load(text, Loader=loader).get("decision")
        return {float(threshold): float(np.clip(p, 0, 1)) for threshold, p in (table or {}).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # the maps are worth showing without it
        log.warning("The decision thresholds of the %s cannot be read.", probabilities.title)
        return {}


def fits(folder: Path, archive: xr.Dataset) -> bool:
    """Return whether an archive has a model's channels and its rain window at every lead time.

    Raises
    ------
    ModelError
        If the folder holds no model that forecasts rain classes.
    """
    import yaml

    _, window = _describe_model(folder)
    channels = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")).get("channels") or []
    held = {str(name) for name in archive["channel"].values}
    windows = np.atleast_1d(archive["rain_window"].values)
    return bool((windows == window).all()) and held.issuperset(channels)


def _digest_of_folder(folder: Path) -> str:
    """Return a hash of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def metadata_of(archive: xr.Dataset) -> str:
    """Return what a run's forecast depends on besides its fields, as text."""
    parts: dict[str, Any] = {name: [str(v) for v in archive[name].values] for name in ("channel", "lead_time")}
    parts["rain_window"] = [float(value) for value in np.atleast_1d(archive["rain_window"].values)]
    parts["grid"] = [str(archive["crs"].attrs.get("proj4", "")), *map(float, archive["x"].values[:2])]
    return json.dumps(parts, sort_keys=True)


def _prune(folder: Path) -> None:
    """Remove the oldest results beyond a generous number."""
    results = sorted(folder.glob("*.zarr"), key=lambda path: path.stat().st_mtime)
    for path in results[:-_KEEP]:
        shutil.rmtree(path, ignore_errors=True)
