"""Counting: pairs of forecast and observation become additive whole numbers, one set per run, lead time and region.

From these numbers every score, interval, diagram and selection follows without touching a field again.  They add up
exactly, so that a verification may be split over processes, days or tiles and merged in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.errors import VerifyError
from sslpdl.verify.bins import ONE, RELIABILITY_EDGES, bin_edges, quantise
from sslpdl.verify.layout import DIMS, SUMS, as_dataset, sum_type

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Counter"]

# weighted bincounts are sums of q^2 < 2^32 in double precision: exact for up to 2^21 cells at a time
_BLOCK = 1 << 20


class Counter:
    """Collects the counts of models against observations on one grid, case by case.

    Parameters
    ----------
    thresholds : sequence of float
        Ascending rain amounts [mm per window]; the event is rain >= threshold.
    models : sequence of str
        Names of the forecasts.
    regions : mapping of str to ndarray of bool, shape (y, x)
        Where to count, inside the verification mask; regions may overlap.
    decision : mapping, optional
        For each probabilistic model the decision thresholds p*, ``{model: {threshold: p*}}``; 0.5 where not given.
    attrs : mapping, optional
        Attributes of the result, such as ``rain_window`` [h].

    Notes
    -----
    A cell counts where the observation and all models are valid, so that all models are scored on the same cells.
    A probabilistic model's class is the highest one whose threshold is reached with P >= p*.

    Examples
    --------
    >>> counter = Counter(thresholds=(1.0,), models=("raw",), regions={"all": np.ones((1, 3), bool)})
    >>> counter.add("2022-08-08", 12, np.array([[0.0, 1.0, 2.0]]), {"raw": np.array([[1.5, 0.2, 3.0]])})
    3
    """

    def __init__(
        self,
        *,
        thresholds: Sequence[float],
        models: Sequence[str],
        regions: Mapping[str, NDArray[np.bool_]],
        decision: Mapping[str, Mapping[float, float]] | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        self.thresholds = _ascending(thresholds)
        self.models = tuple(models)
        if len(set(self.models)) < len(self.models) or not self.models:
            raise VerifyError(f"models need distinct names, at least one; got {list(models)}.")
        self.regions = tuple(regions)
        self.decision = _decisions(decision or {}, self.models, self.thresholds)
        self.attrs = dict(attrs or {})
        self.edges = bin_edges(p for table in self.decision.values() for p in table.values())
        lower = quantise(self.edges)
        self._bin_of = (np.searchsorted(lower, np.arange(ONE + 1), side="right") - 1).astype(np.int64)
        self._reliability_of = np.searchsorted(quantise(RELIABILITY_EDGES), lower, side="right") - 1
        self._deterministic: set[str] = set()
        self._seen: set[str] = set()
        self._cases: dict[tuple[np.datetime64, int], dict[str, NDArray[Any]]] = {}
        self._set_regions(regions)

    def _set_regions(self, regions: Mapping[str, NDArray[np.bool_]]) -> None:
        """Divide the grid into disjoint patches, so that a cell in several regions is counted once."""
        if not regions:
            raise VerifyError("there is no region to count in; give at least one, such as {'all': mask}.")
        stack = np.stack([np.asarray(mask, bool) for mask in regions.values()])  # (regions, y, x)
        self._shape = stack.shape[1:]
        membership = stack.reshape(len(stack), -1)
        self._cells = np.flatnonzero(membership.any(axis=0))
        patches, self._patch = np.unique(membership[:, self._cells], axis=1, return_inverse=True)
        self._patch = self._patch.reshape(-1).astype(np.int64)
        self._member = patches.astype(np.int64)  # (regions, patches)

    def add(self, init_time: Any, lead_time: int, observed: ArrayLike, forecasts: Mapping[str, ArrayLike]) -> int:
        """Count one case and return the number of cells that counted.

        Parameters
        ----------
        init_time : datetime-like
            Start of the run, UTC.
        lead_time : int
            Hours from the start to the end of the rain window.
        observed : array_like, shape (y, x)
            Rain in the window [mm], NaN where unknown.
        forecasts : mapping of str to array_like
            For each model either probabilities of reaching the thresholds, shape (thresholds, y, x), or rain [mm],
            shape (y, x): a deterministic forecast, which is a probability of 0 or 1.

        Raises
        ------
        VerifyError
            If a model is missing, a shape does not fit, or a probability lies outside 0 to 1.
        """
        if set(forecasts) != set(self.models):
            raise VerifyError(f"forecasts of {sorted(forecasts)} were given, but {sorted(self.models)} are counted.")
        rain = self._flat("the observation", observed, 2)
        values = [self._flat(name, forecasts[name]) for name in self.models]
        valid = np.isfinite(rain)
        for model in values:
            valid &= np.isfinite(model).reshape(-1, rain.size).all(axis=0)
        keep = np.flatnonzero(valid)
        case = self._zero()
        for start in range(0, keep.size, _BLOCK):
            cells = keep[start : start + _BLOCK]
            self._count(case, self._patch[cells], rain[cells], [model[..., cells] for model in values])
        if keep.size:
            self._store(init_time, lead_time, case)
        return int(keep.size)

    def _flat(self, name: str, values: ArrayLike, ndim: int | None = None) -> NDArray[Any]:
        array = np.asarray(values)
        if array.dtype.kind != "f":
            array = array.astype(np.float64)
        shapes = {2: self._shape, 3: (len(self.thresholds), *self._shape)}
        if array.shape != shapes.get(array.ndim) or ndim not in (None, array.ndim):
            raise VerifyError(f"{name} has shape {array.shape}; the grid is {self._shape}, thresholds first if any.")
        if ndim is None:
            deterministic = array.ndim == 2
            if name in self._seen and deterministic != (name in self._deterministic):
                raise VerifyError(f"{name} was given both as rain and as probabilities; choose one of them.")
            self._seen.add(name)
            if deterministic:
                self._deterministic.add(name)
        return array.reshape(*array.shape[:-2], -1)[..., self._cells]

    def _zero(self) -> dict[str, NDArray[Any]]:
        sizes = {
            "region": len(self.regions),
            "threshold": len(self.thresholds),
            "model": len(self.models),
            "bin": len(self.edges),
            "reliability_bin": len(RELIABILITY_EDGES),
            "forecast_class": len(self.thresholds) + 1,
            "observed_class": len(self.thresholds) + 1,
        }
        return {name: np.zeros([sizes[d] for d in dims[2:]], sum_type(name)) for name, dims in DIMS.items()}

    def _count(
        self, case: dict[str, NDArray[Any]], patch: NDArray[Any], rain: NDArray[Any], values: list[NDArray[Any]]
    ) -> None:
        """Add the counts of some valid cells: `rain` (cells,), each of `values` (cells,) or (thresholds, cells)."""
        reached = _reached(rain, self.thresholds)  # (thresholds, cells)
        observed_class = _highest(reached)
        classes = len(self.thresholds) + 1
        for m, (name, forecast) in enumerate(zip(self.models, values, strict=True)):
            deterministic = forecast.ndim == 1
            q = None if deterministic else quantise(forecast)
            yes = _reached(forecast, self.thresholds) if q is None else q >= self._least(name)
            code = (patch * classes + _highest(yes)) * classes + observed_class
            table = np.bincount(code, minlength=self._member.shape[1] * classes**2)
            confusion = (self._member @ table.reshape(-1, classes**2)).reshape(-1, classes, classes)
            case["confusion"][:, m] += confusion
            found = self._certain(confusion) if q is None else self._histogram(patch, q, reached)
            for name_of_sum, values_of_sum in found.items():
                case[name_of_sum][:, :, m] += values_of_sum

    def _least(self, name: str) -> NDArray[np.uint16]:
        """Return p* of a model for every threshold, shape (thresholds, 1)."""
        table = self.decision.get(name, {})
        return quantise([table.get(r, 0.5) for r in self.thresholds])[:, None]

    def _certain(self, confusion: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return the sums of a forecast that knows only probabilities 0 and 1, from its class confusion."""
        result = {name: values[:, :, 0].astype(np.int64) for name, values in self._zero().items() if name in SUMS}
        for t in range(len(self.thresholds)):
            no, yes = confusion[:, : t + 1], confusion[:, t + 1 :]
            hits, misses = yes[:, :, t + 1 :].sum(axis=(1, 2)), no[:, :, t + 1 :].sum(axis=(1, 2))
            said = yes.sum(axis=(1, 2))
            result["forecasts"][:, t, 0], result["forecasts"][:, t, -1] = no.sum(axis=(1, 2)), said
            result["events"][:, t, 0], result["events"][:, t, -1] = misses, hits
            result["probability_sum"][:, t, -1] = said * ONE
            result["squared_error"][:, t] = (said - hits + misses) * ONE**2
        return result

    def _histogram(
        self, patch: NDArray[Any], q: NDArray[np.uint16], reached: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the sums of probabilities `q` (thresholds, cells) by region and threshold."""
        patches, bins, thresholds = self._member.shape[1], len(self.edges), len(self.thresholds)
        shape = (thresholds, patches, bins, 2)
        place = np.arange(thresholds)[:, None] * patches + patch  # (thresholds, cells)
        code = ((place * bins + self._bin_of[q]) * 2 + reached).ravel()
        size = int(np.prod(shape))
        count = np.bincount(code, minlength=size).reshape(shape)
        weight = q.ravel().astype(np.float64)
        first = np.bincount(code, weight, size).astype(np.int64).reshape(shape)
        second = np.bincount(code, weight * weight, size).astype(np.int64).reshape(shape)
        # (q - 65535 o)^2 = q^2 - 2 * 65535 q o + 65535^2 o for an outcome o of 0 or 1
        error = second.sum(axis=(2, 3)) - 2 * ONE * first[..., 1].sum(axis=2) + ONE**2 * count[..., 1].sum(axis=2)
        total = np.zeros((thresholds, patches, len(RELIABILITY_EDGES)), np.int64)
        for k, place_of_bin in enumerate(self._reliability_of):
            total[:, :, place_of_bin] += first[:, :, k].sum(axis=2)

        by_patch = {
            "forecasts": count.sum(axis=3),
            "events": count[..., 1],
            "probability_sum": total,
            "squared_error": error,
        }
        return {name: np.einsum("rp,tp...->rt...", self._member, values) for name, values in by_patch.items()}

    def _store(self, init_time: Any, lead_time: int, case: dict[str, NDArray[Any]]) -> None:
        key = (np.datetime64(init_time, "ns"), int(lead_time))
        before = self._cases.get(key)
        self._cases[key] = case if before is None else {name: before[name] + case[name] for name in case}

    def counts(self) -> xr.Dataset:
        """Return what was counted.

        Returns
        -------
        Dataset
            ``forecasts``, ``events (init_time, lead_time, region, threshold, model, bin)``, ``probability_sum
            (..., reliability_bin)``, ``squared_error (...)`` and ``confusion (init_time, lead_time, region, model,
            forecast_class, observed_class)``, whole numbers, zero where a case was not counted.

        Raises
        ------
        VerifyError
            If not one cell counted.
        """
        if not self._cases:
            raise VerifyError(
                "no cell has both a valid observation and valid forecasts of all models; check times, mask and gaps."
            )
        inits = np.array(sorted({init for init, _ in self._cases}))
        leads = np.array(sorted({lead for _, lead in self._cases}), np.int64)
        whole = {name: np.zeros((len(inits), len(leads), *a.shape), a.dtype) for name, a in self._zero().items()}
        for (init, lead), case in self._cases.items():
            place = np.searchsorted(inits, init), np.searchsorted(leads, lead)
            for name, values in case.items():
                whole[name][place] = values
        labels: dict[str, Any] = {
            "init_time": inits,
            "lead_time": leads,
            "region": np.array(self.regions),
            "threshold": np.array(self.thresholds),
            "model": np.array(self.models),
            "kind": np.array(["rain" if name in self._deterministic else "probability" for name in self.models]),
            "bin": self.edges,
            "reliability_bin": np.array(RELIABILITY_EDGES),
            "forecast_class": np.arange(len(self.thresholds) + 1),
            "observed_class": np.arange(len(self.thresholds) + 1),
        }
        decision = {m: {f"{r:g}": p for r, p in table.items()} for m, table in self.decision.items()}
        return as_dataset(whole, labels, self.attrs | {"decision": json.dumps(decision)})


def _ascending(thresholds: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(r) for r in thresholds)
    if not values or list(values) != sorted(set(values)) or not values[0] > 0:
        raise VerifyError(f"thresholds must be positive and ascending, at least one; got {list(thresholds)}.")
    return values


def _decisions(
    given: Mapping[str, Mapping[float, float]], models: Sequence[str], thresholds: Sequence[float]
) -> dict[str, dict[float, float]]:
    """Return p* by model and threshold for the models that have any, checked."""
    for model, table in given.items():
        for threshold, p in table.items():
            if not 0 <= p <= 1:
                raise VerifyError(f"p* of {model} at {threshold:g} mm is {p:g}; it must lie between 0 and 1.")
    return {m: {r: float(given[m].get(r, 0.5)) for r in thresholds} for m in models if m in given}


def _highest(reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the highest class that is reached, 0 for none, shape (cells,), from (thresholds, cells)."""
    highest = np.zeros(reached.shape[1], np.int64)
    for t, row in enumerate(reached):
        highest[row] = t + 1
    return highest


def _reached(rain: NDArray[Any], thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Return rain >= threshold, shape (thresholds, cells), compared in the precision of the rain."""
    return np.asarray(rain[None] >= np.asarray(thresholds, rain.dtype)[:, None])
