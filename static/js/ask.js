/* The box a question is written in. It knows what the question is about; sending is `onAsk`'s. */

import { byId } from "./dom.js";
import { _, format, n_ } from "./i18n.js";
import { clipped, inQuotes } from "./text.js";

const LONGEST = 2_000;
const COUNTED_FROM = 1_800;
const QUOTED = 90;

export class AskBox {
  /** `onAsk({questionText, studentThought, about})` is called once a question is sent; `onShown` and
      `onClosed({sent})` when the box comes and goes. `key` is where a half-written question is kept. */
  constructor({ key, onAsk, onShown, onClosed }) {
    Object.assign(this, { key, onAsk, onShown, onClosed });
    this.form = byId("ask");
    this.question = byId("ask-question");
    this.thought = byId("ask-thought");
    this.question.value = this.#kept();
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.form.addEventListener("input", () => this.#typed());
    this.form.querySelector("[data-act=close]").addEventListener("click", () => this.close());
    for (const field of [this.question, this.thought]) {
      field.addEventListener("keydown", (event) => this.#keyed(event));
    }
  }

  get isOpen() {
    return !this.form.hidden;
  }

  get isEmpty() {
    return this.question.value.trim() === "";
  }

  /** Open the box. `about` is {wordIndex, paragraph, sentence?, passage?, words?, by}; `question` prefills it. */
  open(about, question = "") {
    this.about = about;
    if (!this.isOpen) this.cameFrom = document.activeElement;
    if (question) this.question.value = question;
    byId("ask-about").textContent = this.#aboutText(about);
    this.form.hidden = false;
    this.#typed();
    this.onShown(about);
    this.question.focus({ preventScroll: true });
  }

  /** Close it and give the focus back; what was written stays for the next time, unless it was sent. */
  close({ sent = false } = {}) {
    if (!this.isOpen) return;
    this.form.hidden = true;
    if (this.cameFrom?.isConnected) this.cameFrom.focus({ preventScroll: true });
    this.onClosed({ sent });
  }

  /** Take back a question that could not be sent: it is in the box when that is opened next. */
  takeBack(questionText) {
    this.question.value = [questionText, this.question.value].filter((text) => text.trim()).join("\n");
    this.#typed();
  }

  #submit(event) {
    event.preventDefault();
    const questionText = cleaned(this.question.value);
    if (!questionText || Array.from(questionText).length > LONGEST) return this.question.focus();
    const studentThought = clipped(cleaned(this.thought.value), LONGEST);
    this.form.reset();
    this.form.querySelector("details").open = false;
    this.#typed();
    this.close({ sent: true });
    this.onAsk({ questionText, studentThought, about: this.about });
  }

  #keyed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }

  #typed() {
    const length = Array.from(this.question.value).length;
    const left = LONGEST - length;
    byId("ask-left").textContent =
      length < COUNTED_FROM ? ""
      : left >= 0 ? format(n_("{left} character left", "{left} characters left", left), { left })
      : format(n_("{over} character too many", "{over} characters too many", -left), { over: -left });
    this.form.classList.toggle("too-long", left < 0);
    this.question.setAttribute("aria-invalid", String(left < 0));
    this.question.style.height = "auto";
    this.question.style.height = `${Math.min(this.question.scrollHeight + 2, 220)}px`;
    this.#keep(this.question.value);
  }

  #aboutText({ paragraph, words, passage }) {
    const place = paragraph ? `¶${paragraph}` : _("about this page");
    const quoted = passage ?? words;
    if (!quoted) return place;
    const short = quoted.length > QUOTED ? `${clipped(quoted, QUOTED).trimEnd()}…` : quoted;
    return `${place} ${inQuotes(short)}`;
  }

  #kept() {
    try {
      return sessionStorage.getItem(this.key) ?? "";
    } catch {
      return "";
    }
  }

  #keep(text) {
    try {
      sessionStorage.setItem(this.key, text);
    } catch {
      // Storage is refused: a reload then loses what was typed, nothing else.
    }
  }
}

/** Without control characters, which the server refuses, and without the space around. */
function cleaned(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "").trim();
}
