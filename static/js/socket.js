/* The one place that knows WebSocket: connect, reconnect, resend, heartbeat, restore.

   reader.js and room.js call `connect` once and name a handler for each message. Handlers see a message once
   and in order (versions.js judges), or a snapshot that replaces everything. What to show is not decided here. */

import { PROVEN, delayAfterFlooding, delayBefore, jittered } from "./backoff.js";
import { _ } from "./i18n.js";
import { Outbox } from "./outbox.js";
import { Versions } from "./versions.js";

const PONG_WITHIN = 15_000;
const PONG_WITHIN_WHEN_DOUBTED = 4_000;
const SNAPSHOT_WITHIN = 20_000;
const GAP_CLOSES_WITHIN = 500;
const RESTORE_SPREAD = 2_000;
const RELOAD_AT_MOST_EVERY = 60_000;

/** Open the socket at `path` and keep it open.

    `snapshotType` is the message that starts every connection ("SESSION_RESTORED", "CLASSROOM_STATE");
    `signInUrl` is where to go when the log-in is over; `noLongerMine()` says why this page may not be seen any more;
    `onState(state, sentence)` is told "connecting", "live",
    "reconnecting", "offline" or "ended" (with a sentence that says why). */
export function connect({ path, snapshotType, signInUrl, noLongerMine, onState }) {
  return new Socket({ path, snapshotType, signInUrl, noLongerMine, onState });
}

class Socket {
  constructor({ path, snapshotType, signInUrl, noLongerMine, onState }) {
    Object.assign(this, { path, snapshotType, signInUrl, noLongerMine, onState });
    this.handlers = new Map();
    this.outbox = new Outbox(`outbox:${path}`);
    this.versions = new Versions();
    this.attempt = 0;
    this.timers = {};
    this.state = null;
    addEventListener("online", () => this.#reconnectNow());
    addEventListener("offline", () => this.#doubt());
    addEventListener("pageshow", (event) => event.persisted && this.#reconnectNow());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#reconnectNow();
    });
    // Only after the caller's handlers are in place: they may have a last word to send when the page is left.
    queueMicrotask(() => {
      addEventListener("pagehide", () => this.#leave());
      this.#open();
    });
  }

  /** Call `handler(payload, message)` for each message of `type`. */
  on(type, handler) {
    this.handlers.set(type, [...(this.handlers.get(type) ?? []), handler]);
  }

  get isLive() {
    return this.state === "live";
  }

  /** Send and forget; return false when there is no connection, and the message is gone. */
  send(type, payload = {}) {
    if (!this.isLive) return false;
    this.#write({ type, payload });
    return true;
  }

  /** Send a durable message, now or at the next connection, until it is answered. Returns {id, type, payload,
      reply}: `reply` is a promise of the first answer, which may be an ERROR. */
  request(type, payload = {}) {
    const request = this.outbox.add(type, payload);
    if (this.isLive) this.#write({ type, id: request.id, payload });
    return request;
  }

  /** Return the unanswered requests of `type`, also those of before a reload. */
  pending(type) {
    return this.outbox.all().filter((request) => request.type === type);
  }

  /** Ask for a fresh snapshot, after a random moment, unless one is on its way or `stillNeeded()` says no. */
  restore(stillNeeded = () => true) {
    if (this.timers.restore || !this.isLive) return;
    this.#after("restore", Math.random() * RESTORE_SPREAD, () => {
      if (!stillNeeded()) return;
      this.send("RESTORE");
      // Kept set until the snapshot comes, so that one request is outstanding.
      this.#after("restore", SNAPSHOT_WITHIN, () => this.#drop());
    });
  }

