// A surface from above: every point as a cell in its colour, and lines of equal value between the points.
const BORDER = { left: 40, right: 8, top: 6, bottom: 34 };

function drawContours(context, grid, scale, colours) {
  const { width, height } = context.canvas.area;
  const side = Math.min(width - BORDER.left - BORDER.right, height - BORDER.top - BORDER.bottom);
  const start = (width - side + BORDER.left - BORDER.right) / 2;
  const left = placer(grid.x, start, start + side);
  const top = placer(grid.y, BORDER.top + side, BORDER.top);
  context.clearRect(0, 0, width, height);
  drawCells(context, grid, scale, left, top, colours);
  drawLines(context, grid, scale, left, top);
  drawFrame(context, grid, left, top, colours);
  const [i, j] = [zeroOf(grid.x), zeroOf(grid.y)];
  if (i >= 0 && j >= 0) drawDot(context, left.at(0), top.at(0), 3.5, colours.text, colours.ground);
  return grid.values.map((_, k) => ({ left: left.at(grid.x[k % grid.x.length]), top: top.at(grid.y[Math.floor(k / grid.x.length)]) }));
}

/** Where coordinates lie on the screen, and the edges of their cells half-way to their neighbours. */
function placer(values, start, end) {
  const last = values.length - 1;
  const edges = [1.5 * values[0] - 0.5 * values[1]];
  for (let i = 0; i < last; i++) edges.push((values[i] + values[i + 1]) / 2);
  edges.push(1.5 * values[last] - 0.5 * values[last - 1]);
  const [low, high] = [edges[0], edges[last + 1]];
  const at = (value) => start + ((value - low) / (high - low)) * (end - start);
  return { at, edges: edges.map(at) };
}

function drawCells(context, grid, scale, left, top, colours) {
  const columns = grid.x.length;
  grid.values.forEach((value, k) => {
    const [i, j] = [k % columns, Math.floor(k / columns)];
    if (!Number.isFinite(value)) {
      context.strokeStyle = colours.soft;
      context.fillStyle = colours.soft;
      missingMark(context, value, left.at(grid.x[i]), top.at(grid.y[j]));
      return;
    }
    context.fillStyle = shade(scale.position(value), scale);
    const [x0, x1, y0, y1] = [left.edges[i], left.edges[i + 1], top.edges[j], top.edges[j + 1]];
    context.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0) + 0.5, Math.abs(y1 - y0) + 0.5);
  });
}

function drawLines(context, grid, scale, left, top) {
  for (const level of scale.ticks) {
    context.strokeStyle = isLight(scale.position(level), scale) ? "rgba(0,0,0,0.65)" : "rgba(255,255,255,0.75)";
    context.lineWidth = 0.9;
    context.beginPath();
    for (const [a, b] of levelLines(grid, scale, level)) {
      context.moveTo(left.at(a[0]), top.at(a[1]));
      context.lineTo(left.at(b[0]), top.at(b[1]));
    }
    context.stroke();
  }
}

/** Straight pieces of the line of one level, between points that are all finite. */
function levelLines(grid, scale, level) {
  const pieces = [];
  const columns = grid.x.length;
  const goal = scale.position(level);
  for (let j = 0; j + 1 < grid.y.length; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const values = corners.map(([a, b]) => grid.values[b * columns + a]);
      if (!values.every(Number.isFinite)) continue;
      const crossed = crossings(grid, corners, values.map(scale.position), goal);
      for (let k = 0; k + 1 < crossed.length; k += 2) pieces.push([crossed[k], crossed[k + 1]]);
    }
  }
  return pieces;
}

function crossings(grid, corners, heights, goal) {
  const found = [];
  for (let k = 0; k < 4; k++) {
    const [a, b] = [heights[k], heights[(k + 1) % 4]];
    if (a < goal === b < goal) continue;
    const share = (goal - a) / (b - a);
    const [p, q] = [corners[k], corners[(k + 1) % 4]];
    found.push([grid.x[p[0]] + share * (grid.x[q[0]] - grid.x[p[0]]), grid.y[p[1]] + share * (grid.y[q[1]] - grid.y[p[1]])]);
  }
  return found;
}

function drawFrame(context, grid, left, top, colours) {
  const ends = [left.edges[0], left.edges[left.edges.length - 1], top.edges[0], top.edges[top.edges.length - 1]];
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.strokeRect(ends[0], Math.min(ends[2], ends[3]), ends[1] - ends[0], Math.abs(ends[3] - ends[2]));
  context.fillStyle = colours.soft;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of linearTicks(Math.min(...grid.x), Math.max(...grid.x), 4)) context.fillText(plain(tick), left.at(tick), ends[2] + 5);
  context.fillText("x", (ends[0] + ends[1]) / 2, ends[2] + 19);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of linearTicks(Math.min(...grid.y), Math.max(...grid.y), 4)) context.fillText(plain(tick), ends[0] - 5, top.at(tick));
  context.fillText("y", ends[0] - 29, (ends[2] + ends[3]) / 2);
}
