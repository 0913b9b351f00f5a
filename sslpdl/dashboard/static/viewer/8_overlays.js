// What is drawn over the maps: contours, wind barbs, moisture flux and gauges, the same on each.  A run comes in one
// answer for each overlay; moving in time asks nothing.

const SPACING = { barbs: 46, arrows: 40 }; // pixels between vectors
const ARROW_SAMPLE = 200; // g/kg m/s of the arrow in the key
const SAMPLE = { width: 44, height: 20 };

// With it inks stay legible on every class of the palettes.
const HALOS = { light: "rgba(255, 255, 255, .88)", dark: "rgba(8, 14, 20, .85)" };

class OverlayMenu {
  constructor(viewer) {
    const { config, store } = viewer;
    const word = words.overlays;
    this.boxes = new Map();
    const option = (name) => {
      const toggle = (event) => {
        const others = store.get().overlays.filter((other) => other !== name);
        store.set({ overlays: Object.keys(config.overlays).filter((one) => (one === name ? event.target.checked : others.includes(one))) });
      };
      const box = h("input", { type: "checkbox", value: name, onchange: toggle });
      this.boxes.set(name, box);
      return h("label", {}, box, h("span", {}, overlayName(name)));
    };
    const kinds = Object.keys(word.groups).map((kind) => [kind, Object.keys(config.overlays).filter((name) => config.overlays[name].kind === kind)]);
    const groups = kinds.filter(([, names]) => names.length).map(([kind, names]) =>
      h("fieldset", {}, h("legend", {}, word.groups[kind]), names.map(option)));
    this.none = h("button", { type: "button", class: "plain", onclick: () => store.set({ overlays: [] }) }, word.none);
    this.menu = h("div", { class: "overlay-menu", id: "overlay-menu", role: "group", "aria-label": word.menu, hidden: true }, groups, this.none);
    this.button = h("button", { type: "button", class: "menu-button", "aria-expanded": "false", "aria-controls": "overlay-menu",
      onclick: () => this.open(this.menu.hidden) });
    this.element = h("div", { class: "group overlays" }, this.button, this.menu);
    this.listen();
  }

  listen() {
    // several may be chosen in turn: the keyboard stays where it is
    this.menu.addEventListener("change", (event) => event.stopPropagation());
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.menu.hidden) return;
      event.stopPropagation();
      this.open(false);
      this.button.focus();
    });
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.element.contains(relatedTarget)) this.open(false);
    });
    this.outside = (event) => event.composedPath().includes(this.element) || this.open(false);
    document.addEventListener("pointerdown", this.outside);
  }

  open(yes) {
    this.menu.hidden = !yes;
    this.button.setAttribute("aria-expanded", String(yes));
  }

  show(chosen) {
    for (const [name, box] of this.boxes) box.checked = chosen.includes(name);
    setText(this.button, words.overlays.button(chosen.length));
    this.button.classList.toggle("used", chosen.length > 0);
    this.none.disabled = !chosen.length;
  }

  close() {
    document.removeEventListener("pointerdown", this.outside);
  }
}

class Overlays {
  constructor(viewer) {
    this.viewer = viewer;
    this.menu = new OverlayMenu(viewer);
    this.canvases = viewer.cards.map(() => h("canvas", { class: "overlay", "aria-hidden": "true" }));
    this.key = h("div", { class: "overlay-key", role: "note", "aria-label": words.overlays.key, hidden: true });
    this.valid = h("span", { class: "valid-at" });
    this.gaugeClasses = new Uint8Array(viewer.cells);
    this.themeChanged = () => {
      this.drawKey();
      this.draw();
    };
    DARK.addEventListener("change", this.themeChanged);
    this.drawKey();
  }

  close() {
    this.menu.close();
    DARK.removeEventListener("change", this.themeChanged);
  }

  get state() {
    return this.viewer.store.get();
  }

  kind(name) {
    return this.viewer.config.overlays[name].kind;
  }

  // { frames, problem, ... } of an overlay, undefined while it is on its way.
  entry(name) {
    return this.kind(name) === "gauges" ? { frames: [], problem: "" } : this.viewer.library.overlay(this.state.init, name);
  }

  // ---- drawing ----

  draw() {
    const { overlays, init, lead } = this.state;
    this.key.hidden = !overlays.length;
    if (!overlays.length) return this.canvases.forEach((canvas) => canvas.remove());
    this.viewer.shown.forEach(({ picture }, k) => this.canvases[k].isConnected || picture.after(this.canvases[k]));
    this.look();
    const [first, ...others] = this.canvases;
    const context = this.cleared(first);
    const vectors = overlays.filter((name) => this.kind(name) in SPACING);
    const taken = this.towns();
    const drawn = overlays.map((name) => {
      const entry = this.entry(name);
      const frame = this.kind(name) === "gauges" ? this.gaugePlane() : entry?.frames?.[lead];
      if (frame) this[this.kind(name)](context, name, frame, { ...entry, taken, shift: vectors.indexOf(name) / vectors.length });
      return [name, entry, frame];
    });
    // the maps show the same part of the world in the same size: what is drawn once is copied
    this.viewer.shown.slice(1).forEach((_, k) => {
      const copy = this.cleared(others[k]);
      copy.setTransform(1, 0, 0, 1, 0, 0);
      copy.drawImage(first, 0, 0);
    });
    for (const one of drawn) this.tell(...one);
    setText(this.valid, words.validAt(moment(utc(init) + this.viewer.config.lead_times[lead] * HOUR)));
  }

  // The view in pixels, measured once: asking the page for its layout again and again would be slow.
  look() {
    const { size, view } = this.viewer.linked;
    Object.assign(this, { size, view, scale: (view.top - view.bottom) / size[1] });
  }

