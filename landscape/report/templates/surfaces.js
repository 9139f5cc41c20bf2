// The chapter of surfaces: one panel a network, one camera, one colour scale, one draw, one point read.
const START = { turn: 35, tilt: 38, zoom: 1 };
const surfaceState = { camera: { ...START }, cursor: null, place: null };

function startSurfaces() {
  const part = livePart("surface");
  if (!part) return;
  const panels = data.surface.panels.map((panel) => surfacePanel(part, panel));
  part.querySelector(".panels").append(...panels.map((panel) => panel.figure));
  connectSurfaceControls(part);
  new ResizeObserver(changed).observe(part.querySelector(".panels"));
  watch(() => updateSurfaces(part, panels));
}

/** The elements of one network's panel, and its numbers as numbers. */
function surfacePanel(part, stored) {
  const canvas = element("canvas", { role: "img", tabindex: "0" });
  const note = element("span", { class: "note" });
  const output = element("p", { class: "reading" });
  const caption = element("figcaption", {}, swatch(stored.network), element("strong", {}, networkName(stored.network)), " ", note);
  const panel = {
    ...stored,
    x: decode(stored.x),
    y: decode(stored.y),
    grids: Object.fromEntries(Object.entries(stored.values).map(([key, draws]) => [key, draws.map(decode)])),
    errors: (stored.errors || []).map(decode),
    figure: element("figure", { class: "panel", "data-panel": stored.network, "data-of": stored.network }, caption, canvas, output, element("p", { class: "note units" }, stored.units)),
    canvas, note, output,
  };
  connectCanvas(part, panel);
  return panel;
}

function connectSurfaceControls(part) {
  for (const name of ["turn", "tilt", "zoom"]) {
    const slider = part.querySelector(`[name="${name}"]`);
    slider.addEventListener("input", () => {
      surfaceState.camera[name] = Number(slider.value);
      changed();
    });
  }
  onInput(part, "input[type=radio], select, [name=draw]", changed);
  part.querySelector("[name=surface]").addEventListener("input", () => suggestScale(part));
  part.querySelector("[data-reset]").addEventListener("click", () => {
    Object.assign(surfaceState.camera, START);
    changed();
  });
  suggestScale(part);
  const most = Math.max(...data.surface.panels.map((panel) => panel.draws.length));
  part.querySelector("[name=draw]").max = most;
  part.querySelector("[data-draws]").hidden = most < 2;
}

/** The scale that the printed figure of a quantity has. */
function suggestScale(part) {
  const { log } = quantityOf(part);
  part.querySelector(`input[name=surface-scale][value=${log ? "log" : "linear"}]`).checked = true;
}

function quantityOf(part) {
  const key = part.querySelector("[name=surface]").value;
  return data.surface.quantities.find((each) => each.key === key);
}

function updateSurfaces(part, panels) {
  const quantity = quantityOf(part);
  const minus = panels.find((panel) => String(panel.network) === (part.querySelector("[name=minus]") || {}).value);
  const there = (panel) => chosen.has(panel.network) && panel.grids[quantity.key] && (!minus || isComparable(panel, minus, quantity));
  const shown = panels.filter(there);
  for (const panel of panels) panel.figure.hidden = !shown.includes(panel);
  part.querySelector(".panels").classList.toggle("few", shown.length < 3);
  for (const panel of shown) panel.shown = minus ? differences(panel, minus, quantity) : panel.grids[quantity.key];
  const limits = limitsOf(shown.flatMap((panel) => panel.shown));
  const scale = minus ? evenScale(limits) : scaleOver(limits, radioValue(part, "surface-scale") === "log", 9);
  const relief = radioValue(part, "surface-view") === "relief";
  part.querySelector(".cameras").hidden = !relief;
  showCamera(part);
  const label = minus ? `${quantity.label}, less that of ${networkName(minus.network)}` : quantity.label;
  showScale(part, label, scale, limits, minus);
  const draw = Number(part.querySelector("[name=draw]").value) - 1;
  for (const panel of shown) drawPanel(panel, { quantity, label, scale, relief, draw, minus });
  const longest = shown.reduce((best, panel) => (panel.draws.length > best.length ? panel.draws : best), []);
  part.querySelector("[data-draw-name]").textContent = longest[Math.min(draw, longest.length - 1)] || "";
  showSurfaceTable(part, shown, label, draw);
}

function showCamera(part) {
  for (const name of ["turn", "tilt", "zoom"]) {
    const value = surfaceState.camera[name];
    part.querySelector(`[name="${name}"]`).value = value;
    part.querySelector(`[data-value="${name}"]`).textContent = name === "zoom" ? `${value.toFixed(1)} ×` : `${Math.round(value)}°`;
  }
}

