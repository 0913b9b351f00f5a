// The tab of the chosen point: where it is, what is there now, the meteogram, and all values as a table.

class PointPanel {
  constructor(point) {
    this.point = point;
    this.input = h("input", { type: "text", id: "place", list: "places", autocomplete: "off", spellcheck: "false", placeholder: words.meteogram.placeExample, "aria-describedby": "place-problem" });
    this.problem = h("p", { class: "problem", id: "place-problem", role: "alert", hidden: true });
    this.form = h("form", { onsubmit: (event) => this.submit(event) },
      h("label", { for: "place" }, words.meteogram.placeOrCoordinates),
      h("div", { class: "row" }, this.input, h("button", { type: "submit", class: "plain" }, words.meteogram.show)),
      h("datalist", { id: "places" }, this.names()));
    this.hint = h("p", { class: "hint" }, words.meteogram.noPoint);
    this.title = h("h2");
    this.where = h("p", { class: "coordinates" });
    this.rain = h("dl", { class: "now rain" });
    this.chances = h("dl", { class: "now chances" });
    this.moment = h("p", { class: "moment" });
    this.notes = h("ul", { class: "notes" });
    this.table = new PointTable(() => this.drawTable());
    const forget = h("button", { type: "button", class: "plain", onclick: () => point.store.set({ point: null }) }, words.meteogram.forget);
    this.body = h("div", { class: "of-point", hidden: true }, h("header", {}, h("div", {}, this.title, this.where), forget),
      this.moment, this.rain, this.chances, point.meteogram.element, this.notes, this.table.element);
    this.element = h("div", {}, this.form, this.problem, this.hint, this.body);
  }

  names() {
    return this.point.config.known_places.flatMap((place) =>
      [place.name, place.name_ko].map((name) => h("option", { value: name })));
  }

  submit(event) {
    event.preventDefault();
    this.tell(this.input.value.trim() ? this.point.chooseText(this.input.value) : "");
  }

