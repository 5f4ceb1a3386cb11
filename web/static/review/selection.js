// Which cells are selected: touched one by one, a whole row of them with Shift, or a whole section.

export function makeSelection(changed) {
  const chosen = new Set();
  let anchor = null;

  function toggle(cell, order, through) {
    const at = order.indexOf(anchor);
    if (through && at >= 0) {
      const [from, to] = [at, order.indexOf(cell)].sort((a, b) => a - b);
      for (const each of order.slice(from, to + 1)) chosen.add(each);
    } else if (!chosen.delete(cell)) chosen.add(cell);
    anchor = cell;
    changed();
  }

  return {
    toggle,
    has: (cell) => chosen.has(cell),
    get size() { return chosen.size; },
    // In the order in which they are shown.
    cells: (order) => order.filter((cell) => chosen.has(cell)),
    all(cells) {
      const every = cells.every((cell) => chosen.has(cell));
      for (const cell of cells) every ? chosen.delete(cell) : chosen.add(cell);
      changed();
    },
    only(cells) {
      chosen.clear();
      for (const cell of cells) chosen.add(cell);
      changed();
    },
    keep(shown) { // what is no longer shown is not selected
      for (const cell of chosen) if (!shown.has(cell)) chosen.delete(cell);
    },
  };
}
