// Between map coordinates and longitude/latitude, by bilinear interpolation in the server's tables; the graticule.

class Geography {
  constructor(tables) {
    this.nodes = tables.nodes;
    this.box = tables.box;
    this.geographic = tables.geographic;
    [this.lon, this.lat, this.x, this.y] = [tables.lon, tables.lat, tables.x, tables.y].map(flat);
  }

  interpolate(table, box, u, v) {
    const last = this.nodes - 1;
    const column = ((u - box[0]) / (box[2] - box[0])) * last;
    const row = ((v - box[1]) / (box[3] - box[1])) * last;
    if (!(column >= 0 && column <= last && row >= 0 && row <= last)) return NaN;
    const i = Math.min(Math.floor(row), last - 1);
    const j = Math.min(Math.floor(column), last - 1);
    const [p, q, k] = [row - i, column - j, i * this.nodes + j];
    return (
      (1 - p) * ((1 - q) * table[k] + q * table[k + 1]) +
      p * ((1 - q) * table[k + this.nodes] + q * table[k + this.nodes + 1])
    );
  }

  toLonLat(x, y) {
    return [this.interpolate(this.lon, this.box, x, y), this.interpolate(this.lat, this.box, x, y)];
  }

  toXY(lon, lat) {
    return [this.interpolate(this.x, this.geographic, lon, lat), this.interpolate(this.y, this.geographic, lon, lat)];
  }

  // Kilometres per unit of x around a point, along a parallel.
  kilometresPerUnit(x, y, step) {
    const [west, east] = [this.toLonLat(x - step, y), this.toLonLat(x + step, y)];
    const mean = ((west[1] + east[1]) / 2) * (Math.PI / 180);
    const distance = Math.hypot((east[0] - west[0]) * Math.cos(mean), east[1] - west[1]) * 111.195;
    return distance / (2 * step);
  }

  // Meridians and parallels, at least `count` to the view's height, as lines joined by NaN, and their labels at its edges.
  graticule(view, count) {
    const corners = [];
    for (let i = 0; i <= 8; i++)
      for (let j = 0; j <= 8; j++)
        corners.push(
          this.toLonLat(
            view.left + ((view.right - view.left) * i) / 8,
            view.bottom + ((view.top - view.bottom) * j) / 8,
          ),
        );
    const known = corners.filter(([lon]) => Number.isFinite(lon));
    const lines = { x: [], y: [], labels: [], step: 0 };
    if (!known.length) return lines;
    const [lons, lats] = [known.map((c) => c[0]), known.map((c) => c[1])];
    const span = Math.max(...lats) - Math.min(...lats);
    const step = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05].find((s) => span / s >= count) ?? 0.05;
    lines.step = step;
    const range = (values, low, high) => {
      const from = Math.max(Math.floor(Math.min(...values) / step), Math.ceil(low / step));
      const to = Math.min(Math.ceil(Math.max(...values) / step), Math.floor(high / step));
      return Array.from({ length: Math.max(0, to - from + 1) }, (_, k) => (from + k) * step);
    };
    const [west, south, east, north] = this.geographic;
    const meridians = range(lons, west, east);
    const parallels = range(lats, south, north);
    const clip = ([low, high], margin, least, most) => [Math.max(low - margin, least), Math.min(high + margin, most)];
    const [lat0, lat1] = clip([Math.min(...lats), Math.max(...lats)], step, south, north);
    const [lon0, lon1] = clip([Math.min(...lons), Math.max(...lons)], step, west, east);
    for (const lon of meridians) this.trace(lines, view, "x", lon, (t) => this.toXY(lon, lat0 + (lat1 - lat0) * t));
    for (const lat of parallels) this.trace(lines, view, "y", lat, (t) => this.toXY(lon0 + (lon1 - lon0) * t, lat));
    return lines;
  }

  // Adds a line, and a label where a meridian crosses the bottom of the view or a parallel its left side.
  trace(lines, view, axis, value, at) {
    const pieces = 60;
    let before = null;
    for (let k = 0; k <= pieces; k++) {
      const point = at(k / pieces);
      lines.x.push(point[0]);
      lines.y.push(point[1]);
      if (before) {
        const [a, b, edge] =
          axis === "x" ? [before[1], point[1], view.bottom] : [before[0], point[0], view.left];
        if (a <= edge !== b <= edge) {
          const t = (edge - a) / (b - a);
          const other = axis === "x" ? 0 : 1;
          lines.labels.push({ axis, value, at: before[other] + t * (point[other] - before[other]) });
        }
      }
      before = point;
    }
    lines.x.push(NaN);
    lines.y.push(NaN);
  }
}

// Numbers from an array or a Bokeh array of any shape.
const flat = (table) => Float32Array.from(table.flat ? table.flat(Infinity) : table);

// Cuts rings that are joined with NaN between them.
function splitRings([x, y]) {
  const [xs, ys] = [[], []];
  let start = 0;
  for (let k = 0; k <= x.length; k++) {
    if (k < x.length && !Number.isNaN(x[k])) continue;
    if (k - start > 3) {
      xs.push(x.slice(start, k));
      ys.push(y.slice(start, k));
    }
    start = k + 1;
  }
  return { xs, ys };
}

function graticuleLabel({ axis, value }) {
  const number = plain(Math.abs(Math.round(value * 100) / 100));
  if (axis === "x") return `${number}°${value < 0 ? "W" : "E"}`;
  return `${number}°${value < 0 ? "S" : "N"}`;
}
