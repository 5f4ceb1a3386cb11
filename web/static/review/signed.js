// A result that was signed as final or amended is not changed by a slip: the first change after it asks once.

const STANDS = ["final", "amended"];
const dialog = document.getElementById("signed-dialog");

// Returns whether to go on: at once where nothing stands that a change would break.
export async function mayChange({ changed, said, signatures }) {
  if (changed || !STANDS.includes(signatures.at(-1)?.status)) return true;
  document.getElementById("signed-said").textContent = said;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "yes";
}
