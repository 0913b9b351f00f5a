// The chosen point: marked on all maps, its values, its meteogram and a table of them.

addWords({
  en: { meteogram: {
    point: "Point",
    placeOrCoordinates: "Place or latitude, longitude",
    placeExample: "Seoul or 37.57, 126.98",
    show: "Show",
    forget: "Remove the mark",
    placeName: (place) => place.name,
    unknownPlace: (text) => `“${text}” is neither a place that is known here nor a latitude and longitude such as 37.57, 126.98.`,
    outsideGrid: "This place lies outside the grid of the forecast.",
    noPoint: "Click on a map, or type a place, to see the forecast of its cell for all lead times. On a map that has the focus, Enter takes its middle and Shift with the arrow keys goes from cell to cell.",
    mapKeys: "Enter chooses the cell in the middle, Shift with an arrow key the next one.",
    unnamed: "Chosen point",
    near: (name, distance) => `${name}, ${distance} away`,
    toCentre: (distance) => `centre ${distance} away`,
    blocks: (factor) => `The grid is shown in blocks of ${factor} × ${factor} cells: every value is the largest of its block.`,
    gauge: "Gauge",
    gaugeAt: (distance, row, column) => `QPE is of single gauges here: the nearest is ${distance} away, in row ${row}, column ${column}.`,
    noGauge: (distance) => `QPE is of single gauges here, and none lies within ${distance} km.`,
    missing: "no data",
    bands: "P(≥ mm)",
    meteogramOf: (place) => `Meteogram of ${place}; the table below has its values`,
    absent: (name, count, all) => (count === all ? `No ${name} at any lead time.` : `No ${name} at ${count} of ${all} lead times.`),
    arriving: (count, all) => `${count} of ${all} lead times are still on their way.`,
    beingComputed: "The probabilities are being computed.",
    probabilities: "probabilities",
    table: "Values as a table",
    tableCaption: (place, run) => `${place}: run ${run} UTC. “–” is missing.`,
    copy: "Copy the table",
    copied: "Copied",
    notCopied: "The browser did not let the table be copied; it is selected now.",
    cellShort: (row, column) => `row ${row}, column ${column}`,
  } },
  ko: { meteogram: {
    point: "지점",
    placeOrCoordinates: "지명 또는 위도, 경도",
    placeExample: "서울 또는 37.57, 126.98",
    show: "보기",
    forget: "지점 표시 지우기",
    placeName: (place) => place.name_ko,
    unknownPlace: (text) => `“${text}”은(는) 등록된 지명이 아니며 37.57, 126.98과 같은 위도·경도도 아닙니다.`,
    outsideGrid: "이 지점은 예보 격자 밖에 있습니다.",
    noPoint: "지도를 누르거나 지명을 입력하면 해당 격자의 모든 선행시간 예보를 볼 수 있습니다. 지도에 초점이 있을 때 Enter는 가운데 격자를, Shift와 화살표 키는 이웃 격자를 고릅니다.",
    mapKeys: "Enter: 가운데 격자 선택, Shift+화살표: 이웃 격자로 이동",
    unnamed: "선택 지점",
    near: (name, distance) => `${name}에서 ${distance}`,
    toCentre: (distance) => `격자 중심까지 ${distance}`,
    blocks: (factor) => `격자를 ${factor} × ${factor}개씩 묶어 표시하며, 모든 값은 묶음 안의 최댓값입니다.`,
    gauge: "우량계",
    gaugeAt: (distance, row, column) => `이곳의 QPE는 우량계 관측값입니다. 가장 가까운 우량계는 ${distance} 떨어진 ${row}행 ${column}열에 있습니다.`,
    noGauge: (distance) => `이곳의 QPE는 우량계 관측값이며, ${distance} km 이내에 우량계가 없습니다.`,
    missing: "자료 없음",
    bands: "P(≥ mm)",
    meteogramOf: (place) => `${place} 시계열, 값은 아래 표에 있습니다`,
    absent: (name, count, all) => (count === all ? `모든 선행시간에 ${name} 자료가 없습니다.` : `선행시간 ${all}개 중 ${count}개에 ${name} 자료가 없습니다.`),
    arriving: (count, all) => `선행시간 ${all}개 중 ${count}개를 받는 중입니다.`,
    beingComputed: "강수확률을 계산하고 있습니다.",
    probabilities: "강수확률",
    table: "값을 표로 보기",
    tableCaption: (place, run) => `${place}: 초기시각 ${run} UTC. “–”는 자료 없음.`,
    copy: "표 복사",
    copied: "복사했습니다",
    notCopied: "브라우저가 복사를 허용하지 않아 표를 선택해 두었습니다.",
    cellShort: (row, column) => `${row}행 ${column}열`,
  } },
});

