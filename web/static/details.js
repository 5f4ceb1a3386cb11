// What is cut short on the page, whole: a touchscreen has no pointer that could rest on it.

const dialog = document.getElementById("details-dialog");
const list = document.getElementById("details");
const parts = [...document.querySelectorAll("[data-detail]")]; // the value names it, else the term beside it

export function wireDetails() {
  document.getElementById("details-open").addEventListener("click", open);
  document.getElementById("details-close").addEventListener("click", () => dialog.close());
  for (const part of parts) part.addEventListener("click", () => cutShort(part) && open());
}

export function drawDetails() {
  if (!dialog.open) return;
  const said = parts.filter((part) => part.textContent && !part.closest("[hidden]"));
  list.replaceChildren(...said.map(row));
}

function open() {
  dialog.showModal();
  drawDetails();
}

function cutShort(part) {
  return part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
}

function row(part) {
  const line = document.createElement("div");
  const [term, value] = ["dt", "dd"].map((kind) => line.appendChild(document.createElement(kind)));
  term.textContent = part.dataset.detail || part.closest("div").querySelector("dt").textContent;
  const number = part.previousElementSibling?.matches("strong") ? part.previousElementSibling.textContent : "";
  if (number) value.append(Object.assign(document.createElement("b"), { textContent: number }), " ");
  value.append(part.textContent);
  return line;
}
