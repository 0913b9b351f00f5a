// Questions to the server: `ask(kind, payload)` promises the answer, or is rejected with a sentence for the reader.
// What the server says unasked (a new run, the progress of a job) goes to those who `listen(kind, listener)`.

class Requests {
  constructor(model) {
    this.model = model;
    this.next = 1;
    this.open = new Map();
    this.listeners = new Map();
    model.on("msg:custom", (event) => this.receive(event.data ?? event));
  }

  ask(kind, payload = {}) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject });
      this.model.send_msg({ kind, id, ...payload });
    });
  }

  listen(kind, listener) {
    this.listeners.set(kind, [...(this.listeners.get(kind) ?? []), listener]);
  }

  silence() {
    this.listeners.clear();
  }

  receive(message) {
    if (message.id == null) {
      for (const listener of this.listeners.get(message.kind) ?? []) listener(message);
      return;
    }
    const waiting = this.open.get(message.id);
    this.open.delete(message.id);
    if (message.problem) waiting?.reject(new Error(problemText(message)));
    else waiting?.resolve(apart(message.answer));
  }
}

// An answer with its blocks one by one again; they travel as one piece.
function apart(answer) {
  if (!answer?.sizes) return answer;
  const { blocks, sizes, ...rest } = answer;
  const whole = ArrayBuffer.isView(blocks) ? new Uint8Array(blocks.buffer, blocks.byteOffset, blocks.byteLength) : new Uint8Array(blocks);
  let end = 0;
  return { ...rest, blocks: sizes.map((size) => whole.subarray(end, (end += size))) };
}