const GAUGE_REACH = 10; // km
const NAME_REACH = 20; // km

const distanceText = (km) => (km < 10 ? `${km.toFixed(1)} km` : `${Math.round(km)} km`);

// Kept to a metre, so that the address gives the same cell again.
const roundPoint = ([lon, lat]) => [Number(lon.toFixed(5)), Number(lat.toFixed(5))];

class Point {
  constructor(viewer) {
    this.viewer = viewer;
    this.config = viewer.config;
    this.store = viewer.store;
    this.gauges = new WeakMap();
    this.earth = exactProjection(this.config.projection ?? "", this.config.bounds[0]) ?? viewer.geography;
    this.gazetteer = new Gazetteer(this.config.known_places);
    this.meteogram = new Meteogram((index) => viewer.actions.jump(index));
    this.marks = new PointMarks(viewer, this);
    this.panel = new PointPanel(this);
    this.element = this.panel.element;
  }

  // ---- where ----

  // Cell of a place in degrees with its centre and the way there, or null outside the grid.
  locate(point) {
    const [x, y] = this.earth.toXY(...point);
    const { columns } = this.config;
    const cell = this.viewer.cell({ x, y });
    if (cell == null) return null;
    const found = { x, y, cell, row: Math.floor(cell / columns), column: cell % columns };
    found.centre = this.centre(cell);
    found.distance = greatCircle(point, found.centre);
    return found;
  }

  centre(cell) {
    const { bounds: [left, bottom, right, top], rows, columns } = this.config;
    const row = Math.floor(cell / columns);
    return this.earth.toLonLat(
      left + (((cell % columns) + 0.5) / columns) * (right - left),
      bottom + ((row + 0.5) / rows) * (top - bottom),
    );
  }

  // Chooses a place in degrees; false outside the grid.
  choose(lonlat, { open = true } = {}) {
    const point = roundPoint(lonlat);
    if (!point.every(Number.isFinite) || !this.locate(point)) return false;
    this.store.set({ point, ...(open ? { drawer: "point" } : {}) });
    return true;
  }

  chooseAt({ x, y }) {
    return this.choose(this.earth.toLonLat(x, y));
  }

  // Goes to the centre of a neighbouring cell, or begins in the middle of the view.
  step(columns, rows) {
    const { point } = this.store.get();
    const at = point && this.locate(point);
    if (!at) return this.chooseMiddle();
    const [row, column] = [at.row + rows, at.column + columns];
    if (row < 0 || row >= this.config.rows || column < 0 || column >= this.config.columns) return false;
    return this.choose(this.centre(row * this.config.columns + column));
  }

  chooseMiddle() {
    const { left, right, bottom, top } = this.viewer.linked.view;
    return this.chooseAt({ x: (left + right) / 2, y: (bottom + top) / 2 });
  }

  // What somebody typed; returns a sentence where it leads nowhere.
  chooseText(text) {
    const place = this.gazetteer.find(text);
    const lonlat = place ? [place.lon, place.lat] : parseCoordinates(text);
    if (!lonlat) return words.meteogram.unknownPlace(text.trim());
    return this.choose(lonlat) ? "" : words.meteogram.outsideGrid;
  }

  name(point) {
    const nearest = this.gazetteer.nearest(point);
    if (!nearest || nearest.distance > NAME_REACH) return words.meteogram.unnamed;
    const name = words.meteogram.placeName(nearest.place);
    return nearest.distance < 0.05 ? name : words.meteogram.near(name, distanceText(nearest.distance));
  }

  // ---- what ----

