// What the bar says: how much is selected, what was done, what was refused. A dialog over it says the same.

import { _ } from "../words.js";

export function makeStatus() {
  const [selected, undo, clear, labels] = ["selected", "undo", "clear", "bar-labels"].map((id) => document.getElementById(id));
  let count = 0;
  let idle = "";
  let noted = ""; // until something is selected or done

  function refuse(sentence) {
    for (const place of document.querySelectorAll("[data-wrong]")) {
      place.textContent = sentence;
      place.hidden = !sentence;
    }
  }

  function draw() {
    clear.disabled = !count;
    selected.classList.toggle("noted", Boolean(noted) && !count);
    selected.textContent = count === 0 ? noted || idle : count === 1 ? _("1 cell selected") : _("{count} cells selected", { count });
  }

  function say(sentence) {
    refuse("");
    noted = "";
    for (const place of document.querySelectorAll("[data-live]")) place.textContent = sentence;
    draw();
  }

  return {
    refuse,
    say,
    note(sentence) {
      say(sentence);
      noted = sentence;
      draw();
    },
    selected(now) {
      count = now;
      if (count) noted = "";
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
