// What people made of a run since the machine counted it: said on the live page, which shows the machine's count.

import { ask } from "./ask.js";
import { _ } from "./words.js";

const EVERY_MS = 30_000;
const box = document.getElementById("reviewed");
let run = null; // that has ended and can have been reviewed
let timer = null;

export function drawReviewed(now) {
  const wanted = now?.ended && now.state !== "failed" ? now.run : null;
  if (wanted === run) return;
  run = wanted;
  box.hidden = true;
  document.body.dataset.signed = "no";
  clearInterval(timer);
  if (run === null) return;
  look();
  timer = setInterval(() => document.hidden || look(), EVERY_MS);
}

async function look() {
  const asked = run;
  let said;
  try {
    said = await ask("GET", `api/v1/runs/${encodeURIComponent(asked)}/standing`);
  } catch (error) {
    if (error.status && asked === run) box.hidden = true; // not for who asks; where nothing answers, what was said stays
    return;
  }
  if (asked !== run) return;
  box.hidden = !said.reviewed;
  document.body.dataset.signed = said.status && !said.changed ? "yes" : "no"; // then nothing of it is to be done
  document.getElementById("reviewed-said").textContent = sentence(said);
  const link = document.getElementById("reviewed-link");
  if (link) link.href = `runs/${encodeURIComponent(run)}`;
}

function sentence(said) {
  const who = said.by;
  const standing = said.status ? _("{status}, signed by {who}", { status: _(said.status), who }) : _("not signed, reviewed by {who}", { who });
  const counted = said.counted === null ? "" : _("{counted} cells", said);
  const result = [counted, standing].filter(Boolean).join(", ");
  return [_("The reviewed result: {result}.", { result }), said.changed ? _("It was changed since it was signed.") : ""].filter(Boolean).join(" ");
}
