// Notes on the run: they are only added.

import { ask } from "../ask.js";
import { moment } from "./numbers.js";
import { part } from "./parts.js";

export function wireNotes(home, { written, refused }) {
  const form = document.getElementById("note-form");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      written(await ask("POST", `${home}/notes`, { text: new FormData(form).get("text") }));
      form.reset();
    } catch (error) {
      refused(error.message);
    }
  });
}

export function drawNotes(notes) {
  const lines = notes.map((note) => part("li", {}, part("p", { textContent: note.text }), part("small", { textContent: `${note.who}, ${moment(note.at)}` })));
  document.getElementById("notes").replaceChildren(...lines.reverse());
  for (const place of document.querySelectorAll("#notes-count, [data-count=notes]")) place.textContent = notes.length || "";
}
