// A result that was signed as final or amended is not changed by a slip: the first change after it asks once.

import { standingSaid } from "./standing.js";

const STANDS = ["final", "amended"];
const dialog = document.getElementById("signed-dialog");

// Returns whether to go on: at once where nothing stands that a change would break.
export async function mayChange(standing) {
  if (standing.changed || !STANDS.includes(standing.signatures.at(-1)?.status)) return true;
  document.getElementById("signed-said").textContent = standingSaid(standing);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "yes";
}
