/* An answer under way, put together from its deltas. Pure.

   Positions count Unicode code points, as the server counts them; JavaScript's own strings count surrogates. */

/** Return the draft after `delta`, or null when something before it is missing (ask for a snapshot then).

    A draft is {attempt, characters}: an array of code points. A delta of an older attempt changes nothing, one of
    a newer attempt starts anew. */
export function withDelta(draft, { attempt, fromChar, text }) {
  if (attempt < draft.attempt) return draft;
  const known = attempt === draft.attempt ? draft.characters : [];
  if (known.length < fromChar) return null;
  return { attempt, characters: [...known.slice(0, fromChar), ...text] };
}

/** Return a draft that holds `text` whole, as snapshots carry it. */
export function draftOf(attempt, text) {
  return { attempt, characters: Array.from(text ?? "") };
}

export function textOf(draft) {
  return draft.characters.join("");
}
