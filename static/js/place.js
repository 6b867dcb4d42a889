/* Where the reader is: found out from what is on the screen, kept with the server.

   The place is the first word of the topmost sentence in view, or the word being read aloud. It is sent at most
   every two seconds, with a Lamport counter (`rev`: greatest seen + 1), so that two tabs or a late message never
   move a reader back. While offline the last place is kept and sent at the next connection. */

import { byId, headerHeight } from "./dom.js";
import { pageRange, sentences, wordElement } from "./text.js";

const AT_MOST_EVERY = 2_000;
const SETTLED_AFTER = 400;
const ACTIVE_FOR = 30_000;

export class Place {
  constructor({ config, socket }) {
    this.config = config;
    this.socket = socket;
    this.wordIndex = config.wordIndex;
    this.rev = 0;
    this.isDirty = false;
    this.activeSeconds = 0;
    this.lastActivity = Date.now();
    this.lastSent = 0;
    this.hasMoved = false;
    this.isHeard = false;
    this.inView = new Set();
    for (const type of ["scroll", "pointerdown", "keydown", "wheel", "touchmove"]) {
      addEventListener(type, () => (this.lastActivity = Date.now()), { passive: true });
    }
    // A scroll by the page itself (returning to a place) is not a reader who moves.
    for (const type of ["pointerdown", "keydown", "wheel", "touchmove"]) {
      addEventListener(type, () => (this.hasMoved = true), { passive: true });
    }
    setInterval(() => this.#countSecond(), 1_000);
    addEventListener("pagehide", () => this.#leave());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.#leave());
    this.#start();
  }

  /** Another page is in place: the reader is at its first word. */
  pageTurned() {
    this.hasMoved = true;
    this.#observe();
    this.moveTo(pageRange().first);
  }

  /** The reader is at word `index`: seen, or heard. */
  moveTo(index) {
    this.lastActivity = Date.now();
    if (index === this.wordIndex) return;
    this.wordIndex = index;
    this.isDirty = true;
    this.#schedule();
  }

  /** A voice reads (or waits for a question's answer) or falls silent: meanwhile the place is its word, and what is
      on the screen does not count. Its word is kept at once, for the server says where to go on. */
  heard(isHeard) {
    this.isHeard = isHeard;
    this.lastActivity = Date.now();
    this.#send();
  }

  restored(snapshot) {
    if (snapshot.rev < this.rev) this.isDirty = true; // my last one was lost with the connection
    this.rev = Math.max(this.rev, snapshot.rev);
    this.#showFurthest(snapshot.furthestWordIndex);
    if (this.isDirty) this.#schedule();
  }

  saved({ rev, wordIndex, furthestWordIndex, stale }) {
    this.rev = Math.max(this.rev, rev);
    this.#showFurthest(furthestWordIndex);
    // Mine came too late. It is sent again only if the reader is elsewhere than what the server now holds.
    if (stale && wordIndex !== this.wordIndex) {
      this.isDirty = true;
      this.#schedule();
    }
  }

  #start() {
    const { first, end } = pageRange();
    const stored = this.wordIndex;
    this.#observe();
    if (stored < first || stored >= end) {
      this.moveTo(first); // the reader opened another page than the stored one, by its address
    } else if (stored > first && scrollY === 0) {
      const top = wordElement(stored).closest(".sentence").getBoundingClientRect().top;
      if (top > innerHeight * 0.75) scrollTo({ top: top - headerHeight() - 24, behavior: "instant" });
    }
  }

  #observe() {
    this.observer?.disconnect();
    this.inView.clear();
    const options = { rootMargin: `-${Math.round(headerHeight())}px 0px 0px 0px` };
    this.observer = new IntersectionObserver((entries) => this.#looked(entries), options);
    for (const sentence of sentences()) this.observer.observe(sentence);
  }

  #looked(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.inView.add(Number(target.dataset.firstWord));
      else this.inView.delete(Number(target.dataset.firstWord));
    }
    if (this.hasMoved && this.inView.size > 0 && !this.isHeard) this.moveTo(Math.min(...this.inView));
  }

  #schedule() {
    if (this.timer) return;
    const wait = Math.max(SETTLED_AFTER, this.lastSent + AT_MOST_EVERY - Date.now());
    this.timer = setTimeout(() => this.#send(), wait);
  }

  #send() {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.isDirty || !this.socket.isLive) return;
    this.rev += 1;
    this.#say();
    this.isDirty = false;
    this.lastSent = Date.now();
  }

  #leave() {
    this.#send();
    // The time spent here counts even without a step. Without a new number it moves nobody: another tab may be further on.
    if (this.activeSeconds > 0 && this.socket.isLive) this.#say();
  }

  #say() {
    this.socket.send("READING_PROGRESS", {
      wordIndex: this.wordIndex,
      rev: this.rev,
      activeSeconds: this.activeSeconds,
      revision: this.config.revision,
    });
    this.activeSeconds = 0;
  }

  #countSecond() {
    const isActive = document.visibilityState === "visible" && Date.now() - this.lastActivity < ACTIVE_FOR;
    if (isActive) this.activeSeconds += 1;
  }

  #showFurthest(index) {
    const percent = index === 0 ? 0 : Math.min(100, Math.round((100 * (index + 1)) / this.config.words));
    byId("how-far").value = percent;
    byId("percent").textContent = `${percent} %`;
  }
}
