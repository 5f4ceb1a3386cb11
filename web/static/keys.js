// Keys to touch, for a screen without a keyboard. A barcode reader types into the field as a keyboard does.

import { _ } from "./words.js";

const ROWS = ["1234567890", "QWERTYUIOP", "ASDFGHJKL-", "ZXCVBNM./"];

// Fills a box with keys that type into a field.
export function drawKeys(box, field) {
  for (const sign of ROWS.join("")) box.append(key(sign, sign, () => type(field, sign)));
  const back = key("⌫", _("Delete"), () => { field.value = field.value.slice(0, -1); });
  box.append(back);
}

function key(text, name, pressed) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.setAttribute("aria-label", name);
  button.addEventListener("click", pressed);
  return button;
}

function type(field, sign) {
  if (field.value.length < field.maxLength) field.value += sign;
}
