// What the model leans on, and how it fills in what is hidden from it.  Both run the model, so they wait for a button
// once the first answer is there; an answer says which lead time it is for.

addWords({
  en: {
    inputsTab: "Inputs",
    leansOn: "What this forecast leans on",
    leansHint: "Change of the probability when the model is not told a variable (its mean stands in its place), in percentage points. Of two variables that say the same, neither may be missed.",
    lookAt: (lead) => `Look at ${lead}`,
    modelRuns: "The model runs …",
    resultFor: (lead, threshold) => `${lead}, rain ≥ ${threshold} mm`,
    variable: "Variable",
    sizeOfChange: "Size, mean of the region",
    meanChange: "Mean of the region",
    atPoint: "At the point",
    fillingIn: "Filling in what is hidden",
    hiddenShare: "Hidden",
    fillIn: "Hide and fill in",
    pictureOf: (name, lead) => `${name}, ${lead}: input, what was seen, reconstruction, difference`,
    errorsOf: "Error over hidden cells, in standard deviations",
    modelError: "Model",
    climateError: "Training mean",
    seenError: "Mean of what was seen",
  },
  ko: {
    inputsTab: "입력장",
    leansOn: "이 예보가 의존하는 변수",
    leansHint: "한 변수를 모델에 알려 주지 않을 때(학습 평균으로 대체) 확률의 변화, 퍼센트포인트. 같은 정보를 담은 두 변수는 하나가 빠져도 변화가 작을 수 있습니다.",
    lookAt: (lead) => `${lead} 살펴보기`,
    modelRuns: "모델 계산 중 …",
    resultFor: (lead, threshold) => `${lead}, 강수 ≥ ${threshold} mm`,
    variable: "변수",
    sizeOfChange: "변화 크기, 권역 평균",
    meanChange: "권역 평균",
    atPoint: "선택 지점",
    fillingIn: "가린 자료의 복원",
    hiddenShare: "가린 비율",
    fillIn: "가리고 복원하기",
    pictureOf: (name, lead) => `${name}, ${lead}: 입력, 모델이 본 것, 복원, 차이`,
    errorsOf: "가린 격자의 오차(표준편차 단위)",
    modelError: "모델",
    climateError: "학습 평균",
    seenError: "보인 값의 평균",
  },
});

