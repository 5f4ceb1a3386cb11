// What a run's view says in kinds and numbers, as sentences in the person's language.

import { plain } from "./review/numbers.js";
import { _ } from "./words.js";

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

// What the last look found in doubt.
export function nearSaid(run) {
  const said = run.doubts.map(({ title, limits }) => _("{cell} is near {limits} %", { cell: _(title), limits: limits.map(plain).join(` ${_("or")} `) }));
  return (said.join(", ") || run.near).replaceAll(" %", "\u00a0%");
}

// Why a count is complete.
export function endSaid(run) {
  if (run.cause === "enough cells") return _("{counted} cells are counted; {aim} are enough.", run);
  if (run.cause !== "most cells") return run.reason ?? "";
  const doubt = nearSaid(run) && _("Still in doubt: {near}.", { near: nearSaid(run) });
  return [_("{counted} cells are counted; a count ends at {max_cells}.", run), doubt].filter(Boolean).join(" ");
}

// A label as its panel's title is translated; in English as it reads within a sentence.
export function cellWord(label) {
  const name = label.replaceAll("_", " ");
  return document.documentElement.lang === "en" ? name : _(name.charAt(0).toUpperCase() + name.slice(1));
}
