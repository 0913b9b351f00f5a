"""One-hot and probabilistic density labels: rain in millimetres becomes a distribution over rain classes.

With thresholds r_0 < ... < r_{m-2} there are m classes: class 0 below r_0, class k at or above r_{k-1}. A one-hot label
puts all weight on one class. A probabilistic density label lets the probability of reaching a threshold rise linearly
below it, so that 9 mm is told apart from 1 mm although both miss 10 mm (arXiv 2310.20187, section 2).

Rain may be a NumPy array, an ``xarray.DataArray`` or a ``torch.Tensor``; the label is of the same kind, with the class
axis last. Missing rain (NaN) is NaN in every class; negative rain counts as none.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np

from sslpdl.errors import ConfigError

__all__ = ["LabelConfig", "class_index", "mixed", "one_hot", "probabilistic_density"]

Rain = TypeVar("Rain")
Transform = str | Callable[[Any], Any] | None

CLASS_DIMENSION = "rain_class"
_TRANSFORMS = ("log1p", "sqrt")


def class_index(rain: Rain, thresholds: Sequence[float]) -> Rain:
    """Return the class of each rain amount: the number of thresholds it reaches, -1 where rain is missing.

    Parameters
    ----------
    rain : array, DataArray or tensor
        Rain of any shape, in the unit of the thresholds (mm per window).
    thresholds : sequence of float
        Increasing positive lower bounds of classes 1 to m - 1.

    Returns
    -------
    same kind as `rain`
        Integers (int64) of the same shape, -1 to m - 1.

    Raises
    ------
    ConfigError
        If the thresholds are not positive and increasing.

    Examples
    --------
    >>> class_index(np.array([0.0, 0.1, 9.9, 10.0, np.nan]), (0.1, 10.0))
    array([ 0,  1,  1,  2, -1])
    """
    bounds = _checked(thresholds)

    def index(values: Any) -> Any:
        xp, values = _floating(values)
        reached = sum((_indicator(xp, values, bound) for bound in bounds), start=xp.zeros_like(values))
        counted = xp.where(xp.isnan(values), xp.full_like(values, -1.0), reached)
        return counted.long() if xp is not np else counted.astype(np.int64)

    return _apply(index, rain, adds_classes=False)


def one_hot(rain: Rain, thresholds: Sequence[float], *, alpha: float = 0.0) -> Rain:
    """Return labels with all weight on the class that the rain belongs to, but for uniform smoothing.

    Parameters
    ----------
    rain : array, DataArray or tensor
        Rain of shape (...), in the unit of the thresholds (mm per window).
    thresholds : sequence of float
        Increasing positive lower bounds of classes 1 to m - 1.
    alpha : float
        Smoothing towards the uniform distribution, 0 (none) to 1 (uniform).

    Returns
    -------
    same kind as `rain`
        Labels of shape (..., m) that sum to one, zeros and a single one without smoothing; NaN where rain is missing.

    Raises
    ------
    ConfigError
        If the thresholds are not positive and increasing, or `alpha` is out of range.

    Examples
    --------
    >>> one_hot(np.array([0.0, 5.0]), (0.1, 10.0))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    bounds = _checked(thresholds)
    _check_parameters(alpha=alpha, rho=1.0)

    def label(values: Any) -> Any:
        xp, values = _floating(values)
        return _smoothed(_differences(xp, values, [_indicator(xp, values, bound) for bound in bounds]), alpha)

    return _apply(label, rain)


