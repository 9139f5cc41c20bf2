// Data and figures as files, made from what the page holds.
function startDownloads() {
  for (const button of document.querySelectorAll("[data-download]")) {
    button.hidden = false;
    button.addEventListener("click", () => DOWNLOADS[button.dataset.download](button));
  }
}

const DOWNLOADS = {
  surface: () => saveTable("surfaces.csv", surfaceRows()),
  spectrum: () => saveTable("hessian-spectra.csv", spectrumRows()),
  features: () => saveTable("feature-maps.csv", layerRows()),
  predictions: () => saveTable("predictions.csv", predictionRows()),
  everything: () => save("landscape-data.json", new Blob([JSON.stringify(data)], { type: "application/json" })),
  svg: (button) => save(`${button.dataset.figure}.svg`, imageBlob(figureImage(button))),
  png: (button) => saveRaster(button.dataset.figure, figureImage(button)),
  caption: (button) => save(`${button.dataset.figure}.txt`, new Blob([button.closest("figure").querySelector(".caption").textContent + "\n"], { type: "text/plain" })),
};

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

function saveTable(name, rows) {
  // Text that begins like a formula gets an apostrophe, as in the tables that the commands write; numbers never.
  const guarded = (value) => (typeof value === "string" && /^'*[=+\-@\t\r]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : String(value ?? ""));
  const cell = (value) => (/[",\n\r]/.test(guarded(value)) ? `"${guarded(value).replaceAll('"', '""')}"` : guarded(value));
  save(name, new Blob([rows.map((row) => row.map(cell).join(",")).join("\n") + "\n"], { type: "text/csv" }));
}

function figureImage(button) {
  return button.closest("figure").querySelector("img");
}

function imageBlob(image) {
  const [head, body] = image.src.split(",");
  const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: head.slice(5, head.indexOf(";")) });
}

/** A figure on white, at three pixels for one of the page. */
function saveRaster(name, image) {
  const canvas = element("canvas", { width: 3 * image.getAttribute("width"), height: 3 * image.getAttribute("height") });
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${name}.png`, blob), "image/png");
}

function surfaceRows() {
  const keys = data.surface.quantities.map((each) => each.key);
  const rows = [["network", "draw", "x", "y", ...keys, "nll_standard_error"]];
  for (const panel of data.surface.panels) {
    const draws = Math.max(...Object.values(panel.values).map((each) => each.length));
    for (let draw = 0; draw < draws; draw++) {
      panel.y.forEach((y, j) => panel.x.forEach((x, i) => {
        const k = j * panel.x.length + i;
        const values = keys.map((key) => (panel.values[key] ? panel.values[key][draw][k] : ""));
        rows.push([networkName(panel.network), draw + 1, x, y, ...values, panel.errors ? panel.errors[draw][k] : ""]);
      }));
    }
  }
  return rows;
}

function spectrumRows() {
  return [["network", "eigenvalue"], ...data.spectrum.networks.flatMap((each) => each.values.map((value) => [networkName(each.network), value]))];
}

function layerRows() {
  const keys = data.features.quantities.map((each) => each.key);
  const rows = data.features.networks.flatMap((each) =>
    each.layers.map((layer, i) => [networkName(each.network), layer, each.kinds[i], each.depth[i], ...keys.flatMap((key) => [each.values[key][i], each.errors[key][i]])]));
  return [["network", "layer", "kind", "depth", ...keys.flatMap((key) => [key, `${key}_standard_error`])], ...rows];
}

function predictionRows() {
  const rows = [["table", "network", "at", "quantity", "value", "standard_error", "samples"]];
  for (const bins of data.predictions.reliability || []) {
    bins.confidence.forEach((at, i) => rows.push(["reliability", networkName(bins.network), at, "accuracy", bins.accuracy[i], bins.accuracy_standard_error[i], bins.count[i]]));
  }
  const ensemble = data.predictions.ensemble || { networks: [], quantities: [] };
  for (const each of ensemble.networks) {
    for (const { key } of ensemble.quantities) each.size.forEach((at, i) => rows.push(["ensemble", networkName(each.network), at, key, each.values[key][i], each.errors[key][i], ""]));
  }
  return rows;
}
