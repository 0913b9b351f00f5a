// The meteogram: rain of the forecast and of QPE above, probabilities below, over one axis of time.

const CHART = { left: 36, right: 6, rain: [22, 138], chance: [170, 262], height: 314 };

// Bands of probability become darker from the smallest threshold to the largest.
function bandColour(k, count) {
  const share = (k + 1) / count;
  if (share <= 0.8) return `color-mix(in oklab, var(--chance) ${Math.round(15 + 85 * (share / 0.8))}%, var(--paper))`;
  return `color-mix(in oklab, var(--ink) ${Math.round(45 * ((share - 0.8) / 0.2))}%, var(--chance))`;
}

class Meteogram {
  // `jump(index)` is called for a click on a lead time.
  constructor(jump) {
    this.jump = jump;
    this.svg = svg("svg", { role: "img", height: CHART.height });
    this.tip = h("div", { class: "tip", hidden: true });
    this.legend = h("ul", { class: "keys-of-chart" });
    this.body = h("div", { class: "chart" }, this.svg, this.tip);
    this.element = h("div", { class: "meteogram" }, this.legend, this.body);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.hover(null));
    this.svg.addEventListener("click", (event) => {
      const index = this.at(event);
      if (index != null) this.jump(index);
    });
    this.observer = new ResizeObserver(() => {
      if (this.data && this.body.clientWidth !== this.width) this.draw(this.data, this.lead);
    });
    this.observer.observe(this.body);
  }

  close() {
    this.observer.disconnect();
  }

  // `data`: see `Point.series`.
  draw(data, lead) {
    this.data = data;
    this.lead = lead;
    this.width = this.body.clientWidth;
    if (!this.width) return;
    const inner = [CHART.left, this.width - CHART.right];
    const times = [data.slots[0].from, data.slots.at(-1).to];
    this.x = linearScale(times, inner);
    this.slots = data.slots.map(({ from, to }) => [this.x(from), this.x(to)]);
    this.cursor = svg("g", { class: "cursor" }, svg("rect", { y: CHART.rain[0] - 6, height: CHART.chance[1] - CHART.rain[0] + 6 }));
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${CHART.height}`);
    this.svg.setAttribute("aria-label", words.meteogram.meteogramOf(data.place));
    this.svg.replaceChildren(
      svg("defs", {}, svg("pattern", { id: "gap", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        svg("line", { x1: 0, x2: 0, y1: 0, y2: 6, class: "hatch" }))),
      this.cursor,
      ...this.rain(inner),
      ...this.chances(inner),
      ...timeAxis(times, this.x, inner, CHART.rain[0] - 6, CHART.chance[1]),
    );
    this.drawLegend();
    this.setLead(lead);
  }

  gaps(missing, [top, bottom]) {
    return this.data.slots.flatMap((slot, k) => {
      const [x0, x1] = this.slots[k];
      return missing(slot) ? svg("rect", { class: "gap", fill: "url(#gap)", x: x0, width: x1 - x0, y: top, height: bottom - top }) : [];
    });
  }

  rain(inner) {
    const [top, bottom] = CHART.rain;
    const { slots } = this.data;
    const most = Math.max(1, ...slots.flatMap(({ nwp, qpe }) => [nwp ?? 0, qpe ?? 0]));
    const ticks = roundTicks(most);
    const y = linearScale([0, ticks.at(-1)], [bottom, top]);
    const bars = slots.flatMap(({ nwp }, k) => {
      const [x0, x1] = this.slots[k];
      const inset = Math.min(1, (x1 - x0) / 8);
      // a trace of rain is seen too
      const height = Math.max(nwp > 0 ? 1 : 0, bottom - y(nwp ?? 0));
      return nwp > 0 ? svg("rect", { class: "nwp", "data-lead": slots[k].lead, x: x0 + inset, width: x1 - x0 - 2 * inset, y: bottom - height, height }) : [];
    });
    const known = slots.flatMap(({ qpe }, k) => (qpe == null ? [] : [[...this.slots[k], y(qpe)]]));
    return [
      ...this.gaps(({ nwp }) => nwp === null, CHART.rain),
      ...horizontalAxis(ticks, y, inner),
      svg("text", { class: "title", x: 0, y: 10 }, words.amount(this.data.window)),
      ...bars,
      svg("path", { class: "qpe halo", d: stepLine(known) }),
      svg("path", { class: "qpe", d: stepLine(known) }),
      ...known.map(([x0, x1, level]) => svg("circle", { class: "qpe", cx: (x0 + x1) / 2, cy: level, r: 2.3 })),
    ];
  }

  chances(inner) {
    const [top, bottom] = CHART.chance;
    const y = linearScale([0, 100], [bottom, top]);
    const { slots, thresholds } = this.data;
    const bands = thresholds.flatMap((_, band) =>
      slots.flatMap(({ chance }, k) => {
        const [x0, x1] = this.slots[k];
        const value = chance?.[band];
        return value > 0 ? svg("rect", { class: "band", style: `fill:${bandColour(band, thresholds.length)}`, x: x0, width: x1 - x0 + 0.3, y: y(value), height: bottom - y(value) }) : [];
      }),
    );
    return [
      ...this.gaps(({ chance }) => chance === null, CHART.chance),
      ...bands,
      ...horizontalAxis([0, 25, 50, 75, 100], y, inner),
      svg("text", { class: "title", x: 0, y: top - 12 }, `${words.chance(this.data.chanceWindow)}`),
    ];
  }

  drawLegend() {
    const { nwp, qpe, thresholds } = this.data;
    const key = (name, text, style = "") => h("li", {}, h("i", { class: name, style }), text);
    const bands = thresholds.map((value, k) => key("band", `≥ ${plain(value)}`, `background:${bandColour(k, thresholds.length)}`));
    this.legend.replaceChildren(
      key("nwp", nwp),
      key("qpe", qpe),
      key("gap", words.meteogram.missing),
      ...(bands.length ? [h("li", { class: "group-of-keys" }, h("span", {}, words.meteogram.bands), h("ul", {}, bands))] : []),
    );
  }

  setLead(lead) {
    this.lead = lead;
    if (!this.slots) return;
    const [x0, x1] = this.slots[lead];
    const rect = this.cursor.firstChild;
    rect.setAttribute("x", x0);
    rect.setAttribute("width", x1 - x0);
  }

  // The lead time under a pointer.
  at(event) {
    if (!this.slots) return null;
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const index = this.slots.findIndex(([x0, x1]) => x >= x0 && x < x1);
    return index < 0 ? null : index;
  }

  point(event) {
    const index = this.at(event);
    this.hover(index);
  }

  hover(index) {
    this.tip.hidden = index == null;
    if (index == null) return;
    const slot = this.data.slots[index];
    const [x0, x1] = this.slots[index];
    const line = (name, value) => h("div", {}, h("span", {}, name), h("b", {}, value));
    this.tip.replaceChildren(
      h("p", {}, `${leadLabel(slot.lead)}  ·  ${clock(slot.to)} UTC  ·  ${clock(slot.to + KST)} KST`),
      line(this.data.nwp, rainWithUnit(slot.nwp)),
      line(this.data.qpe, rainWithUnit(slot.qpe)),
      ...this.data.thresholds.map((value, k) => line(`P(≥ ${plain(value)} mm)`, chanceWithUnit(slot.chance?.[k] ?? slot.chance))),
    );
    const right = (x0 + x1) / 2 < this.width / 2;
    this.tip.style.left = right ? `${x1 + 6}px` : "";
    this.tip.style.right = right ? "" : `${this.width - x0 + 6}px`;
  }
}

// Values as they are read: null is missing, undefined is still on its way.
const hasValue = (value) => value !== null && value !== undefined;
const rainText = (value) => (value === 0 ? "0" : value.toFixed(2));
const rainWithUnit = (value) => (hasValue(value) ? `${rainText(value)} mm` : value === null ? words.noData : "…");
const chanceWithUnit = (value) => (hasValue(value) ? `${plain(value)} %` : value === null ? words.noData : "…");
