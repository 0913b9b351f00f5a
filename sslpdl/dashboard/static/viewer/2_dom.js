// Small helpers to build the page.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

const ICONS = {
  first: "M6 5h2v14H6zM20 5v14L9 12z",
  back: "M17 5v14L7 12z",
  play: "M7 4.5v15L20 12z",
  pause: "M6 5h4.2v14H6zM13.8 5H18v14h-4.2z",
  forward: "M7 5v14l10-7z",
  last: "M16 5h2v14h-2zM4 5v14l11-7z",
  loop: "M7 7h9.5V4l4.5 4.5-4.5 4.5v-3H9.5v3.5H7zM17 17H7.5v3L3 15.5 7.5 11v3h7v-3.5H17z",
  previous: "M15.5 5 8.5 12l7 7-1.8 1.8L5 12l8.700-8.800z",
  next: "M8.500 5l7 7-7 7 1.800 1.800L19 12 10.300 3.200z",
  plus: "M10.8 5h2.400v5.800H19v2.400h-5.800V19h-2.400v-5.800H5v-2.400h5.800z",
  minus: "M5 10.800h14v2.400H5z",
  close: "M6.400 5 12 10.600 17.600 5 19 6.400 13.400 12l5.600 5.600-1.400 1.400-5.600-5.600L6.400 19 5 17.600l5.600-5.600L5 6.400z",
  reset: "M4 4h6v2.200H6.200V10H4zM14 4h6v6h-2.200V6.200H14zM4 14h2.200v3.800H10V20H4zM17.800 14H20v6h-6v-2.200h3.800z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function setIcon(button, name, label) {
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", label);
  button.title = label;
}

function iconButton(name, label, onclick, attributes = {}) {
  const button = h("button", { type: "button", class: "icon", onclick, ...attributes });
  setIcon(button, name, label);
  return button;
}

// Text is only touched when it changes: writing the same text again would still cost layout.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A store: `set` merges a change and tells every listener which keys really changed.
function createStore(initial) {
  const listeners = [];
  const store = { ...initial };
  return {
    get: () => store,
    listen: (listener) => listeners.push(listener),
    set(change) {
      const changed = new Set(Object.keys(change).filter((key) => store[key] !== change[key]));
      if (!changed.size) return;
      Object.assign(store, change);
      for (const listener of listeners) listener(store, changed);
    },
  };
}
