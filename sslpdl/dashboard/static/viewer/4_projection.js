// Between degrees and map coordinates by formula, so that a place near the edge of a cell falls on the right side of it:
// Lambert's conformal conic on a sphere, and grids in degrees.  For any other projection `exactProjection` returns null.

const RADIAN = Math.PI / 180;
const UNDERSTOOD = ["proj", "lat_0", "lat_1", "lat_2", "lon_0", "x_0", "y_0", "R", "a", "b", "units", "no_defs", "type"];

function exactProjection(text, left) {
  const given = Object.fromEntries(text.split(/\s+/).filter(Boolean).map((part) => part.replace(/^\+/, "").split("=")));
  if (["longlat", "latlong", "lonlat"].includes(given.proj)) {
    const wrapped = (lon) => left + ((((lon - left) % 360) + 360) % 360);
    return { toXY: (lon, lat) => [wrapped(lon), lat], toLonLat: (x, y) => [x, y] };
  }
  const radius = Number(given.R ?? (given.a === given.b ? given.a : NaN));
  const strange = Object.keys(given).some((key) => !UNDERSTOOD.includes(key)) || (given.units ?? "m") !== "m";
  if (given.proj !== "lcc" || strange || !(radius > 0)) return null;
  return lambert(given, radius);
}

// Snyder, Map Projections (1987), equations 15-1 to 15-5.
function lambert(given, radius) {
  const number = (key, otherwise) => Number(given[key] ?? otherwise);
  const first = number("lat_1", 0) * RADIAN;
  const second = number("lat_2", number("lat_1", 0)) * RADIAN;
  const origin = number("lat_0", given.lat_2 == null ? number("lat_1", 0) : 0) * RADIAN;
  const middle = number("lon_0", 0);
  const [east, north] = [number("x_0", 0), number("y_0", 0)];
  const tangent = (lat) => Math.tan(Math.PI / 4 + lat / 2);
  const alike = Math.abs(first - second) < 1e-10;
  const n = alike ? Math.sin(first) : Math.log(Math.cos(first) / Math.cos(second)) / Math.log(tangent(second) / tangent(first));
  const factor = (radius * Math.cos(first) * tangent(first) ** n) / n;
  const distance = (lat) => factor / tangent(lat) ** n;
  const base = distance(origin);
  const turned = (degrees) => ((((degrees + 180) % 360) + 360) % 360) - 180;
  return {
    toXY(lon, lat) {
      const [rho, angle] = [distance(lat * RADIAN), n * turned(lon - middle) * RADIAN];
      return [east + rho * Math.sin(angle), north + base - rho * Math.cos(angle)];
    },
    toLonLat(x, y) {
      const [dx, dy, sign] = [x - east, base - (y - north), Math.sign(n)];
      const rho = sign * Math.hypot(dx, dy);
      const angle = Math.atan2(sign * dx, sign * dy);
      return [turned(middle + angle / n / RADIAN), (2 * Math.atan((factor / rho) ** (1 / n)) - Math.PI / 2) / RADIAN];
    },
  };
}

// Kilometres along the great circle between two places in degrees.
function greatCircle([lon1, lat1], [lon2, lat2]) {
  const square = (angle) => Math.sin((angle * RADIAN) / 2) ** 2;
  const half = square(lat2 - lat1) + Math.cos(lat1 * RADIAN) * Math.cos(lat2 * RADIAN) * square(lon2 - lon1);
  return 2 * 6371 * Math.asin(Math.min(1, Math.sqrt(half)));
}
