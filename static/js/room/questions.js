/* The questions' column: every question with its state and answer, newest first, as it is streamed.

   What students and models wrote goes in through textContent alone. A list that has been scrolled stays where it
   is when questions come in above; a button says how many. */

import { _, format, n_ } from "../i18n.js";
import { weave } from "../quotations.js";
import { arrange, byId, fromTemplate, holdStill, memory, oncePerFrame, setShown, setText, windowOf } from "./rows.js";
import { isOpen } from "./state.js";
import { showSince } from "./when.js";

const LONG_ANSWER = 420;
const ANNOUNCE_AFTER = 3_000;
const FILTERS = {
  all: () => true,
  waiting: isOpen,
  failed: (interruption) => interruption.state === "failed",
};
const STATES = {
  queued: () => _("waiting"),
  answering: () => _("being answered"),
  answered: () => _("answered"),
  failed: () => _("failed"),
  cancelled: () => _("withdrawn"),
};
const PROVIDERS = {
  passage_helper: () => _("Passage helper, not AI"),
  openai: () => _("AI tutor"),
  help_card: () => _("A fixed message, not AI"),
};
const FLAGS = {
  self_harm: () => _("This may be about harming oneself. Please talk to them."),
};
/** How many seconds a flagged question stands above all others, whatever is filtered. */
const FLAGGED_FIRST = 24 * 60 * 60;
const EMPTY = {
  all: () => [_("No questions yet"), _("What students ask appears here at once, with the answer they get.")],
  waiting: () => [_("Nobody is waiting"), _("Every question has its answer.")],
  failed: () => [_("No failed questions"), ""],
};

export class QuestionList {
  /** `nameOf` and `urlOf` as for StudentList; `isForThisScreen(interruption)` says what may be shown at all;
      `onPlace(textId, paragraph)` shows a place in the text. */
  constructor({ room, nameOf, urlOf, isForThisScreen, onPlace }) {
    Object.assign(this, { room, nameOf, urlOf, isForThisScreen, onPlace });
    this.rows = new Map();
    this.expanded = new Set();
    this.place = null;
    this.list = byId("interruptions");
    this.column = byId("questions-scroll");
    this.buttons = [...document.querySelectorAll(".segment[data-filter]")];
    this.above = byId("new-above");
    this.newAbove = 0;
    this.refresh = oncePerFrame(() => this.#refresh());
    this.#choose(memory.get("room-filter") ?? "all");
    this.buttons.forEach((button) => button.addEventListener("click", () => this.#choose(button.dataset.filter)));
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.above.addEventListener("click", () => this.list.firstElementChild?.scrollIntoView({ block: "center" }));
    // Scroll events do not bubble, but they are seen on the way down, whether the column scrolls or the page.
    addEventListener("scroll", () => this.#scrolled(), { capture: true, passive: true });
  }

  /** Show only the questions about one paragraph ({textId, paragraph}), or about all (null). */
  showPlace(place) {
    this.place = place;
    this.refresh();
  }

  /** A question came in: count it for those who scrolled away, and for those who listen. */
  announce() {
    if (this.#topmost() !== this.list.firstElementChild) this.newAbove += 1;
    this.unheard = (this.unheard ?? 0) + 1;
    this.announcing ??= setTimeout(() => {
      const count = this.unheard;
      setText(byId("announcer"), format(n_("{count} new question", "{count} new questions", count), { count }));
      this.announcing = undefined;
      this.unheard = 0;
    }, ANNOUNCE_AFTER);
  }

  #choose(filter) {
    this.filter = filter in FILTERS ? filter : "all";
    memory.set("room-filter", this.filter);
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.filter === this.filter));
    this.refresh();
  }

  #refresh() {
    const here = this.room.newestInterruptions().filter((one) => this.isForThisScreen(one) && this.#isHere(one));
    for (const button of this.buttons) {
      const count = here.filter(FILTERS[button.dataset.filter]).length;
      setText(button.querySelector(".segment-count"), String(count));
    }
    const first = here.filter(({ flag, askedAt }) => flag && askedAt > Date.now() / 1_000 - FLAGGED_FIRST);
    const shown = [...first, ...here.filter((one) => FILTERS[this.filter](one) && !first.includes(one))];
    // What grows or comes in above must not push away what is being read.
    const focused = this.list.querySelector(":scope > :focus-within");
    holdStill(this.column, focused ?? this.#anchor(), () => {
      arrange(this.list, shown.map((interruption) => this.#show(interruption)), focused);
    });
    this.#forget();
    this.#showPlaceFilter();
    this.#showEmpty(shown.length === 0);
    setShown(byId("questions-older"), this.filter === "all" && !this.place && here.length >= 50);
    this.#showNewAbove();
  }

  #isHere({ textId, paragraph }) {
    return !this.place || (this.place.textId === textId && this.place.paragraph === paragraph);
  }

  /** Return the row to keep still: none while the list stands at its beginning, where news is welcome. */
  #anchor() {
    const topmost = this.#topmost();
    return topmost === this.list.firstElementChild ? null : topmost;
  }

  #topmost() {
    const { top } = windowOf(this.column);
    return [...this.list.children].find((row) => row.getBoundingClientRect().bottom > top) ?? null;
  }

