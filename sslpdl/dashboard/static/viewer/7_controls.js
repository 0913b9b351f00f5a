// The bar of controls: native elements with labels, reachable by keyboard; all they do is change the store.

const SPEEDS = [1, 2, 4, 8, 15];

class Controls {
  constructor(store, config, actions) {
    this.store = store;
    this.config = config;
    this.play = iconButton("play", words.play, actions.toggle, { class: "icon main" });
    this.loop = iconButton("loop", words.loop, () => store.set({ loop: !store.get().loop }), { class: "icon toggle" });
    this.speed = this.select(words.speed, SPEEDS.map((fps) => [fps, `${fps}${words.perSecond}`]), (value) =>
      store.set({ fps: Number(value) }),
    );
    this.runs = this.select(words.run, this.runOptions(), (value) => actions.openRun(value));
    this.regions = this.select(
      words.region,
      [["", words.wholeGrid], ...config.regions.map((region) => [region.name, region.title])],
      (value) => actions.region(value),
    );
    this.colours = this.select(words.colours, config.palettes.map((p) => [p.name, words.palettes[p.name] ?? p.title]), (value) =>
      store.set({ palette: value }),
    );
    this.slider = h("input", {
      type: "range",
      min: 0,
      max: config.lead_times.length - 1,
      step: 1,
      "aria-label": words.lead,
      oninput: (event) => store.set({ lead: Number(event.target.value), playing: false }),
    });
    this.leadText = h("output", { class: "lead" });
    this.ruler = h("div", { class: "ruler", "aria-hidden": "true" });
    this.thresholds = this.thresholdButtons();
    this.element = this.layout(actions);
  }

  layout(actions) {
    const group = (name, ...children) => h("div", { class: `group ${name}` }, children.flat());
    const labelled = (text, ...children) => h("label", {}, h("span", {}, text), children);
    return h(
      "section",
      { class: "controls", "aria-label": words.controls },
      group(
        "run",
        labelled(words.run, this.runs),
        iconButton("previous", words.previousRun, () => actions.stepRun(-1)),
        iconButton("next", words.nextRun, () => actions.stepRun(1)),
      ),
      group(
        "player",
        iconButton("first", words.first, () => actions.jump(0), { class: "icon wide-only" }),
        iconButton("back", words.back, () => actions.step(-1)),
        this.play,
        iconButton("forward", words.forward, () => actions.step(1)),
        iconButton("last", words.last, () => actions.jump(Infinity), { class: "icon wide-only" }),
        this.loop,
        this.speed,
      ),
      group("time", this.leadText, h("div", { class: "track" }, this.slider, this.ruler, h("span", { class: "qpe-key", "aria-hidden": "true" }, words.qpeTitle))),
      this.config.thresholds.length
        ? group("threshold", h("span", { class: "label" }, words.threshold), this.thresholds)
        : null,
      group(
        "look",
        this.config.regions.length ? labelled(words.region, this.regions) : [],
        labelled(words.colours, this.colours),
      ),
    );
  }

  select(label, options, changed) {
    return h(
      "select",
      { "aria-label": label, onchange: (event) => changed(event.target.value) },
      options.map(([value, text]) => h("option", { value }, text)),
    );
  }

  runOptions() {
    return this.config.init_times.map((time) => [time, `${day(utc(time))} ${clock(utc(time))} UTC`]);
  }

  // Marks under the slider: every lead time, longer ones with a number, and a strip where QPE exists.
  drawRuler(qpe) {
    const leads = this.config.lead_times;
    const last = Math.max(1, leads.length - 1);
    const span = leads.at(-1) - leads[0];
    const every = [1, 3, 6, 12, 24, 48].find((hours) => span / hours <= 9) ?? 96;
    const marks = leads.flatMap((lead, k) => {
      const left = `left:${(100 * k) / last}%`;
      const tick = h("i", { class: lead % every ? "tick" : "tick long", style: left });
      const [from, to] = [Math.max(0, k - 0.5), Math.min(last, k + 0.5)];
      const reach = `left:${(100 * from) / last}%;width:${(100 * (to - from)) / last}%`;
      const observed = qpe[k] ? h("i", { class: "observed", style: reach }) : null;
      return [observed, tick, lead % every ? null : h("b", { style: left }, `+${lead}`)];
    });
    this.ruler.replaceChildren(...marks.filter(Boolean));
  }

  thresholdButtons() {
    const unit = words.amount(plain(this.config.probability_window));
    const buttons = this.config.thresholds.map((value, k) => {
      const onclick = () => this.store.set({ threshold: k });
      return h("button", { type: "button", role: "radio", "aria-label": `${plain(value)} ${unit}`, onclick }, plain(value));
    });
    return h("div", { class: "segments", role: "radiogroup", "aria-label": words.threshold }, buttons, h("span", { class: "unit" }, unit));
  }

  update(state) {
    const lead = this.config.lead_times[state.lead];
    setText(this.leadText, leadLabel(lead));
    if (Number(this.slider.value) !== state.lead) this.slider.value = state.lead;
    this.slider.setAttribute("aria-valuetext", leadLabel(lead));
    this.slider.style.setProperty("--done", state.lead / Math.max(1, this.config.lead_times.length - 1));
    const pressed = String(state.playing);
    if (this.play.getAttribute("aria-pressed") !== pressed) {
      this.play.setAttribute("aria-pressed", pressed);
      setIcon(this.play, state.playing ? "pause" : "play", state.playing ? words.pause : words.play);
    }
    this.loop.setAttribute("aria-pressed", String(state.loop));
    for (const [element, value] of [
      [this.speed, state.fps],
      [this.runs, state.init],
      [this.regions, state.region],
      [this.colours, state.palette],
    ])
      if (element.value !== String(value)) element.value = value;
    [...this.thresholds.querySelectorAll("button")].forEach((button, k) => {
      button.setAttribute("aria-checked", String(k === state.threshold));
      button.tabIndex = k === state.threshold ? 0 : -1;
    });
  }
}
