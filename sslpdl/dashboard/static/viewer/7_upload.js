// Files of the visitor, sent to the server and read there into an archive. `Transfer` does it and outlives a change of
// the language; `UploadPart` shows it in the tab "Data".

addWords({
  en: {
    upload: {
      title: "Upload forecast files",
      hint: ({ megabytes, days }) => `NetCDF or GRIB of one model, up to ${megabytes} MB a file, all lead times together. They become an archive that everyone on this page can choose for ${days} days.`,
      choose: "Choose files …",
      drop: "or drop them here",
      more: "Where the files do not say it",
      init: "Start of the run, UTC",
      covers: "Hours of rain in each field, such as 12, 12, 2",
      sending: (name, k, n) => (n > 1 ? `Sending ${name}, ${k} of ${n}` : `Sending ${name}`),
      waiting: (ahead) => (ahead ? `Waiting: ${ahead} before this` : "Waiting"),
      reading: (time) => `Reading the files, ${time}`,
      cancelled: "Cancelled.",
      done: (title) => `${title} is ready.`,
      channels: (n, missing) => `${n} ${n === 1 ? "channel" : "channels"}${missing ? `, ${missing} of the usual ones are missing` : ""}`,
      missing: "Missing",
      from: (name, text) => `${name}: ${text}`,
      problems: {
        empty: () => "the file is empty.",
        large: (most) => `the file is larger than ${most} MB.`,
        together: (most) => `the files are larger than ${most} MB together.`,
        many: (most) => `there are more than ${most} files.`,
        kind: () => "this is no NetCDF or GRIB file.",
        ticket: () => "The upload has ended; choose the files once more.",
        origin: () => "The server takes files from its own page only.",
        signin: () => "You are not signed in any more; reload the page.",
        length: () => "the size of the file is not known.",
        disk: () => "The server has no room for the file.",
        one: () => "Your last upload is still being read.",
        busy: () => "Others are uploading; try again in a few minutes.",
        nothing: () => "No file has arrived.",
        init: () => "The start of the run is no date and hour.",
        covers: () => "The hours of rain are no list of numbers.",
        dimensions: (what) => `The file declares a field that is too large: ${what}`,
        unreadable: (why) => `The files cannot be read. ${why}`,
        damaged: () => "The files cannot be read: they are damaged, or no forecast that is known here.",
        memory: () => "The fields in the files need more memory than the server gives them.",
        time: () => "Reading the files took too long; send fewer at once.",
        result: () => "The archive made of the files is too large.",
        server: () => "This could not be done; the server's log says why.",
        network: () => "The connection to the server broke off; try again.",
      },
    },
  },
  ko: {
    upload: {
      title: "예보 파일 올리기",
      hint: ({ megabytes, days }) => `한 모델의 NetCDF 또는 GRIB 파일. 파일당 ${megabytes} MB까지, 선행시간별 파일은 한꺼번에 선택하세요. 올린 자료는 ${days}일 동안 이 화면의 모든 사용자가 고를 수 있습니다.`,
      choose: "파일 선택 …",
      drop: "또는 여기에 끌어다 놓기",
      more: "파일에 없는 정보",
      init: "초기시각(UTC)",
      covers: "강수장별 누적 시간(예: 12, 12, 2)",
      sending: (name, k, n) => (n > 1 ? `${name} 보내는 중, ${n}개 중 ${k}번째` : `${name} 보내는 중`),
      waiting: (ahead) => (ahead ? `대기 중: 앞에 ${ahead}건` : "대기 중"),
      reading: (time) => `파일을 읽는 중, ${time}`,
      cancelled: "취소했습니다.",
      done: (title) => `${title} 자료가 준비되었습니다.`,
      channels: (n, missing) => (missing ? `변수 ${n}개, 기본 변수 중 ${missing}개 없음` : `변수 ${n}개`),
      missing: "없는 변수",
      from: (name, text) => `${name}: ${text}`,
      problems: {
        empty: () => "빈 파일입니다.",
        large: (most) => `파일이 ${most} MB보다 큽니다.`,
        together: (most) => `파일 크기의 합이 ${most} MB보다 큽니다.`,
        many: (most) => `파일이 ${most}개보다 많습니다.`,
        kind: () => "NetCDF나 GRIB 파일이 아닙니다.",
        ticket: () => "올리기가 끝났습니다. 파일을 다시 선택하세요.",
        origin: () => "이 서버의 화면에서 보낸 파일만 받습니다.",
        signin: () => "로그인이 끝났습니다. 화면을 새로 여세요.",
        length: () => "파일 크기를 알 수 없습니다.",
        disk: () => "서버에 파일을 둘 공간이 없습니다.",
        one: () => "먼저 올린 파일을 아직 읽는 중입니다.",
        busy: () => "다른 사용자가 올리는 중입니다. 몇 분 뒤에 다시 시도하세요.",
        nothing: () => "도착한 파일이 없습니다.",
        init: () => "초기시각이 날짜와 시각이 아닙니다.",
        covers: () => "누적 시간이 숫자 목록이 아닙니다.",
        dimensions: (what) => `파일이 선언한 격자가 너무 큽니다: ${what}`,
        unreadable: (why) => `파일을 읽을 수 없습니다. ${why}`,
        damaged: () => "파일을 읽을 수 없습니다. 파일이 손상되었거나 여기서 아는 예보 자료가 아닙니다.",
        memory: () => "파일의 격자를 읽기에 서버가 허용한 메모리가 모자랍니다.",
        time: () => "파일을 읽는 데 너무 오래 걸렸습니다. 나누어 올리세요.",
        result: () => "파일로 만든 자료가 너무 큽니다.",
        server: () => "처리하지 못했습니다. 까닭은 서버의 로그에 있습니다.",
        network: () => "서버와 연결이 끊겼습니다. 다시 시도하세요.",
      },
    },
  },
});

