// The slide's map: fetched once for a run, and then a field at a time, as each change brings the newest.

import { tenth } from "./review/numbers.js";
import { SlideDrawing } from "./slide_drawing.js";
import { _ } from "./words.js";

const AGAIN_MS = 3000; // a map that could not be had
const byId = (id) => document.getElementById(id);
const dialog = byId("slide-dialog");
const small = new SlideDrawing(byId("slide-small"), { ranks: 3, least: 16, crossArm: 1.5 });
const large = new SlideDrawing(byId("slide-large"), { ranks: Infinity, least: 7, crossArm: 2.6 });
let run = null; // as the instrument said last; null where it has no slide
let map = null;
let near = false;
let asking = false;

export function wireSlide() {
  byId("slide-open").addEventListener("click", () => (dialog.showModal(), show()));
  byId("slide-close").addEventListener("click", () => dialog.close());
  for (const [id, wanted] of [["slide-whole", false], ["slide-near", true]]) {
    byId(id).addEventListener("click", () => { near = wanted; show(); });
  }
}

export function drawSlide(current) {
  run = current?.slide ? current : null;
  if (map !== null && map.run !== run?.run) map = null;
  if (run === null || map === null) byId("slide").hidden = true;
  if (run === null && dialog.open) dialog.close();
  if (run === null) return;
  if (map !== null && take(run.slide.newest)) show();
  if (behind()) fetchMap();
}

// Numbers have no gaps: a field is the next one, or known already, or others were missed.
function take(newest) {
  if (newest === null || newest.number !== map.fields.length) return false;
  map.fields.push(newest);
  return true;
}

function behind() {
  return run !== null && (map?.run !== run.run || (run.slide.newest !== null && run.slide.newest.number >= map.fields.length));
}

async function fetchMap() {
  if (asking) return;
  asking = true;
  try {
    while (behind()) {
      const answer = await fetch(`runs/${encodeURIComponent(run.run)}/map.json`);
      if (!answer.ok) throw new Error(answer.statusText);
      const fetched = await answer.json();
      map = { ...fetched, fields: fetched.fields.map(([x_um, y_um, width_um, height_um, skipped], number) => ({ number, x_um, y_um, width_um, height_um, skipped })) };
      if (run?.run === map.run) show();
    }
  } catch {
    setTimeout(() => behind() && fetchMap(), AGAIN_MS);
  }
  asking = false;
}

function show() {
  if (map === null) return;
  byId("slide").hidden = false;
  small.show(map);
  say();
  if (!dialog.open) return;
  near &&= map.fields.length > 0;
  byId("slide-near").disabled = !map.fields.length;
  byId("slide-whole").setAttribute("aria-pressed", !near);
  byId("slide-near").setAttribute("aria-pressed", near);
  large.show(map, near);
  list();
}

function say() {
  const skipped = map.fields.filter((field) => field.skipped !== null).length;
  const count = map.regions.length;
  const regions = count === 1 ? _("1 region to count in") : _("{count} regions to count in", { count });
  const fields = _("{counted} fields counted, {skipped} skipped", { counted: map.fields.length - skipped, skipped });
  byId("slide-open").setAttribute("aria-label", _("Slide: {regions}; {fields}", { regions, fields }));
  byId("slide-large").setAttribute("aria-label", _("Picture of the slide with {regions}; {fields}", { regions, fields }));
}

function list() {
  const reasons = new Map();
  for (const { skipped } of map.fields) if (skipped !== null) reasons.set(skipped, (reasons.get(skipped) ?? 0) + 1);
  const skipped = [...reasons.values()].reduce((sum, n) => sum + n, 0);
  byId("slide-counted").textContent = map.fields.length - skipped;
  byId("slide-skipped").textContent = skipped;
  byId("slide-reasons").replaceChildren(...[...reasons].sort((one, other) => other[1] - one[1]).map(([why, n]) => item([n, why])));
  if (byId("slide-regions").dataset.run === map.run) return;
  byId("slide-regions").dataset.run = map.run;
  byId("slide-regions").replaceChildren(...alike(map.regions).map(({ ranks, why, area }) => item([ranks, why, `${tenth(area)} mm²`])));
  byId("slide-zones").textContent = Object.entries(map.areas_mm2).map(([zone, area]) => `${zone}\u00a0${tenth(area)}`).join(", ");
  byId("slide-remarks").replaceChildren(...map.remarks.map((remark) => item([remark])));
}

// Neighbours in rank that are there for the same reason are one line: "4–12".
function alike(regions) {
  const groups = [];
  for (const { rank, why, area_mm2 } of regions) {
    const last = groups.at(-1);
    if (last?.why === why) Object.assign(last, { ranks: `${last.first}–${rank}`, area: last.area + area_mm2 });
    else groups.push({ first: rank, ranks: `${rank}`, why, area: area_mm2 });
  }
  return groups;
}

function item(words) {
  const line = document.createElement("li");
  for (const word of words) line.appendChild(document.createElement("span")).textContent = word;
  return line;
}
