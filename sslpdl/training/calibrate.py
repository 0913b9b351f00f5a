"""What is fitted on validation data: temperature or vector scaling by maximum likelihood, and decision thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sslpdl import labels
from sslpdl.models.calibration import Calibration
from sslpdl.training.config import FinetuneConfig
from sslpdl.training.data import Samples, loader
from sslpdl.training.decision import ThresholdCounts

if TYPE_CHECKING:
    from sslpdl.training.modules import Finetuning

__all__ = ["calibrate", "fit", "negative_log_likelihood"]

# so many cells tell the calibration of the rarest class well enough
_CELLS = 500_000


@torch.no_grad()
def calibrate(module: Finetuning, samples: Samples) -> tuple[Calibration, dict[float, float], dict[str, Any]]:
    """Fit a calibration, then p* with it, to samples with observations.

    Parameters
    ----------
    module : Finetuning
        The trained network and its settings.
    samples : Samples
        Those of the validation split.

    Returns
    -------
    (Calibration, dict of float to float, dict)
        The calibration, p* for each threshold, and a report of both for the record.
    """
    settings = module.config
    log_p, observed = _cells(module, samples, settings)
    with torch.enable_grad():
        calibration = fit(log_p, observed, kind=settings.calibration)
    counts = ThresholdCounts(settings.thresholds)
    for fields, rain in loader(samples, settings.data, batch_size=settings.batch_size):
        probability = calibration.apply(module.log_probabilities(fields)).exp()
        counts.add(probability, labels.class_index(rain, settings.thresholds))
    best = counts.best()
    report = {
        "calibration": {
            "cells": len(observed),
            "negative_log_likelihood_before": negative_log_likelihood(log_p, observed) if len(observed) else None,
            "negative_log_likelihood_after": (
                negative_log_likelihood(calibration.apply(log_p), observed) if len(observed) else None
            ),
        },
        "best_csi": {f"{threshold:g}": round(csi, 4) for threshold, (_, csi) in best.items()},
    }
    # a threshold never reached in the sample gets one half: nothing better is known
    decision = {threshold: best[threshold][0] if threshold in best else 0.5 for threshold in settings.thresholds}
    return calibration, decision, report


def fit(log_probability: Tensor, rain_class: Tensor, *, kind: str = "vector", iterations: int = 100) -> Calibration:
    """Return the calibration with the highest likelihood.

    Parameters
    ----------
    log_probability : Tensor (N, K)
        De-weighted log-probabilities of N cells.
    rain_class : Tensor (N,) int
        Their observed classes, 0 to K - 1.
    kind : {"vector", "temperature", "identity"}
        One scale and bias for each class, one scale for all, or nothing.
    iterations : int
        Steps of L-BFGS at most.

    Returns
    -------
    Calibration
        The identity where there is nothing to fit or the fit would not help.
    """
    classes = log_probability.shape[1]
    if kind == "identity" or len(rain_class) == 0:
        return Calibration()
    # a class with probability zero has an infinite logarithm, which no scale can repair
    inputs = log_probability.double().clamp_min(-30.0)
    scale = torch.ones(1 if kind == "temperature" else classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=kind == "vector")
    free = [scale, bias] if kind == "vector" else [scale]
    optimiser = torch.optim.LBFGS(free, max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        # classes that never occurred in the sample would run away: hold them with a weak prior worth ten cells
        prior = ((scale - 1.0).square().sum() + bias.square().sum()) * 10.0 / len(rain_class)
        loss = F.cross_entropy(inputs * scale + bias, rain_class) + prior
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    scales = scale.detach().expand(classes).tolist()
    fitted = Calibration(kind, tuple(scales), tuple(bias.detach().tolist()))
    helped = negative_log_likelihood(fitted.apply(log_probability), rain_class) < negative_log_likelihood(
        log_probability, rain_class
    )
    return fitted if helped else Calibration()


def negative_log_likelihood(log_probability: Tensor, rain_class: Tensor) -> float:
    """Return the mean negative log-likelihood in nats of classes (N,) under log-probabilities (N, K)."""
    return float(F.nll_loss(log_probability.double(), rain_class))


def _cells(module: Finetuning, samples: Samples, settings: FinetuneConfig) -> tuple[Tensor, Tensor]:
    """Return de-weighted log-probabilities (N, K) and observed classes (N,) of randomly drawn cells with known rain."""
    generator = torch.Generator().manual_seed(settings.seed)
    each = -(-_CELLS // max(1, len(samples))) * settings.batch_size
    values, classes = [], []
    for fields, rain in loader(samples, settings.data, batch_size=settings.batch_size):
        observed = labels.class_index(rain, settings.thresholds).flatten()
        known = (observed >= 0).nonzero()[:, 0]
        chosen = known[torch.randperm(len(known), generator=generator)[:each]]
        log_p = module.log_probabilities(fields).movedim(1, -1).flatten(0, 2)
        values.append(log_p[chosen])
        classes.append(observed[chosen])
    return torch.cat(values), torch.cat(classes)
