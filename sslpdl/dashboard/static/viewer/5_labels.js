// What is written over a map: degrees at its edges, names of places where there is room for them.

function edgeLabels(labels, linked) {
  const [width, height] = linked.size;
  const [origin, scale] = [linked.view, linked.unitsPerPixel];
  return labels.flatMap((label) => {
    const along = label.axis === "x" ? (label.at - origin.left) / scale : (origin.top - label.at) / scale;
    const room = label.axis === "x" ? [52, width - 24] : [12, height - 26];
    if (!(along > room[0] && along < room[1])) return [];
    const style = label.axis === "x" ? `left:${along}px` : `top:${along}px`;
    return h("span", { class: `edge ${label.axis}`, style }, graticuleLabel(label));
  });
}

// Places come in order of importance; one that would cover an earlier one is left out until there is room.
function placeLabels(places, linked) {
  const [width, height] = linked.size;
  const taken = [];
  return places.name.flatMap((english, k) => {
    const name = namesOf({ name: english, name_ko: places.name_ko[k] });
    const [x, y] = linked.place({ x: places.x[k], y: places.y[k] });
    const box = { left: x - 4, right: x + 8 + (spoken === "ko" ? 11 : 6.2) * name.length, top: y - 15, bottom: y + 4 };
    const outside = box.left < 44 || box.right > width - 2 || box.top < 2 || box.bottom > height - 22;
    const covers = (other) =>
      box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top;
    if (outside || taken.some(covers)) return [];
    taken.push(box);
    return h("span", { class: "town", style: `left:${x}px;top:${y}px` }, name);
  });
}
