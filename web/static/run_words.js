// What a run's view says in kinds and numbers, as sentences in the person's language.

import { plain, tenth } from "./review/numbers.js";
import { _ } from "./words.js";

const TITLES = JSON.parse(document.getElementById("cell-titles").textContent); // of every bundled panel, by label
const STEPS = {
  beginning: _("Camera and analysis are being prepared."),
  homing: _("Homing the stage."),
  "setting lamp and cameras": _("Setting lamp and cameras."),
  "looking over, by pictures": _("Looking the slide over: picture {at} of {of}."),
  "looking over, by fields": _("Looking the slide over: field {at} of {of}."),
  focusing: _("Focusing at place {at} of {of}."),
};

// What is done before the first field; the instrument's own sentence where it is no usual step.
export function stepSaid(run) {
  return run.step && STEPS[run.step.kind] ? _(STEPS[run.step.kind], run.step) : run.reason ?? "";
}

// What the last look found in doubt, in short. An instrument of an older version says it in a sentence of its own.
export function nearSaid(run) {
  return doubts(run, ({ cell, limits }) => _("{cell} is near {limits} %", { cell, limits }));
}

// The same, with the numbers that put it in doubt.
export function doubtSaid(run) {
  return doubts(run, ({ cell, limits, percent, low, high }) => (percent === undefined ? _("{cell} is near {limits} %", { cell, limits })
    : _("{cell} {percent} % (99 % limits {low} – {high}) is near {limits} %", { cell, limits, percent: tenth(percent), low: tenth(low), high: tenth(high) })));
}

function doubts(run, said) {
  const all = (run.doubts ?? []).map((doubt) => said({ ...doubt, cell: _(doubt.title), limits: doubt.limits.map(plain).join(` ${_("or")} `) }));
  return (all.join(", ") || run.near || "").replaceAll(" %", "\u00a0%");
}

// Why a count is complete.
export function endSaid(run) {
  if (run.cause === "enough cells" && run.watches) return _("{counted} cells are counted; {aim} are enough: no watched percentage is in doubt.", run);
  if (run.cause === "enough cells") return _("{counted} cells are counted; {aim} are enough.", run);
  if (run.cause !== "most cells") return run.reason ?? "";
  const near = doubtSaid(run);
  const doubt = near && _("Still in doubt: {near}.", { near });
  const ends = run.counted > run.max_cells ? _("{counted} cells are counted; a count ends at {max_cells}, and its last field counts whole.", run) : _("{counted} cells are counted; a count ends at {max_cells}.", run);
  const limits = near && _("The 99 % limits are those by which a count ends or goes on; the differential has 95 % limits.");
  return [ends, doubt, limits].filter(Boolean).join(" ");
}

// A label as its panel's title is translated; in English as it reads within a sentence.
export function cellWord(label) {
  const name = label.replaceAll("_", " ");
  return document.documentElement.lang === "en" ? name : _(TITLES[label] ?? name);
}
