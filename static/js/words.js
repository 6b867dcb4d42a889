/* Taking a word or a passage in hand: by tapping, by selecting, or by keyboard (W, then the arrow keys).

   Shows the small popover with the word, its sentence and "Ask about this"; what then happens is the caller's. */

import { byId, headerHeight, isNarrow } from "./dom.js";
import { _, format } from "./i18n.js";
import { bare, indexOf, paragraphNumberOf, sentenceOf, wordElement } from "./text.js";

const SELECTION_SETTLES = 250;
const GAP = 8;

export class WordsInHand {
  /** `onAsk(about, question)` asks at once, `onWrite(about, question)` opens the box with the question in it;
      `mayAsk()` is false while the class is paused. */
  constructor({ onAsk, onWrite, mayAsk }) {
    Object.assign(this, { onAsk, onWrite, mayAsk });
    this.popover = byId("in-hand");
    this.askButton = this.popover.querySelector("[data-act=ask]");
    this.askButton.addEventListener("click", () => this.#askNow());
    this.popover.querySelector("[data-act=write]").addEventListener("click", () => this.#write());
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("selectionchange", () => this.#selectionChanged());
    addEventListener("resize", () => this.putDown());
  }

  get isOpen() {
    return !this.popover.hidden;
  }

  /** Close the popover and forget what was in hand; `keepFocus` is for a focus that has moved on already. */
  putDown({ keepFocus = false } = {}) {
    if (!this.isOpen) return;
    this.popover.hidden = true;
    this.#mark([]);
    if (!keepFocus && this.popover.contains(document.activeElement)) byId("page").focus({ preventScroll: true });
  }

  /** Let the keyboard choose a word, beginning at `index`. */
  chooseFrom(index) {
    this.#choose(wordElement(index) ?? byId("page").querySelector(".word"));
  }

  /** Take word `index` in hand, as a tap on it does; nothing when it is not on this page. */
  take(index) {
    const word = wordElement(index);
    if (word) this.#takeWord(word);
  }

  /** Move the choice; called with every key while a word is chosen. Returns true when the key was used. */
  keyed(key) {
    const chosen = document.activeElement;
    if (!chosen?.classList.contains("word")) return false;
    const words = [...byId("page").querySelectorAll(".word")];
    const at = words.indexOf(chosen);
    if (key === "ArrowRight") this.#choose(words[at + 1]);
    else if (key === "ArrowLeft") this.#choose(words[at - 1]);
    else if (key === "ArrowDown") this.#choose(neighbour(words, at, 1));
    else if (key === "ArrowUp") this.#choose(neighbour(words, at, -1));
    else if (key === "Enter" || key === " ") this.#takeWord(chosen);
    else return false;
    return true;
  }

  #choose(word) {
    if (!word) return;
    word.tabIndex = -1;
    word.focus();
  }

  #clicked(event) {
    if (this.popover.contains(event.target)) return;
    const word = event.target.closest?.("#page .word");
    if (!word) return this.putDown({ keepFocus: true });
    if (getSelection().isCollapsed) this.#takeWord(word);
  }

  #takeWord(word) {
    const index = indexOf(word);
    const plain = bare(word.textContent);
    const sentence = sentenceOf(index).textContent;
    this.#show({
      about: { wordIndex: index, paragraph: paragraphNumberOf(index), sentence, words: plain, by: "gesture" },
      title: plain,
      sentence,
      question: format(_("What does “{word}” mean?"), { word: plain }),
      marked: [word],
      beside: word.getBoundingClientRect(),
    });
    this.askButton.focus({ preventScroll: true });
  }

  #selectionChanged() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.#takeSelection(), SELECTION_SETTLES);
  }

  #takeSelection() {
    const selection = getSelection();
    if (selection.isCollapsed || !selection.rangeCount) return;
    const range = selection.getRangeAt(0);
    if (!byId("page").contains(range.commonAncestorContainer)) return;
    const words = [...byId("page").querySelectorAll(".word")].filter((word) => touches(range, word));
    if (words.length === 0) return;
    const index = indexOf(words[0]);
    const passage = words.map((word) => word.textContent).join(" ");
    this.#show({
      about: {
        wordIndex: index, paragraph: paragraphNumberOf(index), sentence: sentenceOf(index).textContent, passage,
        by: "gesture",
      },
      title: words.length === 1 ? bare(passage) : "",
      sentence: passage,
      question: "",
      marked: [],
      beside: range.getBoundingClientRect(),
    });
  }

  #show({ about, title, sentence, question, marked, beside }) {
    if (!this.mayAsk()) return;
    this.about = about;
    this.question = question;
    byId("in-hand-words").textContent = title || _("This passage");
    byId("in-hand-sentence").textContent = sentence;
    byId("in-hand-question").textContent = question;
    byId("in-hand-question").hidden = !question;
    this.askButton.textContent = question ? _("Ask about this") : _("Ask about this passage");
    this.popover.querySelector("[data-act=write]").hidden = !question;
    this.#mark(marked);
    this.popover.hidden = false;
    this.#placeBeside(beside);
  }

  #placeBeside(box) {
    const style = this.popover.style;
    if (isNarrow()) return style.removeProperty("top"); // at the foot, where a thumb is and no selection menu
    const { width, height } = this.popover.getBoundingClientRect();
    const left = Math.max(GAP, Math.min(box.left + box.width / 2 - width / 2, innerWidth - width - GAP));
    const above = box.top - height - GAP;
    const top = above > headerHeight() ? above : box.bottom + GAP;
    style.left = `${left + scrollX}px`;
    style.top = `${top + scrollY}px`;
  }

  #mark(words) {
    for (const word of document.querySelectorAll(".word.in-hand-word")) word.classList.remove("in-hand-word");
    for (const word of words) word.classList.add("in-hand-word");
  }

  #askNow() {
    const { about, question } = this;
    this.#letGo();
    if (question) this.onAsk(about, question);
    else this.onWrite(about, "");
  }

  #write() {
    const { about, question } = this;
    this.#letGo();
    this.onWrite(about, question);
  }

  #letGo() {
    getSelection().removeAllRanges();
    this.putDown();
  }
}

/** True when `range` holds some of the word's letters, not only its edge. */
function touches(range, word) {
  if (!range.intersectsNode(word)) return false;
  const letters = document.createRange();
  letters.selectNodeContents(word);
  return (
    range.compareBoundaryPoints(Range.END_TO_START, letters) < 0 &&
    range.compareBoundaryPoints(Range.START_TO_END, letters) > 0
  );
}

/** Return the first word of the next (1) or previous (-1) sentence. */
function neighbour(words, at, step) {
  const sentence = words[at].closest(".sentence");
  for (let index = at; index >= 0 && index < words.length; index += step) {
    const other = words[index].closest(".sentence");
    if (other !== sentence) return other.querySelector(".word");
  }
  return null;
}
