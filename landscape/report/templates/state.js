// What the reader chose for the whole page, and who wants to know.
const chosen = new Set(data.networks.map((_, index) => index));
const watchers = [];
let emphasised = null;
let waiting = false;

/** Call a function now and after every change, at most once a frame. */
function watch(update) {
  watchers.push(update);
  update();
}

function changed() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const update of watchers) update();
    emphasise(emphasised);
  });
}

/** The boxes for one network agree in every part of the page; pointing at a name brings its curves out. */
function connectNetworks() {
  for (const part of document.querySelectorAll("[data-everywhere]")) part.hidden = false;
  for (const box of networkBoxes()) {
    box.addEventListener("change", () => {
      const index = Number(box.dataset.network);
      if (box.checked) chosen.add(index);
      else chosen.delete(index);
      changed();
    });
  }
  for (const label of document.querySelectorAll("label[data-of]")) {
    const index = Number(label.dataset.of);
    for (const event of ["pointerenter", "focusin"]) label.addEventListener(event, () => emphasise(index));
    for (const event of ["pointerleave", "focusout"]) label.addEventListener(event, () => emphasise(null));
  }
  watch(() => {
    for (const box of networkBoxes()) box.checked = chosen.has(Number(box.dataset.network));
  });
}

function networkBoxes() {
  return document.querySelectorAll("input[data-network]");
}

/** Show these networks alone, in every part of the page. */
function choose(networks) {
  chosen.clear();
  for (const network of networks) chosen.add(network);
  changed();
}

/** Dim whatever is of another network; null brings all back. */
function emphasise(network) {
  emphasised = network;
  for (const node of document.querySelectorAll(".series, .rug, .panel")) {
    node.classList.toggle("faint", network !== null && node.dataset.of !== String(network));
  }
}

/** The part of the page with this name, shown now that it works; null if there is none. */
function livePart(name) {
  const part = document.querySelector(`[data-live="${name}"]`);
  if (part) part.hidden = false;
  return part;
}

function radioValue(part, name) {
  return part.querySelector(`input[name="${name}"]:checked`).value;
}

function onInput(part, selector, action) {
  for (const control of part.querySelectorAll(selector)) control.addEventListener("input", action);
}
