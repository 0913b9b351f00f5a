// What the maps show, in words for those who do not see them: the name of each map as an image, and one place where
// notices are announced.  Nothing is said while the player runs.

const WITHOUT_NUMBERS = /[\d.]+/g;

class Describer {
  constructor(viewer) {
    this.viewer = viewer;
    this.said = h("p", { class: "said", role: "status" });
    viewer.main.append(this.said);
  }

  // A change of many keys and frames comes as one description, when it is over.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.describe(), 400);
  }

  describe() {
    const { cards, store, config } = this.viewer;
    const { init, lead, playing } = store.get();
    if (playing) return;
    const valid = words.validAt(moment(utc(init) + config.lead_times[lead] * HOUR));
    const notices = new Set();
    const over = this.overlays();
    for (const card of cards.filter((one) => !one.card.hidden)) {
      const notice = card.notice.hidden ? "" : card.notice.textContent;
      const parts = [card.title.textContent, card.unit.textContent, valid, notice || this.largest(card), over];
      card.picture.setAttribute("aria-label", parts.filter(Boolean).join(", "));
      if (notice) notices.add(`${card.title.textContent}: ${notice}`);
    }
    this.announce([...notices].join(". "));
  }

  // Names of what is drawn over the maps at this time.
  overlays() {
    const { config, library, run, store } = this.viewer;
    const { init, lead, overlays } = store.get();
    const drawn = overlays.filter((name) =>
      config.overlays[name].kind === "gauges" ? run?.frames[lead]?.qpe : library.overlay(init, name)?.frames?.[lead]);
    return drawn.length ? words.overlays.over(drawn.map(overlayName).join(", ")) : "";
  }

  // Seconds that pass are no news.
  announce(text) {
    if (text.replace(WITHOUT_NUMBERS, "") === this.said.textContent.replace(WITHOUT_NUMBERS, "")) return;
    setText(this.said, text);
  }

  // The largest value in view, and where.
  largest(card) {
    const { viewer } = this;
    const content = viewer.contents.at(MAP_NAMES.indexOf(card.name));
    const [plane, { missing }] = [content.plane(), content];
    if (!plane) return "";
    const { columns, rows, bounds } = viewer.config;
    const [left, bottom, right, top] = bounds;
    const view = viewer.linked.view;
    const part = (value, low, high, count) => Math.min(Math.max(Math.round(((value - low) / (high - low)) * count), 0), count);
    const [from, to] = [view.left, view.right].map((x) => part(x, left, right, columns));
    const [below, above] = [view.bottom, view.top].map((y) => part(y, bottom, top, rows));
    let cell = null;
    for (let row = below; row < above; row++)
      for (let k = row * columns + from; k < row * columns + to; k++)
        if (plane[k] !== missing && (cell == null || plane[k] > plane[cell])) cell = k;
    if (cell == null) return words.noData;
    const [x, y] = [
      left + (((cell % columns) + 0.5) / columns) * (right - left),
      bottom + ((Math.floor(cell / columns) + 0.5) / rows) * (top - bottom),
    ];
    return words.largest(viewer.read(card.name, cell), placeLabel(viewer.geography.toLonLat(x, y)));
  }
}

feature({
  name: "describe",
  create: (viewer) => {
    const describer = new Describer(viewer);
    const soon = () => describer.soon();
    return {
      draw: (_, changed) => (changed.size > 1 || !changed.has("pointer")) && soon(),
      run: soon,
      frame: soon,
      arrived: soon,
      moved: soon,
      close: () => clearTimeout(describer.timer),
    };
  },
});
