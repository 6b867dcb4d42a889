/* Turning pages without leaving the page, so that the socket and a voice reading aloud go on.

   The server's HTML of the other page is fetched and its `#page` put in place of this one; the next page is
   fetched ahead, so that a reader who loses the network can still turn. Without this script links and forms do it. */

import { announce, byId } from "./dom.js";
import { _, format } from "./i18n.js";
import { wrapWords } from "./text.js";

const FETCH_AHEAD_AFTER = 800;

export class Pages {
  /** `onTurned()` is called when another page is in place, `onFailed(number)` when it could not be fetched,
      `onRevised()` when a page of other words came: the text was changed. */
  constructor({ config, onTurned, onFailed, onRevised }) {
    this.config = config;
    this.onTurned = onTurned;
    this.onFailed = onFailed;
    this.onRevised = onRevised;
    this.current = config.page;
    this.fetched = new Map();
    this.wanted = config.page;
    history.scrollRestoration = "manual"; // the place in the text is restored, which a pixel is not
    history.replaceState({ page: this.current }, "");
    addEventListener("popstate", (event) => event.state?.page && this.turnTo(event.state.page, { record: false }));
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("submit", (event) => this.#submitted(event));
    wrapWords(byId("page"));
    this.#fetchAhead();
  }

  /** Return the number of the page (from 1) that holds word `index`. */
  pageOf(index) {
    const { pageStarts } = this.config;
    let low = 0;
    let high = pageStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (pageStarts[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }

  get hasNext() {
    return this.current < this.config.pageCount;
  }

  next() {
    return this.hasNext ? this.turnTo(this.current + 1) : Promise.resolve(false);
  }

  previous() {
    return this.current > 1 ? this.turnTo(this.current - 1) : Promise.resolve(false);
  }

  /** Show page `number`; resolves to true once it is in place (at once when it is shown already). */
  async turnTo(number, { record = true } = {}) {
    this.wanted = number;
    if (number === this.current) return true;
    let fetched;
    byId("page").setAttribute("aria-busy", "true");
    try {
      fetched = await this.#fetch(number);
    } catch {
      byId("page").removeAttribute("aria-busy");
      if (this.wanted === number) this.onFailed(number);
      return false;
    }
    if (this.wanted !== number) return false; // the reader has turned elsewhere meanwhile
    const page = document.adoptNode(fetched.page.cloneNode(true));
    wrapWords(page);
    byId("page").replaceWith(page);
    this.current = number;
    document.title = fetched.title;
    if (record) history.pushState({ page: number }, "", this.#url(number));
    scrollTo({ top: 0, behavior: "instant" });
    page.focus({ preventScroll: true });
    announce(format(_("Page {page} of {pages}"), { page: number, pages: this.config.pageCount }));
    this.onTurned();
    this.#fetchAhead();
    return true;
  }

  #clicked(event) {
    const link = event.target.closest("a.previous[data-page]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.turnTo(Number(link.dataset.page));
  }

  #submitted(event) {
    const button = event.target.querySelector("button.next[data-page]");
    if (!button) return;
    event.preventDefault(); // the place goes through the socket
    this.turnTo(Number(button.dataset.page));
  }

  #url(number) {
    return this.config.pageUrl.replace(/0\/$/, `${number}/`);
  }

  #fetch(number) {
    if (!this.fetched.has(number)) {
      const coming = this.#load(number);
      coming.catch(() => this.fetched.delete(number));
      this.fetched.set(number, coming);
    }
    return this.fetched.get(number);
  }

  async #load(number) {
    const response = await fetch(this.#url(number), { headers: { Accept: "text/html" } });
    const html = new DOMParser().parseFromString(await response.text(), "text/html");
    const page = html.getElementById("page");
    if (!page || Number(page.dataset.page) !== number) throw new Error(`no page ${number} at ${response.url}`);
    if (Number(page.dataset.revision) !== this.config.revision) {
      this.onRevised();
      throw new Error(`page ${number} is of another revision`);
    }
    return { page, title: html.title };
  }

  #fetchAhead() {
    clearTimeout(this.ahead);
    if (!this.hasNext) return;
    this.ahead = setTimeout(() => this.#fetch(this.current + 1).catch(() => {}), FETCH_AHEAD_AFTER);
  }
}
