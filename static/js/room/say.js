/* The composer that speaks to the whole class, and what was said before. */

import { _ } from "../i18n.js";
import { byId, fromTemplate, oncePerFrame, setShown, setText } from "./rows.js";
import { showSince } from "./when.js";

const OUTCOME_FOR = 6_000;

export class Say {
  constructor({ room, socket }) {
    Object.assign(this, { room, socket });
    this.panel = byId("say");
    this.opener = byId("open-say");
    this.text = byId("say-text");
    this.refresh = oncePerFrame(() => this.#refresh());
    this.opener.addEventListener("click", () => this.toggle());
    byId("close-say").addEventListener("click", () => this.close());
    byId("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    for (const request of socket.pending("BROADCAST")) this.#await(request);
  }

  /** Open the composer, or close it. */
  toggle() {
    if (!this.panel.hidden) return this.close();
    setShown(this.panel, true);
    this.opener.setAttribute("aria-expanded", "true");
    this.#refresh();
    this.text.focus();
  }

  /** Close the composer and give the focus back; what was typed stays in it. */
  close() {
    setShown(this.panel, false);
    this.opener.setAttribute("aria-expanded", "false");
    this.opener.focus();
  }

  #say() {
    const text = this.text.value.trim();
    if (!text) return;
    this.#await(this.socket.request("BROADCAST", { text }));
    this.text.value = "";
    this.#tell(this.socket.isLive ? _("Sending…") : _("Kept here until the connection is back."));
    this.refresh();
  }

  async #await(request) {
    const { type, payload } = await request.reply;
    if (type === "ERROR") {
      if (!this.text.value) this.text.value = request.payload.text;
      this.#tell(payload.message, { failed: true });
    } else {
      this.#tell(_("Said to everyone."), { passing: true });
    }
    this.refresh();
  }

  #tell(words, { failed = false, passing = false } = {}) {
    const outcome = byId("say-outcome");
    clearTimeout(this.fading);
    setText(outcome, words);
    outcome.classList.toggle("failed", failed);
    if (passing) this.fading = setTimeout(() => setText(outcome, ""), OUTCOME_FOR);
  }

  #refresh() {
    if (this.panel.hidden) return;
    const waiting = this.socket.pending("BROADCAST").map(({ payload }) => itemOf(payload.text, null));
    const said = this.room.said().map(({ text, sentAt }) => itemOf(text, sentAt));
    setShown(byId("said-empty"), waiting.length + said.length === 0);
    byId("said").replaceChildren(...waiting.reverse(), ...said);
  }
}

function itemOf(text, sentAt) {
  const item = fromTemplate("said-template");
  setText(item.querySelector(".said-text"), text);
  const time = item.querySelector("time");
  if (sentAt) showSince(time, sentAt);
  else setText(time, _("sending…"));
  return item;
}
