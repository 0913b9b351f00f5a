"""Quantile mapping: ranks by hand, order kept, dry stays dry, and nothing but training runs behind it."""

from __future__ import annotations

import dataclasses

import archives
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslpdl import forecast, verify
from sslpdl.archive import open_archive
from sslpdl.errors import ModelError
from sslpdl.models.baselines import QuantileMapping
from sslpdl.models.baselines.quantile_mapping import RAIN_EDGES
from sslpdl.training import DataConfig
from sslpdl.training.quantiles import fit_quantile_mapping
from sslpdl.training.scoring import counted


def histogram(values):
    place = np.searchsorted(RAIN_EDGES, np.asarray(values) + 1e-6, side="right") - 1
    return np.bincount(place, minlength=len(RAIN_EDGES))


def mapping(forecast_rain, observed_rain, **changes):
    settings = {"leads": (6,), "thresholds": (0.1, 10.0), **changes}
    return QuantileMapping.fit(histogram(forecast_rain), histogram(observed_rain), **settings)


def test_amounts_take_the_value_of_their_rank():
    # forecast: half dry, then evenly up to 5 mm; observed: 3 in 4 dry, then evenly up to 20 mm
    even = (np.arange(1000) + 0.5) / 1000
    raw = np.concatenate([np.zeros(1000), 5.0 * even])
    observed = np.concatenate([np.zeros(3000), 20.0 * even])
    corrected = mapping(raw, observed).correct(np.array([0.0, 1.0, 2.4, 3.0, 4.0, 4.9]))
    # 2.5 mm has the rank 3/4, up to which it is dry; from there 2.5 mm of the forecast are 20 mm observed
    assert corrected[:3].tolist() == [0.0, 0.0, 0.0]
    assert corrected[3:] == pytest.approx([4.0, 12.0, 19.2], rel=0.03)


def test_the_climate_of_the_corrected_rain_is_that_observed():
    generator = np.random.default_rng(0)
    raw = np.where(generator.random(40_000) < 0.5, generator.exponential(1.0, 40_000), 0.0)
    observed = np.where(generator.random(40_000) < 0.1, generator.exponential(6.0, 40_000), 0.0)
    corrected = mapping(raw, observed).correct(raw)
    for threshold in (0.1, 1.0, 5.0, 10.0, 20.0):
        share = [(values >= threshold).mean() for values in (corrected, observed)]
        assert share[0] == pytest.approx(share[1], rel=0.03)


def test_a_forecast_drier_than_the_observations_gains_no_drizzle_where_it_is_dry():
    fitted = mapping([0, 0, 0, 0, 0, 0, 1.0, 2.0], [0, 0, 0.5, 0.5, 1.0, 1.0, 2.0, 3.0])
    assert fitted.correct(np.array([0.0, 0.005])).tolist() == [0.0, 0.0]


amounts = st.lists(st.floats(0.0, 400.0), min_size=1, max_size=30)


@given(forecast_rain=amounts, observed_rain=amounts, rain=st.lists(st.floats(0.0, 600.0), min_size=2, max_size=20))
def test_the_order_of_amounts_is_kept_and_none_is_negative(forecast_rain, observed_rain, rain):
    corrected = mapping(forecast_rain, observed_rain).correct(np.sort(rain))
    assert (np.diff(corrected) >= -1e-9).all()
    assert (corrected >= 0.0).all()


def doubling():
    rain = np.random.default_rng(2).exponential(3.0, 20_000)
    return mapping(rain, 2.0 * rain), rain.max()


def test_above_the_largest_amount_its_correction_is_added():
    fitted, largest = doubling()
    top = fitted.correct(np.array([fitted.forecast[-1]]))[0]
    assert top == pytest.approx(2.0 * largest, rel=0.03)
    assert fitted.correct(np.array([fitted.forecast[-1] + 7.0]))[0] == pytest.approx(top + 7.0)


def test_all_probability_lies_on_the_class_of_the_corrected_rain_and_missing_stays_missing():
    fitted, _ = doubling()
    fields = np.array([0.0, 4.0, 6.0, np.nan], "float32").reshape(1, 1, 2, 2)
    probabilities = fitted.probabilities(fields)[0].reshape(3, 4)
    assert probabilities[:, :3].T.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert np.isnan(probabilities[:, 3]).all()


def test_without_rain_there_is_nothing_to_fit():
    with pytest.raises(ModelError, match="no rain to fit"):
        QuantileMapping.fit(histogram([]), histogram([1.0]), leads=(6,), thresholds=(0.1,))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Two runs to train on, one to validate, one to test; the forecast has half of the observed rain."""
    path = tmp_path_factory.mktemp("quantiles") / "a.zarr"
    leads = (5, 6, 7, 30)
    generator = np.random.default_rng(1)
    with archives.create(path, lead_time=leads) as writer:
        for year in (2019, 2020, 2021, 2022):
            run = np.datetime64(f"{year}-07-01T00", "h")
            fields = archives.fields(year, leads=len(leads))
            for position, lead in enumerate(leads):
                # 30 h ahead the forecast is a quarter; validation and test have another climate
                observed = generator.gamma(0.5, 4.0 if year < 2021 else 40.0, archives.SMALL.shape).astype("float32")
                fields[position, -1] = observed / (4 if lead == 30 else 2)
                writer.write_qpe(run + np.timedelta64(lead, "h"), observed)
            writer.write_run(run, fields)
    return path


DATA = DataConfig(train=(2019, 2020), validation=(2021,))


def test_each_group_of_lead_times_has_its_own_mapping_from_training_runs_only(archive):
    fitted = fit_quantile_mapping(archive, DATA, thresholds=(0.1, 10.0))
    assert [one.leads for one in fitted] == [(5, 6), (7,), (30,)]
    assert [one.correct(np.array([2.0]))[0] for one in fitted] == pytest.approx([4.0, 4.0, 8.0], rel=0.1)
    assert fitted[0].provenance["samples"] == 8
    # what validation and test runs hold does not matter
    alone = fit_quantile_mapping(archive, dataclasses.replace(DATA, validation=()), thresholds=(0.1, 10.0))
    assert alone == fitted


def test_it_is_verified_beside_the_raw_forecast_each_lead_time_with_the_nearest_mapping(archive):
    opened = open_archive(archive)
    cases = opened.isel(init_time=[0, 1])
    short, long = fit_quantile_mapping(archive, dataclasses.replace(DATA, lead_time=(6, 30)), thresholds=(0.1, 10.0))
    counts = counted(
        cases,
        [short, long],
        name="mapped",
        thresholds=(0.1, 10.0),
        climatology={0.1: 0.5, 10.0: 0.1},
        regions={"all": np.ones(archives.SMALL.shape, bool)},
    )
    assert counts["model"].values.tolist() == ["mapped", "raw", "climatology"]
    table = verify.scores(counts, replicates=0)
    csi = table[(table.score == "csi") & (table.threshold == 10.0)].set_index(["lead_time", "model"])["value"]
    for lead in (5, 6, 7, 30):
        # the forecast is the observation times a constant, which the mapping undoes
        assert csi[f"{lead} h", "mapped"] > 0.75
        assert csi[f"{lead} h", "raw"] < 0.5
    run = forecast.run(cases.isel(lead_time=[3]), long)
    assert set(np.unique(run.class_probability)) == {0.0, 1.0}