const percentagePoints = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)}`;

class InputsPanel {
  constructor(viewer) {
    this.viewer = viewer;
    this.about = h("p", { class: "about", role: "status" });
    this.table = h("div", { class: "influence" });
    this.look = h("button", { type: "button", class: "plain", onclick: () => this.lean() });
    this.names = h("select", { "aria-label": words.variable });
    this.ratio = h("input", { type: "range", min: 10, max: 90, step: 5, value: 75, "aria-label": words.hiddenShare,
      oninput: () => this.sayRatio() });
    this.ratioText = h("output");
    this.fill = h("button", { type: "button", class: "plain", onclick: () => this.reconstruct() }, words.fillIn);
    this.said = h("p", { class: "about", role: "status" });
    this.picture = h("div", { class: "picture" });
    this.fillNames(viewer.config.variables ?? []);
    this.sayRatio();
    this.element = h("div", {},
      h("h2", {}, words.leansOn), h("p", { class: "hint" }, words.leansHint), this.look, this.about, this.table,
      h("h2", {}, words.fillingIn),
      h("div", { class: "row" }, h("label", {}, h("span", {}, words.variable), this.names),
        h("label", {}, h("span", {}, words.hiddenShare), this.ratio, this.ratioText), this.fill),
      this.said, this.picture);
  }

  fillNames(names) {
    const chosen = this.names.value || "rain";
    this.names.replaceChildren(...names.map((name) => h("option", { value: name }, words.inputs[name] ?? words.contentGroups[name] ?? name)));
    if (names.includes(chosen)) this.names.value = chosen;
  }

  sayRatio() {
    setText(this.ratioText, `${this.ratio.value} %`);
  }

  get state() {
    return this.viewer.store.get();
  }

  get leadHours() {
    return this.viewer.config.lead_times[this.state.lead];
  }

  draw(state, changed) {
    if (state.drawer !== "inputs") return;
    setText(this.look, words.lookAt(leadLabel(this.leadHours)));
    const first = changed.has("drawer") && !this.asked;
    const known = this.answered && this.answered.init === state.init && this.answered.lead === state.lead;
    // another threshold, region or point of the same lead time costs nothing: the server has kept the answer
    if (first || (known && ["threshold", "region", "point"].some((key) => changed.has(key)))) this.lean();
  }

  lean() {
    this.asked = true;
    const { init, lead, threshold, region, point } = this.state;
    const question = (this.question = {});
    setText(this.about, words.modelRuns);
    this.viewer.requests
      .ask("influence", { init_time: init, lead: this.leadHours, threshold, box: this.box(region), cell: this.cellOf(point) })
      .then((answer) => {
        if (question !== this.question) return;
        this.answered = { init, lead };
        setText(this.about, words.resultFor(leadLabel(this.viewer.config.lead_times[lead]), plain(this.viewer.config.thresholds[threshold])));
        this.show(answer);
      })
      .catch((error) => question === this.question && setText(this.about, error.message));
  }

  // First and last row and column of a region preset; null for the whole grid.
  box(region) {
    const [left, bottom, right, top] = this.viewer.region(region);
    const corner = (x, y) => {
      const { bounds: b, rows, columns } = this.viewer.config;
      return [Math.floor(((y - b[1]) / (b[3] - b[1])) * rows), Math.floor(((x - b[0]) / (b[2] - b[0])) * columns)];
    };
    if (!region) return null;
    const [[r0, c0], [r1, c1]] = [corner(left, bottom), corner(right, top)];
    return [r0, r1, c0, c1];
  }

  cellOf(point) {
    if (!point?.length) return null;
    const [x, y] = this.viewer.geography.toXY(point[0], point[1]);
    const cell = this.viewer.cell({ x, y });
    return cell == null ? null : [Math.floor(cell / this.viewer.config.columns), cell % this.viewer.config.columns];
  }

  show({ variables, mean, signed: average, cell }) {
    this.fillNames(variables);
    const order = variables.map((_, k) => k).sort((a, b) => mean[b] - mean[a]);
    const most = Math.max(...mean, 1e-9);
    const head = [words.variable, words.sizeOfChange, words.meanChange, ...(cell.length ? [words.atPoint] : [])];
    const rows = order.map((k) =>
      h("tr", {}, h("th", { scope: "row" }, variables[k]),
        h("td", {}, h("span", { class: "bar-of", style: `width:${(100 * mean[k]) / most}%` }), h("span", {}, (100 * mean[k]).toFixed(1))),
        h("td", {}, percentagePoints(100 * average[k])),
        cell.length ? h("td", {}, percentagePoints(100 * cell[k])) : null));
    this.table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows)));
  }

  reconstruct() {
    const [name, lead] = [this.names.value, leadLabel(this.leadHours)];
    setText(this.said, words.modelRuns);
    this.fill.disabled = true;
    this.viewer.requests
      .ask("reconstruction", { init_time: this.state.init, lead: this.leadHours, variable: name, ratio: this.ratio.value / 100, seed: 1 })
      .then((answer) => {
        setText(this.said, words.pictureOf(name, lead));
        this.drawPicture(answer, words.pictureOf(name, lead));
      })
      .catch((error) => setText(this.said, error.message))
      .finally(() => (this.fill.disabled = false));
  }

  drawPicture({ picture, variables, errors }, text) {
    this.fillNames(variables);
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
    const columns = [errors.reconstruction, errors.seen, errors.climatology];
    const rows = variables.map((name, k) =>
      h("tr", {}, h("th", { scope: "row" }, name), columns.map((column) => h("td", {}, Number.isFinite(column[k]) ? column[k].toFixed(2) : "–"))));
    const head = [words.variable, words.modelError, words.seenError, words.climateError];
    this.picture.replaceChildren(
      h("a", { href: this.address, target: "_blank" }, h("img", { src: this.address, alt: text })),
      h("details", {}, h("summary", {}, words.errorsOf),
        h("table", {}, h("thead", {}, h("tr", {}, head.map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows))));
  }

  close() {
    if (this.address) URL.revokeObjectURL(this.address);
  }
}

feature({
  name: "inputs",
  title: () => words.inputsTab,
  create: (viewer) => {
    const panel = new InputsPanel(viewer);
    return { element: panel.element, draw: (state, changed) => panel.draw(state, changed), close: () => panel.close() };
  },
});
