/* The room's three parts as tabs on a narrow screen; on a wide one they stand side by side and no tab shows. */

import { memory, setShown } from "./rows.js";

const narrow = matchMedia("(max-width: 59.99rem)");

export class Tabs {
  constructor() {
    this.list = document.querySelector(".room-tabs");
    this.tabs = [...this.list.querySelectorAll("[role=tab]")];
    this.scrolled = new Map();
    this.selected = memory.get("room-tab") ?? this.tabs[0].dataset.tab;
    this.list.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) this.select(tab.dataset.tab);
    });
    this.list.addEventListener("keydown", (event) => this.#walk(event));
    narrow.addEventListener("change", () => this.#show());
    this.#show();
  }

  /** Bring one part to the front; on a wide screen all are there already. */
  select(name) {
    if (narrow.matches) this.scrolled.set(this.selected, scrollY);
    const isOther = name !== this.selected;
    this.selected = name;
    memory.set("room-tab", name);
    this.#show();
    if (narrow.matches && isOther) {
      scrollTo({ top: this.scrolled.get(name) ?? Math.min(scrollY, this.list.offsetTop), behavior: "instant" });
    }
  }

  #show() {
    for (const tab of this.tabs) {
      const isSelected = tab.dataset.tab === this.selected;
      const panel = document.getElementById(tab.getAttribute("aria-controls"));
      tab.setAttribute("aria-selected", String(isSelected));
      tab.tabIndex = isSelected ? 0 : -1;
      setShown(panel, isSelected || !narrow.matches);
      if (narrow.matches) {
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", tab.id);
      } else {
        panel.removeAttribute("role");
        panel.setAttribute("aria-labelledby", `${tab.dataset.tab}-title`);
      }
    }
  }

  #walk(event) {
    const at = this.tabs.findIndex((tab) => tab.dataset.tab === this.selected);
    const last = this.tabs.length - 1;
    const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last };
    if (!(event.key in next)) return;
    event.preventDefault();
    this.select(this.tabs[next[event.key]].dataset.tab);
    this.tabs[next[event.key]].focus();
  }
}
