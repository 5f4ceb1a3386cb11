// The menu closes as people expect: by Escape, and by a touch beside it.

const menu = document.querySelector(".menu");

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("pointerdown", (event) => {
  if (menu.open && !menu.contains(event.target)) menu.open = false;
});
