/* Where questions stand: in the margin beside their paragraph, or, on a narrow screen, at the foot.

   One thing is open at a time: the ask box or one card. The narrow sheet leaves the paragraph in question in
   view, and paragraphs with questions carry a mark that opens them. reading.css draws both forms. */

import { byId, headerHeight, isNarrow } from "./dom.js";
import { format, n_ } from "./i18n.js";
import { passageOf, sentenceOf } from "./text.js";

const GAP = 12;

export class Margin {
  /** `onMark(interruptions)` is called when a paragraph's mark is pressed, with the entries that stand there. */
  constructor({ onMark }) {
    this.onMark = onMark;
    this.aside = byId("margin");
    this.items = [];
    this.sizes = new ResizeObserver(() => this.#schedule());
    this.sizes.observe(byId("ask"));
    this.#watchPage();
    addEventListener("resize", () => this.#schedule());
    visualViewport?.addEventListener("resize", () => this.#liftAboveKeyboard());
  }

  /** Show `items`, [{element, wordIndex, isOpen, entry?}], in the order of the text; the ask box is one of them
      while it is open. Elements no longer named leave the page. */
  show(items) {
    this.items = [...items].sort((a, b) => a.wordIndex - b.wordIndex);
    const elements = this.items.map((item) => item.element);
    for (const child of [...this.aside.children]) {
      if (child.id !== "ask" && !elements.includes(child)) {
        this.sizes.unobserve(child);
        child.remove();
      }
    }
    this.#putInOrder(elements);
    const opened = this.items.find((item) => item.isOpen);
    this.aside.toggleAttribute("data-open", Boolean(opened));
    document.body.toggleAttribute("data-sheet", Boolean(opened));
    this.#showMarks();
    this.#layOut();
  }

  /** Another page is in place. */
  pageTurned() {
    this.#watchPage();
  }

  /** Scroll so that the sentence of word `index` is seen above the sheet (narrow) or beside its card. */
  keepInView(index) {
    const sentence = sentenceOf(index);
    if (!sentence) return;
    const box = sentence.getBoundingClientRect();
    const bottom = isNarrow() && this.aside.hasAttribute("data-open")
      ? this.aside.getBoundingClientRect().top : innerHeight;
    if (box.top >= headerHeight() && box.bottom <= bottom - GAP) return;
    scrollTo({ top: scrollY + box.top - headerHeight() - GAP });
  }

  /** Put cards around the ask box, which is never moved itself: a textarea that moves loses its focus. */
  #putInOrder(elements) {
    let next = this.aside.firstElementChild;
    for (const element of elements) {
      while (next && !elements.includes(next)) next = next.nextElementSibling;
      if (element.id === "ask" || element === next) next = element.nextElementSibling;
      else this.aside.insertBefore(element, next);
      this.sizes.observe(element);
    }
  }

  #watchPage() {
    this.pageSize?.disconnect();
    this.pageSize = new ResizeObserver(() => this.#schedule());
    this.pageSize.observe(byId("page"));
  }

  #schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.#layOut();
    });
  }

  /** Each card as near to its paragraph as the others let it; the open one, at its sentence, has its place first. */
  #layOut() {
    this.#placeMarks();
    if (isNarrow() || this.items.length === 0) return this.aside.style.removeProperty("min-height");
    const origin = this.aside.getBoundingClientRect().top;
    const wanted = this.items.map(({ wordIndex, isOpen }) => {
      // The open one stands at its sentence, which keepInView shows: the paragraph may begin far above the screen.
      const beside = isOpen ? sentenceOf(wordIndex) : passageOf(wordIndex);
      return beside ? Math.max(0, beside.getBoundingClientRect().top - origin) : 0;
    });
    const heights = this.items.map(({ element }) => element.offsetHeight);
    const opened = this.items.findIndex((item) => item.isOpen);
    const tops = stacked(wanted, heights, opened);
    this.items.forEach(({ element }, index) => element.style.setProperty("--top", `${Math.round(tops[index])}px`));
    const last = tops.length - 1;
    this.aside.style.minHeight = `${Math.round(tops[last] + heights[last] + GAP)}px`;
  }

  #showMarks() {
    const marks = byId("page").querySelector(".marks") ?? this.#newMarks();
    const byPassage = new Map();
    for (const item of this.items) {
      const passage = item.entry && passageOf(item.wordIndex);
      if (passage) byPassage.set(passage, [...(byPassage.get(passage) ?? []), item.entry]);
    }
    const shown = [...byPassage.values()].map((entries) => entries.map(({ key }) => key).join()).join(";");
    if (marks.dataset.shown === shown) return; // a mark replaced under a finger would not hear it
    marks.dataset.shown = shown;
    marks.replaceChildren(
      ...[...byPassage].map(([passage, entries]) => {
        const mark = document.createElement("button");
        mark.type = "button";
        mark.className = "mark plain";
        mark.textContent = entries.length > 1 ? String(entries.length) : "?";
        const n = entries.length;
        const label = n_("{n} question at paragraph {paragraph}", "{n} questions at paragraph {paragraph}", n);
        mark.setAttribute("aria-label", format(label, { n, paragraph: entries[0].paragraph ?? "" }));
        mark.addEventListener("click", () => this.onMark(entries));
        this.marked ??= new WeakMap();
        this.marked.set(mark, passage);
        return mark;
      }),
    );
  }

  #newMarks() {
    const marks = document.createElement("div");
    marks.className = "marks";
    byId("page").append(marks);
    return marks;
  }

  #placeMarks() {
    for (const mark of byId("page").querySelectorAll(".mark")) {
      mark.style.setProperty("--top", `${this.marked.get(mark).offsetTop}px`);
    }
  }

  #liftAboveKeyboard() {
    const covered = Math.max(0, innerHeight - visualViewport.height - visualViewport.offsetTop);
    this.aside.style.setProperty("--lift", `${Math.round(covered)}px`);
  }
}

/** Return the tops of boxes that want to stand at `wanted` and may not overlap. Box `first` (-1 for none) gets its
    wish as long as those above it still fit below 0. */
function stacked(wanted, heights, first) {
  const tops = [...wanted];
  const pushDown = (from) => {
    for (let i = Math.max(1, from); i < tops.length; i++) {
      tops[i] = Math.max(tops[i], tops[i - 1] + heights[i - 1] + GAP);
    }
  };
  pushDown(1);
  if (first > 0 && tops[first] > wanted[first]) {
    tops[first] = wanted[first];
    for (let i = first - 1; i >= 0; i--) tops[i] = Math.min(tops[i], tops[i + 1] - heights[i] - GAP);
    tops[0] = Math.max(0, tops[0]);
    for (let i = first + 1; i < tops.length; i++) tops[i] = wanted[i];
    pushDown(1);
  }
  return tops;
}
