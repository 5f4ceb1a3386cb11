// The latest cells, the newest first, each with its label and how sure the network is.

import { _ } from "./words.js";

const MOST = 24;
const PATIENCE_MS = 1000; // for a picture that does not come
const list = document.getElementById("cells");
let shown = new Map();

let from = null;
let wanted = null; // the newest state, while pictures of an older one are on their way
let waiting = false;

export function drawStrip(run, cells) {
  wanted = { run, cells };
  if (!waiting) catchUp();
}

// A tile is put up once its picture is there: a fast count replaces nearly all of them at every change.
async function catchUp() {
  waiting = true;
  while (wanted) {
    const { run, cells } = wanted;
    wanted = null;
    if (run !== from) place(new Map());
    from = run;
    const next = new Map(cells.slice(0, MOST).map((cell) => [cell.cell, shown.get(cell.cell) ?? make(cell, shown.size > 0)]));
    const pictures = [...next].filter(([cell]) => !shown.has(cell)).map(([, item]) => item.querySelector("img").decode().catch(() => {}));
    if (pictures.length) await Promise.race([Promise.all(pictures), new Promise((late) => setTimeout(late, PATIENCE_MS))]);
    place(next);
  }
  waiting = false;
}

// What stays is not touched: a tile that is taken out and put in again would be drawn anew.
function place(next) {
  for (const [cell, item] of shown) if (!next.has(cell)) item.remove();
  let at = list.firstElementChild;
  for (const item of next.values()) {
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
  shown = next;
}

function make(cell, fresh) {
  // 99.6 % is not certainty; and of a cell without a name, the best guess's probability would mislead.
  const sure = cell.label === "unidentified" ? "" : `${Math.floor(100 * cell.probability)} %`;
  const item = document.createElement("li");
  item.dataset.cell = cell.cell;
  item.classList.toggle("fresh", fresh);
  item.classList.toggle("again", cell.views > 1);
  item.classList.toggle("unknown", cell.label === "unidentified");
  item.classList.toggle("out", !cell.counted && cell.label !== "unidentified");
  const image = document.createElement("img");
  // Numbers begin again in a new store: the run keeps a picture of the old one out of the browser's memory.
  image.src = `cells/${encodeURIComponent(cell.cell)}.png?run=${encodeURIComponent(from)}`;
  image.alt = "";
  image.addEventListener("error", () => (image.style.visibility = "hidden"), { once: true });
  image.width = image.height = 96;
  const label = document.createElement("b");
  label.textContent = _(cell.short);
  const confidence = document.createElement("span");
  confidence.textContent = sure;
  item.append(image, label, confidence);
  if (cell.views > 1) {
    const views = document.createElement("i");
    views.className = "views";
    views.textContent = `${cell.views}×`;
    item.append(views);
  }
  const said = sure ? [_(cell.title), sure] : [_(cell.title)];
  if (cell.views > 1) said.push(_("looked at again, in {views} views", cell));
  if (!cell.counted) said.push(_("not counted"));
  item.title = said.join(", ");
  item.setAttribute("aria-label", item.title);
  return item;
}
