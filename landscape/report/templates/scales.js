// Scales: limits, positions between 0 and 1, round ticks.
function limitsOf(lists) {
  let low = Infinity;
  let high = -Infinity;
  for (const list of lists) {
    for (const value of list) {
      if (Number.isFinite(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  return low <= high ? [low, high] : null;
}

function roundStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 2.5, 5, 10].find((each) => each >= (step / power) * (1 - 1e-9));
}

function linearTicks(low, high, wanted) {
  if (!(high > low)) return [low];
  const step = roundStep((high - low) / wanted);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** Round numbers spread evenly in the logarithm: the densest ladder that has no more than were asked for. */
function logTicks(low, high, wanted) {
  const ladders = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]];
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const inside = (ladder) => {
    const all = [];
    for (let e = from; e <= to; e++) for (const step of ladder) all.push(Number((step * 10 ** e).toPrecision(3)));
    return all.filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  };
  const found = ladders.map(inside).find((ticks) => ticks.length <= wanted) || inside([1]);
  const every = Math.ceil(found.length / wanted) || 1;
  return found.filter((_, i) => i % every === 0);
}

/** A scale over limits; a logarithmic one needs positive limits and is linear otherwise. */
function scaleOver(limits, log, wanted = 6) {
  let [low, high] = limits || [0, 1];
  const takeLog = log && low > 0;
  if (!(high > low)) [low, high] = takeLog ? [low / 2, high * 2] : [low - (Math.abs(low) / 2 || 0.5), high + (Math.abs(high) / 2 || 0.5)];
  const at = takeLog ? Math.log10 : (value) => value;
  const start = at(low);
  const length = at(high) - start;
  return {
    low,
    high,
    log: takeLog,
    colours: data.colours,
    position: (value) => (at(value) - start) / length,
    ticks: takeLog ? logTicks(low, high, wanted) : linearTicks(low, high, wanted),
  };
}

/** A linear scale of differences: zero stands in the middle, in the palest colour. */
function evenScale(limits) {
  const reach = limits ? Math.max(Math.abs(limits[0]), Math.abs(limits[1])) || 1 : 1;
  return { ...scaleOver([-reach, reach], false, 7), colours: data.surface.differences };
}
