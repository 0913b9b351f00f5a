// The page: one store, one drawing function per concern, and no message to the server but for another run.

class Viewer {
  // `state`: what the store begins with beyond the address, as when the page is built again in another language.
  constructor(model, maps, requests, state = {}) {
    this.model = model;
    this.requests = requests;
    this.config = model.config;
    const start = model.start;
    const language = state.language ?? chosenLanguage(start.language);
    speak(languageOf(language));
    this.cells = this.config.rows * this.config.columns;
    this.geography = new Geography(this.config.tables);
    this.tables = new Map(this.config.palettes.map((p) => [p.name, classTable(p, this.config.rain_code, 16)]));
    this.probabilityTable = classTable(this.config.probability_palette, this.config.probability_code, 8);
    this.store = createStore({
      init: start.init_time,
      lead: Math.max(0, this.config.lead_times.indexOf(start.lead_time)),
      threshold: Math.max(0, this.config.thresholds.indexOf(start.threshold)),
      palette: start.palette,
      region: start.region,
      playing: false,
      fps: 4,
      loop: true,
      pointer: null,
      language,
      theme: chosenTheme(start.theme),
      drawer: start.drawer,
      ...Object.assign({}, ...FEATURES.map((part) => part.initial(start, this.config))),
      ...state,
    });
    this.cards = MAP_NAMES.map((name) => new MapCard(name, maps[name]));
    requests.library ??= new Library(requests, this.config);
    this.library = requests.library;
    this.library.arrived = () => {
      this.drawMaps();
      for (const part of this.parts) part.arrived?.();
    };
    this.contents = new Contents(this);
    this.actions = this.makeActions();
    this.controls = new Controls(this.store, this.config, this.actions);
    this.header = new Header(this.config, this.actions);
    this.footer = footer(this.config);
    this.main = h("main", { class: "maps", "aria-label": words.maps, tabindex: -1 }, this.cards.map((card) => card.card));
    this.linked = new LinkedView(this.cards, this.config, this.geography);
    this.linked.moved = () => {
      this.root.classList.toggle("zoomed", this.linked.zoomed);
      this.drawPointer();
      for (const part of this.parts) part.moved?.();
    };
    this.parts = FEATURES.map((part) => ({ ...part, ...part.create(this) }));
    this.drawer = new Drawer(this.store, this.parts);
    this.controls.element.append(this.drawer.list);
    this.help = helpDialog();
    this.root = h("div", { class: "app" }, this.header.element, this.controls.element,
      h("div", { class: "stage" }, this.main, this.drawer.element), this.footer.element, this.help);
    this.look = new Look(this.root, this.cards.flatMap((card) => card.figure ?? []), this.config.covered);
    this.look.repainted = () => this.drawPalette();
    this.cards[0].body.append(this.mapButtons());
    this.legends = new ResizeObserver((entries) => entries.forEach(({ target }) => thinNumbers(target)));
    for (const { legend } of this.cards) this.legends.observe(legend);
    this.store.listen((_, changed) => this.draw(changed));
    this.stopListening = listenToKeys(this.actions);
    for (const { element } of [this.header, this.controls]) releaseFocus(element);
    for (const { body } of this.cards)
      listenToPointer(
        body,
        (event) => this.store.set({ pointer: { ...this.linked.locate(event, body), body } }),
        () => this.store.set({ pointer: null }),
      );
    this.receive();
    this.draw(new Set(Object.keys(this.store.get())));
  }

  close() {
    this.store.set({ playing: false });
    clearTimeout(this.addressTimer);
    this.stopListening();
    this.linked.close();
    this.legends.disconnect();
    this.look.close();
    this.requests.silence();
    for (const part of this.parts) part.close?.();
  }

  makeActions() {
    const { store } = this;
    return {
      toggle: () => store.set({ playing: !store.get().playing }),
      step: (n) => this.jump(store.get().lead + n),
      jump: (index) => this.jump(index),
      stepThreshold: (n) => {
        const last = Math.max(0, this.config.thresholds.length - 1);
        store.set({ threshold: Math.min(Math.max(store.get().threshold + n, 0), last) });
      },
      stepRun: (n) => this.stepRun(n),
      openRun: (time) => this.openRun(time),
      region: (name) => store.set({ region: name }),
      reset: () => this.linked.fit(),
      zoom: (factor) => this.linked.zoom(factor),
      help: () => this.help.showModal(),
      closeDrawer: () => this.drawer.close(),
      skip: (event) => {
        event.preventDefault();
        this.main.focus();
      },
      nextTheme: () => {
        const theme = THEMES[(THEMES.indexOf(store.get().theme) + 1) % THEMES.length];
        keep("theme", theme);
        store.set({ theme });
      },
      otherLanguage: (event) => {
        const language = spoken === "ko" ? "en" : "ko";
        const frame = this.root.parentNode;
        keep("language", language);
        this.rebuild({ language });
        // whoever came by keyboard goes on from the same button
        if (event.detail === 0) frame.querySelector(".language").focus();
      },
    };
  }

