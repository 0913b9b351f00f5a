// Words of the overlays.

addWords({
  en: { overlays: {
    button: (count) => (count ? `Overlays: ${count}` : "Overlays"),
    menu: "Drawn over the maps",
    groups: { contours: "Contours", barbs: "Wind barbs", arrows: "Moisture flux", gauges: "Observations" },
    none: "Remove all overlays",
    winds: { wind_10m: "Wind 10 m", wind_500: "Wind 500 hPa", wind_850: "Wind 850 hPa" },
    flux: "Moisture flux 850 hPa",
    gauges: "Gauges",
    key: "What is drawn over the maps",
    over: (names) => `drawn over it: ${names}`,
    contour: (name, interval, units) => `${name}, every ${interval} ${units}`,
    bold: (bold) => `bold every ${bold}`,
    barbs: (name) => `${name}: half barb 5 kt, barb 10 kt, pennant 50 kt`,
    arrows: (name, size) => `${name}: this arrow is ${size} g/kg m/s`,
    marks: "Gauges: observed rain in the colours of QPE",
    loading: "…",
    absent: "missing at this time",
  } },
  ko: { overlays: {
    button: (count) => (count ? `중첩 요소: ${count}` : "중첩 요소"),
    menu: "지도 위에 겹쳐 그리기",
    groups: { contours: "등치선", barbs: "바람깃", arrows: "수증기 수송", gauges: "관측" },
    none: "중첩 요소 모두 지우기",
    winds: { wind_10m: "10 m 바람", wind_500: "500 hPa 바람", wind_850: "850 hPa 바람" },
    flux: "850 hPa 수증기 수송",
    gauges: "우량계",
    key: "지도 위에 겹쳐 그린 요소",
    over: (names) => `겹쳐 그린 요소: ${names}`,
    contour: (name, interval, units) => `${name}, ${interval} ${units} 간격`,
    bold: (bold) => `굵은 선 ${bold} 간격`,
    barbs: (name) => `${name}: 짧은 깃 5 kt, 긴 깃 10 kt, 깃발 50 kt`,
    arrows: (name, size) => `${name}: 이 화살표가 ${size} g/kg m/s`,
    marks: "우량계: 관측 강수량, 색은 QPE와 같음",
    loading: "…",
    absent: "이 시각의 자료 없음",
  } },
});

function overlayName(name) {
  const word = words.overlays;
  return words.inputs[name] ?? word.winds[name] ?? (name === "gauges" ? word.gauges : word.flux);
}
