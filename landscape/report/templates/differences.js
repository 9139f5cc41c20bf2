// One network's surface less another's, point by point of the same coordinates.
/** Whether two planes have the same points and a quantity in common. */
function isComparable(panel, minus, quantity) {
  const alike = (a, b) => a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= 1e-9 * Math.abs(b[b.length - 1]));
  return panel !== minus && Boolean(minus.grids[quantity.key]) && alike(panel.x, minus.x) && alike(panel.y, minus.y);
}

/** Every surface of a network less that of the other, which has as many or takes its last for the rest. */
function differences(panel, minus, quantity) {
  const [own, other] = [panel.grids[quantity.key], minus.grids[quantity.key]];
  return own.map((values, draw) => {
    const less = other[Math.min(draw, other.length - 1)];
    return values.map((value, i) => (value === null || less[i] === null ? null : value - less[i]));
  });
}
