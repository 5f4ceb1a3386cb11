// Draws a field with the cells that one person may see. All places are px of the field's picture.

const NS = "http://www.w3.org/2000/svg";
const CELL_UM = 7; // the radius of the ring around a cell

export function draw(svg, field, { cells, chosen, cross, short }) {
  const { width, height, border, um_per_px: um } = field;
  const r = CELL_UM / um;
  const inside = `M${border} ${border}H${width - border}V${height - border}H${border}z`;
  const parts = [
    make("image", { href: svg.dataset.picture, width, height, preserveAspectRatio: "none" }),
    make("path", { class: "border", d: `M0 0H${width}V${height}H0z${inside}`, "fill-rule": "evenodd" }),
  ];
  const names = []; // over all rings
  for (const cell of cells) {
    const at = { cx: cell.x, cy: cell.y, r };
    const kind = cell === chosen ? "chosen" : cell.label ? "labelled" : "proposal";
    parts.push(make("circle", { class: "casing", ...at }), make("circle", { class: kind, ...at, "data-of": cell.label ?? "" }));
    if (cell.label) names.push(make("text", { x: cell.x, y: cell.y + r * 1.38, "font-size": r * 0.34 }, short(cell.label)));
  }
  parts.push(...names);
  if (cross) parts.push(make("path", { class: "cross", d: `M${cross.x - r} ${cross.y}h${2 * r}M${cross.x} ${cross.y - r}v${2 * r}` }));
  svg.replaceChildren(...parts);
}

// The cell that is nearest to a place, and no farther than a finger or the cell itself is wide.
export function under(cells, { x, y }, field, finger) {
  const within = Math.max(finger, (CELL_UM / field.um_per_px) * 0.57);
  return cells
    .map((cell) => ({ cell, away: Math.hypot(cell.x - x, cell.y - y) }))
    .filter(({ away }) => away <= within)
    .sort((one, other) => one.away - other.away)[0]?.cell;
}

function make(name, attributes, text) {
  const part = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
  if (text) part.textContent = text;
  return part;
}
