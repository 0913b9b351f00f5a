// Overlays of a lead time, unpacked from the server's streams.

// Contours: { value, x, y } in map coordinates. First how many lines, their values as multiples of the interval, their
// numbers of points; then the points, each as the difference to the one before.
function unpackLines(bytes, { interval }, [left, bottom, right, top]) {
  const numbers = sixteenBit(bytes, 0, bytes.length / 2);
  const count = numbers[0];
  const multiples = new Int16Array(numbers.slice(1, 1 + count).buffer);
  const sizes = numbers.subarray(1 + count, 1 + 2 * count);
  const points = (numbers.length - 1 - 2 * count) / 2;
  const along = (start, low, high) => {
    const places = new Float64Array(points);
    let place = 0;
    for (let k = 0; k < points; k++) {
      place = (place + numbers[start + k]) & 65535;
      places[k] = low + (place / 65535) * (high - low);
    }
    return places;
  };
  const [x, y] = [along(1 + 2 * count, left, right), along(1 + 2 * count + points, bottom, top)];
  let first = 0;
  return Array.from(sizes, (size, k) => {
    const line = { value: multiples[k] * interval, x: x.subarray(first, first + size), y: y.subarray(first, first + size) };
    first += size;
    return line;
  });
}

// Components along x and y of the map: planes of integers, row 0 south.
function unpackVectors(bytes, { lattice }) {
  const nodes = lattice[4] * lattice[5];
  return [sixteenBit(bytes, 0, nodes), sixteenBit(bytes, 2 * nodes, nodes)];
}

// Vectors { x, y, u, v } of the nodes in view, about `spacing` apart: the same nodes wherever the view is moved to, more
// of them where it is zoomed. `shift`, a share of the distance, keeps two kinds of vectors apart.
function vectorsInView([us, vs], { lattice, code, shift }, view, spacing) {
  const [x0, y0, dx, dy, rows, columns] = lattice;
  const every = Math.max(1, Math.round(spacing / dx));
  const first = Math.floor(every / 2 + shift * every) % every;
  const found = [];
  for (let row = first; row < rows; row += every) {
    const y = y0 + row * dy;
    if (y < view.bottom || y > view.top) continue;
    for (let column = first; column < columns; column += every) {
      const x = x0 + column * dx;
      const [u, v] = [us[row * columns + column], vs[row * columns + column]];
      if (x < view.left || x > view.right || u === code.missing || v === code.missing) continue;
      found.push({ x, y, u: code.offset + u * code.unit, v: code.offset + v * code.unit });
    }
  }
  return found;
}