def probabilistic_density(
    rain: Rain,
    thresholds: Sequence[float],
    *,
    alpha: float = 0.0,
    rho: float = 1.0,
    symmetric: bool = False,
    transform: Transform = None,
) -> Rain:
    """Return labels whose probability of reaching each threshold rises linearly below it.

    The soft exceedance of threshold r_k is S_k(y) = clip((y - a_k) / (r_k - a_k), 0, 1), a_k = r_k - rho (r_k - t_k),
    where t_k is the threshold below (zero for the first); class j has probability S_{j-1} - S_j. With ``rho=1`` this
    is the published label without its rounding: a linear B-spline over the knots 0, r_0, ..., r_{m-2}.

    Parameters
    ----------
    rain : array, DataArray or tensor
        Rain of shape (...), in the unit of the thresholds (mm per window).
    thresholds : sequence of float
        Increasing positive lower bounds of classes 1 to m - 1.
    alpha : float
        Smoothing towards the uniform distribution, 0 (none) to 1 (uniform).
    rho : float
        Width of the ramps, in (0, 1]; the limit 0 is the one-hot label.
    symmetric : bool
        Centre each ramp on its threshold instead of ending it there. A ramp then reaches at most half-way to the nearer
        neighbour on both sides; this removes the shift towards heavier classes.
    transform : {"log1p", "sqrt"}, callable or None
        Increasing change of variable applied to rain and knots alike.

    Returns
    -------
    same kind as `rain`
        Labels of shape (..., m) that sum to one; NaN where rain is missing.

    Raises
    ------
    ConfigError
        If the thresholds are not positive and increasing, or a parameter is out of range.

    References
    ----------
    arXiv 2310.20187, Algorithm 1, read as in its figure (the printed branches leave [0, 1]).

    Examples
    --------
    >>> probabilistic_density(np.array([0.05, 10.0]), (0.1, 10.0))
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 1. ]])
    """
    bounds = _checked(thresholds)
    _check_parameters(alpha=alpha, rho=rho)

    def label(values: Any) -> Any:
        xp, values = _floating(values)
        knots = _transformed(np, np.array([0.0, *bounds]), transform).tolist()
        ramps = _ramps(knots, rho=rho, symmetric=symmetric)
        # negative rain is none; a transform such as sqrt must not see it
        scaled = _transformed(xp, xp.clip(values, 0.0, None), transform)
        hats = _differences(xp, values, [xp.clip((scaled - low) / width, 0.0, 1.0) for low, width in ramps])
        return _smoothed(hats, alpha)

    return _apply(label, rain)


def mixed(
    rain: Rain,
    thresholds: Sequence[float],
    *,
    beta: float = 0.75,
    alpha: float = 0.0,
    rho: float = 1.0,
    symmetric: bool = False,
    transform: Transform = None,
) -> Rain:
    """Return ``beta`` times the one-hot label plus ``1 - beta`` times the probabilistic density label.

    Cross-entropy is linear in its target, so this target gives the published sum of two losses when both use the same
    normaliser.

    Parameters
    ----------
    rain, thresholds, alpha, rho, symmetric, transform
        As in `probabilistic_density`.
    beta : float
        Share of the one-hot label, 0 to 1.

    Returns
    -------
    same kind as `rain`
        Labels of shape (..., m) that sum to one; NaN where rain is missing.

    Raises
    ------
    ConfigError
        If the thresholds are not positive and increasing, or a parameter is out of range.
    """
    if not 0.0 <= beta <= 1.0:
        raise ConfigError(f"label parameter beta is {beta}, give a number from 0 to 1")
    hard: Any = one_hot(rain, thresholds)
    soft: Any = probabilistic_density(rain, thresholds, alpha=alpha, rho=rho, symmetric=symmetric, transform=transform)
    result: Rain = beta * hard + (1.0 - beta) * soft
    return result


@dataclass(frozen=True)
class LabelConfig:
    """Choice of label for training, as it stands in a configuration file.

    Parameters
    ----------
    kind : {"one_hot", "pdl", "mixed"}
        One-hot, probabilistic density, or the weighted sum of both.
    alpha, beta, rho, symmetric
        As in `one_hot`, `probabilistic_density` and `mixed`; `alpha` smooths the one-hot label of its own kind, and the
        density part of a mixed one.
    transform : {"log1p", "sqrt"} or None
        Change of variable of the ramps.

    Raises
    ------
    ConfigError
        If a value is not among those above.
    """

    kind: Literal["one_hot", "pdl", "mixed"] = "mixed"
    alpha: float = 0.0
    beta: float = 0.75
    rho: float = 1.0
    symmetric: bool = False
    transform: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("one_hot", "pdl", "mixed"):
            raise ConfigError(f"label kind {self.kind!r} is unknown, give one_hot, pdl or mixed")
        if not 0.0 <= self.beta <= 1.0:
            raise ConfigError(f"label parameter beta is {self.beta}, give a number from 0 to 1")
        if self.transform is not None and self.transform not in _TRANSFORMS:
            raise ConfigError(f"label transform {self.transform!r} is unknown, give one of {', '.join(_TRANSFORMS)}")
        _check_parameters(alpha=self.alpha, rho=self.rho)

    def encode(self, rain: Rain, thresholds: Sequence[float]) -> Rain:
        """Return the labels of this configuration for rain of shape (...): (..., m), NaN where rain is missing."""
        if self.kind == "one_hot":
            return one_hot(rain, thresholds, alpha=self.alpha)
        return mixed(
            rain,
            thresholds,
            beta=self.beta if self.kind == "mixed" else 0.0,
            alpha=self.alpha,
            rho=self.rho,
            symmetric=self.symmetric,
            transform=self.transform,
        )


