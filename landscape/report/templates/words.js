// Numbers and words, and small helpers for elements.
const MINUS = "\u2212";
const SVG = "http://www.w3.org/2000/svg"; // the name of a language; nothing is fetched
const data = JSON.parse(document.getElementById("data").textContent);

/** The numbers of a list as it is stored: null was not computed, NaN and infinities are words. */
function decode(list) {
  return list.map((value) => (value === null ? null : Number(value)));
}

/** A tick label: no exponent where that is short. */
function plain(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text = size >= 1000 && size < 1e5 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  if (size >= 1e5 || size < 1e-4) text = Number(value.toPrecision(3)).toExponential().replace("e+", "e");
  return text.replace(/-/g, MINUS);
}

/** A measured value to four digits, or why there is none. */
function reading(value) {
  if (value === null || value === undefined) return "not computed";
  if (!Number.isFinite(value)) return `not finite (${value === Infinity ? "∞" : value === -Infinity ? MINUS + "∞" : "NaN"})`;
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e6 || size < 1e-4 ? value.toExponential(3).replace("e+", "e") : String(Number(value.toPrecision(4)));
  return text.replace(/-/g, MINUS);
}

/** A value with ± two standard errors where one is known. */
function measured(value, error) {
  const known = Number.isFinite(value) && Number.isFinite(error) && error > 0;
  return known ? `${reading(value)} ± ${plain(2 * error)}` : reading(value);
}

function count(number, thing) {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function networkName(index) {
  return data.networks[index].name;
}

/** An element with attributes and children; strings become text, never markup. */
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function swatch(network) {
  return element("span", { class: `swatch network-${network}`, "aria-hidden": "true" });
}
