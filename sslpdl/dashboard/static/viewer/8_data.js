// The tab "Data": what can be looked at on this server; and the notice that a new run has come.

addWords({
  en: {
    data: "Data",
    dataHint: "Archives and forecasts on this server",
    shownNow: "Shown now",
    open: "Open",
    remove: "Delete",
    removeData: (title) => `Delete the upload ${title}`,
    removeSure: (title) => `Delete the upload “${title}” for everyone? This cannot be undone.`,
    removed: (title) => `${title} is deleted.`,
    removeProblems: {
      used: "This upload is on somebody's screen; it can be deleted when they have left it.",
      gone: "This upload is not there any more.",
      server: "This upload could not be deleted; the server's log says why.",
    },
    openData: (title, how) => `Open ${title}, ${how}`,
    runCount: (n) => (n === 1 ? "1 run" : `${n} runs`),
    leadSpan: (first, last) => (first === last ? `+${first} h` : `+${first} to +${last} h`),
    probabilitiesBy: (model) => `Probabilities: model ${model}`,
    probabilitiesIn: (name, covered, runs) => `Probabilities: ${name}, ${covered} of ${runs} runs`,
    looking: "Looking …",
    nothingElse: "The folders of this server hold nothing else.",
    cannotOpen: "This archive cannot be read.",
    newRun: (run) => `A new run is here: ${run}`,
    newRuns: (n, run) => `${n} new runs are here, the latest ${run}`,
    showRun: "Show it",
    dismiss: "Dismiss",
    replaced: "The data on the server have been replaced by others.",
    reload: "Load them",
    jobsHint: "Forecasts by the model",
    startJob: "Forecast the runs without probabilities",
    cancelJob: "Cancel",
    cancelNamed: (title) => `Cancel the forecast of ${title}`,
    jobStates: { waiting: "waiting", running: "running", done: "done", cancelled: "cancelled", failed: "failed" },
    jobProgress: (done, total, leads) => `${done} of ${total} runs, ${leads} lead times each`,
    jobRate: (minutes, left) => `${minutes} min a run, ${left} left`,
    duration: (seconds) => (seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`),
  },
  ko: {
    data: "자료",
    dataHint: "이 서버의 자료와 예측",
    shownNow: "표출 중",
    open: "열기",
    remove: "삭제",
    removeData: (title) => `올린 자료 ${title} 삭제`,
    removeSure: (title) => `올린 자료 ‘${title}’을(를) 모든 사용자에게서 삭제할까요? 되돌릴 수 없습니다.`,
    removed: (title) => `${title} 자료를 삭제했습니다.`,
    removeProblems: {
      used: "다른 화면에 표출 중인 자료입니다. 그 화면이 닫힌 뒤에 삭제할 수 있습니다.",
      gone: "이미 없는 자료입니다.",
      server: "삭제하지 못했습니다. 이유는 서버 로그에 있습니다.",
    },
    openData: (title, how) => `${title} 열기, ${how}`,
    runCount: (n) => `초기시각 ${n}개`,
    leadSpan: (first, last) => (first === last ? `선행시간 +${first} h` : `선행시간 +${first} ~ +${last} h`),
    probabilitiesBy: (model) => `강수확률: 모델 ${model}`,
    probabilitiesIn: (name, covered, runs) => `강수확률: ${name}, 초기시각 ${runs}개 중 ${covered}개`,
    looking: "찾는 중 …",
    nothingElse: "이 서버의 폴더에 다른 자료가 없습니다.",
    cannotOpen: "이 자료를 읽을 수 없습니다.",
    newRun: (run) => `새 초기시각 자료가 들어왔습니다: ${run}`,
    newRuns: (n, run) => `새 초기시각 자료 ${n}개가 들어왔습니다. 최근 초기시각 ${run}`,
    showRun: "보기",
    dismiss: "닫기",
    replaced: "서버의 자료가 다른 자료로 바뀌었습니다.",
    reload: "다시 불러오기",
    jobsHint: "모델 예측 계산",
    startJob: "강수확률이 없는 초기시각 계산",
    cancelJob: "취소",
    cancelNamed: (title) => `${title} 계산 취소`,
    jobStates: { waiting: "대기 중", running: "계산 중", done: "완료", cancelled: "취소됨", failed: "실패" },
    jobProgress: (done, total, leads) => `초기시각 ${total}개 중 ${done}개, 선행시간 ${leads}개씩`,
    jobRate: (minutes, left) => `초기시각당 ${minutes}분, 남은 시간 ${left}`,
    duration: (seconds) => (seconds < 90 ? `${seconds}초` : `${Math.round(seconds / 60)}분`),
  },
});

const runLabel = (time) => `${day(utc(time))} ${clock(utc(time))} UTC`;

// A line at the foot of the page that never moves anything: what is new, a button to see it, and one to let it be.
class Notice {
  constructor() {
    this.text = h("span");
    this.act = h("button", { type: "button", class: "plain strong", onclick: () => this.done?.() });
    const close = h("button", { type: "button", class: "plain", onclick: () => this.hide() }, words.dismiss);
    this.bar = h("div", { class: "news", hidden: true }, this.text, this.act, close);
    // a live region is only read out if it is there before its text
    this.element = h("div", { class: "news-place", role: "status" }, this.bar);
  }

  show(text, act, done) {
    this.done = () => {
      this.hide();
      done();
    };
    setText(this.text, text);
    setText(this.act, act);
    this.bar.hidden = false;
  }

  hide() {
    this.bar.hidden = true;
  }
}

// Keeps the list of runs up to date with what the server says.
class RunNews {
  constructor(viewer) {
    this.viewer = viewer;
    this.notice = new Notice();
    this.waiting = [];
    viewer.requests.listen("runs", (news) => this.heard(news));
    viewer.requests.listen("replaced", () => this.notice.show(words.replaced, words.reload, () => location.reload()));
  }

  heard({ init_times: times, changed }) {
    const { config, store, controls } = this.viewer;
    const { init } = store.get();
    const atLatest = init === config.init_times.at(-1) || this.waiting.length > 0;
    const added = times.filter((time) => !config.init_times.includes(time));
    config.init_times.splice(0, config.init_times.length, ...times);
    controls.runs.replaceChildren(...controls.runOptions().map(([value, text]) => h("option", { value }, text)));
    controls.update(store.get());
    if (changed.includes(init)) this.viewer.openRun(init); // more observed rain, or probabilities, of what is shown
    this.waiting = atLatest ? [...this.waiting, ...added].filter((time) => time > init).sort() : [];
    if (!this.waiting.length) return;
    const latest = this.waiting.at(-1);
    const text = this.waiting.length === 1 ? words.newRun(runLabel(latest)) : words.newRuns(this.waiting.length, runLabel(latest));
    this.notice.show(text, words.showRun, () => this.viewer.openRun(latest));
  }

  draw(state) {
    const { element } = this.notice;
    if (!element.isConnected) this.viewer.root.append(element);
    if (this.waiting.length && state.init === this.waiting.at(-1)) {
      this.waiting = [];
      this.notice.hide();
    }
  }
}

// What this server has to show, as a list of cards.
class Catalogue {
  constructor(viewer) {
    this.viewer = viewer;
    this.list = h("ul", { class: "entries" });
    this.note = h("p", { class: "note", role: "status" });
    this.removed = () => {};
    this.element = h("div", {}, h("h2", {}, words.dataHint), this.list, this.note);
  }

  async look() {
    if (!this.list.children.length) setText(this.note, words.looking);
    try {
      const { entries, shown, model } = await this.viewer.requests.ask("catalogue");
      this.list.replaceChildren(...entries.map((entry) => this.card(entry, shown, model)));
      setText(this.note, entries.length > 1 ? "" : words.nothingElse);
    } catch (error) {
      setText(this.note, error.message);
    }
  }

  card(entry, shown, model) {
    const how = entry.forecast == null ? words.probabilitiesBy(model) : words.probabilitiesIn(entry.forecast, entry.covered, entry.runs);
    const here = entry.name === shown;
    const open = h("button", { type: "button", class: "plain", "aria-label": words.openData(entry.title, how), onclick: () => this.open(entry.name) }, words.open);
    const remove = entry.removable && !here
      ? h("button", { type: "button", class: "plain", "aria-label": words.removeData(entry.title), onclick: () => this.remove(entry) }, words.remove)
      : null;
    const facts = entry.title == null ? [h("p", {}, words.cannotOpen)] : [
      h("p", {}, `${words.runCount(entry.runs)}  ·  ${period(entry)}`),
      h("p", {}, `${words.leadSpan(...entry.leads)}  ·  ${entry.grid}  ·  ${entry.megabytes} MB`),
      h("p", {}, how),
    ];
    return h("li", { class: here ? "entry here" : "entry" },
      h("div", { class: "entry-head" }, h("strong", {}, entry.title ?? entry.name), here ? h("span", { class: "here-mark" }, words.shownNow) : h("span", { class: "acts" }, remove, open)),
      entry.synthetic ? h("span", { class: "badge" }, words.synthetic) : null,
      facts);
  }

  async remove({ name, title }) {
    if (!confirm(words.removeSure(title))) return;
    try {
      const { refused } = await this.viewer.requests.ask("upload-remove", { name });
      if (!refused) this.removed(name);
      await this.look();
      setText(this.note, refused ? (words.removeProblems[refused] ?? words.removeProblems.server) : words.removed(title));
    } catch (error) {
      setText(this.note, error.message);
    }
  }

  // Other data are another page: only what is a matter of taste goes along.
  open(name) {
    const query = new URLSearchParams();
    const now = new URLSearchParams(location.search);
    for (const key of ["language", "theme", "palette", "drawer"]) if (now.get(key)) query.set(key, now.get(key));
    if (name) query.set("data", name);
    location.assign(`${location.pathname}?${query}`);
  }
}

function period({ first, last }) {
  const [from, to] = [utc(first), utc(last)];
  const written = (ms) => `${day(ms)} ${clock(ms)}`;
  return from === to ? `${written(from)} UTC` : `${written(from)} – ${written(to)} UTC`;
}

// The runs that the model works on for the page, the same for all who look.
class Jobs {
  constructor(viewer) {
    this.requests = viewer.requests;
    this.start = h("button", { type: "button", class: "plain", disabled: true, onclick: () => this.ask("forecast") }, words.startJob);
    this.note = h("p", { class: "note", role: "status" });
    this.list = h("ul", { class: "entries" });
    this.element = h("div", { class: "part" }, h("h2", {}, words.jobsHint), this.start, this.note, this.list);
    this.requests.listen("jobs", ({ jobs }) => this.show(jobs));
  }

  async look() {
    const { jobs, why_not: reason } = await this.requests.ask("jobs");
    this.start.disabled = Boolean(reason);
    setText(this.note, reason);
    this.show(jobs);
  }

  async ask(kind, payload) {
    try {
      setText(this.note, "");
      await this.requests.ask(kind, payload);
    } catch (error) {
      setText(this.note, error.message);
    }
  }

  // Cards are kept while their job goes on: a button that is about to be pressed does not vanish.
  show(jobs) {
    const old = new Map([...this.list.children].map((card) => [card.dataset.job, card]));
    const cards = [...jobs].reverse().map((job) => {
      const card = old.get(String(job.number)) ?? this.card(job);
      this.fill(card, job);
      return card;
    });
    if (cards.length !== old.size || cards.some((card, k) => card !== this.list.children[k])) this.list.replaceChildren(...cards);
  }

  card(job) {
    const cancel = h("button", { type: "button", class: "plain", "aria-label": words.cancelNamed(job.title),
      onclick: () => this.ask("cancel", { number: job.number }) }, words.cancelJob);
    return h("li", { class: "entry job", "data-job": job.number },
      h("div", { class: "entry-head" }, h("strong", {}, job.title), cancel),
      h("progress", { "aria-label": words.jobsHint }), h("p", { class: "far" }), h("p", { class: "rate" }), h("p", { class: "problem" }));
  }

  fill(card, job) {
    const open = job.state === "waiting" || job.state === "running";
    const find = (selector) => card.querySelector(selector);
    find("button").hidden = !open;
    Object.assign(find("progress"), { max: job.total, value: job.done });
    setText(find(".far"), `${words.jobStates[job.state]}: ${words.jobProgress(job.done, job.total, job.leads)}`);
    setText(find(".rate"), job.seconds_left == null ? "" : words.jobRate(job.minutes_a_run, words.duration(job.seconds_left)));
    setText(find(".problem"), problemText(job));
  }
}

feature({
  name: "data",
  title: () => words.data,
  initial: (start) => ({ data: start.data }),
  address: { data: (value) => value },
  create(viewer) {
    const news = new RunNews(viewer);
    const catalogue = new Catalogue(viewer);
    const jobs = new Jobs(viewer);
    const upload = viewer.config.upload ? new UploadPart(viewer, catalogue) : null;
    const isOpen = () => viewer.store.get().drawer === "data";
    viewer.requests.listen("runs", () => isOpen() && catalogue.look());
    return {
      element: h("div", {}, catalogue.element, upload?.element, jobs.element),
      draw(state, changed) {
        news.draw(state);
        if (!changed.has("drawer") || !isOpen()) return;
        catalogue.look();
        jobs.look();
      },
      close: () => {
        news.notice.element.remove();
        upload?.close();
      },
    };
  },
});
