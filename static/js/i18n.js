/* Words in the user's language, from Django's JavaScript catalogue.

   base.html loads the catalogue as a classic script before any module; where it could not be loaded the
   English of the source is shown. Every string a script shows goes through here. */

/** Return `text` in the user's language. */
export function _(text) {
  return globalThis.gettext ? globalThis.gettext(text) : text;
}

/** Return the form of a sentence that goes with the number `n`. */
export function n_(singular, plural, n) {
  if (globalThis.ngettext) return globalThis.ngettext(singular, plural, n);
  return n === 1 ? singular : plural;
}

/** Return `text` with each `{name}` replaced by `values.name`; an unknown name stays as it is. */
export function format(text, values) {
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}
