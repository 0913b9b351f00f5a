// Header (what and when) and footer (where, and where from).

class Header {
  constructor(config) {
    this.config = config;
    const time = (zone) => ({ clock: h("strong"), day: h("span", { class: "day" }), zone });
    [this.utc, this.kst] = [time("UTC"), time("KST")];
    const face = (part) =>
      h("div", { class: "time" }, h("span", { class: "zone" }, part.zone), part.clock, part.day);
    this.from = h("p", { class: "from" });
    const badge = config.synthetic
      ? h("span", { class: "badge", title: words.syntheticHint }, words.synthetic)
      : null;
    this.element = h(
      "header",
      { class: "top" },
      h("div", { class: "brand" }, h("span", { class: "mark" }, "SSLPDL"), h("div", {}, h("h1", {}, config.title, badge), this.from)),
      h("div", { class: "valid", role: "group", "aria-label": words.valid }, h("span", { class: "caption" }, words.valid), face(this.utc), face(this.kst)),
    );
  }

  update(state, config) {
    const start = utc(state.init);
    const lead = config.lead_times[state.lead];
    const valid = start + lead * HOUR;
    for (const [part, ms] of [[this.utc, valid], [this.kst, valid + KST]]) {
      setText(part.clock, clock(ms));
      setText(part.day, day(ms));
    }
    setText(this.from, `${words.run} ${clock(start)} UTC ${day(start)}  ·  ${leadLabel(lead)}`);
  }
}

function footer(config) {
  const note = h("p", { class: "window" });
  const sources = [config.source, config.model, config.grid, config.pooling > 1 ? words.pooled(config.pooling) : null,
    config.covered ? null : words.noCoastline];
  const keys = words.keys.map(([key, what]) => h("span", {}, h("kbd", {}, key), what));
  const element = h(
    "footer",
    {},
    h("p", { class: "keys" }, keys),
    note,
    h("p", { class: "sources" }, sources.filter(Boolean).join("  ·  ")),
  );
  return { element, setWindow: (hours) => setText(note, words.windowNote(hours)) };
}
