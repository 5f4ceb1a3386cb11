// What is cut short on the page, whole: a touchscreen has no pointer that could rest on it.

import { _ } from "./words.js";

const dialog = document.getElementById("details-dialog");
const list = document.getElementById("details");
const parts = [...document.querySelectorAll("[data-detail]")]; // the value names it, else the term beside it

export function wireDetails() {
  document.getElementById("details-open").addEventListener("click", open);
  document.getElementById("details-close").addEventListener("click", () => dialog.close());
  for (const part of parts) part.addEventListener("click", () => cutShort(part) && open());
  document.getElementById("rows").addEventListener("click", open); // the numbers of the reference ranges
}

export function drawDetails() {
  if (!dialog.open) return;
  const said = parts.filter((part) => whole(part) && !part.closest("[hidden]"));
  list.replaceChildren(...said.map(row), ...references());
}

function open() {
  dialog.showModal();
  drawDetails();
}

// What the page has no room for stands in data-whole.
function whole(part) {
  return part.dataset.whole || part.textContent;
}

function cutShort(part) {
  return Boolean(part.dataset.whole) || part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
}

function references() {
  const rows = [...document.querySelectorAll(".row[data-reference]")];
  if (!rows.length) return [];
  const { line, term, value } = pair();
  term.textContent = _("Reference ranges");
  value.className = "lines";
  value.textContent = rows.map((row) => `${row.querySelector(".name").textContent} ${row.dataset.reference}`).join("\n");
  return [line];
}

function pair() {
  const line = document.createElement("div");
  const [term, value] = ["dt", "dd"].map((kind) => line.appendChild(document.createElement(kind)));
  return { line, term, value };
}

function row(part) {
  const { line, term, value } = pair();
  term.textContent = part.dataset.detail || part.closest("div").querySelector("dt").textContent;
  const number = part.previousElementSibling?.matches("strong") ? part.previousElementSibling.textContent : "";
  if (number) value.append(Object.assign(document.createElement("b"), { textContent: number }), /^\d/.test(whole(part)) ? ": " : " ");
  value.append(whole(part));
  return line;
}
