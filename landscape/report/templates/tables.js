// Every picture as a table, filled when it is opened.
function showWhenOpen(part, build) {
  const details = part.querySelector("details.numbers");
  const host = details.querySelector(".scroll");
  const fill = () => details.open && host.replaceChildren(...build());
  details.ontoggle = fill;
  fill();
}

function showSurfaceTable(part, shown, label, draw) {
  showWhenOpen(part, () => shown.map((panel) => surfaceTable(panel, label, draw)));
}

function surfaceTable(panel, what, draw) {
  const draws = panel.shown;
  const now = Math.min(draw, draws.length - 1);
  const label = [networkName(panel.network), what, panel.draws[now]].filter(Boolean).join(", ");
  const rows = panel.y.map((y, j) => [`y ${plain(y)}`, ...panel.x.map((_, i) => reading(draws[now][j * panel.x.length + i]))]);
  return table(`${label}; axes: ${panel.units}`, ["", ...panel.x.map((x) => `x ${plain(x)}`)], rows);
}

function showChartTable(part, specs) {
  showWhenOpen(part, () => specs.map(chartTable));
}

function chartTable(spec) {
  const rows = spec.series.flatMap((series) => series.points.map((point) => [networkName(series.network), reading(point.x), reading(point.y), span(point), point.note]));
  return table(spec.label, ["Network", spec.x.label, spec.y.label, "± two standard errors", "In words"], rows);
}

function span({ low, high }) {
  return Number.isFinite(low) && Number.isFinite(high) ? `${reading(low)} to ${reading(high)}` : "–";
}

function table(caption, head, rows) {
  const cells = (row) => row.map((text, i) => (i ? element("td", {}, text) : element("th", { scope: "row" }, text)));
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
  );
}
