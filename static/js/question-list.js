/* All questions of this text in one list, with the older ones fetched on demand. */

import { byId, copyOf } from "./dom.js";
import { _, format } from "./i18n.js";
import { isWaiting } from "./cards.js";

export class QuestionList {
  /** `entries()` returns the known questions, `onOlder(views)` takes fetched ones in, `onOpen(key)` shows one. */
  constructor({ url, entries, onOlder, onOpen, pageOf }) {
    Object.assign(this, { url, entries, onOlder, onOpen, pageOf });
    this.button = byId("questions-button");
    this.dialog = byId("questions-dialog");
    this.older = byId("older-questions");
    this.next = null;
    this.hasAsked = false;
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.#open());
    this.older.addEventListener("click", () => this.#fetchOlder());
  }

  /** Show the number of questions that wait or have an answer not yet looked at. */
  changed() {
    const fresh = this.entries().filter((entry) => isWaiting(entry) || entry.isUnread).length;
    byId("questions-count").hidden = fresh === 0;
    byId("questions-count").textContent = String(fresh);
    const label = fresh ? format(_("My questions, {n} to look at"), { n: fresh }) : _("My questions");
    this.button.setAttribute("aria-label", label);
    if (this.dialog.open) this.#show();
  }

  #open() {
    this.#show();
    this.dialog.showModal();
  }

  #show() {
    const entries = this.entries().sort((a, b) => b.askedAt - a.askedAt);
    byId("questions-empty").hidden = entries.length > 0;
    const shown = entries.map(({ key, state }) => key + state).join();
    if (shown !== this.shown) byId("questions-list").replaceChildren(...entries.map((entry) => this.#row(entry)));
    this.shown = shown;
    // Snapshots bring the last 20: with fewer there are no older ones.
    const finished = entries.filter((entry) => !isWaiting(entry)).length;
    this.older.hidden = this.hasAsked ? !this.next : finished < 20;
  }

  #row(entry) {
    const row = copyOf("question-row-template");
    row.querySelector(".question-text").textContent = entry.questionText;
    const page = format(_("page {page}"), { page: this.pageOf(entry.wordIndex) });
    row.querySelector(".where").textContent = `${page} · ${stateText(entry)}`;
    row.firstElementChild.addEventListener("click", () => {
      this.dialog.close();
      this.onOpen(entry.key);
    });
    return row;
  }

  async #fetchOlder() {
    const oldest = this.entries().filter((entry) => entry.interruptionId).sort((a, b) => a.askedAt - b.askedAt)[0];
    const url = this.next ?? `${this.url}?before=${oldest.interruptionId}`;
    this.older.disabled = true;
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const { results, next } = await response.json();
      this.next = next;
      this.hasAsked = true;
      this.onOlder(results);
    } catch {
      this.older.textContent = _("Older questions could not be fetched. Try again");
    }
    this.older.disabled = false;
    this.#show();
  }
}

function stateText({ state, errorCode }) {
  if (state === "sending") return _("sending");
  if (state === "answered") return _("answered");
  if (state === "failed") return _("no answer");
  if (state === "cancelled" || errorCode === "cancelled") return _("taken back");
  return _("waiting");
}
