/* A tap on the text before the other scripts are there: the last one is kept until reader.js asks for it.

   On a slow tablet the text can be read seconds before its words answer. reading.html loads this small module before
   the page is first painted. The sentence shows at once that it was tapped; which word it was is counted here, for
   words have elements of their own (text.js) only later. */

let tapped = null;

document.addEventListener("click", remember);

/** Listen no longer; return the index of the word that was tapped last, or null. */
export function takeFirstTap() {
  document.removeEventListener("click", remember);
  tapped?.sentence.classList.remove("tapped");
  return tapped && tapped.index;
}

function remember(event) {
  tapped?.sentence.classList.remove("tapped");
  const sentence = event.target.closest?.("#page .sentence");
  tapped = sentence && getSelection().isCollapsed ? { sentence, index: wordAt(event, sentence) } : null;
  tapped?.sentence.classList.add("tapped");
}

/** Return the index of the word of `sentence` under the pointer: its first, plus the spaces before the letter. */
function wordAt({ clientX, clientY }, sentence) {
  const before = document.createRange();
  before.selectNodeContents(sentence);
  const { node, offset } = letterAt(clientX, clientY);
  if (sentence.contains(node)) before.setEnd(node, offset);
  else before.collapse(true);
  return Number(sentence.dataset.firstWord) + (before.toString().match(/\s+/g)?.length ?? 0);
}

/** Return {node, offset} at a point of the window; browsers know one of two ways. */
function letterAt(x, y) {
  const position = document.caretPositionFromPoint?.(x, y);
  if (position) return { node: position.offsetNode, offset: position.offset };
  const range = document.caretRangeFromPoint?.(x, y);
  return { node: range?.startContainer ?? null, offset: range?.startOffset ?? 0 };
}
