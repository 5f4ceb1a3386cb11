// Digits to touch, for a screen without a keyboard: those of the field that was touched last, where there are several.

import { _ } from "./words.js";

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", null, "0", "⌫"]; // as on a telephone, 0 under 8

const pads = [];

for (const field of document.querySelectorAll("[data-pin]")) {
  const pad = document.createElement("div");
  pad.className = "pin-pad";
  for (const digit of DIGITS) {
    if (digit === null) {
      pad.append(document.createElement("span"));
      continue;
    }
    const key = document.createElement("button");
    key.type = "button";
    key.textContent = digit;
    if (digit === "⌫") key.setAttribute("aria-label", _("Delete"));
    key.addEventListener("click", () => {
      field.value = digit === "⌫" ? field.value.slice(0, -1) : field.value + digit;
    });
    pad.append(key);
  }
  pad.hidden = pads.length > 0;
  pads.push(pad);
  field.addEventListener("focus", () => pads.forEach((each) => { each.hidden = each !== pad; }));
  field.closest("label").after(pad);
}
