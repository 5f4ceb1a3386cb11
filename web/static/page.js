// The page: what the instrument said last, and whether that is still so.

import { sayAbout } from "./about.js";
import { drawBars } from "./bars.js";
import { offerControls, wireControls } from "./controls.js";
import { drawDetails, wireDetails } from "./details.js";
import { drawNewest } from "./newest.js";
import { sayProse } from "./prose.js";
import { drawReviewed } from "./reviewed.js";
import { clock, tenth } from "./review/numbers.js";
import { cellWord, doubtSaid, endSaid, nearSaid, stepSaid } from "./run_words.js";
import { sampleOf } from "./sample.js";
import { drawSlide, wireSlide } from "./slide.js";
import { Stream } from "./stream.js";
import { drawStrip } from "./strip.js";
import { _ } from "./words.js";

const byId = (id) => document.getElementById(id);
const say = (id, text) => { if (byId(id).textContent !== String(text)) byId(id).textContent = text; };
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
const formula = (labels) => labels.replace(/[a-z_]+/g, cellWord);
const told = (sentence) => (sentence ? _(sentence) : sentence); // one that is always the same
const GARBLED = "The instrument says what this page does not understand. Restart both with the same version.";
const LATEST = 24;
const MAY_COUNT = byId("notice-what").dataset.may === "yes"; // by role; who may not is told to do nothing to the slide
const ADVICE = JSON.parse(byId("advice").textContent); // by the cause of what paused or ended a run
const SAID_BY_ADVICE = new Set(["power cut", "shut down"]); // the instrument's own sentence of these says the same
const SPECIMENS = { blood: _("Blood"), marrow: _("Marrow") };

// word: in the pill.  tone and title: of the notice, where there is one.  stamp: across what is not a result.
const STATES = {
  none: { word: _("Connecting"), icon: "idle" },
  idle: { word: _("Ready"), icon: "idle" },
  unready: { word: _("Not ready"), icon: "warning" },
  preparing: { word: _("Preparing"), icon: "counting", heading: _("Differential, provisional"), tone: "calm", title: _("Preparing, which can take a minute or two. Counting then begins by itself.") },
  counting: { word: _("Counting"), icon: "counting", heading: _("Differential, provisional") },
  paused: { word: _("Paused"), icon: "paused", heading: _("Differential, provisional"), tone: "calm", title: _("Paused.") },
  completed: { word: _("Completed"), icon: "completed", heading: _("Differential"), tone: "good", title: _("Completed.") },
  insufficient: { word: _("Insufficient"), icon: "warning", heading: _("What was counted"), tone: "warn", title: _("Too few cells for a differential."), stamp: _("Not a result") },
  stopped: { word: _("Stopped"), icon: "stopped", heading: _("What was counted"), tone: "calm", title: _("Stopped before the end."), stamp: _("Not a result") },
  failed: { word: _("Failed"), icon: "failed", heading: _("Counted before the failure"), tone: "bad", title: _("The count failed."), stamp: _("Failed: no result") },
};

let snapshot = { instrument: null, run: null, link: { up: false, why: null, since: null } };
let link = "connecting"; // the page's own line to its server
let heard = null; // when it last said something
let refused = null;
let garbled = false; // what came last could not be drawn

function hear(message) {
  heard = Date.now();
  if (message.event === "snapshot") {
    snapshot = message;
  } else {
    const known = snapshot.run?.run === message.run.run ? snapshot.run.latest : [];
    const fresh = message.cells.filter((cell) => cell.label !== null).reverse();
    snapshot = { ...snapshot, instrument: message.instrument, run: { ...message.run, latest: [...fresh, ...known].slice(0, LATEST) } };
  }
  refused = null;
  draw();
}

// Half a picture of a count is none: where a part cannot be drawn, as of an instrument of another version, nothing
// looks live.
function draw() {
  garbled = false;
  try {
    drawAll();
    drawn = snapshot.run?.run ?? null;
  } catch (error) {
    console.error(error);
    garbled = true;
    Object.assign(document.body.dataset, { link: "gone", stale: "yes" });
    if (drawn !== (snapshot.run?.run ?? null)) hideNumbers(); // half of them are another patient's
    drawState("none", false);
    drawNotice("none");
    document.title = "(!) Hemadiff";
  }
}

