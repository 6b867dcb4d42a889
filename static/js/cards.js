/* One question and its answer, as a card. Shows what interruptions.js knows; decides nothing. */

import { copyOf } from "./dom.js";
import { _, format, n_ } from "./i18n.js";
import { verified } from "./citations.js";
import { textOf } from "./deltas.js";
import { weave } from "./quotations.js";
import { inQuotes } from "./text.js";

const PROVIDERS = {
  passage_helper: () => _("Passage helper, not AI"),
  openai: () => _("AI tutor"),
  help_card: () => _("A fixed message, not AI"),
};

// What a card offers when the server suggested nothing, as after a reload: snapshots carry no suggestions.
const USUAL_SUGGESTIONS = [
  { action: "repeat", text: () => _("Read it again") },
  { action: "ask_more", text: () => _("Ask more") },
  { action: "continue", text: () => _("Go on reading") },
];

const KNOWN_ACTIONS = new Set(["repeat", "continue", "ask_more"]);
const NOT_TO_REPEAT = new Set(["budget_exceeded", "cancelled"]);

export class Card {
  /** `onAct(act, entry)` is called for every button: fold, unfold, place, understood, not-yet, cancel, retry, a
      suggestion's action; `onCite(citation)` for a quotation. */
  constructor({ onAct, onCite }) {
    this.onAct = onAct;
    this.onCite = onCite;
    this.element = copyOf("interruption-template");
    this.parts = new Map();
    this.element.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Show `entry`; `isLive` is whether there is a connection, `isOpen` whether the card is unfolded. */
  show(entry, { isLive, isOpen }) {
    this.entry = entry;
    const { element } = this;
    element.dataset.state = entry.state;
    element.toggleAttribute("data-open", isOpen);
    element.toggleAttribute("data-unread", Boolean(entry.isUnread));
    if (entry.interruptionId) element.dataset.interruption = entry.interruptionId;
    this.#part("unfold").setAttribute("aria-expanded", String(isOpen));
    this.#write("question-text", entry.questionText);
    this.#write("place", entry.paragraph ? `¶${entry.paragraph}` : _("back to this place"));
    this.#write("waiting", waitingText(entry, isLive));
    this.#showAnswer(entry);
    const isDone = entry.state === "answered" || (entry.state === "failed" && Boolean(entry.fallback));
    const isCard = entry.provider === "help_card"; // nothing to be judged or asked again
    this.#part("verdict").hidden = !isDone || isCard || entry.understood === true;
    this.#button("not-yet").setAttribute("aria-pressed", String(entry.understood === false));
    this.#write("judged", judgedText(entry));
    this.#showSuggestions(isDone ? entry : { suggestions: [] });
    this.#button("cancel").hidden = !isWaiting(entry) || !entry.interruptionId;
    this.#button("retry").hidden = !mayRetry(entry);
    this.#write("fold", isWaiting(entry) ? _("Read on meanwhile") : _("Back to the text"));
    this.#part("fold").hidden = isDone;
  }

  /** Give the focus to the question, unless it is in the card already. */
  focus() {
    if (!this.element.contains(document.activeElement)) this.#part("unfold").focus({ preventScroll: true });
  }

  #showAnswer(entry) {
    const answer = entry.state === "failed" ? entry.fallback ?? {} : entry;
    const isStreaming = entry.state === "answering";
    const text = isStreaming ? textOf(entry.draft) : answer.responseText ?? "";
    // Busy while it grows, so that the whole answer is read out once instead of piece by piece.
    this.#part("answer").setAttribute("aria-busy", String(isStreaming));
    this.#write("problem", entry.state === "failed" ? entry.userMessage : "");
    this.#write("provider", isStreaming ? "" : PROVIDERS[answer.provider]?.() ?? "");
    const cited = verified(isStreaming ? [] : answer.citations);
    const elsewhere = weave(this.#part("answer-text"), text, cited, this.onCite);
    this.#part("answer-text").hidden = text === "";
    this.#part("truncated").hidden = !entry.truncated;
    this.#showCitations(elsewhere);
  }

  #showCitations(citations) {
    const list = this.#part("citations");
    const shown = JSON.stringify(citations);
    if (shown === this.shownCitations) return; // a button replaced under a finger would not hear it
    this.shownCitations = shown;
    list.hidden = citations.length === 0;
    list.replaceChildren(
      ...citations.map((citation) => {
        const item = copyOf("citation-template");
        item.querySelector(".quote").textContent = inQuotes(citation.quote);
        item.querySelector(".cited-paragraph").textContent = `¶${citation.paragraph}`;
        item.firstElementChild.addEventListener("click", () => this.onCite(citation));
        return item;
      }),
    );
  }

  #showSuggestions({ suggestions, provider }) {
    const usual = USUAL_SUGGESTIONS.filter(({ action }) => provider !== "help_card" || action === "continue");
    const offered = suggestions ?? usual.map(({ action, text }) => ({ action, text: text() }));
    const buttons = offered
      .filter(({ action }) => KNOWN_ACTIONS.has(action))
      .map(({ action, text }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "plain suggestion";
        button.dataset.act = action;
        button.textContent = text;
        return button;
      });
    const shown = buttons.map((button) => button.outerHTML).join("");
    if (shown === this.shownSuggestions) return;
    this.shownSuggestions = shown;
    this.#part("suggestions").replaceChildren(...buttons);
  }

  #clicked(event) {
    const button = event.target.closest("button");
    if (!button || button.classList.contains("citation")) return;
    if (button.classList.contains("unfold")) this.onAct("unfold", this.entry);
    else if (button.classList.contains("place")) this.onAct("place", this.entry);
    else this.onAct(button.dataset.act, this.entry);
  }

  #button(act) {
    return this.element.querySelector(`[data-act="${act}"]`);
  }

  #part(name) {
    if (!this.parts.has(name)) this.parts.set(name, this.element.querySelector(`.${name}`));
    return this.parts.get(name);
  }

  #write(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
    if (name !== "place" && name !== "fold") part.hidden = text === "";
  }
}

export function isWaiting({ state }) {
  return state === "sending" || state === "queued" || state === "answering";
}

function mayRetry({ state, errorCode }) {
  return state === "failed" && !NOT_TO_REPEAT.has(errorCode);
}

/** Return what stands on a card while there is no answer: "asked, safely kept · 2nd in line · about 6 s". */
export function waitingText(entry, isLive) {
  if (entry.state === "sending") {
    return isLive ? _("sending…") : _("You can go on reading; I'll send this when we are back.");
  }
  if (entry.state === "answering" && entry.draft.characters.length > 0) return "";
  if (!isWaiting(entry)) return "";
  const parts = [_("asked, safely kept")];
  if (entry.state === "answering") parts.push(_("being answered"));
  else {
    if (entry.queuePosition > 0) parts.push(positionText(entry.queuePosition));
    if (entry.processingEstimate > 0) {
      const seconds = entry.processingEstimate;
      parts.push(format(n_("about {seconds}\u00a0s", "about {seconds}\u00a0s", seconds), { seconds }));
    }
  }
  return parts.join(" · ");
}

function positionText(position) {
  if (position === 1) return _("next in line");
  if (position === 2) return _("2nd in line");
  if (position === 3) return _("3rd in line");
  return format(_("number {position} in line"), { position });
}

function judgedText({ understood }) {
  if (understood === true) return _("You said: got it.");
  if (understood === false) return _("Not yet: try one of these, or ask your question in another way.");
  return "";
}
