// The dialog in which a control is put on record.

import { ask } from "./qc_ask.js";

const dialog = document.getElementById("record-dialog");
const form = dialog.querySelector("form");
const wrong = dialog.querySelector(".wrong");
const button = document.getElementById("record-send");

// tally(): what the fields gone over add up to.  sent(): resolves once every mark has arrived.
export function wireRecord(run, tally, sent) {
  document.getElementById("record").addEventListener("click", () => {
    const { fields, located, missed, none } = tally();
    document.getElementById("record-said").textContent = `${fields} fields gone over: ${located} of ${located + missed} cells located, ${none} ${none === 1 ? "find is no cell" : "finds are no cells"}. It is judged and put on record; nothing is changed afterwards.`;
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
