// The patient's runs side by side: a column each, a line for each class, and its course drawn small with 95 % limits.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { day, tenth } from "./numbers.js";
import { part } from "./parts.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 132;
const HIGH = 40;
const EDGE = 6;
const dialog = document.getElementById("trend-dialog");

export function wireTrend(home, run) {
  document.getElementById("trend-close").addEventListener("click", () => dialog.close());
  document.getElementById("trend-open").addEventListener("click", async () => {
    const place = document.getElementById("trend");
    dialog.showModal();
    try {
      const said = await ask("GET", `${home}/trend`);
      place.replaceChildren(said.runs.length > 1 ? table(said, run) : part("p", { textContent: _("This is the only run of this patient here.") }));
    } catch (error) {
      place.replaceChildren(part("p", { className: "wrong", textContent: error.message }));
    }
  });
}

function table({ runs, lines }, run) {
  const heads = runs.map((one) => {
    const name = one.run === run ? part("b", { textContent: _("this run") }) : part("a", { href: `/runs/${one.run}/review`, textContent: one.run.slice(0, 8) });
    const facts = [_("{counted} cells", one), one.status ? _(one.status) : _("not signed"), one.simulated && _("simulated")].filter(Boolean);
    return part("th", { scope: "col", className: "n" }, day(one.started), part("br"), name, part("br"), part("small", { textContent: facts.join(", ") }));
  });
  const head = part("tr", {}, part("th", { scope: "col", textContent: _("Label") }), ...heads, part("th", { scope: "col", textContent: _("Course") }));
  const rows = lines.filter((line) => line.rows.some((row) => row?.count)).map((line) => {
    const values = line.rows.map((row) => part("td", { className: "n" }, row ? part("b", { textContent: tenth(row.percent) }) : "–", row && part("small", { textContent: ` ${tenth(row.low)}–${tenth(row.high)}` })));
    return part("tr", {}, part("th", { scope: "row", textContent: line.title }), ...values, part("td", {}, course(line.rows)));
  });
  return part("table", {}, part("thead", {}, head), part("tbody", {}, ...rows));
}

function course(rows) {
  const highest = Math.max(...rows.map((row) => row?.high ?? 0), 1);
  const x = (at) => EDGE + (at * (WIDE - 2 * EDGE)) / Math.max(1, rows.length - 1);
  const y = (value) => HIGH - EDGE - (value * (HIGH - 2 * EDGE)) / highest;
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, height: HIGH, "aria-hidden": "true", class: "course" });
  const known = rows.map((row, at) => ({ row, at })).filter(({ row }) => row);
  for (const { row, at } of known) svg.append(shape("line", { x1: x(at), x2: x(at), y1: y(row.low), y2: y(row.high), class: "limit" }));
  svg.append(shape("polyline", { points: known.map(({ row, at }) => `${x(at)},${y(row.percent)}`).join(" ") }));
  for (const { row, at } of known) svg.append(shape("circle", { cx: x(at), cy: y(row.percent), r: 3 }));
  return svg;
}

function shape(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
