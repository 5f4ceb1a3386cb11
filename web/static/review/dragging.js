// Dragging cells onto a label with a mouse. A finger scrolls; it selects and touches the label instead.

import { part, picture } from "./parts.js";

const FAR_PX = 6; // a hand that clicks may shake

// carried(cell): the cells that go along.  dropped(cells, label).
export function wireDragging(gallery, carried, dropped) {
  let from = null;
  let ghost = null;
  let over = null;

  gallery.addEventListener("pointerdown", (event) => {
    const item = event.target.closest("[data-cell]");
    if (event.pointerType !== "mouse" || event.button !== 0 || !item) return;
    from = { x: event.clientX, y: event.clientY, cell: +item.dataset.cell };
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    if (!ghost && Math.hypot(event.clientX - from.x, event.clientY - from.y) < FAR_PX) return;
    ghost ??= lift(carried(from.cell));
    ghost.shape.style.transform = `translate(${event.clientX}px, ${event.clientY}px)`;
    aim(document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-drop]"));
  });
  addEventListener("pointerup", () => {
    const label = ghost && over?.dataset.drop;
    const cells = ghost?.cells;
    if (ghost) gallery.addEventListener("click", swallow, { capture: true, once: true });
    end();
    if (label) dropped(cells, label);
  });
  addEventListener("pointercancel", end);
  addEventListener("keydown", (event) => event.key === "Escape" && end());

  function lift(cells) {
    const shape = part("div", { className: "ghost", set: { "aria-hidden": "true" } }, ...cells.slice(0, 3).map((cell) => picture(cell, 56)), part("b", { textContent: cells.length }));
    document.body.append(shape);
    return { cells, shape };
  }

  function aim(target) {
    if (target === over) return;
    over?.removeAttribute("data-over");
    over = target ?? null;
    over?.setAttribute("data-over", "");
  }

  function end() {
    ghost?.shape.remove();
    aim(null);
    from = ghost = null;
    setTimeout(() => gallery.removeEventListener("click", swallow, { capture: true })); // a click that never came
  }
}

function swallow(event) {
  event.stopPropagation();
}
