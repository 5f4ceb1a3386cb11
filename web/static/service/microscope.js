// The microscope in an engineer's hands: asks once a second how it stands, and shows it.

import { ask } from "../ask.js";
import { draw } from "./histogram.js";
import { showRoutine } from "./routine.js";
import { _ } from "../words.js";

const EVERY_MS = 1000;
const part = (id) => document.getElementById(id);
let picture = 0, busy = false, exposureShown = false, pressed = null;

// place: what was pressed. A refusal is read there, and not a screen further up.
function say(sentence, place = null) {
  const wrong = part("wrong");
  if (place) place.after(wrong);
  else part("phase").before(wrong);
  wrong.textContent = sentence;
  wrong.hidden = !sentence;
  if (sentence && place) wrong.scrollIntoView({ block: "nearest" });
}
document.addEventListener("click", (event) => { pressed = event.target.closest("form, fieldset, #question, .buttons"); }, true);

async function order(what, body = {}) {
  if (busy) return;
  const place = pressed;
  busy = true;
  free(false);
  try {
    await ask("POST", `/service/microscope/${what}`, body);
    say("");
  } catch (error) {
    say(error.message, place);
  }
  busy = false;
  await look();
}

function free(yes) {
  for (const each of document.querySelectorAll("fieldset[data-free]")) each.disabled = !yes;
  for (const each of document.querySelectorAll("form[data-free] button")) each.disabled = !yes;
}

function titleOf(routine) {
  const found = [...document.querySelectorAll("#routine option")].find((each) => each.value === routine);
  return found ? found.textContent : routine.replaceAll("_", " ");
}

function showPhase(state) {
  const open = state.phase === "ready" || state.phase === "opening";
  part("begin").hidden = open;
  showNotNow(state.not_now ?? "");
  part("bench").hidden = !open && !state.verdict;
  if (part("end")) part("end").hidden = !open;
  const said = {
    opening: _("The microscope is being opened and homed."),
    ready: state.doing ? _("A routine is going on: {what}.", { what: titleOf(state.doing) }) : _("{who} has the microscope in hand.", { who: state.by }),
    over: [_("The session is over."), state.trouble].filter(Boolean).join(" "),
  }[state.phase] ?? "";
  if (part("phase").textContent !== said) part("phase").textContent = said;
  part("phase").hidden = !said;
  if (!busy) free(state.phase === "ready" && !state.doing);
}

// A count that goes on has the microscope: that is said before anybody ticks boxes.
function showNotNow(sentence) {
  const box = part("not-now");
  if (!box) return;
  if (box.textContent !== sentence) box.textContent = sentence;
  box.hidden = !sentence;
  part("begin").querySelector("button").disabled = Boolean(sentence);
}

function showPlace(state) {
  "xyz".split("").forEach((axis, n) => {
    const limits = state.limits_um?.[axis];
    part(`at-${axis}`).textContent = state.position_um ? state.position_um[n].toFixed(1) : "–";
    part(`limits-${axis}`).textContent = limits ? `${limits[0].toFixed(0)} – ${limits[1].toFixed(0)}` : "–";
  });
}

function showSight(state) {
  part("trouble").textContent = state.phase === "over" ? "" : state.trouble ?? "";
  part("trouble").hidden = !part("trouble").textContent;
  const sight = state.sight;
  if (!sight) return;
  part("sharpness").textContent = sight.sharpness === null ? "–" : sight.sharpness.toPrecision(3);
  part("cut-off").textContent = `${(100 * sight.cut_off).toFixed(1)} %`;
  part("exposure").textContent = `${sight.exposure_us} µs`;
  draw(part("histogram"), sight.histogram);
  if (!exposureShown && part("camera")) {
    exposureShown = true;
    part("camera").elements.exposure_us.value = sight.exposure_us;
    part("camera").elements.gain.value = sight.gain;
  }
  if (state.picture !== picture && state.phase === "ready") {
    picture = state.picture;
    part("picture").src = `/service/picture.jpg?${picture}`;
    part("picture").hidden = false;
  }
}

async function look() {
  try {
    const state = await ask("GET", "/service/state.json");
    showPhase(state);
    if (state.phase === "none") return;
    showPlace(state);
    showSight(state);
    if (part("routine")) showRoutine(state);
  } catch (error) {
    say(error.message);
  }
}

async function keepLooking() {
  if (!document.hidden) await look();
  setTimeout(keepLooking, EVERY_MS);
}

function jog(way) {
  const step = Number(part("step").value), axis = way[0];
  const size = axis === "z" ? Math.max(1, step / 100) : step;
  return order("jog", { [`d${axis}`]: way[1] === "-" ? -size : size });
}

part("begin").addEventListener("submit", (event) => {
  event.preventDefault();
  order("begin", { at_reference: event.target.elements.at_reference.checked });
});
for (const each of document.querySelectorAll("[data-jog]")) each.addEventListener("click", () => jog(each.dataset.jog));
for (const each of document.querySelectorAll("[data-ask]")) each.addEventListener("click", () => order(each.dataset.ask));
for (const each of document.querySelectorAll("[data-yes]")) each.addEventListener("click", () => order("answer", { yes: each.dataset.yes === "yes", question: Number(part("question").dataset.number) }));
part("camera")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { exposure_us, gain } = event.target.elements;
  order("camera", { exposure_us: Number(exposure_us.value), gain: Number(gain.value) });
});
part("lamp")?.addEventListener("submit", (event) => {
  event.preventDefault();
  order("lamp", { share: Number(event.target.elements.share.value) / 100 });
});
part("lamp-usual")?.addEventListener("click", () => order("lamp", { share: null }));
part("routine")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, here, note, pitch_um, grid, pitch_uncertainty_um, serial, certificate, returns, tilt, drift, overview } = event.target.elements;
  const ruler = {
    pitch_um: Number(pitch_um.value), grid: grid.checked, pitch_uncertainty_um: Number(pitch_uncertainty_um.value),
    serial: serial.value, certificate: certificate.value,
  };
  const extent = { returns: Number(returns.value), tilt: tilt.checked, drift: drift.checked, overview: overview.checked };
  order("routine", { name: name.value, here: here.checked, note: note.value, ruler, extent });
});
keepLooking();
