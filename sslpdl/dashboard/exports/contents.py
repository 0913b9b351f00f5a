"""What a map shows, by its code in the address, as values with title, unit and palette for pictures and tables.

The codes and their meaning are those of the page's ``6_content.js``: ``nwp``, ``nwp:6``, ``qpe``, ``p``, ``p:10``,
``class``, ``before``, ``change``, ``difference``, ``disagree``, or the name of an input such as ``t_850``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sslpdl.channels import CHANNELS
from sslpdl.dashboard import fields
from sslpdl.dashboard.exports.reading import earlier
from sslpdl.dashboard.exports.words import WORDS, run_label
from sslpdl.plots.field_palettes import CHANGE, DIFFERENCE, DISAGREEMENT, rain_classes
from sslpdl.plots.palettes import PROBABILITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sslpdl.dashboard.exports.order import Order
    from sslpdl.dashboard.exports.reading import Reader
    from sslpdl.dashboard.source import Source
    from sslpdl.plots.palettes import Palette

__all__ = [
    "AT_CHOSEN_THRESHOLD", "USUAL", "Content", "Contents", "beyond_usual", "codes", "likeliest", "names_its_window",
]  # fmt: skip

USUAL = ("nwp", "p", "qpe")
"""What the maps show where nothing else is chosen."""

AT_CHOSEN_THRESHOLD = ("p", "before", "change", "disagree")
"""Contents that depend on the threshold that the visitor has chosen."""

_LIKELY = 0.5  # from this probability on, rain counts as forecast where no decision threshold is stored
_DIGITS = 6  # 3.01 - 2.01 is 1 and reaches the class that begins there


@dataclass(frozen=True)
class Content:
    """What one map shows at one lead time.

    Attributes
    ----------
    code : str
        As in the address.
    title, unit : str
        In the language of the order.
    palette : Palette
        Its classes.
    values : ndarray (y, x) or None
        NaN where missing; None where there is nothing at all.
    notice : str
        Why there is nothing.
    names : tuple of str
        Of the values 0, 1, ... of a content that counts kinds instead of measuring.
    """

    code: str
    title: str
    unit: str
    palette: Palette
    values: NDArray[Any] | None
    notice: str = ""
    names: tuple[str, ...] = ()

    @property
    def percent(self) -> bool:
        """Whether the values are parts of one, which people read as per cent."""
        return self.palette.units == "1"


def codes(source: Source) -> set[str]:
    """Return the contents that there are in these data."""
    found = {"nwp", "qpe", "p", "difference"} | fields.names(source)
    if source.probabilities.thresholds:
        found |= {"class", "before", "change", "disagree"}
    return found | {f"p:{threshold:g}" for threshold in source.probabilities.thresholds}


def names_its_window(code: str) -> bool:
    """Return whether a content has another window than the rain of a run, or none, as inputs."""
    return code in CHANNELS or code.startswith(("nwp:", "qpe:"))


def beyond_usual(panels: Sequence[str]) -> list[str]:
    """Return the contents that are not rain, QPE or probabilities of a run, which every file of data holds, each once.

    Examples
    --------
    >>> beyond_usual(["nwp:6", "p:10", "t_850", "nwp:6"])
    ['nwp:6', 't_850']
    """
    return [code for code in dict.fromkeys(panels) if code not in ("nwp", "qpe") and code.partition(":")[0] != "p"]


def likeliest(chances: NDArray[Any], thresholds: Sequence[float]) -> NDArray[np.float64]:
    """Return the lower bound of the class with the largest probability; of equal ones of the wetter.

    Parameters
    ----------
    chances : ndarray (threshold, y, x)
        Probabilities of reaching each threshold.
    thresholds : sequence of float
        Ascending [mm].

    Returns
    -------
    ndarray (y, x)
        One of the thresholds, or 0 below the first [mm]; NaN where the probabilities are.

    Examples
    --------
    >>> likeliest(np.array([[[0.4, 0.9, 0.5]], [[0.3, 0.5, 0.0]]]), (0.1, 5))
    array([[0. , 5. , 0.1]])
    """
    certain, never = np.ones((1, *chances.shape[1:])), np.zeros((1, *chances.shape[1:]))
    shares = np.round(-np.diff(np.concatenate([certain, chances, never]), axis=0), _DIGITS)
    wettest = len(thresholds) - np.argmax(shares[::-1], axis=0)
    return np.where(np.isnan(chances).any(axis=0), np.nan, np.array([0.0, *thresholds])[wettest])


class Contents:
    """Makes the contents of the maps of an order from one of its runs.

    Parameters
    ----------
    reader : Reader
        The run.
    order : Order
        Its threshold and rain palette.
    language : str
        "en" or "ko".
    """

    def __init__(self, reader: Reader, order: Order, language: str) -> None:
        self.reader, self.order, self.language = reader, order, language
        self.source = reader.source
        self.about = self.source.describe()
        self.words = WORDS[language]
        self.thresholds = self.source.probabilities.thresholds
        self.probability_window = self.source.probabilities.window
        self._other = lru_cache(maxsize=2)(reader.other)  # the same for many lead times

    def of(self, code: str, lead: int) -> Content:
        """Return a content, one of `codes`, at a lead time given by its position."""
        kind, _, argument = code.partition(":")
        if code in CHANNELS:
            return self._input(code, lead)
        if kind in ("nwp", "qpe"):
            return self._sum(code, lead) if argument else self._rain(code, lead)
        if kind == "p":
            return self._chance(code, lead)
        made: Content = getattr(self, f"_{kind}")(lead)
        return made

    # ---- rain ----

    def _rain_title(self, kind: str) -> str:
        return self.words["nwp"].format(nwp=self.about["nwp"]) if kind == "nwp" else self.words["qpe"]

    def _amount(self, window: float) -> str:
        return self.words["amount"].format(window=window)

    def _rain(self, kind: str, lead: int) -> Content:
        values = self.reader.rain(lead) if kind == "nwp" else self.reader.qpe(lead)
        window = self.reader.window(lead) if kind == "nwp" else self.about["qpe_window"]
        notice = "" if values is not None else self.words[f"no_{kind}"]
        return Content(kind, self._rain_title(kind), self._amount(window), self.order.palette, values, notice)

    def _sum(self, code: str, lead: int) -> Content:
        kind, _, hours = code.partition(":")
        values = self.reader.field(code, lead)
        notice = "" if values is not None else self.words["incomplete"].format(hours=hours)
        unit = self._amount(float(hours))
        return Content(code, self._rain_title(kind), unit, self.order.palette, values, notice)

    # ---- probabilities ----

    def _threshold(self, argument: str = "") -> int | None:
        return [f"{value:g}" for value in self.thresholds].index(argument) if argument else self.order.threshold

    def _asked(self, reached: int | None) -> str:
        if reached is None:
            return ""
        return self.words["chance"].format(threshold=self.thresholds[reached], window=self.probability_window)

    def _problem(self, reader: Reader, lead: int) -> str:
        problem = reader.problem(lead)
        if problem in ("", "computing"):
            return self.words["computing"] if problem else ""
        # the sentences of errors are English
        return problem if problem != "none" and self.language == "en" else self.words["no_probability"]

    def _chance(self, code: str, lead: int) -> Content:
        reached = self._threshold(code.partition(":")[2])
        chances = self.reader.probabilities(lead)
        values = None if chances is None or reached is None else chances[reached]
        notice = "" if values is not None else self._problem(self.reader, lead)
        return Content(code, self.words["probability"], self._asked(reached), PROBABILITY, values, notice)

    def _class(self, lead: int) -> Content:
        chances = self.reader.probabilities(lead)
        values = None if chances is None else likeliest(chances, self.thresholds)
        notice = "" if values is not None else self._problem(self.reader, lead)
        unit = self._amount(self.probability_window)
        return Content("class", self.words["class"], unit, rain_classes(self.thresholds), values, notice)

    def _before(self, lead: int) -> Content:
        """Return the probability that an earlier run gave for the same time."""
        asked = self._asked(self.order.threshold)
        found = earlier(self.source, self.reader.index, lead)
        if found is None:
            return Content("before", self.words["before"], asked, PROBABILITY, None, self.words["no_earlier"])
        run, position = found
        other = self._other(run)
        chances = other.probabilities(position)
        values = None if chances is None else chances[self.order.threshold]
        start, hours = self.source.times[run], self.source.lead_times[position]
        title = self.words["run_of"].format(run=run_label(start, self.language), lead=hours)
        notice = "" if values is not None else self._problem(other, position)
        return Content("before", title, asked, PROBABILITY, values, notice)

    def _change(self, lead: int) -> Content:
        now, before = self._chance("p", lead), self._before(lead)
        values = None
        if now.values is not None and before.values is not None:
            values = np.round(now.values.astype(float) - before.values, _DIGITS)
        notice = "" if values is not None else now.notice or before.notice
        return Content("change", self.words["change"], now.unit, CHANGE, values, notice)

    # ---- comparisons ----

    def _alike(self, lead: int, window: float, *parts: Content) -> str:
        """Return why parts cannot be compared, or nothing."""
        notice = next((part.notice for part in parts if part.values is None), "")
        return notice or ("" if self.reader.window(lead) == window else self.words["other_windows"])

    def _difference(self, lead: int) -> Content:
        rain, qpe = self._rain("nwp", lead), self._rain("qpe", lead)
        notice = self._alike(lead, self.about["qpe_window"], rain, qpe)
        values = None
        if rain.values is not None and qpe.values is not None and not notice:
            values = np.round(rain.values.astype(float) - qpe.values, _DIGITS)
        title = self.words["difference"].format(nwp=self.about["nwp"])
        return Content("difference", title, self._amount(self.reader.window(lead)), DIFFERENCE, values, notice)

    def _disagree(self, lead: int) -> Content:
        rain, chance = self._rain("nwp", lead), self._chance("p", lead)
        notice = self._alike(lead, self.probability_window, rain, chance)
        reached = self.order.threshold or 0
        decided = self.about["decision"][reached]
        threshold, likely = self.thresholds[reached], _LIKELY if decided is None else decided
        values = None
        if rain.values is not None and chance.values is not None and not notice:
            by_rain = rain.values >= threshold
            by_chance = np.round(chance.values.astype(float), _DIGITS) >= round(likely, _DIGITS)
            kinds = np.select([by_rain & by_chance, by_rain, by_chance], [1.0, 2.0, 3.0], 0.0)
            values = np.where(np.isnan(rain.values) | np.isnan(chance.values), np.nan, kinds)
        percent = round(100 * likely, 1)
        unit = self.words["agreeing"].format(threshold=threshold, window=self.probability_window, percent=percent)
        only = [self.words["only"].format(name=name) for name in (self.about["nwp"], "SSLPDL")]
        names = (self.words["neither"], self.words["both"], *only)
        return Content("disagree", self.words["disagree"], unit, DISAGREEMENT, values, notice, names)

    # ---- inputs ----

    def _input(self, name: str, lead: int) -> Content:
        values = self.reader.field(name, lead)
        palette = fields.input_palette(name)
        notice = "" if values is not None else self.words["no_field"]
        return Content(name, self.words[f"input_{name}"], palette.units, palette, values, notice)
