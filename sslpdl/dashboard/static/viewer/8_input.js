// Keyboard and pointer.

const ARROWS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"];

// Whether a key press belongs to a control that uses it itself.
function belongsToControl(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  if (target.closest("dialog[open]")) return true;
  if (target.matches("[role=radio], [role=tab]") && ARROWS.includes(event.key)) return true;
  if (target.matches("select, textarea, [contenteditable]")) return true;
  if (target.matches("input[type=range]")) return ARROWS.includes(event.key);
  if (target.matches("input")) return true;
  return target.matches("button") && (event.key === " " || event.key === "Enter");
}

// Arrow keys on one of several buttons of which one is chosen: the choice and the focus move. Up is more, as on a map.
function moveChoice(event, buttons, { choose = true } = {}) {
  const at = buttons.indexOf(event.target);
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -Infinity, End: Infinity }[event.key];
  if (at < 0 || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const next = buttons[Math.min(Math.max(at + step, 0), buttons.length - 1)];
  if (choose) next.click();
  next.focus();
}

// Escape closes one thing at a time: a dialog by itself, an open list of choices, then the view beside the maps.
function leave(event, actions) {
  const target = event.composedPath()[0];
  if (target instanceof Element && target.closest("dialog[open]")) return;
  const menu = target instanceof Element ? target.closest("details[open]") : null;
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (!actions.closeDrawer()) return;
  event.preventDefault();
}

function listenToKeys(actions) {
  const keys = {
    ArrowLeft: () => actions.step(-1),
    ArrowRight: () => actions.step(1),
    ArrowUp: () => actions.stepThreshold(1),
    ArrowDown: () => actions.stepThreshold(-1),
    Home: () => actions.jump(0),
    End: () => actions.jump(Infinity),
    " ": () => actions.toggle(),
    "[": () => actions.stepRun(-1),
    "]": () => actions.stepRun(1),
    0: () => actions.reset(),
    "+": () => actions.zoom(0.7),
    "=": () => actions.zoom(0.7),
    "-": () => actions.zoom(1 / 0.7),
    "?": () => actions.help(),
  };
  const pressed = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing) leave(event, actions);
    if (event.ctrlKey || event.metaKey || event.altKey || belongsToControl(event)) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

// A control that was used with the pointer gives the keys back: the space bar plays, whatever was clicked last.
function releaseFocus(root) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && event.detail > 0) button.blur();
  });
  root.addEventListener("change", (event) => event.target.blur());
}

// Calls `moved(event)` at most once a frame while a pointer is over a map, and `left()` when it goes.
function listenToPointer(body, moved, left) {
  let latest = null;
  const report = (event) => {
    if (!latest) requestAnimationFrame(() => {
      if (latest) moved(latest);
      latest = null;
    });
    latest = event;
  };
  body.addEventListener("pointermove", report);
  body.addEventListener("pointerdown", report);
  body.addEventListener("pointerleave", (event) => {
    latest = null;
    if (event.pointerType === "mouse") left(); // a finger's last place stays readable
  });
}
