// What was just done elsewhere lies over the page, which has no room for it: it goes by itself, unless somebody is at it.

const SHOWN_MS = 10_000;
const told = document.getElementById("told");
const held = () => told.matches(":hover, :focus-within");
let since;

const wait = () => {
  clearTimeout(since);
  since = setTimeout(() => { if (!held()) told.remove(); }, SHOWN_MS);
};

if (told) {
  document.getElementById("told-close").addEventListener("click", () => told.remove());
  for (const left of ["pointerleave", "focusout"]) told.addEventListener(left, wait);
  wait();
}
