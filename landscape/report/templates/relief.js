// A surface in three dimensions on a canvas, in parallel projection: equal heights look equal everywhere.
const HEIGHT = 1.15; // of the box, when its half width is 1

/** Screen coordinates and depth of a point: x and y in [-1, 1], height in [0, 1]. */
function projector(camera, width, height) {
  const [turn, tilt] = [(camera.turn * Math.PI) / 180, (camera.tilt * Math.PI) / 180];
  const [ct, st, ce, se] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const size = Math.min(width * 0.287, height * 0.342) * camera.zoom;
  return (x, y, z) => {
    const across = x * ct - y * st;
    const away = x * st + y * ct;
    const up = (z - 0.5) * HEIGHT;
    return { left: width / 2 + size * across, top: height * 0.49 - size * (away * se + up * ce), depth: away * ce - up * se };
  };
}

/** Coordinates of a grid in the box, [-1, 1] from end to end. */
function boxed(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (2 * (value - low)) / (high - low || 1) - 1);
}

function drawRelief(context, grid, scale, camera, colours) {
  const { width, height } = context.canvas.area;
  const project = projector(camera, width, height);
  const [across, along] = [boxed(grid.x), boxed(grid.y)];
  const heights = grid.values.map((value) => (Number.isFinite(value) ? scale.position(value) : NaN));
  const at = (i, j, z) => project(across[i], along[j], z);
  context.clearRect(0, 0, width, height);
  drawBox(context, grid, scale, project, colours);
  drawMissing(context, grid, at, colours);
  const points = heights.map((z, place) => at(place % across.length, Math.floor(place / across.length), z));
  drawFaces(context, faces(points, heights, across.length, along.length), scale);
  drawCentre(context, grid, heights, at, colours);
  return points;
}

/** Faces whose four corners are finite, the farthest first. */
function faces(points, heights, columns, rows) {
  const found = [];
  for (let j = 0; j + 1 < rows; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      const corners = [j * columns + i, j * columns + i + 1, (j + 1) * columns + i + 1, (j + 1) * columns + i];
      const mean = corners.reduce((sum, k) => sum + heights[k], 0) / 4;
      if (!Number.isFinite(mean)) continue;
      const depth = corners.reduce((sum, k) => sum + points[k].depth, 0);
      found.push({ corners: corners.map((k) => points[k]), mean, depth });
    }
  }
  return found.sort((a, b) => b.depth - a.depth);
}

function drawFaces(context, ordered, scale) {
  context.lineWidth = 0.5;
  for (const { corners, mean } of ordered) {
    context.beginPath();
    corners.forEach(({ left, top }, i) => (i ? context.lineTo(left, top) : context.moveTo(left, top)));
    context.closePath();
    context.fillStyle = shade(mean, scale);
    context.strokeStyle = isLight(mean, scale) ? "rgba(0,0,0,0.35)" : "rgba(255,255,255,0.3)";
    context.fill();
    context.stroke();
  }
}

/** The floor, ticks on its two nearer edges, and the height axis at the corner furthest left. */
function drawBox(context, grid, scale, project, colours) {
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]];
  const floor = corners.map(([x, y]) => project(x, y, 0));
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  polyline(context, [...floor, floor[0]]);
  const near = floor.reduce((best, point, k) => (point.depth < floor[best].depth - 1e-9 ? k : best), 0);
  const outward = (x, y) => project(1.16 * x, 1.16 * y, 0);
  context.fillStyle = colours.soft;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [values, edge] of [[grid.x, (t) => [t, corners[near][1]]], [grid.y, (t) => [corners[near][0], t]]]) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const vertical = edge(0)[0] !== 0;
    for (const tick of linearTicks(low, high, 4)) {
      const t = (2 * (tick - low)) / (high - low) - 1;
      if (Math.abs(t) > 0.9 || tick === 0) continue;
      const place = outward(...edge(t).map((v, k) => (k === (vertical ? 1 : 0) ? v / 1.16 : v)));
      context.fillText(plain(tick), place.left, place.top);
    }
    const name = project(...edge(0).map((v) => 1.22 * v), 0);
    context.fillText(vertical ? "y" : "x", name.left, name.top);
  }
  drawHeights(context, scale, corners, project, colours);
}

function drawHeights(context, scale, corners, project, colours) {
  const left = corners.reduce((best, each) => (project(...each, 0).left < project(...best, 0).left ? each : best));
  polyline(context, [project(...left, 0), project(...left, 1)]);
  const length = Math.abs(project(...left, 0).top - project(...left, 1).top);
  if (length < 30) return;
  context.textAlign = "right";
  for (const tick of fewer(scale.ticks, Math.max(2, Math.floor(length / 16)))) {
    const place = project(...left, scale.position(tick));
    const text = plain(tick);
    context.fillText(text, Math.max(place.left - 6, context.measureText(text).width + 1), place.top);
    polyline(context, [place, { left: place.left - 4, top: place.top }]);
  }
  context.textAlign = "center";
}

function fewer(ticks, most) {
  const every = Math.ceil(ticks.length / most) || 1;
  return ticks.filter((_, i) => i % every === 0);
}

/** Where the trained weights lie on an axis; -1 if it does not hold them. */
function zeroOf(values) {
  const extent = Math.max(...values) - Math.min(...values);
  return values.findIndex((value) => Math.abs(value) <= 1e-9 * extent);
}

function polyline(context, points) {
  context.beginPath();
  points.forEach(({ left, top }, i) => (i ? context.lineTo(left, top) : context.moveTo(left, top)));
  context.stroke();
}

/** Crosses on the floor where a point is not finite, dots where it was not computed. */
function drawMissing(context, grid, at, colours) {
  context.strokeStyle = colours.soft;
  context.fillStyle = colours.soft;
  grid.values.forEach((value, place) => {
    if (Number.isFinite(value)) return;
    const { left, top } = at(place % grid.x.length, Math.floor(place / grid.x.length), 0);
    missingMark(context, value, left, top);
  });
}

function missingMark(context, value, left, top) {
  if (value === null) {
    context.fillRect(left - 1, top - 1, 2, 2);
    return;
  }
  polyline(context, [{ left: left - 3, top: top - 3 }, { left: left + 3, top: top + 3 }]);
  polyline(context, [{ left: left - 3, top: top + 3 }, { left: left + 3, top: top - 3 }]);
}

/** A pin from the trained weights upward; it shows through the surface. */
function drawCentre(context, grid, heights, at, colours) {
  const [i, j] = [zeroOf(grid.x), zeroOf(grid.y)];
  const z = heights[j * grid.x.length + i];
  if (i < 0 || j < 0 || !Number.isFinite(z)) return;
  context.strokeStyle = colours.text;
  context.lineWidth = 1.2;
  const top = at(i, j, z);
  polyline(context, [top, { left: top.left, top: top.top - 22 }]);
  drawDot(context, top.left, top.top - 22, 3, colours.text, colours.ground);
}

function drawDot(context, left, top, radius, colour, rim) {
  context.beginPath();
  context.arc(left, top, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.strokeStyle = rim;
  context.lineWidth = 1;
  context.stroke();
}