let drawn = null; // the run that was drawn whole
function hideNumbers() {
  for (const id of ["side", "chart", "strip"]) byId(id).hidden = true;
  sayAbout(null, []);
}

function drawAll() {
  const { run, instrument } = snapshot;
  const state = run?.state ?? (!instrument ? "none" : instrument.can_start ? "idle" : "unready");
  const current = link !== "lost" && link !== "connecting" && snapshot.link.up;
  const body = document.body.dataset;
  body.state = state;
  body.link = link === "lost" ? "lost" : heard && !snapshot.link.up && instrument ? "gone" : link;
  body.stale = current || !heard ? "no" : "yes";
  body.result = STATES[state].stamp ? "no" : "yes";
  offerControls(snapshot, current); // first: whatever cannot be drawn, a count can be stopped
  drawState(state, current);
  drawNotice(state);
  drawWelcome(run === null);
  if (run !== null) drawRun(run, state);
  drawSlide(run);
  drawReviewed(run);
  drawNewest(run);
  drawProvenance(run, instrument);
  drawDetails();
  document.title = current ? title(run, state) : link === "connecting" ? "Hemadiff" : "(!) Hemadiff";
}

function title(run, state) {
  return run === null ? "Hemadiff" : `${run.counted} · ${STATES[state].word} · Hemadiff`;
}

function drawState(state, current) {
  const { word, icon } = STATES[state];
  const offline = document.body.dataset.link === "lost" ? _("Connection lost") : document.body.dataset.link === "gone" ? _("Instrument lost") : null;
  for (const pill of document.querySelectorAll(".pill")) { // at the top, and over the slide, which covers that one
    const [shape, text] = [pill.querySelector("use"), pill.querySelector("span")];
    shape.setAttribute("href", `#i-${current || !offline ? icon : "failed"}`);
    if (text.textContent !== (current || !offline ? word : offline)) text.textContent = current || !offline ? word : offline;
  }
}

function drawNotice(state) {
  const notice = noticeFor(state);
  byId("notice").hidden = !notice;
  if (!notice) return;
  byId("notice").dataset.tone = notice.tone;
  byId("notice").querySelector("use").setAttribute("href", `#i-${notice.icon}`);
  say("notice-title", notice.title);
  say("notice-happened", notice.advice?.happened ?? "");
  byId("notice-what").hidden = !notice.advice;
  say("notice-do", notice.advice?.do ?? "");
  sayProse(byId("notice-text"), notice.text);
  say("notice-marks", notice.marks ?? "");
}

function noticeFor(state) {
  const old = snapshot.run ? _("What you see is old.") : "";
  if (link === "lost") return { tone: "bad", icon: "failed", title: _("No connection to this page's server."), text: [heard ? _("Last heard at {time}.", { time: clock(heard) }) : "", old, _("Connecting again…")].filter(Boolean).join(" ") };
  if (heard && !snapshot.link.up && snapshot.instrument) return { tone: "bad", icon: "failed", title: _("Instrument lost at {time}.", { time: clock(snapshot.link.since) }), text: [told(snapshot.link.why), old].filter(Boolean).join(" ") };
  if (garbled) return { tone: "bad", icon: "failed", title: told(GARBLED), text: old };
  if (refused) return { tone: "warn", icon: "warning", title: _("Not done."), text: refused };
  const fault = state === "paused" && ADVICE[snapshot.run.cause]?.mend; // somebody has to do something first
  const { tone, title, icon } = fault ? { ...STATES.paused, tone: "warn", icon: "warning" } : STATES[state];
  const marks = (snapshot.run?.marks ?? []).join(" "); // what a person must know of the result, whatever its state
  if (!tone) return marks ? { tone: "warn", icon: "warning", title: _("Marked."), text: marks } : null;
  const said = ADVICE[snapshot.run.cause];
  const simulated = state === "paused" && snapshot.run.simulated && said?.simulated; // nobody can have moved that slide
  const mapped = state === "paused" && snapshot.run.slide && !simulated; // its map holds only where the slide lies
  const advice = simulated || said?.[mapped ? "mapped" : snapshot.run.ended ? "ended" : "paused"];
  if (tone === "good" && advice) return { tone, title, icon, text: "", marks, advice: { do: snapshot.run.qc ? controlNext() : advice.do, happened: snapshot.run.withheld ? advice.happened : endSaid(snapshot.run) } };
  if (advice && !ADVICE[snapshot.run.cause].mend) return { tone, title, icon, text: "", marks, advice }; // a person did it: that says all
  const text = state === "preparing" ? stepSaid(snapshot.run) : advice && SAID_BY_ADVICE.has(snapshot.run.cause) ? "" : snapshot.run.reason ?? "";
  return { tone, title: mapped && MAY_COUNT ? _("Paused: leave the slide where it lies.") : title, icon, text, marks, advice };
}

