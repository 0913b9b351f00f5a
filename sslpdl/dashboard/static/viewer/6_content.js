// What a map can show, by its code in the address: "nwp", "nwp:6", "qpe", "p", "p:10", "class", "before", "change",
// "difference", "disagree", or the name of an input such as "t_850".
//
// Each is { title, unit, palette, table, legend, plane, text, notice }: `plane` gives integers, null where there is no
// field, undefined while it is on its way; `table` gives the class of each integer; `text` reads one.

const USUAL = ["nwp", "p", "qpe", "difference"];
const MIDDLE = 32768; // the integer of no difference
const LIKELY = 0.5; // from this probability on, rain counts as forecast where no decision threshold is stored

function contentGroups({ thresholds, fields }) {
  const windows = (kind) => fields.windows.map((hours) => `${kind}:${hours}`);
  const chances = thresholds.length ? ["p", ...thresholds.map((value) => `p:${plain(value)}`), "class", "before", "change"] : ["p"];
  return {
    rain: ["nwp", ...windows("nwp"), "qpe", ...windows("qpe")],
    chance: chances,
    compare: thresholds.length ? ["difference", "disagree"] : ["difference"],
    inputs: Object.keys(fields.inputs),
  };
}

// The class with the largest probability, from the planes of P(>= threshold); of equal ones the wetter.
function likeliest(planes, { missing, unit }) {
  const whole = Math.round(1 / unit);
  const found = new Uint8Array(planes[0].length);
  for (let cell = 0; cell < found.length; cell++) {
    if (planes[0][cell] === missing) {
      found[cell] = missing;
      continue;
    }
    let most = whole - planes[0][cell];
    for (let k = 0; k < planes.length; k++) {
      const share = planes[k][cell] - (k + 1 < planes.length ? planes[k + 1][cell] : 0);
      if (share >= most) [most, found[cell]] = [share, k + 1];
    }
  }
  return found;
}

// `combine(a, b)` cell by cell; missing in one is missing in the result.
function combined(a, missingA, b, missingB, combine, result, missing) {
  for (let k = 0; k < result.length; k++) result[k] = a[k] === missingA || b[k] === missingB ? missing : combine(a[k], b[k]);
  return result;
}

function categories(colours, thresholds) {
  const hex = [...colours, ""]; // the last is that of missing data, see `themed`
  return { hex, edges: thresholds, labels: thresholds.map(plain), bad_index: colours.length };
}

class Contents {
  constructor(viewer) {
    this.viewer = viewer;
    this.config = viewer.config;
    this.made = new Map();
    this.likeliest = new WeakMap();
    const { rain_code: rain, fields } = this.config;
    this.rainCode = rain;
    this.differences = classTable(fields.difference_palette, rain, 16);
    this.changes = classTable(fields.change_palette, rain, 16);
    this.identity = Uint8Array.from({ length: 256 }, (_, k) => k);
  }

  // What the map at a position shows.
  at(position) {
    return this.of(this.codeAt(position));
  }

  codeAt(position) {
    return this.viewer.store.get().panels[position] || USUAL[position];
  }

  // The codes of all maps that can be seen.
  get shown() {
    return this.viewer.shown.map((_, position) => this.codeAt(position));
  }

  of(code) {
    if (!this.made.has(code)) this.made.set(code, this.make(code));
    return this.made.get(code);
  }

  make(code) {
    const [kind, argument] = code.split(":");
    if ((kind === "nwp" || kind === "qpe") && argument) return this.accumulation(kind, Number(argument), code);
    if (kind === "nwp" || kind === "qpe") return this.rain(kind);
    if (kind === "p") return this.chance(argument);
    const others = { class: "likeliestClass", before: "before", change: "change", difference: "difference", disagree: "disagree" };
    return others[kind] ? this[others[kind]]() : this.input(code);
  }

  get state() {
    return this.viewer.store.get();
  }

  get frame() {
    return this.viewer.run?.frames[this.state.lead];
  }

  get meta() {
    return this.viewer.run?.meta;
  }

  get window() {
    return this.meta?.rain_window[this.state.lead] ?? this.config.qpe_window;
  }

  threshold(argument) {
    return argument ? this.config.thresholds.findIndex((value) => plain(value) === argument) : this.state.threshold;
  }

  // ---- rain ----

