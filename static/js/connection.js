/* The connection state as words, in the header of every page with a socket. */

import { _ } from "./i18n.js";

const WORDS = {
  connecting: () => _("connecting"),
  live: () => _("live"),
  reconnecting: () => _("reconnecting"),
  offline: () => _("offline"),
  ended: () => _("stopped"),
};

/** Return an `onState` for socket.js that shows the state in `output` (`<output class="connection">`). */
export function indicator(output) {
  return (state, sentence) => {
    const words = sentence || WORDS[state]();
    output.hidden = false; // hidden where no script runs and there is no connection to speak of
    output.dataset.state = state;
    // A live region speaks on every write: the same words are not written twice.
    if (output.textContent !== words) output.textContent = words;
  };
}
