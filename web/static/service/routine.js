// What a routine says, what it asks, and how it ended.

import { _ } from "../words.js";

const UNREAD_MS = 700; // the second touch of a double tap answers no question that came in between
let unread;
const part = (id) => document.getElementById(id);
const ANSWERS = {
  slide: () => [_("It lies there"), ""],
  mended: () => [_("It was put right, try again"), _("Give up")],
  right: () => [_("Yes"), _("No")],
};

export function showRoutine(state) {
  showTold(state.told);
  showQuestion(state.waits);
  showVerdict(state.verdict);
  part("stop").hidden = !state.doing;
  part("routine").hidden = Boolean(state.doing) || "none" in part("routine").dataset;
}

function showTold(told) {
  const list = part("told");
  const shown = [...list.children].map((line) => line.textContent);
  if (shown.length === told.length && shown.at(-1) === told.at(-1)) return;
  const goesOn = shown.length < told.length && shown.every((line, n) => line === told[n]);
  const lines = (goesOn ? told.slice(shown.length) : told).map((sentence) => {
    const line = document.createElement("li");
    line.textContent = sentence;
    return line;
  });
  if (goesOn) list.append(...lines);
  else list.replaceChildren(...lines);
  list.scrollTop = list.scrollHeight;
}

function showQuestion(waits) {
  const box = part("question"), asked = part("asked");
  const isNew = waits && (box.hidden || box.dataset.number !== String(waits.number));
  box.hidden = !waits;
  if (!isNew) return;
  box.dataset.number = waits.number;
  asked.textContent = waits.sentence;
  const [yes, no] = ANSWERS[waits.wanted]();
  const buttons = box.querySelectorAll("button");
  [yes, no].forEach((word, n) => {
    buttons[n].textContent = word;
    buttons[n].hidden = !word;
  });
  for (const button of buttons) button.disabled = true;
  clearTimeout(unread);
  unread = setTimeout(() => {
    for (const button of buttons) button.disabled = false;
    buttons[0].focus();
  }, UNREAD_MS);
}

function showVerdict(verdict) {
  const box = part("verdict");
  box.hidden = !verdict;
  if (!verdict) return;
  box.dataset.passed = verdict.passed ? "yes" : "no";
  const word = verdict.passed ? _("✓ Passed. It is on record and not yet in force.") : _("✕ Not passed. Nothing is on record.");
  if (part("verdict-word").textContent === word && part("verdict-said").children.length === verdict.said.length) return;
  part("verdict-word").textContent = word;
  part("verdict-said").replaceChildren(...verdict.said.map((sentence) => Object.assign(document.createElement("li"), { textContent: sentence })));
  const settings = Object.entries(verdict.settings).map(([key, value]) => `${key} = ${value}`);
  part("verdict-settings").textContent = [_("For the settings:"), ...settings].join("\n");
  part("verdict-settings").hidden = !settings.length;
  part("verdict-link").hidden = !verdict.calibration;
  if (verdict.calibration) part("verdict-link").href = `/service/calibrations/${verdict.calibration}`;
}
