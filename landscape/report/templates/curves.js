// The chapters of feature maps by depth and of predictions.
function startFeatures() {
  const part = livePart("features");
  if (!part) return;
  const host = chartHost(part, "By depth");
  onInput(part, "select, input[type=radio]", changed);
  onResize(part, () => {
    const quantity = chosenQuantity(part, data.features.quantities);
    const spec = depthSpec(quantity, radioValue(part, "features-scale") === "log");
    host.previousSibling.textContent = `${quantity.label} by depth`;
    drawChart(host, spec);
    showChartTable(part, [spec]);
  });
}

function chosenQuantity(part, quantities) {
  const { value } = part.querySelector("select");
  return quantities.find((each) => each.key === value);
}

/** y ± two standard errors. */
function interval(y, error) {
  return Number.isFinite(error) ? { low: y - 2 * error, high: y + 2 * error } : {};
}

function depthSpec(quantity, log, wanted = chosen) {
  const networks = data.features.networks.filter((each) => wanted.has(each.network));
  const series = networks.map((each) => {
    const [values, errors, depth] = [each.values[quantity.key], each.errors[quantity.key], each.depth].map(decode);
    const points = values.map((y, i) => ({
      x: depth[i], y, ...interval(y, errors[i]),
      open: each.kinds[i] === "smoothing",
      note: `${each.layers[i]} (${each.kinds[i]}), depth ${plain(depth[i])}: ${measured(y, errors[i])}`,
    }));
    return { network: each.network, points: log ? points : points.filter((point) => Number.isFinite(point.y)) };
  });
  const hidden = log ? series.flatMap((each) => each.points).filter((point) => point.y <= 0).length : 0;
  return {
    label: `${quantity.label} of the feature maps of ${networks.map((each) => networkName(each.network)).join(", ") || "no network"} against normalised depth`,
    hint: hidden && log ? `${count(hidden, "value")} of 0 or less cannot stand on a logarithmic axis.` : null,
    x: { label: "normalised depth", limits: [-0.02, 1.02] },
    y: { label: quantity.label, log },
    series,
  };
}

function startPredictions() {
  const part = livePart("predictions");
  if (!part) return;
  const { reliability, ensemble } = data.predictions;
  const hosts = [reliability && chartHost(part, "Reliability"), ensemble && chartHost(part, "Size of the ensemble")];
  onInput(part, "select", changed);
  onResize(part, () => {
    const specs = [reliability && reliabilitySpec(reliability), ensemble && ensembleSpec(part, ensemble)];
    specs.forEach((spec, i) => spec && drawChart(hosts[i], spec));
    showChartTable(part, specs.filter(Boolean));
  });
}

function reliabilitySpec(networks) {
  const shown = networks.filter((each) => chosen.has(each.network));
  return {
    label: `Accuracy against confidence, by bin. ${shown.map((each) => `${networkName(each.network)}: ECE ${reading(each.ece)}`).join("; ")}`,
    x: { label: "mean confidence of the bin", limits: [0, 1] },
    y: { label: "accuracy", limits: [0, 1] },
    diagonal: true,
    series: shown.map((each) => ({ network: each.network, points: reliabilityPoints(each) })),
  };
}

function reliabilityPoints(bins) {
  const [confidence, accuracy, errors, counts] = [bins.confidence, bins.accuracy, bins.accuracy_standard_error, bins.count].map(decode);
  return confidence
    .map((x, i) => ({ x, y: accuracy[i], ...clipped(interval(accuracy[i], errors[i])), note: `confidence ${reading(x)}, accuracy ${measured(accuracy[i], errors[i])}, ${count(counts[i], "sample")}` }))
    .filter((point) => Number.isFinite(point.y));
}

/** The part of an interval that a share can take. */
function clipped({ low, high }) {
  return { low: Math.max(low, 0), high: Math.min(high, 1) };
}

function ensembleSpec(part, ensemble) {
  const quantity = chosenQuantity(part, ensemble.quantities);
  const shown = ensemble.networks.filter((each) => chosen.has(each.network));
  return {
    label: `${quantity.label} of ${shown.map((each) => networkName(each.network)).join(", ") || "no network"} against the number of predictions averaged`,
    x: { label: "predictions averaged", log: true },
    y: { label: quantity.label },
    series: shown.map((each) => {
      const [size, values, errors] = [each.size, each.values[quantity.key], each.errors[quantity.key]].map(decode);
      const points = size.map((x, i) => ({ x, y: values[i], ...interval(values[i], errors[i]), note: `${count(x, "prediction")} averaged: ${measured(values[i], errors[i])}` }));
      return { network: each.network, points, gap: 24 };
    }),
  };
}
