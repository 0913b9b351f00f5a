// The chosen point on the maps: a ring, the outline of its cell where that can be seen, and the ways to choose it there.

const CLICK_REACH = 5; // pixels that a click may move

class PointMarks {
  constructor(viewer, point) {
    this.viewer = viewer;
    this.point = point;
    this.rings = viewer.cards.map(({ body }) => {
      const [ring, outline] = [h("div", { class: "point-ring", hidden: true }), h("div", { class: "point-cell", hidden: true })];
      body.append(outline, ring);
      this.listen(body);
      return { ring, outline };
    });
  }

  listen(body) {
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-label", words.meteogram.mapKeys);
    let down = null;
    body.addEventListener("pointerdown", (event) => {
      const plainClick = event.isPrimary && event.button === 0 && !event.target.closest("button");
      down = plainClick ? { x: event.clientX, y: event.clientY } : null;
    });
    body.addEventListener("pointercancel", () => { down = null; });
    body.addEventListener("pointermove", (event) => {
      if (down && Math.hypot(event.clientX - down.x, event.clientY - down.y) > CLICK_REACH) down = null;
    });
    body.addEventListener("pointerup", (event) => {
      const still = down && Math.hypot(event.clientX - down.x, event.clientY - down.y) <= CLICK_REACH;
      down = null;
      if (!still || !this.point.chooseAt(this.viewer.linked.locate(event, body))) return;
      body.focus({ preventScroll: true });
      // below the maps, where the window is narrow, nobody would see what has been opened
      if (matchMedia("(max-width: 860px)").matches)
        requestAnimationFrame(() => this.point.element.scrollIntoView({ block: "start", behavior: "smooth" }));
    });
    body.addEventListener("keydown", (event) => this.pressed(event, body));
  }

  pressed(event, body) {
    if (event.target !== body || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
    if (event.shiftKey && steps[event.key]) this.point.step(...steps[event.key]);
    else if (event.key === "Enter" && !this.viewer.store.get().point) this.point.chooseMiddle();
    else if (event.key === "Escape" && this.viewer.store.get().point) this.viewer.store.set({ point: null });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const { point } = this.viewer.store.get();
    const at = point && this.point.locate(point);
    const { linked } = this.viewer;
    for (const { ring, outline } of this.rings) {
      ring.hidden = outline.hidden = !at;
      if (!at) continue;
      const [left, top] = linked.place(at);
      ring.style.transform = `translate(${left}px, ${top}px)`;
      this.outline(outline, at);
    }
  }

  outline(outline, at) {
    const { bounds: [left, bottom, right, top], rows, columns } = this.viewer.config;
    const [width, height] = [(right - left) / columns, (top - bottom) / rows];
    const [x, y] = this.viewer.linked.place({ x: left + at.column * width, y: bottom + (at.row + 1) * height });
    const pixels = width / this.viewer.linked.unitsPerPixel;
    outline.hidden = pixels < 6;
    Object.assign(outline.style, { left: `${x}px`, top: `${y}px`, width: `${pixels}px`, height: `${height / this.viewer.linked.unitsPerPixel}px` });
  }
}
