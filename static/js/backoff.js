/* How long to wait before a lost socket is tried again. Pure functions: `random` is a number in [0, 1). */

// Five seconds, so that no second sees more than a fifth of those who lost the server together. Who lost only their
// own network does not wait: the browser's `online` event tries at once.
const FIRST = 5_000;
const LONGEST = 30_000;
const AFTER_FLOODING = 30_000;

/** A connection that lived this long (ms) counts as a good one: the next delay is the shortest again. */
export const PROVEN = 10_000;

/** Return the delay (ms) before attempt `attempt` (0 for the first after a loss): the first anywhere in its span, the
    later ones in the upper half of theirs, which doubles each time up to 30 s. So a class that lost the server comes
    back spread out, and a server that is long away is not asked by everyone all the time. */
export function delayBefore(attempt, random) {
  if (attempt === 0) return FIRST * random;
  return Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 16)) * (0.5 + random / 2);
}

/** Return the delay (ms) after the server refused a flood. */
export function delayAfterFlooding(random) {
  return AFTER_FLOODING * (1 + random / 10);
}

/** Return `interval` (ms) varied by a tenth either way, so that heartbeats of a class do not fall together. */
export function jittered(interval, random) {
  return interval * (0.9 + random * 0.2);
}
