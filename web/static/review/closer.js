// One cell enlarged: beside it reference cells, the field around it, its neighbours, and what was said of it.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { titles } from "./arrange.js";
import { labelButtons, listenForKeys } from "./label_bar.js";
import { share } from "./numbers.js";
import { part, picture } from "./parts.js";
import { wireReferences } from "./references.js";

const dialog = document.getElementById("closer");
const at = (id) => document.getElementById(`closer-${id}`);

// order(cell): {title, cells}, what is gone through with it.  label(cell): its label, "" where it is not to be seen.  give(cells, label): a promise.
export function makeCloser(run, labels, { order, label, give, undo, left }) {
  const names = titles(labels);
  const references = wireReferences(run, labels);
  let shown = null;
  let list = []; // as it was when the first of them was opened: what is given another label stays in it
  let title = "";

  function begin(cell) {
    ({ title, cells: list } = order(cell));
    return open(cell);
  }

  async function open(cell) {
    shown = cell;
    at("cell").replaceChildren(picture(cell, 288));
    const place = _("{at} of {all}", { at: list.indexOf(cell) + 1, all: list.length });
    at("where").textContent = list.includes(cell) ? [title, place].filter(Boolean).join(": ") : "";
    at("label").textContent = names.get(label(cell)) ?? "";
    for (const each of ["machine", "history", "neighbours"]) at(each).replaceChildren();
    at("field").hidden = true;
    if (!dialog.open) dialog.showModal();
    if (label(cell) !== "unidentified") references.show(label(cell));
    try {
      const said = await ask("GET", `/api/v1/runs/${run}/review/cells/${cell}`);
      if (shown === cell) draw(said);
    } catch (error) {
      at("title").textContent = error.message;
    }
  }

  function draw(said) {
    at("title").textContent = _("Cell {cell}, field {field}", { cell: said.cell, field: said.field + 1 });
    if (label(said.cell) && Object.keys(said.alternatives).length) drawOpinions(said);
    if (label(said.cell) === "unidentified") references.show(likeliest(said.alternatives));
    const neighbours = said.neighbours.map((cell) => {
      const button = part("button", { type: "button", set: { "aria-label": _("Neighbouring cell {cell}", { cell }) } }, picture(cell, 64));
      button.addEventListener("click", () => open(cell));
      return button;
    });
    at("neighbours").replaceChildren(...neighbours);
    if (said.width) drawField(said);
  }

  // What the machine thought first of a cell that it did not name; none where it told nothing.
  const likeliest = (alternatives) => Object.keys(alternatives).find((name) => names.has(name) && name !== "unidentified");

  function drawOpinions(said) {
    const opinions = Object.entries(said.alternatives).map(([name, value]) => part("li", {}, part("span", { textContent: names.get(name) }), part("meter", { value, set: { "aria-label": names.get(name) } }), part("b", { textContent: share(value) })));
    const notes = [...said.findings.map((finding) => finding.replaceAll("_", " ")), said.views > 1 && _("in {views} views", said)].filter(Boolean);
    at("machine").replaceChildren(part("h3", { textContent: _("The machine said") }), part("ul", {}, ...opinions), notes.length ? part("p", { textContent: notes.join(", ") }) : "");
    const history = said.history.map((row) => part("li", { textContent: _("{who}: {before} → {after}", { who: row.who, before: names.get(row.before) ?? "–", after: names.get(row.after) ?? "–" }) }));
    at("history").replaceChildren(...history);
  }

  // Only some runs keep the pictures of their fields: where there is none, nothing is shown.
  function drawField(said) {
    const image = part("img", { alt: "", decoding: "async" });
    const ring = part("i", { className: "ring" });
    ring.style.left = `${(100 * said.x) / said.width}%`;
    ring.style.top = `${(100 * said.y) / said.height}%`;
    image.addEventListener("load", () => { if (shown === said.cell) at("field").hidden = false; });
    at("picture").replaceChildren(image, ring);
    image.src = `/runs/${run}/fields/${said.field}.jpg`;
  }

  // The cell so many places further on; none for a neighbour that is not among those shown.
  const further = (by) => (list.includes(shown) ? list[list.indexOf(shown) + by] : undefined);
  const step = (by) => further(by) !== undefined && open(further(by));

  async function say(to) {
    const next = further(1) ?? shown;
    if (await give([shown], to)) open(next);
  }

  at("labels").append(labelButtons(labels, say, at("labels").dataset.name));
  listenForKeys(dialog, labels, say, { ArrowLeft: () => step(-1), ArrowRight: () => step(1), z: () => undo().then(() => open(shown)) });
  at("before").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => left(shown));
  return { open: begin };
}
