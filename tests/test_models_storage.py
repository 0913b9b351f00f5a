"""Model folders: what is saved is what is loaded, and what was damaged is refused in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

from sslpdl.archive import Statistics
from sslpdl.errors import ModelError
from sslpdl.models import Calibration, TrainedModel, build, deweight, load, save
from sslpdl.models.scaling import Scaler

CHANNELS = ("t_2m", "u_10m", "rain")
SHAPE = (24, 16)


def trained(**changes):
    torch.manual_seed(1)
    network = build("tiny", channels=3, classes=3, shape=SHAPE)
    settings = {
        "network": network,
        "channels": CHANNELS,
        "statistics": Statistics(CHANNELS, (290.0, 1.0, 0.3), (8.0, 4.0, 0.7)),
        "rain_window": 3.0,
        "log_rain": True,
        "thresholds": (0.1, 10.0),
        "grid": "test",
        "class_weights": (1.0, 5.0, 10.0),
        "calibration": Calibration("vector", (1.0, 0.9, 1.1), (0.1, 0.0, -0.2)),
        "decision": {0.1: 0.375, 10.0: 0.125},
        "metrics": {"seconds": 1.5},
        "provenance": {"key": "abc"},
    }
    return TrainedModel(**{**settings, **changes})


def fields(batch=2):
    generator = np.random.default_rng(5)
    values = generator.normal(size=(batch, 3, *SHAPE)).astype("float32") * [[[[8.0]], [[4.0]], [[1.0]]]]
    values[:, 0] += 290.0
    values[:, 2] = np.abs(values[:, 2])
    values[0, 1, :3] = np.nan
    return values.astype("float32")


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "model", trained())


def test_a_model_survives_a_round_trip(folder):
    first, second = trained(), load(folder)
    assert np.array_equal(first.probabilities(fields()), second.probabilities(fields()))
    for name in ("channels", "thresholds", "rain_window", "log_rain", "grid", "class_weights", "calibration", "config"):
        assert getattr(first, name) == getattr(second, name)
    assert second.decision == {0.1: 0.375, 10.0: 0.125}
    assert second.metrics == {"seconds": 1.5}
    assert second.provenance == {"key": "abc"}


def test_a_folder_holds_no_pickle_and_nothing_else(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.safetensors", "config.yaml", "statistics.json", "metrics.json"}


def test_half_precision_halves_the_file_and_keeps_the_forecast(folder, tmp_path):
    half = save(tmp_path / "half", trained(), half=True)
    sizes = [(path / "model.safetensors").stat().st_size for path in (half, folder)]
    assert sizes[0] < 0.52 * sizes[1]
    np.testing.assert_allclose(load(half).probabilities(fields()), trained().probabilities(fields()), atol=5e-3)


def test_reconstruction_models_are_stored_too(tmp_path):
    torch.manual_seed(2)
    network = build("tiny", channels=3, shape=SHAPE).pretraining()
    model = trained(network=network, thresholds=(), class_weights=(), calibration=Calibration(), decision={})
    again = load(save(tmp_path / "model", model))
    assert again.kind == "reconstruction"
    values, hidden = model.reconstruct(fields(), mask_ratio=0.5, seed=3)
    repeated, same = again.reconstruct(fields(), mask_ratio=0.5, seed=3)
    assert np.array_equal(values, repeated)
    assert np.array_equal(hidden, same)
    assert values.shape == hidden.shape == (2, 3, *SHAPE)
    # 1 slab x 3 x 2 tokens, of which int(6 * 0.5) = 3 stay
    assert hidden[0, 0].sum() == 3 * 8 * 8
    assert not np.array_equal(hidden, again.reconstruct(fields(), mask_ratio=0.5, seed=4)[1])
    with pytest.raises(ModelError, match="fine-tune it first"):
        again.probabilities(fields())


def test_an_existing_model_is_not_overwritten_unless_asked(folder):
    with pytest.raises(ModelError, match="exists already"):
        save(folder, trained())
    save(folder, trained(rain_window=1.0), overwrite=True)
    assert load(folder).rain_window == 1.0


def edit(folder, **changes):
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            config[section][name] = value
        elif value is None:
            del config[key]
        else:
            config[key] = value
    path.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"treshold": [1]}, "'treshold' is unknown; known|did you mean 'thresholds'"),
        ({"model__widht": 1}, "did you mean 'width'"),
        ({"model__width": 24}, "multiple of group_channels"),
        ({"model__width": 32}, "damaged or was edited"),
        ({"format_version": 99}, "newer than 1; update SSLPDL"),
        ({"kind": "regression"}, "'regression' is unknown"),
        ({"thresholds": [0.1]}, "needs 2 thresholds"),
        ({"channels": ["t_2m", "rain"]}, "takes 3 channels"),
        ({"class_weights": [1, 2]}, "class weights must be 3"),
        ({"calibration__kind": "isotonic"}, "'isotonic' is unknown"),
        ({"grid": None}, "lacks grid"),
    ],
)
def test_edited_settings_are_refused(folder, changes, message):
    edit(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "statistics.json"])
def test_a_flipped_byte_is_detected(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged \(its SHA-256"):
        load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "statistics.json", "metrics.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        load(folder)


def test_damaged_yaml_and_json_are_refused(folder):
    (folder / "metrics.json").write_text("{")
    with pytest.raises(ModelError, match="damaged or was edited"):
        load(folder)
    (folder / "config.yaml").write_text("a: [")
    with pytest.raises(ModelError, match="not readable as YAML"):
        load(folder)


def test_a_pickle_in_place_of_the_weights_is_not_executed(folder):
    torch.save({"weights": 1}, folder / "model.safetensors")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["sha256"]["model.safetensors"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load(folder)


def test_probabilities_are_calibrated_deterministic_and_independent_of_the_batch():
    model, values = trained(), fields(9)
    result = model.probabilities(values)
    assert result.shape == (9, 3, *SHAPE)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.sum(axis=1), 1.0, atol=1e-5)
    assert np.array_equal(result, model.probabilities(values))
    np.testing.assert_allclose(result[8:], model.probabilities(values[8:]), atol=1e-5)
    plain = trained(calibration=Calibration(), class_weights=()).probabilities(values)
    expected = np.log(plain) - np.log([1.0, 5.0, 10.0])[:, None, None]
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    expected = expected * np.array([1.0, 0.9, 1.1])[:, None, None] + np.array([0.1, 0.0, -0.2])[:, None, None]
    expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_class_weights_are_undone():
    # the optimum under weights w is w_j P_j / sum(w P)
    truth, weights = torch.tensor([[0.90, 0.09, 0.01]]), (1.0, 5.0, 10.0)
    tilted = truth * torch.tensor(weights)
    torch.testing.assert_close(deweight((tilted / tilted.sum()).log(), weights).exp(), truth)


def test_nothing_is_forecast_for_no_field():
    assert trained().probabilities(fields()[:0]).shape == (0, 3, *SHAPE)


def archive(channels=("rain", "u_10m", "t_2m", "slp"), window=3.0):
    return xr.Dataset({"rain_window": ("lead_time", [window, window])}, coords={"channel": list(channels)})


def test_archives_without_the_channels_or_of_another_window_are_refused():
    trained().check(archive())
    with pytest.raises(ModelError, match="needs t_2m, which the archive lacks"):
        trained().check(archive(channels=("rain", "u_10m")))
    with pytest.raises(ModelError, match="rain of 3 h and the archive holds rain of 1 h"):
        trained().check(archive(window=1.0))


def test_fields_of_another_shape_are_refused():
    with pytest.raises(ModelError, match=r"shape \(B, 3, H, W\), got \(2, 2, 24, 16\)"):
        trained().probabilities(fields()[:, :2])


def test_scaling_takes_the_logarithm_of_rain_alone_and_is_undone():
    scaler = Scaler(("rain", "t_2m"), (0.5, 290.0), (2.0, 10.0), log_rain=True)
    values = np.array([[[np.e - 1.0, np.nan]], [[300.0, 270.0]]], "float32")
    scaled = scaler.scale(values)
    np.testing.assert_allclose(scaled, [[[0.25, np.nan]], [[1.0, -2.0]]], rtol=1e-6)
    np.testing.assert_allclose(scaler.unscale(scaled), values, rtol=1e-5)
    assert values[0, 0, 0] == np.float32(np.e - 1.0)


def test_a_channel_without_spread_is_refused():
    with pytest.raises(ModelError, match=r"channel rain has mean 1\.0 and deviation 0\.0"):
        Scaler(("rain",), (1.0,), (0.0,))


def test_metrics_are_plain_json(folder):
    assert json.loads((folder / "metrics.json").read_text()) == {"seconds": 1.5}
