/* The text's column: its paragraphs with how many questions each got and how many readers are there now.

   A paragraph chosen here filters the questions; in picking mode it is where the class is told to look. */

import { _, format, n_ } from "../i18n.js";
import { byId, fromTemplate, memory, oncePerFrame, setShown, setText, windowOf } from "./rows.js";
import { isReading } from "./state.js";

/** The server sends at most this many characters of a paragraph. */
const EXCERPT = 160;

export class TextMap {
  /** `paragraphsUrl(textId)` answers [{paragraph, firstWord, page, heading, text}]; `onChoose(place | null)` filters
      the questions and `onSeeQuestions()` brings them to the front; `onFocus(textId, wordIndex)` sends the class
      there; `onLoaded()` tells that a text is here. */
  constructor({ room, paragraphsUrl, onChoose, onSeeQuestions, onFocus, onLoaded }) {
    Object.assign(this, { room, paragraphsUrl, onChoose, onSeeQuestions, onFocus, onLoaded });
    this.loaded = new Map();
    this.revisions = new Map(); // of the texts that are loaded
    this.rows = new Map();
    this.onlyAsked = false;
    this.list = byId("paragraphs");
    this.column = byId("text-scroll");
    this.choice = byId("text-choice");
    this.refresh = oncePerFrame(() => this.#refresh());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.choice.addEventListener("change", () => this.#open(Number(this.choice.value)));
    byId("text-retry").addEventListener("click", () => this.#open(this.textId));
    byId("all-paragraphs").addEventListener("click", () => this.#showOnlyAsked(false));
    byId("asked-paragraphs").addEventListener("click", () => this.#showOnlyAsked(true));
    this.#offerTexts();
  }

  /** Open the text that was open last, or the one most students read. */
  start() {
    const remembered = Number(memory.get("room-text"));
    const textId = this.room.texts.has(remembered) ? remembered : this.room.mostReadText();
    if (setShown(byId("text-none"), textId === undefined)) this.#clear();
    else this.#open(textId);
  }

  /** The class may have other texts by now, and a text other words: what changed is loaded again. */
  restored() {
    for (const [textId, revision] of [...this.revisions]) {
      if (this.room.texts.get(textId)?.revision === revision) continue;
      this.loaded.delete(textId);
      this.revisions.delete(textId);
    }
    this.#offerTexts();
    if (!this.room.texts.has(this.textId)) this.start();
    else if (!this.revisions.has(this.textId)) this.#open(this.textId);
  }

  /** Scroll to a paragraph and mark it for a moment; opens its text first where another is open. */
  async show(textId, paragraph) {
    if (textId !== this.textId) await this.#open(textId);
    const row = this.rows.get(paragraph);
    if (!row) return;
    if (this.onlyAsked && row.hidden) this.#showOnlyAsked(false);
    row.scrollIntoView({ block: "center", behavior: "instant" });
    row.classList.remove("found");
    void row.offsetWidth; // restarts the mark's animation when the same place is shown twice
    row.classList.add("found");
  }

  /** Scroll to the paragraph that holds a word. */
  async showWord(textId, wordIndex) {
    if (textId !== this.textId) await this.#open(textId);
    await this.show(textId, this.paragraphOf(textId, wordIndex));
  }

  /** Return the paragraph that holds a word, or undefined while that text is not loaded. A text's title, which
      stands before the first paragraph, counts with it. */
  paragraphOf(textId, wordIndex) {
    const paragraphs = this.loaded.get(textId);
    return (paragraphs?.findLast(({ firstWord }) => firstWord <= wordIndex) ?? paragraphs?.[0])?.paragraph;
  }

  /** In picking mode a click on a paragraph focuses the class there. */
  setPicking(picking) {
    this.picking = picking;
    this.list.classList.toggle("picking", picking);
    if (picking) this.#inView()?.querySelector(".paragraph-pick").focus({ preventScroll: true });
  }

  /** Mark the paragraph whose questions are shown, or none (null). */
  markChosen(place) {
    this.chosen = place;
    this.refresh();
  }

  #offerTexts() {
    const texts = [...this.room.texts.values()];
    this.choice.replaceChildren(...texts.map(({ id, title }) => new Option(title, id)));
    if (this.textId !== undefined) this.choice.value = this.textId;
    setShown(this.choice, texts.length > 1);
    if (setShown(byId("text-name"), texts.length === 1)) setText(byId("text-name"), texts[0].title);
  }

  async #open(textId) {
    this.textId = textId;
    this.choice.value = textId;
    memory.set("room-text", textId);
    this.#clear();
    setShown(byId("text-failed"), false);
    if (!this.loaded.has(textId)) {
      setShown(byId("text-loading"), true);
      this.revisions.set(textId, this.room.texts.get(textId)?.revision);
      const paragraphs = await this.#fetch(textId);
      if (this.textId !== textId) return; // another text was chosen meanwhile
      setShown(byId("text-loading"), false);
      if (setShown(byId("text-failed"), !paragraphs)) return;
      this.loaded.set(textId, paragraphs);
      this.onLoaded();
    }
    this.#build(this.loaded.get(textId));
    this.#refresh();
  }

  #clear() {
    this.list.replaceChildren();
    this.rows.clear();
  }

  async #fetch(textId) {
    try {
      const response = await fetch(this.paragraphsUrl(textId), { headers: { Accept: "application/json" } });
      return response.ok ? await response.json() : null;
    } catch {
      return null; // no network: the page offers to try again
    }
  }

