// The newest field of the run that counts: its picture, and a box around every cell that was found in it.

import { _ } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const WITHIN_MS = 15_000;
let wanted = null; // run and field that are to be drawn: { run, address }
let shown = null; // those that are
let busy = false;

export function drawNewest(run) {
  const number = run?.fields.newest ?? null;
  wanted = !run || number === null ? null : { run: run.run, address: `runs/${encodeURIComponent(run.run)}/fields/${number}` };
  if (wanted === null || (shown !== null && shown.run !== wanted.run)) {
    byId("newest").hidden = true; // what is there is of another patient
    shown = null;
  }
  if (wanted !== null && !busy) follow();
}

// One after the other: fields that come faster than pictures are passed over, and none waits for a last one.
async function follow() {
  busy = true;
  try {
    while (wanted !== null && wanted.address !== shown?.address) {
      const asked = wanted;
      const field = await fetched(asked.address).catch(() => null); // cut off, or not in time: the next field is asked for
      if (wanted?.run !== asked.run) continue; // another patient's by now
      byId("newest").hidden = field === null;
      shown = asked;
      if (field !== null) draw(asked.address, field);
    }
  } finally {
    busy = false;
  }
}

// Returns what was found in a field once its picture is there too: boxes never lie on the picture of another field.
async function fetched(address) {
  const late = AbortSignal.timeout(WITHIN_MS);
  const answer = await fetch(`${address}.json`, { headers: { Accept: "application/json" }, signal: late });
  if (!answer.ok) return null;
  const picture = new Image();
  picture.src = `${address}.jpg`;
  const over = new Promise((_done, failed) => late.addEventListener("abort", () => failed(late.reason)));
  const [field] = await Promise.race([Promise.all([answer.json(), picture.decode().catch(() => null)]), over]);
  return field;
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