  mapButtons() {
    return h(
      "div",
      { class: "map-buttons" },
      iconButton("plus", words.zoomIn, () => this.actions.zoom(0.7)),
      iconButton("minus", words.zoomOut, () => this.actions.zoom(1 / 0.7)),
      iconButton("reset", words.reset, () => this.actions.reset()),
    );
  }

  // ---- run and frames ----

  receive() {
    const { run } = this.model;
    if (!run?.init_time) return;
    const loaded = new RunFrames(run, this.cells, this.config.thresholds.length, this.run);
    this.run = loaded;
    this.controls.drawRuler(run.qpe, run.init_time);
    for (const part of this.parts) part.run?.(loaded);
    this.draw(new Set(["init", "lead"]));
    loaded.load(this.store.get().lead, (index) => {
      if (this.run !== loaded) return;
      if (index === this.store.get().lead) this.drawMaps();
      for (const part of this.parts) part.frame?.(index);
    });
  }

  openRun(time) {
    if (!this.config.init_times.includes(time)) return;
    this.store.set({ init: time });
    this.model.send_msg({ init_time: time, lead: this.store.get().lead });
  }

  stepRun(n) {
    const { init_times: times } = this.config;
    const index = times.indexOf(this.store.get().init) + n;
    if (index >= 0 && index < times.length) this.openRun(times[index]);
  }

  jump(index) {
    const last = this.config.lead_times.length - 1;
    this.store.set({ lead: Math.min(Math.max(index, 0), last), playing: false });
  }

  region(name) {
    return this.config.regions.find((region) => region.name === name)?.bounds ?? this.config.bounds;
  }

  // ---- drawing ----

  draw(changed) {
    const state = this.store.get();
    const any = (...keys) => keys.some((key) => changed.has(key));
    this.controls.update(state);
    this.drawer.update(state);
    if (any("theme")) {
      this.look.apply(state.theme);
      this.header.showTheme(state.theme);
    }
    if (any("panels") && state.panels[3] && !this.cards[3].figure) this.model.send_msg({ kind: "fourth-map" });
    if (any("palette", "panels", "threshold")) this.drawPalette();
    if (any("init", "lead", "palette", "panels", "threshold")) this.drawMaps();
    if (any("init", "lead")) this.header.update(state, this.config);
    if (any("pointer")) this.drawPointer();
    if (any("region")) this.linked.fit(this.region(state.region));
    if (any("playing", "fps")) this.drive(state);
    for (const part of this.parts) part.draw?.(state, changed);
    this.rememberInAddress();
  }

  palette(name) {
    return this.config.palettes.find((palette) => palette.name === name) ?? this.config.palettes[0];
  }

  drawPalette() {
    this.cards.forEach((card, position) => {
      const content = this.contents.at(position);
      const palette = themed(content.palette(), this.config.missing[themeOf(this.store.get().theme)]);
      card.setPalette(palette);
      drawLegend(card.legend, palette, content.legend);
    });
  }

  // The integers under a map: { plane, table, bad } of what it shows now; no plane: null, or undefined while it comes.
  layer(name) {
    const content = this.contents.at(MAP_NAMES.indexOf(name));
    return { plane: content.plane(), table: content.table(), bad: content.palette().bad_index };
  }

  // The maps that can be seen: the fourth only where it is switched on, and has come.
  get shown() {
    return this.cards.slice(0, this.store.get().panels[3] && this.cards[3].figure ? 4 : 3);
  }

  // The fourth map has come.
  attach(map) {
    this.cards[3].attach(map);
    this.look.add(map.figure);
    this.linked.showCoast(map.figure);
    this.draw(new Set(["panels"]));
  }

  drawMaps() {
    const { lead, init } = this.store.get();
    const current = this.run?.meta.init_time === init;
    const here = current && this.run.frames[lead];
    const unreadable = current && this.run.meta.status === "unreadable";
    this.drawTitles(lead);
    for (const card of this.shown) {
      const { plane, table, bad } = here || !this.run ? this.layer(card.name) : {};
      // while a field is on its way the last picture stays, dimmed: nothing jumps
      card.card.classList.toggle("waiting", plane === undefined);
      if (plane !== undefined || !this.run) {
        classify(plane, table, card.classes, bad);
        card.mark(sparseCells(plane, this.config, card.classes, bad));
        card.hatch(missingOutlines(card.classes, bad, this.config));
        card.repaint();
      }
      const notice = () => (here ? this.contents.at(MAP_NAMES.indexOf(card.name)).notice() : words.loading);
      card.tell(unreadable ? problemText(this.run.meta) : notice());
    }
    this.drawPointer();
  }

  // Why there are no probabilities at a lead time, or "".
  probabilityNotice(lead) {
    const { meta } = this.run;
    if (meta.probability[lead]) return "";
    if (meta.status === "computing") {
      this.computingSince ??= Date.now();
      clearTimeout(this.tick);
      this.tick = setTimeout(() => this.drawMaps(), 1000);
      return words.computing(Math.round((Date.now() - this.computingSince) / 1000));
    }
    this.computingSince = null;
    return problemText(meta) || words.noProbability;
  }