def _checked(thresholds: Sequence[float]) -> tuple[float, ...]:
    bounds = tuple(float(bound) for bound in thresholds)
    increasing = all(low < high for low, high in zip((0.0, *bounds), bounds, strict=False))
    if not bounds or not increasing or not math.isfinite(bounds[-1]):
        raise ConfigError(f"rain thresholds {bounds} are not usable, give positive increasing numbers in mm")
    return bounds


def _check_parameters(*, alpha: float, rho: float) -> None:
    if not 0.0 <= alpha <= 1.0:
        raise ConfigError(f"label parameter alpha is {alpha}, give a number from 0 to 1")
    if not 0.0 < rho <= 1.0:
        raise ConfigError(f"label parameter rho is {rho}, give a number above 0 and at most 1")


def _ramps(knots: list[float], *, rho: float, symmetric: bool) -> list[tuple[float, float]]:
    """Return start and width of the ramp of each threshold; a width is exactly the end minus the start."""
    ramps = []
    for below, knot, above in zip(knots, knots[1:], [*knots[2:], math.inf], strict=False):
        reach = 0.5 * min(knot - below, above - knot) if symmetric else knot - below
        low = knot - rho * reach if symmetric else below + (1.0 - rho) * reach  # exactly `below` when rho is 1
        high = knot + rho * reach if symmetric else knot
        ramps.append((low, high - low))
    return ramps


def _floating(values: Any) -> tuple[Any, Any]:
    """Return the array module and the values as floating point (float64 from integers, float32 from half)."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(values, torch.Tensor):
        if not values.is_floating_point():
            return torch, values.double()
        return torch, values if values.dtype in (torch.float32, torch.float64) else values.float()
    array = np.asanyarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return np, array


def _indicator(xp: Any, values: Any, bound: float) -> Any:
    """Return one where rain reaches the bound and zero elsewhere; the bound is rounded as the rain is."""
    reached = values >= bound
    return reached.to(values.dtype) if xp is not np else reached.astype(values.dtype)


def _differences(xp: Any, values: Any, exceedances: list[Any]) -> Any:
    """Return class probabilities p_j = S_{j-1} - S_j on a new last axis, NaN where the values are NaN."""
    # NaN + 0 = NaN marks missing rain; infinite rain is the heaviest class, so infinity must not enter the sum
    missing = xp.where(xp.isnan(values), values, xp.zeros_like(values))
    certain = xp.ones_like(values) + missing
    steps = [certain, *exceedances, xp.zeros_like(values)]
    classes = [upper - lower + missing for upper, lower in pairwise(steps)]
    return xp.stack(classes, -1)


def _smoothed(label: Any, alpha: float) -> Any:
    """Return labels (..., m) moved towards the uniform distribution by the share `alpha`."""
    return label if alpha == 0.0 else (1.0 - alpha) * label + alpha / label.shape[-1]


def _transformed(xp: Any, values: Any, transform: Transform) -> Any:
    if transform is None:
        return values
    if isinstance(transform, str):
        if transform not in _TRANSFORMS:
            raise ConfigError(f"label transform {transform!r} is unknown, give one of {', '.join(_TRANSFORMS)}")
        return getattr(xp, transform)(values)
    return transform(values)


def _apply(function: Callable[[Any], Any], rain: Rain, *, adds_classes: bool = True) -> Rain:
    """Call the function on an array or tensor, or on the values of a DataArray whose coordinates are kept."""
    xarray = sys.modules.get("xarray")
    if xarray is None or not isinstance(rain, xarray.DataArray):
        result: Rain = function(rain)
        return result
    dims = (*rain.dims, CLASS_DIMENSION) if adds_classes else rain.dims
    labels: Rain = xarray.DataArray(function(rain.values), dims=dims, coords=rain.coords)
    return labels
