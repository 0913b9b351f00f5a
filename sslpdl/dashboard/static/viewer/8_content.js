// What each map shows is chosen in its title; a fourth map can be switched on.

addWords({
  en: {
    shows: (k) => `Map ${k} shows`,
    fourth: "Fourth map",
    contentGroups: { rain: "Rain", chance: "Probability", compare: "Comparison", inputs: "Inputs of the model" },
    incomplete: (hours) => `An hour of the last ${hours} h is missing here, so there is no sum`,
    likeliest: "Most likely class",
    runOf: (time, lead) => `Run ${time}, ${lead}`,
    noEarlier: "No earlier run reaches this valid time",
    change: "Change from previous run",
    difference: (nwp) => `${nwp} − QPE`,
    otherWindows: "The two have different rain windows and cannot be compared",
    disagree: "Disagreement",
    agreeing: (threshold, hours) => `≥ ${threshold} mm in ${hours} h`,
    decided: (percent, stored) => `SSLPDL: P ≥ ${percent} %, ${stored ? "the model's decision threshold p*" : "as no p* is stored"}`,
    disagreements: (nwp) => ["neither", "both", `${nwp} only`, "SSLPDL only"],
    noField: "This field is missing at this time",
    chosen: "at the chosen threshold",
    previousChance: "P of the previous run",
    sum: (kind, hours) => `${kind}, ${hours} h sum`,
    inputs: {
      slp: "Sea-level pressure", gph_100: "Height 100 hPa", gph_500: "Height 500 hPa", gph_850: "Height 850 hPa",
      rh_500: "Humidity 500 hPa", rh_850: "Humidity 850 hPa", t_2m: "Temperature 2 m", t_500: "Temperature 500 hPa",
      t_850: "Temperature 850 hPa", u_10m: "West wind 10 m", u_500: "West wind 500 hPa", u_850: "West wind 850 hPa",
      v_10m: "South wind 10 m", v_500: "South wind 500 hPa", v_850: "South wind 850 hPa",
    },
  },
  ko: {
    shows: (k) => `지도 ${k} 표출 요소`,
    fourth: "네 번째 지도",
    contentGroups: { rain: "강수량", chance: "강수확률", compare: "비교", inputs: "모델 입력 변수" },
    incomplete: (hours) => `최근 ${hours}시간 중 자료가 없는 시각이 있어 누적할 수 없습니다`,
    likeliest: "최다 확률 강수 등급",
    runOf: (time, lead) => `초기시각 ${time}, ${lead}`,
    noEarlier: "이 유효시각을 예측한 이전 초기시각 자료가 없습니다",
    change: "이전 예측 대비 변화",
    difference: (nwp) => `${nwp} − QPE`,
    otherWindows: "누적 시간이 서로 달라 비교할 수 없습니다",
    disagree: "예측 불일치",
    agreeing: (threshold, hours) => `${hours}시간 ${threshold} mm 이상`,
    decided: (percent, stored) => `SSLPDL: 확률 ${percent} % 이상(${stored ? "모델의 결정 임계값 p*" : "저장된 p* 없음"})`,
    disagreements: (nwp) => ["모두 없음", "모두 있음", `${nwp}만`, "SSLPDL만"],
    noField: "이 시각의 자료가 없습니다",
    chosen: "선택한 임계값",
    previousChance: "이전 초기시각 강수확률",
    sum: (kind, hours) => `${kind} ${hours}시간 누적`,
    inputs: {
      slp: "해면기압", gph_100: "100 hPa 고도", gph_500: "500 hPa 고도", gph_850: "850 hPa 고도",
      rh_500: "500 hPa 상대습도", rh_850: "850 hPa 상대습도", t_2m: "2 m 기온", t_500: "500 hPa 기온",
      t_850: "850 hPa 기온", u_10m: "10 m 동서바람", u_500: "500 hPa 동서바람", u_850: "850 hPa 동서바람",
      v_10m: "10 m 남북바람", v_500: "500 hPa 남북바람", v_850: "850 hPa 남북바람",
    },
  },
});

function contentName(code, config) {
  const [kind, argument] = code.split(":");
  const names = { nwp: words.nwpTitle(config.nwp), qpe: words.qpeTitle, class: words.likeliest, before: words.previousChance,
    change: words.change, difference: words.difference(config.nwp), disagree: words.disagree };
  if (kind === "p") return argument ? `P(≥ ${argument} mm)` : `P, ${words.chosen}`;
  if (names[kind]) return argument ? words.sum(names[kind], argument) : names[kind];
  return words.inputs[code] ?? code;
}

function contentSelect(viewer, position) {
  const { config, store } = viewer;
  const choose = (event) => {
    const panels = [...store.get().panels];
    panels[position] = event.target.value === USUAL[position] && position < 3 ? "" : event.target.value;
    store.set({ panels });
  };
  const groups = Object.entries(contentGroups(config)).filter(([, codes]) => codes.length);
  const select = h("select", { "aria-label": words.shows(position + 1), onchange: choose }, groups.map(([group, codes]) =>
    h("optgroup", { label: words.contentGroups[group] }, codes.map((code) => h("option", { value: code }, contentName(code, config)))),
  ));
  // the select lies over the title, which says the same in full; it shows through
  const { title } = viewer.cards[position];
  const place = h("div", { class: "content-choice" });
  title.replaceWith(place);
  place.append(title, select);
  releaseFocus(place);
  return select;
}

feature({
  name: "content",
  initial: (start, config) => {
    const known = new Set(Object.values(contentGroups(config)).flat());
    const asked = USUAL.map((_, k) => start.panels?.[k] ?? "");
    return { panels: asked.map((code, k) => (known.has(code) && (k === 3 || code !== USUAL[k]) ? code : "")) };
  },
  address: { panels: (panels) => panels.join(",").replace(/,+$/, "") },
  create(viewer) {
    const { store, config } = viewer;
    const selects = USUAL.map((_, position) => contentSelect(viewer, position));
    const toggle = (event) => store.set({ panels: [...store.get().panels.slice(0, 3), event.target.checked ? USUAL[3] : ""] });
    const fourth = h("input", { type: "checkbox", onchange: toggle });
    viewer.controls.element.append(h("div", { class: "group content" }, h("label", {}, fourth, h("span", {}, words.fourth))));
    return {
      draw({ panels }, changed) {
        if (!changed.has("panels")) return;
        selects.forEach((select, k) => (select.value = panels[k] || USUAL[k]));
        fourth.checked = Boolean(panels[3]);
        const four = viewer.shown.length > 3;
        viewer.main.classList.toggle("four", four);
        viewer.cards[3].card.hidden = !four;
      },
    };
  },
});
