/* The "Aa" menu: size, paper, letters, spacing, voice. Applied at once, kept with the server a moment later. */

import { byId } from "./dom.js";
import { applyPreferences } from "./first-paint.js";

const KEPT_AFTER = 600;
const DEFAULTS = {
  theme: "auto", font: "serif", fontScale: 1, lineSpacing: 1.65, letterSpacing: 0, playbackRate: 1, voice: "",
};
const NUMBERS = ["fontScale", "lineSpacing", "letterSpacing", "playbackRate"];

export class Comfort {
  /** `onChange(preferences)` is called with every change, mine or another tab's. */
  constructor({ config, socket, onChange }) {
    this.socket = socket;
    this.onChange = onChange;
    this.preferences = config.preferences ?? {};
    this.panel = byId("comfort");
    this.button = byId("comfort-button");
    this.form = byId("comfort-form");
    this.button.hidden = false;
    this.button.addEventListener("click", () => (this.panel.hidden ? this.#open() : this.close()));
    this.form.addEventListener("input", (event) => this.#chosen(event.target));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.panel.querySelector("[data-act=close]").addEventListener("click", () => this.close());
    this.panel.querySelector("[data-act=keys]").addEventListener("click", () => {
      this.close();
      byId("shortcuts-dialog").showModal();
    });
    this.panel.querySelector("[data-act=reset]").addEventListener("click", () => this.#set({ ...DEFAULTS }));
    document.addEventListener("pointerdown", (event) => this.#pointed(event));
    this.#show();
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  close() {
    if (!this.isOpen) return;
    const hadFocus = this.panel.contains(document.activeElement);
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (hadFocus) this.button.focus();
  }

  restored({ preferences }) {
    this.saved({ preferences });
  }

  /** Kept, by me or in another tab. What I have changed since and not sent yet stays as I see it. */
  saved({ preferences }) {
    if (this.timer || this.socket.pending("SET_PREFERENCES").length > 0) return;
    this.preferences = preferences;
    this.#show();
  }

  #open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.form.querySelector("input:checked, input").focus();
  }

  #chosen(input) {
    this.#set({ [input.name]: NUMBERS.includes(input.name) ? Number(input.value) : input.value });
  }

  #set(change) {
    this.preferences = { ...this.preferences, ...change };
    this.#show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = null;
      this.socket.request("SET_PREFERENCES", this.preferences);
    }, KEPT_AFTER);
  }

  #show() {
    applyPreferences(this.preferences);
    const shown = { ...DEFAULTS, ...this.preferences };
    for (const input of this.form.elements) {
      if (input.type === "radio") input.checked = input.value === shown[input.name];
      else if (input.name && document.activeElement !== input) input.value = String(shown[input.name]);
    }
    this.onChange(this.preferences);
  }

  #pointed(event) {
    if (!this.panel.contains(event.target) && !this.button.contains(event.target)) this.close();
  }
}
