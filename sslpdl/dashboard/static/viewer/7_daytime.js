// The hours of the day that the verification counts: buttons in the reader's zone, hours of UTC in the store.

const DAY = Array.from({ length: 24 }, (_, hour) => hour);

// Hours of the reader's zone, with their neighbours joined: "03–05, 12".
function spans(hours) {
  const runs = [];
  for (const hour of hours) {
    if (runs.length && runs.at(-1)[1] === hour - 1) runs.at(-1)[1] = hour;
    else runs.push([hour, hour]);
  }
  return runs.map(([first, last]) => (first === last ? two(first) : `${two(first)}–${two(last)}`)).join(", ");
}

class Daytime {
  constructor(store) {
    this.store = store;
    const word = words.verification;
    [this.zone] = words.zones;
    this.shift = this.zone === "KST" ? KST / HOUR : 0;
    this.chosen = h("span");
    this.buttons = DAY.map((hour) =>
      h("button", { type: "button", "aria-label": word.hourOf(two(hour), this.zone), onclick: () => this.turn([hour]) }, two(hour)),
    );
    const rows = [0, 6, 12, 18].map((first) => {
      const row = DAY.slice(first, first + 6);
      const name = word.quarter(two(first), two(first + 5), this.zone);
      const whole = h("button", { type: "button", class: "quarter", "aria-label": name, onclick: () => this.turn(row) }, spans(row));
      return [whole, ...row.map((hour) => this.buttons[hour])];
    });
    this.all = h("button", { type: "button", onclick: () => this.store.set({ daytime: null }) }, word.all);
    this.element = h("details", { class: "daytime" }, h("summary", {}, `${word.daytime}: `, this.chosen),
      h("p", { class: "note" }, word.daytimeHint), h("div", { class: "hours", role: "group", "aria-label": word.daytime }, rows.flat()), this.all);
  }

  // Hours of the reader's zone that are chosen; none where all count.
  get here() {
    const { daytime } = this.store.get();
    return (daytime ?? []).map((hour) => (hour + this.shift) % 24).sort((a, b) => a - b);
  }

  // Switches hours on, or off where all of them are on already; the first choice leaves only those.
  turn(hours) {
    const on = new Set(this.here);
    const off = hours.every((hour) => on.has(hour));
    for (const hour of hours) off ? on.delete(hour) : on.add(hour);
    const chosen = [...on].map((hour) => (hour - this.shift + 24) % 24).sort((a, b) => a - b);
    this.store.set({ daytime: chosen.length && chosen.length < 24 ? chosen : null });
  }

  draw() {
    const { here } = this;
    this.buttons.forEach((button, hour) => button.setAttribute("aria-pressed", String(here.includes(hour))));
    this.all.setAttribute("aria-pressed", String(!here.length));
    setText(this.chosen, here.length ? `${spans(here)} ${this.zone}` : words.verification.everyHour);
  }

  get text() {
    return this.here.length ? `${spans(this.here)} ${this.zone}` : "";
  }
}