  place(x, y) {
    return [(x - this.view.left) / this.scale, (this.view.top - y) / this.scale];
  }

  // Where names of places may stand, so that no label of a contour hides behind one.
  towns() {
    const { places } = this.viewer.config;
    return places.x.map((x, k) => {
      const [left, top] = this.place(x, places.y[k]);
      return { x: left + 24, y: top - 7 };
    });
  }

  cleared(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [columns, rows] = this.size.map((length) => Math.round(length * ratio));
    if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, columns, rows);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  }

  ink(name) {
    const theme = themeOf(this.state.theme);
    return { ink: this.viewer.config.overlays[name].ink[theme], halo: HALOS[theme] };
  }

  contours(context, name, lines, { bold, taken }) {
    const [thin, thick] = [newShapes(), newShapes()];
    const { left, top } = this.view;
    for (const { value, x, y } of lines) {
      const shapes = bold && value % bold === 0 ? thick : thin;
      const [xs, ys] = [x.map((place) => (place - left) / this.scale), y.map((place) => (top - place) / this.scale)];
      addContour(shapes, xs, ys);
      addLabels(shapes, xs, ys, plain(value), taken, this.size);
    }
    const { dash } = this.viewer.config.overlays[name];
    inkShapes(context, thin, { ...this.ink(name), width: 1.2, dash });
    inkShapes(context, thick, { ...this.ink(name), width: 2.2, dash });
  }

  vectors(context, name, frame, about, add) {
    const shapes = newShapes();
    const spacing = SPACING[this.kind(name)] * this.scale;
    for (const { x, y, u, v } of vectorsInView(frame, about, this.view, spacing)) add(shapes, ...this.place(x, y), u, v);
    inkShapes(context, shapes, this.ink(name));
  }

  barbs(context, name, frame, about) {
    this.vectors(context, name, frame, about, addBarb);
  }

  arrows(context, name, frame, about) {
    this.vectors(context, name, frame, about, addArrow);
  }

  // QPE of the lead time that is shown, null where there is none.
  gaugePlane() {
    const { run } = this.viewer;
    return run?.meta.init_time === this.state.init ? run.frames[this.state.lead]?.qpe : null;
  }

  gauges(context, name, plane) {
    const { viewer } = this;
    const palette = viewer.palette(this.state.palette);
    classify(plane, viewer.tables.get(palette.name), this.gaugeClasses, palette.bad_index);
    const found = sparseCells(plane, viewer.config, this.gaugeClasses, palette.bad_index);
    const marks = found.x.map((x, k) => {
      const [left, top] = this.place(x, found.y[k]);
      return { x: left, y: top, colour: palette.hex[found.class[k]] };
    });
    inkMarks(context, marks, this.ink(name));
  }

  // ---- the key ----

  // What each overlay is, with a sample of it; again when others are chosen or the colours change.
  drawKey() {
    this.notes = new Map();
    const items = this.state.overlays.map((name) => {
      const text = h("span");
      this.notes.set(name, text);
      return h("span", { class: "sample-of", "data-overlay": name }, this.sample(name), text);
    });
    this.key.replaceChildren(...items, this.valid);
  }

  tell(name, entry, frame) {
    const word = words.overlays;
    const note = !entry ? word.loading : entry.problem || (frame ? "" : word.absent);
    setText(this.notes.get(name), [this.describe(name, entry), note].filter(Boolean).join(" · "));
  }

  describe(name, entry) {
    const word = words.overlays;
    const kind = this.kind(name);
    const first = this.state.overlays.find((other) => this.kind(other) === kind);
    if (kind === "barbs") return name === first ? word.barbs(overlayName(name)) : overlayName(name);
    if (kind === "arrows") return word.arrows(overlayName(name), ARROW_SAMPLE);
    if (kind === "gauges") return word.marks;
    if (!entry?.interval) return overlayName(name);
    const { units } = this.viewer.config.overlays[name];
    return [word.contour(overlayName(name), plain(entry.interval), units), entry.bold && word.bold(plain(entry.bold))].filter(Boolean).join(", ");
  }

  sample(name) {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = SAMPLE;
    const canvas = h("canvas", { width: width * ratio, height: height * ratio, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const shapes = newShapes();
    const middle = height / 2;
    const kind = this.kind(name);
    if (kind === "gauges") inkMarks(context, [{ x: width / 2, y: middle, colour: this.ink(name).halo }], this.ink(name));
    else if (kind === "contours") addContour(shapes, [4, width - 4], [middle, middle]);
    else if (kind === "barbs") addBarb(shapes, width - 8, height - 5, 65 * KNOT, 0);
    else addArrow(shapes, width / 2, middle, ARROW_SAMPLE, 0);
    inkShapes(context, shapes, { ...this.ink(name), dash: this.viewer.config.overlays[name].dash });
    return canvas;
  }
}

feature({
  name: "overlays",
  initial: (start, config) => ({ overlays: Object.keys(config.overlays).filter((name) => start.overlays?.includes(name)) }),
  address: { overlays: (chosen) => chosen.join(",") },
  create(viewer) {
    const part = new Overlays(viewer);
    if (Object.keys(viewer.config.overlays).length) viewer.controls.element.append(part.menu.element);
    viewer.main.prepend(part.key);
    return {
      draw(state, changed) {
        if (changed.has("overlays")) part.menu.show(state.overlays);
        if (changed.has("overlays") || changed.has("theme")) part.drawKey();
        if (["overlays", "init", "lead", "theme", "palette", "panels"].some((key) => changed.has(key))) part.draw();
      },
      run: () => part.draw(),
      frame: () => part.draw(),
      arrived: () => part.draw(),
      moved: () => part.draw(),
      close: () => part.close(),
    };
  },
});
