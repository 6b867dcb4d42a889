/* Looking things up in the page's text: words, sentences, paragraphs, by their index in the whole text.

   The server marks sentences with the index of their first word; `wrapWords` counts on from there, a word being
   what stands between white space, exactly as the server counts. */

import { byId } from "./dom.js";

/** Give every word of the page an element of its own: `<span class="word" data-word="123">`. */
export function wrapWords(page) {
  for (const sentence of page.querySelectorAll(".sentence")) {
    let index = Number(sentence.dataset.firstWord);
    for (const text of textsIn(sentence)) {
      const parts = text.data.split(/(\s+)/).filter((part) => part !== "");
      const nodes = parts.map((part) => {
        if (/^\s/.test(part)) return document.createTextNode(part);
        const word = document.createElement("span");
        word.className = "word";
        word.dataset.word = index++;
        word.textContent = part;
        return word;
      });
      text.replaceWith(...nodes);
    }
  }
}

/** Return the text nodes in `sentence`. Emphasis holds whole words, so none of them begins or ends inside one. */
function textsIn(sentence) {
  const walker = document.createTreeWalker(sentence, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  return texts;
}

/** Return {first, end} of the page shown; `end` is the first word after it. */
export function pageRange() {
  const page = byId("page");
  return { first: Number(page.dataset.firstWord), end: Number(page.dataset.endWord) };
}

/** Return the element of word `index`, or null when it is on another page. */
export function wordElement(index) {
  return byId("page").querySelector(`.word[data-word="${Number(index)}"]`);
}

/** Return the elements of the words `from` to `to` (both included) that are on this page. */
export function wordElements(from, to) {
  const found = [];
  const { first, end } = pageRange();
  for (let index = Math.max(from, first); index <= Math.min(to, end - 1); index++) {
    const word = wordElement(index);
    if (word) found.push(word);
  }
  return found;
}

export function indexOf(word) {
  return Number(word.dataset.word);
}

/** Return the sentences of the page in order. */
export function sentences() {
  return [...byId("page").querySelectorAll(".sentence")];
}

export function sentenceOf(index) {
  return wordElement(index)?.closest(".sentence") ?? null;
}

/** Return the paragraph (or heading) that holds word `index`, or null when it is on another page. */
export function passageOf(index) {
  return wordElement(index)?.closest(".paragraph, .heading") ?? null;
}

/** Return the number of the paragraph that holds word `index`, or null when it is on another page. A heading counts
    with the paragraph after it, as on the server. */
export function paragraphNumberOf(index) {
  const passage = passageOf(index);
  if (!passage?.classList.contains("heading")) return passage ? Number(passage.dataset.paragraph) : null;
  const after = [...byId("page").querySelectorAll(".paragraph")].find(
    (paragraph) => passage.compareDocumentPosition(paragraph) & Node.DOCUMENT_POSITION_FOLLOWING);
  return after ? Number(after.dataset.paragraph) : null;
}

/** Return `word` as one would look it up: without the punctuation around it. */
export function bare(word) {
  return word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "") || word;
}

/** Return `words` of the text in quotation marks; speech brings its own. */
export function inQuotes(words) {
  return /^[“"«„]/.test(words) ? words : `“${words}”`;
}

/** Return at most `most` characters (code points, never half of one) of `text`. */
export function clipped(text, most) {
  return text.length <= most ? text : Array.from(text).slice(0, most).join("");
}
