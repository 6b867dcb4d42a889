/* Which messages to apply, drop or hold, by the two numbers that durable messages carry.

   `version` counts the changes of one reading session, `classVersion` those of its class. One number is one
   message, so a number left out means a message lost. Pure: socket.js owns the clock and the wire. */

const COUNTERS = ["version", "classVersion"];

export class Versions {
  constructor() {
    this.mine = {};
    this.held = [];
  }

  /** Take both numbers from a snapshot; return the held messages it does not contain yet, in order. */
  restore(snapshot) {
    this.mine = {};
    for (const counter of COUNTERS) {
      if (Number.isInteger(snapshot[counter])) this.mine[counter] = snapshot[counter];
    }
    return this.#release();
  }

  /** Take one message; return the messages to apply now, in order: none when it is old or must wait, more
      than one when it is the one that others waited for. */
  take(message) {
    const verdict = this.#judge(message);
    if (verdict === "drop") return [];
    if (verdict === "hold") {
      this.held.push(message);
      return [];
    }
    this.#advance(message);
    return [message, ...this.#release()];
  }

  /** True while a message waits for one that has not come. */
  get isMissing() {
    return this.held.length > 0;
  }

  /** True when the server's numbers (a PONG's payload) are ahead of mine. */
  isBehind(theirs) {
    return COUNTERS.some((counter) => counter in this.mine && theirs[counter] > this.mine[counter]);
  }

  #judge(message) {
    let verdict = "apply";
    for (const counter of COUNTERS) {
      // A counter that the snapshot did not have is not followed on this page.
      if (!Number.isInteger(message[counter]) || !(counter in this.mine)) continue;
      if (message[counter] <= this.mine[counter]) return "drop";
      if (message[counter] > this.mine[counter] + 1) verdict = "hold";
    }
    return verdict;
  }

  #advance(message) {
    for (const counter of COUNTERS) {
      if (Number.isInteger(message[counter]) && counter in this.mine) this.mine[counter] = message[counter];
    }
  }

  #release() {
    const ready = [];
    for (let progress = true; progress; ) {
      progress = false;
      const waiting = this.held;
      this.held = [];
      for (const message of waiting) {
        const verdict = this.#judge(message);
        if (verdict === "hold") this.held.push(message);
        if (verdict === "apply") {
          this.#advance(message);
          ready.push(message);
          progress = true;
        }
      }
    }
    return ready;
  }
}
