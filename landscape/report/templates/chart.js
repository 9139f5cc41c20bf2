// Line charts as SVG: lines, markers, bars of error, single values below; each point can be read.
const MARGIN = { left: 56, right: 12, top: 10, bottom: 44 };
const SHAPES = {
  o: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  s: (r) => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  "^": (r) => `M0,${-1.2 * r}L${1.1 * r},${r}H${-1.1 * r}z`,
  v: (r) => `M0,${1.2 * r}L${1.1 * r},${-r}H${-1.1 * r}z`,
  "<": (r) => `M${-1.2 * r},0L${r},${1.1 * r}V${-1.1 * r}z`,
  ">": (r) => `M${1.2 * r},0L${-r},${1.1 * r}V${-1.1 * r}z`,
  D: (r) => `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0z`,
  p: (r) => `M0,${-1.2 * r}L${1.1 * r},${-0.3 * r}L${0.7 * r},${r}H${-0.7 * r}L${-1.1 * r},${-0.3 * r}z`,
  X: (r) => `M${-r},${-r}L${r},${r}M${r},${-r}L${-r},${r}`,
  P: (r) => `M0,${-1.2 * r}V${1.2 * r}M${-1.2 * r},0H${1.2 * r}`,
};

/**
 * Draw a chart into an element, in place of what was there.
 *
 * spec: label (for those who do not see it), x and y {label, log, limits, reverse, ticks}, series [{network,
 * points [{x, y, low, high, note, open}], gap, raised}], rug [{network, values}], diagonal.
 */
function drawChart(host, spec) {
  const width = Math.max(host.clientWidth, 240);
  const rug = (spec.rug || []).length * 7;
  const height = Math.round(Math.min(Math.max(width * 0.5, 240), 380)) + rug;
  const frame = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom - rug };
  const axes = chartAxes(spec, frame);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", tabindex: "0", "aria-label": spec.label });
  drawAxes(svg, spec, axes, frame, rug);
  if (spec.diagonal) svg.append(drawn("line", { class: "diagonal", x1: axes.x(0), y1: axes.y(0), x2: axes.x(1), y2: axes.y(1) }));
  const shown = spec.series.map((series) => drawSeries(svg, series, axes));
  (spec.rug || []).forEach((each, row) => drawRug(svg, each, axes, frame, row));
  host.replaceChildren(svg, readerOf(svg, spec, shown.flat(), shown, frame));
}

function chartAxes(spec, frame) {
  const points = spec.series.flatMap((series) => series.points);
  const ends = (key) => (key === "x" ? [points.map((p) => p.x), ...(spec.rug || []).map((r) => r.values)] : ["y", "low", "high"].map((k) => points.map((p) => p[k])));
  const along = (key) => {
    const usable = ends(key).map((list) => list.filter((value) => !spec[key].log || value > 0));
    const found = spec[key].limits || padded(limitsOf(usable), spec[key]);
    return scaleOver(found, spec[key].log, Math.max(3, Math.floor((key === "x" ? frame.right - frame.left : frame.bottom - frame.top) / (key === "x" ? 70 : 45))));
  };
  const x = along("x");
  const y = along("y");
  const across = (value) => (spec.x.reverse ? 1 - x.position(value) : x.position(value));
  return {
    xScale: x,
    yScale: y,
    x: (value) => frame.left + across(value) * (frame.right - frame.left),
    y: (value) => frame.bottom - y.position(value) * (frame.bottom - frame.top),
    has: (point) => Number.isFinite(x.position(point.x)) && Number.isFinite(y.position(point.y)),
  };
}

function padded(limits, axis) {
  if (!limits || limits[0] === limits[1]) return limits;
  const [low, high] = limits;
  if (axis.log && low > 0) {
    const margin = (high / low) ** 0.04;
    return [low / margin, high * margin];
  }
  const margin = 0.04 * (high - low);
  return [axis.zero ? 0 : low - margin, high + margin];
}

