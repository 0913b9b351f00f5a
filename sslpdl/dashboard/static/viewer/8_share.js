// Sharing: the address of exactly this view, and files of what is on the screen, which the server makes one at a time.

const FILM_MEGABYTES = 20;

// Where the maps stand, as in the address: longitude and latitude of the centre, kilometres a pixel.
class Standpoint {
  constructor({ linked, geography, config, store }) {
    Object.assign(this, { linked, geography, store });
    // the scale is always measured over the same distance, so that the way back gives the same
    this.step = (config.bounds[2] - config.bounds[0]) / 200;
  }

  // What the maps show now, or null where they show a region as it is.
  read() {
    const { linked, geography } = this;
    if (!linked.zoomed || !linked.last) return null;
    const { x, y, scale } = linked.last;
    const [lon, lat] = geography.toLonLat(x, y);
    const km = geography.kilometresPerUnit(x, y, this.step) * scale;
    const view = [Number(lon.toFixed(7)), Number(lat.toFixed(7)), Number(km.toPrecision(8))];
    return view.every(Number.isFinite) ? view : null;
  }

  restore([lon, lat, km]) {
    const { linked, geography } = this;
    const goal = geography.toXY(lon, lat);
    let [x, y] = goal;
    // the tables there and back differ by some ten metres: find the point whose place is exactly this
    for (let k = 0; k < 5; k++) {
      const there = geography.toXY(...geography.toLonLat(x, y));
      [x, y] = [x + goal[0] - there[0], y + goal[1] - there[1]];
    }
    const scale = km / geography.kilometresPerUnit(x, y, this.step);
    if (![x, y, scale].every(Number.isFinite)) return; // beside the map: the region is shown instead
    linked.zoomed = true;
    linked.look(x, y, scale);
  }

  remember() {
    clearTimeout(this.timer);
    if (this.known === undefined) return; // what the address asked for has not been shown yet
    const view = this.read();
    if (String(view) === String(this.store.get().view)) return;
    this.known = view;
    this.store.set({ view });
  }

  // While the maps are being moved there is no need to write every step.
  moved() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.remember(), 200);
  }

  update({ view }, changed) {
    if (!changed.has("view") || view === this.known) return;
    this.known = view;
    if (view) this.restore(view);
  }
}

class SharePanel {
  constructor(viewer) {
    this.viewer = viewer;
    this.words = words.share;
    this.standpoint = new Standpoint(viewer);
    this.buttons = [];
    this.element = h("div", {}, h("h2", {}, this.words.title), this.linkPart(), this.picturePart(),
      this.filmPart(), this.dataPart(), this.progressPart());
    viewer.requests.listen("export", (message) => this.hear(message));
  }

  // ---- what is on the panel ----

  part(title, hint, ...children) {
    return h("section", {}, h("h3", {}, title), hint ? h("p", { class: "hint" }, hint) : null, children);
  }

  choice(label, options, value) {
    const select = h("select", {}, options.map(([key, text]) => h("option", { value: key }, text)));
    select.value = value;
    return [h("label", {}, h("span", {}, label), select), select];
  }

  download(label, name, order) {
    const button = h("button", { type: "button", "data-form": name, onclick: () => this.order(name, order()) }, label);
    this.buttons.push(button);
    return button;
  }

  linkPart() {
    const { address, copy, link, linkHint } = this.words;
    this.address = h("input", { type: "text", readonly: true, "aria-label": address, onfocus: () => this.address.select() });
    this.said = h("p", { class: "copied", role: "status" });
    return this.part(link, linkHint, h("div", { class: "row" }, this.address,
      h("button", { type: "button", class: "copy", onclick: () => this.copy() }, copy)), this.said);
  }

  picturePart() {
    const { resolution, resolutions, picture, pictureHint, png } = this.words;
    const [label, dpi] = this.choice(resolution, Object.entries(resolutions), "150");
    const button = this.download(png, "png", () => ({ dpi: Number(dpi.value) }));
    return this.part(picture, pictureHint, h("div", { class: "row" }, label, button));
  }

  filmPart() {
    const { lead_times: leads } = this.viewer.config;
    const options = leads.map((lead) => [lead, leadLabel(lead)]);
    const [first, from] = this.choice(this.words.from, options, leads[0]);
    const [last, to] = this.choice(this.words.to, options, leads.at(-1));
    const [speed, fps] = this.choice(this.words.speed, [1, 2, 4, 8].map((n) => [n, this.words.perSecond(n)]), 4);
    const button = this.download(this.words.gif, "gif", () => ({
      first: Number(from.value),
      last: Number(to.value),
      fps: Number(fps.value),
    }));
    return this.part(this.words.film, this.words.filmHint(FILM_MEGABYTES), h("div", { class: "row" }, first, last, speed, button));
  }

  dataPart() {
    const { lead, whole, data, dataHint, netcdf, csv } = this.words;
    const [label, span] = this.choice(lead, [["whole", whole], ["current", ""]], "whole");
    this.current = span.lastChild;
    const button = this.download(netcdf, "netcdf", () => this.span(span.value));
    this.cellsText = h("span");
    this.pointText = h("span");
    this.cells = this.download(csv, "region", () => ({}));
    this.point = this.download(csv, "point", () => ({}));
    return this.part(data, dataHint, h("div", { class: "row" }, label, button),
      h("div", { class: "row line" }, this.cellsText, this.cells), h("div", { class: "row line" }, this.pointText, this.point));
  }

