"""What a forecast leans on, and reconstructions, as the page asks for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sslpdl import models
from sslpdl.archive import Statistics, open_archive
from sslpdl.dashboard import inspecting
from sslpdl.dashboard.settings import SAMPLE_ARCHIVE
from sslpdl.errors import ModelError
from sslpdl.models.influence import exceedance, influence

TINY = SAMPLE_ARCHIVE.parent / "models" / "sslpdl-tiny"
INIT, LEAD = "2022-08-08T00:00", 12


@pytest.fixture(scope="module")
def session() -> Any:
    settings = SimpleNamespace(archive=SAMPLE_ARCHIVE, model=TINY, forecast=None)
    source = SimpleNamespace(init_times=[INIT], lead_times=[LEAD], pooling=1)
    return SimpleNamespace(shown=settings, source=source)


@pytest.fixture(scope="module")
def answered(session: Any) -> dict[str, Any]:
    question = {"init_time": INIT, "lead": LEAD, "threshold": 1, "box": [100, 120, 40, 60], "cell": [112, 49]}
    return inspecting.influence(session, question)


def test_influence_is_the_change_when_a_variable_is_withheld(answered: dict[str, Any]) -> None:
    model = models.load(TINY)
    fields = open_archive(SAMPLE_ARCHIVE)["fields"].sel(init_time=INIT, lead_time=LEAD, channel=list(model.channels))
    whole = fields.values
    without = whole.copy()
    position = model.channels.index("rh_850")
    without[position] = np.nan
    change = exceedance(model.probabilities(whole[None])) - exceedance(model.probabilities(without[None]))
    box = change[0, 1, 100:121, 40:61]
    assert answered["variables"][position] == "rh_850"
    assert answered["mean"][position] == pytest.approx(np.abs(box).mean(), abs=1e-3)
    assert answered["signed"][position] == pytest.approx(box.mean(), abs=1e-3)
    assert answered["cell"][position] == pytest.approx(change[0, 1, 112, 49], abs=1e-3)


def test_a_variable_that_the_network_ignores_has_no_influence() -> None:
    torch_model = models.load(TINY)

    class Ignorant:
        """Looks at the first variable alone."""

        def probabilities(self, fields: np.ndarray) -> np.ndarray:
            p = np.nan_to_num(fields[:, 0])
            return np.stack([1 - p, p], axis=1).astype("float32")

    fields = np.full((len(torch_model.channels), 2, 3), 0.25, "float32")
    change = influence(Ignorant(), fields)  # type: ignore[arg-type]
    assert (change[0] == 0.25).all()
    assert (change[1:] == 0).all()


def test_exceedance_sums_the_classes_from_above() -> None:
    classes = np.array([0.5, 0.25, 0.25], "float32").reshape(1, 3, 1, 1)
    np.testing.assert_allclose(exceedance(classes).ravel(), [0.5, 0.25])


@pytest.mark.parametrize(
    "change",
    [{"init_time": "2020-01-01T00:00"}, {"lead": 13}, {"threshold": 99}, {"threshold": "1"}, {"lead": [1]}],
)
def test_what_cannot_be_asked_is_refused(session: Any, answered: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        inspecting.influence(session, {"init_time": INIT, "lead": LEAD, "threshold": 1} | change)


def test_without_a_pretrained_model_the_page_says_how_to_get_one(session: Any, tmp_path: Path) -> None:
    settings = SimpleNamespace(archive=SAMPLE_ARCHIVE, model=tmp_path / "model", forecast=None)
    lonely = SimpleNamespace(shown=settings, source=session.source)
    with pytest.raises(ModelError, match="folder named pretrained"):
        inspecting.reconstruction(
            lonely, {"init_time": INIT, "lead": LEAD, "variable": "rain", "ratio": 0.5, "seed": 1}
        )


def test_a_reconstruction_comes_as_a_picture_with_errors(session: Any, tmp_path: Path) -> None:
    tiny = models.load(TINY)
    network = tiny.network.pretraining()  # type: ignore[union-attr]
    statistics: Statistics = tiny.statistics
    models.save(
        tmp_path / "pretrained", models.TrainedModel(network=network, channels=tiny.channels, statistics=statistics)
    )
    settings = SimpleNamespace(archive=SAMPLE_ARCHIVE, model=tmp_path / "model", forecast=None)
    beside = SimpleNamespace(shown=settings, source=session.source)
    question = {"init_time": INIT, "lead": LEAD, "variable": "t_850", "ratio": 0.5, "seed": 1}
    answer = inspecting.reconstruction(beside, question)
    assert answer["picture"].startswith(b"\x89PNG")
    assert answer["variables"] == list(tiny.channels)
    assert all(np.isfinite(answer["errors"][name]).all() for name in ("reconstruction", "climatology", "seen"))
    with pytest.raises(ModelError, match="knows no variable"):
        inspecting.reconstruction(beside, question | {"variable": "<b>"})
    with pytest.raises(ModelError, match="between 5 and 95"):
        inspecting.reconstruction(beside, question | {"ratio": 1.5})
