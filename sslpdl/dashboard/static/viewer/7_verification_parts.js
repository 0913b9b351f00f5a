// What the verification shows of an answer: tables of scores and outcomes, reliability and performance diagrams.

// A Brier score is as small as its event is rare.
const verificationDigits = (name, value) => (name === "brier" ? (value < 0.01 ? 4 : 3) : 2);
const verificationWhole = (value) => value.toLocaleString("en-US");
const verificationPercent = (value) => String(Number((100 * value).toPrecision(3)));

function verificationNumber(value, digits = 2, signed = false) {
  if (value == null) return "–";
  const text = Math.abs(value).toFixed(digits);
  const zero = Number(text) === 0;
  return `${value < 0 && !zero ? "−" : signed && !zero ? "+" : ""}${text}`;
}

function verificationTable(heads, rows, name) {
  return h("table", { class: name }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells))));
}

// Value with its interval below, and whether that leaves out zero.
function verificationCell(row, prefix, digits, signed) {
  const word = words.verification;
  const [value, low, high] = prefix ? ["difference", "difference_lower", "difference_upper"] : ["value", "lower", "upper"];
  if (row?.[value] == null) return h("td", {}, "–");
  const write = (number) => verificationNumber(number, digits, signed);
  const known = row[low] != null && row[high] != null;
  const clear = signed && known && (row[low] > 0 || row[high] < 0);
  return h("td", { class: clear ? "clear" : "" }, h("span", {}, write(row[value])), known ? h("small", {}, word.range(write(row[low]), write(row[high]))) : null);
}

function verificationScores({ models, data }) {
  const word = words.verification;
  const [model, raw] = [models.find((m) => m.role === "model"), models.find((m) => m.role === "raw")];
  const rows = Object.keys(word.names).filter((name) => model.scores[name]).map((name) => {
    const [title, best] = word.names[name];
    const digits = verificationDigits(name, model.scores[name].value);
    const own = name !== "bss_raw";
    return [
      h("th", { scope: "row" }, h("span", {}, title), h("small", {}, best)),
      verificationCell(model.scores[name], false, digits),
      raw ? verificationCell(own ? raw.scores[name] : null, false, digits) : null,
      raw ? verificationCell(own ? model.scores[name] : null, true, digits, true) : null,
    ];
  });
  const heads = [word.score, word.model, ...(raw ? [word.raw, word.difference] : [])];
  const known = model.scores.csi?.lower != null;
  return [
    h("h3", {}, word.scores),
    verificationTable(heads, rows, "scores"),
    h("p", { class: "note" }, `${known ? word.intervals(data.block_days) : word.noIntervals} ${word.climatology(data.climatology)}`),
  ];
}

function verificationContingency({ models }) {
  const word = words.verification;
  const cell = (table, name) => h("td", {}, h("span", { "data-outcome": name }, verificationWhole(table[name])), h("small", {}, word.outcomes[name]));
  const one = ({ role, p, table }) => {
    const name = role === "raw" ? word.raw : `${word.model}, ${word.yes(verificationPercent(p))}`;
    const rows = [
      [h("th", { scope: "row" }, word.forecast), cell(table, "hits"), cell(table, "false_alarms")],
      [h("th", { scope: "row" }, word.notForecast), cell(table, "misses"), cell(table, "correct_negatives")],
    ];
    return verificationTable([name, word.observed, word.notObserved], rows, `contingency ${role}`);
  };
  return [h("h3", {}, word.contingency), models.map(one)];
}

