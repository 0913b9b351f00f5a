// The bar of controls: native elements with labels, reachable by keyboard; all they do is change the store.

const SPEEDS = [1, 2, 4, 8, 15, 20];

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
      [["", words.wholeGrid], ...config.regions.map((region) => [region.name, titleOf(region)])],
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
    // not announced: it would be spoken at every step of the player; the slider says it where it is moved
    this.leadText = h("output", { class: "lead", "aria-live": "off" });
    this.validText = h("p", { class: "when" });
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
      group("time", this.leadText, this.validText, h("div", { class: "track" }, this.slider, this.ruler)),
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
    return this.config.init_times.map((time) => [time, moment(utc(time))]);
  }

  // Marks under the slider: every lead time, longer ones with a number, a strip where QPE exists, and the days of Korea.
  drawRuler(qpe, init) {
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
    const keys = [h("span", { class: "qpe-key" }, words.qpeTitle), h("span", { class: "day-key" }, "KST")];
    this.ruler.replaceChildren(...marks.filter(Boolean), ...this.days(init), ...keys);
  }

  // The days of Korea under the lead times, each from its midnight on, named where there is room.
  days(init) {
    const leads = this.config.lead_times;
    const last = Math.max(1, leads.length - 1);
    const local = (lead) => utc(init) + KST + lead * HOUR;
    const midnight = (number) => number * 24 * HOUR - utc(init) - KST;
    // place between the lead times around it: they need not be evenly spaced
    const place = (hours) => {
      const k = leads.findIndex((lead) => lead >= hours);
      if (k <= 0) return k ? last : 0;
      return k - 1 + (hours - leads[k - 1]) / (leads[k] - leads[k - 1]);
    };
    const number = (lead) => Math.floor(local(lead) / (24 * HOUR));
    const found = [];
    for (let n = number(leads[0]); n <= number(leads.at(-1)); n++) {
      const [from, to] = [midnight(n) / HOUR, midnight(n + 1) / HOUR].map(place);
      const share = (to - from) / last;
      const style = `left:${(100 * from) / last}%;width:${100 * share}%`;
      const begins = midnight(n) / HOUR > leads[0] ? "day-mark begins" : "day-mark";
      found.push(h("i", { class: begins, style }, share > 0.16 ? dayOfMonth(n * 24 * HOUR) : null));
    }
    return found;
  }

  thresholdButtons() {
    const unit = words.amount(plain(this.config.probability_window));
    const buttons = this.config.thresholds.map((value, k) => {
      const onclick = () => this.store.set({ threshold: k });
      return h("button", { type: "button", role: "radio", "aria-label": `${plain(value)} ${unit}`, onclick }, plain(value));
    });
    const onkeydown = (event) => moveChoice(event, buttons);
    return h("div", { class: "segments", role: "radiogroup", "aria-label": words.threshold, onkeydown }, buttons, h("span", { class: "unit" }, unit));
  }

  update(state) {
    const lead = this.config.lead_times[state.lead];
    setText(this.leadText, leadLabel(lead));
    if (Number(this.slider.value) !== state.lead) this.slider.value = state.lead;
    const valid = utc(state.init) + lead * HOUR;
    this.slider.setAttribute("aria-valuetext", words.leadValue(leadLabel(lead), moment(valid)));
    setText(this.validText, words.zones.map((zone) => `${clock(inZone(valid, zone))} ${zone}`).join("\n"));
    this.slider.style.setProperty("--done", state.lead / Math.max(1, this.config.lead_times.length - 1));
    if (this.playing !== state.playing) {
      this.playing = state.playing;
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