  drawTitles(lead) {
    this.shown.forEach((card, position) => {
      const content = this.contents.at(position);
      setText(card.title, content.title());
      setText(card.unit, content.unit());
    });
    this.footer.setWindow(Number(plain(this.run?.meta.rain_window[lead] ?? this.config.qpe_window)));
  }

  drawPointer() {
    const { pointer } = this.store.get();
    const cell = pointer && this.cell(pointer);
    for (const card of this.shown) {
      const text = pointer?.body === card.body ? this.where(pointer, cell) : "";
      setText(card.where, text);
      card.where.hidden = !text;
      card.cross.hidden = !pointer;
      setText(card.value, cell == null ? "" : this.read(card.name, cell));
      if (pointer) {
        const [left, top] = this.linked.place(pointer);
        card.cross.style.transform = `translate(${left}px, ${top}px)`;
      }
    }
  }

  // Place and cell, as text in the corner of the map that the pointer is over.
  where(pointer, cell) {
    const lonlat = this.geography.toLonLat(pointer.x, pointer.y);
    if (!Number.isFinite(lonlat[0])) return "";
    const { columns } = this.config;
    const index = cell == null ? "" : `  ·  ${words.cell(Math.floor(cell / columns), cell % columns)}`;
    return placeLabel(lonlat) + index;
  }

  cell({ x, y }) {
    const [left, bottom, right, top] = this.config.bounds;
    const column = Math.floor(((x - left) / (right - left)) * this.config.columns);
    const row = Math.floor(((y - bottom) / (top - bottom)) * this.config.rows);
    const inside = column >= 0 && column < this.config.columns && row >= 0 && row < this.config.rows;
    return inside ? row * this.config.columns + column : null;
  }

  read(name, cell) {
    const content = this.contents.at(MAP_NAMES.indexOf(name));
    const plane = content.plane();
    if (!plane) return "–";
    return plane[cell] === content.missing ? words.noData : content.text(plane[cell]);
  }

  // ---- time, address, input ----

  drive({ playing, fps }) {
    cancelAnimationFrame(this.timer);
    if (!playing) return;
    let next = performance.now() + 1000 / fps;
    const tick = (now) => {
      this.timer = requestAnimationFrame(tick);
      if (now < next) return;
      next = Math.max(next + 1000 / fps, now);
      const { lead, loop } = this.store.get();
      const last = this.config.lead_times.length - 1;
      if (lead < last) this.store.set({ lead: lead + 1 });
      else if (loop) this.store.set({ lead: 0 });
      else this.store.set({ playing: false });
    };
    this.timer = requestAnimationFrame(tick);
  }

  rememberInAddress() {
    clearTimeout(this.addressTimer);
    if (this.store.get().playing) return;
    this.addressTimer = setTimeout(() => history.replaceState(history.state, "", this.address()), 250);
  }

  // Path and query that bring back this view.
  address() {
    const state = this.store.get();
    const query = new URLSearchParams(location.search);
    const threshold = this.config.thresholds[state.threshold];
    const set = (name, value) => (value == null || value === "" ? query.delete(name) : query.set(name, value));
    set("init", state.init);
    set("lead", this.config.lead_times[state.lead]);
    if (threshold != null) set("threshold", plain(threshold));
    set("region", state.region);
    set("palette", state.palette === this.config.palettes[0].name ? "" : state.palette);
    for (const key of ["language", "theme", "drawer"]) set(key, state[key]);
    for (const part of FEATURES)
      for (const [key, text] of Object.entries(part.address)) set(key, text(state[key], state));
    return `${location.pathname}?${query}${location.hash}`;
  }
}

export function render({ model, view }) {
  const { document: page } = view.model;
  const map = (name) => {
    const [figure, element] = [page.get_model_by_name(`map-${name}`), model.get_child(name)];
    return figure && { figure, element };
  };
  const maps = Object.fromEntries(MAP_NAMES.map((name) => [name, map(name)]));
  const requests = new Requests(model);
  const frame = h("div", { class: "viewer" });
  let viewer;
  const build = (state) => {
    viewer = new Viewer(model, maps, requests, state);
    // in another language every word is another: the page is built again around the same maps
    viewer.rebuild = (change) => {
      const { last, zoomed } = viewer.linked;
      const { pointer, playing, ...kept } = viewer.store.get();
      viewer.close();
      build({ ...kept, ...change });
      if (zoomed) Object.assign(viewer.linked, { last, zoomed });
    };
    frame.replaceChildren(viewer.root);
  };
  build({});
  model.on("run", () => viewer.receive());
  view.on_child_render("extra", () => {
    if (maps.extra) return;
    maps.extra = map("extra");
    viewer.attach(maps.extra);
    view.render_children();
  });
  model.on("lifecycle:remove", () => viewer.close());
  return frame;
}
