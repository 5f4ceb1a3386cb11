// Going over a count's fields: every mark is drawn at once and sent in its turn; what was refused is taken back.

import { ask, notice, read } from "./qc_ask.js";
import { draw, inFrame, under } from "./qc_drawing.js";
import { wireRecord } from "./qc_record.js";
import { findsThatAreNoCell } from "./qc_words.js";
import { tenth } from "./review/numbers.js";
import { _ } from "./words.js";

const byId = (id) => document.getElementById(id);
const { run, open, cells, notAsked } = document.body.dataset;
const svg = byId("field");
let fields = [];
let shown = 0;
let cross = null; // where the arrow keys are; null until they are used
let sending = Promise.resolve();
let waiting = 0; // marks that are not answered yet
let refused = false; // whether one was: then what is on record is read again after the last

function say(id, text) {
  byId(id).textContent = text;
}

const located = (field) => field.finds.filter((find) => find.what === "cell" && !field.false.includes(find.cell)).length;
const sum = (all, of) => all.reduce((total, field) => total + of(field), 0);

function tally() {
  const gone = fields.filter((field) => field.gone_over);
  return { fields: fields.length, gone: gone.length, located: sum(gone, located), missed: sum(gone, (field) => field.missed.length), none: sum(gone, (field) => field.false.length) };
}

function show() {
  const field = fields[shown];
  draw(run, field, cross);
  say("which", _("Field {at} of {all}", { at: shown + 1, all: fields.length }));
  say("ticked", field.gone_over ? `✓ ${_("gone over")}` : "");
  const many = [_("{count} located", { count: located(field) }), field.missed.length && _("{count} missed", { count: field.missed.length }), field.false.length && _("{count} no cell", { count: field.false.length })];
  say("here", _("Here: {many}", { many: many.filter(Boolean).join(", ") }));
  showTally();
  byId("tick").setAttribute("aria-pressed", field.gone_over);
  say("tick", field.gone_over ? `✓ ${_("Take back")}` : _("Gone over"));
  byId("tick").classList.toggle("primary", !field.gone_over);
  byId("tick").disabled = open !== "yes";
  byId("back").disabled = shown === 0;
  byId("next").disabled = shown === fields.length - 1;
}

function showTally() {
  const { gone, located: found, missed, none } = tally();
  const there = found + missed;
  say("located", found);
  say("of", _("of {there} located", { there }) + (there ? `: ${tenth((100 * found) / there)} %` : ""));
  say("others", `${_("{count} missed", { count: missed })}; ${findsThatAreNoCell(none)}`);
  const left = fields.length - gone;
  const few = !left && there < Number(cells) ? _("These are too few: {cells} cells are needed. Count again, with more.", { cells }) : "";
  say("left", left ? _("{gone} of {all} fields gone over", { gone, all: fields.length }) : [_("Every field is gone over."), few].filter(Boolean).join(" "));
  byId("done").style.width = `${(100 * gone) / fields.length}%`;
  byId("track").setAttribute("aria-valuenow", gone);
  byId("track").setAttribute("aria-valuemax", fields.length);
  if (byId("record")) byId("record").disabled = left > 0 || Boolean(few);
}

function go(to) {
  shown = Math.max(0, Math.min(fields.length - 1, to));
  cross = null;
  show();
  const after = fields[shown + 1];
  if (after) new Image().src = `/runs/${run}/fields/${after.number}.jpg`;
}

// Puts a mark into a field as it is here.
function put(field, mark) {
  if (mark.kind === "gone over") field.gone_over = mark.present;
  else if (mark.kind === "false") field.false = [...field.false.filter((cell) => cell !== mark.cell), ...(mark.present ? [mark.cell] : [])];
  else field.missed = [...field.missed.filter(([x, y]) => x !== mark.x || y !== mark.y), ...(mark.present ? [[mark.x, mark.y]] : [])];
}

function send(mark) {
  if (open !== "yes") return;
  const field = fields[shown];
  put(field, mark);
  const body = { field: field.number, ...mark };
  waiting += 1;
  sending = sending.then(async () => {
    try {
      await ask(`${run}/mark`, body);
    } catch (error) {
      refused = true;
      notice(_("Not marked: {why}", { why: error.message }));
    }
    waiting -= 1;
    if (refused && waiting === 0) await readAgain();
  });
}

async function readAgain() {
  refused = false;
  fields = (await read(`${run}/fields.json`).catch(() => ({ fields }))).fields;
  show();
}

function touch(place) {
  if (open !== "yes" || svg.classList.contains("bare")) return;
  const field = fields[shown];
  const mark = under(field, place);
  notice(mark ? null : notAsked);
  if (!mark) return;
  const { kind, cell, x, y } = mark;
  if (kind === "false") send({ kind, cell, present: !field.false.includes(cell) });
  else send({ kind, x, y, present: !field.missed.some(([mx, my]) => mx === x && my === y) });
  show();
}

function tick() {
  if (open !== "yes") return;
  const present = !fields[shown].gone_over;
  notice(null);
  send({ kind: "gone over", present });
  const after = [...fields.keys()].filter((number) => !fields[number].gone_over);
  if (present && after.length) go(after.find((number) => number > shown) ?? after[0]);
  else show();
}

function hide() {
  const bare = svg.classList.toggle("bare");
  byId("hide").setAttribute("aria-pressed", bare);
  say("hide", bare ? _("Show marks") : _("Hide marks"));
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function onFieldKey(event) {
  const field = fields[shown];
  const way = WAYS[event.key];
  if (way) {
    const step = field.border / (event.shiftKey ? 8 : 2);
    cross ??= { x: Math.round(field.width / 2), y: Math.round(field.height / 2) };
    cross = { x: Math.round(Math.max(0, Math.min(field.width, cross.x + way[0] * step))), y: Math.round(Math.max(0, Math.min(field.height, cross.y + way[1] * step))) };
    show();
  } else if ((event.key === "Enter" || event.key === " ") && cross) touch(cross);
  else return;
  event.preventDefault();
}

const KEYS = { n: () => go(shown + 1), p: () => go(shown - 1), g: tick, h: hide };

function onKey(event) {
  if (event.target.matches("input") || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  KEYS[event.key.toLowerCase()]?.();
}

async function begin() {
  try {
    ({ fields } = await read(`${run}/fields.json`));
  } catch (error) {
    notice(error.message);
    return;
  }
  byId("loading").hidden = true;
  svg.addEventListener("click", (event) => touch(inFrame(event.clientX, event.clientY)));
  svg.addEventListener("keydown", onFieldKey);
  document.addEventListener("keydown", onKey);
  byId("tick").addEventListener("click", tick);
  byId("back").addEventListener("click", () => go(shown - 1));
  byId("next").addEventListener("click", () => go(shown + 1));
  byId("hide").addEventListener("click", hide);
  if (byId("record")) wireRecord(run, tally, () => sending);
  go(fields.findIndex((field) => !field.gone_over));
}

begin();
