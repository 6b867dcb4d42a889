/* How long to wait before a lost socket is tried again. Pure functions: `random` is a number in [0, 1). */

const FIRST = 500;
const LONGEST = 30_000;
const AFTER_RESTART = 3_000;
const AFTER_FLOODING = 30_000;

/** A connection that lived this long (ms) counts as a good one: the next delay is the shortest again. */
export const PROVEN = 10_000;

/** Return the delay (ms) before attempt `attempt` (0 for the first after a loss): growing, at most 30 s,
    and spread over its upper half, so that a class that lost the server does not come back as one. */
export function delayBefore(attempt, random) {
  const full = Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 16));
  return full * (0.5 + random / 2);
}

/** Return the delay (ms) after a server that says it is restarting: soon, and spread over 3 s. */
export function delayAfterRestart(random) {
  return AFTER_RESTART * random;
}

/** Return the delay (ms) after the server refused a flood. */
export function delayAfterFlooding(random) {
  return AFTER_FLOODING * (1 + random / 10);
}

/** Return `interval` (ms) varied by a tenth either way, so that heartbeats of a class do not fall together. */
export function jittered(interval, random) {
  return interval * (0.9 + random * 0.2);
}