function controlNext() {
  return MAY_COUNT ? _("This was counted for quality control: touch QC and go over its fields.") : _("This was counted for quality control: it is no result of a patient.");
}

function drawWelcome(alone) {
  for (const id of ["side", "chart", "strip"]) byId(id).hidden = alone;
  byId("welcome").hidden = !alone;
  if (!alone) return;
  const { instrument } = snapshot;
  const ready = instrument !== null && snapshot.link.up;
  const note = ready && instrument.can_start ? snapshot.note : null;
  say("welcome-title", !ready ? (heard ? _("No instrument yet") : _("Connecting")) : instrument.can_start ? (told(note?.title) ?? _("Ready")) : _("Not ready"));
  const text = !ready ? (told(snapshot.link.why) ?? _("Waiting for the instrument.")) : (instrument.why_not ?? told(note?.text) ?? _("Put a smear on the stage and start a count."));
  sayProse(byId("welcome-text"), text);
}

function drawRun(run, state) {
  sayAbout(sampleOf(run.run, draw), [SPECIMENS[run.specimen] ?? capital(run.specimen), _("run {run}", { run: String(run.run).slice(0, 8) }), run.started ? _("started {time}", { time: clock(run.started) }) : ""]);
  say("counted", run.counted);
  const left = state === "counting" ? timeLeft(run) : "";
  say("counted-of", STATES[state].stamp ? _("of {aim} needed", run) : run.ended ? _("cells counted") : [_("of {aim} cells", run), left].filter(Boolean).join(", "));
  byId("track").setAttribute("aria-valuenow", run.counted);
  byId("track").setAttribute("aria-valuemax", run.max_cells);
  byId("track-done").style.width = `${Math.min(100, (100 * run.counted) / run.max_cells)}%`;
  byId("track-min").style.left = byId("track-min-at").style.left = `${(100 * run.min_cells) / run.max_cells}%`;
  byId("track-min").hidden = byId("track-min-at").hidden = run.min_cells === run.max_cells;
  say("track-min-at", run.min_cells);
  say("track-max-at", run.max_cells);
  drawDoubt(run, state);
  drawFacts(run, state);
  say("chart-title", STATES[state].heading);
  drawBars(run.tally, { withPercent: state !== "failed" && run.counted > 0, withFlags: !STATES[state].stamp });
  byId("key-reference").hidden = Boolean(STATES[state].stamp) || !run.tally.some((row) => row.reference);
  byId("rows").hidden = Boolean(run.withheld);
  byId("withheld").hidden = !run.withheld;
  byId("stamp").hidden = !STATES[state].stamp;
  say("stamp", STATES[state].stamp ?? "");
  drawStrip(run.run, run.latest);
  speak(run, state);
}

// How long it goes on, by how fast the last minutes' cells came.
let pace = { run: null, seen: [] };
function timeLeft(run) {
  const now = Date.now();
  if (pace.run !== run.run || run.counted < (pace.seen.at(-1)?.counted ?? 0)) pace = { run: run.run, seen: [] };
  if (pace.seen.at(-1)?.counted !== run.counted) pace.seen.push({ now, counted: run.counted });
  pace.seen = pace.seen.filter((each, n) => n >= pace.seen.length - 60);
  const first = pace.seen[0];
  const cells = run.counted - first.counted;
  if (cells < 20 || run.counted >= run.aim) return "";
  const seconds = ((run.aim - run.counted) * (now - first.now)) / cells / 1000;
  return seconds < 50 ? _("under a minute left") : _("about {minutes} min left", { minutes: Math.ceil(seconds / 60) });
}

