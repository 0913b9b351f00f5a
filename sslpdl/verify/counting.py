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
from sslpdl.verify.layout import DIMS, FIELDS, as_dataset, sum_type
from sslpdl.verify.neighbourhood import Neighbourhoods
from sslpdl.verify.sums import BLOCK, certain, highest, histogram, reached

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Counter"]


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
    scales : sequence of int, optional
        Odd widths in cells of the neighbourhoods of the fractions skill score, such as `SCALES`; none by default.
    attrs : mapping, optional
        Attributes of the result, such as ``rain_window`` [h].

    Notes
    -----
    A cell counts where the observation and all models are valid, so that all models are scored on the same cells.
    A probabilistic model's class is the highest one whose threshold is reached with P >= p*.  Neighbourhoods reach
    across the borders of regions, but never to cells outside all of them: their union is the mask.

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
        scales: Sequence[int] = (),
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
        self._around = Neighbourhoods((self._shape[0], self._shape[1]), self._cells, scales)

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
        self._inside = membership[:, self._cells].T.astype(np.float64)  # (cells, regions)

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
        for start in range(0, keep.size, BLOCK):
            cells = keep[start : start + BLOCK]
            self._count(case, self._patch[cells], rain[cells], [model[..., cells] for model in values])
        if keep.size:
            if self._around.scales:
                self._compare_fractions(case, valid, rain, values)
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
            "field": len(FIELDS),
            "scale": len(self._around.scales),
        }
        return {name: np.zeros([sizes[d] for d in dims[2:]], sum_type(name)) for name, dims in DIMS.items()}

    def _count(
        self, case: dict[str, NDArray[Any]], patch: NDArray[Any], rain: NDArray[Any], values: list[NDArray[Any]]
    ) -> None:
        """Add the counts of some valid cells: `rain` (cells,), each of `values` (cells,) or (thresholds, cells)."""
        events = reached(rain, self.thresholds)  # (thresholds, cells)
        observed_class = highest(events)
        classes = len(self.thresholds) + 1
        for m, (name, forecast) in enumerate(zip(self.models, values, strict=True)):
            q = None if forecast.ndim == 1 else quantise(forecast)
            yes = reached(forecast, self.thresholds) if q is None else q >= self._least(name)
            code = (patch * classes + highest(yes)) * classes + observed_class
            table = np.bincount(code, minlength=self._member.shape[1] * classes**2)
            confusion = (self._member @ table.reshape(-1, classes**2)).reshape(-1, classes, classes)
            case["confusion"][:, m] += confusion
            if q is None:
                found = certain(confusion, len(self.edges), len(RELIABILITY_EDGES))
            else:
                found = self._by_region(patch, q, events)
            for name_of_sum, values_of_sum in found.items():
                case[name_of_sum][:, :, m] += values_of_sum

    def _least(self, name: str) -> NDArray[np.uint16]:
        """Return p* of a model for every threshold, shape (thresholds, 1)."""
        table = self.decision.get(name, {})
        return quantise([table.get(r, 0.5) for r in self.thresholds])[:, None]

    def _by_region(
        self, patch: NDArray[Any], q: NDArray[np.uint16], events: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the sums of probabilities `q` (thresholds, cells) by region and threshold."""
        sums = histogram(patch, q, events, self._bin_of, (self._member.shape[1], len(self.edges)))
        first_bin = np.searchsorted(self._reliability_of, np.arange(len(RELIABILITY_EDGES)))
        sums["probability_sum"] = np.add.reduceat(sums["probability_sum"], first_bin, axis=-1)
        return {name: np.einsum("rp,tp...->rt...", self._member, values) for name, values in sums.items()}

    def _compare_fractions(
        self, case: dict[str, NDArray[Any]], valid: NDArray[np.bool_], rain: NDArray[Any], values: list[NDArray[Any]]
    ) -> None:
        """Add the sums for the fractions skill score; all arrays have all cells of the mask as their last axis."""
        fields: list[NDArray[Any]] = [reached(rain, self.thresholds) * float(ONE)]
        places: list[tuple[int, tuple[int, ...]]] = []
        for m, (name, forecast) in enumerate(zip(self.models, values, strict=True)):
            if forecast.ndim == 1:
                fields.append(reached(forecast, self.thresholds) * float(ONE))
                places.append((m, (0, 1)))
            else:
                q = quantise(np.where(valid, forecast, 0))
                fields += [(q >= self._least(name)) * float(ONE), q]
                places += [(m, (0,)), (m, (1,))]
        thresholds = len(self.thresholds)
        fractions = self._around.fractions(np.concatenate(fields), valid)  # (scales, fields x thresholds, cells)
        observed, *forecasts = np.split(fractions, range(thresholds, fractions.shape[1], thresholds), axis=1)
        inside = self._inside * valid[:, None]
        power = _sum_by_region(observed**2, inside)
        for (m, of), forecast in zip(places, forecasts, strict=True):
            error = _sum_by_region((forecast - observed) ** 2, inside)
            whole = power + _sum_by_region(forecast**2, inside)
            for field in of:
                case["fraction_error"][:, :, m, field] += error
                case["fraction_power"][:, :, m, field] += whole

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
            (..., reliability_bin)``, ``squared_error`` and ``log_loss (...)``, ``confusion (init_time, lead_time,
            region, model, forecast_class, observed_class)``, ``fraction_error`` and ``fraction_power (..., field,
            scale)``, whole numbers, zero where a case was not counted.

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
            "field": np.array(FIELDS),
            "scale": np.array(self._around.scales, np.int64),
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


def _sum_by_region(squares: NDArray[np.float64], inside: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return sums (region, threshold, scale) of whole numbers (scale, threshold, cells), taken where they are exact."""
    total = np.zeros((*squares.shape[:2], inside.shape[1]), np.int64)
    for start in range(0, len(inside), BLOCK):
        block = slice(start, start + BLOCK)
        total += (squares[..., block] @ inside[block]).astype(np.int64)
    return total.transpose(2, 1, 0)
