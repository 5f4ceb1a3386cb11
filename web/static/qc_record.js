// The dialog in which a control is put on record.

import { ask } from "./qc_ask.js";
import { findsThatAreNoCell } from "./qc_words.js";
import { _ } from "./words.js";

const dialog = document.getElementById("record-dialog");
const form = dialog.querySelector("form");
const wrong = dialog.querySelector(".wrong");
const button = document.getElementById("record-send");

// tally(): what the fields gone over add up to.  sent(): resolves once every mark has arrived.
export function wireRecord(run, tally, sent) {
  document.getElementById("record").addEventListener("click", () => {
    const { fields, located, missed, none } = tally();
    document.getElementById("record-said").textContent = _("{fields} fields gone over: {located} of {all} cells located, {finds}. It is judged and put on record; nothing is changed afterwards.", { fields, located, all: located + missed, finds: findsThatAreNoCell(none) });
    wrong.hidden = true;
    dialog.showModal();
  });
  document.getElementById("record-cancel").addEventListener("click", () => dialog.close());
  for (const offer of dialog.querySelectorAll("[data-for]")) offer.addEventListener("click", () => (form.elements[offer.dataset.for].value = offer.dataset.text));
  form.addEventListener("submit", (event) => (event.preventDefault(), record(run, sent)));
}

async function record(run, sent) {
  const { slide, note } = form.elements;
  button.disabled = true;
  try {
    await sent();
    await ask(`${run}/record`, { slide: slide.value, note: note.value });
    location.assign(`/qc/${run}`);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    button.disabled = false;
  }
}