  // Frames of the run that the page is at; none while another is on its way.
  get frames() {
    const { run } = this.viewer;
    return run?.meta.init_time === this.store.get().init ? run.frames : [];
  }

  read(plane, cell, code) {
    return plane && plane[cell] !== code.missing ? Math.round(plane[cell] * code.unit * 100) / 100 : null;
  }

  // Cells of the QPE of a frame, where these are few enough to be gauges; else null.
  gaugesOf(frame) {
    if (!this.gauges.has(frame)) {
      const { missing } = this.config.rain_code;
      const { qpe } = frame;
      const cells = [];
      for (let k = 0; k < qpe.length && cells.length < 0.02 * qpe.length; k++) if (qpe[k] !== missing) cells.push(k);
      this.gauges.set(frame, cells.length && cells.length < 0.02 * qpe.length ? cells : null);
    }
    return this.gauges.get(frame);
  }

  // The nearest cell with a gauge: { cell, distance } or {} where QPE is of gauges but none is near; null for fields.
  gauge(at) {
    const sparse = this.frames.filter((frame) => frame?.qpe).map((frame) => this.gaugesOf(frame));
    if (!sparse.some(Boolean) || sparse.includes(null)) return null;
    let found = {};
    for (const cell of new Set(sparse.flat())) {
      const distance = greatCircle(at.centre, this.centre(cell));
      if (distance <= GAUGE_REACH && !(distance >= found.distance)) found = { cell, distance };
    }
    return found;
  }

  // Everything that is known about a cell: one slot for each lead time, null where missing, undefined where not here yet.
  series(point, at) {
    const { lead_times: leads, thresholds, rain_code: rain, probability_code: chance, columns } = this.config;
    const start = utc(this.store.get().init);
    const { frames } = this;
    const meta = this.viewer.run?.meta;
    const gauge = this.gauge(at);
    const observed = gauge?.cell ?? at.cell;
    const slots = leads.map((lead, k) => {
      const hours = Math.min(meta?.rain_window?.[k] ?? this.config.qpe_window, k ? lead - leads[k - 1] : Infinity);
      const slot = { lead, to: start + lead * HOUR, from: start + (lead - hours) * HOUR };
      const frame = frames[k];
      if (!frame) return slot;
      slot.nwp = this.read(frame.nwp, at.cell, rain);
      slot.qpe = this.read(frame.qpe, observed, rain);
      slot.chance = frame.probability.length ? frame.probability.map((plane) => this.read(plane, at.cell, { ...chance, unit: chance.unit * 100 })) : null;
      if (slot.chance?.every((value) => value === null)) slot.chance = null;
      return slot;
    });
    return {
      slots, thresholds, gauge, place: this.name(point),
      gaugeRow: gauge?.cell == null ? null : [Math.floor(gauge.cell / columns), gauge.cell % columns],
      nwp: words.nwpTitle(this.config.nwp),
      qpe: gauge?.cell == null ? words.qpeTitle : `${words.meteogram.gauge} (${distanceText(gauge.distance)})`,
      window: plain(meta?.rain_window?.[this.store.get().lead] ?? this.config.qpe_window),
      chanceWindow: plain(this.config.probability_window),
    };
  }

  // ---- hooks of the page ----

  draw(state, changed) {
    if (changed.has("point")) this.marks.draw();
    if (["point", "init", "drawer"].some((key) => changed.has(key))) this.later();
    else if (changed.has("lead")) this.panel.setLead(state);
  }

  // Once for all that happens within a frame: lead times arrive by the dozen.
  later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      const state = this.store.get();
      if (state.drawer === "point") this.panel.draw(state);
    });
  }

  close() {
    cancelAnimationFrame(this.waiting);
    this.meteogram.close();
  }
}

feature({
  name: "point",
  title: () => words.meteogram.point,
  initial: (start) => ({ point: start.point?.length === 2 ? roundPoint(start.point) : null }),
  address: { point: (value) => value?.join(",") ?? "" },
  create(viewer) {
    const point = new Point(viewer);
    return {
      element: point.element,
      draw: (state, changed) => point.draw(state, changed),
      run: () => point.later(),
      frame: () => point.later(),
      moved: () => point.marks.draw(),
      close: () => point.close(),
    };
  },
});
