// One drawing of the slide: its picture, the regions to count in, and the fields. All lengths are µm of the stage.

const SVG = "http://www.w3.org/2000/svg";
const RANK_PX = 15;

export class SlideDrawing {
  #svg; #map = null; #near = false; #parts = {}; #ranks; #least; #crossArm;

  // ranks: up to which one a region carries its number.  least: outlines smaller than this on the screen would be
  // specks; crossArm: how small a mark may be (px of the screen).
  constructor(svg, { ranks, least, crossArm }) {
    this.#svg = svg;
    this.#ranks = ranks;
    this.#least = least;
    this.#crossArm = crossArm;
    for (const [name, kind] of [["picture", "image"], ["casing", "path"], ["regions", "path"], ["best", "path"], ["counted", "path"], ["skipped-casing", "path"], ["skipped", "path"], ["ranks", "g"], ["newest-casing", "circle"], ["newest", "circle"]]) {
      this.#parts[name] = svg.appendChild(make(kind, { class: `map-${name}` }));
    }
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  // near: the fields from near by; otherwise the whole slide.
  show(map, near = false) {
    this.#map = map;
    this.#near = near;
    this.draw();
  }

  draw() {
    if (this.#map === null) return;
    const { picture } = this.#map;
    const whole = { x: picture.x_um, y: picture.y_um, width: picture.width_px * picture.um_per_px, height: picture.height_px * picture.um_per_px };
    const view = this.#near ? around(this.#map.fields, whole) : whole;
    set(this.#svg, { viewBox: `${view.x} ${view.y} ${view.width} ${view.height}` });
    set(this.#parts.picture, { ...whole, href: `runs/${encodeURIComponent(this.#map.run)}/slide.jpg`, preserveAspectRatio: "none" });
    const box = this.#svg.getBoundingClientRect();
    if (!box.width || !box.height) return; // not on the screen
    const px = Math.max(view.width / box.width, view.height / box.height); // µm a pixel of the screen
    this.#drawRegions(px);
    this.#drawFields(px);
  }

  #drawRegions(px) {
    // The first outline of a region is its outer one; small holes would only be restless.
    const outlines = this.#map.regions.map((region) => region.outlines.filter((loop, n) => extent(loop) > (n ? 2 : 1) * this.#least * px).map(closed).join(""));
    set(this.#parts.casing, { d: outlines.join("") });
    set(this.#parts.best, { d: outlines[0] ?? "" });
    set(this.#parts.regions, { d: outlines.slice(1).join("") });
    const named = this.#map.regions.filter((region, n) => n < this.#ranks && outlines[n]);
    this.#parts.ranks.replaceChildren(...named.map((region) => rank(region, px)));
  }

  #drawFields(px) {
    const fields = this.#map.fields.filter((field) => field.x_um !== null);
    const size = fieldSize(fields);
    const crosses = fields.filter((field) => field.skipped !== null).map((field) => cross(middle(field, size), Math.max(0.3 * size.height, this.#crossArm * px))).join("");
    set(this.#parts.counted, { d: fields.filter((field) => field.skipped === null).map(square).join("") });
    set(this.#parts["skipped-casing"], { d: crosses });
    set(this.#parts.skipped, { d: crosses });
    const newest = this.#map.fields.at(-1);
    const known = newest !== undefined && newest.x_um !== null;
    const at = known ? middle(newest, size) : { x: 0, y: 0 };
    const r = Math.max(0.72 * size.width, 5 * px);
    for (const part of [this.#parts.newest, this.#parts["newest-casing"]]) {
      part.style.display = known ? "" : "none";
      set(part, { cx: at.x, cy: at.y, r });
    }
  }
}

// Every field of a run has one size; a skipped one's is not on record.
function fieldSize(fields) {
  const field = fields.find((field) => field.width_um !== null);
  return { width: field?.width_um ?? 0, height: field?.height_um ?? 0 };
}

function middle(field, size) {
  return { x: field.x_um + size.width / 2, y: field.y_um + size.height / 2 };
}

function around(fields, whole) {
  const placed = fields.filter((field) => field.x_um !== null);
  if (!placed.length) return whole;
  const size = fieldSize(placed);
  const [left, top] = ["x_um", "y_um"].map((way) => placed.reduce((least, field) => Math.min(least, field[way]), Infinity));
  const [right, bottom] = ["x_um", "y_um"].map((way) => placed.reduce((most, field) => Math.max(most, field[way]), -Infinity));
  const margin = 3 * Math.max(size.width, size.height, 100);
  return { x: left - margin, y: top - margin, width: right - left + size.width + 2 * margin, height: bottom - top + size.height + 2 * margin };
}

function square({ x_um: x, y_um: y, width_um: width, height_um: height }) {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

function cross({ x, y }, arm) {
  const [way, back] = [arm.toFixed(1), (-2 * arm).toFixed(1)];
  return `M${(x - arm).toFixed(1)} ${(y - arm).toFixed(1)}l${2 * way} ${2 * way}m${back} 0l${2 * way} ${back}`;
}

function closed(loop) {
  return `M${loop.join(" ")}z`;
}

function extent(loop) {
  const [xs, ys] = [loop.filter((_, n) => n % 2 === 0), loop.filter((_, n) => n % 2 === 1)];
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}

function rank(region, px) {
  const label = make("g", { class: region.rank === 1 ? "map-rank map-rank-best" : "map-rank" });
  label.append(make("circle", { cx: region.x_um, cy: region.y_um, r: (RANK_PX / 2) * px }));
  const number = label.appendChild(make("text", { x: region.x_um, y: region.y_um + 3.7 * px, "font-size": 10.5 * px }));
  number.textContent = region.rank;
  return label;
}

function make(kind, attributes) {
  return set(document.createElementNS(SVG, kind), attributes);
}

function set(part, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (part.getAttribute(name) !== String(value)) part.setAttribute(name, value);
  }
  return part;
}
