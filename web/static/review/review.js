// The page of review: what a person does in the gallery goes to the instrument, and what comes back is drawn.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { arrange, titles } from "./arrange.js";
import { makeCloser } from "./closer.js";
import { wireDragging } from "./dragging.js";
import { makeGallery } from "./gallery.js";
import { labelButtons, listenForKeys } from "./label_bar.js";
import { drawNotes, wireNotes } from "./notes.js";
import { makeSelection } from "./selection.js";
import { mayChange } from "./signed.js";
import { standingSaid } from "./standing.js";
import { makeStatus } from "./status.js";
import { drawStanding, wireSigning } from "./signing.js";
import { drawTally, toldTally } from "./tally.js";
import { wireSide } from "./side.js";
import { wireTrend } from "./trend.js";

let review = JSON.parse(document.getElementById("said").textContent);
let asking = false;
const me = document.body.dataset.person;
const names = titles(review.labels);
const home = `/api/v1/runs/${review.run}/review`;
const view = { show: "all", order: "served", blind: false };
const status = makeStatus();
const selection = makeSelection(() => (gallery.mark(selection.has), status.selected(selection.size)));
const gallery = makeGallery(document.getElementById("gallery"), {
  touched: (cell, through) => selection.toggle(cell, gallery.order, through),
  opened: (cell) => closer.open(cell),
  all: (cells) => selection.all(cells),
});
const closer = makeCloser(review.run, review.labels, {
  order: around,
  label: (cell) => (seen(cell) ? labelOf().get(cell) : ""),
  give,
  undo,
  left: (cell) => gallery.focus(cell),
});

const labelOf = () => new Map(review.sections.flatMap((section) => section.cells.map((cell) => [cell.cell, section.label])));
const seen = (cell) => !view.blind || review.sections.some((section) => section.cells.some((each) => each.cell === cell && each.by === me));

function draw(now) {
  review = now;
  const sections = arrange(review, view, me);
  selection.keep(new Set(sections.flatMap((section) => section.cells.map((cell) => cell.cell))));
  gallery.draw(sections, selection.has);
  drawTally(document.getElementById("tally"), review);
  drawStanding(review);
  if (view.blind) document.getElementById("sign-open").disabled = true; // nobody signs labels that they do not see
  drawNotes(review.notes);
  status.selected(selection.size);
  status.may(review.may_review, review.why_not, Boolean(review.undoable));
}

// Asks for a change; what was refused is said, and the run drawn as it is by now. Returns whether it was made.
async function change(address, body, told) {
  if (asking || !review.may_review) return false;
  asking = true;
  try {
    if (!(await mayChange(review.standing))) return false;
    const done = await ask("POST", address, body);
    draw(done.review);
    status.say(told(done));
    return true;
  } catch (error) {
    await reload();
    status.refuse(error.message);
    return false;
  } finally {
    asking = false;
  }
}

async function reload() {
  try {
    draw(await ask("GET", home));
    return review;
  } catch {
    return null; // the refusal that led here says more
  }
}

async function give(cells, to) {
  const labels = labelOf();
  const expected = cells.map((cell) => labels.get(cell));
  return change(`${home}/changes`, { cells, to, expected }, ({ changed }) => {
    const said = { count: changed.length, label: names.get(to), tally: toldTally(review, to) };
    if (!changed.length) return _("No cell was changed: they were {label} already.", said);
    return changed.length === 1 ? _("1 cell is now {label}. {tally}", said) : _("{count} cells are now {label}. {tally}", said);
  });
}

async function giveSelected(to, cells = selection.cells(gallery.order)) {
  if (!cells.length) return none(to);
  const inGallery = document.getElementById("gallery").contains(document.activeElement);
  const next = gallery.order.slice(gallery.order.indexOf(cells.at(-1)) + 1).find((cell) => !cells.includes(cell));
  if (!(await give(cells, to))) return undefined;
  selection.only([]);
  if (inGallery && next !== undefined) gallery.focus(next);
  return undefined;
}

// A label without a cell shows its group; said, since it may be a slip.
function none(to) {
  const label = names.get(to);
  status.note(gallery.show(to) ? _("No cell is selected. Shown: {label}.", { label }) : _("No cell is selected; none is {label}.", { label }));
}

// What is gone through one by one: the group that a cell stands in, or everything that was asked for.
function around(cell) {
  if (view.show === "all") return gallery.group(cell);
  return { title: document.getElementById("show").selectedOptions[0].textContent, cells: gallery.order };
}

async function undo() {
  if (!review.undoable) return;
  await change(`${home}/changes/${review.undoable}/undo`, {}, ({ changed, left }) => {
    const said = { count: changed.length, left: left.length, tally: toldTally(review) };
    return left.length ? _("Undone: {count}; left as somebody made them since: {left}. {tally}", said) : _("Undone: {count}. {tally}", said);
  });
}

function wireChoices() {
  for (const name of ["show", "order"]) {
    document.getElementById(name).addEventListener("change", (event) => ((view[name] = event.target.value), draw(review)));
  }
  const blind = document.getElementById("blind");
  blind.addEventListener("click", () => {
    view.blind = !view.blind;
    blind.setAttribute("aria-pressed", String(view.blind));
    draw(review);
  });
}

const root = document.getElementById("review");
document.getElementById("bar-labels").append(labelButtons(review.labels, giveSelected, document.getElementById("bar-labels").dataset.name));
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("clear").addEventListener("click", () => selection.only([]));
document.getElementById("enlarge").addEventListener("click", () => closer.open(selection.cells(gallery.order)[0] ?? gallery.home));
listenForKeys(root, review.labels, giveSelected, { z: undo, Escape: () => selection.only([]) });
wireDragging(document.getElementById("gallery"), (cell) => (selection.has(cell) ? selection.cells(gallery.order) : [cell]), (cells, label) => giveSelected(label, cells));
wireChoices();
wireSigning(home, {
  now: () => review,
  signed: (now) => (draw(now), status.say(standingSaid(now.standing))),
  refused: reload,
  refuse: status.refuse,
  showUnidentified: () => gallery.show("unidentified"),
});
wireNotes(home, { written: draw, refused: status.refuse });
wireTrend(home, review.run);
wireSide();
draw(review);
