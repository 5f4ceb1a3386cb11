// The differential: a row a label, in the order in which the instrument sends them, on one common scale.

import { plain, tenth } from "./review/numbers.js";
import { _ } from "./words.js";

const STEPS = [[10, 2], [20, 5], [30, 5], [40, 10], [50, 10], [60, 10], [80, 20], [100, 20]]; // [end of the scale, tick]
const table = document.getElementById("rows");
const scale = document.getElementById("scale");
let rows = new Map();
let drawn = 0;

const number = (value) => (value >= 99.95 ? "100" : tenth(value));

// withPercent: false where a percentage would claim what is not known (a failed run, or no cell counted).
// withFlags: whether to compare with the reference range at all.
export function drawBars(tally, { withPercent, withFlags }) {
  const labels = tally.map((row) => row.label).join();
  if (labels !== [...rows.keys()].join()) build(tally);
  const end = rescale(tally, withPercent, withFlags);
  for (const row of tally) update(rows.get(row.label), row, end, withPercent, withFlags);
}

function build(tally) {
  for (const row of rows.values()) row.line.remove();
  rows = new Map(tally.map((row) => [row.label, make(row)]));
  table.classList.toggle("many", tally.length > 13);
}

function make(row) {
  const line = element("div", "row");
  line.setAttribute("role", "row");
  line.dataset.label = row.label;
  const cells = {};
  for (const [name, kind] of [["name", ""], ["count", "n"], ["percent", "n"], ["limits", "n"]]) {
    cells[name] = line.appendChild(element("span", `${name} ${kind}`));
    cells[name].setAttribute("role", name === "name" ? "rowheader" : "cell");
  }
  const plot = line.appendChild(element("span", "plot"));
  plot.setAttribute("aria-hidden", "true");
  for (const part of ["reference", "bar", "whisker"]) cells[part] = plot.appendChild(element("i", part));
  cells.name.textContent = cells.name.title = _(row.title);
  table.append(line);
  return { line, ...cells };
}

function update(parts, row, end, withPercent, withFlags) {
  parts.line.classList.toggle("none", row.count === 0);
  parts.count.textContent = row.count;
  const known = withPercent && row.percent !== null && row.percent !== undefined;
  parts.percent.textContent = known ? number(row.percent) : "–";
  parts.limits.textContent = known ? `${number(row.low)} – ${number(row.high)}` : "";
  const side = known && withFlags ? outside(row) : null;
  if (side) parts.percent.prepend(Object.assign(element("span", "flag"), { textContent: side === "above" ? "▲" : "▼", title: side === "above" ? _("Both limits lie above the reference range") : _("Both limits lie below the reference range") }));
  parts.bar.hidden = parts.whisker.hidden = !known;
  drawReference(parts, withFlags ? row.reference : null, end);
  if (!known) return;
  place(parts.bar, 0, row.percent, end);
  place(parts.whisker, row.low, row.high, end);
}

function drawReference(parts, range, end) {
  parts.reference.hidden = !range;
  if (!range) {
    delete parts.line.dataset.reference;
    parts.line.removeAttribute("title");
    return;
  }
  place(parts.reference, Math.min(range[0], end), Math.min(range[1], end), end);
  parts.line.dataset.reference = `${plain(range[0])} – ${plain(range[1])} %`;
  parts.line.title = _("Reference range {range}", { range: parts.line.dataset.reference });
}

// Only when both limits are outside: a percentage alone says little while there are few cells.
function outside(row) {
  if (!row.reference) return null;
  if (row.low > row.reference[1]) return "above";
  return row.high < row.reference[0] ? "below" : null;
}

function place(part, from, to, end) {
  part.style.left = `${(100 * from) / end}%`;
  part.style.width = `${Math.max(0, (100 * (to - from)) / end)}%`;
}

// The scale holds every limit, and every reference range with a little beyond it.
function rescale(tally, withLimits, withReferences) {
  const limit = withLimits ? Math.max(0, ...tally.map((row) => row.high ?? 0)) : 0;
  const range = withReferences ? Math.max(0, ...tally.map((row) => row.reference?.[1] ?? 0)) : 0;
  const [end, tick] = STEPS.find(([end]) => end >= limit && end > range) ?? STEPS.at(-1);
  if (end !== drawn) {
    drawn = end;
    table.style.setProperty("--tick", `${(100 * tick) / end}%`);
    scale.replaceChildren();
    for (let at = 0; at <= end; at += tick) {
      const mark = scale.appendChild(element("b"));
      mark.textContent = at + tick > end ? `${at} %` : at;
      mark.style.left = `${(100 * at) / end}%`;
    }
  }
  return end;
}

function element(kind, name = "") {
  const made = document.createElement(kind);
  made.className = name;
  return made;
}
