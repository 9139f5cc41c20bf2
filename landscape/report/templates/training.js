// Where a page has one network at several epochs: a slider that shows one of them in every part.
function startTraining() {
  const sliders = [...document.querySelectorAll("[name=epoch]")];
  const epochs = [...new Set(data.networks.map((each) => each.epoch).filter((epoch) => epoch !== undefined))].sort((a, b) => a - b);
  for (const slider of sliders) {
    slider.max = epochs.length;
    slider.addEventListener("input", () => {
      for (const other of sliders) other.value = slider.value;
      choose(atEpoch(epochs[Number(slider.value) - 1]));
    });
  }
  watch(() => {
    for (const output of document.querySelectorAll("[data-value=epoch]")) {
      const place = Number(sliders[0].value);
      output.textContent = place ? `epoch ${epochs[place - 1]}` : "all checkpoints";
    }
  });
}

/** Of each run the last checkpoint up to an epoch, else its first; and whatever is of no run. */
function atEpoch(epoch) {
  const best = new Map();
  data.networks.forEach((each, index) => {
    if (epoch === undefined || each.run === undefined) {
      best.set(`alone ${index}`, index);
      return;
    }
    const held = data.networks[best.get(each.run)];
    const better = !held || (each.epoch <= epoch ? held.epoch > epoch || each.epoch > held.epoch : held.epoch > epoch && each.epoch < held.epoch);
    if (better) best.set(each.run, index);
  });
  return best.values();
}