  #forget() {
    for (const id of [...this.rows.keys()]) if (!this.room.interruptions.has(id)) this.rows.delete(id);
  }

  #show(interruption) {
    const { interruptionId, state } = interruption;
    let row = this.rows.get(interruptionId);
    if (!row) {
      row = fromTemplate("interruption-template");
      row.dataset.interruption = interruptionId;
      this.rows.set(interruptionId, row);
    }
    const part = (name) => row.querySelector(`.interruption-${name}`);
    row.dataset.state = state;
    setText(part("nickname"), this.nameOf(interruption.enrollmentId, interruption.nickname));
    part("nickname").href = this.urlOf(interruption.enrollmentId);
    setText(part("paragraph"), `¶${interruption.paragraph}`);
    part("paragraph").title = this.room.texts.get(interruption.textId)?.title ?? "";
    showSince(part("time"), interruption.askedAt);
    setText(part("state"), STATES[state]?.() ?? state);
    setText(part("question"), interruption.questionText);
    if (setShown(part("flag"), interruption.flag in FLAGS)) setText(part("flag"), FLAGS[interruption.flag]());
    this.#showAnswer(row, interruption);
    return row;
  }

  #showAnswer(row, interruption) {
    const { interruptionId, state, fallback } = interruption;
    const reason = state === "failed" ? (interruption.userMessage ?? _("No answer could be made.")) : "";
    const reasonLine = row.querySelector(".interruption-reason");
    if (setShown(reasonLine, Boolean(reason))) setText(reasonLine, reason);

    const given = state === "answered" ? interruption : fallback;
    const text = state === "answering" ? interruption.draftText : given?.responseText;
    const answer = row.querySelector(".interruption-answer");
    const cited = state === "answering" ? [] : (given?.citations ?? []).filter((citation) => citation.verified);
    const elsewhere = weave(answer, text || "", cited, ({ paragraph }) => this.onPlace(interruption.textId, paragraph));
    setShown(answer, Boolean(text) || state === "answering");

    const isLong = state !== "answering" && (text?.length ?? 0) > LONG_ANSWER;
    const isFolded = isLong && !this.expanded.has(interruptionId);
    answer.classList.toggle("folded", isFolded);
    const more = row.querySelector(".interruption-more");
    if (setShown(more, isLong)) {
      more.setAttribute("aria-expanded", String(!isFolded));
      setText(more, isFolded ? _("Show all of it") : _("Show less"));
    }
    this.#showCitations(row, elsewhere);
    const provider = row.querySelector(".interruption-provider");
    if (setShown(provider, Boolean(given?.provider))) {
      const words = PROVIDERS[given.provider]?.() ?? given.provider;
      setText(provider, given.truncated ? format(_("{provider}, cut short"), { provider: words }) : words);
    }
  }

  #showCitations(row, citations) {
    const list = row.querySelector(".citations");
    setShown(list, citations.length > 0);
    const key = citations.map((citation) => `${citation.paragraph} ${citation.quote}`).join("\n");
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    list.replaceChildren(
      ...citations.map((citation) => {
        const item = fromTemplate("citation-template");
        item.querySelector("button").dataset.paragraph = citation.paragraph;
        setText(item.querySelector(".citation-quote"), citation.quote);
        setText(item.querySelector(".citation-paragraph"), `¶${citation.paragraph}`);
        return item;
      }),
    );
  }

  #clicked(event) {
    const row = event.target.closest(".interruption");
    const interruption = row && this.room.interruptions.get(row.dataset.interruption);
    if (!interruption) return;
    const citation = event.target.closest(".citation button");
    if (citation) this.onPlace(interruption.textId, Number(citation.dataset.paragraph));
    if (event.target.closest(".interruption-paragraph")) this.onPlace(interruption.textId, interruption.paragraph);
    if (event.target.closest(".interruption-more")) {
      const id = interruption.interruptionId;
      if (!this.expanded.delete(id)) this.expanded.add(id);
      this.refresh();
    }
  }

  #showPlaceFilter() {
    if (!setShown(byId("paragraph-filter"), Boolean(this.place))) return;
    setText(byId("paragraph-filter-text"), format(_("Only about ¶{paragraph}"), this.place));
  }

  #showEmpty(isEmpty) {
    if (!setShown(byId("questions-empty"), isEmpty)) return;
    const [title, text] = this.place
      ? [_("No such questions here"), format(_("Nobody’s recent questions about ¶{paragraph} fit this list."), this.place)]
      : EMPTY[this.filter]();
    setText(byId("questions-empty-title"), title);
    setText(byId("questions-empty-text"), text);
  }

  #scrolled() {
    if (!this.newAbove || this.#topmost() !== this.list.firstElementChild) return;
    this.newAbove = 0;
    this.#showNewAbove();
  }

  #showNewAbove() {
    if (!setShown(this.above, this.newAbove > 0)) return;
    setText(this.above, format(n_("{count} new above", "{count} new above", this.newAbove), { count: this.newAbove }));
  }
}
