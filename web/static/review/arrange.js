// In which sections and which order cells are shown: all or the filtered ones, with their labels or without.

import { _ } from "../words.js";
import { share } from "./numbers.js";

export const titles = (labels) => new Map(labels.map((label) => [label.label, label.title]));

const SHOWN = {
  all: () => true,
  doubtful: (cell) => cell.doubtful,
  weighty: (cell, section) => section.watched || section.near || section.label === "unidentified",
  changed: (cell, section) => cell.machine !== section.label,
};
const ORDERS = {
  served: () => 0, // the doubtful first, what a person has looked at last
  surest: (a, b) => b.probability - a.probability,
  found: (a, b) => a.cell - b.cell,
};

// me: who looks; without labels they see only those that they gave themselves.
export function arrange(review, { show, order, blind }, me) {
  const names = titles(review.labels);
  const counted = new Map(review.labels.map((label) => [label.label, label.counted]));
  if (blind) return withoutLabels(review, names, show, me);
  return review.sections
    .map((section) => ({
      label: section.label,
      drop: section.label,
      title: names.get(section.label),
      marks: marksOf(section, counted.get(section.label)),
      cells: section.cells.filter((cell) => SHOWN[show](cell, section)).sort(ORDERS[order]).map((cell) => told(cell, section.label, names)),
    }))
    .filter((section) => section.cells.length);
}

function marksOf(section, counted) {
  const marks = [];
  if (section.near) marks.push({ kind: "warn", text: _("near {near} %", { near: section.near }) });
  else if (section.watched) marks.push({ kind: "warn", text: _("decides a diagnosis") });
  if (!counted && section.label !== "unidentified") marks.push({ kind: "calm", text: _("not counted") });
  return marks;
}

function told(cell, label, names) {
  const changed = cell.machine !== label;
  const said = [names.get(label), share(cell.probability), _("cell {cell}", cell)];
  if (changed) said.push(_("changed by {who}, the machine said {machine}", { who: cell.by, machine: names.get(cell.machine) }));
  else if (cell.doubtful) said.push(_("doubtful"));
  else if (cell.looked) said.push(_("looked at, and left"));
  return {
    cell: cell.cell,
    name: said.join(", "),
    caption: changed ? cell.by : share(cell.probability),
    kinds: [changed && "changed", cell.doubtful && "doubtful"].filter(Boolean),
    marks: changed ? "✎" : cell.doubtful ? "?" : cell.looked ? "✓" : "",
  };
}

function withoutLabels(review, names, show, me) {
  const cells = review.sections.flatMap((section) => section.cells.filter((cell) => SHOWN[show](cell, section)).map((cell) => ({ cell, label: section.label })));
  cells.sort((a, b) => scattered(a.cell.cell) - scattered(b.cell.cell));
  const section = {
    label: "hidden",
    title: _("All cells, labels hidden"),
    marks: [],
    cells: cells.map(({ cell, label }) => {
      const own = cell.by === me ? names.get(label) : "";
      return { cell: cell.cell, name: [own, _("cell {cell}", cell)].filter(Boolean).join(", "), caption: own, kinds: own ? ["own"] : [], marks: own ? "✎" : "" };
    }),
  };
  return cells.length ? [section] : [];
}

// A fixed order in which neighbours tell nothing of each other (Knuth's multiplicative hash).
const scattered = (cell) => Math.imul(cell, 2654435761) >>> 0;
