/* Reading aloud with the browser's own voices, sentence by sentence.

   The sentence is marked always, the word where the voice tells (some never do). A question holds the voice at its
   word; the server's RESUME_AUDIO lets it go on. Where the browser has no voice the button stays hidden. */

import { byId, bringIntoView, isOnScreen } from "./dom.js";
import { _ } from "./i18n.js";
import { indexOf, sentences, sentenceOf, wordElement } from "./text.js";

const voiceOf = globalThis.speechSynthesis;

export class Speech {
  /** `startAt()` says where to begin; `onWord(index)` follows the voice, `onState({isPlaying, isHeld})` its starts
      and stops; `pages` are turned at their ends. */
  constructor({ language, pages, startAt, onWord, onState, mayPlay }) {
    Object.assign(this, { language, pages, startAt, onWord, onState, mayPlay });
    this.preferences = {};
    this.wordIndex = null;
    this.isPlaying = false;
    this.isHeld = false;
    this.isTurning = false;
    this.turn = 0; // grows when the voice is stopped: what an older utterance still reports is not heard
    this.button = byId("listen-button");
    this.button.addEventListener("click", () => this.toggle());
    if (!voiceOf) return;
    voiceOf.addEventListener?.("voiceschanged", () => this.#showVoices());
    addEventListener("pagehide", () => voiceOf.cancel());
    this.#showVoices();
  }

  get isAvailable() {
    return Boolean(voiceOf) && this.voices().length > 0;
  }

  /** Return the voices for the text's language, or all where none speaks it. */
  voices() {
    const all = voiceOf?.getVoices() ?? [];
    const language = this.language.split("-")[0];
    const fitting = all.filter((voice) => voice.lang.split(/[-_]/)[0] === language);
    return fitting.length ? fitting : all;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else if (this.isAvailable && this.mayPlay()) this.play(this.wordIndex ?? this.startAt());
  }

  /** Read aloud from word `index`, turning the page if it is on another. */
  async play(index) {
    this.#stopVoice();
    this.#setState({ isPlaying: true, isHeld: false });
    const turn = this.turn;
    const isThere = await this.#turning(() => this.pages.turnTo(this.pages.pageOf(index)));
    if (turn !== this.turn) return;
    if (isThere) this.#speak(index);
    else this.pause();
  }

  /** Stop at the word being said. */
  pause() {
    this.#stopVoice();
    this.#setState({ isPlaying: false, isHeld: false });
  }

  /** Stop for a question: `goOn` and `resumeFrom` take it up again. */
  hold() {
    const wasPlaying = this.isPlaying || this.isHeld;
    this.#stopVoice();
    this.#setState({ isPlaying: false, isHeld: wasPlaying });
  }

  /** Go on after a question that was not asked after all, or that no server can answer now. */
  goOn() {
    if (this.isHeld && this.mayPlay()) this.play(this.wordIndex ?? this.startAt());
  }

  /** The server says where to go on; `rate` is its word for the speed, `isAskedFor` starts a silent voice too. */
  resumeFrom(index, { rate, isAskedFor }) {
    if (rate) this.preferences = { ...this.preferences, playbackRate: rate };
    const shallPlay = (this.isHeld || isAskedFor) && this.isAvailable && this.mayPlay();
    if (shallPlay) this.play(index);
    else this.#setState({ isPlaying: false, isHeld: false });
  }

  /** The reader turned the page or went elsewhere by hand: the next listening begins there. */
  moved() {
    this.wordIndex = null;
    if (this.isPlaying) this.play(this.startAt());
  }

  setPreferences(preferences) {
    const isChanged = ["voice", "playbackRate"].some((name) => preferences[name] !== this.preferences[name]);
    this.preferences = preferences;
    if (isChanged && this.isPlaying) this.play(this.wordIndex ?? this.startAt());
  }

  #speak(index) {
    const sentence = sentenceOf(index);
    if (!sentence) return this.pause();
    const words = [...sentence.querySelectorAll(".word")].filter((word) => indexOf(word) >= index);
    const starts = [];
    let text = "";
    for (const word of words) {
      starts.push(text.length);
      text += `${word.textContent} `;
    }
    const utterance = new SpeechSynthesisUtterance(text.trimEnd());
    utterance.lang = this.language;
    utterance.rate = this.preferences.playbackRate ?? 1;
    utterance.voice = this.voices().find((voice) => voice.name === this.preferences.voice) ?? null;
    const turn = this.turn;
    const ifStillMine = (act) => (event) => turn === this.turn && act(event);
    utterance.onboundary = ifStillMine(({ name, charIndex }) => {
      if (name && name !== "word") return;
      const at = starts.filter((start) => start <= charIndex).length - 1;
      if (words[at]) this.#at(indexOf(words[at]), { isExact: true });
    });
    utterance.onend = ifStillMine(() => this.#next(sentence));
    utterance.onerror = ifStillMine(() => this.pause());
    this.utterance = utterance; // Chrome forgets to call back for an utterance that nobody holds
    this.#markSentence(sentence);
    this.#at(index, { isExact: false });
    voiceOf.speak(utterance);
  }

  async #next(sentence) {
    const all = sentences();
    const next = all[all.indexOf(sentence) + 1];
    const turn = this.turn;
    if (next) return this.#speak(Number(next.dataset.firstWord));
    const isTurned = await this.#turning(() => this.pages.next());
    if (turn !== this.turn) return;
    if (isTurned) return this.#speak(Number(sentences()[0].dataset.firstWord));
    this.pause();
    this.wordIndex = null;
  }

  /** While the voice itself turns the page, the turn is not the reader going elsewhere (`isTurning`). */
  async #turning(turn) {
    this.isTurning = true;
    const isTurned = await turn();
    this.isTurning = false;
    return isTurned;
  }

  #at(index, { isExact }) {
    this.wordIndex = index;
    clearMark("spoken-word");
    if (isExact) wordElement(index)?.classList.add("spoken-word");
    this.onWord(index);
  }

  #markSentence(sentence) {
    clearMark("spoken");
    sentence.classList.add("spoken");
    if (!isOnScreen(sentence)) bringIntoView(sentence);
  }

  #stopVoice() {
    this.turn += 1;
    voiceOf?.cancel();
    clearMark("spoken");
    clearMark("spoken-word");
  }

  #setState({ isPlaying, isHeld }) {
    this.isPlaying = isPlaying;
    this.isHeld = isHeld;
    this.button.setAttribute("aria-pressed", String(isPlaying));
    this.button.querySelector(".label").textContent = isPlaying ? _("Stop") : _("Listen");
    this.onState({ isPlaying, isHeld });
  }

  #showVoices() {
    this.button.hidden = !this.isAvailable;
    byId("voice-choices").hidden = !this.isAvailable;
    const choices = this.voices().map((voice) => new Option(voice.name, voice.name));
    byId("voice").replaceChildren(new Option(_("The device's own"), ""), ...choices);
    byId("voice").value = this.preferences.voice ?? "";
  }
}

function clearMark(name) {
  for (const element of document.querySelectorAll(`.${name}`)) element.classList.remove(name);
}
