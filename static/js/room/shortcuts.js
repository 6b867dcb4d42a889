/* Single-key shortcuts, which never act while someone types and can be switched off for good. */

const OFF = "room-shortcuts-off";

/** `actions` maps a key to what it does; `toggle` is the button that switches all of them off and on. */
export function shortcuts({ actions, toggle }) {
  let areOn = stored() === null;
  const show = () => {
    toggle.setAttribute("aria-pressed", String(areOn));
    document.body.classList.toggle("without-shortcuts", !areOn);
  };
  toggle.addEventListener("click", () => {
    areOn = !areOn;
    store(areOn);
    show();
  });
  show();
  addEventListener("keydown", (event) => {
    if (!areOn || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function stored() {
  try {
    return localStorage.getItem(OFF);
  } catch {
    return null;
  }
}

function store(areOn) {
  try {
    if (areOn) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "yes");
  } catch {
    // Storage refused: the choice lasts until the page is left.
  }
}
