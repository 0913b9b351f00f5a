// Fields and other runs that a map asks for: fetched once per run and name, all lead times, and kept for a while.

const KEPT = 24;

class Library {
  constructor(requests, config) {
    this.requests = requests;
    this.config = config;
    this.cells = config.rows * config.columns;
    this.entries = new Map();
    this.arrived = () => {};
  }

  // { planes: [...], problem } of an input or an accumulation; undefined while it is on its way.
  field(init, name) {
    return this.fetch(`${init} ${name}`, async () => {
      const { blocks } = await this.requests.ask("field", { run: init, name });
      const unpacked = blocks.map(async (block) => (block.byteLength ? sixteenBit(await inflate(block), 0, this.cells) : null));
      return { planes: await Promise.all(unpacked), problem: "" };
    });
  }

  // { frames: [...], interval, bold, lattice, code, problem } of an overlay: a frame is the lines of contours, or the two
  // planes of vectors, null where there is none.
  overlay(init, name) {
    return this.fetch(`${init} overlay ${name}`, async () => {
      const { blocks, ...about } = await this.requests.ask("overlay", { run: init, name });
      const unpacked = blocks.map(async (block) => {
        if (!block.byteLength) return null;
        const bytes = await inflate(block);
        return about.lattice ? unpackVectors(bytes, about) : unpackLines(bytes, about, this.config.bounds);
      });
      return { frames: await Promise.all(unpacked), problem: "", ...about };
    });
  }

  // { frames: RunFrames, problem } of another run; undefined while it is on its way.
  run(init) {
    const key = `${init} run`;
    return this.fetch(key, async () => {
      const run = await this.requests.ask("run", { run: init });
      const frames = new RunFrames(run, this.cells, this.config.thresholds.length);
      await frames.load(0, () => {});
      // its probabilities are still being computed: another look later
      if (run.status === "computing") setTimeout(() => this.entries.delete(key) && this.arrived(), 5000);
      return { frames, problem: problemText(run) };
    });
  }

  fetch(key, make) {
    const known = this.entries.get(key);
    if (known) return known.value;
    const entry = { value: undefined };
    this.entries.set(key, entry);
    // the oldest go first
    if (this.entries.size > KEPT) this.entries.delete(this.entries.keys().next().value);
    make()
      .catch((error) => ({ problem: error.message }))
      .then((value) => {
        entry.value = value;
        this.arrived();
      });
    return undefined;
  }
}
