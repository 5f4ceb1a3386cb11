// The newest field of the run that counts: its picture, and a box around every cell that was found in it.

import { _ } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
let shown = null; // run and field that are drawn, or being fetched

export async function drawNewest(run) {
  const number = run?.fields.newest ?? null;
  if (!run || number === null) {
    byId("newest").hidden = true;
    shown = null;
    return;
  }
  const wanted = `runs/${encodeURIComponent(run.run)}/fields/${number}`;
  if (wanted === shown) return;
  shown = wanted;
  const answer = await fetch(`${wanted}.json`, { headers: { Accept: "application/json" } }).catch(() => null);
  if (shown !== wanted) return; // a newer one came meanwhile
  byId("newest").hidden = !answer?.ok;
  if (answer?.ok) draw(wanted, await answer.json());
}

function draw(address, field) {
  const drawing = byId("newest-field");
  drawing.setAttribute("viewBox", `0 0 ${field.width} ${field.height}`);
  drawing.setAttribute("aria-label", _("Field {field}: {count} found", { field: field.number, count: field.cells.length }));
  const picture = byId("newest-picture");
  for (const [name, value] of Object.entries({ href: `${address}.jpg`, width: field.width, height: field.height, preserveAspectRatio: "none" })) picture.setAttribute(name, value);
  byId("newest-open").href = `${address}.jpg`;
  byId("newest-finds").replaceChildren(...field.cells.flatMap((cell) => [box(cell, "newest-casing"), box(cell, `newest-box${cell.label === null ? " border" : ""}`)]));
}

function box(cell, kind) {
  const made = document.createElementNS(SVG, "rect");
  const side = 2.4 * cell.radius;
  for (const [name, value] of Object.entries({ x: cell.x - side / 2, y: cell.y - side / 2, width: side, height: side, class: kind })) made.setAttribute(name, value);
  return made;
}
