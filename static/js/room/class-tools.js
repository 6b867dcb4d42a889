/* Pause and focus for the whole class, and the notices that say what holds now. */

import { _, format } from "../i18n.js";
import { byId, setShown, setText } from "./rows.js";

const OUTCOME_FOR = 6_000;

export class ClassTools {
  /** `text` is the TextMap; `onPicking()` is called when a paragraph is about to be picked. */
  constructor({ room, socket, text, onPicking, onShowFocus }) {
    Object.assign(this, { room, socket, text, onPicking, onShowFocus });
    this.pauseButton = byId("toggle-pause");
    this.focusButton = byId("pick-focus");
    this.pauseButton.addEventListener("click", () => this.togglePause());
    byId("resume-class").addEventListener("click", () => this.togglePause());
    this.focusButton.addEventListener("click", () => this.pick(!this.picking));
    byId("stop-picking").addEventListener("click", () => this.pick(false));
    byId("show-focus").addEventListener("click", () => this.onShowFocus(this.room.focus));
  }

  /** Show whether the class is paused and where it is asked to look. */
  refresh() {
    const { paused, focus } = this.room;
    this.pauseButton.classList.toggle("paused", paused);
    setText(byId("toggle-pause-label"), paused ? _("Resume") : _("Pause"));
    setShown(byId("paused-notice"), paused);
    if (setShown(byId("focus-notice"), Boolean(focus))) setText(byId("focus-notice-text"), this.#focusSentence(focus));
  }

  /** Pause the class, or let it go on. */
  async togglePause() {
    if (this.isAsking) return; // a second press before the answer would undo the first
    this.isAsking = true;
    const pausing = !this.room.paused;
    const done = await this.#ask(pausing ? "PAUSE_CLASS" : "RESUME_CLASS", {});
    this.isAsking = false;
    // The notice shows it to those who see; this says it to those who listen.
    if (done) setText(byId("announcer"), pausing ? _("The class is paused.") : _("The class goes on."));
  }

  /** Start or stop choosing the paragraph that everyone should look at. */
  pick(picking) {
    const wasPicking = this.picking;
    this.picking = picking;
    this.focusButton.setAttribute("aria-pressed", String(picking));
    setShown(byId("picking-notice"), picking);
    if (picking) this.onPicking();
    this.text.setPicking(picking);
    if (wasPicking && !picking) this.focusButton.focus();
  }

  /** Ask everyone to look at the paragraph that starts with this word. */
  async focus(textId, wordIndex) {
    if (this.picking) this.pick(false);
    const done = await this.#ask("FOCUS", { textId, wordIndex });
    if (done) setText(byId("announcer"), _("Everyone is asked to look there."));
  }

  async #ask(type, payload) {
    if (!this.socket.isLive) this.#tell(_("Not connected: it will be done as soon as the connection is back."));
    const { type: answer, payload: reply } = await this.socket.request(type, payload).reply;
    if (answer === "ERROR") this.#tell(reply.message, { failed: true });
    return answer !== "ERROR";
  }

  #tell(words, { failed = false } = {}) {
    const outcome = byId("tool-outcome");
    clearTimeout(this.fading);
    setText(outcome, words);
    outcome.classList.toggle("failed", failed);
    this.fading = setTimeout(() => setText(outcome, ""), OUTCOME_FOR);
  }

  #focusSentence({ textId, wordIndex }) {
    const title = this.room.texts.get(textId)?.title ?? "";
    const paragraph = this.text.paragraphOf(textId, wordIndex);
    if (paragraph === undefined) {
      return format(_("Everyone is asked to look at page {page} of {title}."),
        { page: this.room.pageOf(textId, wordIndex), title });
    }
    return format(_("Everyone is asked to look at ¶{paragraph} of {title}."), { paragraph, title });
  }
}