function drawAxes(svg, spec, axes, frame, rug) {
  const words = spec.x.words || plain;
  for (const tick of axes.yScale.ticks) {
    const y = axes.y(tick);
    svg.append(drawn("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y, y2: y }));
    svg.append(drawn("text", { class: "tick end", x: frame.left - 6, y: y + 4 }, plain(tick)));
  }
  for (const tick of axes.xScale.ticks) {
    const x = axes.x(tick);
    svg.append(drawn("line", { class: "axis", x1: x, x2: x, y1: frame.bottom + rug, y2: frame.bottom + rug + 4 }));
    svg.append(drawn("text", { class: "tick middle", x, y: frame.bottom + rug + 17 }, words(tick)));
  }
  svg.append(drawn("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom + rug, y2: frame.bottom + rug }));
  svg.append(drawn("text", { class: "name middle", x: (frame.left + frame.right) / 2, y: frame.bottom + rug + 36 }, spec.x.label + (axes.xScale.log ? " (log)" : "")));
  const middle = (frame.top + frame.bottom) / 2;
  svg.append(drawn("text", { class: "name middle", transform: `translate(13 ${middle}) rotate(-90)` }, spec.y.label + (axes.yScale.log ? " (log)" : "")));
}

/** One network's line; returns its points with their places. A gap is left where a point has no place. */
function drawSeries(svg, series, axes) {
  const group = drawn("g", { class: `series network-${series.network}`, "data-of": series.network });
  const placed = series.points.map((point) => (axes.has(point) ? { ...point, network: series.network, left: axes.x(point.x), top: axes.y(point.y) } : null));
  let path = "";
  placed.forEach((point, i) => {
    if (point) path += `${i && placed[i - 1] ? "L" : "M"}${point.left.toFixed(1)},${point.top.toFixed(1)}`;
  });
  if (!series.scattered) group.append(drawn("path", { class: "curve", d: path, "stroke-dasharray": data.networks[series.network].dash || null }));
  const there = placed.filter(Boolean);
  const marked = series.gap ? sparse(there, series) : there;
  for (const point of marked) drawPoint(group, point, axes);
  svg.append(group);
  return there;
}

/** Points of a dense curve at least so many pixels apart; from `raised` on only those that stand off the floor. */
function sparse(points, { gap, network, raised }) {
  const floor = raised ? raised * Math.max(...points.map((point) => point.y)) : -Infinity;
  const standing = points.filter((point) => point.y > floor);
  let next = standing.length ? standing[0].left + (raised ? (23 * network) % gap : 0) : 0;
  return standing.filter((point) => {
    if (point.left < next) return false;
    next = point.left + gap;
    return true;
  });
}

function drawPoint(group, point, axes) {
  if (Number.isFinite(point.low) && Number.isFinite(point.high)) {
    const floor = axes.yScale.log && point.low <= 0 ? axes.yScale.low : point.low;
    group.append(drawn("line", { class: "bar", x1: point.left, x2: point.left, y1: axes.y(floor), y2: axes.y(point.high) }));
  }
  const shape = SHAPES[data.networks[point.network].marker] || SHAPES.o;
  group.append(drawn("path", { class: point.open ? "marker open" : "marker", d: shape(point.open ? 4.5 : 3), transform: `translate(${point.left.toFixed(1)} ${point.top.toFixed(1)})` }));
}

function drawRug(svg, rug, axes, frame, row) {
  const top = frame.bottom + 2 + 7 * row;
  const path = rug.values.map((value) => `M${axes.x(value).toFixed(1)},${top}v5`).join("");
  svg.append(drawn("path", { class: `rug network-${rug.network}`, "data-of": rug.network, d: path }));
}

/** The line below a chart that tells the point under the pointer, or the one that arrow keys chose. */
function readerOf(svg, spec, points, rows, frame) {
  const output = element("p", { class: "reading", role: "status" }, spec.hint || "Point at a curve, or focus the chart and use the arrow keys, to read a value.");
  const ring = drawn("circle", { class: "ring", r: 7, visibility: "hidden" });
  svg.append(ring);
  const show = (point) => {
    ring.setAttribute("cx", point.left);
    ring.setAttribute("cy", point.top);
    ring.setAttribute("visibility", "visible");
    output.replaceChildren(swatch(point.network), `${networkName(point.network)}: ${point.note}`);
    emphasise(point.network);
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const nearest = points.reduce((best, p) => (Math.hypot(p.left - x, p.top - y) < Math.hypot(best.left - x, best.top - y) ? p : best), points[0]);
    if (nearest && Math.hypot(nearest.left - x, nearest.top - y) < 40) show(nearest);
    else emphasise(null);
  });
  for (const event of ["pointerleave", "blur"]) svg.addEventListener(event, () => emphasise(null));
  readByKeys(svg, rows.filter((row) => row.length), show);
  return output;
}

function readByKeys(svg, rows, show) {
  let [row, place] = [0, -1];
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!move || !rows.length) return;
    event.preventDefault();
    row = (row + move[0] + rows.length) % rows.length;
    place = Math.min(Math.max(place + move[1], 0), rows[row].length - 1);
    show(rows[row][place]);
  });
}
