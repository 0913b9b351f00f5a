"""Runs of the twin that are made while they are read: the same as an archive of them, for training too."""

import json
import pickle

import numpy as np
import pytest
import torch
import xarray as xr

from sslpdl import forecast, models
from sslpdl.archive import open_archive, pairs
from sslpdl.errors import ConfigError
from sslpdl.grid import KOREA_5KM, Grid
from sslpdl.training import DataConfig, FinetuneConfig, PretrainConfig, finetune, pretrain
from sslpdl.training.data import loader
from sslpdl.training.prepare import automatic_split, prepare
from sslpdl.twin import LEAD_TIME, is_stream, open_stream, version_of, warn_of_another_version, write, write_archive

ADDRESS = "twin:2021-07-10/2021-07-12?every=24&leads=6-18/12&seed=5"
DATA = DataConfig(train=("2021-07-10/2021-07-11",), validation=("2021-07-12",))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "stored.zarr"
    runs = ["2021-07-10", "2021-07-11", "2021-07-12"]
    return write_archive(path, init_times=runs, lead_time=[6, 18], seed=5, processes=1, progress=False)


@pytest.fixture(scope="module")
def stream():
    return open_stream(ADDRESS)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_stream_is_what_an_archive_of_it_holds(archive, stream):
    stored = open_archive(archive)
    for name in ("fields", "qpe", "mask", "rain_window", "fields_coverage", "qpe_coverage", *stored.coords):
        assert stream[name].dims == stored[name].dims, name
        np.testing.assert_array_equal(stream[name].values, stored[name].values, err_msg=name)
    for name in ("title", "synthetic", "config", "qpe_window"):
        assert stream.attrs[name] == stored.attrs[name]
    assert Grid.from_dataset(stream) == KOREA_5KM
    xr.testing.assert_equal(pairs(stream).to_xarray(), pairs(stored).to_xarray())


@pytest.mark.parametrize(
    "part",
    [
        {"init_time": 2, "lead_time": 1, "channel": 15},
        {"init_time": [2, 0], "lead_time": [1], "channel": [3, 15, 0], "x": slice(10, 40, 3)},
        {"init_time": slice(None, None, -1), "lead_time": 0, "channel": 15, "y": [100, 3]},
    ],
)
def test_any_part_can_be_read(archive, stream, part):
    np.testing.assert_array_equal(stream.fields.isel(part).values, open_archive(archive).fields.isel(part).values)


def test_stream_travels_to_worker_processes(stream):
    copied = pickle.loads(pickle.dumps(stream))
    np.testing.assert_array_equal(copied.qpe[1].values, stream.qpe[1].values)
    np.testing.assert_array_equal(copied.fields[1, 1, 7].values, stream.fields[1, 1, 7].values)


def test_address_has_the_defaults_of_an_archive():
    ds = open_stream("twin:2019-06,2020-09-29/2020-09-30T00")
    assert tuple(ds.lead_time.values.tolist()) == LEAD_TIME
    assert ds.sizes["init_time"] == 60 + 3
    assert str(ds.init_time.values[-1]).startswith("2020-09-30T00")
    assert open_stream("twin:2022-08-08?case=august-2022").attrs["title"].startswith("Synthetic analogue")
    assert is_stream("twin:2019")
    assert not is_stream("runs/twin.zarr")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("twin:summer", "write it like twin:2019"),
        ("twin:2019-07?leads=six", "'six' is not a list of lead times"),
        ("twin:2019-07?leads=9-3", "'9-3' is not a list of lead times"),
        ("twin:2019-07?every=often", "write it like twin:2019"),
        ("twin:2019-07?sed=3", "option 'sed'"),
        ("twin:2019-01", "June to September"),
        ("twin:2019-07?case=july-2011", "august-2022"),
    ],
)
def test_mistakes_in_an_address_get_one_sentence(address, message):
    with pytest.raises(ConfigError, match=message):
        open_stream(address)


# ---- training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
def test_training_gets_the_batches_of_an_archive(archive, workers):
    data = DataConfig(train=DATA.train, validation=DATA.validation, workers=workers)
    stored, made = (prepare(source, data, needs_rain=True) for source in (archive, ADDRESS))
    assert made.statistics == stored.statistics
    assert made.summary(data) == stored.summary(data)
    batches = zip(loader(stored.training, data, batch_size=2), loader(made.training, data, batch_size=2), strict=True)
    for (fields, rain), (others, other_rain) in batches:
        assert fields.shape == (2, 16, *KOREA_5KM.shape)
        assert torch.equal(fields, others)
        assert torch.equal(rain.nan_to_num(-1), other_rain.nan_to_num(-1))


@pytest.fixture(scope="module")
def trained(archive, tmp_path_factory):
    """The same few steps from the archive and from the stream."""
    out = tmp_path_factory.mktemp("trained")
    config = PretrainConfig(data=DATA, epochs=1, steps_per_epoch=2, batch_size=1, accelerator="cpu")
    return [pretrain(source, config=config, out=out / name, progress=False) for name, source in
            (("stored", archive), ("made", ADDRESS))]  # fmt: skip


def test_training_ends_with_the_weights_that_an_archive_gives(trained):
    stored, made = (models.load(folder) for folder in trained)
    assert made.provenance["archive"]["twin_version"] == 2
    weights = made.network.state_dict()
    assert all(torch.equal(values, weights[name]) for name, values in stored.network.state_dict().items())


def test_settings_follow_from_a_stream():
    assert automatic_split("twin:2021-07-01/2021-07-05?every=24").validation == ("2021-07-05T00",)


def test_a_model_of_another_twin_is_warned_of(trained, archive, tmp_path, monkeypatch):
    model = models.load(trained[1])
    config = FinetuneConfig(data=DATA, epochs=1, steps_per_epoch=1, batch_size=1, accelerator="cpu")
    monkeypatch.setattr(write, "VERSION", 3)
    with pytest.warns(UserWarning, match="trained on version 2 of the synthetic twin and this archive is of version 3"):
        tuned = finetune(ADDRESS, config=config, out=tmp_path / "model", pretrained=trained[1], progress=False)
    with pytest.warns(UserWarning, match="trained on version 3 of the synthetic twin and this archive is of version 2"):
        forecast.run(archive, tuned, init_time="2021-07-12", lead_time=6)
    assert model.provenance["archive"]["twin_version"] == 2


@pytest.mark.filterwarnings("error")
def test_only_two_versions_that_differ_are_worth_a_warning():
    assert version_of({"config": json.dumps({"twin": {"twin_version": 1}})}) == 1
    for config in ("{}", "not JSON", "[]", '{"twin": null}'):
        assert version_of({"config": config}) is None
    assert version_of({}) is None
    warn_of_another_version({"twin_version": 1}, 1)
    warn_of_another_version({"twin_version": 1}, None)
    warn_of_another_version({}, 2)
    with pytest.raises(UserWarning, match="version 1"):
        warn_of_another_version({"twin_version": 1}, 2)
