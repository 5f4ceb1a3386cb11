// Adds pictures to a set: each file's content alone is sent, never its name.

import { _ } from "../words.js";

const form = document.getElementById("upload");
const csrf = document.querySelector("meta[name=csrf-token]").content;
const [wrong, told] = form.querySelectorAll("p");
const button = form.querySelector("button");

async function send(file, smear, query) {
  const answer = await fetch(`${form.dataset.address}?${query}`, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRF-Token": csrf, "Content-Type": "application/octet-stream", "X-Smear": smear },
    body: file,
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail ?? answer.statusText);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { pictures, um_per_px: size, smear } = form.elements;
  const query = new URLSearchParams();
  if (size.value) query.set("um_per_px", size.value.replace(",", "."));
  button.disabled = true;
  wrong.hidden = true;
  try {
    for (const [at, file] of [...pictures.files].entries()) {
      told.textContent = _("{at} of {all} …", { at: at + 1, all: pictures.files.length });
      await send(file, smear.value, query);
    }
    location.reload();
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
    told.textContent = "";
    button.disabled = false;
  }
});
