/* The words an answer quotes, lit up in the text. Only quotations that the server found in the text come here. */

import { bringIntoView } from "./dom.js";
import { wordElements } from "./text.js";

/** Return the citations that were found in the text, word for word; the others are not shown as citations. */
export function verified(citations) {
  return (citations ?? []).filter((citation) => citation.verified);
}

/** Light up the words of `citations` on this page, and no others. */
export function light(citations) {
  for (const word of document.querySelectorAll(".word.cited")) word.classList.remove("cited", "cited-now");
  for (const { fromWordIndex, toWordIndex } of citations) {
    for (const word of wordElements(fromWordIndex, toWordIndex)) word.classList.add("cited");
  }
}

/** Go to one citation and make it stand out from the others; `pages` turns to its page. */
export async function goTo(citation, pages) {
  const isThere = await pages.turnTo(pages.pageOf(citation.fromWordIndex));
  if (!isThere) return;
  for (const word of document.querySelectorAll(".word.cited-now")) word.classList.remove("cited-now");
  const words = wordElements(citation.fromWordIndex, citation.toWordIndex);
  for (const word of words) word.classList.add("cited", "cited-now");
  if (words.length) bringIntoView(words[0]);
}
