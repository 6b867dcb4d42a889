/* A text that the teacher has changed: the page is loaded again, and the page that comes knows why.

   Between the two a note lies in sessionStorage. It also keeps a page from being loaded again and again, should the
   server send the old words once more. reader.js decides what is said. */

const AT_MOST_EVERY = 60_000;

export class Revision {
  /** `hasCome` is true when this page came of a changed text; `isAsking` when a question was under way. */
  constructor({ sessionId, revision, placeUrl }) {
    Object.assign(this, { revision, placeUrl, key: `revised:${sessionId}` });
    this.before = this.#kept();
    this.hasCome = this.before !== null && this.before.revision !== revision;
    this.isAsking = this.hasCome && this.before.isAsking;
    if (this.hasCome) this.#keep(null);
  }

  /** Load the page again at the reader's place; return false, and do nothing, where that was just tried in vain. */
  reload({ isAsking }) {
    const isRepeated = this.before?.revision === this.revision && Date.now() - this.before.at < AT_MOST_EVERY;
    if (isRepeated || !this.#keep({ revision: this.revision, at: Date.now(), isAsking })) return false;
    if (this.isLeaving) return true; // a question came back meanwhile
    this.isLeaving = true;
    location.replace(this.placeUrl);
    return true;
  }

  #kept() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  #keep(note) {
    try {
      if (note) sessionStorage.setItem(this.key, JSON.stringify(note));
      else sessionStorage.removeItem(this.key);
      return true;
    } catch {
      return false; // storage is refused: without the note the reader decides when to load again
    }
  }
}
