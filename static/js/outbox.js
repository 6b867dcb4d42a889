/* Durable requests that the server has not answered yet, kept in memory and in sessionStorage.

   socket.js adds, resends and settles them: the same id and body each time, so that a request sent twice is
   still one. They outlive a reload of the tab; nothing here touches the wire. */

export class Outbox {
  /** `key` names the place in sessionStorage: one per socket address. */
  constructor(key) {
    this.key = key;
    this.requests = new Map();
    for (const { id, type, payload } of this.#stored()) this.#remember(id, type, payload);
  }

  /** Keep a new request; return {id, type, payload, reply}, where `reply` is a promise of the first answer. */
  add(type, payload) {
    const request = this.#remember(newId(), type, payload);
    this.#store();
    return request;
  }

  /** Settle the request that `message` answers, if it is one of ours. */
  settle(message) {
    const request = this.requests.get(message.inReplyTo);
    if (!request) return;
    this.requests.delete(request.id);
    this.#store();
    request.answer(message);
  }

  /** Return the waiting requests, oldest first. */
  all() {
    return [...this.requests.values()];
  }

  #remember(id, type, payload) {
    const request = { id, type, payload };
    request.reply = new Promise((resolve) => (request.answer = resolve));
    this.requests.set(id, request);
    return request;
  }

  #stored() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key)) ?? [];
    } catch {
      return []; // storage is refused or holds something else: memory alone has to do
    }
  }

  #store() {
    try {
      const plain = this.all().map(({ id, type, payload }) => ({ id, type, payload }));
      sessionStorage.setItem(this.key, JSON.stringify(plain));
    } catch {
      // As above.
    }
  }
}

/** Return a random UUID (version 4). crypto.randomUUID is missing on plain http, which a classroom's network is. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