// Why more cells are needed than the least.
function drawDoubt(run, state) {
  const shown = run.near && run.aim > run.min_cells && state !== "completed" && state !== "failed";
  byId("doubt").hidden = !shown;
  if (!shown) return;
  const said = (near) => (run.ended ? _("In doubt: {near}", { near }) : _("Goes on to {aim}: {near}", { aim: run.aim, near }));
  say("doubt", said(nearSaid(run)));
  byId("doubt").dataset.whole = said(doubtSaid(run)); // its numbers are under Details
}

function drawFacts(run, state) {
  const blood = run.specimen === "blood";
  const ratio = blood ? run.nrbc_per_100 : run.me_ratio;
  say("ratio-name", blood ? _("NRBC") : _("M:E"));
  say("ratio", ratio === null || ratio === undefined || state === "failed" ? "–" : blood ? tenth(ratio) : `${tenth(ratio)} : 1`);
  say("ratio-note", blood ? _("per 100 white cells") : "");
  byId("ratio-note").title = byId("ratio-note").dataset.whole = blood ? "" : formula(run.me_formula ?? ""); // whole under Details
  drawErythroid(run, state);
  say("unidentified", run.unidentified);
  say("unidentified-note", run.unidentified ? (run.unidentified === 1 ? _("waits for a person") : _("wait for a person")) : "");
  byId("fact-unidentified").classList.toggle("waits", run.unidentified > 0);
  const outside = Object.entries(run.not_counted).filter(([, n]) => n > 0);
  say("not-counted", run.withheld ? "–" : outside.reduce((sum, [, n]) => sum + n, 0));
  say("not-counted-note", run.withheld ? "" : notCounted(outside, run.at_border));
  const skipped = Object.entries(run.fields.skipped).filter(([, n]) => n > 0);
  say("fields", run.fields.counted);
  say("fields-note", [run.fields.planned ? _("of {planned}", run.fields) : "", ...skipped.map(([why, count]) => _("{count} skipped: {why}", { count, why }))].filter(Boolean).join(", "));
  byId("not-counted-note").title = byId("not-counted-note").textContent;
  byId("fields-note").title = byId("fields-note").textContent;
}

// Reads on from the number before it: one kind alone is not given its number twice.
function notCounted(outside, atBorder) {
  const kinds = outside.length === 1 ? cellWord(outside[0][0]) : outside.map(([label, n]) => `${n} ${cellWord(label)}`).join(", ");
  if (!atBorder) return kinds;
  return kinds ? _("{kinds}; {count} more at the border of a field", { kinds, count: atBorder }) : _("but {count} at the border of a field", { count: atBorder });
}

function drawErythroid(run, state) {
  const percent = run.erythroid_percent;
  byId("fact-erythroid").hidden = run.specimen === "blood" || percent === null || percent === undefined || state === "failed";
  if (byId("fact-erythroid").hidden) return;
  say("erythroid", `${tenth(percent)} %`);
  say("erythroid-note", (run.erythroid_limits ?? []).map(tenth).join(" – "));
}

function drawProvenance(run, instrument) {
  const from = run ?? instrument;
  if (run === null) sayAbout(null, []);
  for (const badge of document.querySelectorAll(".simulated")) badge.hidden = !(run?.simulated ?? instrument?.simulated);
  const none = from === null ? "–" : _("not loaded");
  for (const what of ["engine", "weights"]) sayInFull(what, from?.[what] || none);
  sayInFull("camera", from?.camera ?? "–");
  const calibration = from?.calibration ?? "–";
  const scale = run?.um_per_px && !calibration.includes("µm") ? `${calibration} (${run.um_per_px} µm/px)` : calibration;
  sayInFull("calibration", scale);
  byId("calibration").dataset.whole = run?.red_cells ? `${scale}. ${run.red_cells.said}` : "";
}

function sayInFull(id, text) {
  say(id, text);
  byId(id).title = text;
}

// Said aloud: every fiftieth cell, and not each; the notice speaks for the states.
let spoken = 0;
function speak(run, state) {
  const fifties = Math.floor(run.counted / 50);
  if (state === "counting" && fifties !== spoken) say("spoken", _("{counted} of {aim} cells counted.", run));
  spoken = fifties;
}

wireDetails();
wireSlide();
wireControls((sentence) => { refused = sentence; draw(); });
const stream = new Stream(hear, (now) => {
  if (link !== now) { link = now; draw(); }
});
draw();
stream.connect();
