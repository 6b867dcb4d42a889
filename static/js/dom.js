/* Three short words for what every reading module does with the page. */

export function byId(id) {
  return document.getElementById(id);
}

/** Return a copy of the first element in `<template id>`. */
export function copyOf(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

/** Say `text` to those who listen to the page instead of seeing it. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** True on a screen without room for a margin: questions then open at the foot. reading.css says the same. */
export function isNarrow() {
  return !matchMedia("(min-width: 68.75rem)").matches;
}

/** True when the element's box lies within the part of the window that nothing covers. */
export function isOnScreen(element) {
  const box = element.getBoundingClientRect();
  const sheet = document.querySelector(".margin[data-open]");
  const bottom = sheet && isNarrow() ? sheet.getBoundingClientRect().top : innerHeight;
  return box.top >= headerHeight() && box.bottom <= bottom;
}

export function headerHeight() {
  return document.querySelector(".reading-header").getBoundingClientRect().bottom;
}

/** Bring `element` to where a reader looks, unless it is on the screen already. */
export function bringIntoView(element) {
  if (isOnScreen(element)) return;
  const room = (isNarrow() ? 0.1 : 0.3) * innerHeight;
  scrollTo({ top: scrollY + element.getBoundingClientRect().top - headerHeight() - Math.min(room, 160) });
}
