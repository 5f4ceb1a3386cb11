// Where the run stands with its signatures, and the dialog in which a person signs what they saw.

import { ask } from "../ask.js";
import { _ } from "../words.js";
import { moment } from "./numbers.js";
import { part } from "./parts.js";
import { standingSaid } from "./standing.js";
import { drawResult } from "./tally.js";

const dialog = document.getElementById("sign-dialog");
const panel = document.getElementById("standing");
const secret = dialog.querySelector("[name=secret]");
let shown = null; // the review as the dialog shows it

// home: the API's address of the review.  signed(review).  refused(): reads it anew.  refuse(sentence): says it over the page.  showUnidentified().
export function wireSigning(home, { now, signed, refused, refuse, showUnidentified }) {
  document.getElementById("sign-open").addEventListener("click", () => open(now()));
  document.getElementById("sign-close").addEventListener("click", () => dialog.close());
  document.getElementById("show-unidentified").addEventListener("click", showUnidentified);
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const button = event.submitter;
    button.disabled = true;
    try {
      const asked = { status: form.get("status"), digest: shown.standing.digest, note: form.get("note"), secret: form.get("secret") };
      signed(await ask("POST", `${home}/signatures`, asked));
      dialog.close();
    } catch (error) {
      const last = await refused();
      if (last && last.standing.digest !== shown.standing.digest) {
        dialog.close(); // it is not what was looked at: look again before signing
        refuse(error.message);
      } else wrong(error.message);
    } finally {
      button.disabled = false;
      secret.value = "";
    }
  });
}

export function drawStanding(review) {
  const { standing } = review;
  panel.dataset.tone = standing.changed ? "warn" : !standing.signatures.length ? "calm" : panel.dataset.run === "completed" ? "good" : "warn";
  document.getElementById("standing-said").textContent = standingSaid(standing);
  const why = review.may_sign ? standing.why_not : _("Your role may not sign.");
  document.getElementById("standing-why").textContent = why;
  document.getElementById("show-unidentified").hidden = !review.tally.unidentified;
  const button = document.getElementById("sign-open");
  button.hidden = !review.may_sign;
  button.disabled = !standing.may.length;
  const lines = standing.signatures.map((one) => part("li", {}, part("b", { textContent: _(one.status) }), ` ${one.who}, ${moment(one.at)}`, one.note && part("q", { textContent: one.note }), part("code", { textContent: one.digest.slice(0, 12) })));
  document.getElementById("signatures").replaceChildren(...lines.reverse());
  document.querySelector("[data-count=signatures]").textContent = lines.length || "";
}

function open(review) {
  shown = review;
  const { standing } = review;
  const choices = standing.may.map((status, at) => part("label", { className: "choice" }, part("input", { type: "radio", name: "status", value: status, required: true, checked: standing.may.length === 1 && at === 0 }), _(status)));
  document.getElementById("sign-as").replaceChildren(...choices);
  drawResult(document.getElementById("sign-result"), review);
  document.getElementById("sign-digest").textContent = standing.digest;
  document.getElementById("note-needed").textContent = standing.note_needed;
  dialog.querySelector("textarea").required = Boolean(standing.note_needed);
  secret.value = "";
  wrong("");
  if (!dialog.open) dialog.showModal();
}

function wrong(sentence) {
  const place = document.getElementById("sign-wrong");
  place.hidden = !sentence;
  place.textContent = sentence;
}
