"""The model in data_samples: it beats climatology on twin runs that it has not seen, and random weights do not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sslpdl import models
from sslpdl.grid import KOREA_5KM
from sslpdl.models import SSLPDL
from sslpdl.training.splits import refuse_held_out, runs_in
from sslpdl.twin import VERSION, forecast, truth_rain

THRESHOLDS = (0.1, 10.0)
# two lead times of runs over the whole summer of a year that was neither trained nor validated on
RUNS = np.arange("2022-06-04T00", "2022-09-26T00", 108, dtype="datetime64[h]")
LEADS = (9, 21)


@pytest.fixture(scope="module")
def model(root):
    return models.load(root / "data_samples" / "models" / "sslpdl-tiny")


@pytest.fixture(scope="module")
def cases():
    fields = np.concatenate([forecast(run, LEADS) for run in RUNS])
    rain = np.stack([truth_rain(run + np.timedelta64(lead, "h")) for run in RUNS for lead in LEADS])
    return fields, np.where(KOREA_5KM.verification_mask(), rain, np.nan)


def csi(probabilities, rain, model):
    result = {}
    for threshold in THRESHOLDS:
        first = model.thresholds.index(threshold) + 1
        yes = probabilities[:, first:].sum(axis=1) >= model.decision[threshold]
        known, event = np.isfinite(rain), rain >= threshold
        result[threshold] = (yes & event).sum() / ((yes | event) & known).sum()
    return result


def climatology(rain):
    # a constant forecast has its largest CSI when it always says yes: the share of events
    return {threshold: (rain >= threshold).sum() / np.isfinite(rain).sum() for threshold in THRESHOLDS}


def test_it_is_small_and_says_what_it_was_made_from(root, model):
    folder: Path = root / "data_samples" / "models" / "sslpdl-tiny"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
    assert model.provenance["archive"]["synthetic"] == "true"
    assert model.provenance["archive"]["twin_version"] == VERSION
    assert model.provenance["config"]["model"] == {"preset": "tiny"}


def test_the_cases_are_unseen(model):
    for part in ("train", "validation"):
        periods = model.provenance["config"]["data"][part]
        assert not runs_in(RUNS, periods).any()
        assert not runs_in(np.arange("2022-08-01", "2022-09-01", dtype="datetime64[D]"), periods).any()
    with pytest.raises(Exception, match="held out"):
        refuse_held_out(RUNS, RUNS)


def test_it_beats_climatology_by_a_wide_margin(model, cases):
    fields, rain = cases
    scores, base = csi(model.probabilities(fields), rain, model), climatology(rain)
    assert scores[0.1] > 1.5 * base[0.1]
    assert scores[10.0] > 3.0 * base[10.0]


def test_random_weights_do_not(model, cases):
    fields, rain = cases
    torch.manual_seed(0)
    untrained = dataclasses.replace(model, network=SSLPDL(model.config))
    scores, base = csi(untrained.probabilities(fields), rain, untrained), climatology(rain)
    assert scores[0.1] < 1.5 * base[0.1]
    assert scores[10.0] < 3.0 * base[10.0]


def test_the_class_weights_are_undone(model, cases):
    # summers differ (2023, which it was calibrated on, was wetter), and heavy rain falls in few of these maps: a factor
    # of two is what they can tell; with the weights of the loss left in, heavy rain would be several times too frequent
    fields, rain = cases
    known = np.isfinite(rain)
    weighted = dataclasses.replace(model, class_weights=())
    for threshold in THRESHOLDS:
        first = model.thresholds.index(threshold) + 1
        frequency = (rain[known] >= threshold).mean()
        assert 0.5 < model.probabilities(fields)[:, first:].sum(axis=1)[known].mean() / frequency < 2.0
    assert weighted.probabilities(fields)[:, first:].sum(axis=1)[known].mean() > 2.0 * frequency
