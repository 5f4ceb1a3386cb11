// One button for each label, with the key that stands for it. Keys count while the focus is in the review alone.

import { part } from "./parts.js";

const KEYS = "1234567890qwertuiop";

// Returns the buttons' group. told(label): a label was touched.
export function labelButtons(labels, told, name) {
  const buttons = labels.map((label, at) => {
    const key = KEYS[at] ?? "";
    const button = part(
      "button",
      { type: "button", dataset: { label: label.label, drop: label.label }, set: { "aria-label": label.title, ...(key ? { "aria-keyshortcuts": key } : {}) } },
      key && part("kbd", { textContent: key }),
      part("span", { className: "short", textContent: label.short }),
      part("span", { className: "long", textContent: label.title }),
    );
    button.classList.toggle("outside", !label.counted);
    button.addEventListener("click", () => told(label.label));
    return button;
  });
  return part("div", { className: "labels", set: { role: "group", "aria-label": name } }, ...buttons);
}

// keys: what other keys do.
export function listenForKeys(place, labels, told, keys = {}) {
  place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const at = KEYS.indexOf(event.key.toLowerCase());
    if (event.key.length === 1 && at >= 0 && at < labels.length) told(labels[at].label);
    else if (event.key in keys) keys[event.key]();
    else return;
    event.preventDefault();
  });
}
