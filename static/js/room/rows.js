/* Small helpers of the teacher's room: templates, text that is written only when it changed, lists kept in order. */

/** Return the element with this id; an absent one is a fault of the page, so it is said at once. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/** Return a copy of the one element in `<template id=…>`. */
export function fromTemplate(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

/** Write `text` unless it stands there already: an untouched node costs no layout and no announcement. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show or hide, and return whether it shows. */
export function setShown(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
  return shown;
}

/** Put `rows` in this order in `list`, moving as few as a walk outwards from `still` needs.

    `still` (one of the rows, or nothing) is never moved itself: a moved element loses the keyboard's focus. */
export function arrange(list, rows, still) {
  const wanted = new Set(rows);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  if (rows.length === 0) return;
  const at = Math.max(0, rows.indexOf(still));
  if (rows[at] !== still && rows[at] !== list.firstElementChild) list.prepend(rows[at]);
  for (let i = at - 1; i >= 0; i--) {
    if (rows[i + 1].previousElementSibling !== rows[i]) rows[i + 1].before(rows[i]);
  }
  for (let i = at + 1; i < rows.length; i++) {
    if (rows[i - 1].nextElementSibling !== rows[i]) rows[i - 1].after(rows[i]);
  }
}

/** Return {scroller, top, bottom}: what scrolls the content of a column and where its window stands on the screen.
    On a phone that is the page, on a wide screen the column. */
export function windowOf(column) {
  if (getComputedStyle(column).overflowY === "visible") {
    return { scroller: document.scrollingElement, top: 0, bottom: innerHeight };
  }
  const { top, bottom } = column.getBoundingClientRect();
  return { scroller: column, top, bottom };
}

/** Run `change`, and keep `element` where it stands on the screen by scrolling its column as far as it moved. */
export function holdStill(column, element, change) {
  const before = element?.getBoundingClientRect().top;
  change();
  if (!element?.isConnected) return;
  const moved = element.getBoundingClientRect().top - before;
  if (moved) windowOf(column).scroller.scrollBy({ top: moved, behavior: "instant" });
}

/** Return a function that calls `action` once at the next frame, however often it is asked to. */
export function oncePerFrame(action) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      action();
    });
  };
}

/** sessionStorage that copes with a browser that refuses it. */
export const memory = {
  get(key) {
    try {
      return sessionStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      sessionStorage.setItem(key, value);
    } catch {
      // Refused: the choice then lasts until the page is left.
    }
  },
};
