"""The page of a report, put together from tables, pictures and facts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from sslpdl.verify import page, sections
from sslpdl.verify.drawing import is_synthetic, probabilistic
from sslpdl.verify.scoring import scale_labels

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from sslpdl.verify.cases import Case

__all__ = ["compose"]

_NOTE = (
    "All lead times. Small print: 95 % interval. Green and red: better or worse than raw NWP, where the interval of "
    "the paired difference leaves out zero."
)
_TEXTS = {
    "performance": "Precision and recall at the decision threshold with 95 % intervals; lines through the points: "
    "other decision thresholds of the same probabilities. Curved lines: CSI; rays: frequency bias.",
    "reliability": "Reliability, and below it sharpness: how many cells got which probability. Bars on the diagonal: "
    "where a reliable forecast would lie in 95 % of samples like this one. Dashed: base rate. Shaded: forecasts that "
    "add to skill against climatology.",
    "roc": "ROC: hits against false alarms of all decision thresholds. Raw NWP has one. Dashed: no skill.",
    "precision_recall": "Precision and recall of all decision thresholds; for rare events this tells more than ROC. "
    "Dashed: base rate.",
    "fractions_skill": "Fractions skill score by the width of the neighbourhood with 95 % intervals. Solid: yes/no; "
    "dotted: the probability itself. Above the dashed line a forecast is useful at that scale.",
    "economic_value": "Relative economic value by the user's ratio of cost to loss: 1 saves as much as a perfect "
    "forecast, 0 as much as climatology. Lines: protecting where P is at least the ratio. Pale bands: the best "
    "decision threshold for each user, known only afterwards; what lies between is lost to calibration.",
    "csi_by_lead": "CSI by lead time with 95 % intervals.",
    "frequency_bias_by_lead": "Frequency bias by lead time with 95 % intervals; 1 is unbiased.",
    "bss_climatology_by_lead": "Brier skill against climatology by lead time with 95 % intervals.",
    "csi_by_hour": "CSI by hour of the day, with 95 % intervals.",
    "frequency_bias_by_hour": "Frequency bias by hour of the day, with 95 % intervals; 1 is unbiased.",
    "csi_by_region": "CSI by region with 95 % intervals, all lead times and hours; events on the right.",
    "reliability_by_lead": "Reliability by lead time, with the number of forecasts in each bin below and the cells "
    "of each group in the legend. Dashed: all lead times. Consistency bars are in reliability.csv.",
}
_DIAGRAMS = ("performance", "reliability", "roc", "precision_recall", "fractions_skill", "economic_value")
_BY_GROUP = ("csi", "frequency_bias", "bss_climatology")
_CASES = {"best": "Best case", "typical": "Typical case", "worst": "Worst case"}


def compose(
    counts: xr.Dataset,
    table: pd.DataFrame,
    pictures: Mapping[str, bytes],
    about: Mapping[str, str],
    cases: Mapping[str, Case],
) -> str:
    """Return the HTML page of a report.

    Parameters
    ----------
    counts : Dataset
        From `count`.
    table : DataFrame
        From `stratified`.
    pictures : mapping of str to bytes
        PNG files by the names that `diagrams` and `case_figures` give.
    about : mapping of str to str
        Facts for the last section, ``Data`` and ``Runs`` among them.
    cases : mapping of str to Case
        From `chosen_cases`.
    """
    window = float(counts.attrs["rain_window"])
    models = [str(name) for name in counts["model"].values]
    title = f"Verification of {window:g}-h rain: {', '.join(models)}"
    facts = {name: text for name, text in about.items() if name != "Models"}
    made = "".join(f"<p>{escape(text)}</p>" for text in about.get("Models", "").split("; ") if text)
    computed = page.facts(facts) + (page.folded("How the models were made", made) if made else "")
    parts = _parts(counts, table, models, pictures, cases) | {"How this was computed": computed}
    parts = {name: text for name, text in parts.items() if text}
    body = [f"<h1>{escape(title)}</h1>", f'<p class="lead">{escape(about["Data"])} · {escape(about["Runs"])}</p>']
    if is_synthetic(counts):
        body.append('<p class="synthetic"><strong>Synthetic data.</strong> These scores say how the method does on '
                    "generated weather; they are no claim about real forecasts.</p>")  # fmt: skip
    links = (f'<a href="#part-{k}">{escape(name)}</a>' for k, name in enumerate(parts))
    body.append(f"<nav>{''.join(links)}</nav>")
    for k, (name, text) in enumerate(parts.items()):
        body += [f'<h2 id="part-{k}">{escape(name)}</h2>', text]
    return page.page(title, body)


def _parts(
    counts: xr.Dataset,
    table: pd.DataFrame,
    models: list[str],
    pictures: Mapping[str, bytes],
    cases: Mapping[str, Case],
) -> dict[str, str]:
    """Return the sections by their titles; an empty one has nothing to say."""
    window = float(counts.attrs["rain_window"])
    first = table[table["region"] == str(counts["region"].values[0])]
    whole = sections.pooled(first, str(counts["region"].values[0]))
    texts = dict(_TEXTS)
    if table["lower"].isna().all():
        texts = {name: text.replace(", with 95 % intervals", "").replace(" with 95 % intervals", "")
                 for name, text in texts.items()}  # fmt: skip

    def drawn(*names: str) -> str:
        return "".join(page.figure(pictures[k], alt=texts[k], text=texts[k]) for k in names if k in pictures)

    note = "All lead times. No intervals; the last section says why." if table["lower"].isna().all() else _NOTE
    raw = "Raw NWP as a forecast of probability 0 or 1. "
    brier = "Brier score = reliability − resolution + uncertainty + residual, which is what eleven bins leave out."
    value = "Relative economic value for users whose ratio of cost to loss is C/L."
    more = sections.by_threshold(whole, models, sections.PARTS, brier)
    more += sections.by_threshold(whole, models, sections.VALUE, value)
    probability = sections.by_threshold(whole, models, sections.PROBABILITY, raw + note)
    probability += page.folded("Parts of the Brier score, and economic value", more)
    widths = scale_labels(counts)
    parts = {
        f"Yes or no: is {window:g}-h rain at least the threshold?": sections.by_threshold(
            whole, models, sections.YES_NO, note
        ),
        "Probabilities": probability,
        "Rain classes": sections.classes(whole, models),
        "Diagrams": drawn(*_DIAGRAMS)
        + (
            page.folded("Fractions skill score as a table", sections.fractions(whole, models, widths)) if widths else ""
        ),
    }
    for name, axis, head in (("By lead time", "lead_time", "Lead time"), ("By hour of the day", "hour", "Hour")):
        rows = first[first[axis] != "all"]
        short = axis.partition("_")[0]
        figures = drawn(*(f"{score}_by_{short}" for score in _BY_GROUP))
        figures += drawn(f"reliability_by_{short}")
        if not rows.empty:
            tables = sections.by_group(rows, models, axis, head)
            figures += page.folded(f"Scores {name[0].lower()}{name[1:]} as tables", tables)
        parts[name] = figures
    regions = drawn("csi_by_region")
    tables = sections.by_region(table, models)
    parts["By region"] = regions + page.folded("CSI by region as a table", tables) if regions else tables
    parts["Cases"] = _cases(counts, pictures, cases)
    return parts


def _cases(counts: xr.Dataset, pictures: Mapping[str, bytes], cases: Mapping[str, Case]) -> str:
    if not cases:
        return ""
    window, model = float(counts.attrs["rain_window"]), probabilistic(counts)[0]
    some = next(iter(cases.values()))
    rule = (
        f"Chosen by the CSI of {model} at {some.threshold:g} mm per {window:g} h, among the {some.of} cases with at "
        "least 20 cells of such rain observed: the highest, the middle and the lowest. Single cases prove nothing; "
        "they show what the numbers are about."
    )
    texts = [f"<p>{escape(rule)}</p>"]
    for name, case in cases.items():
        run = np.datetime_as_string(case.init_time, unit="h")
        text = (
            f"{_CASES[name]} (rank {case.rank} of {case.of}): run {run} UTC + {case.lead_time} h, "
            f"CSI {case.csi:.3f}, {case.events:,} cells with at least {case.threshold:g} mm."
        )
        texts.append(page.figure(pictures[f"case_{name}"], alt=f"Maps. {text}", text=text))
    return "".join(texts)
