// Whose smear it is and which run, in the two lines there are: a number too long for them loses its middle.

import { _ } from "./words.js";

const LEAST = 8; // characters of a number that are always shown
const part = document.getElementById("about");
let said = { sample: null, rest: [] };

// sample: null where it is not known.  rest: which run it is; never shortened.
export function sayAbout(sample, rest) {
  if (sample === said.sample && rest.join() === said.rest.join()) return;
  said = { sample, rest };
  fit();
}

function fit() {
  const { sample } = said;
  part.dataset.whole = "";
  write(sample);
  for (let kept = (sample ?? "").length - 2; cut() && kept >= LEAST; kept -= 1) write(shortened(sample, kept));
  if (part.textContent !== line(sample)) part.dataset.whole = line(sample); // whole under Details
}

function write(sample) {
  part.textContent = line(sample);
}

function line(sample) {
  const whose = sample === null ? "" : sample ? _("Sample {sample}", { sample }) : _("No sample number");
  return [whose, ...said.rest].filter(Boolean).join(" · ");
}

function shortened(sample, kept) {
  const end = Math.ceil(kept / 2); // a number's end tells more than its beginning
  return `${sample.slice(0, kept - end)}…${sample.slice(-end)}`;
}

function cut() {
  return part.scrollHeight > part.clientHeight + 1 || part.scrollWidth > part.clientWidth + 1;
}

new ResizeObserver(fit).observe(part);
