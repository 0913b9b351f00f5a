"""Words of the files in English and Korean, and how they write times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

__all__ = ["WORDS", "when"]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "heading": "{window:g}-h rain to {valid}",
        "run": "Run {init}  ·  lead time +{lead} h  ·  {region}",
        "whole": "whole grid",
        "view": "chosen view",
        "nwp": "{nwp} rain",
        "amount": "mm in {window:g} h",
        "probability": "SSLPDL probability",
        "chance": "P(rain ≥ {threshold:g} mm in {window:g} h), %",
        "qpe": "QPE",
        "synthetic": "SYNTHETIC DATA",
        "source": "Source: {source}",
        "model": "Probabilities: {model}",
        "grid": "Grid: {grid}",
        "pooled": "each cell shows the largest value of {factor} × {factor}",
        "made": "SSLPDL {version}",
        "missing": "no data",
        "no_nwp": "No NWP rain field ends at this time",
        "no_qpe": "No QPE ends at this time",
        "no_probability": "No probabilities for this lead time",
        "computing": "The probabilities are still being computed",
    },
    "ko": {
        "heading": "{window:g}시간 강수량, 유효시각 {valid}",
        "run": "초기시각 {init}  ·  선행시간 +{lead}시간  ·  {region}",
        "whole": "전체 격자",
        "view": "선택 영역",
        "nwp": "{nwp} 강수량",
        "amount": "mm/{window:g}시간",
        "probability": "SSLPDL 강수확률",
        "chance": "{window:g}시간 {threshold:g} mm 이상, %",
        "qpe": "QPE(관측 강수량)",
        "synthetic": "합성 자료",
        "source": "자료: {source}",
        "model": "확률 예측: {model}",
        "grid": "격자: {grid}",
        "pooled": "격자 {factor} × {factor}개의 최댓값 표시",
        "made": "SSLPDL {version}",
        "missing": "자료 없음",
        "no_nwp": "이 시각에 끝나는 수치예보 강수량이 없습니다",
        "no_qpe": "이 시각에 끝나는 QPE가 없습니다",
        "no_probability": "이 선행시간의 확률 예측이 없습니다",
        "computing": "강수확률을 아직 계산하고 있습니다",
    },
}

_DAYS = {"en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "ko": ("월", "화", "수", "목", "금", "토", "일")}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def when(time: Any, language: str) -> str:
    """Return a time in UTC and in Korean Standard Time.

    Parameters
    ----------
    time : datetime64
        UTC.
    language : {"en", "ko"}
        Of the names of days and months.

    Examples
    --------
    >>> import numpy as np
    >>> when(np.datetime64("2022-08-08T12"), "en")
    'Mon 8 Aug 2022 12:00 UTC (21:00 KST)'
    >>> when(np.datetime64("2022-08-31T18"), "en")
    'Wed 31 Aug 2022 18:00 UTC (Thu 1 Sep 03:00 KST)'
    >>> when(np.datetime64("2022-08-31T18"), "ko")
    '2022년 8월 31일(수) 18:00 UTC (9월 1일(목) 03:00 KST)'
    """
    utc = time.astype("datetime64[m]").astype(object)
    kst = utc + timedelta(hours=9)
    day = "" if kst.date() == utc.date() else f"{_day(kst, language)} "
    year = f"{utc.year}년 " if language == "ko" else ""
    after = "" if language == "ko" else f" {utc.year}"
    return f"{year}{_day(utc, language)}{after} {utc:%H:%M} UTC ({day}{kst:%H:%M} KST)"


def _day(time: Any, language: str) -> str:
    name = _DAYS[language][time.weekday()]
    return (
        f"{time.month}월 {time.day}일({name})" if language == "ko" else f"{name} {time.day} {_MONTHS[time.month - 1]}"
    )