/** The colour bar, its ticks, and why a logarithmic scale was not to be had. */
function showScale(part, label, scale, limits, minus) {
  const host = part.querySelector(".bar");
  const width = Math.max(Math.min(host.clientWidth, 560), 200);
  const wanted = radioValue(part, "surface-scale") === "log";
  const ends = limits ? `${reading(limits[0])} to ${reading(limits[1])}` : "nothing finite";
  const svg = drawn("svg", { viewBox: `0 0 ${width} 34`, width, height: 34, role: "img", "aria-label": `Colours run ${minus ? "from blue for lower to red for higher" : "from dark to light"} over ${label} ${ends}` });
  const inner = width - 40;
  const { colours } = scale;
  colours.forEach((colour, i) => svg.append(drawn("rect", { x: 20 + (inner * i) / colours.length, y: 0, width: inner / colours.length + 0.6, height: 12, fill: colour })));
  for (const tick of fewer(scale.ticks, Math.floor(inner / 48))) {
    const x = 20 + inner * scale.position(tick);
    svg.append(drawn("line", { class: "axis", x1: x, x2: x, y1: 12, y2: 16 }), drawn("text", { class: "tick middle", x, y: 28 }, plain(tick)));
  }
  const linear = wanted && !scale.log && limits && !minus ? "; linear, because not all values are positive" : scale.log ? ", logarithmic" : "";
  host.replaceChildren(element("p", { class: "note" }, `${label}${linear}; one scale for all networks shown, masks and directions: ${ends}`), svg);
}

function drawPanel(panel, { quantity, label, scale, relief, draw, minus }) {
  const draws = panel.shown;
  const now = Math.min(draw, draws.length - 1);
  const grid = { x: panel.x, y: panel.y, values: draws[now] };
  const context = prepared(panel.canvas);
  const colours = themeColours();
  panel.points = (relief ? drawRelief : drawContours)(context, grid, scale, ...(relief ? [surfaceState.camera] : []), colours);
  panel.grid = grid;
  panel.relief = relief;
  const broken = grid.values.filter((value) => value !== null && !Number.isFinite(value)).length;
  const absent = grid.values.filter((value) => value === null).length;
  panel.note.textContent = [broken ? `${count(broken, "point")} not finite (×)` : "", absent ? `${count(absent, "point")} not computed (·)` : ""].filter(Boolean).join(", ");
  const own = limitsOf([grid.values]);
  panel.canvas.setAttribute("aria-label", `${label} of ${networkName(panel.network)} ${relief ? "as a surface" : "as contours"}, ${own ? `from ${reading(own[0])} to ${reading(own[1])}` : "nowhere finite"}${panel.note.textContent ? `; ${panel.note.textContent}` : ""}. Arrow keys ${relief ? "turn all surfaces" : "move the point that is read"}.`);
  showCursor(context, panel, minus ? null : quantity, now, colours);
}

/** A canvas as sharp as the screen; its area is in CSS pixels. */
function prepared(canvas) {
  const width = Math.max(canvas.clientWidth, 120);
  const height = Math.round(width * 0.84);
  const ratio = window.devicePixelRatio || 1;
  canvas.area = { width, height };
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** The point that is read, at the same place of every network's plane. */
function showCursor(context, panel, quantity, draw, colours) {
  const cursor = surfaceState.cursor;
  if (!cursor) {
    panel.output.textContent = "";
    return;
  }
  const [i, j] = [closest(panel.x, cursor.x), closest(panel.y, cursor.y)];
  const place = j * panel.x.length + i;
  const value = panel.grid.values[place];
  const error = quantity && ["nll", "total"].includes(quantity.key) ? (panel.errors[draw] || [])[place] : NaN;
  panel.output.textContent = `x ${plain(panel.x[i])}, y ${plain(panel.y[j])}: ${measured(value, error)}`;
  const point = panel.points[place];
  if (point && Number.isFinite(point.top)) drawDot(context, point.left, point.top, 4.5, colours.ground, colours.text);
}

function closest(values, goal) {
  return values.reduce((best, value, i) => (Math.abs(value - goal) < Math.abs(values[best] - goal) ? i : best), 0);
}

function connectCanvas(part, panel) {
  const { canvas } = panel;
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
    readAt(panel, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last && panel.relief) {
      turnBy((event.clientX - last[0]) * 0.6, (event.clientY - last[1]) * 0.5);
      last = [event.clientX, event.clientY];
    } else readAt(panel, event);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    if (panel.relief) turnBy(6 * step[0], -4 * step[1]);
    else stepCursor(part, panel, step);
  });
}

/** Turn all surfaces; to the right and downward the drag takes the near side along. */
function turnBy(across, down) {
  const { camera } = surfaceState;
  camera.turn = ((camera.turn + across + 540) % 360) - 180;
  camera.tilt = Math.min(Math.max(camera.tilt + down, 0), 90);
  changed();
}

function readAt(panel, event) {
  const box = panel.canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let [best, distance] = [-1, 28];
  panel.points.forEach((point, k) => {
    const away = Math.hypot(point.left - x, point.top - y);
    if (away < distance) [best, distance] = [k, away];
  });
  if (best < 0) return;
  surfaceState.cursor = { x: panel.x[best % panel.x.length], y: panel.y[Math.floor(best / panel.x.length)] };
  changed();
}

function stepCursor(part, panel, [across, up]) {
  const cursor = surfaceState.cursor || { x: 0, y: 0 };
  const move = (values, now, by) => values[Math.min(Math.max(closest(values, now) + by, 0), values.length - 1)];
  surfaceState.cursor = { x: move(panel.x, cursor.x, across), y: move(panel.y, cursor.y, up) };
  changed();
  requestAnimationFrame(() => announce(part, `${networkName(panel.network)}, ${panel.output.textContent}`));
}

function announce(part, text) {
  part.querySelector("[role=status]").textContent = text;
}
