/* The keyboard: one letter for each tool, never while someone types; the letters can be switched off for good. */

import { byId } from "./dom.js";

const OFF = "reading-keys-off";

const TYPED_INTO =
  "input:not([type=radio], [type=checkbox], [type=range], [type=button]), textarea, select, [contenteditable]";

/** Call `actions[key]()` for keys pressed outside fields and dialogs. `first(key)` sees every such key before and
    returns true when it used it; `escape()` is called for Escape also in fields. */
export function listenToKeys({ actions, first, escape }) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return; // it closes itself
    if (event.key === "Escape") return escape();
    if (event.target.closest(TYPED_INTO)) return;
    if (first(event.key)) return event.preventDefault();
    const isArrow = event.key.startsWith("Arrow");
    if (isArrow && event.target.closest("input, [role=dialog]")) return; // a slider moves by arrows
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action || (areOff() && event.key.length === 1)) return;
    event.preventDefault();
    action();
  });
  listenToSwitch();
}

/** Speech input and a slipping hand press letters that nobody meant (WCAG 2.1.4). */
function listenToSwitch() {
  const toggle = byId("single-keys");
  const show = () => {
    toggle.checked = !areOff();
    document.body.classList.toggle("without-shortcuts", areOff());
  };
  toggle.addEventListener("change", () => {
    try {
      if (toggle.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "yes");
    } catch {
      // Storage is refused: the letters stay on, and the switch says so.
    }
    show();
  });
  show();
}

function areOff() {
  try {
    return localStorage.getItem(OFF) !== null;
  } catch {
    return false;
  }
}
