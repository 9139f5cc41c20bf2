// What the reader chose stands behind the # of the address, so that a link opens the same view.
const PAUSE = 400; // ms; browsers complain of addresses that change too often
let defaults = null;
let timer = 0;

function startAddress() {
  defaults = view();
  const [place, wanted] = splitAddress();
  if (wanted) applyView(new URLSearchParams(wanted), place);
  watch(noteView);
  document.addEventListener("input", noteView);
  window.addEventListener("hashchange", noteView); // a link of the contents keeps the choices
}

/** Every choice of the page as text by name; networks by their names. */
function view() {
  const found = new Map();
  for (const control of document.querySelectorAll(".live [name]")) {
    if (control.type === "radio" ? control.checked : control.type !== "checkbox") found.set(control.name, control.value);
  }
  const names = data.networks.map((_, index) => index).filter((index) => chosen.has(index)).map(networkName);
  found.set("networks", JSON.stringify(names));
  return found;
}

function splitAddress() {
  const [place, ...rest] = window.location.hash.slice(1).split("?");
  return [place, rest.join("?")];
}

function applyView(wanted, place) {
  for (const control of document.querySelectorAll(".live [name]")) {
    const value = wanted.get(control.name);
    if (value === null) continue;
    if (control.type === "radio") control.checked = control.value === value;
    else if (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value)) control.value = value;
    if (control.type === "range") control.dispatchEvent(new Event("input"));
  }
  const names = listOf(wanted.get("networks"));
  if (names) choose(data.networks.map((_, index) => index).filter((index) => names.includes(networkName(index))));
  changed();
  const target = place && document.getElementById(place);
  if (target) requestAnimationFrame(() => target.scrollIntoView());
}

/** A list of names as it stands in an address; null for anything else. */
function listOf(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

function noteView() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const different = [...view()].filter(([name, value]) => defaults.get(name) !== value);
    const [place] = splitAddress();
    const wanted = different.length ? `${place}?${new URLSearchParams(different)}` : place;
    if (wanted !== window.location.hash.slice(1)) {
      window.history.replaceState(null, "", wanted ? `#${wanted}` : window.location.pathname + window.location.search);
    }
  }, PAUSE);
}
