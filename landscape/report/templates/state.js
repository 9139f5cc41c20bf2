// What the reader chose for the whole page, and who wants to know.
const chosen = new Set(data.networks.map((_, index) => index));
const watchers = [];
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
  });
}

/** The boxes for one network agree in every part of the page. */
function connectNetworks() {
  const boxes = [...document.querySelectorAll("input[data-network]")];
  for (const box of boxes) {
    box.addEventListener("change", () => {
      const index = Number(box.dataset.network);
      if (box.checked) chosen.add(index);
      else chosen.delete(index);
      for (const other of boxes) if (other.dataset.network === box.dataset.network) other.checked = box.checked;
      changed();
    });
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