  rainLook() {
    const { viewer } = this;
    const palette = () => viewer.palette(this.state.palette);
    return {
      palette,
      table: () => viewer.tables.get(palette().name),
      legend: {},
      text: (value) => {
        const amount = value * this.rainCode.unit;
        return amount > 0 && amount < 0.1 ? "< 0.1 mm" : `${amount.toFixed(1)} mm`;
      },
      missing: this.rainCode.missing,
    };
  }

  rain(kind) {
    const nwp = kind === "nwp";
    return {
      ...this.rainLook(),
      title: () => (nwp ? words.nwpTitle(this.config.nwp) : words.qpeTitle),
      unit: () => words.amount(plain(nwp ? this.window : this.config.qpe_window)),
      plane: () => this.frame && this.frame[kind],
      notice: () => (this.meta[kind][this.state.lead] ? "" : nwp ? words.noRain : words.noQpe),
    };
  }

  accumulation(kind, hours, code) {
    return {
      ...this.rainLook(),
      title: () => (kind === "nwp" ? words.nwpTitle(this.config.nwp) : words.qpeTitle),
      unit: () => words.amount(hours),
      ...this.fetched(code, () => words.incomplete(hours)),
    };
  }

  // ---- probabilities ----

  chanceLook() {
    return {
      palette: () => this.config.probability_palette,
      table: () => this.viewer.probabilityTable,
      legend: { percent: true },
      text: (value) => `${plain(value * this.config.probability_code.unit * 100)} %`,
      missing: this.config.probability_code.missing,
      notice: () => this.viewer.probabilityNotice(this.state.lead),
    };
  }

  chanceUnit(argument) {
    const reached = this.config.thresholds[this.threshold(argument)];
    if (reached == null) return words.chance(plain(this.window));
    return words.reaching(plain(reached), plain(this.config.probability_window));
  }

  chance(argument) {
    return {
      ...this.chanceLook(),
      title: () => words.probabilityTitle,
      unit: () => this.chanceUnit(argument),
      plane: () => this.frame && (this.frame.probability[this.threshold(argument)] ?? null),
    };
  }

  likeliestClass() {
    const { thresholds, probability_window: hours, fields, probability_code: code } = this.config;
    const colours = [0, ...thresholds].map((_, k) => fields.class_colours[Math.min(k, fields.class_colours.length - 1)]);
    const palette = categories(colours, thresholds);
    const table = this.identity.slice();
    table[code.missing] = palette.bad_index;
    const names = [words.dry(plain(thresholds[0])), ...thresholds.map((low, k) => (k + 1 < thresholds.length ? `${plain(low)}–${plain(thresholds[k + 1])}` : `≥ ${plain(low)}`))];
    return {
      ...this.chanceLook(),
      palette: () => palette,
      table: () => table,
      legend: {},
      title: () => words.likeliest,
      unit: () => words.amount(plain(hours)),
      text: (value) => `${names[value]} mm`,
      plane: () => {
        const { frame } = this;
        if (!frame?.probability.length) return frame && null;
        if (!this.likeliest.has(frame)) this.likeliest.set(frame, likeliest(frame.probability, code));
        return this.likeliest.get(frame);
      },
    };
  }

  // The latest earlier run with a lead time that ends at the same hour: { init, lead }.
  previous() {
    const { init_times: times, lead_times: leads } = this.config;
    const valid = utc(this.state.init) + leads[this.state.lead] * HOUR;
    for (let k = times.indexOf(this.state.init) - 1; k >= 0; k--) {
      const lead = leads.indexOf((valid - utc(times[k])) / HOUR);
      if (lead >= 0) return { init: times[k], lead };
    }
    return null;
  }

  previousPlane() {
    const earlier = this.previous();
    if (!earlier) return null;
    const run = this.viewer.library.run(earlier.init);
    return run && (run.frames?.frames[earlier.lead]?.probability[this.state.threshold] ?? null);
  }

  previousNotice() {
    const earlier = this.previous();
    if (!earlier) return words.noEarlier;
    const run = this.viewer.library.run(earlier.init);
    if (!run) return words.loading;
    return run.frames?.frames[earlier.lead]?.probability.length ? "" : run.problem || words.noProbability;
  }

  before() {
    return {
      ...this.chanceLook(),
      title: () => {
        const earlier = this.previous();
        return earlier ? words.runOf(`${clock(utc(earlier.init))} UTC`, leadLabel(this.config.lead_times[earlier.lead])) : words.previousRun;
      },
      unit: () => this.chanceUnit(),
      plane: () => this.previousPlane(),
      notice: () => this.previousNotice(),
    };
  }

