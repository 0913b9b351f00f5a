// The linked maps: their Bokeh models, the view they share, and what is written over them.

const MAP_NAMES = ["nwp", "probability", "qpe", "extra"];

// One map: a card with a title, a value under the pointer, the figure and its legend.
class MapCard {
  constructor(name, map) {
    this.name = name;
    this.title = h("h2", { id: `title-${name}` });
    this.unit = h("p", { class: "unit" });
    this.value = h("output", { class: "value", "aria-live": "off" });
    this.notice = h("div", { class: "notice", hidden: true });
    this.cross = h("div", { class: "cross", hidden: true });
    this.where = h("output", { class: "where", hidden: true, "aria-live": "off" });
    this.labels = h("div", { class: "labels", "aria-hidden": "true" });
    this.legend = h("div", { class: "legend" });
    this.body = h("div", { class: "map" }, this.labels, this.cross, this.where, this.notice);
    const header = h("header", {}, h("div", { class: "names" }, this.title, this.unit), this.value);
    this.card = h("article", { class: "card", "data-map": name, "aria-labelledby": this.title.id, hidden: name === "extra" }, header, this.body, this.legend);
    if (map) this.attach(map);
  }

  // Takes in the figure and its element; the fourth map comes when it is wanted first.
  attach({ figure, element }) {
    const named = (kind) => figure.document.get_model_by_name(`${kind}-${this.name}`);
    [this.image, this.points, this.missing, this.colours] = ["image", "points", "missing", "colours"].map(named);
    this.figure = figure;
    this.picture = element; // an image to those who cannot see it, with a name that says what it shows
    element.setAttribute("role", "img");
    this.body.prepend(element);
  }

  get classes() {
    return this.image.data.image[0];
  }

  repaint() {
    this.image.change.emit();
  }

  mark(data) {
    this.points?.setv({ data }, { sync: false });
  }

  // Outlines of what is missing, joined with NaN; they seldom change with time.
  hatch({ x, y }) {
    const { xs: [xs = []], ys: [ys = []] } = this.missing.data;
    const same = xs.length === x.length && x.every((value, k) => Object.is(value, xs[k]) && Object.is(y[k], ys[k]));
    if (!same) this.missing.setv({ data: x.length ? { xs: [x], ys: [y] } : { xs: [], ys: [] } }, { sync: false });
  }

  setPalette(palette) {
    const range = { low: -0.5, high: palette.hex.length - 0.5 };
    this.colours?.setv({ palette: palette.hex, ...range }, { sync: false });
  }

  tell(message) {
    setText(this.notice, message);
    this.notice.hidden = !message;
  }
}

// The view: one centre and one scale for all maps; pixels are square whatever the shape of the window.
class LinkedView {
  constructor(cards, config, geography) {
    this.cards = cards;
    this.geography = geography;
    this.fineCoast = config.fine_coast;
    this.box = config.bounds;
    this.places = config.places;
    this.margin = 1.03;
    const { figure } = cards[0];
    [this.x, this.y] = [figure.x_range, figure.y_range];
    this.graticule = figure.document.get_model_by_name("graticule-lines");
    const land = figure.document.get_model_by_name("land");
    land.setv({ data: splitRings(config.land.map(flat)) }, { sync: false });
    this.zoomed = false;
    this.pending = false;
    this.scale = h("div", { class: "scale" }, h("span"));
    cards[0].body.append(this.scale);
    // what was not done by `look` was done by hand, with the pointer
    this.byHand = () => {
      if (this.adjusting) return;
      this.zoomed = true;
      this.changed();
    };
    for (const range of [this.x, this.y]) range.change.connect(this.byHand);
    this.observer = new ResizeObserver(() => this.onResized());
    this.observer.observe(cards[0].body);
  }

  close() {
    this.observer.disconnect();
    for (const range of [this.x, this.y]) range.change.disconnect(this.byHand);
  }

  get size() {
    const { width, height } = this.cards[0].body.getBoundingClientRect();
    return [Math.max(1, width), Math.max(1, height)];
  }

