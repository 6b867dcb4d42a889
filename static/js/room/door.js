/* The class code: copying it, and the large view with the QR code for the projector. */

import { _ } from "../i18n.js";
import { byId, setText } from "./rows.js";

const COPIED_FOR = 2_500;

/** Wire the code's buttons. `joinUrl` is the absolute address that the QR code opens. */
export function openable({ joinUrl }) {
  const door = byId("door");
  const open = () => door.showModal();
  byId("open-door").addEventListener("click", open);
  byId("empty-open-door").addEventListener("click", open);
  door.querySelector("[data-close]").addEventListener("click", () => door.close());
  door.addEventListener("click", (event) => {
    if (event.target === door) door.close(); // the veil around it
  });
  setText(byId("join-address"), joinUrl.replace(/^https?:\/\//, ""));
  copies(byId("copy-code"), byId("copy-code").dataset.copy);
  copies(byId("copy-address"), joinUrl);
}

function copies(button, text) {
  let forgetting;
  button.addEventListener("click", async () => {
    const copied = await copy(text, button);
    button.classList.toggle("copied", copied);
    setText(byId("announcer"), copied ? _("Copied.") : _("Could not copy. Please select it and copy it yourself."));
    clearTimeout(forgetting);
    forgetting = setTimeout(() => button.classList.remove("copied"), COPIED_FOR);
  });
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text, button);
  }
}

/** navigator.clipboard is missing on plain http, which a classroom's network is. */
function copyTheOldWay(text, button) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  button.after(field); // inside the dialog, where there is one: nothing outside it can be focused
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  button.focus();
  return copied;
}
