// The cells, section by section. Elements are kept from one drawing to the next, so that pictures and focus stay.

import { _ } from "../words.js";
import { sayWhileLoading } from "./loading.js";
import { part, picture } from "./parts.js";

const SIDE = 96;
const LAZY = { loading: "lazy", fetchPriority: "low" }; // a change does not wait for five hundred pictures
const LANES = 3; // of the six connections that a browser has

// told: {touched(cell, through), opened(cell), all(cells)}.
export function makeGallery(place, told) {
  const items = new Map(); // cell → its element
  let order = [];
  let groups = [];
  let home = null; // the one cell that Tab reaches
  let lanes = 0; // in which pictures are fetched now

  // sections: {label, title, drop, marks, cells: [{cell, name, caption, kinds, marks}]}
  function draw(sections, has) {
    const before = document.activeElement?.closest?.("[data-cell]");
    groups = sections.map(({ title, cells }) => ({ title, cells: cells.map((cell) => cell.cell) }));
    order = sections.flatMap((section) => section.cells.map((cell) => cell.cell));
    place.replaceChildren(...sections.map((section) => drawSection(section)));
    if (!order.length) place.append(part("p", { className: "empty", textContent: _("No cell is shown. Show all cells.") }));
    setHome(order.includes(home) ? home : order[0] ?? null);
    mark(has);
    if (before && order.includes(+before.dataset.cell)) focus(+before.dataset.cell);
    setTimeout(fetchRest, 500); // what is in sight comes first
  }

  // Fetches what nobody has scrolled to yet, a few at a time: a picture that arrives while the page scrolls costs frames.
  function fetchRest() {
    if (lanes || navigator.connection?.saveData) return;
    const waiting = order.map((cell) => items.get(cell).querySelector("img"));
    const next = () => {
      let image = waiting.shift();
      while (image?.complete) image = waiting.shift();
      if (!image) return void (lanes -= 1);
      for (const event of ["load", "error"]) image.addEventListener(event, () => once(image), { once: true });
      image.loading = "eager";
    };
    const done = new WeakSet();
    const once = (image) => { if (!done.has(image)) { done.add(image); next(); } };
    for (let lane = 0; lane < LANES; lane += 1) { lanes += 1; next(); } // a lane with nothing to fetch ends at once
  }

  function drawSection(section) {
    const title = part("h2", { id: `of-${section.label}` }, section.title, " ", part("span", { className: "number", textContent: section.cells.length }));
    const all = part("button", { type: "button", className: "all", textContent: _("Select all"), set: { "aria-label": _("Select all: {title}", { title: section.title }) } });
    all.addEventListener("click", () => told.all(section.cells.map((cell) => cell.cell)));
    const marks = section.marks.map((mark) => part("span", { className: `chip ${mark.kind}`, textContent: mark.text }));
    const head = part("header", {}, title, ...marks, all);
    const list = part("ul", { className: "cells" }, ...section.cells.map(drawCell));
    const dataset = { section: section.label, ...(section.drop ? { drop: section.drop } : {}) };
    return part("section", { dataset, set: { "aria-labelledby": title.id } }, head, list);
  }

  function drawCell(cell) {
    let item = items.get(cell.cell);
    if (!item) {
      const button = part("button", { type: "button", className: "cell", tabIndex: -1 }, picture(cell.cell, SIDE, LAZY), part("span", { className: "caption" }), part("span", { className: "marks" }));
      item = part("li", { dataset: { cell: cell.cell } }, button);
      items.set(cell.cell, item);
    }
    const button = item.firstChild;
    button.setAttribute("aria-label", cell.name);
    button.dataset.is = cell.kinds.join(" ");
    button.querySelector(".caption").textContent = cell.caption;
    button.querySelector(".marks").textContent = cell.marks;
    return item;
  }

  function mark(has) {
    for (const cell of order) items.get(cell).firstChild.setAttribute("aria-pressed", String(has(cell)));
  }

  function setHome(cell) {
    if (home !== null && items.has(home)) items.get(home).firstChild.tabIndex = -1;
    home = cell;
    if (home !== null) items.get(home).firstChild.tabIndex = 0;
  }

  function focus(cell) {
    if (!items.has(cell)) return;
    setHome(cell);
    items.get(cell).firstChild.focus();
  }

  // The cell above or below: the nearest in the next row of pictures.
  function vertical(from, step) {
    const box = (cell) => items.get(cell).getBoundingClientRect();
    const here = box(from);
    let row = null;
    let best = null;
    for (let at = order.indexOf(from) + step; at >= 0 && at < order.length; at += step) {
      const there = box(order[at]);
      if (Math.abs(there.top - here.top) < 2) continue;
      row ??= there.top;
      if (Math.abs(there.top - row) > 2) break;
      const far = Math.abs(there.left - here.left);
      if (best === null || far < best.far) best = { cell: order[at], far };
    }
    return best?.cell ?? from;
  }

  const beside = (from, step) => order[Math.min(order.length - 1, Math.max(0, order.indexOf(from) + step))];
  const moves = {
    ArrowLeft: (from) => beside(from, -1), ArrowRight: (from) => beside(from, 1),
    ArrowUp: (from) => vertical(from, -1), ArrowDown: (from) => vertical(from, 1),
    Home: () => order[0], End: () => order.at(-1),
  };

  sayWhileLoading(place);
  place.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-cell]");
    if (item) setHome(+item.dataset.cell);
  });
  place.addEventListener("click", (event) => {
    const item = event.target.closest("[data-cell]");
    if (!item) return;
    item.firstChild.focus();
    told.touched(+item.dataset.cell, event.shiftKey);
  });
  place.addEventListener("dblclick", (event) => {
    const item = event.target.closest("[data-cell]");
    if (item) told.opened(+item.dataset.cell);
  });
  place.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-cell]");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const cell = +item.dataset.cell;
    if (event.key === "Enter") told.opened(cell);
    else if (event.key in moves) focus(moves[event.key](cell));
    else return;
    event.preventDefault();
  });

  return {
    draw, mark, focus,
    get order() { return order; },
    get home() { return home; },
    // The section that a cell stands in, {title, cells}; without cells where it is not shown.
    group(cell) { return groups.find((each) => each.cells.includes(cell)) ?? { title: "", cells: [] }; },
    // Scrolls to a section. Returns whether there is one.
    show(label) {
      const section = place.querySelector(`[data-section="${label}"]`);
      section?.scrollIntoView({ block: "start" });
      return section !== null;
    },
  };
}
