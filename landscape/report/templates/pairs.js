// In the chapter of a factor: its two networks side by side, drawn when they come into sight.
const NOTHING = "\u00a0"; // keeps the line of the reading

function startPairs() {
  for (const part of document.querySelectorAll(".pair")) {
    part.hidden = false;
    const pair = new Set([part.dataset.baseline, part.dataset.variant].map(Number));
    part.querySelector("[data-only]").addEventListener("click", () => choose(pair));
    const button = part.querySelector("[data-minus]");
    if (button) connectDifference(button, part, pair);
    const drawings = pairDrawings(part, pair);
    if (!drawings.length) continue;
    new IntersectionObserver(([entry], observer) => {
      if (!entry.isIntersecting) return;
      observer.disconnect();
      onResize(part, () => drawings.forEach((draw) => draw()));
    }, { rootMargin: "300px" }).observe(part);
  }
}

/** Charts of what both networks have: feature maps by depth, and the spectrum. */
function pairDrawings(part, pair) {
  const both = (networks) => [...pair].every((index) => networks.some((each) => each.network === index));
  const found = [];
  if (data.features && both(data.features.networks)) {
    for (const quantity of data.features.quantities.filter((each) => ["spatial_variance", "high_frequency"].includes(each.key))) {
      const host = chartHost(part, `${quantity.label} by depth`);
      found.push(() => drawChart(host, { ...depthSpec(quantity, false, pair), hint: NOTHING }));
    }
  }
  if (data.spectrum && both(data.spectrum.networks)) {
    for (const side of data.spectrum.sides.filter((each) => each.sign > 0)) {
      const host = chartHost(part, "Positive eigenvalues of the Hessian");
      found.push(() => drawChart(host, { ...spectrumSpec(side, side.log, pair), hint: NOTHING }));
    }
  }
  return found;
}

/** The surfaces of a pair can be subtracted where both were measured at the same points. */
function connectDifference(button, part, pair) {
  const minus = document.querySelector("[name=minus]");
  const has = (index) => data.surface.panels.some((panel) => panel.network === index);
  button.hidden = !minus || ![...pair].every(has);
  button.addEventListener("click", () => {
    minus.value = part.dataset.baseline;
    choose(pair);
    document.getElementById("surface").scrollIntoView();
  });
}
