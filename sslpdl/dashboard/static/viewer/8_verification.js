// Verification: how good it has been for the threshold, the region and a range of lead times, from the server's counts.

class Verification {
  constructor(viewer) {
    Object.assign(this, { viewer, answers: new Map(), asked: "", shown: null });
    const word = words.verification;
    const { store } = viewer;
    const last = viewer.config.lead_times.at(-1);
    const edge = (label) => h("input", { type: "number", min: 0, max: last, step: 1, "aria-label": label, onchange: () => this.choose() });
    [this.first, this.last] = [edge(word.from), edge(word.to)];
    this.near = h("button", { type: "button", onclick: () => store.set({ leads: null }) }, word.near);
    this.all = h("button", { type: "button", onclick: () => store.set({ leads: this.whole() }) }, word.all);
    this.daytime = new Daytime(store);
    this.about = h("p", { class: "about" });
    this.status = h("p", { class: "status", role: "status" });
    this.body = h("div", { class: "results" });
    this.element = h("div", { class: "verification-panel" }, this.about,
      h("div", { class: "range", role: "group", "aria-label": word.leads }, h("span", { class: "label" }, word.leads),
        this.first, h("span", {}, word.until), this.last, h("span", {}, word.hours), h("span", { class: "choice" }, this.near, this.all)),
      this.daytime.element, this.status, this.body);
  }

  whole() {
    const leads = this.shown?.data.lead_times ?? this.viewer.config.lead_times;
    return [leads[0], leads.at(-1)];
  }

  range({ leads, lead }) {
    const here = this.viewer.config.lead_times[lead];
    return leads ?? [Math.max(0, here - 3), here + 3];
  }

  choose() {
    const [first, last] = [this.first, this.last].map((input) => Math.round(Number(input.value)));
    const known = [first, last].every((hour) => Number.isFinite(hour) && hour >= 0 && hour <= 9999);
    this.viewer.store.set({ leads: known ? [Math.min(first, last), Math.max(first, last)] : null });
  }

  draw(state, changed) {
    if (state.drawer !== "verification" || state.playing) return;
    if (!["drawer", "playing", "lead", "leads", "threshold", "region", "daytime"].some((key) => changed.has(key))) return;
    const range = this.range(state);
    [this.first, this.last].forEach((input, k) => { if (Number(input.value) !== range[k] || !input.value) input.value = range[k]; });
    this.press();
    this.daytime.draw();
    const threshold = this.viewer.config.thresholds[state.threshold] ?? null;
    this.want({ region: state.region, leads: range, threshold, hours: state.daytime });
  }

  // Which of the two usual ranges is chosen; what "all" is depends on what was counted.
  press() {
    const { leads } = this.viewer.store.get();
    const [start, end] = this.whole();
    this.near.setAttribute("aria-pressed", String(!leads));
    this.all.setAttribute("aria-pressed", String(Boolean(leads) && leads[0] <= start && leads[1] >= end));
  }

  // Asks when nothing has changed for a moment; what was answered before is shown at once.
  want(question, wait = 150) {
    const key = JSON.stringify(question);
    if (key === this.asked && wait) return;
    this.asked = key;
    clearTimeout(this.timer);
    const known = this.answers.get(key);
    if (known) return this.show(known);
    this.body.classList.add("waiting");
    if (!this.shown) setText(this.status, words.verification.asking);
    this.timer = setTimeout(() => this.ask(question, key), wait);
  }

  async ask(question, key) {
    try {
      const answer = await this.viewer.requests.ask("verification", question);
      if (answer.status === "ready" && answer.data.kind !== "archive") this.answers.set(key, answer);
      if (key !== this.asked) return;
      if (answer.status === "ready") return this.show(answer);
      this.clear(words.verification.counting(answer.done, answer.of));
      this.timer = setTimeout(() => this.ask(question, key), 1000);
    } catch (problem) {
      if (key === this.asked) this.clear(problem.message);
    }
  }

  clear(text) {
    this.shown = null;
    this.about.replaceChildren();
    this.body.replaceChildren();
    this.status.classList.remove("small");
    setText(this.status, text);
  }

  // Runs that arrive may be what an archive's own counts were waiting for.
  again() {
    const { drawer } = this.viewer.store.get();
    if (drawer !== "verification" || !this.asked || (this.shown && this.shown.data.kind !== "archive")) return;
    this.want(JSON.parse(this.asked), 0);
  }

  show(answer) {
    this.shown = answer;
    this.press();
    const word = words.verification;
    const { data, sample, region, leads } = answer;
    const title = this.place(region);
    this.about.replaceChildren(
      h("strong", {}, `${word.kinds[data.kind]}: `), `${data.title || data.where}`,
      data.synthetic ? h("span", { class: "badge", title: words.syntheticHint }, words.synthetic) : "",
      h("br"), `${word.run(verificationWhole(data.runs), verificationWhole(data.days))}, ${data.first} – ${data.last}`,
      data.kind === "archive" ? "" : ` · ${data.model} · ${data.where}`,
    );
    this.status.classList.toggle("small", answer.too_small.length > 0 || !region.exact);
    setText(this.status, [region.exact ? "" : word.elsewhere(this.preset(region.name)), this.tooSmall(answer)].filter(Boolean).join(" "));
    const rate = sample.base_rate == null ? "–" : verificationPercent(sample.base_rate);
    const head = [
      h("h2", {}, `${word.heading(plain(answer.threshold), plain(data.window))} · ${[word.span(leads[0], leads.at(-1)), this.daytime.text].filter(Boolean).join(" · ")}`),
      h("p", { class: "sample" }, `${title} · ${word.cells(verificationWhole(sample.cells), verificationWhole(sample.events), rate)}`),
    ];
    const open = [...this.body.querySelectorAll("details")].map((one) => one.open);
    const parts = sample.cells ? [verificationScores, verificationContingency, verificationReliability, verificationPerformance] : [];
    this.body.replaceChildren(...head, ...parts.flatMap((part) => part(answer)).flat());
    this.body.querySelectorAll("details").forEach((one, k) => { one.open = open[k] ?? false; });
    this.body.classList.remove("waiting");
  }

  tooSmall({ too_small: reasons, data }) {
    const word = words.verification.small;
    const texts = reasons.map(({ why, number, least }) => word[why](number, least, data.block_days));
    return texts.length ? `${word.lead} ${texts.join("; ")}.` : "";
  }

  preset(name) {
    const found = this.viewer.config.regions.find((one) => one.name === name);
    return (words.verification.code === "ko" && found?.title_ko) || found?.title || words.wholeGrid;
  }

  // What was counted, in words: a preset is made of the land of provinces.
  place({ name, exact, parts, titles }) {
    const word = words.verification;
    const names = titles[word.code];
    if (!exact || !name || name === "peninsula") return names.join(word.join);
    return `${this.preset(name)} (${parts.length > 3 ? word.provinces(parts.length) : word.land(names.join(word.join))})`;
  }
}

feature({
  name: "verification",
  title: () => words.verification.title,
  initial: (start) => ({
    leads: start.leads?.length === 2 && start.leads[0] <= start.leads[1] ? start.leads : null,
    daytime: start.daytime?.length ? start.daytime : null,
  }),
  address: { leads: (leads) => (leads ? leads.join(",") : ""), daytime: (hours) => (hours ? hours.join(",") : "") },
  create(viewer) {
    const part = new Verification(viewer);
    return {
      element: part.element,
      draw: (state, changed) => part.draw(state, changed),
      run: () => part.again(),
      close: () => clearTimeout(part.timer),
    };
  },
});
