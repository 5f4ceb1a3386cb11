// The latest cells, the newest first, each with its label and how sure the network is.

const MOST = 24;
const list = document.getElementById("cells");
let shown = new Map();

let from = null;

export function drawStrip(run, cells) {
  if (run !== from) shown = new Map();
  from = run;
  const next = new Map(cells.slice(0, MOST).map((cell) => [cell.cell, shown.get(cell.cell) ?? make(cell, shown.size > 0)]));
  list.replaceChildren(...next.values());
  shown = next;
}

function make(cell, fresh) {
  const sure = `${Math.floor(100 * cell.probability)} %`; // 99.6 % is not certainty
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
  label.textContent = cell.short;
  const confidence = document.createElement("span");
  confidence.textContent = sure;
  item.append(image, label, confidence);
  if (cell.views > 1) {
    const views = document.createElement("i");
    views.className = "views";
    views.textContent = `${cell.views}×`;
    item.append(views);
  }
  const said = [cell.title, sure];
  if (cell.views > 1) said.push(`looked at again, in ${cell.views} views`);
  if (!cell.counted) said.push("not counted");
  item.title = said.join(", ");
  item.setAttribute("aria-label", item.title);
  return item;
}