  get view() {
    return { left: this.x.start, right: this.x.end, bottom: this.y.start, top: this.y.end };
  }

  get unitsPerPixel() {
    return (this.y.end - this.y.start) / this.size[1];
  }

  get kilometresPerPixel() {
    const { left, right, bottom, top } = this.view;
    const step = (right - left) / 200;
    return this.geography.kilometresPerUnit((left + right) / 2, (bottom + top) / 2, step) * this.unitsPerPixel;
  }

  look(x, y, unitsPerPixel) {
    const [width, height] = this.size;
    const [dx, dy] = [(unitsPerPixel * width) / 2, (unitsPerPixel * height) / 2];
    this.adjusting = true;
    // moving is a matter of this browser alone: the server is not told
    this.x.setv({ start: x - dx, end: x + dx }, { sync: false });
    this.y.setv({ start: y - dy, end: y + dy }, { sync: false });
    this.adjusting = false;
    this.changed();
  }

  fit(box = this.box) {
    const [width, height] = this.size;
    this.box = box;
    const scale = Math.max((box[2] - box[0]) / width, (box[3] - box[1]) / height) * this.margin;
    this.zoomed = false;
    this.look((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, scale);
  }

  zoom(factor) {
    const { left, right, bottom, top } = this.view;
    this.zoomed = true;
    this.look((left + right) / 2, (bottom + top) / 2, this.unitsPerPixel * factor);
  }

  onResized() {
    if (!this.zoomed || !this.last) return this.fit();
    this.look(this.last.x, this.last.y, this.last.scale);
  }

  changed() {
    const { left, right, bottom, top } = this.view;
    this.last = { x: (left + right) / 2, y: (bottom + top) / 2, scale: this.unitsPerPixel };
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.drawCoast();
      this.drawGraticule();
      this.drawScale();
      this.moved?.();
    });
  }

  // The fine coastline where its details can be seen.
  drawCoast() {
    const fine = this.kilometresPerPixel < 1.1;
    if (fine === this.fine) return;
    this.fine = fine;
    if (fine && this.fineCoast) {
      const [x, y] = this.fineCoast.map(flat);
      this.cards[0].figure.document.get_model_by_name("fine-coast").setv({ data: { x, y } }, { sync: false });
      this.fineCoast = null;
    }
    for (const { figure } of this.cards) if (figure) this.showCoast(figure);
  }

  showCoast(figure) {
    for (const renderer of figure.renderers)
      if (renderer.name?.startsWith("coastline"))
        renderer.setv({ visible: (renderer.name === "coastline-fine") === this.fine }, { sync: false });
  }

  drawGraticule() {
    const lines = this.geography.graticule(this.view, 3);
    const key = JSON.stringify(lines.x.slice(0, 3).concat(lines.x.length, lines.step, lines.y[0], lines.y.at(-2)));
    if (key !== this.drawn) {
      this.graticule.setv({ data: { x: lines.x, y: lines.y } }, { sync: false });
      this.drawn = key;
    }
    const texts = [...edgeLabels(lines.labels, this), ...placeLabels(this.places, this)];
    for (const { labels } of this.cards) labels.replaceChildren(...texts.map((text) => text.cloneNode(true)));
  }

  drawScale() {
    const perPixel = this.kilometresPerPixel;
    this.scale.hidden = !Number.isFinite(perPixel);
    if (this.scale.hidden) return;
    const length = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1].find((km) => km / perPixel <= 110) ?? 1;
    this.scale.style.width = `${length / perPixel}px`;
    setText(this.scale.firstChild, `${length} km`);
  }

  // Map coordinates of a pointer event over a map's body.
  locate(event, body) {
    const area = body.getBoundingClientRect();
    const scale = this.unitsPerPixel;
    return {
      x: this.x.start + (event.clientX - area.left) * scale,
      y: this.y.end - (event.clientY - area.top) * scale,
    };
  }

  // Pixels from the upper left corner of a map's body.
  place({ x, y }) {
    const scale = this.unitsPerPixel;
    return [(x - this.x.start) / scale, (this.y.end - y) / scale];
  }
}