  #open() {
    this.#clear("retry");
    this.#tell(this.state === null ? "connecting" : this.state);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.wire = new WebSocket(`${scheme}//${location.host}${this.path}`);
    this.wire.onmessage = (event) => this.#receive(event.data);
    this.wire.onclose = (event) => this.#closed(event.code);
    this.#after("snapshot", SNAPSHOT_WITHIN, () => this.#drop());
  }

  #write(frame) {
    if (this.wire?.readyState === WebSocket.OPEN) this.wire.send(JSON.stringify(frame));
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.type === this.snapshotType) this.#restored(message);
    else if (message.type === "PONG") this.#ponged(message.payload);
    else {
      this.versions.take(message).forEach((ready) => this.#dispatch(ready));
      if (this.versions.isMissing) this.#waitForTheMissing();
    }
    // Even a message that was dropped as old may be the stored reply to a request sent again.
    this.outbox.settle(message);
  }

  #dispatch(message) {
    for (const handler of this.handlers.get(message.type) ?? []) {
      try {
        handler(message.payload, message);
      } catch (error) {
        reportError(error); // one broken handler must not stop the messages behind it
      }
    }
  }

  #restored(message) {
    this.#clear("snapshot");
    this.#clear("restore");
    this.#clear("gap");
    const wasLive = this.isLive;
    const held = this.versions.restore(message.payload);
    this.heartbeat = message.payload.heartbeatSeconds * 1_000;
    if (!wasLive) {
      this.liveSince = Date.now();
      this.#tell("live");
    }
    this.#dispatch(message);
    held.forEach((ready) => this.#dispatch(ready));
    if (wasLive) return;
    this.#scheduleHeartbeat();
    for (const { type, id, payload } of this.outbox.all()) this.#write({ type, id, payload });
  }

  #waitForTheMissing() {
    if (this.timers.gap) return;
    this.#after("gap", GAP_CLOSES_WITHIN, () => {
      if (this.versions.isMissing) this.restore(() => this.versions.isMissing);
    });
  }

  #scheduleHeartbeat() {
    this.#after("heartbeat", jittered(this.heartbeat, Math.random()), () => {
      this.#ping(PONG_WITHIN);
      this.#scheduleHeartbeat();
    });
  }

  #ping(patience) {
    this.send("PING", this.versions.mine);
    this.#after("pong", patience, () => this.#drop());
  }

  #ponged(theirs) {
    this.#clear("pong");
    if (this.versions.isBehind(theirs)) this.restore(() => this.versions.isBehind(theirs));
  }

  /** The device says it is offline, or the page woke up: the socket may be dead without knowing it. */
  #doubt() {
    if (this.isLive) this.#ping(PONG_WITHIN_WHEN_DOUBTED);
    else if (this.timers.retry) this.#tell(whyLost());
  }

  #reconnectNow() {
    if (this.state === "ended") return;
    if (this.isLive) this.#doubt();
    else if (this.timers.retry || !this.wire) this.#open();
  }

  /** Give up a wire that no longer answers, without waiting for its closing handshake. */
  #drop() {
    const wire = this.wire;
    if (!wire) return;
    wire.onmessage = wire.onclose = null;
    wire.close();
    this.#closed(1006);
  }

  #leave() {
    if (this.wire) this.wire.onmessage = this.wire.onclose = null;
    this.wire?.close();
    this.wire = null;
    if (this.state !== "ended") this.state = "reconnecting";
    Object.keys(this.timers).forEach((name) => this.#clear(name));
  }

  #closed(code) {
    this.wire = null;
    const proven = this.isLive && Date.now() - this.liveSince >= PROVEN;
    Object.keys(this.timers).forEach((name) => this.#clear(name));
    if (code === 4401) return this.#signIn();
    if (code === 4426 && reloadIsDue()) return location.reload();
    if (code === 4403) return this.#tell("ended", this.noLongerMine());
    if (code in ENDINGS) return this.#tell("ended", ENDINGS[code]());
    // A restart is announced to all at once, so it counts as a first loss: its span is the wide one.
    this.attempt = proven || code === 1012 ? 0 : this.attempt;
    const delay = code === 4429 ? delayAfterFlooding(Math.random()) : delayBefore(this.attempt, Math.random());
    this.attempt += 1;
    // A device without a network may still reach a server on itself, so "offline" goes on trying.
    this.#tell(whyLost());
    this.#after("retry", delay, () => this.#open());
  }

  #signIn() {
    this.#tell("ended", _("You are no longer signed in."));
    location.assign(`${this.signInUrl}?next=${encodeURIComponent(location.pathname)}`);
  }

  #tell(state, sentence = "") {
    this.state = state;
    this.onState(state, sentence);
  }

  #after(name, delay, action) {
    this.#clear(name);
    this.timers[name] = setTimeout(() => {
      delete this.timers[name];
      action();
    }, delay);
  }

  #clear(name) {
    clearTimeout(this.timers[name]);
    delete this.timers[name];
  }
}

const ENDINGS = {
  4400: () => _("This page and the server do not understand each other. Please reload the page."),
  4404: () => _("The server does not know this page any more. Please go back and open it again."),
  4426: () => _("This page is older than the server. Please reload it."),
};

function whyLost() {
  return navigator.onLine ? "reconnecting" : "offline";
}

/** True once a minute at most: a server that calls every page too old must not make it reload for ever. */
function reloadIsDue() {
  try {
    const last = Number(sessionStorage.getItem("reloaded-at"));
    sessionStorage.setItem("reloaded-at", String(Date.now()));
    return Date.now() - last > RELOAD_AT_MOST_EVERY;
  } catch {
    return false;
  }
}
