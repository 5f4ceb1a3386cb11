// A second reading: every cell without any label but the reader's own.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { titles } from "./arrange.js";
import { makeCloser } from "./closer.js";
import { wireDragging } from "./dragging.js";
import { makeGallery } from "./gallery.js";
import { labelButtons, listenForKeys } from "./label_bar.js";
import { makeSelection } from "./selection.js";
import { makeStatus } from "./status.js";

let reading = JSON.parse(document.getElementById("said").textContent);
const home = `/api/v1/runs/${reading.run}/second`;
const begin = document.getElementById("begin");

begin?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(begin);
  const sample = form.get("which") === "sample" ? Number(form.get("sample")) : null;
  await orSay(async () => {
    await ask("POST", home, { sample });
    location.reload();
  });
});
if (reading.begun && !reading.finished) read();

async function orSay(act) {
  try {
    await act();
    return true;
  } catch (error) {
    for (const place of document.querySelectorAll("[data-wrong]")) {
      place.textContent = error.message;
      place.hidden = false;
    }
    return false;
  }
}

function read() {
  const names = titles(reading.labels);
  const status = makeStatus();
  const labels = () => new Map(reading.cells.map((cell) => [cell.cell, cell.label ?? ""]));
  const selection = makeSelection(() => (gallery.mark(selection.has), status.selected(selection.size)));
  const gallery = makeGallery(document.getElementById("gallery"), {
    touched: (cell, through) => selection.toggle(cell, gallery.order, through),
    opened: (cell) => closer.open(cell),
    all: (cells) => selection.all(cells),
  });
  const closer = makeCloser(reading.run, reading.labels, {
    order: () => ({ title: "", cells: reading.cells.map((cell) => cell.cell) }),
    label: (cell) => labels().get(cell),
    give,
    undo,
    left: (cell) => gallery.focus(cell),
  });

  function section(label, title, cells) {
    const shown = cells.map(({ cell, label: own }) => ({
      cell, caption: own ? names.get(own) : "", kinds: own ? ["own"] : [], marks: own ? "✓" : "",
      name: [own ? names.get(own) : _("no label yet"), _("cell {cell}", { cell })].join(", "),
    }));
    return { label, title, marks: [], cells: shown };
  }

  function draw(now) {
    reading = now;
    const done = reading.cells.filter((cell) => cell.label);
    const waiting = reading.cells.filter((cell) => !cell.label);
    gallery.draw([section("waiting", _("To be read"), waiting), section("read", _("Read"), done)].filter((each) => each.cells.length), selection.has);
    const said = _("{read} of {all} read", { read: done.length, all: reading.cells.length });
    document.getElementById("progress").textContent = said;
    document.getElementById("finish").disabled = waiting.length > 0;
    status.may(true, "", Boolean(reading.undoable));
    status.selected(selection.size);
    status.say(said);
  }

  async function give(cells, to) {
    return orSay(async () => draw(await ask("POST", `${home}/changes`, { cells, to })));
  }

  async function giveSelected(to, cells = selection.cells(gallery.order)) {
    if (!cells.length) return;
    const inGallery = document.getElementById("gallery").contains(document.activeElement);
    const next = gallery.order.slice(gallery.order.indexOf(cells.at(-1)) + 1).find((cell) => !cells.includes(cell));
    if (!(await give(cells, to))) return;
    selection.only([]);
    if (inGallery && next !== undefined) gallery.focus(next);
  }

  async function undo() {
    if (reading.undoable) await orSay(async () => draw(await ask("POST", `${home}/changes/${reading.undoable}/undo`, {})));
  }

  const bar = document.getElementById("bar-labels");
  bar.append(labelButtons(reading.labels, giveSelected, bar.dataset.name));
  document.getElementById("undo").addEventListener("click", undo);
  document.getElementById("clear").addEventListener("click", () => selection.only([]));
  document.getElementById("enlarge").addEventListener("click", () => closer.open(selection.cells(gallery.order)[0] ?? gallery.home));
  document.getElementById("finish").addEventListener("click", () => orSay(async () => {
    await ask("POST", `${home}/finish`, {});
    location.reload();
  }));
  listenForKeys(document.getElementById("review"), reading.labels, giveSelected, { z: undo, Escape: () => selection.only([]) });
  wireDragging(document.getElementById("gallery"), (cell) => (selection.has(cell) ? selection.cells(gallery.order) : [cell]), (cells, label) => giveSelected(label, cells));
  draw(reading);
}
