// What the bar says: how much is selected, what was done, what was refused. A dialog over it says the same.

import { _ } from "../words.js";

export function makeStatus() {
  const [selected, undo, clear, labels] = ["selected", "undo", "clear", "bar-labels"].map((id) => document.getElementById(id));
  let count = 0;
  let idle = "";

  function refuse(sentence) {
    for (const place of document.querySelectorAll("[data-wrong]")) {
      place.textContent = sentence;
      place.hidden = !sentence;
    }
  }

  function draw() {
    clear.disabled = !count;
    selected.textContent = count === 0 ? idle : count === 1 ? _("1 cell selected") : _("{count} cells selected", { count });
  }

  return {
    refuse,
    say(sentence) {
      refuse("");
      for (const place of document.querySelectorAll("[data-live]")) place.textContent = sentence;
    },
    selected(now) {
      count = now;
      draw();
    },
    may(allowed, whyNot, undoable) {
      labels.hidden = undo.hidden = clear.hidden = !allowed;
      document.getElementById("review").dataset.may = allowed ? "change" : "look";
      undo.disabled = !undoable;
      idle = allowed ? _("Select cells, then touch their label") : whyNot;
      draw();
    },
  };
}
