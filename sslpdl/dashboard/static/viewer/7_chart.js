// Small pieces of charts: plain SVG in pixels, coloured by the stylesheet.

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

// A linear scale from data to pixels.
const linearScale = ([d0, d1], [r0, r1]) => (value) => r0 + ((value - d0) / (d1 - d0)) * (r1 - r0);

// Round numbers from 0 to at least `most`, about `count` steps.
function roundTicks(most, count = 4) {
  const raw = most / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= raw * 0.999);
  const steps = Math.ceil(most / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, k) => Number((k * step).toPrecision(6)));
}

// Path of a step line over slots [x0, x1, y], lifted where one slot does not begin at the end of the one before.
function stepLine(slots) {
  let end = null;
  return slots
    .map(([x0, x1, y]) => {
      const joined = end != null && Math.abs(end - x0) < 0.5;
      end = x1;
      return `${joined ? "L" : "M"}${x0.toFixed(1)},${y.toFixed(1)}H${x1.toFixed(1)}`;
    })
    .join("");
}

// Horizontal lines with numbers at their left.
function horizontalAxis(ticks, y, [left, right], format = plain) {
  return ticks.flatMap((value) => [
    svg("line", { class: value === 0 ? "base" : "rule", x1: left, x2: right, y1: y(value), y2: y(value) }),
    svg("text", { class: "number", x: left - 5, y: y(value) + 3.5, "text-anchor": "end" }, format(value)),
  ]);
}

// Hours under a chart, in UTC and KST, and the days of KST, which begin at dashed lines.
function timeAxis([from, to], x, [left, right], top, bottom) {
  const perHour = (right - left) / ((to - from) / HOUR);
  const every = [1, 2, 3, 6, 12, 24, 48].find((hours) => hours * perHour >= 32) ?? 96;
  const parts = [];
  for (let t = Math.ceil(from / (every * HOUR)) * every * HOUR; t <= to; t += every * HOUR) {
    parts.push(svg("line", { class: "tick", x1: x(t), x2: x(t), y1: bottom, y2: bottom + 4 }));
    for (const [shift, y] of [[0, 15], [KST, 29]])
      parts.push(svg("text", { class: "number", x: x(t), y: bottom + y, "text-anchor": "middle" }, clock(t + shift).slice(0, 2)));
  }
  for (const [zone, y] of [["UTC", 15], ["KST", 29]])
    parts.push(svg("text", { class: "zone", x: 0, y: bottom + y }, zone));
  return [...parts, ...dayMarks([from, to], x, top, bottom)];
}

function dayMarks([from, to], x, top, bottom) {
  const parts = [];
  const length = 24 * HOUR;
  for (let start = Math.floor((from + KST) / length) * length - KST; start < to; start += length) {
    const [a, b] = [x(Math.max(start, from)), x(Math.min(start + length, to))];
    if (start > from) parts.push(svg("line", { class: "midnight", x1: a, x2: a, y1: top, y2: bottom + 48 }));
    if (b - a >= 64) parts.push(svg("text", { class: "day", x: (a + b) / 2, y: bottom + 45, "text-anchor": "middle" }, day(start + KST, false)));
  }
  return parts;
}
