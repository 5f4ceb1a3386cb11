// Buttons and dialogs. Every change is asked of the instrument; the page shows only what it answers.

import { ask } from "./ask.js";
import { drawKeys } from "./keys.js";
import { sayProse } from "./prose.js";
import { _ } from "./words.js";

const byId = (id) => document.getElementById(id);
const may = document.body.dataset.control === "yes";
const startDialog = byId("new-dialog");
const unnamedDialog = byId("unnamed-dialog");
const stopDialog = byId("stop-dialog");
let run = null;
let meant = null;
let ready = false;
let onRefused = () => {};

// refused(sentence): what to show when the instrument refuses outside a dialog.
export function wireControls(refused) {
  onRefused = refused;
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => press(button));
  for (const dialog of [startDialog, stopDialog]) {
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    const send = dialog.querySelector("[data-send]");
    send.addEventListener("click", () => (dialog === startDialog && !sample() ? askWhose() : confirm(dialog, send)));
    dialog.querySelector("form").addEventListener("submit", (event) => (event.preventDefault(), send.click()));
  }
  unnamedDialog.addEventListener("close", () => (unnamedDialog.returnValue === "start" ? confirm(startDialog, startDialog.querySelector("[data-send]")) : byId("sample").focus()));
  startDialog.addEventListener("close", () => startDialog.querySelector("form").reset()); // nobody reads the number there
  startDialog.addEventListener("change", offerSends);
  for (const keys of document.querySelectorAll(".typing")) drawKeys(keys, byId(keys.dataset.for));
}

export function offerControls(snapshot, current) {
  run = snapshot.run;
  const state = run?.state ?? "idle";
  const busy = ["preparing", "counting", "paused"].includes(state);
  const review = byId("review"); // where somebody may, and there is something
  if (review) {
    review.hidden = !run || !["completed", "insufficient"].includes(state); // a stopped count is no result
    if (run) review.href = `runs/${encodeURIComponent(run.run)}/review`;
  }
  const counted = byId("counted-page");
  counted.hidden = !["insufficient", "stopped", "failed"].includes(state) || review?.hidden === false;
  if (run) counted.href = `runs/${encodeURIComponent(run.run)}`;
  const phone = byId("phone");
  if (phone) {
    phone.hidden = !run || run.ended;
    if (run) phone.action = `runs/${encodeURIComponent(run.run)}/link`;
  }
  const offered = { new: !busy, resume: state === "paused", pause: state === "counting", stop: busy };
  ready = current && snapshot.instrument !== null;
  for (const button of document.querySelectorAll("[data-do]")) {
    const what = button.dataset.do;
    button.hidden = !may || !offered[what];
    button.disabled = !ready || waits(button) || (what === "new" && !snapshot.instrument.can_start);
  }
  const why = may && run && offered.new && ready ? snapshot.instrument.why_not : null;
  byId("why-not").hidden = !why;
  sayProse(byId("why-not"), why ?? "");
  byId("watching").hidden = may;
  byId("new-camera").textContent = snapshot.instrument?.camera ?? "–";
  byId("new-calibration").textContent = snapshot.instrument?.calibration ?? "–";
  offerSends();
  if (run) byId("stop-text").textContent = _("{counted} cells are kept. A stopped count is not a differential and cannot be resumed.", run);
  if (!busy && stopDialog.open) stopDialog.close(); // it ended by itself
}

// Nothing is counted that the settings do not say and nobody chose.
function offerSends() {
  const chosen = startDialog.querySelector("[name=count]:checked") !== null;
  for (const send of document.querySelectorAll("[data-send]")) send.disabled = !ready || waits(send) || (send.dataset.send === "start" && !chosen);
}

function press(button) {
  const what = button.dataset.do;
  if (what === "new") return open(startDialog);
  if (what === "stop") return open(stopDialog);
  return send(button, what, { run: run.run }).catch((error) => onRefused(error.message));
}

function open(dialog) {
  meant = run?.run; // whatever counts when the button is pressed
  dialog.querySelector(".wrong").hidden = true;
  dialog.querySelector("form").reset(); // no number of the last patient, nor what a browser remembers
  offerSends();
  dialog.showModal();
}

async function confirm(dialog, button) {
  const wrong = dialog.querySelector(".wrong");
  try {
    await send(button, button.dataset.send, dialog === startDialog ? wanted(dialog) : { run: meant });
    dialog.close();
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
}

// What the start dialog says; what it leaves open is as the settings have it.
function wanted(dialog) {
  const count = dialog.querySelector("[name=count]:checked");
  const target = dialog.querySelector("[name=target]:checked").value;
  return {
    panel: count.value,
    specimen: count.dataset.specimen,
    ...(sample() ? { sample: sample() } : {}),
    ...(target ? { min_cells: Number(target), max_cells: Number(target) } : {}),
  };
}

// As the laboratory knows the smear; empty where nobody said.
function sample() {
  return startDialog.querySelector("[name=sample]").value.trim();
}

function askWhose() {
  unnamedDialog.returnValue = "";
  unnamedDialog.showModal();
}

async function send(button, what, body) {
  const { textContent: name, dataset: { meanwhile } } = button;
  const aloud = (button.closest("dialog") ?? document).querySelector(".spoken"); // an open dialog silences what is outside
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  if (meanwhile) button.textContent = aloud.textContent = meanwhile; // the camera is opened, and weights are read
  try {
    await ask("POST", `api/v1/${what === "start" ? "runs" : what}`, body);
  } finally {
    if (meanwhile) [button.textContent, aloud.textContent] = [name, ""];
    button.removeAttribute("aria-busy");
    button.disabled = false;
    offerSends();
  }
}

// What is heard of the instrument meanwhile lets nobody ask for the same twice.
function waits(button) {
  return button.hasAttribute("aria-busy");
}
