// Frames of a run: inflated from the server's streams, and turned into class indices by table.

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// 16-bit planes arrive as all low bytes, then all high bytes.
function sixteenBit(bytes, offset, cells) {
  const plane = new Uint16Array(cells);
  for (let k = 0; k < cells; k++) plane[k] = bytes[offset + k] | (bytes[offset + cells + k] << 8);
  return plane;
}

function unpack(bytes, cells, hasQpe, thresholds) {
  const frame = { nwp: sixteenBit(bytes, 0, cells), qpe: null, probability: [] };
  let offset = 2 * cells;
  if (hasQpe) {
    frame.qpe = sixteenBit(bytes, offset, cells);
    offset += 2 * cells;
  }
  for (let k = 0; k < thresholds; k++, offset += cells) frame.probability.push(bytes.subarray(offset, offset + cells));
  return frame;
}

// Inflates every lead time that was sent, the current one first; calls `arrived(index)` for each.
class RunFrames {
  constructor(run, cells, thresholds, previous) {
    this.meta = run;
    this.cells = cells;
    this.thresholds = thresholds;
    // the same run sent again, now with more: what is there already stays
    const again = previous && previous.meta.init_time === run.init_time && previous.meta.status === run.status;
    this.frames = again ? previous.frames : new Array(run.blocks.length).fill(null);
  }

  async load(current, arrived) {
    const wanted = this.meta.blocks.map((_, index) => index).filter((index) => !this.frames[index]);
    wanted.sort((a, b) => Math.abs(a - current) - Math.abs(b - current));
    for (const index of wanted) {
      const block = this.meta.blocks[index];
      if (!block.byteLength) continue;
      const bytes = await inflate(block);
      const thresholds = this.meta.probability[index] ? this.thresholds : 0;
      this.frames[index] = unpack(bytes, this.cells, this.meta.qpe[index], thresholds);
      arrived(index);
    }
  }
}

// Class of every possible integer: the number of edges at or below it; the missing code has a class of its own.
function classTable(palette, code, bits) {
  const table = new Uint8Array(1 << bits);
  palette.codes.forEach((first, k) => table.fill(k + 1, first));
  table[code.missing] = palette.bad_index;
  return table;
}

// Marks for the known cells of a plane that holds few, such as gauges: single cells are too small to see.
function sparseCells(plane, { bounds: [left, bottom, right, top], rows, columns }, classes, bad) {
  const found = { x: [], y: [], class: [] };
  if (!plane) return found;
  const cells = [];
  for (let k = 0; k < plane.length; k++) {
    if (classes[k] === bad) continue;
    if (cells.push(k) >= 0.02 * plane.length) return found;
  }
  for (const k of cells) {
    found.x.push(left + (((k % columns) + 0.5) / columns) * (right - left));
    found.y.push(bottom + ((Math.floor(k / columns) + 0.5) / rows) * (top - bottom));
    found.class.push(classes[k]);
  }
  return found;
}

function classify(plane, table, image, badIndex) {
  if (!plane) image.fill(badIndex);
  else for (let k = 0; k < plane.length; k++) image[k] = table[plane[k]];
}

// Outlines of the missing cells of an image of classes: rectangles joined with NaN, one for equal runs in rows that
// follow one another.
function missingOutlines(classes, bad, { bounds: [left, bottom, right, top], rows, columns }) {
  const [width, height] = [(right - left) / columns, (top - bottom) / rows];
  const found = { x: [], y: [] };
  const close = ({ from, to, since }, row) => {
    const [west, east, south, north] = [left + from * width, left + to * width, bottom + since * height, bottom + row * height];
    found.x.push(west, east, east, west, NaN);
    found.y.push(south, south, north, north, NaN);
  };
  let open = new Map();
  for (let row = 0; row <= rows; row++) {
    const going = new Map();
    for (const [from, to] of row < rows ? runsOf(classes, bad, row * columns, columns) : []) {
      const key = from * (columns + 1) + to;
      going.set(key, open.get(key) ?? { from, to, since: row });
      open.delete(key);
    }
    for (const run of open.values()) close(run, row);
    open = going;
  }
  return found;
}

// First column and the column after the last of each run of a value in a row.
function runsOf(values, wanted, start, columns) {
  const runs = [];
  for (let k = 0; k < columns; k++) {
    if (values[start + k] !== wanted) continue;
    const from = k;
    while (k < columns && values[start + k] === wanted) k++;
    runs.push([from, k]);
  }
  return runs;
}
