// Colours of surfaces, and those of the theme for what is drawn on a canvas.
function shade(position) {
  const place = Math.round(position * (data.colours.length - 1));
  return data.colours[Math.min(Math.max(place, 0), data.colours.length - 1)];
}

/** Whether dark lines stand out on a shade. */
function isLight(position) {
  const colour = parseInt(shade(position).slice(1), 16);
  return 0.299 * (colour >> 16) + 0.587 * ((colour >> 8) & 255) + 0.114 * (colour & 255) > 110;
}

function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const found = {};
  for (const name of ["text", "soft", "line", "ground"]) found[name] = style.getPropertyValue(`--${name}`).trim();
  return found;
}
