// Language and colours of the page: asked for by the address, else remembered by this browser, else the browser's own.

const LANGUAGES = ["en", "ko"];
const THEMES = ["", "light", "dark"];

// A browser that forbids storage shows the page all the same.
function recall(key, allowed) {
  try {
    const value = localStorage.getItem(`sslpdl.${key}`);
    return allowed.includes(value) ? value : "";
  } catch {
    return "";
  }
}

function keep(key, value) {
  try {
    if (value) localStorage.setItem(`sslpdl.${key}`, value);
    else localStorage.removeItem(`sslpdl.${key}`);
  } catch {
    // it is in the address
  }
}

const chosenLanguage = (asked) => asked || recall("language", LANGUAGES);
const chosenTheme = (asked) => asked || recall("theme", THEMES);

const languageOf = (chosen) => chosen || ((navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en");

const DARK = matchMedia("(prefers-color-scheme: dark)");
const themeOf = (chosen) => chosen || (DARK.matches ? "dark" : "light");

// What is drawn into the figures, where no style sheet reaches; the light colours are those that came from the server.
const DARK_MAP = { sea: "#101921", land: "#303e4a", veil: "#05090d", ink: "#dce6ee", casing: "#0b131a", hatch: "#988b7d" };

function darkColours(renderer) {
  const { glyph } = renderer;
  const { sea, land, veil, ink, casing, hatch } = DARK_MAP;
  if (renderer.name === "missing") return { hatch_color: hatch };
  if (glyph.type === "Patches") return { fill_color: land };
  if (glyph.type === "Quad") return renderer.name === "veil" ? { fill_color: veil } : { line_color: ink };
  if (glyph.type === "Scatter") return { line_color: sea };
  if (glyph.type === "Line") return { line_color: renderer.tags.includes("casing") ? casing : ink };
  return {};
}

const lightColours = new WeakMap();

function repaintIn(theme, model, dark) {
  if (!lightColours.has(model))
    lightColours.set(model, Object.fromEntries(Object.keys(dark).map((name) => [name, model[name]])));
  model.setv(theme === "dark" ? dark : lightColours.get(model), { sync: false });
}

// `covered`: whether the ground of the figure is sea, or nobody knows.
function paintFigure(figure, theme, covered) {
  const ground = covered ? DARK_MAP.sea : DARK_MAP.land;
  repaintIn(theme, figure, { background_fill_color: ground, border_fill_color: ground });
  for (const renderer of figure.renderers) {
    const dark = darkColours(renderer);
    if (Object.keys(dark).length) repaintIn(theme, renderer.glyph, dark);
  }
}

// The page in its colours, and again whenever the choice or the system's own colours change.
class Look {
  constructor(root, figures, covered) {
    Object.assign(this, { root, figures, covered, chosen: "" });
    this.follow = () => this.apply(this.chosen);
    DARK.addEventListener("change", this.follow);
  }

  // A figure that comes later.
  add(figure) {
    this.figures.push(figure);
    if (this.painted === "dark") paintFigure(figure, "dark", this.covered);
  }

  close() {
    DARK.removeEventListener("change", this.follow);
  }

  apply(chosen) {
    this.chosen = chosen;
    const theme = themeOf(chosen);
    for (const element of [this.root, document.documentElement]) {
      element.dataset.theme = theme;
      element.lang = spoken;
    }
    if (theme === this.painted) return;
    // light figures come as they are from the server
    if (this.painted || theme === "dark") for (const figure of this.figures) paintFigure(figure, theme, this.covered);
    const again = this.painted;
    this.painted = theme;
    if (again) this.repainted?.();
  }
}
