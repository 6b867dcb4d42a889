/* What the teacher says to the class: the note at the top, the tray that keeps it, focus and pause. */

import { byId, copyOf } from "./dom.js";
import { _, format } from "./i18n.js";
import { paragraphNumberOf } from "./text.js";

export class Notes {
  /** `goTo(wordIndex)` shows a place of this text, `whereAmI()` says where the reader is, `pageOf(wordIndex)` which
      page that is, `onPause(isPaused)` follows the class. */
  constructor({ config, goTo, whereAmI, pageOf, onPause }) {
    Object.assign(this, { config, goTo, whereAmI, pageOf, onPause });
    this.broadcasts = new Map();
    this.key = `notes-seen:${config.sessionId}`;
    this.isPaused = false;
    this.button = byId("notes-button");
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.#openTray());
  }

  restored({ classroom }) {
    this.broadcasts = new Map(classroom.broadcasts.map((broadcast) => [broadcast.broadcastId, broadcast]));
    this.#setPaused(classroom.paused);
    this.#showFocus(withId(classroom));
    this.#showTray();
  }

  /** CLASS_BROADCAST; applying the same one twice changes nothing. */
  heard(broadcast) {
    const isNew = !this.broadcasts.has(broadcast.broadcastId);
    this.broadcasts.set(broadcast.broadcastId, broadcast);
    if (broadcast.kind === "pause") this.#setPaused(true);
    if (broadcast.kind === "resume") this.#setPaused(false);
    if (broadcast.kind === "focus") this.#showFocus(broadcast);
    if (broadcast.kind === "announcement" && isNew) {
      this.note(broadcast.text, { title: _("Your teacher says:"), kind: "announcement" });
    }
    this.#showTray();
  }

  /** Slide a note in at the top, in place of the last of its `kind`; `action` is {label, run}. Returns its element. */
  note(text, { title = "", action, kind }) {
    byId("notices").querySelector(`[data-kind="${kind}"]`)?.remove();
    const note = copyOf("notice-template");
    note.dataset.kind = kind;
    const says = note.querySelector(".notice-text");
    if (title) says.append(Object.assign(document.createElement("strong"), { textContent: title }), " ");
    says.append(text);
    note.querySelector("[data-act=close]").addEventListener("click", () => note.remove());
    if (action) this.#addAction(note, action);
    byId("notices").append(note);
    return note;
  }

  #addAction(note, { label, run }) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => {
      note.remove();
      run();
    });
    note.querySelector(".actions").prepend(button);
  }

  #showFocus(focus) {
    byId("notices").querySelector('[data-kind="focus"]')?.remove();
    if (!focus || this.#isDismissed(focus)) return;
    const title = _("Your teacher asks everyone to look here:");
    if (focus.textId !== this.config.textId) {
      this.note(_("it is in another text."), {
        title, kind: "focus", action: { label: _("Open my books"), run: () => document.querySelector(".back").click() },
      });
      return;
    }
    const note = this.note(this.#placeText(focus.wordIndex), {
      title, kind: "focus", action: { label: _("Go there"), run: () => this.#goThere(focus) },
    });
    note.querySelector("[data-act=close]").addEventListener("click", () => this.#dismiss(focus));
  }

  #placeText(wordIndex) {
    const paragraph = paragraphNumberOf(wordIndex);
    if (paragraph !== null) return format(_("paragraph {paragraph}."), { paragraph });
    return format(_("page {page}."), { page: this.pageOf(wordIndex) });
  }

  async #goThere(focus) {
    const before = this.whereAmI();
    this.#dismiss(focus);
    await this.goTo(focus.wordIndex);
    this.note(_("You are where your teacher asked you to look."), {
      kind: "way-back", action: { label: _("Back to my place"), run: () => this.goTo(before) },
    });
  }

  #setPaused(isPaused) {
    this.isPaused = isPaused;
    const notice = byId("paused-notice");
    const sentence = _(
      "Your teacher has paused the class. The text stays here; asking and listening wait until it goes on.");
    if (isPaused && notice.hidden) notice.textContent = sentence;
    notice.hidden = !isPaused;
    document.body.toggleAttribute("data-paused", isPaused);
    this.onPause(isPaused);
  }

  #spoken() {
    return [...this.broadcasts.values()]
      .filter((broadcast) => broadcast.kind === "announcement")
      .sort((a, b) => b.sentAt - a.sentAt);
  }

  #showTray() {
    const spoken = this.#spoken();
    byId("notes-empty").hidden = spoken.length > 0;
    byId("notes-list").replaceChildren(...spoken.map(({ text, sentAt }) => {
      const item = document.createElement("li");
      const time = document.createElement("time");
      time.dateTime = new Date(sentAt * 1_000).toISOString();
      time.textContent = new Date(sentAt * 1_000).toLocaleString(document.documentElement.lang, {
        weekday: "short", hour: "2-digit", minute: "2-digit" });
      const words = Object.assign(document.createElement("p"), { textContent: text });
      item.append(time, words);
      return item;
    }));
    const unseen = spoken.filter(({ sentAt }) => sentAt > this.#seenUntil()).length;
    byId("notes-count").hidden = unseen === 0;
    byId("notes-count").textContent = String(unseen);
    const label = unseen ? format(_("Notes, {n} new"), { n: unseen }) : _("Notes");
    this.button.setAttribute("aria-label", label);
  }

  #openTray() {
    const latest = this.#spoken()[0];
    if (latest) keep(this.key, latest.sentAt);
    byId("notices").querySelector('[data-kind="announcement"]')?.remove();
    this.#showTray();
    byId("notes-dialog").showModal();
  }

  #seenUntil() {
    return Number(kept(this.key) ?? 0);
  }

  #dismiss(focus) {
    keep(`${this.key}:focus`, focusKey(focus));
  }

  /** Put away for good: asked again, even for the same place, it comes again. */
  #isDismissed(focus) {
    return kept(`${this.key}:focus`) === focusKey(focus);
  }
}

/** Return the snapshot's focus with the id of the broadcast that set it, where the snapshot still tells of it. */
function withId({ focus, broadcasts }) {
  const set = focus && broadcasts.filter(({ kind }) => kind === "focus").sort((a, b) => a.sentAt - b.sentAt).at(-1);
  return set ? { ...focus, broadcastId: set.broadcastId } : focus;
}

function focusKey({ broadcastId, textId, wordIndex }) {
  return String(broadcastId ?? `${textId}:${wordIndex}`);
}

function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(key, String(value));
  } catch {
    // Storage is refused: a note then counts as new once more after a reload.
  }
}
