/* The join form on a phone: one question at a time. On wider screens, and without scripts, all three are shown.

   The form itself is the server's; nothing here sends anything. */

import { _, format } from "./i18n.js";

const form = document.getElementById("join");
const fields = [...form.querySelectorAll(".field")];
const inputs = fields.map((field) => field.querySelector("input"));
const next = document.getElementById("join-next");
const back = document.getElementById("join-back");
const submit = document.getElementById("join-submit");
const step = document.getElementById("join-step");
const phone = matchMedia("(max-width: 40rem)");
let at = firstToFill();

next.addEventListener("click", goOn);
back.addEventListener("click", () => show(at - 1, { focus: true }));
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !phone.matches || at === fields.length - 1 || event.target.tagName !== "INPUT") return;
  event.preventDefault();
  goOn();
});
phone.addEventListener("change", () => show(at));
show(at);

/** The first field with an error, else the first empty one: a code from a QR card is filled in already. */
function firstToFill() {
  const wrong = fields.findIndex((field) => field.querySelector(".errorlist"));
  const empty = inputs.findIndex((input) => input.value === "");
  if (wrong >= 0) return wrong;
  return empty >= 0 ? empty : 0;
}

function goOn() {
  if (inputs[at].reportValidity()) show(at + 1, { focus: true });
}

function show(index, { focus = false } = {}) {
  at = Math.max(0, Math.min(index, fields.length - 1));
  const isLast = at === fields.length - 1;
  const oneByOne = phone.matches;
  fields.forEach((field, position) => (field.hidden = oneByOne && position !== at));
  next.hidden = !oneByOne || isLast;
  back.hidden = !oneByOne || at === 0;
  submit.hidden = oneByOne && !isLast;
  step.hidden = !oneByOne;
  step.textContent = format(_("{step} of {steps}"), { step: at + 1, steps: fields.length });
  if (focus) inputs[at].focus();
}
