// The panel beside the cells: folded on a telephone, and notes and signatures a touch away wherever it has scrolled to.

export function wireSide() {
  const side = document.getElementById("side");
  const narrow = matchMedia("(max-width: 760px)");
  const fold = () => (side.open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
  for (const button of side.querySelectorAll("[data-jump]")) {
    button.addEventListener("click", () => {
      const part = document.getElementById(button.dataset.jump);
      part.open = true;
      part.querySelector("summary").focus({ preventScroll: true });
      side.scrollTo({ top: part.offsetTop - side.querySelector(".inside").offsetTop });
    });
  }
}
