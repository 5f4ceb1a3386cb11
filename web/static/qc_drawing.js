// Draws a field with its marks, and says what lies where. All places are px of the frame.

import { _ } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const svg = document.getElementById("field");
const FINGER_PX = 24; // of the screen: what is touched may be so far off

export function draw(run, field, cross) {
  const { width, height, border } = field;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "xMidYMid meet");
  const inside = `M${border} ${border}H${width - border}V${height - border}H${border}z`;
  const parts = [
    make("image", { href: `/runs/${run}/fields/${field.number}.jpg`, width, height, preserveAspectRatio: "none" }),
    make("path", { class: "border drawn", d: `M0 0H${width}V${height}H0z${inside}`, "fill-rule": "evenodd" }),
    make("path", { class: "border-line drawn", d: inside }),
    ...field.finds.flatMap((find) => drawFind(find, field.false.includes(find.cell))),
    ...field.missed.flatMap(([x, y]) => drawMissed(x, y, border)),
  ];
  if (cross) parts.push(drawCross(cross, border));
  svg.replaceChildren(...parts);
}

function drawFind(find, isFalse) {
  const at = { cx: find.x, cy: find.y, r: find.radius * 1.25 };
  if (find.what !== "cell") return [make("circle", { class: "other drawn", ...at })];
  const name = isFalse ? _("No cell") : _("Located cell");
  const circle = [make("circle", { class: "casing drawn", ...at }), make("circle", { class: `find drawn${isFalse ? " is-false" : ""}`, "data-cell": find.cell, ...at }, name)];
  if (!isFalse) return circle;
  const reach = find.radius * 1.25;
  const d = `M${find.x - reach} ${find.y - reach}l${2 * reach} ${2 * reach}m0 ${-2 * reach}l${-2 * reach} ${2 * reach}`;
  return [...circle, make("path", { class: "casing drawn", d }), make("path", { class: "false drawn", d })];
}

function drawMissed(x, y, border) {
  const reach = border * 0.75;
  const d = `M${x - reach} ${y - reach}h${2 * reach}v${2 * reach}h${-2 * reach}z`;
  return [make("path", { class: "casing drawn", d }), make("path", { class: "missed drawn", d, "data-x": x, "data-y": y }, _("Missed cell"))];
}

function drawCross({ x, y }, border) {
  const reach = border * 0.5;
  const d = `M${x - reach} ${y}h${2 * reach}M${x} ${y - reach}v${2 * reach}`;
  const group = make("g", { class: "cross" });
  group.append(make("path", { class: "casing", d }), make("path", { d }));
  return group;
}

function make(name, attributes, title) {
  const part = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
  if (title) part.appendChild(document.createElementNS(NS, "title")).textContent = title;
  return part;
}

// Where in the frame a place of the screen is.
export function inFrame(clientX, clientY) {
  const at = new DOMPoint(clientX, clientY).matrixTransform(svg.getScreenCTM().inverse());
  return { x: Math.round(at.x), y: Math.round(at.y) };
}

// The mark that is nearest to a place and no farther than a finger is wide; else what a touch there would say.
export function under(field, { x, y }) {
  const finger = FINGER_PX / svg.getScreenCTM().a;
  const near = [
    ...field.missed.map(([mx, my]) => ({ kind: "missed", x: mx, y: my, away: Math.hypot(mx - x, my - y), within: Math.max(finger, field.border * 0.75) })),
    ...field.finds.filter((find) => find.what === "cell").map((find) => ({ kind: "false", cell: find.cell, away: Math.hypot(find.x - x, find.y - y), within: Math.max(finger, find.radius) })),
  ].filter((mark) => mark.away <= mark.within).sort((one, other) => one.away - other.away)[0];
  if (near) return near;
  const { width, height, border } = field;
  const asked = x >= border && y >= border && x <= width - border && y <= height - border;
  return asked ? { kind: "missed", x, y } : null;
}
