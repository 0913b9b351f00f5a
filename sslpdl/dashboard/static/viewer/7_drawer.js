// The drawer beside the maps: one tab for each part of the page that has one; `drawer` in the store names the open one.

class Drawer {
  constructor(store, parts) {
    this.parts = parts.filter((part) => part.title);
    this.tabs = this.parts.map((part) =>
      h("button", { type: "button", role: "tab", id: `tab-${part.name}`, "aria-controls": `panel-${part.name}`,
        onclick: () => store.set({ drawer: store.get().drawer === part.name ? "" : part.name }) }, part.title()),
    );
    this.panels = this.parts.map((part) =>
      h("section", { role: "tabpanel", id: `panel-${part.name}`, class: `panel ${part.name}`, "aria-labelledby": `tab-${part.name}`, hidden: true }, part.element),
    );
    const onkeydown = (event) => moveChoice(event, this.tabs, { choose: false });
    this.list = h("div", { class: "tabs", role: "tablist", "aria-label": words.views, hidden: !this.parts.length, onkeydown }, this.tabs);
    this.store = store;
    this.element = h("aside", { class: "drawer", "aria-label": words.views, hidden: true },
      iconButton("close", words.closeDrawer, () => this.close(), { class: "icon close-drawer" }), this.panels);
  }

  // Closes the open view and gives the focus to the tab that opens it; false if none is open.
  close() {
    const open = this.parts.findIndex((part) => part.name === this.store.get().drawer);
    if (open < 0) return false;
    this.tabs[open].focus();
    this.store.set({ drawer: "" });
    return true;
  }

  update({ drawer }) {
    this.element.hidden = !this.parts.some((part) => part.name === drawer);
    this.parts.forEach((part, k) => {
      const open = part.name === drawer;
      this.panels[k].hidden = !open;
      this.tabs[k].setAttribute("aria-selected", String(open));
    });
  }
}