const MEGABYTE = 1e6;
const HDF_START = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

// A reason as a word, which the page has a sentence for, with what belongs into the sentence.
class UploadRefused extends Error {
  constructor(problem, detail = "", name = "") {
    super(problem);
    Object.assign(this, { problem, detail, name });
  }
}

// Whether a file begins as NetCDF or GRIB does; the server looks again.
async function looksReadable(file) {
  const start = [...new Uint8Array(await file.slice(0, 8).arrayBuffer())];
  const word = String.fromCharCode(...start.slice(0, 4));
  return word === "GRIB" || ["CDF\x01", "CDF\x02", "CDF\x05"].includes(word) || HDF_START.every((byte, k) => byte === start[k]);
}

class Transfer {
  constructor(requests, limits) {
    Object.assign(this, { requests, limits, changed: () => {} });
    this.state = { phase: "idle" };
  }

  get busy() {
    return ["sending", "waiting", "reading"].includes(this.state.phase);
  }

  put(state) {
    this.state = state;
    this.changed();
  }

  async send(files, more) {
    if (this.busy || !files.length) return;
    this.put({ phase: "sending", name: files[0].name, k: 1, n: files.length, part: 0 });
    this.stopped = false;
    try {
      await this.check(files);
      const { ticket } = await this.ask("upload");
      const total = files.reduce((sum, file) => sum + file.size, 0);
      let before = 0;
      for (const [k, file] of files.entries()) {
        const moved = (bytes) => this.put({ phase: "sending", name: file.name, k: k + 1, n: files.length, part: (before + bytes) / total });
        moved(0);
        await this.post(file, ticket, moved);
        before += file.size;
      }
      this.put({ phase: "waiting", ahead: 0 });
      const { ahead } = await this.ask("upload-read", { ticket, ...more });
      if (this.state.phase === "waiting") this.put({ phase: "waiting", ahead });
    } catch (error) {
      const told = error instanceof UploadRefused ? error : new UploadRefused("server");
      this.requests.ask("upload-cancel").catch(() => {});
      this.put(this.stopped ? { phase: "cancelled" } : { phase: "failed", problem: told.problem, detail: told.detail, name: told.name });
    }
  }

  async check(files) {
    const { megabytes, together, files: most } = this.limits;
    if (files.length > most) throw new UploadRefused("many", most);
    for (const file of files) {
      if (!file.size) throw new UploadRefused("empty", "", file.name);
      if (file.size > megabytes * MEGABYTE) throw new UploadRefused("large", megabytes, file.name);
      if (!(await looksReadable(file))) throw new UploadRefused("kind", "", file.name);
    }
    if (files.reduce((sum, file) => sum + file.size, 0) > together * MEGABYTE) throw new UploadRefused("together", together);
  }

  async ask(kind, payload) {
    const answer = await this.requests.ask(kind, payload);
    if (answer.refused) throw new UploadRefused(answer.refused, answer.detail);
    return answer;
  }