  #build(paragraphs) {
    const rows = [];
    for (const { paragraph, firstWord, page, heading, text } of paragraphs) {
      if (heading) rows.push(headingRow(heading));
      const row = fromTemplate("paragraph-template");
      row.dataset.paragraph = paragraph;
      row.dataset.firstWord = firstWord;
      setText(row.querySelector(".paragraph-number"), `¶${paragraph}`);
      setText(row.querySelector(".paragraph-excerpt"), excerptOf(text));
      row.title = format(_("Page {page}"), { page });
      this.rows.set(paragraph, row);
      rows.push(row);
    }
    this.list.replaceChildren(...rows);
  }

  #refresh() {
    const counts = this.room.countsOf(this.textId);
    const most = Math.max(3, ...counts.values()); // three questions fill no bar in a class of thirty
    const readers = this.#readersByParagraph();
    const { focus } = this.room;
    const focused = focus && focus.textId === this.textId
      ? this.paragraphOf(this.textId, focus.wordIndex)
      : undefined;
    for (const [paragraph, row] of this.rows) {
      const questions = counts.get(paragraph) ?? 0;
      const isChosen = this.chosen?.textId === this.textId && this.chosen.paragraph === paragraph;
      this.#showRow(row, { questions, share: questions / most, readers: readers.get(paragraph) ?? 0, isChosen,
        isFocus: paragraph === focused });
    }
    for (const heading of this.list.querySelectorAll(".chapter")) heading.hidden = this.onlyAsked;
    const asked = [...counts.values()].filter((count) => count > 0).length;
    setText(byId("asked-paragraphs-count"), String(asked));
    setShown(byId("text-unasked"), this.onlyAsked && asked === 0 && this.rows.size > 0);
  }

  #showRow(row, { questions, share, readers, isChosen, isFocus }) {
    const shown = [questions, share.toFixed(2), readers, isChosen, isFocus, this.onlyAsked].join();
    if (row.dataset.shown === shown) return;
    row.dataset.shown = shown;
    row.hidden = this.onlyAsked && !questions && !isChosen;
    row.classList.toggle("asked", questions > 0);
    row.classList.toggle("focus", isFocus);
    row.classList.toggle("chosen", isChosen);
    row.style.setProperty("--share", share.toFixed(2));
    setText(row.querySelector(".paragraph-count"), questions ? String(questions) : "");
    const counted = row.querySelector(".paragraph-counted");
    setText(counted, questions ? format(n_("{count} question", "{count} questions", questions), { count: questions }) : "");
    const here = row.querySelector(".paragraph-readers");
    if (setShown(here, readers > 0)) {
      setText(here, format(n_("{count} reader here", "{count} readers here", readers), { count: readers }));
    }
    setShown(row.querySelector(".paragraph-focused"), isFocus);
    row.querySelector(".paragraph-pick").setAttribute("aria-pressed", String(isChosen));
  }

  #readersByParagraph() {
    const readers = new Map();
    for (const student of this.room.students.values()) {
      if (student.textId !== this.textId || !isReading(student)) continue;
      const paragraph = this.paragraphOf(this.textId, student.wordIndex);
      readers.set(paragraph, (readers.get(paragraph) ?? 0) + 1);
    }
    return readers;
  }

  #showOnlyAsked(onlyAsked) {
    this.onlyAsked = onlyAsked;
    byId("all-paragraphs").setAttribute("aria-pressed", String(!onlyAsked));
    byId("asked-paragraphs").setAttribute("aria-pressed", String(onlyAsked));
    this.#refresh();
    if (onlyAsked) this.column.scrollTop = 0;
  }

  #clicked(event) {
    const row = event.target.closest(".paragraph");
    if (!row) return;
    const place = { textId: this.textId, paragraph: Number(row.dataset.paragraph) };
    if (this.picking || event.target.closest(".paragraph-focus")) {
      this.onFocus(this.textId, Number(row.dataset.firstWord));
    } else if (event.target.closest(".paragraph-questions")) {
      this.onSeeQuestions();
    } else if (event.target.closest(".paragraph-pick")) {
      const isChosen = this.chosen?.textId === place.textId && this.chosen.paragraph === place.paragraph;
      this.onChoose(isChosen ? null : place);
    }
  }

  /** Return the first paragraph in view. */
  #inView() {
    const { top } = windowOf(this.column);
    return [...this.rows.values()].find((row) => !row.hidden && row.getBoundingClientRect().bottom > top + 20);
  }
}

function headingRow(heading) {
  const row = fromTemplate("chapter-template");
  setText(row.querySelector(".chapter-title"), heading);
  return row;
}

/** Return the start of a paragraph, cut between words. */
function excerptOf(text) {
  return text.length < EXCERPT ? text : `${text.slice(0, text.lastIndexOf(" "))}…`;
}
