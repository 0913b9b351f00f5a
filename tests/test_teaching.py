"""Around the notebooks: pages without a kernel, the student edition, experiments of the course, generated files."""

from __future__ import annotations

import json
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from sslpdl import models, teaching
from sslpdl.archive import Statistics
from sslpdl.channels import CANONICAL
from sslpdl.errors import ConfigError, SslpdlError
from sslpdl.grid import KOREA_5KM
from sslpdl.labels import LabelConfig
from sslpdl.plots import explore, lessons, weather
from sslpdl.plots.still import EXPORT, player, thinned
from sslpdl.plots.style import Picture
from sslpdl.teaching import site, student
from sslpdl.teaching.pictures import formulas, picture_of

GRID = KOREA_5KM.crop(64, 32, (64, 64))
V4 = nbformat.v4


def test_thinned_keeps_the_ends_and_the_start():
    assert thinned(range(1, 4), 2) == [1, 2, 3]
    kept = thinned(range(1, 37), 13, count=7)
    assert len(kept) == 7 and kept[0] == 1 and kept[-1] == 36 and 13 in kept
    assert kept == sorted(set(kept))


def test_a_player_stores_each_picture_once():
    pictures = {"α": [("0", b"first"), ("1", b"second")], "β": [("low", b"third"), ("high", b"first")]}
    text = player(pictures, starts={"α": 0, "β": 1}, alt="curves").data
    rows = json.loads(re.search(r"const rows = (\[.*?\]), first", text)[1])
    assert [row["label"] for row in rows] == ["α", "β"]
    assert [row["start"] for row in rows] == [0, 1]
    # the picture of the start stands in the page, the others in the script
    assert rows[0]["pictures"][0] == "" and rows[0]["pictures"][1] != "" and rows[1]["pictures"][1] == ""
    assert text.count("Zmlyc3Q=") == 1 and 'alt="curves"' in text


def test_an_exported_explorer_draws_each_position(monkeypatch):
    monkeypatch.setenv(EXPORT, "1")
    drawn = []

    def draw(*, size: float, kind: str) -> Picture:
        if size == 1.0 and kind == "a":
            raise ConfigError("too large.")
        drawn.append((size, kind))
        return Picture(figsize=(1, 1))

    shown = explore.explore(
        draw,
        size=explore.Slider("size", 0.5, 0.0, 1.0, 0.5),
        kind=explore.Choice("kind", "a", {"A": "a", "B": "b"}),
    )
    # one control at a time; what is refused has no picture
    assert sorted(drawn) == [(0.0, "a"), (0.5, "a"), (0.5, "b")]
    assert '"texts": ["0", "0.5"]' in shown.data and "<script>" in shown.data


def test_controls_under_panel_serve(monkeypatch):
    pytest.importorskip("panel")
    import param

    monkeypatch.setattr(explore, "serving", lambda: True)
    drawn = []

    def draw(*, size: int, kind: str | None) -> Picture:
        drawn.append((size, kind))
        return Picture(figsize=(1, 1))

    column = explore.explore(
        draw, size=explore.Slider("size", 2, 0, 9, 1), kind=explore.Choice("kind", None, {"none": None, "B": "b"})
    )
    controls, _, picture = column
    before = picture.object
    controls[0].value = 7
    with param.edit_constant(controls[0]):  # as the browser does when the slider is let go
        controls[0].value_throttled = 7
    controls[1].value = 1  # choices by their place
    assert drawn[0] == (2, None) and drawn[-1] == (7, "b")
    assert before[:4] == picture.object[:4] == b"\x89PNG"


def _notebook(*cells):
    return V4.new_notebook(cells=[V4.new_markdown_cell("# 1 · Title\n\n**Aim.** Learn."), *cells])


def test_the_student_edition_has_no_solution_and_no_answer():
    solution = V4.new_code_cell("secret = 42", metadata={"tags": ["solution"]})
    question = V4.new_markdown_cell("<details><summary>Why?</summary>Because.</details>")
    whole = _notebook(V4.new_code_cell("x = 1"), solution, question)
    blank = student.without_solutions(whole)
    text = "\n".join(cell.source for cell in blank.cells)
    assert "42" not in text and "Because" not in text
    assert "Why?" in text and "x = 1" in text and "# Your solution" in text
    assert whole.cells[2].source == "secret = 42"
    assert blank.cells[0].source.startswith("# 1 · Title\n\n*Student edition")


def test_the_student_edition_of_the_course(root, tmp_path):
    written = student.student_edition(root / "notebooks", tmp_path / "out")
    assert len(written) == 8
    for path in written:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells)
        assert "<details>" not in text and "# Your solution" in text
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        assert links and [link for link in links if not (path.parent / link).exists()] == []
    with pytest.raises(ConfigError, match="overwrite"):
        student.student_edition(root / "notebooks", root / "notebooks")
    with pytest.raises(ConfigError, match="no notebooks"):
        student.student_edition(tmp_path, tmp_path / "other")


