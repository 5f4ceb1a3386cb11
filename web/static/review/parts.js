// Elements, made in one line each.

// Returns a new element. with: its properties, "dataset" and attributes in "set"; inside: what it holds.
export function part(kind, { dataset = {}, set = {}, ...properties } = {}, ...inside) {
  const made = Object.assign(document.createElement(kind), properties);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(set)) made.setAttribute(name, value);
  made.append(...inside.filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

export const picture = (cell, side, properties = {}) =>
  part("img", { src: `/cells/${cell}.png`, width: side, height: side, alt: "", decoding: "async", draggable: false, ...properties });