  span(which) {
    const { lead_times: leads } = this.viewer.config;
    const lead = leads[this.viewer.store.get().lead];
    return which === "whole" ? { first: leads[0], last: leads.at(-1) } : { first: lead, last: lead };
  }

  progressPart() {
    this.state = h("span");
    this.bar = h("progress", { hidden: true, "aria-label": this.words.working });
    this.stop = h("button", { type: "button", hidden: true, onclick: () => this.cancel() }, this.words.cancel);
    this.progress = h("div", { class: "progress", role: "status", hidden: true }, this.state, this.bar, this.stop);
    return this.progress;
  }

  // ---- following the page ----

  update(state, changed) {
    this.standpoint.update(state, changed);
    const pointerOnly = changed.size === 1 && changed.has("pointer");
    if (state.drawer !== "share" || state.playing || pointerOnly) return;
    const { config } = this.viewer;
    this.address.value = this.link();
    setText(this.current, this.words.current(leadLabel(config.lead_times[state.lead])));
    const region = [...this.viewer.controls.regions.options].find((option) => option.value === state.region)?.text;
    this.offer(this.cells, this.cellsText, this.words.cells(region ?? words.wholeGrid));
    const place = this.place();
    this.offer(this.point, this.pointText, place ? this.words.point(placeLabel(place)) : this.words.noPoint);
    this.allow();
  }

  offer(button, element, text) {
    setText(element, text);
    button.setAttribute("aria-label", this.words.csvFor(text));
  }

  allow() {
    for (const button of this.buttons) button.disabled = this.busy || (button === this.point && !this.place());
  }

  // The chosen place; that of the address where no part of the page lets one choose another.
  place() {
    const state = this.viewer.store.get();
    const place = "point" in state ? state.point : this.viewer.model.start.point;
    return place?.length === 2 ? [place[0], place[1]] : null;
  }

  link() {
    this.standpoint.remember();
    const link = new URL(this.viewer.address(), location.href);
    // a colleague gets the maps, not this panel
    if (link.searchParams.get("drawer") === "share") link.searchParams.delete("drawer");
    return link.href;
  }

  async copy() {
    this.address.value = this.link();
    try {
      await navigator.clipboard.writeText(this.address.value);
      setText(this.said, this.words.copied);
    } catch {
      // there is no clipboard for pages without encryption, as on many closed networks; an older way may still work
      this.address.focus();
      this.address.select();
      setText(this.said, document.execCommand("copy") ? this.words.copied : this.words.selected);
    }
  }

  // ---- orders ----

  async order(form, more) {
    const { store, config, linked } = this.viewer;
    const state = store.get();
    const { left, bottom, right, top } = linked.view;
    this.busy = true;
    this.show(this.words.waiting(0));
    try {
      const taken = await this.viewer.requests.ask("export", {
        form,
        init: state.init,
        lead: config.lead_times[state.lead],
        threshold: config.thresholds[state.threshold] ?? null,
        region: state.region,
        window: linked.zoomed ? [left, bottom, right, top] : null,
        palette: state.palette,
        panels: this.viewer.contents.shown,
        overlays: state.overlays,
        point: this.place(),
        language: this.words.language,
        ...more,
      });
      if (this.busy && this.bar.hidden) this.show(this.words.waiting(taken.ahead), { stop: true });
    } catch (problem) {
      this.end(problem.message);
    }
  }

  hear(message) {
    if (message.state === "working") {
      this.busy = true;
      const { done, total } = message;
      this.show(total > 1 ? this.words.parts(done, total) : this.words.working, { done, total, stop: true });
    } else if (message.state === "done") {
      this.save(message);
      const note = message.note ? ` ${message.note}` : "";
      this.end(this.words.done(message.name, this.words.bytes(message.content.byteLength)) + note);
    } else this.end(problemText(message) || this.words.cancelled);
  }

  save({ name, type, content }) {
    const address = URL.createObjectURL(new Blob([content], { type }));
    const link = h("a", { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60e3);
  }

  cancel() {
    this.stop.disabled = true;
    this.viewer.requests.ask("export-cancel");
  }

  show(text, { done = 0, total = 0, stop = false } = {}) {
    this.progress.hidden = false;
    setText(this.state, text);
    this.bar.hidden = total < 2;
    if (total > 1) Object.assign(this.bar, { max: total, value: done });
    this.stop.hidden = !stop;
    this.stop.disabled = false;
    this.allow();
  }

  end(text) {
    this.busy = false;
    this.show(text);
  }

  close() {
    clearTimeout(this.standpoint.timer);
  }
}

feature({
  name: "share",
  title: () => words.share.tab,
  initial: (start) => ({ view: start.view?.length === 3 ? [...start.view] : null }),
  address: { view: (view) => (view ? view.join(",") : "") },
  create: (viewer) => {
    const panel = new SharePanel(viewer);
    return {
      element: panel.element,
      draw: (state, changed) => panel.update(state, changed),
      moved: () => panel.standpoint.moved(),
      close: () => panel.close(),
    };
  },
});
