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
  element.classList.remove("dense", "long");
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
  const numbers = edges.map((edge, k) => h("b", { style: `left:${(k + 1) * width}%`, "data-edge": edge }, edge));
  const missing = h("div", { class: "missing" }, h("i", { class: "nodata", style: `background-color:${palette.hex[palette.bad_index]}` }), h("b", {}, words.noData));
  const bar = h("div", { class: "bar" }, h("div", { class: "boxes" }, boxes), h("div", { class: "numbers" }, numbers));
  element.classList.toggle("dense", edges.length > 14);
  // long numbers, such as heights: every other one is left out
  element.classList.toggle("long", edges.join("").length > 32 && edges.length <= 14);
  element.replaceChildren(missing, bar);
}
