// A file that is taken out takes seconds to make: the page says so, and one press makes one file.

import { _ } from "./words.js";

const LARGE_MS = 60_000; // a browser does not say when a download has begun
const said = document.getElementById("export-said");
const wrong = document.getElementById("export-wrong");
let making = false;

function say(sentence, why = "") {
  said.textContent = sentence;
  wrong.textContent = why;
  wrong.hidden = !why;
}

async function take(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer) return say("", _("The page's server does not answer. Try again in a moment."));
  if (!answer.ok) return say("", (await answer.json().catch(() => ({}))).detail ?? answer.statusText);
  const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "";
  const whole = URL.createObjectURL(await answer.blob());
  Object.assign(document.createElement("a"), { href: whole, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(whole), LARGE_MS);
  return say(_("The file is made: {name}", { name }));
}

for (const link of document.querySelectorAll("[data-export]")) {
  link.addEventListener("click", async (event) => {
    if (making) return event.preventDefault();
    making = true;
    if (link.dataset.export === "large") { // pictures by the gigabyte go straight to the disk
      say(_("The file is being made. It may take a few seconds …"));
      setTimeout(() => { making = false; say(""); }, LARGE_MS);
      return undefined;
    }
    event.preventDefault();
    say(_("The file is being made, which may take a few seconds. Stay on this page until it is there …"));
    try {
      await take(link.href);
    } catch { // it broke off in the middle
      say("", _("The file did not come whole. Try again in a moment."));
    } finally {
      making = false;
    }
    return undefined;
  });
}
