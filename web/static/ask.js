// Asking the page's own server. Every change carries the word that only our pages know.

import { _ } from "./words.js";

const csrf = document.querySelector("meta[name=csrf-token]")?.content ?? "";

// Returns what the server answers. Throws an Error with a sentence for a person.
export async function ask(method, address, body) {
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers: { Accept: "application/json", "X-CSRF-Token": csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error(_("The page's server does not answer. Try again in a moment."));
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(said.detail ?? said.error ?? answer.statusText), { status: answer.status });
  return said;
}