  change() {
    const { probability_code: code, fields } = this.config;
    const result = new Uint16Array(this.viewer.cells);
    return {
      palette: () => fields.change_palette,
      table: () => this.changes,
      legend: { percent: true },
      missing: this.rainCode.missing,
      title: () => words.change,
      unit: () => this.chanceUnit(),
      text: (value) => `${signed((value - MIDDLE) * code.unit * 100)} %`,
      plane: () => {
        const [now, then] = [this.frame && (this.frame.probability[this.state.threshold] ?? null), this.previousPlane()];
        if (!now || !then) return now === undefined || then === undefined ? undefined : null;
        return combined(now, code.missing, then, code.missing, (a, b) => MIDDLE + a - b, result, this.rainCode.missing);
      },
      notice: () => this.viewer.probabilityNotice(this.state.lead) || this.previousNotice(),
    };
  }

  // ---- comparisons ----

  difference() {
    const { missing } = this.rainCode;
    const result = new Uint16Array(this.viewer.cells);
    const limit = (value) => Math.min(Math.max(MIDDLE + value, 0), missing - 1);
    const alike = () => this.window === this.config.qpe_window;
    return {
      palette: () => this.config.fields.difference_palette,
      table: () => this.differences,
      legend: {},
      missing,
      title: () => words.difference(this.config.nwp),
      unit: () => words.amount(plain(this.window)),
      text: (value) => `${signed((value - MIDDLE) * this.rainCode.unit)} mm`,
      plane: () => {
        const { frame } = this;
        if (!frame?.qpe || !alike()) return frame && null;
        return combined(frame.nwp, missing, frame.qpe, missing, (a, b) => limit(a - b), result, missing);
      },
      notice: () => this.of("nwp").notice() || this.of("qpe").notice() || (alike() ? "" : words.otherWindows),
    };
  }

  disagree() {
    const { probability_code: code, probability_window: hours, thresholds, decision } = this.config;
    const result = new Uint8Array(this.viewer.cells);
    const palette = categories(this.config.fields.disagreement_colours, []);
    const table = this.identity.slice();
    table[code.missing] = palette.bad_index;
    const decided = () => decision[this.state.threshold];
    const alike = () => this.window === hours;
    const names = () => words.disagreements(this.config.nwp);
    return {
      palette: () => palette,
      table: () => table,
      legend: { names, note: () => words.decided(plain(Math.round(1000 * (decided() ?? LIKELY)) / 10), decided() != null) },
      missing: code.missing,
      title: () => words.disagree,
      unit: () => words.agreeing(plain(thresholds[this.state.threshold]), plain(hours)),
      text: (value) => names()[value],
      plane: () => {
        const chance = this.frame?.probability[this.state.threshold];
        if (!chance || !alike()) return this.frame && null;
        const likely = Math.ceil((decided() ?? LIKELY) / code.unit - 1e-6);
        const reached = Math.ceil(thresholds[this.state.threshold] / this.rainCode.unit - 1e-6);
        const kind = (rain, p) => (rain >= reached ? (p >= likely ? 1 : 2) : p >= likely ? 3 : 0);
        return combined(this.frame.nwp, this.rainCode.missing, chance, code.missing, kind, result, code.missing);
      },
      notice: () => this.of("nwp").notice() || this.viewer.probabilityNotice(this.state.lead) || (alike() ? "" : words.otherWindows),
    };
  }

  // ---- inputs ----

  input(name) {
    const { palette, code } = this.config.fields.inputs[name];
    const table = classTable(palette, code, 16);
    return {
      palette: () => palette,
      table: () => table,
      legend: {},
      missing: code.missing,
      title: () => words.inputs[name] ?? name,
      unit: () => palette.units,
      text: (value) => `${plain(Math.round((code.offset + value * code.unit) * 10) / 10)} ${palette.units}`,
      ...this.fetched(name, () => words.noField),
    };
  }

  fetched(name, absent) {
    const entry = () => this.viewer.library.field(this.state.init, name);
    const plane = () => {
      const held = entry();
      return held && (held.planes?.[this.state.lead] ?? null);
    };
    const notice = () => {
      const held = entry();
      return !held ? words.loading : held.problem || (held.planes[this.state.lead] ? "" : absent());
    };
    return { plane, notice };
  }
}

const signed = (value) => (value > 0 ? `+${plain(Math.round(value * 10) / 10)}` : plain(Math.round(value * 10) / 10));