  // fetch() does not tell how much has been sent
  post(file, ticket, moved) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("POST", new URL("upload", location.href.split(/[?#]/)[0]));
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-Upload-Ticket", ticket);
      request.setRequestHeader("X-Upload-Name", encodeURIComponent(file.name));
      request.responseType = "json";
      request.upload.onprogress = (event) => moved(event.loaded);
      request.onload = () => {
        if (request.status === 200) return resolve();
        const { problem = request.status === 413 ? "large" : "network", detail } = request.response ?? {};
        reject(new UploadRefused(problem, detail || this.limits.megabytes, file.name));
      };
      request.onerror = request.onabort = () => reject(new UploadRefused("network"));
      request.send(file);
    });
  }

  cancel() {
    this.stopped = true;
    this.request?.abort();
    if (this.state.phase !== "sending") this.requests.ask("upload-cancel").catch(() => {});
  }

  hear({ state, kind, ...more }) {
    this.put({ phase: state, ...more });
  }
}

class UploadPart {
  constructor(viewer, catalogue) {
    const word = words.upload;
    const { requests, config } = viewer;
    Object.assign(this, { catalogue });
    requests.transfer ??= new Transfer(requests, config.upload);
    this.transfer = requests.transfer;
    this.transfer.changed = () => this.draw();
    requests.listen("upload", (message) => this.transfer.hear(message));
    this.input = h("input", { type: "file", multiple: true, hidden: true, "aria-label": word.choose, onchange: () => this.take(this.input.files) });
    this.choose = h("button", { type: "button", class: "plain", onclick: () => this.input.click() }, word.choose);
    this.init = h("input", { type: "datetime-local", step: 3600 });
    this.covers = h("input", { type: "text", inputmode: "decimal", maxlength: 200 });
    this.said = h("p", { class: "upload-state", role: "status" });
    this.bar = h("progress", { "aria-label": word.title, hidden: true });
    this.stop = h("button", { type: "button", class: "plain", hidden: true, onclick: () => this.transfer.cancel() }, words.cancelJob);
    this.result = h("div", { class: "result" });
    this.element = h("div", { class: "part upload" }, h("h2", {}, word.title), h("p", { class: "note" }, word.hint(config.upload)),
      h("div", { class: "row" }, this.choose, this.input, h("span", { class: "drop" }, word.drop)),
      h("details", {}, h("summary", {}, word.more),
        h("label", {}, h("span", {}, word.init), this.init), h("label", {}, h("span", {}, word.covers), this.covers)),
      h("div", { class: "going" }, this.said, this.stop), this.bar, this.result);
    this.acceptDrops();
    catalogue.removed = (name) => this.transfer.state.archive === name && this.transfer.put({ phase: "idle" });
    this.draw();
  }

  acceptDrops() {
    const { element } = this;
    const over = (event) => {
      event.preventDefault();
      element.classList.add("over");
    };
    element.addEventListener("dragover", over);
    element.addEventListener("dragleave", () => element.classList.remove("over"));
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      element.classList.remove("over");
      this.take(event.dataTransfer.files);
    });
  }

  take(files) {
    this.transfer.send([...files].sort((a, b) => (a.name < b.name ? -1 : 1)), { init: this.init.value, covers: this.covers.value });
    this.input.value = ""; // the same file may be chosen again
  }

  draw() {
    const { state, busy } = this.transfer;
    this.choose.disabled = busy;
    this.stop.hidden = !busy;
    this.bar.hidden = !busy;
    if (state.phase === "sending") Object.assign(this.bar, { max: 1, value: state.part });
    else this.bar.removeAttribute("value");
    setText(this.said, this.sentence(state));
    this.said.classList.toggle("problem", state.phase === "failed");
    if (this.drawn === state.phase) return;
    this.drawn = state.phase;
    this.result.replaceChildren(...(state.phase === "done" ? this.card(state) : []));
    if (state.phase === "done") this.catalogue.look();
  }

  sentence(state) {
    const word = words.upload;
    if (state.phase === "sending") return word.sending(state.name, state.k, state.n);
    if (state.phase === "waiting") return word.waiting(state.ahead);
    if (state.phase === "reading") return word.reading(words.duration(state.seconds));
    if (state.phase === "done") return word.done(state.title);
    if (state.phase === "cancelled") return word.cancelled;
    if (state.phase !== "failed") return "";
    const why = problemText({ problem: state.detail, problem_kind: state.detail_kind });
    const text = (word.problems[state.problem] ?? word.problems.server)(why);
    return state.name ? word.from(state.name, text) : text;
  }

  card({ archive, title, runs, leads, channels, missing, notes }) {
    const word = words.upload;
    const open = h("button", { type: "button", class: "plain strong", "aria-label": `${words.open}: ${title}`, onclick: () => this.catalogue.open(archive) }, words.open);
    return [h("div", { class: "entry made" },
      h("div", { class: "entry-head" }, h("strong", {}, title), open),
      h("p", {}, `${words.runCount(runs)}  ·  ${words.leadSpan(...leads)}  ·  ${word.channels(channels, missing.length)}`),
      missing.length ? h("p", {}, `${word.missing}: ${missing.map((name) => words.inputs[name] ?? words.contentGroups[name] ?? name).join(", ")}`) : null,
      notes.slice(0, 5).map((note) => h("p", {}, note)))];
  }

  close() {
    this.transfer.changed = () => {};
  }
}