def test_formulas_become_pictures_and_code_stays():
    text = formulas("With $r_0 < r_1$ and `a $x$ b`, it costs $5 or 5 $.\n\n$$\\frac{1}{2}$$")
    assert text.count("<img") == 2 and 'alt="r_0 &lt; r_1"' in text
    assert "`a $x$ b`" in text and "$5 or 5 $" in text
    assert "<img" in formulas("$a \\ge b$") and formulas(r"$\nosuchthing$") == r"<code>\nosuchthing</code>"


def test_matplotlib_knows_every_formula_of_the_course(root):
    for path in (root / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert "<code>" not in formulas(cell.source), cell.id


def test_a_picture_stands_for_a_notebook():
    import base64

    from PIL import Image

    figure = Picture(figsize=(8, 4))
    figure.subplots().plot([0, 1])
    output = V4.new_output("display_data", data={"image/png": base64.b64encode(figure._repr_png_()).decode()})
    cell = V4.new_code_cell("draw()", metadata={"tags": ["picture"]}, outputs=[output])
    assert picture_of(_notebook()) is None
    import io

    with Image.open(io.BytesIO(picture_of(_notebook(cell)))) as image:
        assert image.size == (520, 260)


def test_a_site_needs_no_network_and_says_what_fails(tmp_path):
    pytest.importorskip("nbconvert")
    source = tmp_path / "notebooks"
    source.mkdir()
    code = "from sslpdl.plots import Picture\nfigure = Picture(figsize=(2, 1))\nfigure.subplots().plot([0, 1])\nfigure"
    # two messages of the kernel
    printing = "import os, time; print('export', os.environ['SSLPDL_EXPORT']); time.sleep(0.5); print('again')"
    first = _notebook(
        V4.new_code_cell(code, metadata={"tags": ["picture"]}),
        V4.new_code_cell(printing),
        V4.new_markdown_cell("See [next](02_next.ipynb) and $x^2$."),
    )
    nbformat.write(first, source / "01_first.ipynb")
    nbformat.write(_notebook(), source / "02_next.ipynb")
    index = site.build_site(source, tmp_path / "site", pictures=tmp_path / "pictures", progress=False)
    page = (tmp_path / "site" / "01_first.html").read_text()
    assert "export 1\nagain" in page and 'href="02_next.html"' in page and "data:image/png" in page
    assert (tmp_path / "pictures" / "01_first.png").is_file()
    for path in tmp_path.glob("site/*.html"):
        assert site.references(path.read_text()) == []
    assert 'href="01_first.html"' in index.read_text() and "Learn." in index.read_text()

    nbformat.write(_notebook(V4.new_code_cell("1 / 0")), source / "02_next.ipynb")
    with pytest.raises(SslpdlError, match=r"02_next.ipynb fails: ZeroDivisionError"):
        site.build_site(source, tmp_path / "site", progress=False)
    assert index.is_file(), "the site of before stays"


def test_references_to_other_hosts_are_found():
    text = (
        '<script src="https://a.org/x.js"></script><link rel="stylesheet" href="//b.org/y.css"><a href="https://c.org">'
    )
    assert site.references(text) == ["https://a.org/x.js", "//b.org/y.css"]


def test_the_best_answer_is_the_mean_label_of_its_bin():
    raw, observed = np.array([0.0, 0.0, 4.0, 4.0]), np.array([0.0, 20.0, 5.05, 5.05])
    labels = {"hard": LabelConfig("one_hot"), "soft": LabelConfig("pdl")}
    table = teaching.best_with_labels(raw, observed, (0.1, 10.0), labels).set_index(["model", "threshold"])
    # two bins: dry forecasts, of which half had 20 mm; and forecasts of 4 mm, which all had 5.05 mm
    assert table.loc[("hard", 10.0), "probability"].tolist() == [0.5, 0.0]
    assert table.loc[("soft", 10.0), "probability"].tolist() == pytest.approx([0.5, 0.5])
    assert table.loc[("soft", 10.0), "frequency"].tolist() == [0.5, 0.0]
    assert table["n"].tolist() == [2] * 8 and set(table.loc[("hard", 10.0), "base_rate"]) == {0.25}


def test_dependence_is_zero_where_a_variable_is_not_seen():
    torch.manual_seed(0)
    network = models.build("tiny", classes=2, shape=GRID.shape).pretraining()
    moments = Statistics(channels=CANONICAL, mean=(1.0,) * 16, std=(2.0,) * 16)
    model = models.TrainedModel(network=network, channels=CANONICAL, statistics=moments, thresholds=())
    fields = np.random.default_rng(0).normal(1.0, 2.0, (2, 16, *GRID.shape)).astype("float32")
    fields[:, 3] = np.nan  # already unknown: taking it away changes nothing
    matrix = teaching.dependence(model, fields, mask_ratio=0.5)
    assert list(matrix.index) == list(matrix.columns) == list(CANONICAL)
    assert matrix["slp"].dropna().abs().max() == 0
    assert matrix["rain"].dropna().abs().max() > 0


def test_moisture_and_theta_e_of_a_warm_day():
    # 20 °C, saturated, 850 hPa: vapour pressure 23.4 hPa, so 0.622 * 23.4 / (850 - 0.378 * 23.4) = 17.3 g/kg
    q = weather.moisture(np.array(293.15), np.array(100.0), 850.0)
    assert float(q) == pytest.approx(0.0173, abs=1e-4)
    dry = weather.equivalent_potential_temperature(np.array(293.15), np.array(0.0), 850.0)
    assert float(dry) == pytest.approx(293.15 * (1000 / 850) ** 0.2854)
    assert weather.equivalent_potential_temperature(np.array(293.15), np.array(100.0), 850.0) > dry + 40


def _case() -> xr.Dataset:
    """Two hours on a small grid: the forecast has 4 and 12 mm everywhere, observed are 2 and 20 mm."""
    fields = np.zeros((1, 2, 16, *GRID.shape), "float32")
    fields[0, :, 15] = np.array([4.0, 12.0])[:, None, None]
    start = np.datetime64("2022-08-08T00", "ns")
    hours = np.array([1, 2])
    return xr.Dataset(
        {
            "fields": (("init_time", "lead_time", "channel", "y", "x"), fields),
            "qpe": (("valid_time", "y", "x"), np.array([2.0, 20.0], "float32")[:, None, None] * np.ones(GRID.shape)),
            "mask": (("y", "x"), np.ones(GRID.shape, bool)),
        },
        coords={
            "init_time": [start],
            "lead_time": hours,
            "channel": list(CANONICAL),
            "valid_time": start + hours.astype("timedelta64[h]"),
            "y": GRID.y,
            "x": GRID.x,
        },
        attrs={"title": "case"},
    )


def test_errors_by_lead_time_can_be_redone_by_hand():
    figure = lessons.error_by_lead_figure(_case())
    absolute, bias = (line.get_ydata() for line in figure.axes[0].lines[:2])
    assert list(absolute) == [2.0, 8.0] and list(bias) == [2.0, -8.0]


def test_rain_pairs_leave_out_what_is_unknown():
    case = _case()
    case["qpe"][0, :, :32] = np.nan
    raw, observed = teaching.rain_pairs(case)
    assert raw.size == observed.size == 64 * 64 + 64 * 32
    assert set(zip(raw.tolist(), observed.tolist(), strict=True)) == {(4.0, 2.0), (12.0, 20.0)}


def test_live_curves_have_both_losses():
    curves = {"step": [10.0, 20.0], "training_loss": [1.0, 0.8], "validation_loss": [1.1, 0.9], "score": [0.0, 1.0]}
    figure = teaching.LiveCurve("training").figure(curves)
    assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[1.0, 0.8], [1.1, 0.9]]
    assert "step 20" in figure.axes[0].get_title(loc="left")


