// Reference cells of a label: the laboratory's own signed ones, drawings until it has some.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { part, picture } from "./parts.js";

// Returns {show(label)}.
export function wireReferences(run, labels) {
  const choice = document.getElementById("reference-of");
  const source = document.getElementById("reference-source");
  const place = document.getElementById("references");
  const known = new Map(); // label → what the laboratory has
  choice.replaceChildren(...labels.map((label) => part("option", { value: label.label, textContent: label.title })));
  choice.addEventListener("change", () => draw(choice.value));

  async function draw(label) {
    try {
      if (!known.has(label)) known.set(label, await ask("GET", `/api/v1/runs/${run}/review/references/${label}`));
    } catch (error) {
      source.textContent = error.message;
      return;
    }
    if (choice.value !== label) return; // another was chosen meanwhile
    const { signed, drawn } = known.get(label);
    source.textContent = signed.length ? _("Signed cells of this laboratory") : drawn.length ? _("Drawings, until this laboratory has signed cells") : _("There is no reference for this label yet.");
    const title = labels.find((each) => each.label === label).title;
    const alt = _("Reference {label}", { label: title });
    const own = signed.map((cell) => picture(cell, 96, { alt }));
    const drawings = drawn.map((src) => part("img", { src, width: 96, height: 96, alt }));
    place.replaceChildren(...(own.length ? own : drawings));
  }

  return {
    show(label) {
      if (label) choice.value = label; // else what was looked at before stays
      draw(choice.value);
    },
  };
}
