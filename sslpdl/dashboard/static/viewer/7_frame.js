// Header (what, when, and how the page looks) and footer (where, and where from).

Object.assign(ICONS, {
  automatic: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2.200v13.600a6.800 6.800 0 0 1 0-13.600z",
  light: "M12 7.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM11 2h2v3.500h-2zM11 18.500h2V22h-2zM2 11h3.500v2H2zM18.500 11H22v2h-3.500zM4.200 5.600l1.400-1.400 2.500 2.500-1.400 1.400zM15.900 17.300l1.400-1.400 2.500 2.500-1.400 1.400zM5.600 19.800l-1.400-1.400 2.500-2.500 1.400 1.400zM17.300 8.100l-1.400-1.400 2.500-2.500 1.400 1.400z",
  dark: "M20.500 14.800A8.800 8.800 0 0 1 9.200 3.500 8.800 8.800 0 1 0 20.500 14.800z",
});

class Header {
  constructor(config, actions) {
    this.config = config;
    this.faces = words.zones.map((zone) => ({ zone, clock: h("strong"), day: h("span", { class: "day" }) }));
    const face = (part) => h("div", { class: "time" }, h("span", { class: "zone" }, part.zone), part.clock, part.day);
    this.from = h("p", { class: "from" });
    const badge = config.synthetic
      ? h("span", { class: "badge", title: words.syntheticHint }, words.synthetic)
      : null;
    const [short, name] = words.otherLanguage;
    this.theme = iconButton("automatic", "", actions.nextTheme, { class: "icon theme" });
    this.element = h(
      "header",
      { class: "top" },
      h("a", { class: "skip", href: "#", onclick: actions.skip }, words.skip),
      h("div", { class: "brand" }, h("span", { class: "mark" }, "SSLPDL"), h("div", {}, h("h1", {}, config.title, badge), this.from)),
      h("div", { class: "valid", role: "group", "aria-label": words.valid }, h("span", { class: "caption" }, words.valid), this.faces.map(face)),
      h(
        "div",
        { class: "tools" },
        h("button", { type: "button", class: "language", lang: spoken === "ko" ? "en" : "ko", "aria-label": name, title: name, onclick: actions.otherLanguage }, short),
        this.theme,
        config.user ? h("button", { type: "button", class: "sign-out", title: words.signedIn(config.user), onclick: () => location.assign("logout") }, words.signOut) : null,
        h("button", { type: "button", class: "icon help", "aria-label": words.help, title: words.help, onclick: actions.help }, "?"),
      ),
    );
  }

  update(state, config) {
    const start = utc(state.init);
    const lead = config.lead_times[state.lead];
    for (const part of this.faces) {
      const ms = inZone(start + lead * HOUR, part.zone);
      setText(part.clock, clock(ms));
      setText(part.day, day(ms));
    }
    setText(this.from, `${words.run} ${moment(start)}  ·  ${leadLabel(lead)}`);
  }

  showTheme(chosen) {
    const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    setIcon(this.theme, chosen || "automatic", words.themeButton(words.themes[chosen], words.themes[next]));
  }
}

// The keys, in a dialog of the browser's own: it keeps the focus, Escape closes it, and the focus goes back.
function helpDialog() {
  const rows = words.helpKeys.map(([keys, what]) =>
    h("div", {}, h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, what)),
  );
  const dialog = h("dialog", { class: "help", "aria-label": words.help });
  dialog.append(
    h("h2", {}, words.helpTitle),
    h("dl", {}, rows),
    h("p", {}, words.helpMaps),
    h("p", {}, words.helpTimes),
    h("button", { type: "button", class: "close", onclick: () => dialog.close() }, words.close),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}

function footer(config) {
  const note = h("p", { class: "window" });
  const sources = [config.source, config.model, words.grid(config.rows, config.columns, config.spacing),
    config.pooling > 1 ? words.pooled(config.pooling) : null, config.covered ? null : words.noCoastline];
  const keys = words.keys.map(([key, what]) => h("span", {}, h("kbd", {}, key), what));
  const element = h(
    "footer",
    {},
    h("p", { class: "keys" }, keys),
    note,
    h("p", { class: "sources" }, sources.filter(Boolean).join("  ·  ")),
  );
  return { element, setWindow: (hours) => setText(note, words.windowNote(hours)) };
}
