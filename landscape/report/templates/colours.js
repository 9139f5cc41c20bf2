// Colours of surfaces, and those of the theme for what is drawn on a canvas.
function shade(position, scale) {
  const { colours } = scale;
  const place = Math.round(position * (colours.length - 1));
  return colours[Math.min(Math.max(place, 0), colours.length - 1)];
}

/** Whether dark lines stand out on a shade. */
function isLight(position, scale) {
  const colour = parseInt(shade(position, scale).slice(1), 16);
  return 0.299 * (colour >> 16) + 0.587 * ((colour >> 8) & 255) + 0.114 * (colour & 255) > 110;
}

function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const found = {};
  for (const name of ["text", "soft", "line", "ground"]) found[name] = style.getPropertyValue(`--${name}`).trim();
  return found;
}