  tell(sentence) {
    setText(this.problem, sentence);
    this.problem.hidden = !sentence;
    this.input.setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  draw(state) {
    const at = state.point && this.point.locate(state.point);
    if (state.point !== this.drawn) this.tell(state.point && !at ? words.meteogram.outsideGrid : "");
    this.drawn = state.point;
    this.body.hidden = !at;
    this.hint.hidden = Boolean(at);
    this.data = at ? this.point.series(state.point, at) : null;
    if (!at) return;
    setText(this.title, this.data.place);
    setText(this.where, `${placeLabel(state.point)}\n${words.meteogram.cellShort(at.row, at.column)}  ·  ${words.meteogram.toCentre(distanceText(at.distance))}`);
    this.point.meteogram.draw(this.data, state.lead);
    this.setLead(state);
    this.notes.replaceChildren(...this.missing().map((sentence) => h("li", {}, sentence)));
    this.table.stale();
  }

  setLead(state) {
    if (!this.data || state.drawer !== "point") return;
    const { nwp, qpe, thresholds, slots } = this.data;
    const slot = slots[state.lead];
    setText(this.moment, `${leadLabel(slot.lead)}  ·  ${clock(slot.to)} UTC ${day(slot.to, false)}  ·  ${clock(slot.to + KST)} KST ${day(slot.to + KST, false)}`);
    const entry = (name, value, kind) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
    this.rain.replaceChildren(entry(nwp, rainWithUnit(slot.nwp), "nwp"), entry(qpe, rainWithUnit(slot.qpe), "qpe"));
    this.chances.replaceChildren(
      ...thresholds.map((value, k) => entry(`P(≥ ${plain(value)})`, chanceWithUnit(slot.chance?.[k] ?? slot.chance), "chance")),
    );
    this.point.meteogram.setLead(state.lead);
    this.table.setLead(state.lead);
  }

  // One sentence for each thing that is not there, and for what the values are where they are not of one cell.
  missing() {
    const { slots, thresholds, gauge, gaugeRow, nwp } = this.data;
    const meta = this.point.viewer.run?.meta;
    const count = (test) => slots.filter(test).length;
    const sentences = [];
    if (this.point.config.pooling > 1) sentences.push(words.meteogram.blocks(this.point.config.pooling));
    if (gaugeRow) sentences.push(words.meteogram.gaugeAt(distanceText(gauge.distance), ...gaugeRow));
    else if (gauge) sentences.push(words.meteogram.noGauge(GAUGE_REACH));
    if (meta?.status === "unreadable") return [...sentences, problemText(meta)];
    const waiting = count((slot) => slot.nwp === undefined);
    if (waiting) sentences.push(words.meteogram.arriving(waiting, slots.length));
    for (const [key, name] of [["nwp", nwp], ["qpe", words.qpeTitle]]) {
      const absent = count((slot) => slot[key] === null);
      if (absent) sentences.push(words.meteogram.absent(name, absent, slots.length));
    }
    const absent = count((slot) => slot.chance === null);
    if (absent && meta?.status === "computing") sentences.push(words.meteogram.beingComputed);
    else if (absent && (meta?.problem || !thresholds.length)) sentences.push((meta && problemText(meta)) || words.noProbability);
    else if (absent) sentences.push(words.meteogram.absent(words.meteogram.probabilities, absent, slots.length));
    return sentences;
  }

  drawTable() {
    const state = this.point.store.get();
    if (!this.data) return;
    const start = utc(state.init);
    this.table.fill(this.data, words.meteogram.tableCaption(this.data.place, `${clock(start)} ${day(start)}`), state.lead);
  }
}

// All values, filled in when somebody looks at them.
class PointTable {
  constructor(fill) {
    this.refill = fill;
    this.table = h("table");
    this.told = h("output", { class: "told" });
    const copy = h("button", { type: "button", class: "plain", onclick: () => this.copy() }, words.meteogram.copy);
    this.element = h("details", { class: "values" }, h("summary", {}, words.meteogram.table),
      h("div", { class: "row" }, copy, this.told),
      h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": words.meteogram.table }, this.table));
    this.element.addEventListener("toggle", () => this.stale());
    // the space bar opens the table here, and does not play
    this.element.firstChild.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") event.stopPropagation();
    });
  }

  stale() {
    if (this.element.open) this.refill();
  }

  fill(data, caption, lead) {
    const text = (value, write) => (hasValue(value) ? write(value) : value === null ? "–" : "…");
    const titles = [words.lead, "UTC", "KST", `${data.nwp}, mm`, `${data.qpe}, mm`, ...data.thresholds.map((value) => `P(≥ ${plain(value)} mm), %`)];
    const moment = (ms) => `${day(ms, false)} ${clock(ms)}`;
    const rows = data.slots.map((slot) => [
      moment(slot.to), moment(slot.to + KST), text(slot.nwp, rainText), text(slot.qpe, rainText),
      ...data.thresholds.map((_, k) => text(slot.chance?.[k] ?? slot.chance, plain)),
    ]);
    this.table.replaceChildren(
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, rows.map((row, k) => h("tr", { "data-lead": data.slots[k].lead }, h("th", { scope: "row" }, leadLabel(data.slots[k].lead)), row.map((value) => h("td", {}, value))))),
    );
    setText(this.told, "");
    this.setLead(lead);
  }

  setLead(lead) {
    const rows = this.table.tBodies[0]?.rows ?? [];
    for (const row of this.table.querySelectorAll("tr[aria-current]")) row.removeAttribute("aria-current");
    rows[lead]?.setAttribute("aria-current", "true");
  }

  async copy() {
    const rows = [...this.table.rows].map((row) => [...row.cells].map((cell) => cell.textContent).join("\t"));
    try {
      await navigator.clipboard.writeText([this.table.caption.textContent, ...rows].join("\n"));
      setText(this.told, words.meteogram.copied);
    } catch {
      // without HTTPS a page may not write to the clipboard
      getSelection().selectAllChildren(this.table);
      setText(this.told, words.meteogram.notCopied);
    }
  }
}
