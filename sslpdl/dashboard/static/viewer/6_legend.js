// A palette with the colour that missing data have on light or dark maps: the last of its colours.
const themed = (palette, missing) => ({ ...palette, hex: [...palette.hex.slice(0, -1), missing] });

const isClear = (colour) => colour.length === 9 && colour.endsWith("00");

// Classes that have names instead of edges.
function drawKey(element, palette, names, note) {
  const entries = [...names, words.noData].map((name, k) => {
    const colour = palette.hex[k];
    const swatch = h("i", { style: `background-color:${colour}`, class: isClear(colour) ? "clear" : k === palette.bad_index ? "nodata" : "" });
    return h("span", {}, swatch, name);
  });
  element.classList.remove("dense");
  element.replaceChildren(h("div", { class: "names-key" }, entries, note ? h("p", {}, note) : null));
}

// A colour bar: one box per class, a number at each edge, and a swatch for missing data.

function drawLegend(element, palette, { percent = false, names = null, note = null } = {}) {
  if (names) return drawKey(element, palette, names(), note?.());
  const edges = palette.edges.map((edge, k) => (percent ? plain(edge * 100) : palette.labels[k]));
  const classes = palette.hex.slice(0, palette.bad_index);
  const boxes = classes.map((colour, k) => {
    const name = k === 0 ? words.dry(edges[0]) : k === edges.length ? `≥ ${edges.at(-1)}` : `${edges[k - 1]}–${edges[k]}`;
    return h("i", { style: `background-color:${colour}`, class: isClear(colour) ? "clear" : "", title: percent ? `${name} %` : name });
  });
  const width = 100 / classes.length;
  const numbers = edges.map((edge, k) => h("b", { style: `left:${(k + 1) * width}%`, "data-edge": edge }, edge.replace("-", "−")));
  const missing = h("div", { class: "missing" }, h("i", { class: "nodata", style: `background-color:${palette.hex[palette.bad_index]}` }), h("b", {}, words.noData));
  const bar = h("div", { class: "bar" }, h("div", { class: "boxes" }, boxes), h("div", { class: "numbers" }, numbers));
  element.classList.toggle("dense", edges.length > 14);
  element.replaceChildren(missing, bar);
  thinNumbers(element);
}

// Leaves out numbers that would run into one another: every second stays, or third, ..., whichever are rounder.
function thinNumbers(element) {
  const numbers = [...element.querySelectorAll(".numbers b")];
  const width = element.querySelector(".numbers")?.clientWidth;
  if (!numbers.length || !width) return;
  const kept = new Set(keptNumbers(numbers.map((number) => number.dataset.edge), width, element.classList.contains("dense") ? 5 : 5.8));
  numbers.forEach((number, k) => number.classList.toggle("left-out", !kept.has(k)));
}

const ROUND = /^-?(0|0?\.?0*[125]0*)$/;

// Positions of the numbers that have room at the edges of equally wide classes, `digit` being the width of a sign.
function keptNumbers(edges, width, digit) {
  const step = width / (edges.length + 1);
  const last = edges.length - 1;
  const even = edges.every((edge, k) => Number(edge) === -Number(edges[last - k])); // keep it so
  const steps = edges.slice(1).map((edge, k) => Number(edge) - Number(edges[k]));
  const regular = even || steps.every((one) => Math.abs(one - steps[0]) < 1e-6);
  // half a digit stays free between two numbers; a point is half as wide as a digit
  const reach = (k) => ((edges[k].length + (edges[k].includes(".") ? 0 : 0.5)) * digit) / 2;
  const fits = (chosen) => chosen.every((k, n) => !n || (k - chosen[n - 1]) * step >= reach(k) + reach(chosen[n - 1]));
  const rounds = (chosen) => chosen.filter((k) => ROUND.test(edges[k])).length;
  for (let every = 1; every <= edges.length; every++) {
    const patterns = Array.from({ length: every }, (_, offset) => {
      const chosen = [...edges.keys()].filter((k) => (even ? Math.min(k, last - k) : k) % every === offset);
      return regular || !chosen.length ? chosen : [0, ...chosen.slice(1)]; // of rain the first says what is dry
    });
    const found = patterns.filter((chosen) => chosen.length && fits(chosen)).sort((a, b) => rounds(b) - rounds(a));
    if (found.length) return found[0];
  }
  return [];
}
