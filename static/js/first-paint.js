/* The reader's comfort, before the page is first painted.

   reading.html loads this as a module that blocks painting (the theme and the font are in its markup
   already; sizes cannot be, since the page's policy allows no style attributes). comfort.js applies changes. */

/** Show `preferences` ({theme, font, fontScale, lineSpacing, letterSpacing}); what is missing goes back to its
    default. */
export function applyPreferences(preferences) {
  const root = document.documentElement;
  root.dataset.theme = preferences.theme ?? "auto";
  root.dataset.font = preferences.font ?? "serif";
  setOrClear(root, "--reading-scale", preferences.fontScale);
  setOrClear(root, "--reading-line", preferences.lineSpacing);
  setOrClear(root, "--reading-letter", preferences.letterSpacing && `${preferences.letterSpacing}em`);
}

function setOrClear(root, property, value) {
  if (value === undefined || value === null) root.style.removeProperty(property);
  else root.style.setProperty(property, String(value));
}

applyPreferences(JSON.parse(document.getElementById("reading-config").textContent).preferences ?? {});
