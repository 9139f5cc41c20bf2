// The chapter of Hessian spectra: densities and single eigenvalues of the networks chosen.
function startSpectra() {
  const part = livePart("spectrum");
  if (!part) return;
  const suggested = data.spectrum.sides.some((side) => side.log) ? "log" : "linear";
  part.querySelector(`input[name=spectrum-scale][value=${suggested}]`).checked = true;
  onInput(part, "input[type=radio]", changed);
  const hosts = data.spectrum.sides.map((side) => chartHost(part, side.sign < 0 ? "Negative eigenvalues" : "Positive eigenvalues"));
  onResize(part, () => {
    const log = radioValue(part, "spectrum-scale") === "log";
    const specs = data.spectrum.sides.map((side) => spectrumSpec(side, log));
    specs.forEach((spec, i) => drawChart(hosts[i], spec));
    showChartTable(part, specs);
  });
}

/** A place for one chart under its own heading. */
function chartHost(part, title) {
  const host = element("div", { class: "chart" });
  part.querySelector(".charts").append(element("div", { class: "chart-box" }, element("h4", {}, title), host));
  return host;
}

/** Draw now, after every choice, and when the width changes. */
function onResize(part, draw) {
  let width = 0;
  new ResizeObserver((entries) => {
    const now = Math.round(entries[0].contentRect.width);
    if (now !== width) {
      width = now;
      changed();
    }
  }).observe(part);
  watch(draw);
}

function spectrumSpec(side, log, wanted = chosen) {
  const curves = log ? side.decades : side.linear;
  const points = decode(curves.points);
  const networks = data.spectrum.networks.filter((each) => wanted.has(each.network));
  const shown = curves.curves.filter((curve) => wanted.has(curve.network));
  const word = side.sign < 0 ? "negative" : "positive";
  return {
    label: `Density of the ${word} mini-batch eigenvalues of the Hessian. ${networks.map(spectrumWords).join("; ")}`,
    x: { label: "eigenvalue", log, limits: [points[0], points[points.length - 1]], reverse: side.sign < 0, words: (tick) => plain(side.sign * tick) },
    y: { label: log ? "density per decade" : "density", zero: true },
    series: shown.map((curve) => ({
      network: curve.network,
      gap: 80,
      raised: 0.05,
      points: decode(curve.density).map((y, i) => ({ x: points[i], y, note: `eigenvalue ${reading(side.sign * points[i])}, density ${reading(y)}` })),
    })),
    rug: networks.map((each) => ({ network: each.network, values: decode(each.values).map((v) => side.sign * v).filter((v) => v > 0 && v >= points[0] && v <= points[points.length - 1]) })),
  };
}

function spectrumWords(each) {
  const values = decode(each.values);
  return `${networkName(each.network)}: ${count(values.length, "eigenvalue")}, from ${reading(values[0])} to ${reading(values[values.length - 1])}`;
}