function verificationReliability({ reliability, sample }) {
  const word = words.verification;
  const most = Math.max(...reliability.map((bin) => Math.max(bin.probability, bin.frequency)), 0.04);
  const limit = [0.05, 0.1, 0.2, 0.3, 0.5, 1].find((edge) => edge >= most) ?? 1;
  const diagram = new Diagram({ title: word.reliability, x: word.probability, y: word.frequency, limit, below: 44, write: verificationPercent });
  const rate = sample.base_rate ?? 0;
  diagram.line([[0, rate / 2], [limit, Math.min(limit, (limit + rate) / 2)]], "no-skill");
  diagram.line([[0, 0], [limit, limit]], "perfect");
  diagram.line([[0, rate], [limit, rate]], "climate");
  diagram.label(limit, Math.min(limit, (limit + rate) / 2), word.noSkill, { dx: -4, dy: 14, anchor: "end" });
  diagram.label(limit, limit, word.perfect, { dx: -26, dy: 16, anchor: "end" });
  diagram.label(limit, rate, word.climate, { dx: -4, dy: rate > 0.06 * limit ? 12 : -4, anchor: "end" });
  for (const bin of reliability)
    if (bin.low != null) diagram.line([[bin.probability, Math.min(bin.low, limit)], [bin.probability, Math.min(bin.high, limit)]], "consistent", diagram.front);
  diagram.line(reliability.map((bin) => [bin.probability, bin.frequency]), "model", diagram.front);
  const edges = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
  const end = (bin) => edges.find((edge) => edge > bin + 1e-9) ?? 1;
  const largest = Math.log10(Math.max(10, ...reliability.map((bin) => bin.n)) + 1);
  for (const bin of reliability) {
    diagram.mark(bin.probability, bin.frequency, "model");
    if (bin.bin < limit) diagram.bar(bin.bin, end(bin.bin), Math.log10(bin.n + 1) / largest, verificationWhole(bin.n));
  }
  const percent = (value) => (value == null ? "–" : verificationNumber(100 * value, 1));
  const rows = reliability.map((bin) => [
    h("th", { scope: "row" }, `${verificationPercent(bin.bin)}–${verificationPercent(end(bin.bin))}`),
    ...[percent(bin.probability), percent(bin.frequency), bin.low == null ? "–" : word.range(percent(bin.low), percent(bin.high)),
      verificationWhole(bin.n), verificationWhole(bin.events)].map((text) => h("td", {}, text)),
  ]);
  const { bin, probability, frequency, consistent, cells, events } = word.columns;
  return [
    h("h3", {}, word.reliability),
    diagram.element,
    h("p", { class: "note" }, `${reliability.some((one) => one.low != null) ? `${word.consistency} ` : ""}${word.histogram}`),
    h("details", {}, h("summary", {}, word.table), verificationTable([bin, probability, frequency, consistent, cells, events], rows, "values")),
  ];
}

function verificationGround(diagram) {
  const word = words.verification;
  for (const csi of [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) {
    // 1 / CSI = 1 / POD + 1 / success ratio - 1
    const points = Array.from({ length: 41 }, (_, k) => csi + ((1 - csi) * k) / 40).map((x) => [x, 1 / (1 / csi + 1 - 1 / x)]);
    diagram.line(points, "csi");
    diagram.label(1, csi, plain(csi), { dx: 3, kind: "ground" });
  }
  for (const bias of [0.25, 0.5, 1, 2, 4]) {
    const [x, y] = bias > 1 ? [1 / bias, 1] : [1, bias];
    diagram.line([[0, 0], [x, y]], "bias");
    const [lx, ly] = [x * 0.93, y * 0.93];
    if (bias !== 1) diagram.label(lx, ly, plain(bias), { dx: bias > 1 ? 3 : 0, dy: bias > 1 ? 2 : -3, anchor: bias > 1 ? "start" : "end" });
  }
  diagram.label(1, 1, "CSI", { dx: 2, dy: 10 });
  diagram.label(0.235, 0.93, word.bias, { dx: -4, dy: 2, anchor: "end" });
}

function verificationPerformance({ models, curve }) {
  const word = words.verification;
  const diagram = new Diagram({ title: word.performance, x: word.successRatio, y: word.detection, write: plain });
  verificationGround(diagram);
  const points = curve.filter((point) => point.precision != null && point.pod != null);
  diagram.line(points.map((point) => [point.precision, point.pod]), "model", diagram.front);
  for (const point of points) diagram.mark(point.precision, point.pod, "model small").append(diagramNode("title", {}, `P ≥ ${verificationPercent(point.p)} %`));
  for (const { role, scores: { pod, far } } of models) {
    if (pod?.value == null || far?.value == null) continue;
    const [x, y] = [1 - far.value, pod.value];
    if (pod.lower != null) diagram.line([[x, pod.lower], [x, pod.upper]], `spread ${role}`, diagram.front);
    if (far.lower != null) diagram.line([[1 - far.upper, y], [1 - far.lower, y]], `spread ${role}`, diagram.front);
    diagram.mark(x, y, role, role === "raw" ? "diamond" : "circle");
  }
  const key = (role, text) => h("span", {}, h("i", { class: `key ${role}`, "aria-hidden": "true" }), text);
  const number = (value) => h("td", {}, verificationNumber(value));
  const rows = curve.map((point) => [h("th", { scope: "row" }, verificationPercent(point.p)), number(point.pod), number(point.precision), number(point.csi)]);
  const { p, pod, success, csi } = word.columns;
  return [
    h("h3", {}, word.performance),
    diagram.element,
    h("p", { class: "note" }, models.map(({ role }) => key(role, word[role])), word.curve(verificationPercent(models[0].p))),
    h("details", {}, h("summary", {}, word.table), verificationTable([p, pod, success, csi], rows, "values")),
  ];
}
