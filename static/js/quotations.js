/* An answer's text with the quotations in it made into links to where they stand. Used by cards.js and by the room;
   knows neither of them. What models wrote goes in through textContent alone. */

const OPENING = "“\"«„‘";
const CLOSING = /^[”"»“’]?(?:\s?\[¶\d+\])?/;
const shown = new WeakMap();

/** Show `text` in `element`, each quotation of `citations` that stands in it word for word as a link that calls
    `onCite(citation)`. Returns the citations that do not stand in it, for a list of their own. */
export function weave(element, text, citations, onCite) {
  const { pieces, rest } = woven(text, citations);
  const key = JSON.stringify(pieces);
  if (shown.get(element) === key) return rest; // a link replaced under a finger would not hear it
  shown.set(element, key);
  element.replaceChildren(...pieces.map((piece) => (piece.citation ? linkOf(piece, onCite) : piece.text)));
  return rest;
}

/** Return {pieces: [{text, citation?}], rest: [citation]}; the texts of the pieces together are `text`. A piece with
    a citation holds its quotation marks and its "[¶12]" too. */
export function woven(text, citations) {
  const found = [];
  const rest = [];
  for (const citation of citations) {
    const range = placeOf(text, citation.quote);
    const isFree = range && found.every(({ from, to }) => range.to <= from || range.from >= to);
    if (isFree) found.push({ ...range, citation });
    else rest.push(citation);
  }
  found.sort((a, b) => a.from - b.from);
  const pieces = [];
  let end = 0;
  for (const { from, to, citation } of found) {
    if (from > end) pieces.push({ text: text.slice(end, from) });
    pieces.push({ text: text.slice(from, to), citation });
    end = to;
  }
  if (end < text.length) pieces.push({ text: text.slice(end) });
  return { pieces, rest };
}

function placeOf(text, quote) {
  const at = quote ? text.indexOf(quote) : -1;
  if (at === -1) return null;
  const after = at + quote.length;
  return {
    from: at > 0 && OPENING.includes(text[at - 1]) ? at - 1 : at,
    to: after + CLOSING.exec(text.slice(after))[0].length,
  };
}

function linkOf({ text, citation }, onCite) {
  const link = document.createElement("a");
  link.className = "citation";
  link.href = `#p${Number(citation.paragraph)}`;
  link.textContent = text;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    onCite(citation);
  });
  return link;
}
