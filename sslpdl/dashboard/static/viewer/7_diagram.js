// Small square diagrams in SVG: axes from 0 to a limit, lines, marks. Colours come from the stylesheet by class.

function diagramNode(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) node.setAttribute(name, value);
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

const diagramRound = (value) => Math.round(value * 10) / 10;

// A frame with its ticks: `limit` ends both axes, `below` is room for something under it on the same x axis.
class Diagram {
  constructor({ title, x, y, limit = 1, below = 0, write }) {
    const [left, top, side, right] = [46, 8, 272, 22];
    Object.assign(this, { left, top, side, limit, below });
    const foot = top + side + (below ? below + 14 : 0);
    this.element = diagramNode("svg", { viewBox: `0 0 ${left + side + right} ${foot + 38}`, role: "img", "aria-label": title, class: "diagram" });
    this.back = diagramNode("g");
    this.front = diagramNode("g");
    const axes = diagramNode("g", { class: "axes" }, diagramNode("rect", { x: left, y: top, width: side, height: side }));
    for (let k = 0; k <= 5; k++) {
      const at = (limit * k) / 5;
      const text = write(at);
      axes.append(
        diagramNode("path", { d: `M${this.x(at)} ${foot}v4M${left} ${this.y(at)}h-4` }),
        diagramNode("text", { x: this.x(at), y: foot + 16, "text-anchor": "middle" }, text),
        diagramNode("text", { x: left - 7, y: this.y(at) + 3.5, "text-anchor": "end" }, text),
      );
    }
    const middle = top + side / 2;
    axes.append(
      diagramNode("text", { x: left + side / 2, y: foot + 33, "text-anchor": "middle", class: "name" }, x),
      diagramNode("text", { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})`, class: "name" }, y),
    );
    this.element.append(this.back, axes, this.front);
  }

  x(value) {
    return diagramRound(this.left + (value / this.limit) * this.side);
  }

  y(value) {
    return diagramRound(this.top + this.side - (value / this.limit) * this.side);
  }

  // Lines behind the axes belong to the ground, those in front are the data.
  line(points, kind, group = this.back) {
    const d = points.map(([x, y], k) => `${k ? "L" : "M"}${this.x(x)} ${this.y(y)}`).join("");
    group.append(diagramNode("path", { d, class: `line ${kind}` }));
  }

  mark(x, y, kind, shape = "circle") {
    const [cx, cy] = [this.x(x), this.y(y)];
    const node = shape === "circle"
      ? diagramNode("circle", { cx, cy, r: kind.includes("small") ? 2.5 : 4.5 })
      : diagramNode("path", { d: `M${cx} ${cy - 6}l6 6-6 6-6-6z` });
    node.setAttribute("class", `dot ${kind}`);
    this.front.append(node);
    return node;
  }

  label(x, y, text, { dx = 0, dy = 3.5, anchor = "start", kind = "ground" } = {}) {
    (kind === "ground" ? this.back : this.front).append(
      diagramNode("text", { x: diagramRound(this.x(x) + dx), y: diagramRound(this.y(y) + dy), "text-anchor": anchor, class: kind }, text),
    );
  }

  // A bar in the room below, as high as `share` of it, from one place of the x axis to another.
  bar(from, to, share, hint) {
    const [start, end] = [this.x(from), this.x(Math.min(to, this.limit))];
    const height = diagramRound(share * this.below);
    const y = this.top + this.side + 14 + this.below - height;
    const rect = diagramNode("rect", { x: start + 0.5, y, width: Math.max(1, end - start - 1), height, class: "bar" });
    rect.append(diagramNode("title", {}, hint));
    this.front.append(rect);
  }
}
