// Shapes of the overlays in pixels, y downwards: wind barbs, arrows, contours with their labels.
//
// Shapes are collected in two paths, `lines` to be stroked and `areas` to be filled too, and inked at once: first a wide
// halo in the colour of the ground, then the ink, so that they show on every class in light and in dark.

const KNOT = 1852 / 3600; // m/s
const BARB = { staff: 24, gap: 4, feather: 10, lean: 4, pennant: 6, calm: 3 };
const ARROW = { scale: 0.15, head: 7, least: 2 }; // pixels a g/kg m/s, and pixels
const LABEL = { size: 11, every: 300, first: 70, apart: 40, margin: 20 };

const newShapes = () => ({ lines: new Path2D(), areas: new Path2D(), texts: [] });

// Feathers of a barb, the speed in m/s rounded to 5 knots: none at all is a calm.
function barbParts(speed) {
  const fives = Math.round(speed / KNOT / 5);
  return { pennants: Math.floor(fives / 10), full: Math.floor((fives % 10) / 2), half: fives % 2 };
}

// A barb of the northern hemisphere: the staff points to where the wind comes from, feathers to the left of the wind,
// where pressure is lower.
function addBarb({ lines, areas }, x, y, u, v) {
  const speed = Math.hypot(u, v);
  const { pennants, full, half } = barbParts(speed);
  if (!pennants && !full && !half) {
    lines.moveTo(x + BARB.calm, y);
    lines.arc(x, y, BARB.calm, 0, 2 * Math.PI);
    return;
  }
  const [back, left] = [[-u / speed, v / speed], [-v / speed, -u / speed]];
  const at = (along, aside) => [x + along * back[0] + aside * left[0], y + along * back[1] + aside * left[1]];
  const staff = Math.max(BARB.staff, pennants * (BARB.pennant + 1) + (full + half) * BARB.gap + 4);
  lines.moveTo(x, y);
  lines.lineTo(...at(staff, 0));
  let along = staff;
  for (let k = 0; k < pennants; k++, along -= BARB.pennant + 1) {
    areas.moveTo(...at(along, 0));
    areas.lineTo(...at(along, BARB.feather));
    areas.lineTo(...at(along - BARB.pennant, 0));
    areas.closePath();
  }
  const feather = (size) => {
    lines.moveTo(...at(along, 0));
    lines.lineTo(...at(along + BARB.lean * size, BARB.feather * size));
    along -= BARB.gap;
  };
  for (let k = 0; k < full; k++) feather(1);
  // alone it stands in from the end, or it would be taken for a full one
  if (half && !pennants && !full) along -= BARB.gap;
  if (half) feather(0.5);
}

// An arrow whose middle is at a place and whose length tells the size.
function addArrow({ lines, areas }, x, y, u, v) {
  const size = Math.hypot(u, v);
  const length = size * ARROW.scale;
  if (length < ARROW.least) return;
  const [ahead, aside] = [[u / size, -v / size], [v / size, u / size]];
  const at = (along, across) => [x + along * ahead[0] + across * aside[0], y + along * ahead[1] + across * aside[1]];
  const head = Math.min(ARROW.head, length * 0.6);
  lines.moveTo(...at(-length / 2, 0));
  lines.lineTo(...at(length / 2 - head, 0));
  areas.moveTo(...at(length / 2, 0));
  areas.lineTo(...at(length / 2 - head, head * 0.45));
  areas.lineTo(...at(length / 2 - head, -head * 0.45));
  areas.closePath();
}

// A contour through points in pixels.
function addContour({ lines }, xs, ys) {
  lines.moveTo(xs[0], ys[0]);
  for (let k = 1; k < xs.length; k++) lines.lineTo(xs[k], ys[k]);
}

// Labels along a contour: the first not far from where it comes into view, none near another or at the edge of the map.
function addLabels({ texts }, xs, ys, text, taken, [width, height]) {
  const { margin } = LABEL;
  let [walked, next] = [0, LABEL.first];
  for (let k = 2; k < xs.length - 2; k++) {
    const [x, y] = [xs[k], ys[k]];
    if (x < margin || y < margin || x > width - margin || y > height - margin) continue;
    walked += Math.hypot(x - xs[k - 1], y - ys[k - 1]);
    if (walked < next || taken.some((other) => Math.hypot(other.x - x, other.y - y) < LABEL.apart)) continue;
    const angle = Math.atan2(ys[k + 2] - ys[k - 2], xs[k + 2] - xs[k - 2]);
    const upright = angle > Math.PI / 2 ? angle - Math.PI : angle < -Math.PI / 2 ? angle + Math.PI : angle;
    const label = { x, y, text, angle: upright };
    texts.push(label);
    taken.push(label);
    next = walked + LABEL.every;
  }
}

function inkShapes(context, { lines, areas, texts }, { ink, halo, width = 1.4, dash = [] }) {
  context.lineJoin = context.lineCap = "round";
  context.setLineDash([]);
  context.strokeStyle = halo;
  context.lineWidth = width + 2.4;
  context.stroke(lines);
  context.stroke(areas);
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = width;
  context.fill(areas);
  context.setLineDash(dash);
  context.lineCap = dash.length ? "butt" : "round";
  context.stroke(lines);
  inkTexts(context, texts, ink, halo);
}

function inkTexts(context, texts, ink, halo) {
  context.setLineDash([]);
  Object.assign(context, { font: `600 ${LABEL.size}px sans-serif`, textAlign: "center", textBaseline: "middle" });
  for (const { x, y, text, angle } of texts) {
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    Object.assign(context, { lineWidth: 4, strokeStyle: halo, fillStyle: ink });
    context.strokeText(text, 0, 0);
    context.fillText(text, 0, 0);
    context.restore();
  }
}

// Marks of single cells, filled with the colour of their class.
function inkMarks(context, marks, { ink, halo }) {
  context.setLineDash([]);
  for (const { x, y, colour } of marks) {
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    Object.assign(context, { lineWidth: 3.4, strokeStyle: halo });
    context.stroke();
    Object.assign(context, { lineWidth: 1.4, strokeStyle: ink, fillStyle: colour });
    context.fill();
    context.stroke();
  }
}
