/* The reader's questions: what is known of each, and what the socket says about them.

   An entry has the shape of the wire's InterruptionView, plus `key` (its id, or its request's id before the server
   has one), `draft` (deltas.js) and `state` "sending" until it is acknowledged. reader.js connects messages to the
   methods here; cards.js and margin.js show the result. */

import { announce, bringIntoView, byId, isNarrow } from "./dom.js";
import { _, format } from "./i18n.js";
import { Card, isWaiting } from "./cards.js";
import { goTo, light, verified } from "./citations.js";
import { draftOf, textOf, withDelta } from "./deltas.js";
import { clipped, paragraphNumberOf, passageOf, pageRange, sentenceOf } from "./text.js";

export class Interruptions {
  /** `openBox(about, question)` opens the ask box; `onNotice(text, action)` shows a note and returns it; `onChange()`
      is called after every change, for the list and the count; `resumeAlone()` when reading goes on and no server
      can say where. `box` ({element, wordIndex}) is the ask box while it is open. */
  constructor({ config, socket, pages, margin, openBox, onNotice, onChange, resumeAlone }) {
    Object.assign(this, { config, socket, pages, margin, openBox, onNotice, onChange, resumeAlone });
    this.entries = new Map();
    this.cards = new Map();
    this.openKey = null;
    this.box = null;
    this.staysOnCard = false;
  }

  // ---- what the reader does

  /** Ask; the question is on the page at once and is sent now or at the next connection. */
  ask({ questionText, studentThought, about }) {
    const context = { currentWordIndex: about.wordIndex, revision: this.config.revision };
    const sentence = about.sentence ?? sentenceOf(about.wordIndex)?.textContent;
    if (sentence) context.currentSentence = clipped(sentence, 4_000);
    if (about.passage) context.surroundingText = clipped(about.passage, 8_000);
    const payload = { questionText, context, interruptionType: about.by ?? "button" };
    if (studentThought) payload.studentThought = studentThought;
    const request = this.socket.request("STUDENT_INTERRUPTION", payload);
    this.#follow(request);
    this.open(request.id);
  }

  /** Forget a question that the server did not take, by the id of its request. */
  forget(requestId) {
    const entry = this.#byRequest(requestId);
    if (!entry) return;
    if (this.openKey === entry.key) this.openKey = null;
    this.entries.delete(entry.key);
    this.changed();
  }

  /** Unfold the card of `key`, turning to its page first. */
  async open(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.openKey = entry.key;
    if (!(await this.pages.turnTo(this.pages.pageOf(entry.wordIndex)))) return;
    entry.isUnread = false;
    entry.notice?.remove();
    this.changed();
    this.margin.keepInView(entry.wordIndex);
    this.cards.get(entry.key)?.focus();
  }

  /** Fold whatever is open; returns false when nothing was. */
  fold() {
    if (this.openKey === null) return false;
    this.openKey = null;
    this.changed();
    return true;
  }

  act(act, entry) {
    const interruptionId = entry.interruptionId;
    if (act === "unfold") return this.openKey === entry.key ? this.fold() : this.open(entry.key);
    if (act === "fold") return this.#backToTheText(entry);
    if (act === "place") return this.returnTo(entry.wordIndex);
    if (act === "cancel") return this.socket.request("CANCEL_INTERRUPTION", { interruptionId });
    if (act === "retry") return this.#retry(entry);
    if (act === "understood") return this.#judge(entry, true);
    if (act === "not-yet") return this.#judge(entry, false);
    if (act === "continue") return this.#resume(entry, { interruptionId });
    if (act === "repeat") return this.#repeat(entry);
    if (act === "ask_more") return this.openBox({ wordIndex: entry.wordIndex, paragraph: entry.paragraph }, "");
  }

  /** Show the place of word `index` again, scrolling only when it is out of sight. */
  async returnTo(index) {
    if (!(await this.pages.turnTo(this.pages.pageOf(index)))) return;
    const sentence = sentenceOf(index);
    if (!sentence) return;
    byId("page").focus({ preventScroll: true }); // the button that brought us here is folded away
    bringIntoView(sentence);
    sentence.classList.remove("returned");
    void sentence.offsetWidth; // restarts the animation when the same sentence is returned to twice
    sentence.classList.add("returned");
  }

  // ---- what the server says

