/* Time as people say it, by the server's clock: a tablet's own may be an hour wrong. */

import { _ } from "../i18n.js";

const language = document.documentElement.lang || undefined;
const units = new Map(
  ["second", "minute", "hour", "day"].map((unit) => [
    unit,
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 }),
  ]),
);
let ahead = 0;

/** Learn the server's clock from a message's `timestamp` (Unix seconds). */
export function setClock(timestamp) {
  if (typeof timestamp === "number") ahead = timestamp - Date.now() / 1_000;
}

/** Return the server's time in Unix seconds. */
export function now() {
  return Date.now() / 1_000 + ahead;
}

/** Return how long ago `timestamp` was: "now", "4 min", "2 hr", "3 days". */
export function since(timestamp) {
  const seconds = Math.max(0, now() - timestamp);
  if (seconds < 45) return _("now");
  if (seconds < 55 * 60) return units.get("minute").format(Math.round(seconds / 60));
  if (seconds < 22 * 3_600) return units.get("hour").format(Math.round(seconds / 3_600));
  return units.get("day").format(Math.max(1, Math.round(seconds / 86_400)));
}

/** Show in a `<time>` how long ago `timestamp` was, with the exact moment behind it. */
export function showSince(element, timestamp) {
  const text = since(timestamp);
  if (element.textContent !== text) element.textContent = text;
  const exact = new Date(timestamp * 1_000).toISOString();
  if (element.dateTime === exact) return;
  element.dateTime = exact;
  element.title = new Date(timestamp * 1_000).toLocaleString(language);
}
