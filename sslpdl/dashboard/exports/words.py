"""Words of the files in English and Korean, and how they write times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

__all__ = ["WORDS", "run_label", "when"]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "heading": "{window:g}-h rain to {valid}",
        "valid": "Valid {valid}",
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
        "incomplete": "An hour of the last {hours} h is missing here, so there is no sum",
        "class": "Most likely class",
        "before": "Previous run",
        "run_of": "Run {run}, +{lead} h",
        "no_earlier": "No earlier run reaches this valid time",
        "change": "Change from previous run",
        "difference": "{nwp} − QPE",
        "other_windows": "The two have different rain windows and cannot be compared",
        "disagree": "Disagreement",
        "agreeing": "≥ {threshold:g} mm in {window:g} h, P ≥ {percent:g} %",
        "neither": "neither",
        "both": "both",
        "only": "{name} only",
        "no_field": "This field is missing at this time",
        "input_slp": "Sea-level pressure",
        "input_gph_100": "Height 100 hPa",
        "input_gph_500": "Height 500 hPa",
        "input_gph_850": "Height 850 hPa",
        "input_rh_500": "Humidity 500 hPa",
        "input_rh_850": "Humidity 850 hPa",
        "input_t_2m": "Temperature 2 m",
        "input_t_500": "Temperature 500 hPa",
        "input_t_850": "Temperature 850 hPa",
        "input_u_10m": "West wind 10 m",
        "input_u_500": "West wind 500 hPa",
        "input_u_850": "West wind 850 hPa",
        "input_v_10m": "South wind 10 m",
        "input_v_500": "South wind 500 hPa",
        "input_v_850": "South wind 850 hPa",
        "wind_10m": "Wind 10 m",
        "wind_500": "Wind 500 hPa",
        "wind_850": "Wind 850 hPa",
        "flux_850": "Moisture flux 850 hPa",
        "contours": "{name}, every {interval:g} {units}",
        "bold": "bold every {bold:g}",
        "barbs": "{name}: half barb 5 kt, barb 10 kt, pennant 50 kt",
        "arrows": "{name}: this arrow is {size:g} g/kg m/s",
        "gauges": "Gauges: observed rain in the colours of QPE",
        "absent": "missing at this time",
    },
    "ko": {
        "heading": "{window:g}시간 강수량, 유효시각 {valid}",
        "valid": "유효시각 {valid}",
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
        "incomplete": "최근 {hours}시간 중 자료가 없는 시각이 있어 누적할 수 없습니다",
        "class": "최다 확률 강수 등급",
        "before": "이전 초기시각",
        "run_of": "초기시각 {run}, +{lead}시간",
        "no_earlier": "이 유효시각을 예측한 이전 초기시각 자료가 없습니다",
        "change": "이전 예측 대비 변화",
        "difference": "{nwp} − QPE",
        "other_windows": "누적 시간이 서로 달라 비교할 수 없습니다",
        "disagree": "예측 불일치",
        "agreeing": "{window:g}시간 {threshold:g} mm 이상, 확률 {percent:g} % 이상",
        "neither": "모두 없음",
        "both": "모두 있음",
        "only": "{name}만",
        "no_field": "이 시각의 자료가 없습니다",
        "input_slp": "해면기압",
        "input_gph_100": "100 hPa 고도",
        "input_gph_500": "500 hPa 고도",
        "input_gph_850": "850 hPa 고도",
        "input_rh_500": "500 hPa 상대습도",
        "input_rh_850": "850 hPa 상대습도",
        "input_t_2m": "2 m 기온",
        "input_t_500": "500 hPa 기온",
        "input_t_850": "850 hPa 기온",
        "input_u_10m": "10 m 동서바람",
        "input_u_500": "500 hPa 동서바람",
        "input_u_850": "850 hPa 동서바람",
        "input_v_10m": "10 m 남북바람",
        "input_v_500": "500 hPa 남북바람",
        "input_v_850": "850 hPa 남북바람",
        "wind_10m": "10 m 바람",
        "wind_500": "500 hPa 바람",
        "wind_850": "850 hPa 바람",
        "flux_850": "850 hPa 수증기 수송",
        "contours": "{name}, {interval:g} {units} 간격",
        "bold": "굵은 선 {bold:g} 간격",
        "barbs": "{name}: 짧은 깃 5 kt, 긴 깃 10 kt, 깃발 50 kt",
        "arrows": "{name}: 이 화살표가 {size:g} g/kg m/s",
        "gauges": "우량계: 관측 강수량, 색은 QPE와 같음",
        "absent": "이 시각의 자료 없음",
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


def run_label(time: Any, language: str) -> str:
    """Return the start of a run in UTC, short enough for the title of a map.

    Examples
    --------
    >>> import numpy as np
    >>> run_label(np.datetime64("2022-08-08T12"), "en")
    'Mon 8 Aug 12:00 UTC'
    """
    utc = time.astype("datetime64[m]").astype(object)
    return f"{_day(utc, language)} {utc:%H:%M} UTC"


def _day(time: Any, language: str) -> str:
    name = _DAYS[language][time.weekday()]
    return (
        f"{time.month}월 {time.day}일({name})" if language == "ko" else f"{name} {time.day} {_MONTHS[time.month - 1]}"
    )
