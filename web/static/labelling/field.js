// A field under a finger: tap a cell, then its label. Every label is sent at once; what was refused is taken back.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { draw, under } from "./drawing.js";
import { viewOf } from "./view.js";

const byId = (id) => document.getElementById(id);
const FINGER_PX = 18; // of the screen
const svg = byId("field");
const buttons = [...document.querySelectorAll("[data-label]")];
const titles = Object.fromEntries(buttons.map((button) => [button.dataset.label, button.dataset.title]));
let field = JSON.parse(byId("said").textContent);
let chosen = null; // a cell; one without a label that is no proposal was only tapped
let cross = null; // where the arrow keys are; null until they are used
let sending = Promise.resolve();

const labelled = () => field.cells.filter((cell) => cell.label);
const open = () => field.cells.filter((cell) => !cell.label && cell.proposal);

function told() {
  if (!field.open) return field.why;
  if (chosen?.label) return _("Chosen: {label}. Touch another label to change it.", { label: titles[chosen.label] });
  if (chosen) return _("Chosen: a cell without a label.");
  const count = labelled().length;
  return field.finished ? _("You finished this field. {count} labelled.", { count }) : _("Tap a cell, then its label. {count} labelled.", { count });
}

function show() {
  const cells = chosen && !field.cells.includes(chosen) ? [...field.cells, chosen] : field.cells;
  draw(svg, field, { cells, chosen, cross, short: (label) => titles[label] ?? label });
  byId("told").textContent = told();
  for (const button of buttons) {
    button.disabled = !field.open || !chosen;
    button.setAttribute("aria-pressed", String(Boolean(chosen) && chosen.label === button.dataset.label));
  }
  byId("remove").disabled = !field.open || !chosen;
  byId("next-open").disabled = !field.open || open().length === 0;
  byId("finish").disabled = !field.open || field.finished;
}

function say(sentence) {
  byId("wrong").textContent = sentence;
  byId("wrong").hidden = !sentence;
}

function tap(x, y) {
  if (!field.open) return;
  say("");
  const { width, height, border } = field;
  const found = under(field.cells, { x, y }, field, FINGER_PX * view.scale());
  if (found) chosen = found;
  else if (x >= border && y >= border && x <= width - border && y <= height - border) chosen = { x: Math.round(x * 10) / 10, y: Math.round(y * 10) / 10, label: null, proposal: false };
  else {
    chosen = null;
    say(_("Nearer than {um} µm to the border no cell is labelled.", { um: 10.6 }));
  }
  show();
}

// Gives the chosen cell a label, or none.
function give(label) {
  if (!field.open || !chosen) return;
  const cell = chosen;
  chosen = null;
  if (cell.label === label) return show();
  const had = cell.label;
  put(cell, label);
  show();
  if (had === null && label === null) return;
  sending = sending.then(async () => {
    try {
      await ask("POST", `${svg.dataset.address}/mark`, { x: cell.x, y: cell.y, label });
    } catch (error) {
      say(_("Not kept: {why}", { why: error.message }));
      field = await ask("GET", `${svg.dataset.address}/cells`).catch(() => field);
      chosen = null;
      show();
    }
  });
}

function put(cell, label) {
  cell.label = label;
  if (label && !field.cells.includes(cell)) field.cells.push(cell);
  if (!label && !cell.proposal) field.cells = field.cells.filter((each) => each !== cell);
}

function nextOpen() {
  const after = open();
  chosen = after[(after.indexOf(chosen) + 1) % after.length] ?? null;
  if (chosen) cross = null;
  show();
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onFieldKey(event) {
  const way = WAYS[event.key];
  if (way) {
    const step = (event.shiftKey ? 0.5 : 4) / field.um_per_px;
    cross ??= { x: field.width / 2, y: field.height / 2 };
    cross = { x: Math.max(0, Math.min(field.width, cross.x + way[0] * step)), y: Math.max(0, Math.min(field.height, cross.y + way[1] * step)) };
    show();
  } else if ((event.key === "Enter" || event.key === " ") && cross) tap(cross.x, cross.y);
  else return;
  event.preventDefault();
}

const KEYS = { Delete: () => give(null), n: nextOpen, f: () => view.whole(), "+": () => view.closer(), "-": () => view.farther(), Escape: () => { chosen = null; show(); } };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  const button = buttons.find((each) => each.dataset.key === event.key.toLowerCase());
  if (button) give(button.dataset.label);
  else KEYS[event.key]?.();
}

async function finish() {
  byId("finish-dialog").close();
  try {
    await sending;
    await ask("POST", `${svg.dataset.address}/finish`, {});
    field = await ask("GET", `${svg.dataset.address}/cells`);
  } catch (error) {
    say(error.message);
  }
  chosen = null;
  show();
}

const view = viewOf(svg, field, tap);
for (const button of buttons) button.addEventListener("click", () => give(button.dataset.label));
for (const [id, does] of [["remove", () => give(null)], ["next-open", nextOpen], ["closer", view.closer], ["farther", view.farther], ["whole", view.whole], ["finish-now", finish]]) byId(id).addEventListener("click", does);
byId("finish").addEventListener("click", () => {
  byId("finish-said").textContent = _("{count} cells have a label; {open} proposals have none, and are no cells then.", { count: labelled().length, open: open().length });
  byId("finish-dialog").showModal();
});
svg.addEventListener("keydown", onFieldKey);
document.addEventListener("keydown", onKey);
show();