  restored({ interruptions }) {
    const before = new Set(this.entries.keys());
    // Requests of before a reload first: what the snapshot has of them already then takes over their card.
    for (const request of this.socket.pending("STUDENT_INTERRUPTION")) {
      if (!this.#byRequest(request.id)) this.#follow(request);
    }
    const listed = new Set(interruptions.map((view) => view.interruptionId));
    for (const view of interruptions) this.#claimPending(view, before);
    for (const view of interruptions) {
      this.#put({ ...this.entries.get(view.interruptionId), ...cleared, ...entryOf(view) });
    }
    // Every open question is in the snapshot: one that is not has ended long ago.
    for (const entry of [...this.entries.values()]) {
      if (entry.interruptionId && isWaiting(entry) && !listed.has(entry.interruptionId)) this.entries.delete(entry.key);
    }
    this.changed();
  }

  acknowledged(payload, { inReplyTo }) {
    this.#adopt(payload, inReplyTo);
  }

  moved({ interruptionId, queuePosition, processingEstimate }) {
    this.#change(interruptionId, (entry) => {
      if (entry.state === "queued") Object.assign(entry, { queuePosition, processingEstimate });
    });
  }

  grew(payload) {
    this.#change(payload.interruptionId, (entry) => {
      if (!isWaiting(entry)) return;
      const draft = withDelta(entry.draft, payload);
      if (draft === null) return this.socket.restore();
      Object.assign(entry, { state: "answering", draft, attempt: draft.attempt });
    });
  }

  answered(payload) {
    this.#change(payload.interruptionId, (entry) => {
      const isNew = entry.state !== "answered"; // the same answer comes again when the reader has judged it
      Object.assign(entry, payload, { state: "answered", answeredAt: entry.answeredAt ?? Date.now() / 1_000 });
      if (isNew) this.#tell(entry, _("Your question has an answer."));
    });
  }

  failed({ interruptionId, errorCode, userMessage, fallback }) {
    this.#change(interruptionId, (entry) => {
      const state = errorCode === "cancelled" ? "cancelled" : "failed";
      Object.assign(entry, { state, errorCode, userMessage, fallback });
      if (state === "failed") this.#tell(entry, userMessage);
      else if (this.openKey === entry.key) this.openKey = null;
    });
  }

  /** Take in finished questions that were fetched (the wire's InterruptionView). */
  addOlder(views) {
    for (const view of views) {
      if (!this.entries.has(view.interruptionId)) this.#put(entryOf(view));
    }
    this.changed();
  }

  /** Show everything as it is now: after a change here, a page turn, or another connection state. */
  changed() {
    const { first, end } = pageRange();
    const here = [...this.entries.values()].filter(
      ({ wordIndex, state }) => wordIndex >= first && wordIndex < end && state !== "cancelled");
    const openKey = this.box ? null : this.openKey;
    const items = here.map((entry) => {
      const isOpen = entry.key === openKey;
      const card = this.#card(entry);
      card.show(entry, { isLive: this.socket.isLive, isOpen });
      return { element: card.element, wordIndex: entry.wordIndex, isOpen, entry };
    });
    if (this.box) items.push({ element: this.box.element, wordIndex: this.box.wordIndex, isOpen: true });
    this.margin.show(items);
    this.#light(here.find((entry) => entry.key === openKey));
    this.onChange();
  }

  // ----

  #follow(request) {
    const { questionText, context } = request.payload;
    const wordIndex = context?.currentWordIndex ?? this.config.wordIndex;
    this.#put({
      key: request.id, requestId: request.id, state: "sending", questionText, wordIndex,
      paragraph: paragraphNumberOf(wordIndex), askedAt: Date.now() / 1_000, draft: draftOf(0, ""),
    });
    request.reply.then(({ type, payload }) => {
      if (type === "INTERRUPTION_ACKNOWLEDGED") this.#adopt(payload, request.id);
      if (type === "ERROR") this.#refused(request.id, payload);
    });
    this.changed();
  }

  /** The server has the question: from now on the entry goes by the server's id. */
  #adopt(payload, requestId) {
    let mine = requestId && this.#byRequest(requestId);
    if (mine?.interruptionId && mine.interruptionId !== payload.interruptionId) {
      mine.requestId = null; // it was an earlier question in the same words that took over the card
      mine = null;
    }
    const known = this.entries.get(payload.interruptionId);
    const { interruptionId, questionText, wordIndex, paragraph, queuePosition, processingEstimate } = payload;
    if (mine && mine !== known) this.entries.delete(mine.key);
    if (mine && this.openKey === mine.key) this.openKey = interruptionId;
    if (mine && mine.key !== interruptionId) {
      if (!known && this.cards.has(mine.key)) this.cards.set(interruptionId, this.cards.get(mine.key));
      this.cards.delete(mine.key);
    }
    if (!known) {
      this.#put({
        draft: draftOf(0, ""), askedAt: Date.now() / 1_000, ...mine, key: interruptionId, interruptionId, questionText,
        wordIndex, paragraph, queuePosition, processingEstimate, state: "queued",
      });
    }
    this.changed();
  }

  #refused(requestId, { message }) {
    const entry = this.#byRequest(requestId);
    if (!entry) return;
    Object.assign(entry, { state: "failed", userMessage: message });
    announce(message);
    this.changed();
  }

  /** A question of the snapshot that is mine and was acknowledged on a wire that broke before I heard it: its card
      goes on, so that it does not stand there twice until the stored reply comes. */
  #claimPending(view, before) {
    if (before.has(view.interruptionId)) return;
    const text = view.questionText;
    const mine = [...this.entries.values()].find(
      (entry) => entry.state === "sending" && entry.wordIndex === view.wordIndex
        && entry.questionText.normalize() === text);
    if (mine) this.#adopt(view, mine.requestId);
  }

  #change(interruptionId, change) {
    const entry = this.entries.get(interruptionId);
    if (!entry) return;
    change(entry);
    this.changed();
  }

  #put(entry) {
    this.entries.set(entry.key, entry);
  }

  #byRequest(requestId) {
    return [...this.entries.values()].find((entry) => entry.requestId === requestId);
  }

  #card(entry) {
    if (!this.cards.has(entry.key)) this.cards.set(entry.key, this.#newCard());
    return this.cards.get(entry.key);
  }

  #newCard() {
    return new Card({
      onAct: (act, entry) => this.act(act, entry),
      onCite: (citation) => goTo(citation, this.pages),
    });
  }

  #light(entry) {
    const source = entry?.state === "failed" ? entry.fallback : entry;
    const done = entry && !isWaiting(entry);
    light(done ? verified(source?.citations) : []);
    if (done) entry.shownAt ??= Date.now();
  }

  #tell(entry, text) {
    const isHere = passageOf(entry.wordIndex) !== null;
    if (isHere && this.openKey === entry.key && !this.box) return;
    const isInMargin = isHere && !isNarrow(); // its card is in view, with a dot
    entry.isUnread = true;
    if (isInMargin) return announce(text);
    const page = this.pages.pageOf(entry.wordIndex);
    entry.notice = this.onNotice(`${text} “${entry.questionText}”`, {
      label: page === this.pages.current ? _("Show it") : format(_("Go to page {page}"), { page }),
      run: () => this.open(entry.key),
    });
  }

  #retry(entry) {
    if (!entry.interruptionId) this.entries.delete(entry.key); // refused: the server does not know it
    const about = { wordIndex: entry.wordIndex, paragraph: entry.paragraph };
    this.ask({ questionText: entry.questionText, about });
  }

  #judge(entry, understood) {
    entry.understood = understood;
    entry.helpful = understood;
    const payload = { interruptionId: entry.interruptionId, understood, helpful: understood };
    if (understood) return this.#resume(entry, payload);
    // The server answers with RESUME_AUDIO, but a reader who has not understood stays with the answer.
    this.staysOnCard = this.socket.send("RESUME_READING", { ...payload, timeSpent: timeSpent(entry) });
    this.changed();
  }

  #resume(entry, payload) {
    this.fold();
    const isSent = this.socket.send("RESUME_READING", { ...payload, timeSpent: timeSpent(entry) });
    this.returnTo(entry.wordIndex);
    if (!isSent) this.resumeAlone();
  }

  #repeat(entry) {
    const fromWordIndex = Number(passageOf(entry.wordIndex)?.dataset.firstWord ?? entry.wordIndex);
    this.fold();
    this.returnTo(fromWordIndex);
    this.socket.send("REPEAT_AUDIO", { fromWordIndex, reason: "unclear" });
  }

  #backToTheText(entry) {
    this.fold();
    this.returnTo(entry.wordIndex);
  }
}

// A snapshot says everything about a question: what it leaves out is no longer so.
const cleared = {
  queuePosition: null, processingEstimate: null, responseText: null, citations: null, provider: null, truncated: null,
  errorCode: null, userMessage: null, fallback: null, understood: null, helpful: null, answeredAt: null,
};

function entryOf(view) {
  return { ...view, key: view.interruptionId, draft: draftOf(view.attempt, view.draftText) };
}

function timeSpent({ shownAt }) {
  return shownAt ? Math.min(86_400, Math.round((Date.now() - shownAt) / 1_000)) : 0;
}