def test_samples_and_sources(root, tmp_path, monkeypatch):
    assert teaching.choose_archive("sample", tmp_path) == root / "data_samples" / "august-2022.zarr"
    assert teaching.choose_archive("a/b.zarr", tmp_path).name == "b.zarr"
    assert teaching.sample_model().kind == "segmentation"
    with pytest.raises(ConfigError, match="not there"):
        teaching.sample_model("sslpdl-huge")
    monkeypatch.setenv("SSLPDL_REAL_DAY", str(tmp_path))
    assert teaching.real_day() is None
    with pytest.raises(ConfigError, match="SSLPDL_REAL_DAY"):
        teaching.choose_archive("real", tmp_path)


def test_a_training_can_be_watched(tmp_path):
    from sslpdl import twin
    from sslpdl.training import DataConfig, FinetuneConfig, finetune

    runs = pd.DatetimeIndex(["2020-07-01", "2020-07-03"])
    path = twin.write_archive(tmp_path / "a.zarr", init_times=runs, lead_time=[6], processes=1, progress=False)
    data = DataConfig(train=("2020-07-01",), validation=("2020-07-03",))
    config = FinetuneConfig(data=data, thresholds=(0.1,), epochs=2, steps_per_epoch=1, batch_size=1)
    seen = []
    finetune(
        path, config=config, out=tmp_path / "m", progress=False, watch=lambda module: seen.append(module.global_step)
    )
    assert seen == [1, 2]
